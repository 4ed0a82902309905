"""How long a question is leased and postponed, and when a run of the assistant ends, each as a figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest

from whatsapp_pipeline.assistant.client import AssistantError, Failure, Reply, Turn
from whatsapp_pipeline.steps.conversations.answer_messages import AnswerLimits, AnswerReport, answer_messages
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline_tests.webhook.deliveries import LOG, clear, delivery, one, rows, take, text

# Both times are those of one statement, so the difference is exact.
PAUSES = (
    "SELECT extract(epoch FROM next_attempt_at - updated_at)::float8 FROM assistant_replies"
    " ORDER BY trigger_id"
)


class Endpoint:
    """An assistant that answers or fails in turn, the last way again and again."""

    def __init__(self, conn: Connection, *outcomes: Reply | AssistantError) -> None:
        self.conn = conn
        self.outcomes = list(outcomes)
        self.seconds: list[float] = []
        self.leases: list[float] = []

    def reply(self, turns: Sequence[Turn], *, seconds: float) -> Reply:
        self.seconds.append(seconds)
        self.leases.append(
            one(
                self.conn,
                "SELECT extract(epoch FROM lease_until - updated_at)::float8 FROM assistant_replies"
                " WHERE lease_until > now()",
            )
        )
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, AssistantError):
            raise outcome
        return outcome


@pytest.fixture(autouse=True)
def _empty(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("whatsapp_pipeline.steps.conversations.answer_messages.random.random", lambda: 0.5)
    yield
    clear(conn)


def ask(conn: Connection, count: int) -> None:
    at = int(datetime.now(UTC).timestamp()) - 60
    for number in range(count):
        message = text(f"w{number}", "quanto custa?", at=at, sender=f"554198888{number:04}")
        take(conn, delivery(message), received=datetime.now(UTC), ask_assistant=True)


def answer(conn: Connection, endpoint: Endpoint, limits: AnswerLimits | None = None) -> AnswerReport:
    return answer_messages(conn, endpoint, limits=limits, log=LOG)


def pauses(conn: Connection) -> list[float]:
    return [seconds for (seconds,) in rows(conn, PAUSES)]


def error(failure: Failure, retry_after: float | None = None) -> AssistantError:
    return AssistantError("x", failure, retry_after=retry_after)


@pytest.mark.parametrize(
    ("attempts", "spread", "seconds"),
    [
        (0, 0.5, 30.0),
        (1, 0.5, 60.0),
        (2, 0.5, 120.0),
        (6, 0.5, 1920.0),
        (7, 0.5, 3600.0),
        (50, 0.5, 3600.0),
        (0, 0.0, 22.5),
        (0, 1.0, 37.5),
        (9, 0.0, 2700.0),
    ],
)
def test_a_pause_doubles_up_to_an_hour_give_or_take_a_quarter(
    conn: Connection, monkeypatch: pytest.MonkeyPatch, attempts: int, spread: float, seconds: float
) -> None:
    monkeypatch.setattr("whatsapp_pipeline.steps.conversations.answer_messages.random.random", lambda: spread)
    ask(conn, 1)
    conn.execute("UPDATE assistant_replies SET attempts = %s", (attempts,))
    answer(conn, Endpoint(conn, error("outage")))
    assert pauses(conn) == [seconds]
    assert one(conn, "SELECT attempts FROM assistant_replies") == attempts + 1


@pytest.mark.parametrize(
    ("failure", "retry_after", "asked", "first", "others"),
    [
        ("setup", None, 1, 300.0, 300.0),
        ("limit", None, 1, 30.0, 30.0),
        ("limit", 90.0, 1, 90.0, 90.0),
        ("limit", 0.0, 1, 1.0, 1.0),
        ("outage", None, 2, 300.0, 300.0),  # the second call in a row without an answer
    ],
)
def test_what_fails_for_all_questions_postpones_all(
    conn: Connection, failure: Failure, retry_after: float | None, asked: int, first: float, others: float
) -> None:
    ask(conn, 4)
    endpoint = Endpoint(conn, error(failure, retry_after))
    report = answer(conn, endpoint)
    assert (len(endpoint.seconds), report.asked_later) == (asked, asked)
    assert pauses(conn) == [first] * asked + [others] * (4 - asked)
    attempts = [
        count for (count,) in rows(conn, "SELECT attempts FROM assistant_replies ORDER BY trigger_id")
    ]
    assert attempts == ([1] * asked if failure == "outage" else [0] * asked) + [0] * (4 - asked)


def test_a_question_that_waits_longer_than_all_keeps_its_time(conn: Connection) -> None:
    ask(conn, 3)
    answer(conn, Endpoint(conn, error("outage", 4000.0)))
    long, same, short = pauses(conn)
    assert 3900 < long <= same <= 4000
    assert short == 300.0


def test_an_answer_between_two_outages_lets_the_run_go_on(conn: Connection) -> None:
    ask(conn, 6)
    fails, says = error("outage"), Reply("Olá!", 7)
    report = answer(conn, Endpoint(conn, fails, says, fails, error("unusable"), fails, says))
    assert (report.answered, report.asked_later, report.failed) == (2, 4, 0)
    assert pauses(conn).count(30.0) == 4


@pytest.mark.parametrize(
    ("failure", "attempts", "state"),
    [
        ("refused", 0, "failed"),
        ("filtered", 0, "failed"),
        ("unusable", 1, "pending"),
        ("unusable", 2, "failed"),  # the third attempt
        ("outage", 50, "pending"),
    ],
)
def test_what_stays_without_a_reply_fails(
    conn: Connection, failure: Failure, attempts: int, state: str
) -> None:
    ask(conn, 1)
    conn.execute("UPDATE assistant_replies SET attempts = %s", (attempts,))
    report = answer(conn, Endpoint(conn, error(failure)))
    assert (report.failed, report.asked_later) == ((1, 0) if state == "failed" else (0, 1))
    assert one(conn, "SELECT state, reason FROM assistant_replies") == (state, "x")


@pytest.mark.parametrize(
    ("limits", "tokens", "answered"),
    [
        (AnswerLimits(), 7, 4),
        (AnswerLimits(questions=3), 7, 3),
        (AnswerLimits(tokens=14), 7, 2),
        (AnswerLimits(tokens=15), 7, 3),
        # Without a count: 4 characters a token, of the question (13) and the reply (4), and one.
        (AnswerLimits(tokens=10), None, 2),
        (AnswerLimits(tokens=11), None, 3),
        (AnswerLimits(seconds=4.9), 7, 0),  # a call gets five seconds at least
    ],
)
def test_a_run_ends_at_its_limits(
    conn: Connection, limits: AnswerLimits, tokens: int | None, answered: int
) -> None:
    ask(conn, 4)
    endpoint = Endpoint(conn, Reply("Olá!", tokens or 0))
    assert answer(conn, endpoint, limits).answered == answered
    assert endpoint.leases == [120.0] * answered
    assert all(29 < seconds <= 30 for seconds in endpoint.seconds)
    assert one(conn, "SELECT count(*) FROM assistant_replies WHERE state = 'pending'") == 4 - answered


def test_a_call_gets_the_time_that_is_left(conn: Connection) -> None:
    ask(conn, 1)
    endpoint = Endpoint(conn, Reply("Olá!", 7))
    answer(conn, endpoint, AnswerLimits(seconds=20))
    assert 5 <= endpoint.seconds[0] <= 20
