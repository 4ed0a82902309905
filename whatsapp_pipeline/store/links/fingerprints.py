"""Whether a month's links still stand: nothing that deciding them read or wrote has changed since.

What belongs here: stamps, hashes over rows. Chats count by their content; a table that deciding may read
anywhere in counts by the version of every row (place and transaction), so that any write to it shows. What
does not: what else decides, rules and options, which the caller hands in.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal, LiteralString, TypeAlias

from psycopg import sql

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection

Stage: TypeAlias = Literal["contact_links", "order_links"]

_READ_ANYWHERE: dict[Stage, tuple[str, ...]] = {
    "contact_links": ("contatos", "contact_phones", "ordens_servico", "link_overrides"),
    "order_links": ("ordens_servico", "link_overrides"),
}


def versions(conn: Connection, stage: Stage) -> str:
    """Hash the tables that deciding may read anywhere in, whatever the month; call it before reading them.

    The months of one run share the hash. A row that changes while they run makes the months after it differ
    from their stamps: at worst they are decided once more.
    """
    whole = sql.SQL(
        "(SELECT count(*) || ':' || coalesce(sum(hash_record_extended(ROW(t.ctid, t.xmin), 0)), 0) FROM {} t)"
    )
    tables = [whole.format(sql.Identifier(table)) for table in _READ_ANYWHERE[stage]]
    return repr(conn.execute(sql.SQL("SELECT {}").format(sql.SQL(", ").join(tables))).fetchone())


def rests_on(conn: Connection, stage: Stage, month: str, *more: str) -> bytes:
    """Hash what deciding the month will read of its chats; call it before reading.

    `more` is what else decides.
    """
    statements = [queries.load(f"links/stamp_{stage}_inputs")]
    if stage == "order_links":
        sessions = queries.load("links/order_sessions")
        statements.append(f"SELECT count(*), sum(hash_record_extended(l, 0)) FROM ({sessions}) l")
    return _hash(conn, month, statements, repr(more).encode())


def stands(conn: Connection, stage: Stage, month: str, inputs: bytes) -> bool:
    """Tell whether the month was decided from these `inputs`, and what was written is as it was left."""
    row = conn.execute(
        "SELECT stamp FROM link_stamps WHERE stage = %s AND month = %s", (stage, month)
    ).fetchone()
    return row is not None and row[0] == _outputs(conn, stage, month, inputs)


def keep(conn: Connection, stage: Stage, month: str, inputs: bytes) -> None:
    """Note that the month is decided from `inputs` and written."""
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
