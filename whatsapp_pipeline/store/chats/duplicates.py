"""The same chat in several files: which messages an earlier file holds already.

What belongs here: marking `duplicate_of` on messages and files. Nothing is deleted: the first file of a chat
(live before vanished, then by month, path and number) keeps its messages unmarked, in later ones those that
it holds too point at it. A reader takes the rows where `duplicate_of` is null and has everything once.
"""

from __future__ import annotations

from collections.abc import Sequence

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection


def lock(conn: Connection) -> None:
    """Take turns at marking, until the transaction ends: a batch then sees what the one before it loaded."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('whatsapp-pipeline:duplicates', 0))")


def shared_keys(conn: Connection, chat_keys: Sequence[str]) -> list[str]:
    """Return those of `chat_keys` under which several files lie whose times overlap, loaded or not.

    Files of one chat that do not overlap in time have no message in common, and most don't.
    """
    return [row[0] for row in conn.execute(queries.load("chats/duplicates_shared"), (list(chat_keys),))]


def mark(conn: Connection, chat_keys: Sequence[str]) -> int:
    """Bring the marks of the chats `chat_keys` to what they should be; return how many messages changed.

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
        # In a statement of its own, for how many they are is not to be foreseen: in one, a join with what is
        # thought to be a few rows was tried row by row.
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
