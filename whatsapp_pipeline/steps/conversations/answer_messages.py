"""Answering customers: one reply a question at most, stored and sent nowhere.

No transaction is held while the model thinks. Whatever goes wrong is a warning and a row state; the user's
message was stored long before and is never touched here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from whatsapp_pipeline.assistant.client import Assistant, AssistantError, Turn
from whatsapp_pipeline.domain.personal_text import hide_personal
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations import assistant as replies
from whatsapp_pipeline.store.conversations.conversations import StoredMessage, get_last_messages

HISTORY = 20
LEASE_SECONDS = 120.0


@dataclass(slots=True)
class AnswerReport:
    """What became of the questions."""

    answered: int = 0
    superseded: int = 0
    failed: int = 0

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


def answer_messages(
    conn: Connection, assistant: Assistant, *, limit: int = 100, log: logging.Logger
) -> AnswerReport:
    """Answer up to `limit` questions that wait; only the newest of each conversation is asked about."""
    report = AnswerReport(superseded=replies.drop_stale(conn))
    for _ in range(limit):
        question = replies.claim(conn, seconds=LEASE_SECONDS)
        if question is None:
            break
        messages = get_last_messages(conn, question.conversation_id, HISTORY, up_to=question.trigger_id)
        try:
            text = assistant.reply(turns(messages))
        except AssistantError as error:
            log.warning("no reply to message %d: %s", question.trigger_id, error)
            replies.settle(conn, question.trigger_id, "failed", str(error))
            report.failed += 1
            continue
        except Exception as error:  # a fault of a client must never lose the run or the user's message
            log.warning("no reply to message %d: %s", question.trigger_id, type(error).__name__)
            replies.settle(conn, question.trigger_id, "failed", type(error).__name__)
            report.failed += 1
            continue
        with conn.transaction():
            stored = replies.store_reply(conn, question.trigger_id, text)
            replies.settle(conn, question.trigger_id, "answered" if stored else "superseded", None)
        report.answered += stored
        report.superseded += not stored
    return report


def turns(messages: Sequence[StoredMessage]) -> list[Turn]:
    """Make the prompt: what users wrote only ever as `user`, phones and documents hidden."""
    return [
        {"role": "assistant" if m.role == "assistant" else "user", "content": hide_personal(m.text)}
        for m in messages
        if m.role in {"user", "assistant"}
    ]
