"""The limit: COPY of the very rows that the pipeline made, into the same tables with the same indexes."""

from __future__ import annotations

import time
from pathlib import Path

from psycopg import sql

from whatsapp_pipeline.store.connection import Connection

TABLES = (
    "chat_files",
    "chat_sessions",
    "chat_phones",
    "match_candidates",
    "order_candidates",
    "exceptions",
    "chat_messages",
)
# What those point at: there before the clock starts.
PARENTS = ("contatos", "ordens_servico")


def _columns(conn: Connection, table: str) -> sql.Composed:
    rows = conn.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attgenerated = '' ORDER BY attnum",
        (table,),
    )
    return sql.SQL(", ").join(sql.Identifier(row[0]) for row in rows)


def export(conn: Connection, folder: Path) -> None:
    """Write the tables' rows to files, in COPY's binary format."""
    folder.mkdir(parents=True, exist_ok=True)
    for table in (*PARENTS, *TABLES):
        statement = sql.SQL("COPY (SELECT {} FROM {} ORDER BY 1) TO STDOUT (FORMAT binary)").format(
            _columns(conn, table), sql.Identifier(table)
        )
        with (folder / table).open("wb") as file, conn.cursor().copy(statement) as copy:
            for data in copy:
                file.write(data)


def load(conn: Connection, folder: Path) -> float:
    """COPY the files into the empty tables of another database; return the seconds it took."""
    for table in PARENTS:
        _copy(conn, folder, table)
    started = time.perf_counter()
    for table in TABLES:
        _copy(conn, folder, table)
    return time.perf_counter() - started


def _copy(conn: Connection, folder: Path, table: str) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(table), _columns(conn, table)
    )
    with (folder / table).open("rb") as file, conn.cursor().copy(statement) as copy:
        while chunk := file.read(1 << 20):
            copy.write(chunk)
