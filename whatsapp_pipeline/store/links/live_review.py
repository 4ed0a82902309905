"""Live conversations that wait for a person's decision, as `review` shows chats.

What belongs here: the queue, putting an item off, the first and last messages of an item, what a decision is
about, and writing what people decided. What does not: deciding (steps/links/decide.py).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links.chat_state import LinkState
from whatsapp_pipeline.store.links.decisions import DecisionRow
from whatsapp_pipeline.store.links.overrides import ABOUT_CONVERSATION, Override
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


class LiveTarget(NamedTuple):
    """What a decision on a conversation can be about: the conversation itself, or its phone."""

    name: str
    phone_key: str | None


class LiveScope(NamedTuple):
    """A conversation that a decision is about, with its present contact."""

    id: int
    messages: int
    id_contato: int | None


def live_targets(conn: Connection, conversation: int) -> LiveTarget | None:
    """Return the targets of decisions on a conversation; None when there is no such one."""
    row = conn.execute(
        """
        SELECT (array_agg(i.phone_number_id || '/' || i.canonical
                          ORDER BY i.value = c.external_id DESC, i.value))[1],
               (array_agg(i.phone_key ORDER BY i.value = c.external_id DESC, i.value)
                    FILTER (WHERE i.phone_key IS NOT NULL))[1]
          FROM conversation_identities i JOIN conversations c ON c.id = i.conversation_id
         WHERE c.id = %s
        """,
        (conversation,),
    ).fetchone()
    return LiveTarget(*row) if row and row[0] is not None else None


def conversations_of_target(conn: Connection, kind: str, target: str) -> list[LiveScope]:
    """Return the conversations that a decision on `target` would be about, by id; groups are left out."""
    rows = conn.execute(
        f"""
        SELECT f.id, (SELECT count(*) FROM conversation_messages m WHERE m.conversation_id = f.id),
               f.id_contato
          FROM (SELECT %s::text AS target_kind, %s::text AS target) o
          JOIN conversations f ON {ABOUT_CONVERSATION}
         WHERE NOT f.is_group ORDER BY f.id
        """,
        (kind, target),
    )
    return [LiveScope(*row) for row in rows]


def live_decisions_in_force(conn: Connection, conversation: int) -> list[Override]:
    """Return the decisions in force about a conversation or its sessions, the oldest first."""
    columns = ", ".join(f"o.{column}" for column in Override._fields)
    rows = conn.execute(
        f"""SELECT {columns} FROM link_overrides o JOIN conversations f ON {ABOUT_CONVERSATION}
             WHERE f.id = %s AND o.removed_at IS NULL ORDER BY o.id""",
        (conversation,),
    )
    return [Override(*row) for row in rows]


def live_link_state(conn: Connection, conversation: int, session: int | None) -> LinkState | None:
    """Return the link of a conversation or of its session; None if it does not exist."""
    row = conn.execute(
        """
        SELECT CASE WHEN s.id IS NULL THEN c.match_status ELSE s.order_match_status END, c.id_contato,
               s.id_ordem_servico
          FROM conversations c
          LEFT JOIN chat_sessions s ON s.id_conversation = c.id AND s.number = %(session)s
         WHERE c.id = %(id)s AND (%(session)s::int IS NULL OR s.id IS NOT NULL)
        """,
        {"id": conversation, "session": session},
    ).fetchone()
    return LinkState(*row) if row else None


def write_people(conn: Connection, decided: Sequence[DecisionRow]) -> None:
    """Write what people decided of conversations' contacts; the next linking decides about all others again.

    Sessions of a conversation that changed its contact are pending, unless a person decided on their order.
    """
    values = {
        "ids": [row.id for row in decided],
        "statuses": [row.status for row in decided],
        "methods": [row.method for row in decided],
        "contacts": [row.target for row in decided],
    }
    given = "unnest(%(ids)s::bigint[], %(statuses)s::text[], %(methods)s::text[], %(contacts)s::bigint[])"
    conn.execute(
        f"""
        UPDATE chat_sessions s SET order_match_status = 'pending', order_match_method = NULL,
               order_match_confidence = NULL, id_ordem_servico = NULL
          FROM {given} d (id, status, method, contact) JOIN conversations c ON c.id = d.id
         WHERE s.id_conversation = c.id AND c.id_contato IS DISTINCT FROM d.contact
           AND s.order_match_status <> 'manual'
        """,
        values,
    )
    # A trigger takes a `manual` row that loses its contact for one whose contact was deleted.
    conn.execute(
        f"""
        UPDATE conversations c SET match_status = 'pending' FROM {given} d (id, status, method, contact)
         WHERE c.id = d.id AND c.match_status = d.status AND c.id_contato IS NOT NULL AND d.contact IS NULL
        """,
        values,
    )
    conn.execute(
        f"""
        UPDATE conversations c SET match_status = d.status, match_method = d.method,
               match_confidence = CASE WHEN d.status = 'manual' THEN 1 END, id_contato = d.contact,
               match_flags = '{{}}', link_inputs = NULL, order_inputs = NULL, updated_at = now()
          FROM {given} d (id, status, method, contact)
         WHERE c.id = d.id
        """,
        values,
    )


def decide_orders_again(conn: Connection, conversations: Sequence[int]) -> None:
    """Have the next linking decide on the orders of these conversations' sessions again."""
    conn.execute("UPDATE conversations SET order_inputs = NULL WHERE id = ANY(%s)", (list(conversations),))
