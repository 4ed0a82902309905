"""Each check finds the fault it is there for; distributions count every contact."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, summarize
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.summaries import summary_reports as reports
from whatsapp_pipeline_tests.summaries_data import Said, add_chat, add_contact


@pytest.fixture(scope="module")
def filled(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as conn:
        for number, words in ((1, "péssimo, ninguém responde"), (2, "adorei"), (3, "quanto fica?")):
            add_contact(conn, number)
            add_chat(
                conn, number, f"a{number}",
                [Said(0, "from", "oi"), Said(9, "to", "olá"), Said(20, "from", words)],
            )  # fmt: skip
        summarize(conn, SummaryOptions(), log=logging.getLogger(__name__))
        yield conn


def test_distributions(filled: Connection) -> None:
    assert {b.name: b.contacts for b in reports.sentiment_distribution(filled)} == {
        "positive": 1, "neutral": 1, "negative": 1,
    }  # fmt: skip
    assert [b.name for b in reports.frequency_distribution(filled)] == [
        "frequent",
        "regular",
        "occasional",
        "rare",
    ]
    assert sum(b.contacts for b in reports.frequency_distribution(filled)) == 3
    assert {b.name: b.contacts for b in reports.response_distribution(filled)}["up to 30 min"] == 3
    assert reports.topic_distribution(filled)


def test_the_most_urgent_comes_first(filled: Connection) -> None:
    assert [issue.id_contato for issue in reports.most_urgent(filled)] == [1, 3]


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("DELETE FROM customer_chat_summaries WHERE id_contato = 1", reports.contacts_without_summary),
        ("UPDATE customer_chat_summaries SET staff_messages = 7 WHERE id_contato = 1", reports.wrong_counts),
        ("DELETE FROM customer_conversations WHERE id_contato = 1", reports.wrong_counts),
        ("DELETE FROM chat_messages WHERE ordinal = 3", reports.missing_evidence),
        (
            """UPDATE customer_chat_summaries SET claims = '[{"kind": "x", "messages": [], "orders": []}]'""",
            reports.unsupported_claims,
        ),
        ("UPDATE customer_chat_summaries SET reply_median_s = -1", reports.implausible_times),
        (
            "UPDATE customer_chat_summaries SET last_interaction_date = '2999-01-01'",
            reports.implausible_times,
        ),
    ],
)
def test_each_check_finds_its_fault(filled: Connection, fault: str, check: object) -> None:
    assert callable(check)
    assert check(filled) == []
    with filled.transaction(force_rollback=True):
        filled.execute(fault.encode())
        assert check(filled)
