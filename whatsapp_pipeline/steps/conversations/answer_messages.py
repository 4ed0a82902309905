"""Replies to customers' questions. Each question gets at most one reply, which is stored and never sent.

What belongs here: which failed questions are asked again, when a run stops, and the prompt. What does not:
the request (assistant/client.py) and statements (store/conversations/assistant.py). No transaction is open
while the model computes a reply. A failure is logged as a warning and kept in the question's row. The
customer's message was stored before, and this step never changes it.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from whatsapp_pipeline.assistant.client import DEADLINE_SECONDS, Assistant, AssistantError, Reply, Turn
from whatsapp_pipeline.domain.personal_text import hide_personal
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations import assistant as replies
from whatsapp_pipeline.store.conversations.conversations import StoredMessage, get_last_messages

HISTORY = 20
LEASE_SECONDS = 120.0
# The pause before a failed question is asked again: 30 s, 1 min, 2 min and so on, at most one hour. A
# question that is a day old is not asked any more.
_FIRST_PAUSE, _LONGEST_PAUSE = 30.0, 3600.0
# An unusable reply to this attempt, or to a later one, is final: the next one would usually be unusable, too.
_UNUSABLE_ATTEMPTS = 3
_OUTAGES_IN_A_ROW = 2  # two calls without an answer already use up the time of a run
_PAUSE_FOR_ALL = 300.0  # seconds without questions after an outage or a wrong setting
_SHORTEST_CALL = 5.0  # seconds; a question that gets less than this waits for the next run


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """The limits of one run: questions, seconds in total, and tokens as the endpoint counts them."""

    questions: int = 1000
    seconds: float = 60.0
    tokens: int = 200_000


def limits_from(settings: Settings) -> AnswerLimits:
    """Return the limits from the settings."""
    return AnswerLimits(seconds=settings.assistant_run_seconds, tokens=settings.assistant_run_tokens)


@dataclass(slots=True)
class AnswerReport:
    """Number of questions by outcome.

    `asked_later` counts the questions that stay pending and are asked again.
    """

    answered: int = 0
    superseded: int = 0
    expired: int = 0
    failed: int = 0
    asked_later: int = 0
    answer_tokens: int = 0

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


def answer_messages(
    conn: Connection, assistant: Assistant, *, limits: AnswerLimits | None = None, log: logging.Logger
) -> AnswerReport:
    """Answer the questions that are due, within `limits`. Only a conversation's newest question is asked.

    Earlier questions of the conversation are superseded. Questions beyond the limits stay pending for the
    next run, which the sensor requests.
    """
    run = _Answering(conn, assistant, limits or AnswerLimits(), log)
    run.report.superseded, run.report.expired = replies.settle_needless(conn)
    stopped = run.answer_all()
    if stopped:
        left = replies.question_status(conn).pending
        log.warning(
            "the assistant stopped: %s; %d question(s) wait",
            stopped,
            left,
            extra=fields(reason=str(stopped), counts={"questions_waiting": left}),
        )
    return run.report


class _Answering:
    """One run over the questions that are due."""

    def __init__(
        self, conn: Connection, assistant: Assistant, limits: AnswerLimits, log: logging.Logger
    ) -> None:
        self._conn, self._assistant, self._limits, self._log = conn, assistant, limits, log
        self._stop_at = time.monotonic() + limits.seconds
        self._outages = 0
        self.report = AnswerReport()

    def answer_all(self) -> str | None:
        """Answer the due questions one by one; return the reason for an early stop, or None."""
        for _ in range(self._limits.questions):
            seconds = min(DEADLINE_SECONDS, self._stop_at - time.monotonic())
            if seconds < _SHORTEST_CALL:
                if self._outages:
                    replies.postpone_all(self._conn, "the endpoint did not answer", seconds=_PAUSE_FOR_ALL)
                return f"this run's {self._limits.seconds:.0f} s are used up (ASSISTANT_RUN_SECONDS)"
            if self.report.answer_tokens >= self._limits.tokens:
                return f"this run's {self._limits.tokens} tokens are used up (ASSISTANT_RUN_TOKENS)"
            question = replies.claim(self._conn, seconds=LEASE_SECONDS)
            if question is None:
                return None
            if stopped := self._answer(question, seconds):
                return stopped
        return f"this run has asked {self._limits.questions} questions"

    def _answer(self, question: replies.Question, seconds: float) -> str | None:
        """Ask the assistant one question and store the outcome. Return the reason if the run must stop."""
        messages = get_last_messages(self._conn, question.conversation_id, HISTORY, up_to=question.trigger_id)
        try:
            reply = self._assistant.reply(turns(messages), seconds=seconds)
        except AssistantError as error:
            return self._failed(question, error)
        except Exception as error:  # a bug in the client must not end the run: other questions wait
            return self._failed(question, AssistantError(type(error).__name__))
        self._outages = 0
        self.report.answer_tokens += reply.tokens or _estimated_tokens(messages, reply)
        with self._conn.transaction():
            stored = replies.store_reply(self._conn, question, reply.text)
            if stored:
                replies.store_outcome(self._conn, question.trigger_id, "answered", None)
                self.report.answered += 1
            elif replies.was_edited(self._conn, question):
                words = "the user edited the message before the reply was stored"
                replies.ask_later(self._conn, question.trigger_id, words, seconds=0, counts=False)
                self.report.asked_later += 1
            else:
                words = "the user wrote again, or staff answered, before the reply was stored"
                replies.store_outcome(self._conn, question.trigger_id, "superseded", words)
                self.report.superseded += 1
        return None

    def _failed(self, question: replies.Question, error: AssistantError) -> str | None:
        """Postpone the question or set it to `failed`. Return the reason if the run must stop."""
        self._log.warning(
            "no reply to message %d: %s",
            question.trigger_id,
            error,
            extra=fields(message_id=question.trigger_id, reason=str(error)),
        )
        last_try = error.failure == "unusable" and question.attempts + 1 >= _UNUSABLE_ATTEMPTS
        if error.failure in {"refused", "filtered"} or last_try:
            replies.store_outcome(self._conn, question.trigger_id, "failed", str(error))
            self.report.failed += 1
            return None
        pause = error.retry_after if error.retry_after is not None else _pause(question.attempts)
        # A wrong key or a rate limit is no fault of the question, so it does not count as an attempt.
        counts = error.failure in {"outage", "unusable"}
        replies.ask_later(self._conn, question.trigger_id, str(error), seconds=pause, counts=counts)
        self.report.asked_later += 1
        self._outages = self._outages + 1 if error.failure == "outage" else 0
        if error.failure in {"setup", "limit"} or self._outages >= _OUTAGES_IN_A_ROW:
            seconds = max(pause if error.failure == "limit" else _PAUSE_FOR_ALL, 1.0)
            replies.postpone_all(self._conn, str(error), seconds=seconds)
            return f"{error}; nothing is asked for {seconds:.0f} s"
        return None


def _pause(attempts: int) -> float:
    """Return the seconds until a question is asked again after `attempts` failures, with a random ± 25 %."""
    spread = 0.75 + random.random() / 2  # noqa: S311  # spreads retries over time, protects no secret
    return float(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempts, 10)) * spread)


def _estimated_tokens(messages: Sequence[StoredMessage], reply: Reply) -> int:
    """Estimate the tokens if the endpoint does not count them: about four characters per token."""
    return (sum(len(message.text) for message in messages) + len(reply.text)) // 4 + 1


def turns(messages: Sequence[StoredMessage]) -> list[Turn]:
    """Return the prompt, with phones and document numbers hidden. Users' text always has the role `user`.

    An edit is omitted, because the edited message already has the new text. Only an edit that is itself the
    question stays, as the last turn.
    """
    return [
        {"role": "assistant" if m.role == "assistant" else "user", "content": hide_personal(m.text)}
        for number, m in enumerate(messages, start=1)
        if m.role in {"user", "assistant"} and (m.type != "edit" or number == len(messages))
    ]
