"""Abstracts, against a real endpoint that tells the truth, lies, or dies."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from whatsapp_pipeline.assistant.client import OpenAiAssistant
from whatsapp_pipeline.domain.summaries.abstract import believe, hide
from whatsapp_pipeline.steps.summaries.abstract_summaries import AbstractOptions, write_abstracts
from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, summarize
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline_tests.assistant.test_client import completion, endpoint, send
from whatsapp_pipeline_tests.summaries_data import Said, add_chat, add_contact

LOG = logging.getLogger(__name__)
Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def empty(conn: Connection) -> Connection:
    conn.execute("TRUNCATE contatos, chat_files RESTART IDENTITY CASCADE")
    for number in (1, 2):
        add_contact(conn, number, "Maria Exemplo")
        add_chat(
            conn, number, f"a{number}",
            [
                Said(0, "from", "Sou a Maria, meu número é +55 41 99999-0000, e o e-mail maria@example.com"),
                Said(1, "to", "Certo, veja https://example.com/x"),
            ],
        )  # fmt: skip
    summarize(conn, SummaryOptions(), log=LOG)
    return conn


def write(conn: Connection, answer: Answer, **options: Any) -> tuple[dict[str, int], list[dict[str, Any]]]:
    with endpoint(answer) as (url, seen):
        assistant = OpenAiAssistant(url, "model", deadline_seconds=5)
        report = write_abstracts(conn, assistant, AbstractOptions(**options), log=LOG)
    return report.counts(), seen


def abstracts(conn: Connection) -> list[str | None]:
    return [
        row[0] for row in conn.execute("SELECT abstract FROM customer_chat_summaries ORDER BY id_contato")
    ]


def test_it_is_written_beside_the_summary_and_once(empty: Connection) -> None:
    before = empty.execute("SELECT summary, computed_at FROM customer_chat_summaries").fetchall()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        send(completion(f"A cliente deu o número. [{cited(seen)}]"))(handler)

    with endpoint(answer) as (url, seen):
        assistant = OpenAiAssistant(url, "model", deadline_seconds=5)
        report = write_abstracts(empty, assistant, AbstractOptions(), log=LOG)
        assert report.counts() == {"written": 2, "rejected": 0, "failed": 0}
        assert write_abstracts(empty, assistant, AbstractOptions(), log=LOG).counts()["written"] == 0
    assert abstracts(empty) == ["A cliente deu o número."] * 2
    assert empty.execute("SELECT summary, computed_at FROM customer_chat_summaries").fetchall() == before
    sent = str(seen)
    assert not re.search(r"99999|maria@|Maria|Exemplo|example\.com", sent)
    assert "[nome]" in sent


def cited(seen: list[dict[str, Any]]) -> str:
    found = re.findall(r"\[(chat:\d+)\]", seen[-1]["messages"][-1]["content"])
    return str(found[0])


def test_an_abstract_goes_when_its_inputs_change(empty: Connection) -> None:
    empty.execute("UPDATE customer_chat_summaries SET abstract = 'x', abstract_hash = input_hash")
    add_chat(empty, 1, "more", [Said(90, "from", "e então?")])
    summarize(empty, SummaryOptions(), log=LOG)
    assert abstracts(empty) == [None, "x"]


@pytest.mark.parametrize(
    "words", ["Sem referência.", "Inventada. [chat:999999]", "[chat:1]", "\n".join(["Frase. [chat:1]"] * 9)]
)
def test_what_cites_nothing_that_was_shown_is_not_believed(empty: Connection, words: str) -> None:
    counts, seen = write(empty, send(completion(words)))
    assert counts == {"written": 0, "rejected": 2, "failed": 0}
    assert abstracts(empty) == [None, None]
    assert write(empty, send(completion(words)))[1] == []
    assert len(seen) == 2


def test_a_dead_endpoint_and_the_budget(empty: Connection) -> None:
    assert write(empty, send(b"", 500))[0] == {"written": 0, "rejected": 0, "failed": 2}
    assert len(write(empty, send(b"", 500), requests=1)[1]) == 1
    assert write(empty, send(b"", 500), seconds=0.0)[1] == []
    assert abstracts(empty) == [None, None]


def test_hiding_and_believing() -> None:
    assert hide("Oi João, ligue (41) 99999-0000", ["JOAO DE TESTE"]) == "Oi [nome], ligue ([número]"
    assert hide("são R$ 300 em 3x", []) == "são R$ 300 em 3x"
    (sentence,) = believe("- Pediu orçamento [chat:1, chat:2].", {"chat:1", "chat:2"}) or []
    assert sentence == ("Pediu orçamento.", ["chat:1", "chat:2"])
