"""Reading the database's catalog: columns with their comments, and row counts.

What belongs here: reading the catalog. What does not: the comments, which are in the migrations.

A comment that begins with `[pii]` marks a column with personal data.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from whatsapp_pipeline.store.connection import Connection

PII_MARK = "[pii]"


@dataclass(frozen=True, slots=True)
class CatalogColumn:
    """One column of a table.

    `description` is its comment without the mark, and `pii` is whether it has the mark.
    """

    name: str
    type: str
    nullable: bool
    unique: bool
    description: str
    pii: bool


def table_columns(conn: Connection, table: str) -> list[CatalogColumn]:
    """Return the columns of `table`, in order."""
    rows = conn.execute(
        """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
               EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique
                       AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),
               coalesce(col_description(a.attrelid, a.attnum), '')
        FROM pg_attribute a
        WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
        """,
        (table,),
    )
    return [
        CatalogColumn(
            name, type_, nullable, unique, text.removeprefix(PII_MARK).strip(), text.startswith(PII_MARK)
        )
        for name, type_, nullable, unique, text in rows
    ]


def row_count(conn: Connection, table: str) -> int:
    """Return the exact number of rows of `table`."""
    row = conn.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    return int(row[0]) if row else 0
