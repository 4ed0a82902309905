"""Whether a month's links still stand: nothing that deciding them read or wrote has changed since.

What belongs here: stamps, hashes over rows. Chats count by their content; a table that deciding may read
anywhere in counts by the version of every row (place and transaction), so that any write to it shows. What
does not: what else decides, rules and options, which the caller hands in.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal, TypeAlias

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection

Stage: TypeAlias = Literal["contact_links", "order_links"]


def rests_on(conn: Connection, stage: Stage, *more: str) -> bytes:
    """Hash what deciding the staged rows will read; call it before reading. `more` is what else decides."""
    return _hash(conn, f"stamp_{stage}_inputs", repr(more).encode())


def stands(conn: Connection, stage: Stage, month: str, inputs: bytes) -> bool:
    """Tell whether the month was decided from these `inputs`, and what was written is as it was left."""
    row = conn.execute(
        "SELECT stamp FROM link_stamps WHERE stage = %s AND month = %s", (stage, month)
    ).fetchone()
    return row is not None and row[0] == _hash(conn, f"stamp_{stage}_outputs", inputs)


def keep(conn: Connection, stage: Stage, month: str, inputs: bytes) -> None:
    """Note that the month is decided from `inputs` and written."""
    conn.execute(
        """INSERT INTO link_stamps (stage, month, stamp) VALUES (%s, %s, %s)
           ON CONFLICT (stage, month) DO UPDATE SET stamp = excluded.stamp""",
        (stage, month, _hash(conn, f"stamp_{stage}_outputs", inputs)),
    )


def _hash(conn: Connection, query: str, seed: bytes) -> bytes:
    row = conn.execute(queries.load(query)).fetchone()
    return blake2b(seed + repr([str(value) for value in row or ()]).encode(), digest_size=20).digest()
