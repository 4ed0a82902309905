"""Which messages wait for an answer, and the answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from whatsapp_pipeline.domain.webhook_json import clean_text
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations.conversations import lock_accounts
from whatsapp_pipeline.store.conversations.deliveries import ASSISTANT_MAX_AGE

# A message that asks: something the user wrote now, not a reaction or a notice.
_NEWER_QUESTION = """
    EXISTS (SELECT 1 FROM conversation_messages n
             WHERE n.conversation_id = m.conversation_id AND n.role = 'user' AND n.origin = 'message'
               AND (n.sent_at, coalesce(n.inbox_id, 9223372036854775807), n.position, n.id)
                 > (m.sent_at, coalesce(m.inbox_id, 9223372036854775807), m.position, m.id))
"""


@dataclass(frozen=True, slots=True)
class Question:
    """One message that waits for an answer."""

    trigger_id: int
    conversation_id: int


def drop_stale(conn: Connection) -> int:
    """Settle what needs no answer any more: a newer message came, or it is too old; return how many."""
    return conn.execute(
        f"""
        UPDATE assistant_replies r
           SET state = CASE WHEN m.sent_at <= now() - interval '{ASSISTANT_MAX_AGE}'
                            THEN 'expired' ELSE 'superseded' END,
               updated_at = now()
          FROM conversation_messages m
         WHERE m.id = r.trigger_id AND r.state = 'pending'
           AND (m.sent_at <= now() - interval '{ASSISTANT_MAX_AGE}' OR {_NEWER_QUESTION})
        """
    ).rowcount


def claim(conn: Connection, *, seconds: float) -> Question | None:
    """Take the oldest question that nobody works on; None when there is none."""
    row = conn.execute(
        """
        UPDATE assistant_replies r SET lease_until = now() + make_interval(secs => %s), updated_at = now()
          FROM conversation_messages m
         WHERE m.id = r.trigger_id AND r.trigger_id = (
               SELECT trigger_id FROM assistant_replies
                WHERE state = 'pending' AND (lease_until IS NULL OR lease_until < now())
                ORDER BY trigger_id LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING r.trigger_id, m.conversation_id
        """,
        (seconds,),
    ).fetchone()
    return Question(*row) if row else None


def settle(
    conn: Connection, trigger_id: int, state: Literal["answered", "superseded", "failed"], reason: str | None
) -> None:
    """Write down what became of a question."""
    conn.execute(
        "UPDATE assistant_replies SET state = %s, reason = %s, lease_until = NULL, updated_at = now()"
        " WHERE trigger_id = %s AND state = 'pending'",
        (state, reason, trigger_id),
    )


def store_reply(conn: Connection, trigger_id: int, text: str) -> bool:
    """Store the reply to a question, unless it has one or the user wrote again; return whether it was.

    In the caller's transaction, under the account's lock, so that no message comes in between.
    """
    row = conn.execute(
        "SELECT phone_number_id FROM conversation_messages WHERE id = %s", (trigger_id,)
    ).fetchone()
    if row is None:
        return False
    lock_accounts(conn, [row[0]])
    stored = conn.execute(
        f"""
        INSERT INTO conversation_messages (conversation_id, role, text, origin, phone_number_id, message_key,
                                           sent_at, in_reply_to)
        SELECT m.conversation_id, 'assistant', %s, 'assistant', m.phone_number_id, 'reply:' || m.id,
               clock_timestamp(), m.id
          FROM conversation_messages m
         WHERE m.id = %s AND NOT {_NEWER_QUESTION}
        ON CONFLICT DO NOTHING
        """,
        (clean_text(text), trigger_id),
    ).rowcount
    # Nobody sends it here, so the conversation's last message stays the customer's.
    return bool(stored)
