"""Pages of hits: each filter alone and together, both orders, and page after page to the end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import pytest

from whatsapp_pipeline.store.chats.search import (
    MARK_END,
    MARK_START,
    MessageSearch,
    PageHit,
    find_messages,
    parse_words,
)
from whatsapp_pipeline.store.chats.search_words import add_new_words, unknown_words
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.summaries_data import START, Said, add_chat, add_contact, add_order, add_webhook
from whatsapp_pipeline_tests.webhook.deliveries import one


class Sent(NamedTuple):
    """A message as the test knows it."""

    contact: int
    chat: str
    at: datetime
    side: str
    text: str
    kind: str | None
    order: int | None


def _said(contact: int, chat: str, order: int | None, *messages: Said) -> list[Sent]:
    return [
        Sent(
            contact,
            chat,
            START + timedelta(minutes=m.minute),
            m.side or "",
            m.text,
            "image" if "foto" in m.text else None,
            order,
        )
        for m in messages
    ]


ANA = [
    Said(0, "from", "tela um"),
    Said(1, "to", "tela tela dois"),
    Said(1, "from", "foto tela tres"),
    Said(9, "from", "bateria"),
]
ANA_LIVE = [Said(1, "from", "tela quatro"), Said(20, "to", "foto tela cinco")]
BIA = [Said(1, "from", "tela seis"), Said(30, "to", "tela, sim, tela: sete")]
BIA_LIVE = [Said(40, "from", "foto tela oito"), Said(41, "from", "nada")]
# In the order of messages: by time, then by file; live ones come last.
MESSAGES = sorted(
    [
        *_said(1, "ana", 77, *ANA),
        *_said(2, "bia", None, *BIA),
        *_said(1, "live", None, *ANA_LIVE),
        *_said(2, "live", None, *BIA_LIVE),
    ],
    key=lambda sent: sent.at,
)


@pytest.fixture(scope="module")
def filled(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as conn:
        conn.execute("SET TIME ZONE 'America/Sao_Paulo'")
        add_contact(conn, 1, "Ana Lima")
        add_contact(conn, 2, "Bia Reis")
        add_order(conn, add_chat(conn, 1, "ana", ANA), 1, 77, "1")
        add_chat(conn, 2, "bia", BIA)
        add_webhook(conn, 1, ANA_LIVE)
        add_webhook(conn, 2, BIA_LIVE)
        conn.execute("UPDATE chat_messages SET attachment_kind = 'image' WHERE message_text LIKE 'foto%'")
        conn.execute("UPDATE conversation_messages SET type = 'image' WHERE text LIKE 'foto%'")
        yield conn


def _text(hit: PageHit) -> str:
    return hit.snippet.replace(MARK_START, "").replace(MARK_END, "")


def _pages(conn: Connection, limit: int, **search: Any) -> list[PageHit]:
    """Return the hits of all pages, one after the other."""
    found: list[PageHit] = []
    while True:
        last = found[-1] if found else None
        after = None if last is None else (last.score, last.source, last.message_id)
        page = find_messages(conn, MessageSearch(after=after, limit=limit, **search))
        found += page[:limit]
        if len(page) <= limit:
            return found


SCOPES: list[dict[str, Any]] = [
    {},
    {"contact": 1},
    {"contact": 2},
    {"order": 77},
    {"contact": 2, "order": 77},
]
FILTERS: list[dict[str, Any]] = [
    {},
    {"side": "to"},
    {"side": "from"},
    {"attachment": "image"},
    {"since": START + timedelta(minutes=1)},
    {"until": START + timedelta(minutes=30)},
    {"since": START + timedelta(minutes=1), "until": START + timedelta(minutes=20), "side": "from"},
]


@pytest.mark.parametrize("words", ["tela", "tela -foto", ""])
def test_every_filter_alone_and_with_a_scope(filled: Connection, words: str) -> None:
    for scope, filters in itertools.product(SCOPES, FILTERS):
        if not words and not scope:
            continue  # without words only a customer or an order is searched
        search = {**scope, **filters}
        expected = [
            sent.text
            for sent in reversed(MESSAGES)
            if ("tela" in sent.text or not words)
            and not ("-foto" in words and "foto" in sent.text)
            and search.get("contact") in (None, sent.contact)
            and search.get("order") in (None, sent.order)
            and search.get("side") in (None, sent.side)
            and search.get("attachment") in (None, sent.kind)
            and sent.at >= search.get("since", START)
            and sent.at < search.get("until", datetime(2100, 1, 1))
        ]
        by_date = _pages(filled, 50, words=words, sort="date", **search)
        assert [_text(hit) for hit in by_date] == expected, search
        assert all(hit.score == 0 for hit in by_date)
        by_rank = _pages(filled, 50, words=words, sort="rank", **search)
        assert sorted(map(_text, by_rank)) == sorted(expected), search
        scores = [hit.score for hit in by_rank]
        assert scores == sorted(scores, reverse=True)
        if words:
            assert all(scores)
        # Page after page there is the same, and nothing twice.
        assert _pages(filled, 2, words=words, sort="date", **search) == by_date, search
        assert _pages(filled, 2, words=words, sort="rank", **search) == by_rank, search


@pytest.mark.parametrize("sort", ["rank", "date"])
def test_a_page_has_one_more_where_there_is_a_next(filled: Connection, sort: Literal["rank", "date"]) -> None:
    for limit, count in ((1, 2), (7, 8), (8, 8), (9, 8)):
        assert len(find_messages(filled, MessageSearch("tela", sort=sort, limit=limit))) == count


def test_a_hit_has_what_a_page_shows(filled: Connection) -> None:
    best = find_messages(filled, MessageSearch("tela", sort="rank"))
    assert {_text(hit) for hit in best[:2]} == {"tela tela dois", "tela, sim, tela: sete"}
    assert best[0].at > best[1].at  # the newest first among equals
    (hit,) = find_messages(filled, MessageSearch("cinco"))
    assert hit[:2] == (
        "webhook",
        one(filled, "SELECT id FROM conversation_messages WHERE text LIKE '%%cinco'"),
    )
    conversation = one(filled, "SELECT id FROM conversations WHERE id_contato = 1")
    assert hit[2:7] == (1, conversation, START + timedelta(minutes=20), "to", "image")
    assert (hit.snippet, hit.nome) == (f"foto tela {MARK_START}cinco{MARK_END}", "Ana Lima")
    (hit,) = find_messages(filled, MessageSearch("sete"))
    assert (hit.source, hit.chat) == ("chat", one(filled, "SELECT id FROM chat_files WHERE filename = 'bia'"))
    # Without words a hit shows how its text begins.
    with filled.transaction(force_rollback=True):
        filled.execute(
            "UPDATE chat_messages SET message_text = repeat('é', 300) WHERE message_text = 'bateria'"
        )
        newest = find_messages(filled, MessageSearch("", order=77, limit=1))[0]
        assert (newest.snippet, newest.score) == ("é" * 200, 0)


def test_a_phrase_is_found_as_it_was_typed(filled: Connection) -> None:
    """`tela, sim, tela` has the words of the phrase side by side only where they are."""
    assert [_text(hit) for hit in find_messages(filled, MessageSearch('"tela sete"'))] == [
        "tela, sim, tela: sete"
    ]
    assert find_messages(filled, MessageSearch('"sim sete"')) == []
    parsed = parse_words(filled, "tela oito")
    assert find_messages(filled, MessageSearch("tela oito"), parsed) == find_messages(
        filled, MessageSearch("tela oito")
    )


def test_words_that_nobody_wrote_are_known_once_the_words_were_read(filled: Connection) -> None:
    with filled.transaction(force_rollback=True):
        assert unknown_words(filled, "tela teclado") == []  # nothing was read yet
        words = {"tela", "foto", "bateria", "quatro", "cinco", "seis", "tres", "oito"}
        assert add_new_words(filled) >= len(words)
        assert add_new_words(filled) == 0
        assert unknown_words(filled, "Telas, teclado ou CARTÃO de 12") == ["cartao", "teclado"]
        assert parse_words(filled, "teclado").unknown == ["teclado"]
        add_chat(filled, 1, "mais", [Said(50, "from", "teclado tela " + "z" * 41 + " ab")])
        assert add_new_words(filled) == 1  # neither too long, nor too short, nor known
        assert unknown_words(filled, "teclado") == []
        filled.execute("UPDATE conversation_messages SET text = 'cartao' WHERE text = 'nada'")
        assert add_new_words(filled) == 0  # a message that was read before
