"""What the server's planner knows of tables that were filled for the first time a moment ago.

What belongs here: having them looked at before they are joined. What does not: keeping statistics fresh
afterwards, which is autovacuum's work. It comes by once a minute; until then what a table holds is a guess,
and the plans made with it sort every contact there is for a month of chats.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from whatsapp_pipeline.store.connection import Connection


def have(conn: Connection, columns: Mapping[str, tuple[str, ...]]) -> None:
    """Analyze these `columns`, by table, of the tables that never were; waits for nobody who is at it.

    A table that the user's role may not analyze is left as it is.
    """
    rows = conn.execute(
        "SELECT relname FROM pg_class WHERE oid = ANY(%s::regclass[]) AND reltuples < 0", (list(columns),)
    )
    for (table,) in rows.fetchall():
        names = sql.SQL(", ").join(map(sql.Identifier, columns[table]))
        conn.execute(sql.SQL("ANALYZE (SKIP_LOCKED) {} ({})").format(sql.Identifier(table), names))
