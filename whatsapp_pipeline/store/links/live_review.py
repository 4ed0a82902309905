"""Live conversations that wait for a person's decision, as `review` shows chats.

What belongs here: the queue, putting an item off, and the first and last messages of an item. What does not:
deciding (steps/links/decide.py).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links.overrides import Override
from whatsapp_pipeline.store.links.review import MessageLine, ReviewItem
from whatsapp_pipeline.store.message_order import MESSAGE_ORDER


def live_queue(conn: Connection, *, reviewer: str, limit: int | None = None) -> list[ReviewItem]:
    """Return what waits, the most valuable first; `id_chat_file` is the conversation's id.

    What this reviewer put off is left out until it is due; it stays in the queue of all others.
    """
    rows = conn.execute(queries.load("links/live_review_queue"), {"limit": limit, "reviewer": reviewer})
    return [ReviewItem(*row) for row in rows]


def newest_decision(conn: Connection) -> int:
    """Return the id of the newest decision on record, 0 when there is none."""
    row = conn.execute("SELECT coalesce(max(id), 0) FROM link_overrides").fetchone()
    return int(row[0]) if row else 0


def decided_since(
    conn: Connection, conversation: int, session_number: int | None, *, since: int, own: Collection[int]
) -> Override | None:
    """Return the newest decision in force on an item that is newer than `since` and none of `own`.

    A decision on the conversation's contact is about its sessions, too.
    """
    columns = ", ".join(f"o.{column}" for column in Override._fields)
    row = conn.execute(
        f"""
        SELECT {columns} FROM link_overrides o
         WHERE o.id > %(since)s AND o.id <> ALL (%(own)s) AND o.removed_at IS NULL
           AND (o.decision IN ('contact', 'no_contact', 'not_contact')
                OR coalesce(o.session_number, %(session)s) = %(session)s)
           AND EXISTS (SELECT FROM conversation_identities i
                        WHERE i.conversation_id = %(conversation)s
                          AND (o.target_kind = 'conversation'
                               AND o.target = i.phone_number_id || '/' || i.canonical
                               OR o.target_kind = 'phone' AND o.target = i.phone_key))
         ORDER BY o.id DESC LIMIT 1
        """,
        {"since": since, "own": list(own), "conversation": conversation, "session": session_number},
    ).fetchone()
    return Override(*row) if row else None


def snooze_conversation(
    conn: Connection, conversation: int, session_number: int | None, *, reviewer: str, until: datetime
) -> None:
    """Keep a conversation, or one of its sessions, out of one reviewer's queue until a time."""
    conn.execute(
        """
        INSERT INTO review_snoozes (id_conversation, session_number, reviewer, until) VALUES (%s, %s, %s, %s)
        ON CONFLICT (id_conversation, coalesce(session_number, 0), reviewer) WHERE id_conversation IS NOT NULL
        DO UPDATE SET until = excluded.until, made_at = now()
        """,
        (conversation, session_number, reviewer, until),
    )


def ends_of_conversation(
    conn: Connection, conversation: int, session: int | None, *, count: int
) -> tuple[list[MessageLine], list[MessageLine]]:
    """Return the first and the last messages of a conversation or session; a message is in one list only."""
    rows = conn.execute(
        f"""
        WITH said AS (
            SELECT local_time AS at, direction, coalesce(text, '[' || type || ']') AS text, ordinal,
                   NULL::text AS file
              FROM conversation_contact_messages m
             WHERE m.conversation_id = %(conversation)s AND (%(session)s::int IS NULL OR EXISTS (
                   SELECT FROM chat_sessions s WHERE s.id_conversation = m.conversation_id
                      AND s.number = %(session)s AND m.local_time BETWEEN s.started_at AND s.ended_at))
        ), placed AS (
            SELECT *, row_number() OVER (ORDER BY {MESSAGE_ORDER}) AS place, count(*) OVER () AS n FROM said
        )
        SELECT at, direction, text, place FROM placed
         WHERE place <= %(count)s OR n - place < %(count)s ORDER BY place
        """,
        {"conversation": conversation, "session": session, "count": count},
    ).fetchall()
    first = [MessageLine(*row[:3]) for row in rows if row[3] <= count]
    return first, [MessageLine(*row[:3]) for row in rows if row[3] > count]
