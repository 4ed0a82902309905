"""Search: inflection, accents, phrases, filters, marks, and that it uses its index."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from whatsapp_pipeline.store.chats.search import SearchQuery, search_messages
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.summaries_data import START, Said, add_chat, add_contact, add_order, add_webhook


@pytest.fixture(scope="module")
def filled(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as conn:
        conn.execute("SET TIME ZONE 'America/Sao_Paulo'")
        for number in (1, 2):
            add_contact(conn, number)
        chat = add_chat(
            conn,
            1,
            "a",
            [
                Said(0, "from", "A tela está quebrada"),
                Said(1, "to", "Trocamos telas quebradas e cartões"),
                Said(2, "from", "aceita CARTÃO?"),
                Said(3, "from", "quebrada a minha tela não está"),
            ],
        )
        add_order(conn, chat, 1, 30123, "0")
        add_chat(conn, 2, "b", [Said(DAY, "from", "manutenções e papéis para devolução")])
        add_webhook(conn, 2, [Said(2 * DAY, "from", "a tela quebrada chegou")])
        yield conn


DAY = 24 * 60


def texts(conn: Connection, words: str, **filters: Any) -> set[str]:
    return {
        hit.snippet
        for hit in search_messages(conn, SearchQuery(words, mark_start="", mark_end="", **filters))
    }


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ("tela quebrada", 4),
        ("telas quebradas", 4),
        ('"tela quebrada"', 2),
        ("cartao", 2),
        ("cartões", 2),
        ("manutenção", 1),
        ("manutencoes", 1),
        ("papel", 1),
        ("devoluções", 1),
        ("tela -quebrada", 0),
        ("manutenção or aceita", 2),
        ("inexistente", 0),
        ("a", 0),
        ("&|!():*<->'", 0),
        ('"', 0),
    ],
)
def test_words(filled: Connection, words: str, count: int) -> None:
    assert len(texts(filled, words)) == count


def test_filters(filled: Connection) -> None:
    assert len(texts(filled, "tela", contact=1)) == 3
    assert len(texts(filled, "tela", contact=2)) == 1
    assert len(texts(filled, "tela", order=30123)) == 3
    assert len(texts(filled, "tela", order=1)) == 0
    assert len(texts(filled, "tela", direction="to")) == 1
    assert len(texts(filled, "tela", since=START + timedelta(days=1))) == 1
    assert len(texts(filled, "tela", until=START + timedelta(minutes=1))) == 1
    assert len(texts(filled, "tela", limit=2)) == 2


def test_a_hit_says_where_it_stands(filled: Connection) -> None:
    (hit,) = search_messages(filled, SearchQuery("chegou"))
    assert (hit.source, hit.id_contato, hit.side) == ("webhook", 2, "from")
    assert hit.sent_at == START + timedelta(days=2)
    assert "«chegou»" in hit.snippet


def test_the_index_is_used(filled: Connection) -> None:
    filled.execute("SET enable_seqscan = off")
    plan = filled.execute(
        "EXPLAIN SELECT id FROM chat_messages WHERE search @@ search_query('tela quebrada')"
    ).fetchall()
    assert "chat_messages_search_idx" in str(plan)
