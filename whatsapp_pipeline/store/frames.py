"""Data frames as text for COPY.

What belongs here: the format of values, and the options of COPY that fit it. What does not: tables.
"""

from __future__ import annotations

import io

import polars as pl

# The text is UTF-8, while the session may have another encoding.
COPY_OPTIONS = "(FORMAT csv, ENCODING 'UTF8')"
# The server parses times faster without trailing zeros.
_TIME = "%Y-%m-%d %H:%M:%S%.f"


def csv_text(frame: pl.DataFrame) -> memoryview:
    """Return rows as text for COPY with COPY_OPTIONS: NULL is an empty field, an empty text is `""`.

    Lists become arrays; their texts must not contain characters with a meaning in arrays.
    """
    instants = pl.selectors.datetime(time_zone="*").dt.to_string(f"{_TIME}Z")
    arrays = ("{" + pl.selectors.list().list.join(",") + "}").name.keep()
    hashes = ("\\x" + pl.selectors.binary().bin.encode("hex")).name.keep()
    buffer = io.BytesIO()
    frame.with_columns(instants, arrays, hashes).write_csv(
        buffer, include_header=False, datetime_format=_TIME
    )
    return buffer.getbuffer()
