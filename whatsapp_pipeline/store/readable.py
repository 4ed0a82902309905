"""The tables and columns that the role of a connection may read, for commands that show only these.

What belongs here: reading rights from the database. What does not: granting them (grants.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from whatsapp_pipeline.store.connection import Connection


def may_read(conn: Connection, table: str) -> bool:
    """Return whether the role may read at least one column of a table or view."""
    row = conn.execute("SELECT has_any_column_privilege(to_regclass(%s), 'SELECT')", (table,)).fetchone()
    return row is not None and row[0] is True


def readable_columns(conn: Connection, table: str, wanted: Sequence[str]) -> list[str]:
    """Return those columns of `wanted` that the role may read, in the order of `wanted`."""
    rows = conn.execute(
        "SELECT name FROM unnest(%s::text[]) WITH ORDINALITY AS w (name, place)"
        " WHERE has_column_privilege(to_regclass(%s), name, 'SELECT') ORDER BY place",
        (list(wanted), table),
    )
    return [row[0] for row in rows]


def columns_or_null(conn: Connection, table: str, wanted: Sequence[str]) -> str:
    """Return a SELECT list of `wanted` with NULL instead of the columns that the role may not read."""
    readable = set(readable_columns(conn, table, wanted))
    return ", ".join(name if name in readable else f"NULL AS {name}" for name in wanted)
