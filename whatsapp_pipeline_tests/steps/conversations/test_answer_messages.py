"""The assistant: at most one reply a question, and nothing ever lost to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner

from whatsapp_pipeline.assistant.client import AssistantError, Reply, Turn
from whatsapp_pipeline.checks.qa import CheckScope
from whatsapp_pipeline.checks.summaries import CHECKS
from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.domain.phones import parse_phone
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.steps.conversations.answer_messages import AnswerLimits, answer_messages, turns
from whatsapp_pipeline.steps.conversations.live_sessions import make_live_sessions
from whatsapp_pipeline.steps.links.live_links import link_live
from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, summarize
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.conversations import assistant as replies
from whatsapp_pipeline.store.conversations.conversations import StoredMessage
from whatsapp_pipeline_tests.webhook.deliveries import LOG, SENDER, clear, delivery, one, rows, take, text


class Scripted:
    """An assistant that answers by a function, and remembers what it was asked."""

    def __init__(self, answer: Callable[[], str] = lambda: "Olá!") -> None:
        self.answer = answer
        self.asked: list[list[Turn]] = []

    def reply(self, turns: Sequence[Turn], *, seconds: float) -> Reply:
        self.asked.append(list(turns))
        return Reply(self.answer(), 7)


@pytest.fixture(autouse=True)
def _empty(conn: Connection) -> Iterator[None]:
    yield
    clear(conn)


def now() -> int:
    return int(time.time())


def ask(conn: Connection, *messages: dict[str, Any]) -> None:
    take(conn, *(delivery(m) for m in messages), received=datetime.now(UTC), ask_assistant=True)


def later(conn: Connection) -> None:
    """Let the pause before the next attempt be over."""
    conn.execute("UPDATE assistant_replies SET next_attempt_at = now()")


def states(conn: Connection) -> list[str]:
    return [state for (state,) in rows(conn, "SELECT state FROM assistant_replies ORDER BY trigger_id")]


def test_a_question_gets_one_reply(conn: Connection) -> None:
    ask(conn, text("w1", "quanto custa?", at=now()))
    assistant = Scripted()
    report = answer_messages(conn, assistant, log=LOG)
    assert (report.answered, report.answer_tokens) == (1, 7)
    ask(conn, text("w1", "quanto custa?", at=now()))
    assert answer_messages(conn, assistant, log=LOG).answered == 0
    assert rows(conn, "SELECT role, text FROM conversation_messages ORDER BY id") == [
        ("user", "quanto custa?"),
        ("assistant", "Olá!"),
    ]
    trigger, reply = one(conn, "SELECT min(id), max(in_reply_to) FROM conversation_messages")
    assert trigger == reply
    assert len(assistant.asked) == 1


def test_a_reply_that_was_never_sent_is_no_answer(conn: Connection, database_url: str) -> None:
    conn.execute("INSERT INTO contatos (id, nome) VALUES (1, 'Ana Souza')")
    key = parse_phone(f"+{SENDER}")
    assert key is not None
    conn.execute("INSERT INTO contact_phones VALUES (1, 'celular', 1, %s, 'mobile', true, NULL)", (key.key,))
    ask(conn, text("w1", "Meu notebook não liga, vocês consertam?", at=now() - 60))
    asked_at = one(conn, "SELECT last_message_at FROM conversations")
    try:
        answer_messages(conn, Scripted(lambda: "Consertamos sim, pode trazer."), log=LOG)
        make_live_sessions(conn, log=LOG)
        link_live(conn, log=LOG)
        summarize(conn, SummaryOptions(), log=LOG)
        assert rows(conn, "SELECT side FROM messages_all ORDER BY at, ordinal") == [("from",), ("unsent",)]
        assert one(conn, "SELECT last_message_at FROM conversations") == asked_at
        assert rows(
            conn,
            "SELECT last_speaker, message_count, staff_messages, first_response_s"
            " FROM customer_conversations",
        ) == [("customer", 1, 0, None)]
        assert rows(
            conn,
            "SELECT message_count, staff_messages, open_reasons FROM customer_chat_summaries",
        ) == [(1, 0, ["unanswered"])]
        scope = CheckScope(conn, ["2025-01"], Archive())
        assert next(c for c in CHECKS if c.name == "summary_counts_are_right").find(scope).failing == 0
        shown = CliRunner().invoke(cli, ["customer", "1"], env={"DATABASE_URL": database_url}).output
        assert "Nenhuma resposta pendente" not in shown
        assert "não enviado Consertamos sim" in shown
        found = CliRunner().invoke(cli, ["search", "consertamos"], env={"DATABASE_URL": database_url}).output
        assert "never sent, webhook" in found
        # Once it was sent, it is staff's answer.
        conn.execute("UPDATE conversation_messages SET status = 'delivered' WHERE role = 'assistant'")
        summarize(conn, SummaryOptions(), log=LOG)
        assert rows(conn, "SELECT last_speaker, staff_messages FROM customer_conversations") == [("staff", 1)]
    finally:
        conn.execute("TRUNCATE contatos, ordens_servico CASCADE")


def test_only_the_newest_question_is_asked_about(conn: Connection) -> None:
    ask(conn, text("w1", "oi", at=now() - 20), text("w2", "tudo bem?", at=now() - 10))
    assistant = Scripted()
    answer_messages(conn, assistant, log=LOG)
    assert states(conn) == ["superseded", "answered"]
    assert [turn["content"] for turn in assistant.asked[0]] == ["oi", "tudo bem?"]


def test_a_message_that_comes_meanwhile_supersedes_the_reply(conn: Connection, database_url: str) -> None:
    ask(conn, text("w1", "oi", at=now() - 20))

    def answer() -> str:
        with connect(database_url) as other:
            ask(other, text("w2", "aliás, outra coisa", at=now() - 5))
            # Nobody waits for us: no transaction of the asking connection is open.
            assert (
                one(
                    other,
                    "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
                    " AND datname = current_database()",
                )
                == 0
            )
        return "tarde demais"

    first = Scripted(answer)
    report = answer_messages(conn, first, limits=AnswerLimits(questions=1), log=LOG)
    assert (report.answered, report.superseded) == (0, 1)
    assert answer_messages(conn, Scripted(), log=LOG).answered == 1
    assert states(conn) == ["superseded", "answered"]
    assert one(conn, "SELECT count(*) FROM conversation_messages WHERE role = 'assistant'") == 1


def test_what_is_not_a_question_gets_no_reply(conn: Connection) -> None:
    take(
        conn,
        delivery(text("old", "ontem", at=now() - 90_000)),
        delivery(
            message_echoes=[{"to": SENDER, "id": "e", "timestamp": str(now()), "text": {"body": "eco"}}]
        ),
        delivery(history=[{"threads": [{"id": SENDER, "messages": [text("h", "antes", at=now())]}]}]),
        delivery(
            {
                "from": SENDER,
                "id": "r",
                "timestamp": str(now()),
                "reaction": {"message_id": "x", "emoji": "👍"},
            }
        ),
        delivery(text("g", "grupo", at=now(), group_id="g1")),
        delivery(statuses=[{"id": "old", "status": "read", "timestamp": str(now())}]),
        received=datetime.now(UTC),
        ask_assistant=True,
    )
    assert states(conn) == []
    take(conn, delivery(text("w", "desligado", at=now())), received=datetime.now(UTC))
    assert states(conn) == []


@pytest.mark.parametrize(
    "error", [AssistantError("no reply within 30 s", "outage"), RuntimeError("a bug of the client")]
)
def test_any_failure_leaves_the_question_to_be_asked_again(conn: Connection, error: Exception) -> None:
    ask(conn, text("w1", "oi", at=now()))

    def fail() -> str:
        raise error

    assert answer_messages(conn, Scripted(fail), log=LOG).asked_later == 1
    assert rows(
        conn, "SELECT state, attempts, next_attempt_at > now(), reason IS NOT NULL FROM assistant_replies"
    ) == [("pending", 1, True, True)]
    assert rows(conn, "SELECT role, text FROM conversation_messages") == [("user", "oi")]
    later(conn)
    assert answer_messages(conn, Scripted(), log=LOG).answered == 1


def test_the_last_twenty_oldest_first_with_a_word_for_every_type(conn: Connection) -> None:
    start = now() - 1000
    picture = {
        "from": SENDER,
        "id": "img",
        "timestamp": str(start + 50),
        "type": "image",
        "image": {"caption": "tela"},
    }
    ask(conn, *(text(f"w{n}", f"m{n}", at=start + n) for n in range(30)), picture)
    assistant = Scripted()
    answer_messages(conn, assistant, log=LOG)
    contents = [turn["content"] for turn in assistant.asked[0]]
    assert contents == [f"m{n}" for n in range(11, 30)] + ["[image: tela]"]
    assert {turn["role"] for turn in assistant.asked[0]} == {"user"}


def test_eight_at_once_store_one_reply(conn: Connection, database_url: str) -> None:
    ask(conn, text("w1", "oi", at=now()))
    question = replies.claim(conn, seconds=60)
    assert question is not None
    barrier = threading.Barrier(8)
    stored: list[bool] = []

    def work() -> None:
        with connect(database_url) as mine:
            barrier.wait()
            with mine.transaction():
                stored.append(replies.store_reply(mine, question, "Olá!"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(stored) == [False] * 7 + [True]


def test_phones_stay_out_of_prompts() -> None:
    asked = StoredMessage(1, "user", "me liga no fone41 9 9999–0000, sim?", datetime.now(UTC), "text")
    assert turns([asked]) == [{"role": "user", "content": "me liga no fone[telefone], sim?"}]
