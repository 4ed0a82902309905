"""Flagging duplicates: messages of a chat that are in several files.

What belongs here: setting `duplicate_of` on messages and files. What does not: deleting duplicates, which are
kept.

The files of a chat are sorted: existing before vanished, then by month, path and number. Messages in the
first file have no `duplicate_of`. Equal messages in later files refer to them. So the rows without
`duplicate_of` contain every message once.
"""

from __future__ import annotations

from collections.abc import Sequence

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection


def lock(conn: Connection) -> None:
    """Wait for other transactions that hold this lock, and hold it until the current transaction ends."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('whatsapp-pipeline:duplicates', 0))")


def shared_keys(conn: Connection, chat_keys: Sequence[str]) -> list[str]:
    """Return those of `chat_keys` whose chats have several files that overlap in time, loaded or not.

    Most files of one chat do not overlap in time, so they have no common message.
    """
    return [row[0] for row in conn.execute(queries.load("chats/duplicates_shared"), (list(chat_keys),))]


def mark(conn: Connection, chat_keys: Sequence[str]) -> int:
    """Flag the duplicates of the chats `chat_keys` again. Return the number of changed messages.

    Call it inside a transaction, after `lock`.
    """
    if not chat_keys:
        return 0
    files = conn.execute(queries.load("chats/duplicates_files"), (list(chat_keys),)).fetchall()
    overlapping = [(id_, rank) for id_, rank, overlaps, _ in files if overlaps]
    alone = [id_ for id_, _, overlaps, marked in files if not overlaps and marked]
    changed = 0
    if overlapping:
        given = {"ids": [id_ for id_, _ in overlapping], "ranks": [rank for _, rank in overlapping]}
        marks = conn.execute(queries.load("chats/duplicates_mark"), given).fetchall()
        # This is a separate statement, because the planner can't estimate the number of shared messages. In
        # one statement it expected few of them and chose a nested loop.
        changed += conn.execute(
            """UPDATE chat_messages m SET duplicate_of = c.original
               FROM unnest(%s::bigint[], %s::bigint[]) AS c(id, original) WHERE m.id = c.id""",
            ([id_ for id_, _ in marks], [original for _, original in marks]),
        ).rowcount
    if alone:
        changed += conn.execute(
            """UPDATE chat_messages SET duplicate_of = NULL
               WHERE id_chat_file = ANY(%s) AND duplicate_of IS NOT NULL""",
            (alone,),
        ).rowcount
        conn.execute(
            """UPDATE chat_files SET duplicate_count = 0, duplicate_of = NULL, updated_at = now()
               WHERE id = ANY(%s)""",
            (alone,),
        )
    return changed
