"""Review: the queue, an item, decisions that count at once, and taking them back; asked over HTTP."""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx
import pytest

from whatsapp_pipeline.console.access import new_token, token_hash
from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, summarize
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.operations import api_tokens
from whatsapp_pipeline_tests.console.doubts import add_doubt, write_doubts
from whatsapp_pipeline_tests.console.people import write_people
from whatsapp_pipeline_tests.console.running import RunningConsole, running_console, text_of

LINKS = """
    SELECT f.filename, f.match_status, f.match_method, f.id_contato, f.match_confidence, f.id_ordem_servico,
           f.order_match_method,
           ARRAY(SELECT (s.number, s.order_match_status, s.id_ordem_servico)::text FROM chat_sessions s
                  WHERE s.id_chat_file = f.id ORDER BY s.number)
      FROM chat_files f ORDER BY f.id
"""


class Desk:
    """A console with items in doubt, and a reviewer in front of it."""

    def __init__(self, running: RunningConsole, chats: dict[str, int], client: httpx.Client) -> None:
        self.running, self.chats, self.client = running, chats, client

    def rows(self, statement: str, *values: object) -> list[Any]:
        with connect(self.running.database_url) as conn:
            return conn.execute(statement.encode(), values).fetchall()

    def state(self, chat: str) -> tuple[str, int | None]:
        ((status, contact),) = self.rows(
            "SELECT match_status, id_contato FROM chat_files WHERE filename = %s", chat
        )
        return status, contact

    def path(self, chat: str) -> str:
        return f"/review/chat:{self.chats[chat]}"

    def shown(self, path: str, client: httpx.Client | None = None) -> str:
        page = (client or self.client).get(path).text
        found = re.search(r'name="shown" value="([^"]*)"', page)
        assert found is not None
        return unescape(found[1])

    def decide(self, path: str, choice: str, **fields: str) -> httpx.Response:
        data = {"shown": self.shown(path), "choice": choice, **fields}
        return self.client.post(f"{path}/decide", data=data)


@pytest.fixture
def desk(fresh_database_url: str) -> Iterator[Desk]:
    write_people(fresh_database_url)
    chats = write_doubts(fresh_database_url)
    with running_console(fresh_database_url) as running, running.client("reviewer", name="rita") as client:
        yield Desk(running, chats, client)


def test_the_queue_is_in_the_order_of_value(desk: Desk) -> None:
    page = desk.client.get("/review").text
    session = next(row[0] for row in desk.rows("SELECT id FROM chat_files WHERE filename = 'A'"))
    # (messages + 1) × chance: 41 × 0.9, 21 × 0.8, half of 8 × 0.9, 4 × 0.6, then those without candidates.
    assert re.findall(r'<td><a href="(/review/chat:[^"]+)"', page)[:4] == [
        desk.path("D1"),
        desk.path("D4"),
        f"/review/chat:{session}/2",
        desk.path("D2"),
    ]
    assert "36,9" in text_of(page)
    (total,) = desk.rows("SELECT count(*) FROM review_items")
    assert f"Esperam decisão: {total[0]}" in text_of(page)
    assert desk.client.get("/review/next").headers["location"] == desk.path("D1")


def test_every_item_is_reached_from_the_first_page_and_so_is_the_sample(desk: Desk) -> None:
    with connect(desk.running.database_url) as conn:
        for n in range(45):
            add_doubt(conn, f"M{n}", "ambiguous", None, 1)
        conn.execute("UPDATE chat_files SET last_message_at = NULL WHERE filename IN ('M3', 'M4')")
    found: list[str] = []
    address: str | None = "/review"
    sizes = []
    while address is not None:
        page = desk.client.get(address).text
        listed = re.findall(r'<td><a href="(/review/[^"]+)"', page)
        found += listed
        sizes.append(len(listed))
        assert ("Voltar aos de maior valor" in page) == (address != "/review")
        # The blind sample's next link is on the first page, without what it is linked to.
        assert ('href="/review/sample/chat:' in page) == (address == "/review")
        more = re.search(r'href="(/review\?after=[^"]+)"', page)
        address = unescape(more[1]) if more else None
    waiting = desk.rows("SELECT source, id, session FROM review_items")
    assert sorted(found) == sorted(
        f"/review/{source}:{id_}" + (f"/{session}" if session else "") for source, id_, session in waiting
    )
    assert sizes[:-1] == [20] * (len(sizes) - 1)
    assert "Não há mais itens na fila." in text_of(desk.client.get("/review?after=0.0~~chat:999~0").text)
    assert desk.path("D1") in desk.client.get("/review?after=x").text


def test_an_item_has_messages_beside_candidates(desk: Desk) -> None:
    page = desk.client.get(desk.path("D1")).text
    words = text_of(page)
    assert "conversa D1 40" in words
    assert "Rui Melo" in words
    assert "(41) 99999-0008" in words
    assert "70,0% de probabilidade · 1,00 em log-odds" in words
    assert "1 OS" in words
    # The waterfall starts at the prior: from 0 to -3, then to 1.5, then to 1.
    bars = re.findall(r'<rect class="(plus|minus)" x="([\d.]+)%" width="([\d.]+)%"', page)[:3]
    assert bars == [("minus", "0.0", "66.67"), ("plus", "0.0", "100.0"), ("minus", "88.89", "11.11")]
    table = re.findall(
        r"<tr><td><bdi>(.*?)</bdi></td><td class=\"n\">(.*?)</td><td class=\"n\">(.*?)</td>", page
    )
    assert table[:3] == [
        ("before anything is known", "-3,00", "-3,00"),
        ("name &lt;b&gt;rui&lt;/b&gt;", "4,50", "1,50"),
        ("another area code", "-0,50", "1,00"),
    ]


def test_a_waterfall_without_a_prior_of_its_own_starts_at_even_odds(desk: Desk) -> None:
    evidence = '[{"name": "exact_phone", "value": 1, "words": "x", "weight": 2.0}]'
    desk.rows(
        "UPDATE match_candidates SET evidence = %s WHERE id_chat_file = %s RETURNING 1",
        evidence,
        desk.chats["D4"],
    )
    page = desk.client.get(desk.path("D4")).text
    table = re.findall(
        r"<tr><td><bdi>(.*?)</bdi></td><td class=\"n\">(.*?)</td><td class=\"n\">(.*?)</td>", page
    )
    assert table == [
        ("antes das evidências: tanto pode ser quanto não ser (50%)", "0,00", "0,00"),
        ("o telefone do título é o celular deste cliente, dígito por dígito", "2,00", "2,00"),
    ]
    bars = re.findall(r'<rect class="(plus|minus)" x="([\d.]+)%" width="([\d.]+)%"', page)
    assert bars == [("plus", "0.0", "0.5"), ("plus", "0.0", "100.0")]


def _said(desk: Desk, answer: httpx.Response, extra: str = "") -> str:
    """Return what the page after a decision says of it."""
    following = desk.client.get(answer.headers["location"] + extra).headers["location"]
    words = text_of(desk.client.get(following).text)
    found = re.search(r"Decisão registrada: nº \d+: (.*?) Desfazer", words)
    return found[1] if found else ""


def test_the_page_after_a_decision_says_what_the_tables_do(desk: Desk) -> None:
    """A decision on one chat outranks one on its phone, and a refusal leaves the chat to the rules."""
    alone = desk.decide(desk.path("D2"), "contact:7", scope="chat")
    assert _said(desk, alone) == "é de Ana Conceição Souza . Já vale para 1 conversa."
    wide = desk.decide(desk.path("D1"), "contact:8", scope="phone")
    words = (
        "é de Rui Melo . Já vale para 2 conversas."
        " 1 conversa não mudou, porque vale outra decisão mais específica"
    )
    assert _said(desk, wide).startswith(words)
    assert "pendente" not in _said(desk, wide)
    assert [desk.state(chat) for chat in ("D1", "D2", "D3")] == [("manual", 8), ("manual", 7), ("manual", 8)]
    refused = desk.decide(desk.path("D4"), "not_contact:7")
    said = "1 conversa fica pendente até as regras decidirem de novo."
    assert _said(desk, refused) == f"não é de Ana Conceição Souza . {said}"
    number = re.findall(r"done=(\d+)", refused.headers["location"])[0]
    desk.client.post(f"/review/decisions/{number}/undo")
    assert _said(desk, refused) == ""
    made_up = "&chats=999&pending=999&outranked=999&holding=999"
    assert _said(desk, wide, made_up).startswith(words), "nobody makes figures up"
    for number in ("999", "0", "9223372036854775807", "x"):
        page = desk.client.get("/review", params={"done": number, "holding": "7"})
        assert page.status_code == 200
        assert "Decisão registrada" not in page.text, number


def test_the_page_after_a_decision_on_an_order_counts_its_sessions(desk: Desk) -> None:
    ((chat,),) = desk.rows("SELECT id FROM chat_files WHERE filename = 'A'")
    path = f"/review/chat:{chat}/2"
    ((choice,),) = desk.rows("SELECT min(id) FROM ordens_servico")
    made = desk.decide(path, f"order:{choice}")
    assert re.fullmatch(r"trata da OS \d+ ?\. Já vale para 1 conversa\.", _said(desk, made))
    with connect(desk.running.database_url) as conn:
        conn.execute(
            "UPDATE chat_sessions SET order_match_status = 'pending', id_ordem_servico = NULL"
            " WHERE id_chat_file = %s AND number = 2",
            (chat,),
        )
    assert _said(desk, made).endswith("1 conversa fica pendente até as regras decidirem de novo.")


def test_a_decision_counts_at_once_for_its_scope(desk: Desk) -> None:
    confirm = desk.client.get(f"{desk.path('D1')}/decide", params={"choice": "contact:8", "shown": "x"}).text
    words = text_of(confirm)
    assert "Para todas as conversas do telefone 4199990008 3 conversas, 45 mensagens" in words
    assert "Só para esta conversa 1 conversa, 40 mensagens" in words
    assert re.findall(r'name="scope" value="(\w+)"( checked)?', confirm) == [
        ("phone", " checked"),
        ("chat", ""),
        ("title", ""),
    ]
    answer = desk.decide(desk.path("D1"), "contact:8", scope="phone", reason="  voz conhecida ")
    assert re.fullmatch(r"/review/next\?done=\d+", answer.headers["location"])
    assert [desk.state(chat) for chat in ("D1", "D2", "D3")] == [("manual", 8)] * 3
    assert desk.state("D4") == ("proposed", None)
    assert desk.rows("SELECT made_by, reason, target_kind FROM link_overrides") == [
        ("rita", "voz conhecida", "phone")
    ]
    following = desk.client.get(answer.headers["location"]).headers["location"]
    assert following.startswith(f"{desk.path('D4')}?done=")
    said = text_of(desk.client.get(following).text)
    assert re.search(r"Decisão registrada: nº \d+: é de Rui Melo . Já vale para 3 conversas.", said)
    # The customer's page has the conversation now.
    assert "conversa D1 40" in desk.client.get("/customers/8").text


def test_a_link_with_contrary_evidence_waits_and_says_what_disagrees(desk: Desk) -> None:
    desk.rows(
        "UPDATE chat_files SET match_status = 'linked', id_contato = 8, match_confidence = 0.9,"
        " match_flags = '{phone_name_disagree}' WHERE filename = 'D4' RETURNING id"
    )
    page = text_of(desk.client.get("/review").text)
    assert re.search(r"D4 vinculada, com evidências contrárias 20 .* 2,1", page)  # 21 × (1 − 0.9)
    item = text_of(desk.client.get(desk.path("D4")).text)
    assert "Atenção : o telefone e o nome são de pessoas diferentes." in item.replace("Atenção:", "Atenção :")
    assert "já está vinculada" not in item
    desk.decide(desk.path("D4"), "contact:8", scope="chat")
    assert desk.state("D4") == ("manual", 8)
    assert "D4" not in text_of(desk.client.get("/review").text)
    assert "já está vinculada" in text_of(desk.client.get(desk.path("D4")).text)


def test_the_orders_of_a_chat_that_moves_are_decided_again(desk: Desk) -> None:
    """A session's order is one of the customer before; what a person decided on an order stays."""
    ((chat,),) = desk.rows("SELECT id FROM chat_files WHERE filename = 'A'")
    path = f"/review/chat:{chat}"
    orders = (
        "SELECT number, order_match_status, id_ordem_servico FROM chat_sessions WHERE id_chat_file = %s"
        " ORDER BY number"
    )
    desk.decide(f"{path}/2", "order:71")
    linked = [(1, "linked", 70), (2, "manual", 71), (3, "linked", 70)]
    assert desk.rows(orders, chat) == linked
    desk.decide(path, "contact:7", scope="chat")  # whose it was already
    assert desk.rows(orders, chat) == linked
    desk.decide(path, "contact:8", scope="chat")
    assert desk.rows(orders, chat) == [(1, "pending", None), (2, "manual", 71), (3, "pending", None)]
    assert "Nenhuma conversa foi ligada" in text_of(desk.client.get("/orders/30415").text)
    assert f"{path}/1" not in desk.client.get("/review").text  # the rules decide first


def _says_stale(desk: Desk, api: httpx.Client) -> set[bool]:
    """Return whether Ana's figures are flagged as of earlier links: in pages, the API and the views."""
    customer = api.get("customers/7").json()
    (case,) = [one for one in api.get("cases").json()["items"] if one["customer_id"] == 7]
    views = desk.rows(
        "SELECT stale_since FROM v_open_cases WHERE id_contato = 7"
        " UNION ALL SELECT stale_since FROM v_customers WHERE id_contato = 7"
    )
    assert len(views) == 2
    return {
        "será recalculado na próxima execução" in text_of(desk.client.get("/").text),
        *(
            "serão recalculados na próxima execução" in text_of(desk.client.get(f"/customers/{number}").text)
            for number in (7, 8)
        ),
        *(since is not None for since in (case["stale_since"], customer["summary"]["stale_since"])),
        *(since is not None for (since,) in views),
    }


def test_figures_of_the_links_before_say_so_until_the_next_run(desk: Desk) -> None:
    """A run computes summaries and open cases; from a decision until that run, each place says so."""
    ((chat,),) = desk.rows("SELECT id FROM chat_files WHERE filename = 'A'")
    path, token = f"/review/chat:{chat}", new_token()
    with connect(desk.running.database_url) as conn:
        assert api_tokens.add_token(conn, "panel", "reader", token_hash(token), days=None)
    with httpx.Client(
        base_url=f"{desk.running.url}/api/v1/", headers={"authorization": f"Bearer {token}"}, timeout=30
    ) as api:
        assert _says_stale(desk, api) == {False}
        desk.decide(path, "contact:7", scope="chat")  # whose it was already
        assert _says_stale(desk, api) == {False}
        desk.decide(path, "contact:8", scope="chat")
        assert _says_stale(desk, api) == {True}
        with connect(desk.running.database_url) as conn:
            summarize(conn, SummaryOptions(), log=logging.getLogger(__name__))
        assert _says_stale(desk, api) == {False}
        ((newest,),) = desk.rows("SELECT max(id) FROM link_overrides")
        desk.client.post(f"/review/decisions/{newest}/undo")
        assert _says_stale(desk, api) == {True}


def test_the_order_of_a_chat_changes_with_a_decision(desk: Desk) -> None:
    """The table and the view have at once what the chat's sessions have; undoing takes it back."""
    ((chat,),) = desk.rows("SELECT id FROM chat_files WHERE filename = 'A'")
    session = f"/review/chat:{chat}/2"

    def order() -> list[Any]:
        columns = "id_ordem_servico, order_match_method"
        (of_table,) = desk.rows(f"SELECT {columns} FROM chat_files WHERE id = %s", chat)
        (of_view,) = desk.rows(f"SELECT {columns} FROM v_chats WHERE id_chat_file = %s", chat)
        assert of_view == of_table
        return list(of_table)

    desk.decide(session, "order:70")
    assert order() == [70, "override"]  # all sessions agree
    desk.decide(session, "order:71")
    assert order() == [None, None]  # sessions have two orders
    ((newest,),) = desk.rows("SELECT max(id) FROM link_overrides")
    desk.client.post(f"/review/decisions/{newest}/undo")
    assert order() == [70, "override"]  # the decision before holds again
    desk.decide(session, "no_order")
    assert order() == [70, "override"]  # the other sessions have it
    desk.decide(f"/review/chat:{chat}", "contact:8", scope="chat")
    assert order() == [None, None]
    assert desk.rows(
        "SELECT order_match_status FROM chat_sessions WHERE id_chat_file = %s ORDER BY number", chat
    ) == [("pending",), ("manual",), ("pending",)]


def test_what_would_move_is_said_before(desk: Desk) -> None:
    desk.decide(desk.path("D1"), "contact:7", scope="phone")
    confirm = text_of(desk.client.get(f"{desk.path('D1')}/decide?choice=contact:8&shown=x").text)
    assert "3 conversas, 45 mensagens; 3 passam de Ana Conceição Souza para Rui Melo" in confirm
    nobody = text_of(desk.client.get(f"{desk.path('D1')}/decide?choice=no_contact&shown=x").text)
    assert "3 conversas, 45 mensagens; 3 deixam de ser de Ana Conceição Souza" in nobody


def test_what_would_move_is_what_moves(desk: Desk) -> None:
    """A chat that another decision keeps is not said to move, and the page after the decision agrees."""
    desk.decide(desk.path("D1"), "contact:7", scope="phone")
    desk.decide(desk.path("D2"), "contact:7", scope="chat")
    confirm = text_of(desk.client.get(f"{desk.path('D1')}/decide?choice=contact:8&shown=x").text)
    assert (
        "2 conversas, 42 mensagens; 2 passam de Ana Conceição Souza para Rui Melo ."
        " 1 conversa não muda, porque vale outra decisão mais específica" in confirm
    )
    made = desk.decide(desk.path("D1"), "contact:8", scope="phone")
    said = _said(desk, made)
    assert "Já vale para 2 conversas. 1 conversa não mudou" in said
    # A title yields to a phone of another customer.
    desk.rows("UPDATE chat_files SET title = 'D1' WHERE filename = 'D4' RETURNING id")
    of_title = text_of(desk.client.get(f"{desk.path('D4')}/decide?choice=contact:7&shown=x").text)
    assert "1 conversa, 20 mensagens. 1 conversa não muda" in of_title
    refusal = desk.client.get(f"{desk.path('D1')}/decide?choice=not_contact:8&shown=x").text
    assert re.findall(r'name="scope" value="(\w+)"', refusal) == ["chat"]
    assert "1 conversa fica pendente até as regras decidirem de novo." in text_of(refusal)


def test_the_order_that_a_session_leaves_is_said_before(desk: Desk) -> None:
    ((chat,),) = desk.rows("SELECT id FROM chat_files WHERE filename = 'A'")
    confirm = text_of(desk.client.get(f"/review/chat:{chat}/1/decide?choice=order:71&shown=x").text)
    said = "Só para este atendimento 21 mensagens; deixa a OS 30415 e passa para a OS 555"
    assert said in confirm
    nothing = text_of(desk.client.get(f"/review/chat:{chat}/1/decide?choice=no_order&shown=x").text)
    assert nothing.count("deixa a OS 30415") == 1
    fresh = text_of(desk.client.get(f"/review/chat:{chat}/2/decide?choice=order:71&shown=x").text)
    assert "Só para este atendimento 7 mensagens Motivo" in fresh


def test_a_title_is_the_scope_only_when_chosen(desk: Desk) -> None:
    desk.decide(desk.path("D4"), "contact:7")
    assert desk.rows("SELECT target_kind FROM link_overrides") == [("file",)]
    desk.decide(desk.path("D1"), "contact:8", scope="title")
    assert desk.rows("SELECT target_kind FROM link_overrides ORDER BY id DESC LIMIT 1") == [("title",)]


def test_nobody_comes_in_kinds(desk: Desk) -> None:
    confirm = desk.client.get(f"{desk.path('D4')}/decide?choice=no_contact&shown=x").text
    kinds = re.findall(r'name="nobody" value="(\w+)"', confirm)
    assert kinds == ["unregistered", "new_customer", "private_or_supplier", "wrong_number"]
    desk.decide(desk.path("D4"), "no_contact", nobody="wrong_number")
    assert desk.rows("SELECT decision, nobody_kind FROM link_overrides") == [("no_contact", "wrong_number")]
    assert desk.state("D4") == ("manual", None)


def test_any_customer_can_be_found_in_place(desk: Desk) -> None:
    page = desk.client.get(desk.path("D4"), params={"who": "melo"}).text
    assert '<button name="choice" value="contact:8">' in page
    desk.decide(desk.path("D4"), "contact:8")
    assert desk.state("D4") == ("manual", 8)
    assert "Nenhum cliente" in text_of(desk.client.get(desk.path("D4"), params={"who": "ninguém assim"}).text)


def test_a_session_gets_its_order(desk: Desk) -> None:
    ((chat,),) = desk.rows("SELECT id FROM chat_files WHERE filename = 'A'")
    path = f"/review/chat:{chat}/2"
    page = desk.client.get(path).text
    assert "OS 30415" in text_of(page)
    assert 'value="order:71"' in desk.client.get(path, params={"who": "555"}).text
    # The conversation opens at the session, three messages before it.
    assert re.findall(r'<time datetime="2025-01-05T(\d\d:\d\d)', page)[0] == "11:30"
    desk.decide(path, "order:71")
    state = desk.rows("SELECT order_match_status, id_ordem_servico FROM chat_sessions WHERE number = 2")
    assert state == [("manual", 71)]
    desk.decide(path, "no_order")
    state = desk.rows("SELECT order_match_status, id_ordem_servico FROM chat_sessions WHERE number = 2")
    assert state == [("manual", None)]


def test_the_second_reviewer_hears_who_was_first(desk: Desk) -> None:
    path = desk.path("D1")
    with desk.running.client("reviewer", name="otto") as otto:
        seen = desk.shown(path, otto)
        desk.decide(path, "contact:8")
        late = otto.post(f"{path}/decide", data={"shown": seen, "choice": "contact:7"})
    assert late.status_code == 409
    assert "Decidido por rita" in text_of(late.text)
    assert desk.state("D1") == ("manual", 8)
    assert len(desk.rows("SELECT FROM link_overrides")) == 1
    for made_up in ("", "x", "linked|7||", "ambiguous|||999", "\x00"):
        answer = desk.client.post(f"{path}/decide", data={"shown": made_up, "choice": "contact:7"})
        assert answer.status_code == 409, made_up


def test_the_first_reviewer_is_named_after_many_other_decisions(desk: Desk) -> None:
    """A page that was open for long; and a decision that was on the page already is nobody's news."""
    path = desk.path("D1")
    with desk.running.client("reviewer", name="otto") as otto:
        seen = desk.shown(path, otto)
        desk.decide(path, "contact:8")
        desk.rows(
            "INSERT INTO link_overrides (target_kind, target, decision, id_contato, reason, made_by)"
            " SELECT 'title', 'outra ' || n, 'contact', 7, 'x', 'eva' FROM generate_series(1, 60) n"
            " RETURNING id"
        )
        late = otto.post(f"{path}/decide", data={"shown": seen, "choice": "contact:7"})
        assert "Decidido por rita" in text_of(late.text)
        desk.decide(path, "contact:7", scope="chat")
        seen = desk.shown(path, otto)
        ((newest,),) = desk.rows("SELECT max(id) FROM link_overrides")
        desk.client.post(f"/review/decisions/{newest}/undo")
        late = otto.post(f"{path}/decide", data={"shown": seen, "choice": "contact:7"})
    assert late.status_code == 409
    assert "Decidido por" not in text_of(late.text)
    assert desk.state("D1") == ("manual", 8)


def test_an_item_is_put_off_for_one_reviewer(desk: Desk) -> None:
    assert desk.client.post(f"{desk.path('D1')}/later").headers["location"] == "/review/next"
    assert desk.client.get("/review/next").headers["location"] == desk.path("D4")
    with desk.running.client("reviewer", name="otto") as otto:
        assert otto.get("/review/next").headers["location"] == desk.path("D1")


def test_decisions_are_undone_in_any_order(desk: Desk) -> None:
    """Whatever the order in which they are taken back, the links end as they were at the start."""
    rng = random.Random(7)
    # Chats that the rules left in doubt are pending once a decision on them is undone.
    for chat in ("D1", "D2", "D3", "D4"):
        desk.decide(desk.path(chat), "contact:7", scope="chat")
    for (made,) in desk.rows("SELECT id FROM link_overrides ORDER BY id"):
        desk.client.post(f"/review/decisions/{made}/undo")
    before = desk.rows(LINKS)
    for _ in range(3):
        made = []
        for chat, choice, scope in (
            ("D1", "contact:8", "phone"),
            ("D2", "contact:7", "chat"),
            ("D1", "contact:7", "phone"),
            ("D3", "no_contact", "chat"),
            ("D4", "contact:8", "title"),
            ("D2", "contact:8", "chat"),
        ):
            answer = desk.decide(desk.path(chat), choice, scope=scope)
            made.append(int(re.findall(r"done=(\d+)", answer.headers["location"])[0]))
        rng.shuffle(made)
        for number in made:
            undone = desk.client.post(f"/review/decisions/{number}/undo", data={"reason": "engano"})
            assert undone.headers["location"] == f"/review/history?undone={number}"
        assert desk.rows(LINKS) == before
    again = desk.client.post(f"/review/decisions/{made[0]}/undo")
    assert again.headers["location"] == "/review/history?problem=1"
    assert "já tinha sido desfeita" in desk.client.get(again.headers["location"]).text


CANDIDATES = "SELECT rank, id_contato, confidence, evidence FROM match_candidates WHERE id_chat_file = %s"


def test_the_evidence_of_the_rules_outlasts_a_decision(desk: Desk) -> None:
    before = desk.rows(CANDIDATES, desk.chats["D1"])
    value = "SELECT value FROM review_queue WHERE source = 'chat' AND id = %s"
    worth = desk.rows(value, desk.chats["D1"])
    desk.decide(desk.path("D1"), "contact:7", scope="chat")
    assert desk.rows(CANDIDATES, desk.chats["D1"]) == before
    desk.decide(desk.path("D1"), "contact:13", scope="chat")  # whom no rule named
    page = text_of(desk.client.get(desk.path("D1")).text)
    assert "decidido por rita" in page
    assert "70,0% de probabilidade" in page
    for (made,) in desk.rows("SELECT id FROM link_overrides ORDER BY id DESC"):
        desk.client.post(f"/review/decisions/{made}/undo")
    assert desk.rows(CANDIDATES, desk.chats["D1"]) == before
    assert desk.rows(value, desk.chats["D1"]) == worth


def test_a_decision_that_was_taken_back_is_no_candidate(desk: Desk) -> None:
    """A run writes the decision as the evidence of whom it names; undone, it is evidence of nothing."""
    ((chat,),) = desk.rows("SELECT id FROM chat_files WHERE filename = 'A'")
    desk.decide(f"/review/chat:{chat}/2", "order:71")
    desk.rows(
        """UPDATE order_candidates SET confidence = 1, method = 'override',
                  evidence = '[{"name": "override", "value": 1, "weight": 0, "words": "decided by rita: x"}]'
            WHERE id_ordem_servico = 71 RETURNING rank"""
    )
    session = f"/review/chat:{chat}/2"
    assert "decidido por rita" in text_of(desk.client.get(session).text)
    ((made,),) = desk.rows("SELECT id FROM link_overrides")
    desk.client.post(f"/review/decisions/{made}/undo")
    page = text_of(desk.client.get(session).text)
    assert "decidido por rita" not in page
    assert 'value="order:71"' not in desk.client.get(session).text
    assert "OS 30415" in page


def test_the_history_says_who_when_and_why(desk: Desk) -> None:
    desk.decide(desk.path("D4"), "contact:8", reason="<b>pela voz</b>")
    desk.decide(desk.path("D4"), "contact:7")
    page = desk.client.get("/review/history").text
    words = text_of(page)
    assert "&lt;b&gt;pela voz&lt;/b&gt;" in page
    assert words.index("é de Ana Conceição Souza") < words.index("é de Rui Melo")
    assert "substituída pela nº" in words
    assert len(re.findall(r'action="/review/decisions/\d+/undo"', page)) == 2


def test_only_reviewers_decide(desk: Desk) -> None:
    path = desk.path("D1")
    for level in ("reader", "analyst"):
        with desk.running.client(level) as client:
            for address in (
                "/review",
                "/review/next",
                "/review/history",
                path,
                f"{path}/decide?choice=contact:8",
            ):
                assert client.get(address).status_code == 403, (level, address)
            for address in (f"{path}/decide", f"{path}/later", "/review/decisions/1/undo"):
                assert client.post(address, data={"choice": "contact:8"}).status_code == 403, (level, address)
            assert "/review" not in client.get("/").text
    assert desk.rows("SELECT FROM link_overrides") == []


def test_unfit_addresses_and_choices_are_refused(desk: Desk) -> None:
    path = desk.path("D1")
    for address in ("/review/chat:999999", "/review/chat:x", f"{path}/99", f"{path}/99999999999999999999"):
        assert desk.client.get(address).status_code == 404, address
    for choice in (
        "",
        "contact:",
        "contact:x",
        "order:70",
        "no_order",
        "contact:99999999999999999999",
        "drop",
    ):
        assert desk.client.get(f"{path}/decide", params={"choice": choice}).status_code == 400, choice
        assert desk.decide(path, choice).status_code == 400, choice
    assert desk.client.get(f"{path}/decide", params={"choice": "contact:12345"}).status_code == 404
    assert desk.decide(path, "contact:12345").status_code == 400
    assert desk.rows("SELECT FROM link_overrides") == []
    assert desk.state("D1") == ("ambiguous", None)
