"""The table `assistant_replies`: the questions that wait for a reply, and their outcomes.

What belongs here: statements about questions and their replies. What does not: calling the language model
(steps/conversations/answer_messages.py) and the rules for its text (domain/assistant_reply.py).

A question is `pending` at first. Its state becomes `answered` when a reply is stored, `superseded` when it
needs no reply any more, `expired` when it is a day old, and `failed` when no further attempt will be made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, LiteralString

from psycopg import sql

from whatsapp_pipeline import clock
from whatsapp_pipeline.domain.webhook_json import clean_text
from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations.conversations import lock_accounts
from whatsapp_pipeline.store.message_order import LIVE_KEY

MAX_AGE: Final[LiteralString] = "24 hours"
# Types of messages that need no reply.
_NOT_ASKING_TYPES: Final[tuple[LiteralString, ...]] = (
    "reaction",
    "system",
    "edit",
    "revoke",
    "unsupported",
    "unknown",
    "media_placeholder",
)
_NOT_ASKING: Final[LiteralString] = "('" + "', '".join(_NOT_ASKING_TYPES) + "')"
_NEWER: Final[LiteralString] = (
    "n.conversation_id = m.conversation_id AND"
    f" ({LIVE_KEY.replace('{m}', 'n')}) > ({LIVE_KEY.replace('{m}', 'm')})"
)
# The user has sent a newer message that needs a reply, or a newer edit of the same message.
_ASKED_AGAIN: Final[LiteralString] = f"""
    EXISTS (SELECT 1 FROM conversation_messages n
             WHERE {_NEWER} AND n.role = 'user' AND n.origin = 'message' AND n.revoked_at IS NULL
               AND (n.type NOT IN {_NOT_ASKING} OR (m.type, n.type, n.reply_to_provider_id)
                                                 = ('edit', 'edit', m.reply_to_provider_id)))"""
# Staff of the business have answered since.
_ANSWERED_BY_STAFF: Final[LiteralString] = f"""
    EXISTS (SELECT 1 FROM conversation_messages n
             WHERE {_NEWER} AND n.role = 'assistant' AND n.origin <> 'assistant' AND n.revoked_at IS NULL
               AND n.type NOT IN {_NOT_ASKING})"""


@dataclass(frozen=True, slots=True)
class Question:
    """One message that waits for a reply.

    `edited_at` is the message's time of edit when the question was claimed. `attempts` is the number of
    failed attempts.
    """

    trigger_id: int
    conversation_id: int
    edited_at: datetime | None
    attempts: int


@dataclass(frozen=True, slots=True)
class QuestionStatus:
    """The number of pending questions, and of those that ended without a reply in the last seven days."""

    pending: int
    due: int
    oldest_pending_seconds: float
    failed: int
    expired: int


def add_questions(conn: Connection, message_ids: Sequence[int]) -> None:
    """Add questions for those new messages that need a reply.

    An edit becomes a question only if the edited message no longer waits, because its reply was about the old
    text. If the edited message, or a later message, still waits, the question is asked with the new text.
    """
    conn.execute(
        queries.load("conversations/add_questions"),
        {
            "messages": list(message_ids),
            "max_age": MAX_AGE,
            "not_asking": list(_NOT_ASKING_TYPES),
            "now": clock.now(),
        },
    )


def settle_needless(conn: Connection) -> tuple[int, int]:
    """Settle the pending questions that need no reply any more.

    Return how many were superseded, and how many expired.
    """
    rows = conn.execute(
        sql.SQL(queries.load("conversations/settle_questions")).format(
            asked_again=sql.SQL(_ASKED_AGAIN), answered_by_staff=sql.SQL(_ANSWERED_BY_STAFF)
        ),
        {"max_age": MAX_AGE, "now": clock.now()},
    ).fetchall()
    expired = sum(state == "expired" for (state,) in rows)
    return len(rows) - expired, expired


def claim(conn: Connection, *, seconds: float) -> Question | None:
    """Lease the first due question that no worker has leased, and return it. Return None if there is none."""
    row = conn.execute(
        """
        UPDATE assistant_replies r SET lease_until = now() + make_interval(secs => %s), updated_at = now()
          FROM conversation_messages m
         WHERE m.id = r.trigger_id AND r.trigger_id = (
               SELECT trigger_id FROM assistant_replies
                WHERE state = 'pending' AND next_attempt_at <= now()
                  AND (lease_until IS NULL OR lease_until < now())
                ORDER BY next_attempt_at, trigger_id LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING r.trigger_id, m.conversation_id, m.edited_at, r.attempts
        """,
        (seconds,),
    ).fetchone()
    return Question(*row) if row else None


def store_outcome(
    conn: Connection, trigger_id: int, state: Literal["answered", "superseded", "failed"], reason: str | None
) -> None:
    """Store the outcome of a pending question."""
    conn.execute(
        "UPDATE assistant_replies SET state = %s, reason = %s, lease_until = NULL, updated_at = now()"
        " WHERE trigger_id = %s AND state = 'pending'",
        (state, reason, trigger_id),
    )


def ask_later(conn: Connection, trigger_id: int, reason: str, *, seconds: float, counts: bool) -> None:
    """Release a question, so that it is due again after `seconds`. With `counts`, the attempt is counted."""
    conn.execute(
        "UPDATE assistant_replies SET attempts = attempts + %s::int, reason = %s, lease_until = NULL,"
        " next_attempt_at = now() + make_interval(secs => %s), updated_at = now()"
        " WHERE trigger_id = %s AND state = 'pending'",
        (counts, reason, seconds, trigger_id),
    )


def postpone_all(conn: Connection, reason: str, *, seconds: float) -> None:
    """Postpone all pending questions by `seconds`, because the endpoint fails for all of them.

    Questions that are added meanwhile wait until the same time.
    """
    conn.execute(
        "UPDATE assistant_replies SET reason = %(reason)s, updated_at = now(),"
        " next_attempt_at = greatest(next_attempt_at, now() + make_interval(secs => %(seconds)s)),"
        " paused_until = now() + make_interval(secs => %(seconds)s)"
        " WHERE state = 'pending'",
        {"reason": reason, "seconds": seconds},
    )


def retry_failed(conn: Connection) -> int:
    """Make failed and pending questions of the last day that still need a reply due now.

    Return their number.
    """
    return conn.execute(
        f"""
        UPDATE assistant_replies r
           SET state = 'pending', attempts = 0, next_attempt_at = now(), paused_until = NULL,
               updated_at = now()
          FROM conversation_messages m
         WHERE m.id = r.trigger_id AND r.state IN ('failed', 'pending')
           AND m.sent_at > %(now)s::timestamptz - interval '{MAX_AGE}' AND NOT {_ASKED_AGAIN}
           AND NOT {_ANSWERED_BY_STAFF} AND m.revoked_at IS NULL
        """,
        {"now": clock.now()},
    ).rowcount


def question_status(conn: Connection) -> QuestionStatus:
    """Return the number of questions that wait, or ended without a reply in the last seven days."""
    row = conn.execute(
        """
        SELECT count(*) FILTER (WHERE r.state = 'pending'),
               count(*) FILTER (WHERE r.state = 'pending' AND r.next_attempt_at <= now()
                                  AND (r.lease_until IS NULL OR r.lease_until < now())),
               coalesce(extract(epoch FROM now() - min(m.sent_at) FILTER (WHERE r.state = 'pending')),
                        0)::float8,
               count(*) FILTER (WHERE r.state = 'failed'), count(*) FILTER (WHERE r.state = 'expired')
          FROM assistant_replies r JOIN conversation_messages m ON m.id = r.trigger_id
         WHERE r.state = 'pending'
            OR r.state IN ('failed', 'expired') AND r.updated_at > now() - interval '7 days'
        """
    ).fetchone()
    pending, due, oldest, failed, expired = row or (0, 0, 0.0, 0, 0)
    return QuestionStatus(pending, due, max(0.0, oldest), failed, expired)


def failed_questions(conn: Connection, limit: int = 20) -> list[tuple[int, str, int, str]]:
    """Return (message id, state, attempts, reason) of the latest questions that failed or expired.

    Questions that wait for another attempt are included.
    """
    return conn.execute(
        """
        SELECT trigger_id, state, attempts, coalesce(reason, '') FROM assistant_replies
         WHERE state IN ('failed', 'expired') AND updated_at > now() - interval '7 days'
            OR state = 'pending' AND reason IS NOT NULL
         ORDER BY trigger_id DESC LIMIT %s
        """,
        (limit,),
    ).fetchall()


def store_reply(conn: Connection, question: Question, text: str) -> bool:
    """Store the reply, unless the question was edited or needs no reply any more.

    Return whether the reply was stored. The statement runs in the caller's transaction under the account's
    lock, so that no message is added between the check and the insert.
    """
    row = conn.execute(
        "SELECT phone_number_id FROM conversation_messages WHERE id = %s", (question.trigger_id,)
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
         WHERE m.id = %s AND m.edited_at IS NOT DISTINCT FROM %s AND m.revoked_at IS NULL
           AND NOT {_ASKED_AGAIN} AND NOT {_ANSWERED_BY_STAFF}
        ON CONFLICT DO NOTHING
        """,
        (clean_text(text), question.trigger_id, question.edited_at),
    ).rowcount
    # The reply is not sent, so the conversation's `last_message_at` stays that of the customer's message.
    return bool(stored)


def was_edited(conn: Connection, question: Question) -> bool:
    """Return whether the message was edited after the question was claimed, and still needs a reply."""
    row = conn.execute(
        f"""SELECT m.edited_at IS DISTINCT FROM %s AND m.revoked_at IS NULL
                   AND NOT {_ASKED_AGAIN} AND NOT {_ANSWERED_BY_STAFF}
              FROM conversation_messages m JOIN assistant_replies r ON r.trigger_id = m.id
             WHERE m.id = %s AND r.state = 'pending'""",
        (question.edited_at, question.trigger_id),
    ).fetchone()
    return bool(row and row[0])
