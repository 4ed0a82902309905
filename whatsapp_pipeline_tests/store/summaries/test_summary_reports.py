"""Distributions count every contact, and the most urgent comes first."""

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
                conn,
                number,
                f"a{number}",
                [Said(0, "from", "oi"), Said(9, "to", "olá"), Said(20, "from", words)],
            )
        summarize(conn, SummaryOptions(), log=logging.getLogger(__name__))
        yield conn


def test_distributions(filled: Connection) -> None:
    assert {b.name: b.contacts for b in reports.sentiment_distribution(filled)} == {
        "positive": 1,
        "neutral": 1,
        "negative": 1,
    }
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
