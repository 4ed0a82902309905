"""The assistant against an endpoint with the habits of real ones, over real HTTP and PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from whatsapp_pipeline.assistant.client import OpenAiAssistant
from whatsapp_pipeline.checks import conversations as rules
from whatsapp_pipeline.checks.qa import CheckScope
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.sandbox.assistant_server import ANSWER, AssistantSandbox, Habit, serving_assistant
from whatsapp_pipeline.steps.conversations.answer_messages import AnswerLimits, AnswerReport, answer_messages
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations import assistant as replies
from whatsapp_pipeline_tests.webhook.deliveries import (
    LOG,
    SENDER,
    clear,
    delivery,
    edit,
    one,
    revoke,
    rows,
    take,
    text,
)

BUSINESS = "5541330000000"


@pytest.fixture(autouse=True)
def _empty(conn: Connection) -> Iterator[None]:
    yield
    clear(conn)


@pytest.fixture
def sandbox() -> AssistantSandbox:
    return AssistantSandbox(api_key="key")


@pytest.fixture
def client(sandbox: AssistantSandbox) -> Iterator[OpenAiAssistant]:
    with serving_assistant(sandbox) as base:
        yield OpenAiAssistant(base, "m", "key", deadline_seconds=1)


_PAUSE = "extract(epoch FROM next_attempt_at - now())::float8"


def now(offset: int = 0) -> int:
    return int(time.time()) + offset


def ask(conn: Connection, *messages: Any, **value: Any) -> None:
    take(conn, delivery(*messages, **value), received=datetime.now(UTC), ask_assistant=True)


def questions(conn: Connection, count: int) -> None:
    """Put a question of each of `count` different people."""
    ask(
        conn, *(text(f"q{n}", f"pergunta {n}", at=now(-5), sender=f"55419999900{n:02}") for n in range(count))
    )


def answer(conn: Connection, client: OpenAiAssistant, **limits: Any) -> AnswerReport:
    return answer_messages(conn, client, limits=AnswerLimits(**limits), log=LOG)


def later(conn: Connection) -> None:
    """Let the pause before the next attempt be over."""
    conn.execute("UPDATE assistant_replies SET next_attempt_at = now()")


def states(conn: Connection) -> list[str]:
    return [state for (state,) in rows(conn, "SELECT state FROM assistant_replies ORDER BY trigger_id")]


def answers(conn: Connection) -> list[str]:
    return [t for (t,) in rows(conn, "SELECT text FROM conversation_messages WHERE origin = 'assistant'")]


NO_QUESTIONS: dict[str, dict[str, Any]] = {
    "reaction": {"type": "reaction", "reaction": {"message_id": "w1", "emoji": "👍"}},
    "revoke of another": {"type": "revoke", "revoke": {"original_message_id": "w0"}},
    "edit of another": {
        "type": "edit",
        "edit": {"original_message_id": "w0", "message": {"type": "text", "text": {"body": "x"}}},
    },
    "system": {"type": "system", "system": {"body": "mudou de número", "type": "user_changed_number"}},
    "unsupported": {"type": "unsupported", "errors": [{"code": 131051, "title": "Unsupported"}]},
}


@pytest.mark.parametrize("kind", list(NO_QUESTIONS))
def test_what_is_no_question_does_not_end_one(conn: Connection, client: OpenAiAssistant, kind: str) -> None:
    ask(conn, text("w1", "quanto custa?", at=now(-20)))
    ask(conn, {"from": SENDER, "id": "x", "timestamp": str(now(-10)), **NO_QUESTIONS[kind]})
    assert answer(conn, client).answered == 1
    assert states(conn) == ["answered"]


def test_a_question_that_its_author_took_back_is_not_answered(
    conn: Connection, sandbox: AssistantSandbox, client: OpenAiAssistant
) -> None:
    ask(conn, text("w1", "quanto custa?", at=now(-20)))
    ask(conn, revoke("r1", "w1", at=now(-10)))
    assert answer(conn, client).superseded == 1
    assert sandbox.prompts == []


def test_an_edited_question_is_asked_with_its_latest_words(
    conn: Connection, sandbox: AssistantSandbox, client: OpenAiAssistant
) -> None:
    ask(conn, text("w1", "fica pronto dia 12?", at=now(-40)))
    ask(conn, edit("e1", "w1", "fica pronto dia 21?", at=now(-30)))
    assert answer(conn, client).answered == 1
    assert sandbox.prompts[-1] == [{"role": "user", "content": "fica pronto dia 21?"}]
    # Once it is answered, the next edit is a question of its own; of two edits the last one.
    ask(conn, edit("e2", "w1", "fica pronto dia 22?", at=now(-20)))
    ask(conn, edit("e3", "w1", "fica pronto dia 23?", at=now(-10)))
    assert answer(conn, client).answered == 1
    assert "dia 23" in sandbox.prompts[-1][-1]["content"]
    # The question once with its latest words, and the edit that asks again; the edits between are left out.
    assert [turn["content"].count("dia 23") for turn in sandbox.prompts[-1]] == [1, 1]
    assert states(conn) == ["answered", "superseded", "answered"]
    assert len(answers(conn)) == 2


def test_an_edit_of_a_question_that_another_took_the_place_of_is_asked_once(
    conn: Connection, sandbox: AssistantSandbox, client: OpenAiAssistant
) -> None:
    ask(
        conn,
        text("w1", "fica pronto dia 12?", at=now(-60)),
        text("w2", "e quanto custa?", at=now(-50)),
    )
    replies.settle_needless(conn)
    ask(conn, edit("e1", "w1", "fica pronto dia 13?", at=now(-40)))  # w2 waits: its prompt has the new words
    assert answer(conn, client).answered == 1
    assert "dia 13" in sandbox.prompts[-1][0]["content"]
    ask(conn, edit("e2", "w1", "fica pronto dia 21?", at=now(-30)))
    assert answer(conn, client).answered == 1
    assert "dia 21" in sandbox.prompts[-1][-1]["content"]
    assert states(conn) == ["superseded", "answered", "answered"]


def test_an_edit_while_the_model_thinks_is_asked_again(
    conn: Connection, sandbox: AssistantSandbox, client: OpenAiAssistant
) -> None:
    ask(conn, text("w1", "fica pronto dia 12?", at=now(-20)))
    question = replies.claim(conn, seconds=60)
    assert question is not None
    ask(conn, edit("e1", "w1", "fica pronto dia 21?", at=now(-10)))
    with conn.transaction():
        assert not replies.store_reply(conn, question, "para o dia 12")
    assert replies.was_edited(conn, question)
    replies.ask_later(conn, question.trigger_id, "edited", seconds=0, counts=False)
    assert answer(conn, client).answered == 1
    assert answers(conn) == [ANSWER]


def test_a_question_that_staff_answered_is_not_asked(
    conn: Connection, sandbox: AssistantSandbox, client: OpenAiAssistant
) -> None:
    ask(conn, text("w1", "quanto custa?", at=now(-20)))
    echo = {
        "from": BUSINESS,
        "to": SENDER,
        "id": "e",
        "timestamp": str(now(-10)),
        "type": "text",
        "text": {"body": "R$ 100"},
    }
    ask(conn, message_echoes=[echo])
    assert answer(conn, client).superseded == 1
    assert one(conn, "SELECT reason FROM assistant_replies") == "staff has answered"
    assert sandbox.prompts == []


def test_an_answer_of_staff_while_the_model_thinks_comes_first(conn: Connection) -> None:
    ask(conn, text("w1", "quanto custa?", at=now(-20)))
    question = replies.claim(conn, seconds=60)
    assert question is not None
    echo = {
        "from": BUSINESS,
        "to": SENDER,
        "id": "e",
        "timestamp": str(now(-10)),
        "type": "text",
        "text": {"body": "R$ 100"},
    }
    ask(conn, message_echoes=[echo])
    with conn.transaction():
        assert not replies.store_reply(conn, question, "R$ 200")
    assert not replies.was_edited(conn, question)


def test_history_and_the_shops_own_number_ask_nothing(conn: Connection) -> None:
    account = {"metadata": {"phone_number_id": "acc-1", "display_phone_number": BUSINESS}}
    image = {"from": SENDER, "id": "img", "timestamp": str(now(-9)), "type": "image", "image": {"id": "1"}}
    ask(conn, image, field="history", **account)
    ask(conn, text("own", "nota para mim", at=now(-8), sender=BUSINESS), **account)
    assert states(conn) == []


def test_a_message_dated_in_the_future_does_not_block_its_conversation(
    conn: Connection, sandbox: AssistantSandbox, client: OpenAiAssistant
) -> None:
    ask(conn, text("w1", "do futuro", at=now(86_400)))
    assert one(conn, "SELECT sent_at <= now() FROM conversation_messages")
    ask(conn, text("w2", "de agora", at=now(1)))
    answer(conn, client)
    assert states(conn) == ["superseded", "answered"]
    assert sandbox.prompts[-1][-1]["content"] == "de agora"


@pytest.mark.parametrize(
    "habit",
    [
        Habit("status", status=500),
        Habit("status", status=503, body="<html>busy</html>"),
        Habit("reset"),
        Habit("body", body="<html>gateway</html>"),
        Habit("hang"),
        Habit("drip"),
        Habit("say", text=""),
        Habit("say", finish_reason="length"),
        Habit("body", body='{"choices": []}'),
        Habit("say", finish_reason="model_length"),
        Habit("say", finish_reason="RECITATION"),
    ],
    ids=lambda habit: f"{habit.kind} {habit.status} {habit.finish_reason}",
)
def test_what_passes_is_asked_again_with_a_pause(
    conn: Connection, sandbox: AssistantSandbox, client: OpenAiAssistant, habit: Habit
) -> None:
    questions(conn, 1)
    sandbox.habits = [habit]
    assert answer(conn, client).asked_later == 1
    wait, attempts = one(
        conn, "SELECT extract(epoch FROM next_attempt_at - now())::float8, attempts FROM assistant_replies"
    )
    assert 20 < wait <= 40
    assert attempts == 1
    assert answer(conn, client).counts() == AnswerReport().counts()  # nothing is due yet
    later(conn)
    assert answer(conn, client).answered == 1
    assert answers(conn) == [ANSWER]


def test_pauses_grow_and_a_day_ends_them(
    conn: Connection, sandbox: AssistantSandbox, client: OpenAiAssistant
) -> None:
    questions(conn, 1)
    sandbox.habits = [Habit("status", times=99)]
    waits = []
    for _ in range(9):
        later(conn)
        answer(conn, client)
        waits.append(one(conn, f"SELECT {_PAUSE} FROM assistant_replies"))
    assert waits[0] < 40
    assert 2000 < waits[8] <= 4500
    conn.execute("UPDATE conversation_messages SET sent_at = now() - interval '25 hours'")
    assert answer(conn, client).expired == 1
    assert one(conn, "SELECT state, reason FROM assistant_replies") == (
        "expired",
        "the endpoint answered HTTP 500",
    )


def test_retry_after_is_honoured_by_all(
    conn: Connection, sandbox: AssistantSandbox, client: OpenAiAssistant
) -> None:
    questions(conn, 5)
    sandbox.habits = [Habit("status", status=429, headers={"Retry-After": "120"})]
    answer(conn, client)
    assert len(sandbox.prompts) == 1
    first, last, attempts = one(
        conn, f"SELECT min({_PAUSE}), max({_PAUSE}), sum(attempts) FROM assistant_replies"
    )
    assert 110 < first <= last <= 120
    assert attempts == 0
    later(conn)
    assert answer(conn, client).answered == 5


@pytest.mark.parametrize(
    ("habits", "asked"),
    [
        ([Habit("status", status=401)], 1),
        ([Habit("status", status=403)], 1),
        ([Habit("status", status=404)], 1),
        ([Habit("hang", times=9)], 2),
        ([Habit("reset", times=9)], 2),
    ],
)
def test_the_circuit_breaker_leaves_the_rest_pending(
    conn: Connection, sandbox: AssistantSandbox, client: OpenAiAssistant, habits: list[Habit], asked: int
) -> None:
    questions(conn, 6)
    sandbox.habits = habits
    began = time.monotonic()
    answer(conn, client)
    assert time.monotonic() - began < 10
    assert len(sandbox.prompts) == asked
    assert states(conn) == ["pending"] * 6
    assert replies.question_status(conn).due == 0
    sandbox.habits = []
    later(conn)
    assert answer(conn, client).answered == 6


@pytest.mark.parametrize(
    "habit",
    [
        Habit("status", status=401, times=9),
        Habit("status", status=429, headers={"Retry-After": "600"}, times=9),
        Habit("hang", times=9),
    ],
)
def test_a_question_that_comes_during_the_pause_waits_as_well(
    conn: Connection, sandbox: AssistantSandbox, client: OpenAiAssistant, habit: Habit
) -> None:
    questions(conn, 3)
    sandbox.habits = [habit]
    answer(conn, client)
    asked = len(sandbox.prompts)
    for n in range(2):
        ask(conn, text(f"new{n}", "e agora?", at=now(-1), sender=f"554198888777{n}"))
        answer(conn, client)
    assert (len(sandbox.prompts), replies.question_status(conn).due) == (asked, 0)
    sandbox.habits = []
    assert replies.retry_failed(conn) == 5
    ask(conn, text("last", "e agora?", at=now(-1), sender="5541988887779"))
    assert answer(conn, client).answered == 6


EVERY_HABIT = {
    **{f"HTTP {n}": Habit("status", status=n) for n in (302, 400, 401, 403, 404, 408, 422, 500, 503)},
    "429 for an hour": Habit("status", status=429, headers={"Retry-After": "3600"}),
    "429 for no time": Habit("status", status=429, headers={"Retry-After": "0"}),
    "reset": Habit("reset"),
    "hang": Habit("hang"),
    "drip": Habit("drip"),
    "web page": Habit("body", body="<html>Login</html>"),
    "no body": Habit("body"),
    "list": Habit("body", body="[]"),
    "no choice": Habit("body", body='{"choices": []}'),
    "too much": Habit("body", body="x" * 2_000_000),
    "error in a 200": Habit("body", body='{"error": "x"}'),
    "cut": Habit("say", finish_reason="length"),
    "filtered": Habit("say", finish_reason="content_filter"),
    "empty": Habit("say", text=" \n"),
    "too long": Habit("say", text="a" * 5000),
    "thoughts alone": Habit("say", text="[THINK]o cliente quer saber"),
    "tool call": Habit("say", text="", finish_reason="tool_calls"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY_HABIT)
def test_after_any_habit_each_question_has_one_answer(
    conn: Connection, sandbox: AssistantSandbox, client: OpenAiAssistant, name: str
) -> None:
    questions(conn, 3)
    sandbox.habits = [replace(EVERY_HABIT[name], times=99)]
    for _ in range(4):  # the last run has nothing to ask where three attempts are the limit
        later(conn)
        began = time.monotonic()
        answer(conn, client, seconds=6)
        assert time.monotonic() - began < 8
    assert answers(conn) == []
    found = replies.question_status(conn)
    assert found.pending + found.failed == 3
    assert sorted({state for _, state, _, _ in replies.failed_questions(conn)} - {"pending", "failed"}) == []
    assert all(reason for _, _, _, reason in replies.failed_questions(conn))
    assert len(replies.failed_questions(conn)) == 3
    sandbox.habits = []
    assert replies.retry_failed(conn) == 3
    answer(conn, client)
    answer(conn, client)
    assert answers(conn) == [ANSWER] * 3
    assert one(conn, "SELECT count(DISTINCT in_reply_to) FROM conversation_messages") == 3
    assert states(conn) == ["answered"] * 3


def test_a_hung_endpoint_holds_a_run_no_longer_than_its_budget(
    conn: Connection, sandbox: AssistantSandbox
) -> None:
    questions(conn, 6)
    sandbox.habits = [Habit("hang", times=99)]
    with serving_assistant(sandbox) as base:
        client = OpenAiAssistant(base, "m", "key", deadline_seconds=30)
        began = time.monotonic()
        answer(conn, client, seconds=6)
        assert time.monotonic() - began < 8
    assert states(conn) == ["pending"] * 6
    assert replies.question_status(conn).due == 0


def test_more_questions_than_a_run_takes_wait_for_the_next(
    conn: Connection, sandbox: AssistantSandbox, client: OpenAiAssistant
) -> None:
    questions(conn, 7)
    assert answer(conn, client, tokens=150).answered == 3  # 50 tokens each
    assert replies.question_status(conn).due == 4
    assert answer(conn, client, questions=2).answered == 2
    assert answer(conn, client).answered == 2


def test_a_killed_worker_leaves_its_question_to_the_next(conn: Connection, client: OpenAiAssistant) -> None:
    questions(conn, 1)
    assert replies.claim(conn, seconds=60) is not None
    assert answer(conn, client).answered == 0
    assert replies.question_status(conn).due == 0
    conn.execute("UPDATE assistant_replies SET lease_until = now() - interval '1 second'")
    assert replies.question_status(conn).due == 1
    assert answer(conn, client).answered == 1


@pytest.mark.parametrize(
    ("habit", "reason"),
    [
        (Habit("status", status=400, body='{"error": "context"}'), "does not accept this question"),
        (Habit("say", finish_reason="content_filter"), "withheld"),
    ],
)
def test_what_stays_refused_fails_and_can_be_retried(
    conn: Connection, sandbox: AssistantSandbox, client: OpenAiAssistant, habit: Habit, reason: str
) -> None:
    questions(conn, 2)
    sandbox.habits = [habit]
    report = answer(conn, client)
    assert (report.failed, report.answered) == (1, 1)
    assert reason in one(conn, "SELECT reason FROM assistant_replies WHERE state = 'failed'")
    assert replies.question_status(conn).failed == 1
    check = next(check for check in rules.CHECKS if check.name == "questions_are_answered")
    assert check.find(CheckScope(conn, [], Archive())).failing == 1
    assert replies.retry_failed(conn) == 1
    assert answer(conn, client).answered == 1
    assert check.find(CheckScope(conn, [], Archive())).failing == 0


def test_unusable_answers_fail_after_three_attempts(
    conn: Connection, sandbox: AssistantSandbox, client: OpenAiAssistant
) -> None:
    questions(conn, 1)
    sandbox.habits = [Habit("say", text="x" * 5000, times=9)]
    for _ in range(3):
        later(conn)
        answer(conn, client)
    assert one(conn, "SELECT state, reason FROM assistant_replies") == (
        "failed",
        "the reply is longer than the 4096 characters of a message",
    )
    assert answers(conn) == []


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("<think>o cliente quer saber…</think>\n\nSim, está pronto.", "Sim, está pronto."),
        ("pensando…</think>Sim.", "Sim."),
        ("Sim.\u202e\x1b[31m\x00\r\n\n\n\n\nAté logo\u200b!", "Sim.[31m\n\nAté logo!"),
        ("Fale com a Ana no 41 99999-0001.", "Fale com a Ana no [telefone]."),
        ("Somos (41) 3333-0000 ou contato@loja.example.", "Somos (41) 3333-0000 ou contato@loja.example."),
        ("ligue 0800 123 4567", "ligue 0800 123 4567"),
    ],
)
def test_an_answer_is_cleaned_before_it_is_stored(
    conn: Connection, sandbox: AssistantSandbox, said: str, stored: str
) -> None:
    questions(conn, 1)
    sandbox.habits = [Habit("say", text=said)]
    with serving_assistant(sandbox) as base:
        prompt = "Você atende a loja. Telefone 41 3333 0000, e-mail contato@loja.example."
        answer(conn, OpenAiAssistant(base, "m", "key", prompt))
    assert answers(conn) == [stored]


def test_only_thoughts_are_no_answer(
    conn: Connection, sandbox: AssistantSandbox, client: OpenAiAssistant
) -> None:
    questions(conn, 1)
    sandbox.habits = [Habit("say", text="<think>nunca termina de pensar")]
    assert answer(conn, client).asked_later == 1
    assert answers(conn) == []


def test_no_phone_or_document_reaches_the_endpoint(
    conn: Connection, sandbox: AssistantSandbox, client: OpenAiAssistant
) -> None:
    image = {
        "from": SENDER,
        "id": "doc",
        "timestamp": str(now(-30)),
        "type": "document",
        "document": {"filename": "ana_41999990001.pdf", "caption": "CPF 529.982.247-25"},
    }
    ask(conn, image, text("w2", "me liga: tel41999990002 ou ana@example.com", at=now(-20)))
    answer(conn, client)
    said = sandbox.said()
    for secret in ("99999", "0001", "529", "ana@"):
        assert secret not in said
    assert "[telefone]" in said
    assert "[CPF]" in said


def test_three_runs_at_once_answer_each_question_once(
    conn: Connection, database_url: str, client: OpenAiAssistant
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from whatsapp_pipeline.store.connection import connect

    questions(conn, 30)

    def run(_: int) -> int:
        with connect(database_url) as mine:
            return answer(mine, client).answered

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(run, range(3))) == 30
    assert len(answers(conn)) == 30


def test_questions_of_a_day_ago_are_not_retried(conn: Connection) -> None:
    questions(conn, 1)
    conn.execute("UPDATE assistant_replies SET state = 'failed'")
    conn.execute("UPDATE conversation_messages SET sent_at = %s", (datetime.now(UTC) - timedelta(hours=25),))
    assert replies.retry_failed(conn) == 0
