"""The JSON API: what each level reads and does, tokens, pages by cursor, ETags, the record of views."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whatsapp_pipeline.console.access import new_token, token_hash
from whatsapp_pipeline.console.api import errors
from whatsapp_pipeline.console.api.api_server import Client
from whatsapp_pipeline.console.config import ConsoleConfig
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.links.review_pages import decision_effect
from whatsapp_pipeline.store.operations import api_tokens
from whatsapp_pipeline.store.operations.api_tokens import TokenLevel
from whatsapp_pipeline.store.operations.console_views import view_subject
from whatsapp_pipeline_tests.console.doubts import write_doubts
from whatsapp_pipeline_tests.console.people import PreparedPeople, write_people
from whatsapp_pipeline_tests.console.running import KEY, RunningConsole, running_console

LEVELS: tuple[TokenLevel, ...] = ("reader", "analyst", "reviewer", "manager")


@dataclass
class Api:
    """A console with people and doubts, and a client of each level."""

    running: RunningConsole
    people: PreparedPeople
    chats: dict[str, int]
    tokens: dict[str, str] = field(default_factory=dict)
    clients: dict[str, httpx.Client] = field(default_factory=dict)

    def token(self, name: str, level: TokenLevel) -> str:
        made = new_token()
        with connect(self.running.database_url) as conn:
            assert api_tokens.add_token(conn, name, level, token_hash(made), days=None)
        return made

    def client(self, level: TokenLevel) -> httpx.Client:
        if level not in self.clients:
            self.tokens[level] = self.token(level, level)
            self.clients[level] = self.with_token(self.tokens[level])
        return self.clients[level]

    def with_token(self, token: str) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.running.url}/api/v1/", headers={"authorization": f"Bearer {token}"}, timeout=30
        )

    def get(self, path: str, level: TokenLevel = "reviewer", **query: object) -> Any:
        found = self.client(level).get(path, params={name: str(value) for name, value in query.items()})
        assert found.status_code == 200, (path, found.status_code, found.text)
        return found.json()

    def all_items(self, path: str, level: TokenLevel = "reviewer", **query: object) -> list[Any]:
        """Walk every page."""
        items, cursor = [], None
        for _ in range(1000):
            page = self.get(path, level, **query, **({} if cursor is None else {"cursor": cursor}))
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                return items
        raise AssertionError("the pages do not end")

    def rows(self, statement: str, *values: object) -> list[Any]:
        with connect(self.running.database_url) as conn:
            return conn.execute(statement.encode(), values).fetchall()


@pytest.fixture
def api(fresh_database_url: str) -> Iterator[Api]:
    """An API that a test may write to."""
    with open_api(fresh_database_url) as made:
        yield made


@pytest.fixture(scope="module")
def shared(database_url: str) -> Iterator[Api]:
    """An API that tests only read from."""
    with open_api(database_url) as made:
        yield made


@contextmanager
def open_api(url: str, config: ConsoleConfig | None = None) -> Iterator[Api]:
    people = write_people(url)
    chats = write_doubts(url)
    with running_console(url, config) as running:
        made = Api(running, people, chats)
        yield made
        for client in made.clients.values():
            client.close()


def test_a_customer_has_what_the_page_has(shared: Api) -> None:
    ana = shared.get("customers/7")
    assert ana["name"] == "Ana Conceição Souza"
    assert ana["phones"] == ["(41) 99999-0007"]
    assert [order["number"] for order in ana["orders"]] == ["555", "30415"]
    assert ana["orders"][1]["device"] == "notebook Exemplo 15"
    assert ana["summary"]["claims"] == [
        {"text": "Pediu orçamento de tela.", "messages": [f"chat:{shared.people.first + 40}"]}
    ]
    assert ana["summary"]["open_since"] == "2025-02-01T00:00:00-03:00"
    assert ana["page"] == "/customers/7"
    found = shared.get("customers", q="conceicao")["items"]
    assert [(one["id"], one["phone"]) for one in found] == [(7, "(41) 99999-0007")]
    assert [one["id"] for one in shared.get("customers", q="99999-0008")["items"]] == [8]


def test_a_reader_gets_no_phone_and_no_message(shared: Api) -> None:
    ana = shared.get("customers/7", "reader")
    assert (ana["phones"], ana["trade_name"]) == ([], None)
    assert ana["orders"][1]["device"] == "notebook Exemplo 15"
    assert shared.get("customers", "reader", q="99999-0007")["items"] == []
    assert shared.get("customers", "reader", q="ana")["items"][0]["phone"] is None
    assert shared.get("orders/70", "reader")["device"] == "notebook Exemplo 15"
    for path in ("customers/7/messages", "orders/70/messages", f"messages/chat:{shared.people.first}"):
        assert shared.client("reader").get(path).status_code == 403


def test_an_order_has_its_sessions_and_messages(shared: Api) -> None:
    assert [one["id"] for one in shared.get("orders", number="555")["items"]] == [80, 71]
    order = shared.get("orders/70")
    assert [(one["link_method"], one["link_confidence"]) for one in order["sessions"]] == [
        ("direct_os_ref", 0.99),
        ("model", 0.8),
    ]
    refs = [one["ref"] for one in shared.all_items("orders/70/messages", order="oldest", limit=7)]
    expected = shared.rows(
        "SELECT source || ':' || message_id FROM messages_all"
        " WHERE id_ordem_servico = 70 ORDER BY at, ordinal"
    )
    assert refs == [row[0] for row in expected]
    assert len(refs) == len(set(refs)) > 14


def test_orders_come_by_cursor_the_newest_first(shared: Api) -> None:
    expected = shared.rows("SELECT id FROM ordens_servico ORDER BY data_emissao DESC NULLS LAST, id DESC")
    for limit in (1, 2, 100):
        assert [one["id"] for one in shared.all_items("orders", "reader", limit=limit)] == [
            row[0] for row in expected
        ]
        assert [one["id"] for one in shared.all_items("orders", number="#00555", limit=limit)] == [80, 71]
    assert len(expected) == 4
    assert shared.get("orders", number="0")["items"] == []
    assert shared.client("reader").get("orders", params={"cursor": "999999"}).status_code == 404


def test_messages_come_by_cursor_in_both_directions(shared: Api) -> None:
    oldest = shared.all_items("customers/7/messages", order="oldest", limit=9)
    newest = shared.all_items("customers/7/messages", limit=100)
    assert [one["ref"] for one in newest] == [one["ref"] for one in reversed(oldest)]
    assert len(oldest) == 134
    assert oldest[0]["at"] == "2025-01-05T08:10:00-03:00"
    later = shared.get("customers/7/messages", order="oldest", cursor=oldest[-3]["ref"])
    assert [one["ref"] for one in later["items"]] == [one["ref"] for one in oldest[-2:]]
    assert later["next"] is None


def test_a_message_says_what_it_answers(shared: Api) -> None:
    reply = shared.get(f"messages/chat:{shared.people.reply}")
    assert reply["quote"] == {"text": "mensagem sobre a tela 1", "ref": f"chat:{shared.people.first}"}
    revoked = shared.get(f"messages/webhook:{shared.people.revoked}")
    assert revoked["text"] != "segredo apagado"
    edited = shared.get(f"messages/webhook:{shared.people.edited}")
    assert edited["edited_at"] is not None
    stranger = shared.get(f"messages/chat:{shared.people.stranger}")
    assert stranger["customer_id"] is None
    chat = shared.all_items(f"chats/{stranger['chat']}/messages", order="oldest", limit=2)
    assert [one["text"] for one in chat] == ["uma pergunta 1", "uma pergunta 2", "uma pergunta 3"]


def test_search_finds_what_the_page_finds(shared: Api) -> None:
    hits = shared.all_items("search", q="mensagem tela", sort="date", customer=7)
    assert len(hits) == len({hit["ref"] for hit in hits}) > 100
    (quote,) = shared.get("search", q='"prazo do orçamento"')["items"]
    assert quote["ref"] == f"chat:{shared.people.first + 40}"
    assert "«" in quote["snippet"]
    assert quote["page"] == f"/customers/7?around={quote['ref']}#{quote['ref']}"
    assert shared.get("search", q="prazo", since="2025-02-01")["items"] == []


def test_open_cases_come_by_cursor(api: Api) -> None:
    with connect(api.running.database_url) as conn:
        conn.execute(
            """
            INSERT INTO customer_chat_summaries (id_contato, first_interaction_date, last_interaction_date,
                communication_frequency, sentiment_analysis, summary, message_count, customer_messages,
                staff_messages, other_messages, conversation_count, facts, claims, input_hash, open_since,
                open_reasons)
            SELECT 8, first_interaction_date, last_interaction_date, communication_frequency,
                   sentiment_analysis, summary, message_count, customer_messages, staff_messages,
                   other_messages, conversation_count, facts, claims, 'i', open_since, '{order}'
              FROM customer_chat_summaries
            """
        )
    cases = api.all_items("cases", "reader", limit=1)
    assert [(one["customer_id"], one["reasons"]) for one in cases] == [(7, ["unanswered"]), (8, ["order"])]
    assert [one["customer_id"] for one in api.get("cases", "reader", waiting="true")["items"]] == [7]
    assert api.get("cases", "reader", handled="true")["items"] == []


def test_the_queue_is_the_pages(shared: Api) -> None:
    queue = shared.all_items("review", limit=2)
    assert [one["value"] for one in queue] == sorted((one["value"] for one in queue), reverse=True)
    expected = shared.rows("SELECT source || ':' || id, session_number FROM review_items")
    assert sorted((one["item"], one["session"] or 0) for one in queue) == sorted(
        (item, session or 0) for item, session in expected
    )
    item = shared.get(f"review/chat:{shared.chats['D1']}")
    best = item["candidates"][0]
    assert (best["label"], best["probability"], best["log_odds"]) == ("Rui Melo", 0.7, 1.0)
    assert [reason["sum"] for reason in best["reasons"]] == [-3.0, 1.5, 1.0]
    assert best["detail"]["phones"] == "(41) 99999-0008"


def test_a_decision_counts_at_once_and_is_undone(api: Api) -> None:
    path = f"review/chat:{api.chats['D1']}"
    state = api.get(path)["state"]
    reviewer = api.client("reviewer")
    made = reviewer.post(f"{path}/decisions", json={"decision": "contact", "id": 8, "state": state})
    assert made.status_code == 201
    assert sorted(made.json()["chats"]) == sorted(f"chat:{api.chats[name]}" for name in ("D1", "D2", "D3"))
    linked = "SELECT match_status, id_contato FROM chat_files WHERE id = %s"
    assert api.rows(linked, api.chats["D2"]) == [("manual", 8)]
    late = reviewer.post(f"{path}/decisions", json={"decision": "contact", "id": 7, "state": state})
    assert (late.status_code, late.json()["error"]) == (409, "already_decided")
    (record,) = api.get("decisions")["items"]
    assert late.json()["message"].startswith(f"decision {record['id']} of client.reviewer at 20")
    assert (record["made_by"], record["customer_id"]) == ("client.reviewer", 8)
    undone = reviewer.post(f"decisions/{record['id']}/undo", json={"reason": "engano"})
    assert undone.status_code == 200
    assert api.rows(linked, api.chats["D1"]) == [("pending", None)]
    again = reviewer.post(f"decisions/{record['id']}/undo", json={})
    assert (again.status_code, again.json()["error"]) == (409, "not_in_force")
    assert reviewer.post("decisions/999/undo", json={}).status_code == 404


def test_a_decision_says_where_another_one_holds_as_the_page_does(api: Api) -> None:
    def decided(chat: str, **body: object) -> dict[str, Any]:
        path = f"review/chat:{api.chats[chat]}"
        given = {"state": api.get(path)["state"], **body}
        made = api.client("reviewer").post(f"{path}/decisions", json=given)
        assert made.status_code == 201
        found: dict[str, Any] = made.json()
        return found

    decided("D2", decision="contact", id=7, scope="chat")
    wide = decided("D1", decision="contact", id=8, scope="phone")
    assert (wide["outranked"], wide["pending"]) == ([f"chat:{api.chats['D2']}"], [])
    refused = decided("D4", decision="not_contact", id=7)
    assert (refused["outranked"], refused["pending"]) == ([], [f"chat:{api.chats['D4']}"])
    with connect(api.running.database_url) as conn:
        for made in (wide, refused):
            effect = decision_effect(conn, made["id"])
            assert [f"{source}:{id_}" for source, id_ in effect.outranked] == made["outranked"]
            assert [f"{source}:{id_}" for source, id_ in effect.pending] == made["pending"]


def test_the_scopes_say_what_a_decision_would_move(shared: Api) -> None:
    phone, chat, title = shared.get(f"review/chat:{shared.chats['D1']}/scopes")["items"]
    assert (phone["scope"], phone["target"], phone["chats"], phone["messages"]) == (
        "phone",
        "4199990008",
        3,
        45,
    )
    assert (chat["scope"], chat["chats"], chat["messages"], chat["months"]) == ("chat", 1, 40, ["2025-01"])
    assert (title["scope"], title["target"]) == ("title", "D1")
    assert {one["customer_id"] for one in phone["linked_now"]} == {None}
    assert shared.client("reviewer").get("review/chat:999999/scopes").status_code == 404


def test_the_effect_of_a_decision_is_what_the_decision_does(api: Api) -> None:
    """A chat that another decision keeps is in the scope, and is not said to move."""
    path, reviewer = f"review/chat:{api.chats['D1']}", api.client("reviewer")

    def decide(path: str, **fields: object) -> Any:
        made = reviewer.post(f"{path}/decisions", json={"state": api.get(path)["state"], **fields})
        assert made.status_code == 201, made.text
        return made.json()

    assert {one["effect"] is None for one in api.get(f"{path}/scopes")["items"]} == {True}
    decide(path, decision="contact", id=7, scope="phone")
    decide(f"review/chat:{api.chats['D2']}", decision="contact", id=7, scope="chat")
    phone = api.get(f"{path}/scopes", decision="contact:8")["items"][0]
    assert phone["chats"] == 3
    moved = [{"customer_id": 7, "chats": 2}]
    assert phone["effect"] == {"chats": 2, "messages": 42, "moved": moved, "pending": 0, "kept": 1}
    made = decide(path, decision="contact", id=8, scope="phone")
    assert made["outranked"] == [f"chat:{api.chats['D2']}"]
    nobody = api.get(f"{path}/scopes", decision="no_contact")["items"][0]["effect"]
    assert nobody["moved"] == [{"customer_id": 8, "chats": 2}]
    for wrong in ("contact", "contact:", "contact:x", "no_contact:8", "not_contact:8"):
        assert reviewer.get(f"{path}/scopes", params={"decision": wrong}).status_code == 422


def test_a_chats_order_follows_the_decisions_on_its_sessions(api: Api) -> None:
    ((chat,),) = api.rows("SELECT id FROM chat_files WHERE filename = 'A'")
    path, reviewer = f"review/chat:{chat}", api.client("reviewer")
    made = []
    for order in (70, 71):
        state = api.get(path, session=2)["state"]
        body = {"decision": "order", "id": order, "session": 2, "state": state}
        made.append(reviewer.post(f"{path}/decisions", json=body).json()["id"])
        assert api.get(path)["order_id"] == (70 if order == 70 else None), order
    reviewer.post(f"decisions/{made[1]}/undo", json={})
    assert api.get(path)["order_id"] == 70
    whole = {"decision": "contact", "id": 8, "scope": "chat", "state": api.get(path)["state"]}
    assert reviewer.post(f"{path}/decisions", json=whole).status_code == 201
    assert api.get(path)["order_id"] is None, "it was an order of the customer before"
    session = api.get(path, session=1)
    assert (session["status"], session["order_id"]) == ("pending", None)


def test_a_sessions_order_is_decided(api: Api) -> None:
    ((chat,),) = api.rows("SELECT id FROM chat_files WHERE filename = 'A'")
    path = f"review/chat:{chat}"
    item = api.get(path, session=2)
    assert [one["label"] for one in item["candidates"]] == ["30415", "555"]
    body = {"decision": "order", "id": 71, "session": 2, "state": item["state"]}
    made = api.client("reviewer").post(f"{path}/decisions", json=body)
    assert made.status_code == 201
    assert api.rows("SELECT id_ordem_servico FROM chat_sessions WHERE number = 2") == [(71,)]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"id": 999}, 404),
        ({"id": None}, 422),
        ({"decision": "order"}, 422),
        ({"decision": "no_contact"}, 422),
        ({"decision": "not_contact", "scope": "phone"}, 422),
        ({"nobody_kind": "new_customer"}, 422),
        ({"state": ""}, 409),
        ({"state": f"linked|1|1|{'1' * 60}x"}, 409),  # must not take longer, either
        ({"extra": 1}, 422),
        ({"id": True}, 422),
        ({"id": "7"}, 422),
    ],
)
def test_unfit_decisions_change_nothing(shared: Api, change: Mapping[str, Any], status: int) -> None:
    path = f"review/chat:{shared.chats['D4']}"
    body = {"decision": "contact", "id": 7, "state": shared.get(path)["state"], **change}
    assert shared.client("reviewer").post(f"{path}/decisions", json=body).status_code == status
    assert shared.rows("SELECT FROM link_overrides") == []


def test_a_manager_manages_numbers_and_reads_nothing_else(api: Api) -> None:
    manager = api.client("manager")
    assert manager.post("accounts", json={"phone_number_id": "new", "tenant_id": 5}).status_code == 404
    tenant = manager.post("tenants", json={"name": "Loja do centro"})
    assert tenant.status_code == 201
    number = tenant.json()["id"]
    added = manager.post("accounts", json={"phone_number_id": "shop", "tenant_id": number}).json()
    assert added == {
        "phone_number_id": "shop",
        "tenant_id": number,
        "tenant": "Loja do centro",
        "is_active": True,
        "deliveries_in_line": 0,
    }
    assert api.rows("SELECT tenant_id FROM conversations") == [(number,)]
    assert manager.post("accounts", json={"phone_number_id": "other"}).status_code == 201
    assert [one["phone_number_id"] for one in api.all_items("accounts", "manager", limit=1)] == [
        "other",
        "shop",
    ]
    assert manager.post("accounts/other/disable").json()["is_active"] is False
    assert manager.post("accounts/none/disable").status_code == 404
    assert manager.post(f"tenants/{number}/disable").json()["active_accounts"] == 0
    assert api.get("tenants", "manager")["items"] == [
        {"id": number, "name": "Loja do centro", "accounts": 1, "active_accounts": 0}
    ]
    assert {one["is_active"] for one in api.get("accounts", "manager")["items"]} == {False}


def test_a_number_that_is_added_takes_its_deliveries(api: Api) -> None:
    with connect(api.running.database_url) as conn:
        conn.execute(
            "INSERT INTO webhook_inbox (delivery_id, received_at, body, status, waiting_for)"
            " VALUES (gen_random_uuid(), now(), '{}', 'parked', '{shop}')"
        )
    added = api.client("manager").post("accounts", json={"phone_number_id": "shop"}).json()
    assert added["deliveries_in_line"] == 1
    assert api.rows("SELECT status FROM webhook_inbox") == [("pending",)]


def test_the_state_is_that_of_the_home_page(api: Api) -> None:
    with connect(api.running.database_url) as conn:
        conn.execute(
            "INSERT INTO exceptions (stage, file_path, month, line, kind, severity, detail)"
            " SELECT 'chat_messages', 'f' || n % 2 || '.txt', '2025-0' || 1 + n % 2, n, 'invalid_date',"
            " CASE n WHEN 3 THEN 'error' ELSE 'warning' END, 'x' FROM generate_series(1, 4) n"
        )
        conn.execute(
            "INSERT INTO webhook_inbox (delivery_id, received_at, body, status)"
            " SELECT gen_random_uuid(), now() - interval '1 hour', '{}', s"
            " FROM unnest('{pending,pending,parked,dead,done}'::text[]) s"
        )
        conn.execute(
            "INSERT INTO qa_results (check_name, month, examined, failing, severity, run_id, evaluated_at)"
            " VALUES ('dates', '2025-01', 9, 2, 'error', 'r', now()), ('names', '2025-01', 9, 0, 'warn', 'r',"
            " now())"
        )
    state = api.get("state", "reader")
    assert 3600 <= state.pop("oldest_waiting_seconds") < 4000
    (month,) = state.pop("months")
    assert month == {"month": "2025-01", "chats": 7, "linked": 2}
    assert state == {
        "failing_checks": [
            {
                "check": "dates",
                "month": "2025-01",
                "failing": 2,
                "examined": 9,
                "severity": "error",
                "run_id": "r",
            }
        ],
        "unread_files": 2,
        "unread_findings": 4,
        "deliveries_waiting": 2,
        "deliveries_parked": 1,
        "deliveries_dead": 1,
    }
    files = api.all_items("unread", "analyst", limit=1)
    assert [(one["file"], one["month"], one["findings"], one["severity"]) for one in files] == [
        ("f0.txt", "2025-01", 2, "warning"),
        ("f1.txt", "2025-02", 2, "error"),
    ]
    assert [one["file"] for one in api.all_items("unread", "analyst", month="2025-02")] == ["f1.txt"]
    assert api.client("reader").get("unread").status_code == 403


def test_dead_letters_are_listed_and_replayed(api: Api) -> None:
    with connect(api.running.database_url) as conn:
        conn.execute(
            "INSERT INTO webhook_inbox (delivery_id, received_at, body, status, attempts, error)"
            " SELECT gen_random_uuid(), now(), CASE WHEN n < 4 THEN '{}'::bytea END, 'dead', 8,"
            " 'reason ' || n FROM generate_series(1, 4) n"
        )
    letters = api.all_items("dead-letters", "analyst", limit=1)
    assert [(one["error"], one["attempts"], one["can_be_replayed"]) for one in letters] == [
        ("reason 4", 8, False),
        ("reason 3", 8, True),
        ("reason 2", 8, True),
        ("reason 1", 8, True),
    ]
    assert api.client("analyst").post("dead-letters/replay", json={"ids": None}).status_code == 403
    reviewer, first = api.client("reviewer"), letters[-1]["id"]
    bodies: list[dict[str, Any]] = [{}, {"ids": []}, {"ids": [0]}, {"ids": ["x"]}, {"all": True}]
    bodies += [{"ids": [True]}, {"ids": [str(first)]}, {"ids": [first + 0.5]}]
    for unfit in bodies:
        assert reviewer.post("dead-letters/replay", json=unfit).status_code == 422, unfit
    assert reviewer.post("dead-letters/replay", json={"ids": [first, 10**15]}).json() == {"replayed": 1}
    assert api.rows("SELECT id, attempts, error FROM webhook_inbox WHERE status = 'pending'") == [
        (first, 0, None)
    ]
    assert reviewer.post("dead-letters/replay", json={"ids": None}).json() == {"replayed": 2}
    assert reviewer.post("dead-letters/replay", json={"ids": None}).json() == {"replayed": 0}
    assert api.rows("SELECT actor, action, jsonb_array_length(detail->'deliveries') FROM audit_log") == [
        ("client.reviewer", "replay", 1),
        ("client.reviewer", "replay", 2),
    ]


# Every route with the levels that may use it: the same table as in docs/api.md, written by hand.
ALLOWED = {
    "GET customers?q=ana": "reader",
    "GET customers/7": "reader",
    "GET customers/7/messages": "analyst",
    "GET orders?number=555": "reader",
    "GET orders/70": "reader",
    "GET orders/70/messages": "analyst",
    "GET chats/chat:1/messages": "analyst",
    "GET messages/chat:1": "analyst",
    "GET search?q=tela": "analyst",
    "GET cases": "reader",
    "GET commitments": "reader",
    "GET review": "reviewer",
    "GET review/chat:1": "reviewer",
    "GET review/chat:1/scopes": "reviewer",
    "POST review/chat:1/decisions": "reviewer",
    "GET decisions": "reviewer",
    "POST decisions/1/undo": "reviewer",
    "GET sample": "reviewer",
    "GET sample/chat:1": "reviewer",
    "GET sample/chat:1/messages": "reviewer",
    "POST sample/chat:1/verdicts": "reviewer",
    "GET state": "reader",
    "GET unread": "analyst",
    "GET unread/file?file=A": "analyst",
    "GET rereads": "analyst",
    "POST rereads": "reviewer",
    "GET dead-letters": "analyst",
    "POST dead-letters/replay": "reviewer",
    "GET tenants": "manager",
    "POST tenants": "manager",
    "POST tenants/1/disable": "manager",
    "GET accounts": "manager",
    "POST accounts": "manager",
    "POST accounts/1/disable": "manager",
}


def _may(level: str, needed: str) -> bool:
    order = ("reader", "analyst", "reviewer")
    if "manager" in (level, needed):
        return level == needed
    return order.index(level) >= order.index(needed)


def test_every_route_is_for_its_level(shared: Api) -> None:
    document = httpx.get(f"{shared.running.url}/api/v1/openapi.json").json()
    named = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    assert len(named) == len(ALLOWED)
    for (route, needed), level in itertools.product(ALLOWED.items(), LEVELS):
        method, _, path = route.partition(" ")
        status = shared.client(level).request(method, path).status_code
        assert status < 500, (route, level, status)
        assert (status != 403) == _may(level, needed), (route, level, status)
    for route in ALLOWED:
        method, _, path = route.partition(" ")
        refused = httpx.request(method, f"{shared.running.url}/api/v1/{path}")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer"), route


def test_the_database_enforces_the_level(shared: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the console's own check switched off, the login of the token's level still refuses."""
    monkeypatch.setattr(Client, "may", lambda self, level: True)
    for path in ("customers/7/messages", "search?q=tela", f"messages/chat:{shared.people.first}", "review"):
        assert shared.client("reader").get(path).status_code == 403, path
        assert shared.client("manager").get(path).status_code == 403, path
    item = f"review/chat:{shared.chats['D1']}"
    body = {"decision": "contact", "id": 8, "state": shared.get(item)["state"]}
    assert shared.client("analyst").post(f"{item}/decisions", json=body).status_code == 403
    unsure = {"answer": "unsure"}
    sample = f"sample/{shared.get('sample')['item']['item']}"
    assert shared.client("analyst").post(f"{sample}/verdicts", json=unsure).status_code == 403
    for path in ("sample", "rereads", "unread/file?file=A"):
        assert shared.client("reader").get(path).status_code == 403, path
        assert shared.client("manager").get(path).status_code == 403, path
    assert shared.client("manager").get("commitments").status_code == 403
    reread = {"file": "A", "format": "ios"}
    assert shared.client("analyst").post("rereads", json=reread).status_code == 403
    for other in LEVELS:
        replayed = shared.client(other).post("dead-letters/replay", json={"ids": None})
        assert (replayed.status_code == 403) == (other != "reviewer"), other
    assert shared.client("reader").get("dead-letters").status_code == 403
    for level in ("reader", "reviewer"):
        assert shared.client(level).post("tenants", json={"name": "x"}).status_code == 403, level
    for table in ("link_overrides", "review_verdicts", "chat_rereads"):
        assert shared.rows(f"SELECT FROM {table}") == []


@settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(place=st.integers(0, 42), bit=st.integers(0, 6))
def test_no_changed_bit_of_a_token_is_accepted(shared: Api, place: int, bit: int) -> None:
    shared.client("reviewer")
    token = shared.tokens["reviewer"]
    changed = token[:place] + chr(ord(token[place]) ^ (1 << bit)) + token[place + 1 :]
    headers = {b"authorization": f"Bearer {changed}".encode()}
    try:
        answer = httpx.get(f"{shared.running.url}/api/v1/review", headers=headers)
    except (httpx.LocalProtocolError, httpx.RemoteProtocolError):
        return  # a control character: no such header can be sent
    assert answer.status_code in {400, 401}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE api_tokens SET revoked_at = now()",
        "UPDATE api_tokens SET expires_at = now()",
        "UPDATE console_users SET disabled_at = now() WHERE name = 'client.analyst'",
    ],
)
def test_a_token_that_ended_reads_nothing(api: Api, change: str) -> None:
    client = api.client("analyst")
    for path in ("customers/7/messages", "customers/7"):
        assert client.get(path).status_code == 200
    api.rows(f"{change} RETURNING 1")
    for path in ("customers/7/messages", "customers/7"):
        assert client.get(path).status_code == 401


@pytest.mark.parametrize(
    "ended",
    ["DELETE FROM console_sessions", "UPDATE console_sessions SET expires_at = now() - interval '1 second'"],
)
def test_a_program_reads_at_once_after_its_session_ended(api: Api, ended: str) -> None:
    """Its user was disabled and enabled again, or the console began again with another key."""
    client = api.client("analyst")
    assert client.get("customers/7/messages").status_code == 200
    api.rows(f"{ended} RETURNING 1")
    assert client.get("customers/7/messages").status_code == 200
    assert api.rows("SELECT count(*) FROM console_sessions WHERE expires_at > now()") == [(1,)]


@pytest.mark.parametrize("path", ["customers/999", "orders/999", "chats/chat:999999", "chats/webhook:999999"])
def test_messages_of_what_is_not_there(shared: Api, path: str) -> None:
    assert shared.client("analyst").get(f"{path}/messages").status_code == 404


def test_tokens_are_stored_as_hashes_and_open_no_page(api: Api) -> None:
    api.client("analyst").get("customers/7/messages")
    token = api.tokens["analyst"]
    stored = api.rows("SELECT t::text, s::text FROM api_tokens t, console_sessions s")
    assert stored
    assert token not in repr(stored)
    ((session,),) = api.rows("SELECT encode(token_hash, 'hex') FROM console_sessions")
    for cookie in (token, session, "client.analyst"):
        page = httpx.get(f"{api.running.url}/customers/7", cookies={"console": cookie})
        assert page.headers["location"].startswith("/login")
    by_header = httpx.get(f"{api.running.url}/customers/7", headers={"authorization": f"Bearer {token}"})
    assert by_header.headers["location"].startswith("/login")


def test_a_persons_session_is_no_token(api: Api) -> None:
    """The API knows no cookie, so no page of another site can use a person's login."""
    with api.running.client("reviewer") as person:
        assert person.get("/api/v1/review").status_code == 401
        headers = {"sec-fetch-site": "cross-site"}
        assert person.post("/api/v1/decisions/1/undo", json={}, headers=headers).status_code == 401


def test_views_of_messages_are_on_record(api: Api) -> None:
    analyst = api.client("analyst")
    recorded = (
        "SELECT v.action FROM console_views v JOIN console_users u ON u.id = v.id_user"
        " WHERE u.name = 'client.analyst' AND v.subject = %s ORDER BY 1"
    )
    ana, stranger = view_subject(KEY, 7, ""), None
    analyst.get("customers/7")
    assert api.rows(recorded, ana) == []
    analyst.get("customers/7/messages")
    analyst.get("search", params={"q": "prazo"})
    assert api.rows(recorded, ana) == [("search",), ("view",)]
    found = analyst.get(f"messages/chat:{api.people.stranger}").json()
    stranger = view_subject(KEY, None, found["chat"])
    assert api.rows(recorded, stranger) == [("view",)]


def test_an_etag_saves_the_answer_and_not_the_record(api: Api) -> None:
    client = api.client("analyst")
    first = client.get("customers/7/messages")
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    seen = "SELECT sum(pages) FROM console_views"
    before = api.rows(seen)
    again = client.get("customers/7/messages", headers={"if-none-match": f'"x", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert api.rows(seen) != before
    api.rows("UPDATE contatos SET nome = 'Outra' WHERE id = 7 RETURNING 1")
    head = client.get("customers/7")
    api.rows("UPDATE contatos SET nome = 'Ana' WHERE id = 7 RETURNING 1")
    assert client.get("customers/7", headers={"if-none-match": head.headers["etag"]}).status_code == 200


def test_errors_are_json_and_repeat_nothing(shared: Api) -> None:
    client = shared.client("reviewer")
    secret = "segredo<script>"
    for method, path, status, error in (
        ("GET", "nowhere", 404, "not_found"),
        ("GET", f"messages/{secret}", 422, "invalid"),
        ("GET", "messages/chat:9999999999999999999", 404, "not_found"),
        ("DELETE", "review", 405, "wrong_method"),
        ("GET", f"review?cursor={secret}", 422, "invalid"),
        ("GET", "search?q=tela&until=0.0", 422, "invalid"),
        ("GET", "search?q=tela&since=1735689600", 422, "invalid"),
        ("GET", f"cases?cursor={secret}", 422, "invalid"),
        ("GET", f"search?q=x&cursor={secret}", 422, "invalid"),
        ("GET", f"search?q=x&more={secret}", 422, "invalid"),
        ("GET", "customers/7/messages?ordem=oldest", 422, "invalid"),
        ("GET", "cases?limit=1&limit=2", 422, "invalid"),
    ):
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()["error"]) == (status, error), path
        assert "segredo" not in answer.text
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    large = client.post("decisions/1/undo", content=b"{" + b" " * 20_000)
    assert (large.status_code, large.json()["error"]) == (413, "too_large")
    host = client.get("review", headers={"host": "evil.example"})
    assert (host.status_code, host.json()["error"]) == (421, "unknown_host")
    for unfit, status in ((b"{", 422), (b"\xff", 400), (b'{"reason": "\\ud800"}', 422), (b"[]", 422)):
        answer = client.post("decisions/1/undo", content=unfit, headers={"content-type": "application/json"})
        assert answer.status_code == status, unfit


GUIDE = Path(__file__).parents[2] / "docs" / "api.md"


def test_the_guides_requests_work_as_typed(api: Api) -> None:
    """Each line of the guide's sh blocks is run by a shell, against a console."""
    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for level in LEVELS:
        api.client(level)
    environment = {
        **os.environ,
        "CONSOLE": api.running.url,
        "CHAT": str(api.chats["D1"]),
        "TOKEN": api.tokens["analyst"],
        "REVIEWER": api.tokens["reviewer"],
        "MANAGER": api.tokens["manager"],
    }
    said = []
    for block in blocks:
        run = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, (block, run.stderr)
        said.append(run.stdout)
    assert len(said) == 8
    example = re.search(r"^```json\n(\{\"items.*?)\n```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert example is not None
    assert said[0] == example[1]
    assert api.rows("SELECT removed_by FROM link_overrides WHERE id = 1") == [("client.reviewer",)]
    assert api.rows("SELECT reviewer, is_blind FROM review_verdicts WHERE is_blind") == [
        ("client.reviewer", True)
    ]
    assert api.rows("SELECT parse_options FROM chat_files WHERE filename = 'A'") == [({"date_order": "mdy"},)]


def test_the_guide_names_every_route_with_its_level_and_every_error() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    for route, level in ALLOWED.items():
        method, _, path = route.partition(" ")
        if method == "GET":
            path = re.sub(r"chat:1", "{ref}", path.partition("?")[0])
            path = re.sub(r"(?<=/)\d+", "{id}", path)
            row = next(
                line for line in guide.splitlines() if line.startswith("| `GET") and f"`GET /{path}" in line
            )
            assert f"| {level} |" in row, route
    for kind, (status, _) in errors._ERRORS.items():
        row = next(line for line in guide.splitlines() if line.startswith(f"| {status} |"))
        assert f"`{kind}`" in row, kind
