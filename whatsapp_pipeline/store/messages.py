"""`chat_messages`: getting messages in, at the speed of COPY, and keeping their ids when a file changes.

What belongs here: the statements. What does not: reading files (steps.load_batch), and which message
another file repeats (duplicates.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import psycopg

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection

# The order of transcripts.Message, so that a row is (id, file) and the message as it stands. Generated
# columns are not listed: the server fills them.
_MESSAGE_COLUMNS = (
    "ordinal, message_timestamp, timestamp_utc, direction, sender_name, sender_phone, type, message_text, "
    "attachment_name, attachment_kind, attachment_size, attachment_duration, reply_timestamp, responding_to, "
    "{reply}, delivery_status, line, body_hash, occurrence"
)
REPLY_FIELD = 14
"""Where a message has its reply's ordinal, and a row of `copy_new` the id of the message replied to."""


class MergeCounts(NamedTuple):
    """What merging changed files did, in messages; `gone` counts by chat_files id."""

    inserted: int
    updated: int
    gone: dict[int, int]


def reserve_ids(conn: Connection, count: int) -> int:
    """Take `count` consecutive message ids and return the first; so replies can be written with their ids."""
    while True:
        row = conn.execute(
            """SELECT min(v), max(v) FROM (
                   SELECT nextval('chat_messages_id_seq') AS v
                   FROM generate_series(1, %s)
               ) ids""",
            (count,),
        ).fetchone()
        assert row is not None  # noqa: S101  # an aggregate always gives a row
        first, last = row
        if last - first + 1 == count:  # else somebody took ids in between: try again, ids are plenty
            return int(first)


def copy_new(conn: Connection) -> AbstractContextManager[psycopg.Copy]:
    """Open the COPY of messages of files not loaded before: rows are (id, id_chat_file, *message).

    At REPLY_FIELD of the message stands the id of the message replied to.
    """
    columns = _MESSAGE_COLUMNS.format(reply="reply_to_id")
    return conn.cursor().copy(f"COPY chat_messages (id, id_chat_file, {columns}) FROM STDIN")


def copy_changed(conn: Connection) -> AbstractContextManager[psycopg.Copy]:
    """Open the COPY of changed files' messages into a temporary table: rows are (id_chat_file, *message)."""
    conn.execute("DROP TABLE IF EXISTS pg_temp.incoming_messages")
    listed = _MESSAGE_COLUMNS.format(reply="NULL::int AS reply_ordinal")
    conn.execute(
        f"""CREATE TEMP TABLE incoming_messages ON COMMIT DROP AS
            SELECT NULL::bigint AS id, NULL::boolean AS is_new, id_chat_file, {listed}
            FROM chat_messages WITH NO DATA"""
    )
    columns = _MESSAGE_COLUMNS.format(reply="reply_ordinal")
    return conn.cursor().copy(f"COPY incoming_messages (id_chat_file, {columns}) FROM STDIN")


def merge_changed(conn: Connection, file_ids: Sequence[int]) -> MergeCounts:
    """Bring the messages of the files `file_ids` to what `copy_changed` was given.

    A message is the one before when chat, time, direction, sender (in a group), body and its number among
    equal ones agree; failing that, when place and body do (a file read with another date order or owner).
    Those keep their ids, and are written only where something differs.
    """
    ids = list(file_ids)
    conn.execute("ANALYZE incoming_messages")
    conn.execute(queries.load("messages_match"), {"files": ids})
    conn.execute(queries.load("messages_match_by_place"), {"files": ids})
    gone_rows = conn.execute(queries.load("messages_gone"), {"files": ids}).fetchall()
    gone: dict[int, int] = {}
    for _, file_id in gone_rows:
        gone[file_id] = gone.get(file_id, 0) + 1
    if gone_rows:
        conn.execute(
            queries.load("messages_forget_replies"), {"files": ids, "gone": [id_ for id_, _ in gone_rows]}
        )
    conn.execute(queries.load("messages_number_new"))
    updated = conn.execute(queries.load("messages_update")).rowcount
    inserted = conn.execute(queries.load("messages_insert")).rowcount
    return MergeCounts(inserted, updated, gone)


def unresolved_replies(conn: Connection, file_ids: Sequence[int]) -> list[int]:
    """Return the ids of the messages of some files whose reply was not found while reading."""
    rows = conn.execute(
        """SELECT id FROM chat_messages
           WHERE id_chat_file = ANY(%s) AND reply_timestamp IS NOT NULL AND reply_to_id IS NULL""",
        (list(file_ids),),
    )
    return [row[0] for row in rows]


def resolve_replies(conn: Connection, message_ids: Sequence[int]) -> int:
    """Find what the messages reply to by time and quote, anywhere in the same chat; return how many were."""
    if not message_ids:
        return 0
    return conn.execute(queries.load("messages_resolve_replies"), (list(message_ids),)).rowcount
