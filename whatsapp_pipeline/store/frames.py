"""Frames as the text that COPY reads.

What belongs here: how values are spelled, and what COPY has to be told about that. What does not: tables.
"""

from __future__ import annotations

import io

import polars as pl

# The text is UTF-8 whatever the session's encoding, which is the user's.
COPY_OPTIONS = "(FORMAT csv, ENCODING 'UTF8')"
# Times as the server reads them fastest: no more digits than there are.
_TIME = "%Y-%m-%d %H:%M:%S%.f"


def csv_text(frame: pl.DataFrame) -> memoryview:
    """Spell rows as COPY reads them with COPY_OPTIONS: NULL is nothing, an empty text is `""`.

    Lists become arrays; their texts must hold no character that means anything there.
    """
    instants = pl.selectors.datetime(time_zone="*").dt.to_string(f"{_TIME}Z")
    arrays = ("{" + pl.selectors.list().list.join(",") + "}").name.keep()
    hashes = ("\\x" + pl.selectors.binary().bin.encode("hex")).name.keep()
    buffer = io.BytesIO()
    frame.with_columns(instants, arrays, hashes).write_csv(
        buffer, include_header=False, datetime_format=_TIME
    )
    return buffer.getbuffer()
