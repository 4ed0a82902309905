"""What an export gives out of the webhook's tables: every row about the person, and no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.operations.privacy_webhooks import Person, export_webhook_data

ANA, BIA = "5541999990001", "5541988880002"
ANAS, BIAS = "wa:554199990001", "wa:554188880002"  # their canonical identities
PERSON = Person((1, 2), frozenset({ANAS, "id:BR.1"}))
GROUP = 3  # a conversation of a group in which both write
# Conversations: id, external id, contact, profile's name. The second is Ana's, too, under her user id.
CONVERSATIONS: tuple[tuple[Any, ...], ...] = (
    (2, "BR.1", None, None),
    (1, ANA, 7, "Ana"),
    (GROUP, "g-1", None, "Turma"),
    (4, BIA, None, "Bia"),
)
IDENTITIES: tuple[tuple[Any, ...], ...] = (
    (2, "BR.1", "id:BR.1", "user_id"),
    (1, "41999990001", ANAS, "wa_id"),
    (1, ANA, ANAS, "wa_id"),
    (GROUP, "g-1", "group:g-1", "group"),
    (4, BIA, BIAS, "wa_id"),
)
# Messages: id, conversation, role, text, sender, minute.
MESSAGES: tuple[tuple[Any, ...], ...] = (
    (11, 2, "user", "pelo id", None, 1),
    (12, 1, "assistant", "resposta", None, 3),
    (13, 1, "user", "oi", ANAS, 2),
    (14, 1, "user", "ao mesmo tempo", ANAS, 3),
    (15, GROUP, "user", "dela no grupo", ANAS, 1),
    (16, GROUP, "user", "de outra no grupo", BIAS, 1),
    (17, 4, "user", "de outra", BIAS, 1),
)
# Statuses: message, status, recipient, participant, minute.
STATUSES: tuple[tuple[Any, ...], ...] = (
    ("w12", "read", ANAS, "", 5),
    ("w12", "delivered", ANAS, "", 4),
    ("w09", "read", BIAS, "id:BR.1", 6),
    ("w17", "read", BIAS, "", 6),
    ("w18", "read", "group:g-1", BIAS, 6),
)
LEADS: tuple[tuple[Any, ...], ...] = (
    (22, "BR.1", "id:BR.1", "Ana do id"),
    (21, ANA, ANAS, "Ana"),
    (23, BIA, BIAS, "Bia"),
)
HERS: dict[str, Any] = {"from": ANA, "id": "w1", "text": {"body": "oi"}}
OTHERS: dict[str, Any] = {"from": BIA, "id": "w2", "text": {"body": "de outra"}}


def _body(*messages: dict[str, Any]) -> bytes:
    return json.dumps({"entry": [{"changes": [{"value": {"messages": messages}}]}]}).encode()


INBOX = (
    ("pending", _body(HERS, OTHERS)),
    ("done", _body(OTHERS)),
    ("done", None),
    ("dead", b'{"broken ' + ANA.encode()),
    ("parked", _body(HERS | {"id": "w3"})),
    ("dead", b'{"broken ' + BIA.encode()),
)
EVENTS = (
    ("errors", {"recipient_id": BIA}),
    ("calls", {"from": ANA}),
    ("x", {"wa_id": "BR.1", "name": "Ana"}),
)


@pytest.fixture(scope="module")
def stored(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as conn:
        conn.execute("SET timezone = 'UTC'")
        conn.execute("INSERT INTO contatos (id, nome) VALUES (7, 'Ana')")
        for row in CONVERSATIONS:
            conn.execute(
                "INSERT INTO conversations (id, external_id, id_contato, profile_name, phone_number_id,"
                " created_at) OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, %s, 'acc', '2026-01-02 03:04Z')",
                row,
            )
        for row in IDENTITIES:
            conn.execute(
                "INSERT INTO conversation_identities (conversation_id, value, canonical, kind,"
                " phone_number_id) VALUES (%s, %s, %s, %s, 'acc')",
                row,
            )
        for id_, conversation, role, text, sender, minute in MESSAGES:
            conn.execute(
                "INSERT INTO conversation_messages (id, conversation_id, role, text, sender_canonical,"
                " sent_at, type, status, raw_json, origin, phone_number_id, message_key)"
                " OVERRIDING SYSTEM VALUE"
                " VALUES (%s, %s, %s, %s, %s, %s, 'text', 'read', %s, 'message', 'acc', %s)",
                (
                    id_,
                    conversation,
                    role,
                    text,
                    sender,
                    f"2026-01-01 00:{minute:02}Z",
                    f'{{"a":  {id_}}}',
                    f"w{id_}",
                ),
            )
        for provider_id, status, recipient, participant, minute in STATUSES:
            conn.execute(
                "INSERT INTO message_statuses (phone_number_id, provider_id, status, recipient, participant,"
                " status_time) VALUES ('acc', %s, %s, %s, %s, %s)",
                (provider_id, status, recipient, participant, f"2026-01-01 00:{minute:02}Z"),
            )
        for lead in LEADS:
            conn.execute(
                "INSERT INTO leads (id, wa_id, canonical, profile_name, phone_number_id, created_at)"
                " OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, %s, 'acc', '2026-01-02 03:04Z')",
                lead,
            )
        for status, body in INBOX:
            conn.execute(
                "INSERT INTO webhook_inbox (delivery_id, received_at, status, body)"
                " VALUES (gen_random_uuid(), '2026-01-03 04:05Z', %s, %s)",
                (status, body),
            )
        for position, (kind, raw) in enumerate(EVENTS):
            conn.execute(
                "INSERT INTO webhook_events (delivery_id, position, phone_number_id, kind, raw_json,"
                " received_at) VALUES (gen_random_uuid(), %s, 'acc', %s, %s, now())",
                (position, kind, json.dumps(raw)),
            )
        yield conn


def _message(id_: int, conversation: int, role: str, text: str, minute: int) -> dict[str, Any]:
    return {
        "id": id_,
        "conversation_id": conversation,
        "role": role,
        "type": "text",
        "text": text,
        "sent_at": f"2026-01-01 00:{minute:02}:00+00",
        "status": "read",
        "raw_json": f'{{"a":  {id_}}}',  # as it was sent
    }


def test_an_export_of_the_webhook_s_tables(stored: Connection) -> None:
    held = export_webhook_data(stored, PERSON)
    assert held.pop("conversations") == [
        {
            "id": id_,
            "channel": "whatsapp",
            "external_id": external_id,
            "phone_number_id": "acc",
            "profile_name": name,
            "id_contato": contact,
            "created_at": "2026-01-02 03:04:00+00",
        }
        for id_, external_id, name, contact in ((1, ANA, "Ana", 7), (2, "BR.1", None, None))
    ]
    assert held.pop("conversation_identities") == [
        {"conversation_id": conversation, "value": value, "canonical": canonical, "kind": kind}
        for conversation, value, canonical, kind in (
            (1, "41999990001", ANAS, "wa_id"),
            (1, ANA, ANAS, "wa_id"),
            (2, "BR.1", "id:BR.1", "user_id"),
        )
    ]
    assert held.pop("conversation_messages") == [
        _message(13, 1, "user", "oi", 2),
        _message(12, 1, "assistant", "resposta", 3),
        _message(14, 1, "user", "ao mesmo tempo", 3),
        _message(11, 2, "user", "pelo id", 1),
        _message(15, GROUP, "user", "dela no grupo", 1),
    ]
    assert held.pop("message_statuses") == [
        {"provider_id": provider_id, "status": status, "status_time": f"2026-01-01 00:{minute:02}:00+00"}
        for provider_id, status, minute in (("w09", "read", 6), ("w12", "delivered", 4), ("w12", "read", 5))
    ]
    assert held.pop("leads") == [
        {"wa_id": wa_id, "profile_name": name, "created_at": "2026-01-02 03:04:00+00"}
        for wa_id, name in ((ANA, "Ana"), ("BR.1", "Ana do id"))
    ]
    at = "2026-01-03 04:05:00+00:00"
    inbox = held.pop("webhook_inbox")
    assert [(row["inbox_id"], row["received_at"]) for row in inbox] == [(1, at), (4, at), (5, at)]
    assert [json.loads(inbox[0]["raw_json"]), json.loads(inbox[2]["raw_json"])] == [HERS, HERS | {"id": "w3"}]
    assert json.loads(inbox[1]["raw_json"]) == f'{{"broken {ANA}'  # nobody can read it, so it is given whole
    assert [
        (row["event_id"], row["kind"], json.loads(row["raw_json"])) for row in held.pop("webhook_events")
    ] == [
        (2, "calls", {"from": ANA}),
        (3, "x", {"wa_id": "BR.1", "name": "Ana"}),
    ]
    assert held == {}


def test_a_person_without_conversations_has_the_rows_of_their_names(stored: Connection) -> None:
    held = export_webhook_data(stored, Person((), frozenset({ANAS})))
    assert [row["text"] for row in held["conversation_messages"]] == ["oi", "ao mesmo tempo", "dela no grupo"]
    assert (held["conversations"], held["conversation_identities"]) == ([], [])
    assert [row["wa_id"] for row in held["leads"]] == [ANA]
    assert all(not rows for rows in export_webhook_data(stored, Person((), frozenset())).values())
