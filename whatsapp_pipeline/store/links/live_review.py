"""The review queue of live conversations that wait for a person's decision.

What belongs here: the queue, snoozing an item, the first and last messages of an item, the targets of a
decision, and writing decisions. What does not: deciding (steps/links/decide.py).
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
    """Return the waiting items, most valuable first. Their `id_chat_file` is the id of the conversation.

    Items that this reviewer snoozed are left out until the snooze ends. They stay in the queue of other
    reviewers.
    """
    rows = conn.execute(queries.load("links/live_review_queue"), {"limit": limit, "reviewer": reviewer})
    return [ReviewItem(*row) for row in rows]


def newest_decision(conn: Connection) -> int:
    """Return the id of the newest decision, or 0 if there is none."""
    row = conn.execute("SELECT coalesce(max(id), 0) FROM link_overrides").fetchone()
    return int(row[0]) if row else 0


def decided_since(
    conn: Connection, conversation: int, session_number: int | None, *, since: int, own: Collection[int]
) -> Override | None:
    """Return the newest decision in force on an item that is newer than `since` and not in `own`.

    A decision on the conversation's contact applies to its sessions, too.
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
    """Hide a conversation, or one of its sessions, from one reviewer's queue until a time."""
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
    """Return the first and the last `count` messages of a conversation or session.

    Each message is in one list only.
    """
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
    """The possible targets of a decision on a conversation: the conversation itself, or its phone."""

    name: str
    phone_key: str | None


class LiveScope(NamedTuple):
    """A conversation to which a decision applies, with its current contact."""

    id: int
    messages: int
    id_contato: int | None


def live_targets(conn: Connection, conversation: int) -> LiveTarget | None:
    """Return the targets of decisions on a conversation, or None if the conversation does not exist."""
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
    """Return the conversations to which a decision on `target` would apply, by id. Groups are left out."""
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
    """Return the decisions in force on a conversation or its sessions, oldest first."""
    columns = ", ".join(f"o.{column}" for column in Override._fields)
    rows = conn.execute(
        f"""SELECT {columns} FROM link_overrides o JOIN conversations f ON {ABOUT_CONVERSATION}
             WHERE f.id = %s AND o.removed_at IS NULL ORDER BY o.id""",
        (conversation,),
    )
    return [Override(*row) for row in rows]


def live_link_state(conn: Connection, conversation: int, session: int | None) -> LinkState | None:
    """Return the link of a conversation or of its session, or None if it does not exist."""
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
    """Write the links that follow from people's decisions to conversations.

    The next linking examines these conversations again. If the contact of a conversation changes, its
    sessions become pending, unless a person decided on their order.
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
    # If a `manual` row loses its contact, a trigger assumes that the contact was deleted.
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
    """Make the next linking decide the orders of these conversations' sessions again."""
    conn.execute("UPDATE conversations SET order_inputs = NULL WHERE id = ANY(%s)", (list(conversations),))
