"""The tables `chat_files`, `chat_sessions` and `chat_phones`: the archive's chats and their evidence.

What belongs here: the rows that chat_file_index and chat_messages write. What does not: links to contacts and
orders (store/links/), and messages (messages.py).

A run deletes no chat: a missing file gets the status `vanished`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, LiteralString, NamedTuple

import polars as pl

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.frames import COPY_OPTIONS, csv_text

# Paths are looked up by a B-tree index, whose rows have at most 2,704 bytes. So a file with a longer path
# gets no row.
LONGEST_PATH = 2_600  # bytes in UTF-8


class ChatRow(NamedTuple):
    """One chat of the index. The fields are columns of `chat_files` with the same names.

    `parse_options` is JSON text and is used only for a new row. `content_hash` is None for a file that could
    not be read. An existing row then keeps its values and gets the status `failed`.
    """

    filename: str
    file_path: str
    chat_number: int
    month: str
    file_date: date | None
    file_time: time | None
    title: str | None
    phone_number: str | None
    phone_key: str | None
    customer_name: str | None
    reference_os: str | None
    devices: list[str]
    chat_key: str | None
    is_group: bool
    content_hash: bytes | None
    indexed_hash: bytes | None
    size_bytes: int
    modified_at: datetime
    format: str | None
    parse_options: str
    first_message_at: datetime | None
    last_message_at: datetime | None
    line_count: int | None
    message_count: int | None
    processing_status: str


# Frames with one row per session of a chat (`file_path`, `chat_number`). Times are local, without a time
# zone.
SESSION_SCHEMA: Mapping[str, pl.DataType] = {
    "file_path": pl.String(),
    "chat_number": pl.Int64(),
    "number": pl.Int64(),
    "started_at": pl.Datetime("us"),
    "ended_at": pl.Datetime("us"),
    "message_count": pl.Int64(),
    "order_numbers": pl.List(pl.String()),
    "devices": pl.List(pl.String()),
    "stages": pl.List(pl.String()),
}
# Frames with one row per phone in the headers of a chat.
PHONE_SCHEMA: Mapping[str, pl.DataType] = {
    "file_path": pl.String(),
    "chat_number": pl.Int64(),
    "raw": pl.String(),
    "key": pl.String(),
    "kind": pl.String(),
    "occurrences": pl.Int64(),
}
_CHAT_SCHEMA: Mapping[str, pl.DataType] = {
    "filename": pl.String(),
    "file_path": pl.String(),
    "chat_number": pl.Int64(),
    "month": pl.String(),
    "file_date": pl.Date(),
    "file_time": pl.Time(),
    "title": pl.String(),
    "phone_number": pl.String(),
    "phone_key": pl.String(),
    "customer_name": pl.String(),
    "reference_os": pl.String(),
    "devices": pl.List(pl.String()),
    "chat_key": pl.String(),
    "is_group": pl.Boolean(),
    "content_hash": pl.Binary(),
    "indexed_hash": pl.Binary(),
    "size_bytes": pl.Int64(),
    "modified_at": pl.Datetime("us", "UTC"),
    "format": pl.String(),
    "parse_options": pl.String(),
    "first_message_at": pl.Datetime("us"),
    "last_message_at": pl.Datetime("us"),
    "line_count": pl.Int64(),
    "message_count": pl.Int64(),
    "processing_status": pl.String(),
}


# Statements that write the sessions and phones of chats, some of which may already have rows.
_EVIDENCE: Sequence[LiteralString] = (
    "sessions_gone",
    "sessions_update",
    "sessions_insert",
    "phones_gone",
    "phones_upsert",
)


class KnownFile(NamedTuple):
    """The stored data of a file, with which a run decides whether the file has changed."""

    file_path: str
    month: str
    size_bytes: int | None
    modified_at: datetime | None
    content_hash: bytes | None
    indexed_hash: bytes | None
    parse_options: dict[str, Any]
    processing_status: str


class LoadRow(NamedTuple):
    """An indexed chat whose messages can be loaded."""

    id: int
    file_path: str
    chat_number: int
    title: str | None
    chat_key: str | None
    content_hash: bytes
    loaded_hash: bytes | None
    parse_options: dict[str, Any]
    message_count: int
    size_bytes: int
    processing_status: str
    indexed_hash: bytes | None = None


class IndexCounts(NamedTuple):
    """How many chats were inserted and updated, and the keys of chats whose duplicates must be flagged."""

    inserted: int
    updated: int
    chat_keys: list[str]


def known_files(conn: Connection, month: str, paths: Sequence[str]) -> dict[str, KnownFile]:
    """Return the stored data of the files of `month` and of those at `paths`, by path."""
    rows = conn.execute(
        """SELECT DISTINCT ON (file_path) file_path, month, size_bytes, modified_at, content_hash,
                  indexed_hash, parse_options, processing_status
           FROM chat_files
           WHERE month = %s OR file_path = ANY(%s)
           ORDER BY file_path, processing_status = 'vanished', chat_number""",
        (month, list(paths)),
    )
    return {row[0]: KnownFile(*row) for row in rows}


def paths_with_content(conn: Connection, hashes: Sequence[bytes]) -> list[tuple[bytes, str]]:
    """Return (content hash, path) of files with these hashes, to find files that were moved."""
    return conn.execute(
        """SELECT DISTINCT content_hash, file_path FROM chat_files
           WHERE content_hash = ANY(%s) ORDER BY content_hash, file_path""",
        (list(hashes),),
    ).fetchall()


def move(conn: Connection, moves: Sequence[tuple[str, str]]) -> None:
    """Change the paths of renamed files, given as (old, new)."""
    if not moves:
        return
    old, new = zip(*moves, strict=True)
    conn.execute(
        """UPDATE chat_files f SET file_path = m.new, updated_at = now()
           FROM unnest(%s::text[], %s::text[]) AS m(old, new) WHERE f.file_path = m.old""",
        (list(old), list(new)),
    )


def write_index(
    conn: Connection, chats: Sequence[ChatRow], sessions: pl.DataFrame, phones: pl.DataFrame
) -> IndexCounts:
    """Write the rows of `chats`, `sessions` and `phones` that differ. The caller opens a transaction.

    `sessions` and `phones` are frames of SESSION_SCHEMA and PHONE_SCHEMA. A chat is matched with its row by
    the number in the file. If the order of chats in a combined file has changed, the chat is matched by its
    key. A chat that is no longer in its file gets the status `vanished`.
    """
    _copy(conn, "incoming_chats", "chat_files", pl.DataFrame(chats, schema=_CHAT_SCHEMA, orient="row"))
    if not _has_known_path(conn):
        inserted = conn.execute(queries.load("chats/index_insert")).rowcount
        _write_evidence(conn, sessions, phones, ("sessions_insert", "phones_upsert"))
        return IndexCounts(inserted, 0, [])
    if any(chat.chat_number > 1 for chat in chats):
        _renumber(conn)
    changed = conn.execute(queries.load("chats/index_changed_keys")).fetchall()
    updated = conn.execute(queries.load("chats/index_update")).rowcount
    updated += conn.execute(queries.load("chats/index_update_failed")).rowcount
    updated += conn.execute(queries.load("chats/index_chats_gone")).rowcount
    inserted = conn.execute(queries.load("chats/index_insert")).rowcount
    _write_evidence(conn, sessions, phones, _EVIDENCE)
    return IndexCounts(inserted, updated, [row[0] for row in changed])


def _has_known_path(conn: Connection) -> bool:
    """Return whether any incoming chat has a path that chat_files has.

    The first index of an archive has none.
    """
    row = conn.execute(
        """SELECT EXISTS (
               SELECT FROM incoming_chats i
               CROSS JOIN LATERAL (SELECT FROM chat_files f WHERE f.file_path = i.file_path OFFSET 0) f)"""
    ).fetchone()
    return bool(row and row[0])


def _write_evidence(
    conn: Connection, sessions: pl.DataFrame, phones: pl.DataFrame, statements: Sequence[LiteralString]
) -> None:
    _copy(conn, "incoming_sessions", "chat_sessions", sessions)
    _copy(conn, "incoming_phones", "chat_phones", phones)
    for name in statements:
        conn.execute(queries.load(f"chats/index_{name}"))


def _renumber(conn: Connection) -> None:
    """In combined files whose chats changed their order, update the chat numbers by the chats' keys."""
    moved = conn.execute(queries.load("chats/index_renumbered")).fetchall()
    if not moved:
        return
    paths = sorted({path for path, _, _ in moved})
    # First set temporary numbers, because numbers are unique in a file. A chat that still has a temporary
    # number at the end is no longer in the file.
    conn.execute(queries.load("chats/index_park"), (paths,))
    conn.execute(
        """UPDATE chat_files f SET chat_number = m.number
           FROM unnest(%s::bigint[], %s::int[]) AS m(id, number) WHERE f.id = m.id""",
        ([id_ for _, id_, _ in moved], [number for _, _, number in moved]),
    )


def _copy(conn: Connection, temporary: str, table: str, rows: pl.DataFrame) -> None:
    """Create a temporary table of `rows`.

    Its columns have the types that they have in `table` or chat_files.
    """
    columns = ", ".join(rows.columns)
    named = "(SELECT file_path, chat_number FROM chat_files) AS named"
    source = table if table == "chat_files" else f"{table}, {named}"
    conn.execute(f"DROP TABLE IF EXISTS pg_temp.{temporary}")
    conn.execute(
        f"CREATE TEMP TABLE {temporary} ON COMMIT DROP AS SELECT {columns} FROM {source} WITH NO DATA"
    )
    with (
        conn.cursor() as cursor,
        cursor.copy(f"COPY {temporary} ({columns}) FROM STDIN {COPY_OPTIONS}") as copy,
    ):
        copy.write(csv_text(rows))
    conn.execute(f"ANALYZE {temporary}")


def mark_vanished(conn: Connection, month: str, paths: Sequence[str]) -> list[str]:
    """Set the status of missing files' chats to `vanished`.

    Return the keys of those chats that were loaded.
    """
    rows = conn.execute(
        """UPDATE chat_files SET processing_status = 'vanished', updated_at = now()
           WHERE month = %s AND file_path = ANY(%s) AND processing_status <> 'vanished'
           RETURNING CASE WHEN loaded_hash IS NOT NULL THEN chat_key END""",
        (month, list(paths)),
    ).fetchall()
    return [row[0] for row in rows if row[0] is not None]


def to_load(conn: Connection, month: str) -> list[LoadRow]:
    """Return the chats of `month` that have messages and are not vanished, by path and number."""
    rows = conn.execute(
        """SELECT id, file_path, chat_number, title, chat_key, content_hash, loaded_hash, parse_options,
                  coalesce(message_count, 0), coalesce(size_bytes, 0), processing_status, indexed_hash
           FROM chat_files
           WHERE month = %s AND content_hash IS NOT NULL AND processing_status <> 'vanished'
             AND coalesce(message_count, 0) > 0
           ORDER BY file_path, chat_number""",
        (month,),
    )
    return [LoadRow(*row) for row in rows]


def existing(conn: Connection, ids: Sequence[int]) -> set[int]:
    """Return those of `ids` that still exist. Erasing a contact deletes its chats."""
    return {row[0] for row in conn.execute("SELECT id FROM chat_files WHERE id = ANY(%s)", (list(ids),))}


def mark_loaded(conn: Connection, loaded: Sequence[tuple[int, bytes]]) -> None:
    """Store the loaded hash of each chat, given as (id, hash).

    A file that was set to `vanished` while it was loaded keeps that status, and its messages are stored.
    """
    conn.execute(
        """UPDATE chat_files f
           SET loaded_hash = l.hash, updated_at = now(),
               processing_status = CASE f.processing_status WHEN 'vanished' THEN 'vanished' ELSE 'loaded' END
           FROM unnest(%s::bigint[], %s::bytea[]) AS l(id, hash)
           WHERE f.id = l.id AND (f.loaded_hash IS DISTINCT FROM l.hash
                                  OR f.processing_status NOT IN ('loaded', 'vanished'))""",
        ([id_ for id_, _ in loaded], [hash_ for _, hash_ in loaded]),
    )


def mark_failed(conn: Connection, paths: Sequence[str]) -> None:
    """Set the status of chats of files that could not be loaded to `failed`.

    The next run tries them again.
    """
    conn.execute(
        """UPDATE chat_files SET processing_status = 'failed', updated_at = now()
           WHERE file_path = ANY(%s) AND processing_status NOT IN ('failed', 'vanished')""",
        (list(paths),),
    )
