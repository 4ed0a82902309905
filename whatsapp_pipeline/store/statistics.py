"""Statistics of the server's planner for tables that a step has just filled.

What belongs here: ANALYZE before such tables are joined, and VACUUM after an erasure. What does not: keeping
statistics current, which autovacuum does.

Autovacuum runs once a minute by default. Until then the planner uses old statistics, for example for a
thousand messages instead of a million. It then chooses plans that sort all contacts or read all messages once
per contact. Autovacuum can also analyze a table while its first rows are being written. It counts only
committed rows, so the planner assumes an empty table until the next run of autovacuum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg import sql

from whatsapp_pipeline.store.connection import Connection


def refresh(conn: Connection, columns: Mapping[str, tuple[str, ...]]) -> None:
    """Analyze the tables that have grown by a fifth since the last ANALYZE.

    Tables that were never analyzed, or were empty then, are analyzed, too. `columns` maps each table to the
    columns that plans depend on. () means all columns. A table is skipped if another session has locked it or
    if the role may not analyze it.
    """
    rows = conn.execute(
        """SELECT relname FROM pg_class
           WHERE oid = ANY(%s::regclass[])
             AND (pg_relation_size(oid) > 1.2 * relpages * current_setting('block_size')::bigint
                  OR (reltuples <= 0 AND pg_relation_size(oid) > 0))""",
        (list(columns),),
    )
    grown = [_named(table, columns[table]) for (table,) in rows.fetchall()]
    if grown:
        conn.execute(sql.SQL("ANALYZE (SKIP_LOCKED) {}").format(sql.SQL(", ").join(grown)))


def analyze_sample(conn: Connection, table: str) -> None:
    """Analyze a large temporary table from 3,000 of its rows, which takes a tenth of the usual time.

    Call it inside a transaction. Later ANALYZE statements of this transaction have the same limit.
    """
    statements = sql.SQL("SET LOCAL default_statistics_target = 10; ANALYZE {}")
    conn.execute(statements.format(sql.Identifier(table)))


def forget_deleted_rows(conn: Connection, tables: Sequence[str]) -> None:
    """Remove deleted rows of tables from disk, and their values from the server's statistics (`pg_stats`).

    An erasure needs this because autovacuum may come late, or never for a large table with few deleted rows.
    A table is skipped if this role may not vacuum it or another session has locked it. Call it outside of a
    transaction.
    """
    names = sql.SQL(", ").join(sql.Identifier(table) for table in tables)
    conn.execute(sql.SQL("VACUUM (ANALYZE, SKIP_LOCKED) {}").format(names))


def _named(table: str, columns: tuple[str, ...]) -> sql.Composed:
    if not columns:
        return sql.SQL("{}").format(sql.Identifier(table))
    return sql.SQL("{} ({})").format(
        sql.Identifier(table), sql.SQL(", ").join(sql.Identifier(column) for column in columns)
    )
