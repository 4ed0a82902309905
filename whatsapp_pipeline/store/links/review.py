"""The queue of chats and sessions that wait for a person's decision, with their evidence.

What belongs here: the queue, and the first and last messages of an item. What does not: deciding
(steps/links/decide.py) and the sample for verdicts (precision_sample.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.message_order import CHAT_ORDER


class ReviewItem(NamedTuple):
    """A chat without a sure contact, or with `session_number`, a session without a sure order.

    Candidates of a chat have id, nome, fantasia, celular, telefone; those of a session have id, numero,
    situacao, equipamento, data_emissao. Both have confidence, method and evidence.
    """

    id_chat_file: int
    month: str
    title: str
    file_path: str
    chat_number: int
    session_number: int | None
    phone_key: str | None
    status: str
    flags: list[str]
    id_contato: int | None
    messages: int
    first_at: datetime | None
    last_at: datetime | None
    candidates: list[dict[str, Any]]


class MessageLine(NamedTuple):
    """A message for a reviewer. The text is as the sender wrote it, so the caller must escape it."""

    at: datetime
    direction: str | None
    text: str


def queue(
    conn: Connection, months: Sequence[str], *, reviewer: str = "", limit: int | None = None
) -> list[ReviewItem]:
    """Return the waiting items of these months, most valuable first.

    Items that the reviewer snoozed are left out.
    """
    rows = conn.execute(
        queries.load("links/review_queue"),
        {"months": list(months), "reviewer": reviewer, "limit": limit},
    )
    return [ReviewItem(*row) for row in rows]


def ends_of_chat(
    conn: Connection, id_chat_file: int, session_number: int | None, *, count: int
) -> tuple[list[MessageLine], list[MessageLine]]:
    """Return the first and the last `count` messages of a chat or session. Each message is in one list only.

    Notices are left out. Both lists are empty if the chat's messages are not loaded.
    """
    rows = conn.execute(
        f"""
        WITH said AS (
            SELECT m.message_timestamp, m.direction,
                   coalesce(nullif(btrim(m.message_text), ''), '[' || m.type || ']'),
                   row_number() OVER (ORDER BY {CHAT_ORDER}) AS place,
                   count(*) OVER () + 1 - row_number() OVER (ORDER BY {CHAT_ORDER}) AS place_from_end
            FROM chat_messages m
            WHERE m.id_chat_file = %(chat)s
              AND m.direction IS DISTINCT FROM 'notification' AND (%(session)s::int IS NULL OR EXISTS (
                SELECT FROM chat_sessions s WHERE s.id_chat_file = m.id_chat_file AND s.number = %(session)s
                  AND m.message_timestamp BETWEEN s.started_at AND s.ended_at))
        )
        SELECT * FROM said WHERE place <= %(count)s OR place_from_end <= %(count)s ORDER BY place
        """,
        {"chat": id_chat_file, "session": session_number, "count": count},
    ).fetchall()
    first = [MessageLine(*row[:3]) for row in rows if row[3] <= count]
    return first, [MessageLine(*row[:3]) for row in rows if row[3] > count]
