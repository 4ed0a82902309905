"""Fingerprints of a month's links. They show whether the rows that the decisions read or wrote have changed.

What belongs here: hashes of rows. What does not: rules and options, which the caller passes.

Chats are hashed by content. Tables of which a decision may read any row are hashed by the version of every
row (ctid and xmin), so that any write changes the hash.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal, LiteralString, TypeAlias

from psycopg import sql

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.row_hashes import sum_of_hashes

Stage: TypeAlias = Literal["contact_links", "order_links"]

_READ_ANYWHERE: dict[Stage, tuple[str, ...]] = {
    "contact_links": ("contatos", "contact_phones", "ordens_servico", "link_overrides"),
    "order_links": ("ordens_servico", "link_overrides"),
}


def versions(conn: Connection, stage: Stage) -> str:
    """Return a hash of the tables of which a decision may read any row. Call it before reading them.

    The months of one run share the hash. If a row changes during the run, the fingerprints of later months
    do not match the tables, so these months are decided once more.
    """
    whole = sql.SQL("(SELECT {} FROM {} t)")
    versions_of_rows = sql.SQL(sum_of_hashes("ROW(t.ctid, t.xmin)"))
    tables = [whole.format(versions_of_rows, sql.Identifier(table)) for table in _READ_ANYWHERE[stage]]
    return repr(conn.execute(sql.SQL("SELECT {}").format(sql.SQL(", ").join(tables))).fetchone())


def input_fingerprint(conn: Connection, stage: Stage, month: str, *more: str) -> bytes:
    """Return a hash of the data of the month's chats that decisions read. Call it before reading them.

    `more` are texts of other inputs, such as rules and options.
    """
    statements = [queries.load(f"links/stamp_{stage}_inputs")]
    if stage == "order_links":
        sessions = queries.load("links/order_sessions")
        statements.append(f"SELECT {sum_of_hashes('l')} FROM ({sessions}) l")
    return _hash(conn, month, statements, repr(more).encode())


def is_current(conn: Connection, stage: Stage, month: str, inputs: bytes) -> bool:
    """Return whether the month was decided from these `inputs` and its links have not changed since."""
    row = conn.execute(
        "SELECT stamp FROM link_stamps WHERE stage = %s AND month = %s", (stage, month)
    ).fetchone()
    return row is not None and row[0] == _outputs(conn, stage, month, inputs)


def store_fingerprint(conn: Connection, stage: Stage, month: str, inputs: bytes) -> None:
    """Store the fingerprint of the month's `inputs` and of its written links."""
    conn.execute(
        """INSERT INTO link_stamps (stage, month, stamp) VALUES (%s, %s, %s)
           ON CONFLICT (stage, month) DO UPDATE SET stamp = excluded.stamp""",
        (stage, month, _outputs(conn, stage, month, inputs)),
    )


def _outputs(conn: Connection, stage: Stage, month: str, inputs: bytes) -> bytes:
    return _hash(conn, month, [queries.load(f"links/stamp_{stage}_outputs")], inputs)


def _hash(conn: Connection, month: str, statements: list[LiteralString], seed: bytes) -> bytes:
    digest = blake2b(seed, digest_size=20)
    for statement in statements:
        row = conn.execute(statement, {"month": month}).fetchone()
        digest.update(repr([str(value) for value in row or ()]).encode())
    return digest.digest()
