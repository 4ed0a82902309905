"""The link of a chat or session that is shown to a person, and snoozing it.

What belongs here: reading the state that a decision is compared with, the possible targets of a decision, and
snoozes. What does not: decisions (overrides.py) and the queue (review.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from whatsapp_pipeline.store.connection import Connection

# Only one decision is made at a time, because comparing the shown state and writing the decision need one
# lock.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('whatsapp-pipeline:link_decisions', 0))"


class ChatTarget(NamedTuple):
    """The targets of decisions on a chat.

    `phone_key` is the key of the phone in the title, otherwise of the most frequent phone in the headers.
    """

    id_chat_file: int
    month: str
    file_path: str
    chat_number: int
    title: str | None
    phone_key: str | None
    is_group: bool


class LinkState(NamedTuple):
    """The link of a chat or of one of its sessions."""

    status: str
    id_contato: int | None
    id_ordem_servico: int | None


def lock_decisions(conn: Connection) -> None:
    """Wait until other decisions are written, and block new ones until the transaction ends."""
    conn.execute(_LOCK)


def chat_targets(conn: Connection, id_chat_file: int) -> ChatTarget | None:
    """Return the targets of decisions on a chat, or None if no file of the archive has it."""
    row = conn.execute(
        """
        SELECT f.id, f.month, f.file_path, f.chat_number, f.title,
               CASE WHEN NOT f.is_group THEN coalesce(f.phone_key, (
                   SELECT p.key FROM chat_phones p
                   WHERE p.id_chat_file = f.id AND p.key IS NOT NULL AND p.kind NOT IN ('lid', 'service')
                   ORDER BY p.occurrences DESC, p.raw LIMIT 1)) END,
               f.is_group
        FROM chat_files f WHERE f.id = %s AND f.processing_status <> 'vanished'
        """,
        (id_chat_file,),
    ).fetchone()
    return ChatTarget(*row) if row else None


def link_state(conn: Connection, id_chat_file: int, session_number: int | None) -> LinkState | None:
    """Return the link of the chat or of its session, or None if it does not exist."""
    if session_number is None:
        row = conn.execute(
            "SELECT match_status, id_contato, id_ordem_servico FROM chat_files WHERE id = %s", (id_chat_file,)
        ).fetchone()
    else:
        row = conn.execute(
            """SELECT s.order_match_status, f.id_contato, s.id_ordem_servico
               FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file
               WHERE f.id = %s AND s.number = %s""",
            (id_chat_file, session_number),
        ).fetchone()
    return LinkState(*row) if row else None


def snooze(
    conn: Connection, id_chat_file: int, session_number: int | None, *, reviewer: str, until: datetime
) -> None:
    """Hide a chat, or one of its sessions, from one reviewer's queue until a time."""
    conn.execute(
        """
        INSERT INTO review_snoozes (id_chat_file, session_number, reviewer, until) VALUES (%s, %s, %s, %s)
        ON CONFLICT (id_chat_file, coalesce(session_number, 0), reviewer)
        DO UPDATE SET until = excluded.until, made_at = now()
        """,
        (id_chat_file, session_number, reviewer, until),
    )


def write_session_orders(conn: Connection, orders: Mapping[int, int | None]) -> None:
    """Write decisions on the orders of sessions now. Linking their month adds the evidence later.

    If a session with the status `manual` loses its order, the trigger assumes that the order was deleted. So
    another status is set first.
    """
    values = (list(orders), list(orders.values()))
    conn.execute(
        """UPDATE chat_sessions s SET order_match_status = 'pending'
             FROM unnest(%s::bigint[], %s::bigint[]) d (id, service_order)
            WHERE s.id = d.id AND s.order_match_status = 'manual' AND d.service_order IS NULL""",
        values,
    )
    conn.execute(
        """UPDATE chat_sessions s SET order_match_status = 'manual', order_match_method = 'override',
                  order_match_confidence = 1, id_ordem_servico = d.service_order
             FROM unnest(%s::bigint[], %s::bigint[]) d (id, service_order) WHERE s.id = d.id""",
        values,
    )


def reopen_sessions(conn: Connection, sessions: list[int]) -> None:
    """Set the status of sessions to pending, until their month is linked again."""
    conn.execute(
        """UPDATE chat_sessions SET order_match_status = 'pending', order_match_method = NULL,
                  order_match_confidence = NULL, id_ordem_servico = NULL WHERE id = ANY(%s)""",
        (sessions,),
    )


def reopen_moved_orders(conn: Connection, contacts: Mapping[int, int | None]) -> None:
    """Set the sessions of chats that get another contact to pending. Call it before the contacts are written.

    The sessions' orders were decided for the previous contact. People's decisions on orders are kept. A chat
    without sessions loses its order.
    """
    values = (list(contacts), list(contacts.values()))
    conn.execute(
        """
        UPDATE chat_sessions s SET order_match_status = 'pending', order_match_method = NULL,
               order_match_confidence = NULL, id_ordem_servico = NULL
          FROM unnest(%s::bigint[], %s::bigint[]) d (id, contact) JOIN chat_files f ON f.id = d.id
         WHERE s.id_chat_file = f.id AND f.id_contato IS DISTINCT FROM d.contact
           AND s.order_match_status <> 'manual'
        """,
        values,
    )
    conn.execute(
        """
        UPDATE chat_files f SET id_ordem_servico = NULL, order_match_method = NULL
          FROM unnest(%s::bigint[], %s::bigint[]) d (id, contact)
         WHERE f.id = d.id AND f.id_contato IS DISTINCT FROM d.contact AND f.id_ordem_servico IS NOT NULL
           AND NOT EXISTS (SELECT FROM chat_sessions s WHERE s.id_chat_file = f.id)
        """,
        values,
    )
