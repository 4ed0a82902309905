"""The sessions of live conversations: finding due conversations, reading their messages, writing sessions.

What belongs here: these statements. What does not: the rules for the end of a session
(domain/chat_evidence.py) and the order that a session is about (store/links/).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TypeAlias

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection

SaidRow: TypeAlias = tuple[int, datetime, int, str, str]
"""Conversation, local time, ordinal, side, text."""

SessionOfConversation: TypeAlias = tuple[int, int, datetime, datetime, int, list[str], list[str], list[str]]
"""Conversation, number, start, end, messages, order numbers, devices, stages."""

_BATCH = 20_000


def lock_due(conn: Connection, *, limit: int) -> list[int]:
    """Lock up to `limit` conversations whose sessions must be computed again, and return their ids.

    The locks last until the transaction ends. Conversations that another transaction has locked are left out.
    """
    rows = conn.execute(
        "SELECT id FROM conversations WHERE sessions_due ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED",
        (limit,),
    )
    return [id_ for (id_,) in rows]


def said(conn: Connection, conversations: Sequence[int]) -> Iterator[list[SaidRow]]:
    """Yield the messages of these conversations in batches, ordered by conversation and time."""
    with conn.cursor(name="said_in_conversations") as cursor:
        cursor.itersize = _BATCH
        cursor.execute(queries.load("conversations/sessions_due"), {"conversations": list(conversations)})
        while rows := cursor.fetchmany(_BATCH):
            yield rows


def write_sessions(
    conn: Connection, conversations: Sequence[int], sessions: Sequence[SessionOfConversation]
) -> None:
    """Write the given sessions of these conversations, delete their other sessions, clear `sessions_due`."""
    conn.execute("DROP TABLE IF EXISTS pg_temp.incoming_sessions")
    conn.execute(
        "CREATE TEMP TABLE incoming_sessions (id_conversation bigint, number integer, started_at timestamp,"
        " ended_at timestamp, message_count integer, order_numbers text[], devices text[], stages text[])"
        " ON COMMIT DROP"
    )
    with conn.cursor() as cursor, cursor.copy("COPY incoming_sessions FROM STDIN") as copy:
        for row in sessions:
            copy.write_row(row)
    values = {"conversations": list(conversations)}
    conn.execute(queries.load("conversations/sessions_write"), values)
    conn.execute("UPDATE conversations SET sessions_due = false WHERE id = ANY (%(conversations)s)", values)
