"""The sessions that are linked to a service order, with the confidence of each link.

What belongs here: reading them, to show them to a person. What does not: linking (steps/links/), and the
messages of the sessions (store/conversations/message_stream.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from whatsapp_pipeline.store.connection import Connection

MOST_SESSIONS = 200
"""Maximum number of sessions that are read of an order."""


class LinkedSession(NamedTuple):
    """A session of an order.

    `messages_before` is the number of the contact's messages, of both sides, between the order's previous
    session and this one. It is None for the first session, or if messages may not be read. `chat` is the id
    of the chat or, for source `webhook`, of the live conversation.
    """

    id: int
    source: str
    id_contato: int | None
    started_at: datetime
    ended_at: datetime
    message_count: int
    order_match_status: str
    order_match_method: str | None
    order_match_confidence: float | None
    messages_before: int | None
    chat: int


def sessions_of_order(conn: Connection, id_order: int, *, with_messages: bool) -> list[LinkedSession]:
    """Return the sessions that are linked to an order, oldest first, at most MOST_SESSIONS.

    Args:
        conn: A connection of the level that the page is for.
        id_order: The order's id in ordens_servico.
        with_messages: Whether that level may read messages. Only then are messages between sessions counted.
    """
    between = (
        """(SELECT count(*) FROM messages_all m
             WHERE m.id_contato = s.id_contato AND m.at < s.started_at AND m.at > s.previous_end)"""
        if with_messages
        else "NULL::bigint"
    )
    statement = f"""
        SELECT id, source, id_contato, started_at, ended_at, message_count, order_match_status,
               order_match_method, order_match_confidence,
               CASE WHEN previous_end IS NOT NULL THEN {between} END AS messages_before,
               coalesce(id_chat_file, conversation_id) AS chat
          FROM (SELECT *, max(ended_at) OVER (PARTITION BY id_contato ORDER BY started_at, id
                              ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS previous_end
                  FROM sessions_all
                 WHERE id_ordem_servico = %s AND order_match_status IN ('linked', 'manual')) s
         ORDER BY started_at, id LIMIT {MOST_SESSIONS}
    """
    with conn.cursor(row_factory=class_row(LinkedSession)) as cursor:
        return cursor.execute(statement.encode(), (id_order,)).fetchall()
