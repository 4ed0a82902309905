"""What the server's planner knows of tables that were filled a moment ago.

What belongs here: having them looked at before they are joined. What does not: keeping statistics fresh
afterwards, which is autovacuum's work. It comes by once a minute; until then what a table holds is a guess,
or what it held before a step wrote every row of it: no links yet, a thousand messages where a million are.
The plans made from that sort every contact there is, or read all messages once a contact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg import sql

from whatsapp_pipeline.store.connection import Connection


def refresh(conn: Connection, columns: Mapping[str, tuple[str, ...]]) -> None:
    """Analyze the tables that grew by a fifth since that was done last, or for which it never was.

    `columns`: by table, those that decide on plans; () is all of them. Waits for nobody who is at it, and
    leaves a table as it is that the user's role may not analyze.
    """
    rows = conn.execute(
        """SELECT relname FROM pg_class
           WHERE oid = ANY(%s::regclass[])
             AND pg_relation_size(oid) > 1.2 * relpages * current_setting('block_size')::bigint""",
        (list(columns),),
    )
    grown = [_named(table, columns[table]) for (table,) in rows.fetchall()]
    if grown:
        conn.execute(sql.SQL("ANALYZE (SKIP_LOCKED) {}").format(sql.SQL(", ").join(grown)))


def forget_deleted_rows(conn: Connection, tables: Sequence[str]) -> None:
    """Have the server let go of deleted rows of tables, and of their values in its statistics (`pg_stats`).

    For an erasure: autovacuum may come late, or never where a large table loses few rows. A table that this
    role may not vacuum, or that somebody has locked, is passed over. Call it outside of a transaction.
    """
    names = sql.SQL(", ").join(sql.Identifier(table) for table in tables)
    conn.execute(sql.SQL("VACUUM (ANALYZE, SKIP_LOCKED) {}").format(names))


def _named(table: str, columns: tuple[str, ...]) -> sql.Composed:
    if not columns:
        return sql.SQL("{}").format(sql.Identifier(table))
    return sql.SQL("{} ({})").format(
        sql.Identifier(table), sql.SQL(", ").join(sql.Identifier(column) for column in columns)
    )
