"""The table `chat_messages`: inserting messages by COPY, and merging the messages of changed files.

What belongs here: the statements. What does not: reading files (steps/chats/load_batch.py), and duplicates in
several files (duplicates.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

import polars as pl

from whatsapp_pipeline.store import queries, statistics
from whatsapp_pipeline.store.connection import Connection, one_row
from whatsapp_pipeline.store.frames import COPY_OPTIONS, csv_text
from whatsapp_pipeline.store.locks import named_lock

# Columns that checks and pages join and filter.
_JOINED = ("id", "id_chat_file", "ordinal", "message_timestamp", "direction", "reply_to_id", "duplicate_of")

# The names of the columns in frames of messages (MESSAGE_SCHEMA), by column of the table. Generated columns
# are not listed.
_MESSAGE_COLUMNS: Mapping[str, str] = {
    "id_chat_file": "id_chat_file",
    "ordinal": "ordinal",
    "message_timestamp": "timestamp",
    "timestamp_utc": "timestamp_utc",
    "direction": "direction",
    "sender_name": "sender_name",
    "sender_phone": "sender_phone",
    "type": "type",
    "message_text": "text",
    "attachment_name": "attachment_name",
    "attachment_kind": "attachment_kind",
    "attachment_size": "attachment_size",
    "attachment_duration": "attachment_duration",
    "reply_timestamp": "reply_timestamp",
    "responding_to": "reply_quote",
    "delivery_status": "status",
    "line": "line",
    "body_hash": "body_hash",
    "occurrence": "occurrence",
}

WriteFrame: TypeAlias = Callable[[pl.DataFrame], None]


class MergeCounts(NamedTuple):
    """The number of messages that a merge of changed files inserted, updated and deleted.

    `gone` has the number of deleted messages by id of chat_files.
    """

    inserted: int
    updated: int
    gone: dict[int, int]


def reserve_ids(conn: Connection, count: int) -> int:
    """Reserve `count` consecutive message ids and return the first, so that replies can refer to ids."""
    with named_lock(conn, "message_ids"):  # without the lock, parallel reservations would get mixed ids
        while True:
            row = one_row(
                conn.execute(
                    """SELECT min(v), max(v) FROM (
                       SELECT nextval('chat_messages_id_seq') AS v
                       FROM generate_series(1, %s)
                   ) ids""",
                    (count,),
                )
            )
            first, last = row
            if last - first + 1 == count:  # if not, a session without the lock took an id: try again
                return int(first)


@contextmanager
def copy_new(conn: Connection) -> Iterator[WriteFrame]:
    """Open the COPY for messages of new files. Yields a function that takes frames.

    The frames have the columns of MESSAGE_SCHEMA and `id`, `id_chat_file` and `reply_to_id`.
    """
    columns = {"id": "id", **_MESSAGE_COLUMNS, "reply_to_id": "reply_to_id"}
    with _copy(conn, "chat_messages", columns) as write:
        yield write


@contextmanager
def copy_changed(conn: Connection) -> Iterator[WriteFrame]:
    """Open the COPY of changed files' messages into a temporary table. Yields a function that takes frames.

    The frames have the columns of MESSAGE_SCHEMA and `id_chat_file`.
    """
    conn.execute("DROP TABLE IF EXISTS pg_temp.incoming_messages")
    conn.execute(
        f"""CREATE TEMP TABLE incoming_messages ON COMMIT DROP AS
            SELECT NULL::bigint AS id, NULL::boolean AS is_new, {", ".join(_MESSAGE_COLUMNS)},
                   NULL::int AS reply_ordinal
            FROM chat_messages WITH NO DATA"""
    )
    columns = {**_MESSAGE_COLUMNS, "reply_ordinal": "reply_ordinal"}
    with _copy(conn, "incoming_messages", columns) as write:
        yield write


@contextmanager
def _copy(conn: Connection, table: str, columns: Mapping[str, str]) -> Iterator[WriteFrame]:
    """Open a COPY. Yields a function that takes a frame with `columns` (by name in the table).

    A frame is converted to text while the previous one is sent to the server.
    """
    names = list(columns.values())
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN {COPY_OPTIONS}"
    sent: Future[None] | None = None
    with conn.cursor() as cursor, cursor.copy(statement) as copy, ThreadPoolExecutor(1) as sender:

        def write(frame: pl.DataFrame) -> None:
            nonlocal sent
            text = csv_text(frame.select(names))
            if sent is not None:
                sent.result()
            sent = sender.submit(copy.write, text)

        yield write
        if sent is not None:
            sent.result()


def merge_changed(conn: Connection, file_ids: Sequence[int]) -> MergeCounts:
    """Update the messages of the files `file_ids` with those of `copy_changed`.

    A message matches a stored message with the same chat, time, direction, sender (in a group), body, and
    number among equal messages. Otherwise it matches one with the same position and body, because the file
    may have been read with another date order or owner. Matching messages keep their ids, and are written
    only if they differ.
    """
    ids = list(file_ids)
    conn.execute("ANALYZE incoming_messages")
    conn.execute(queries.load("chats/messages_match"), {"files": ids})
    conn.execute(queries.load("chats/messages_match_by_place"), {"files": ids})
    gone_rows = conn.execute(queries.load("chats/messages_gone"), {"files": ids}).fetchall()
    gone: dict[int, int] = {}
    for _, file_id in gone_rows:
        gone[file_id] = gone.get(file_id, 0) + 1
    if gone_rows:
        conn.execute(
            queries.load("chats/messages_forget_replies"),
            {"files": ids, "gone": [id_ for id_, _ in gone_rows]},
        )
    conn.execute(queries.load("chats/messages_number_new"))
    updated = conn.execute(queries.load("chats/messages_update")).rowcount
    inserted = conn.execute(queries.load("chats/messages_insert")).rowcount
    return MergeCounts(inserted, updated, gone)


def refresh_statistics(conn: Connection) -> None:
    """Analyze the columns that checks and pages join and filter, if the table has grown by a fifth."""
    statistics.refresh(conn, {"chat_messages": _JOINED})


def unresolved_replies(conn: Connection, file_ids: Sequence[int]) -> list[int]:
    """Return the ids of replies in these files whose original message was not found yet."""
    rows = conn.execute(
        """SELECT id FROM chat_messages
           WHERE id_chat_file = ANY(%s) AND reply_timestamp IS NOT NULL AND reply_to_id IS NULL""",
        (list(file_ids),),
    )
    return [row[0] for row in rows]


def replies_across_files(conn: Connection, chat_keys: Sequence[str], shared: Sequence[str]) -> list[int]:
    """Return the ids of messages that may reply to a message of another file.

    In chats of `chat_keys`, these are the unresolved replies. In the overlapping chats of `shared`, they
    include the replies to a message of another file. A file that was loaded later may have that message, too.
    """
    rows = conn.execute(
        queries.load("chats/messages_replies_across"), {"keys": list(chat_keys), "shared": list(shared)}
    )
    return [row[0] for row in rows]


def resolve_replies(conn: Connection, message_ids: Sequence[int]) -> int:
    """Resolve replies by time and quote in all files of the same chat. Return the number of changes."""
    if not message_ids:
        return 0
    return conn.execute(queries.load("chats/messages_resolve_replies"), (list(message_ids),)).rowcount
