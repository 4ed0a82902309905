"""What deliveries mean: history, several sections, one person under many names, words, groups.

Every case is processed in each order of its deliveries, one at a time and all at once: the tables are the
same.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from whatsapp_pipeline.store.chats.search import SearchQuery, search_messages
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline_tests.webhook.deliveries import (
    NOON,
    clear,
    delivery,
    erase_contact,
    one,
    process,
    rows,
    state,
    take,
    text,
)

SHOP = "554133330000"
ANA, BIA, HUGO = "5541988880106", "5541988880103", "5541988880199"
BIA_NEW = "5541977770103"
METADATA = {"phone_number_id": "acc-1", "display_phone_number": "+55 41 3333-0000"}


@pytest.fixture(autouse=True)
def _empty(conn: Connection) -> Iterator[None]:
    yield
    clear(conn)


def change(field: str = "messages", **value: Any) -> dict[str, Any]:
    return delivery(field=field, **{"metadata": METADATA, **value})


def of(sender: str, wamid: str, at: int = NOON, **more: Any) -> dict[str, Any]:
    return {"from": sender, "id": wamid, "timestamp": str(at), **more}


def contact(number: str, name: str, **more: str) -> dict[str, Any]:
    return {"wa_id": number, "profile": {"name": name}, **more}


def stored(conn: Connection) -> list[Any]:
    return rows(
        conn,
        "SELECT m.provider_id, c.external_id, m.role, m.origin, m.type, m.text FROM conversation_messages m"
        " JOIN conversations c ON c.id = m.conversation_id ORDER BY m.sent_at, m.provider_id",
    )


def in_every_order(conn: Connection, payloads: list[Any], **options: Any) -> list[Any]:
    """Process the deliveries in every order, alone and together; return the one outcome."""
    outcomes = set()
    for order in itertools.permutations(payloads):
        for together in (False, True):
            for batch in [list(order)] if together else [[payload] for payload in order]:
                take(conn, *batch, **options)
            outcomes.add(
                json.dumps([stored(conn), state(conn)["conversations"], state(conn)["leads"]], default=str)
            )
            clear(conn)
    assert len(outcomes) == 1
    take(conn, *payloads, **options)
    return stored(conn)


def thread(person: str, *messages: Any, **more: Any) -> dict[str, Any]:
    return change(
        "history",
        history=[{"metadata": {"phase": 0}, "threads": [{"id": person, "messages": messages, **more}]}],
    )


IMAGE: dict[str, Any] = {
    "type": "image",
    "image": {"id": "77", "mime_type": "image/jpeg", "caption": "tela quebrada"},
}
PLACEHOLDER: dict[str, Any] = {"type": "media_placeholder", "history_context": {"status": "READ"}}


def test_a_picture_completes_its_placeholder(conn: Connection) -> None:
    payloads = [
        thread(ANA, of(ANA, "w1", **PLACEHOLDER)),
        change("history", messages=[of(ANA, "w1", **IMAGE)]),
    ]
    found = in_every_order(conn, payloads, ask_assistant=True)
    assert found == [("w1", ANA, "user", "history", "image", "[image: tela quebrada]")]
    assert one(conn, "SELECT status FROM conversation_messages") == "read"
    assert one(conn, "SELECT count(*) FROM assistant_replies") == 0
    assert [hit.snippet for hit in search_messages(conn, SearchQuery("tela", mark_start="", mark_end=""))]


@pytest.mark.parametrize(
    "payload",
    [
        change("history", messages=[of(SHOP, "w1", to=ANA, **IMAGE)], contacts=[contact(ANA, "Ana")]),
        change("history", messages=[of(SHOP, "w1", **IMAGE)], contacts=[contact(ANA, "Ana")]),
        change("history", messages=[of("+55 41 3333-0000", "w1", to=ANA, **IMAGE)]),
        thread(ANA, of(SHOP, "w1", **IMAGE)),
        thread(ANA, of(SHOP, "w1", to=ANA, **IMAGE)),
        thread("", of(SHOP, "w1", to=ANA, **IMAGE)),
        change(
            "history",
            history=[{"threads": [{"context": {"wa_id": ANA}, "messages": [of(SHOP, "w1", **IMAGE)]}]}],
        ),
    ],
)
def test_what_the_business_sent_is_the_staffs(conn: Connection, payload: Any) -> None:
    take(conn, payload, ask_assistant=True)
    assert stored(conn) == [("w1", ANA, "assistant", "history", "image", "[image: tela quebrada]")]
    assert one(conn, "SELECT count(*) FROM leads") == 0
    assert one(conn, "SELECT count(*) FROM assistant_replies") == 0
    assert one(conn, "SELECT side FROM messages_all") == "to"


def test_a_picture_of_the_staff_may_name_no_recipient(conn: Connection) -> None:
    """Its placeholder stands in the thread of the customer; another account may use the same id."""
    payloads = [
        thread(ANA, of(SHOP, "w1", **PLACEHOLDER), of(ANA, "w2", NOON + 1, type="text", text={"body": "oi"})),
        change("history", messages=[of(SHOP, "w1", **IMAGE), of(SHOP, "w3", **IMAGE)]),
        change(
            "history",
            messages=[of(SHOP, "w1", type="image", image={"caption": "de outra conta"})],
            metadata={"phone_number_id": "acc-2", "display_phone_number": SHOP},
        ),
    ]
    found = in_every_order(conn, payloads, ask_assistant=True)
    assert found == [
        ("w1", ANA, "assistant", "history", "image", "[image: tela quebrada]"),
        ("w2", ANA, "user", "history", "text", "oi"),
    ]
    assert one(conn, "SELECT status FROM conversation_messages WHERE provider_id = 'w1'") == "read"
    waiting = "SELECT phone_number_id, provider_id, kind FROM webhook_events ORDER BY 1"
    assert rows(conn, waiting) == [
        ("acc-1", "w3", "history without sender"),
        ("acc-2", "w1", "history without sender"),
    ]
    # The same deliveries again, and one whose placeholder comes last.
    take(conn, *payloads, thread(ANA, of(SHOP, "w3", NOON + 2, **PLACEHOLDER)))
    assert {(row[0], row[4]) for row in stored(conn)} == {("w1", "image"), ("w2", "text"), ("w3", "image")}
    assert {row[:2] for row in rows(conn, waiting)} == {("acc-2", "w1")}


def test_a_copy_whose_user_id_is_the_business_completes_its_placeholder(conn: Connection) -> None:
    copy = {"user_id": SHOP, "id": "w1", "timestamp": str(NOON), **IMAGE}
    payloads = [thread(ANA, of(SHOP, "w1", **PLACEHOLDER)), change("history", messages=[copy])]
    found = in_every_order(conn, payloads)
    assert found == [("w1", ANA, "assistant", "history", "image", "[image: tela quebrada]")]
    assert rows(conn, "SELECT kind FROM webhook_events") == []


@pytest.mark.parametrize("raw", ["{}", "[]", '{"from": "554133330000", "id": "w1", "to": "5541988880106"}'])
def test_an_event_that_is_no_copy_is_kept(conn: Connection, raw: str) -> None:
    take(conn, change("history", messages=[of(SHOP, "w1", **IMAGE)]))
    conn.execute("UPDATE webhook_events SET raw_json = %s", (raw,))
    take(conn, thread(ANA, of(SHOP, "w1", **PLACEHOLDER)))
    assert one(conn, "SELECT type FROM conversation_messages") == "media_placeholder"
    assert rows(conn, "SELECT provider_id, raw_json::text FROM webhook_events") == [("w1", raw)]


def test_a_thread_named_by_the_business_joins_no_customers(conn: Connection) -> None:
    payloads = [thread(SHOP, of(person, f"w-{person}", **IMAGE)) for person in (ANA, BIA)]
    payloads.append(thread(SHOP, of(SHOP, "w1", to=ANA, **IMAGE)))
    found = in_every_order(conn, payloads)
    assert {(row[0], row[1]) for row in found} == {(f"w-{ANA}", ANA), (f"w-{BIA}", BIA), ("w1", ANA)}
    named = rows(conn, "SELECT value FROM conversation_identities ORDER BY value")
    assert named == [(BIA,), (ANA,)]


def test_the_business_is_nobodys_customer(conn: Connection) -> None:
    """A message from the business's own number in an ordinary change is staff's, like an echo."""
    take(
        conn,
        change(messages=[of(SHOP, "w1", to=ANA, type="text", text={"body": "pronto"})]),
        change(messages=[of(SHOP, "w2", type="text", text={"body": "para ninguém"})]),
        change(
            "smb_message_echoes",
            message_echoes=[of(SHOP, "w3", to=SHOP, type="text", text={"body": "a mim"})],
        ),
        ask_assistant=True,
    )
    assert stored(conn) == [("w1", ANA, "assistant", "echo", "text", "pronto")]
    assert rows(conn, "SELECT kind FROM webhook_events ORDER BY id") == [
        ("echo without sender",),
        ("echo to the business itself",),
    ]
    assert one(conn, "SELECT count(*) FROM leads") == 0


def test_an_echo_that_went_the_other_way_is_the_customers(conn: Connection) -> None:
    edited = {"original_message_id": "w1", "message": {"type": "text", "text": {"body": "dia 13"}}}
    take(
        conn,
        change(messages=[text("w1", "dia 12", sender=ANA)]),
        change("smb_message_echoes", message_echoes=[of(ANA, "w2", to=SHOP, type="edit", edit=edited)]),
        ask_assistant=True,
    )
    assert one(conn, "SELECT text FROM conversation_messages WHERE provider_id = 'w1'") == "dia 13"
    assert one(conn, "SELECT count(*) FROM conversations") == 1


def test_errors_of_a_change_say_what_its_only_message_lacks(conn: Connection) -> None:
    take(conn, change(messages=[of(ANA, "w1", type="interactive")], errors=ERRORS))
    take(conn, change(messages=[text("w2", "oi", sender=ANA)], errors=ERRORS))
    assert rows(conn, "SELECT text FROM conversation_messages ORDER BY provider_id") == [
        ("[interactive: Tipo desconhecido — enquete não suportada]",),
        ("oi",),
    ]
    assert one(conn, "SELECT count(*) FROM webhook_events") == 2


def test_a_history_that_comes_twice_or_after_the_message_changes_nothing(conn: Connection) -> None:
    payloads = [
        change(messages=[text("w1", "oi", sender=ANA)], contacts=[contact(ANA, "Ana")]),
        thread(ANA, of(ANA, "w1", type="text", text={"body": "oi"})),
    ]
    assert in_every_order(conn, payloads) == [("w1", ANA, "user", "message", "text", "oi")]


def test_every_section_of_a_change_is_kept(conn: Connection) -> None:
    call = {"id": "wacid.1", "from": ANA, "to": SHOP, "event": "terminate", "timestamp": str(NOON)}
    take(
        conn,
        change("calls", calls=[call], errors=[{"code": 138000, "title": "Call failed"}]),
        change(
            messages=[text("w1", "oi", sender=ANA)], new_section=[{"id": "1"}], contacts=[contact(ANA, "Ana")]
        ),
        change(
            "calls", calls=[call], statuses=[{"id": "wacid.1", "status": "RINGING", "timestamp": str(NOON)}]
        ),
        change(messages=[text("w2", "oi", sender=ANA)], statuses=[{"id": "w0", "status": "read"}], flag="x"),
    )
    kept = rows(conn, "SELECT kind, raw_json::text FROM webhook_events ORDER BY id")
    assert [kind for kind, _ in kept] == [
        "error",
        "section calls",
        "section new_section",
        "section calls",
        "section flag",
    ]
    assert json.loads(kept[1][1]) == call
    assert [row[0] for row in stored(conn)] == ["w1", "w2"]
    assert rows(conn, "SELECT provider_id, status FROM message_statuses ORDER BY 1") == [
        ("w0", "read"),
        ("wacid.1", "ringing"),
    ]


def by_id(wamid: str, body: str, at: int = NOON, **names: str) -> dict[str, Any]:
    return {"id": wamid, "timestamp": str(at), "type": "text", "text": {"body": body}, **names}


def test_a_parent_id_names_the_same_person(conn: Connection) -> None:
    payloads = [
        change(
            messages=[by_id("w1", "oi", from_user_id="BR.8004")],
            contacts=[{"user_id": "BR.8004", "profile": {"name": "Nilo"}}],
        ),
        change(
            messages=[
                by_id("w2", "de novo", NOON + 1, from_user_id="BR.ENT.8004x", from_parent_user_id="BR.8004")
            ],
            contacts=[{"user_id": "BR.ENT.8004x", "parent_user_id": "BR.8004", "profile": {"name": "Nilo"}}],
        ),
    ]
    assert len({row[1] for row in in_every_order(conn, payloads)}) == 1
    clear(conn)
    # The parent stands in the contact alone.
    payloads[1]["entry"][0]["changes"][0]["value"]["messages"][0].pop("from_parent_user_id")
    assert len({row[1] for row in in_every_order(conn, payloads)}) == 1


@pytest.mark.parametrize(
    "update",
    [
        {"wa_id": ANA, "user_id": {"previous": "BR.1", "current": "BR.2"}, "timestamp": str(NOON + 1)},
        {
            "user_id": {"previous": "BR.1", "current": "BR.2"},
            "parent_user_id": {"previous": "BR.ENT.1", "current": "BR.ENT.2"},
        },
        {"previous_user_id": "BR.1", "current_user_id": "BR.2", "detail": "Ana changed her id"},
    ],
)
def test_a_new_user_id_is_the_same_person(conn: Connection, update: Any) -> None:
    payloads = [
        change(messages=[by_id("w1", "oi", from_user_id="BR.1")]),
        change("user_id_update", user_id_update=[update]),
        change(messages=[by_id("w3", "de novo", NOON + 2, from_user_id="BR.2")]),
    ]
    found = in_every_order(conn, payloads)
    assert one(conn, "SELECT count(*) FROM conversations") == 1
    assert [(row[2], row[4]) for row in found if row[2] == "system"] == [("system", "user_id_update")]
    # The same notice again is the same notice.
    take(conn, payloads[1])
    assert one(conn, "SELECT count(*) FROM conversation_messages") == 3
    newest = {"BR.2", "BR.ENT.2"} if "wa_id" not in update else {ANA}
    assert one(conn, "SELECT external_id FROM conversations") in newest


def system(old: str, new: str, **more: str) -> dict[str, Any]:
    words = {"body": f"User changed from {BIA} to {BIA_NEW}", "type": "user_changed_number", **more}
    return of(old, "w2", NOON + 1, type="system", system={**words, "wa_id": new})


@pytest.mark.parametrize(
    "notice",
    [
        system(BIA, BIA_NEW),
        system(BIA_NEW, BIA_NEW),
        system(BIA_NEW, BIA_NEW, customer=BIA),
        system(BIA, ""),
        system(BIA[:4] + BIA[5:], "", body=f"O cliente mudou de {BIA} para {BIA_NEW}."),
    ],
)
def test_a_changed_number_is_one_person_with_one_lead(conn: Connection, tmp_path: Path, notice: Any) -> None:
    payloads = [
        change(messages=[text("w1", "oi", sender=BIA)], contacts=[contact(BIA, "Bia")]),
        change(messages=[notice]),
        change(
            messages=[text("w3", "número novo", sender=BIA_NEW, at=NOON + 2)],
            contacts=[contact(BIA_NEW, "Bia")],
        ),
    ]
    found = in_every_order(conn, payloads, ask_assistant=True)
    assert [(row[0], row[1], row[2]) for row in found] == [
        ("w1", BIA_NEW, "user"),
        ("w2", BIA_NEW, "system"),
        ("w3", BIA_NEW, "user"),
    ]
    assert rows(conn, "SELECT wa_id FROM leads") == [(BIA,)]
    conn.execute("INSERT INTO contatos (id, nome) VALUES (9, 'Bia') ON CONFLICT DO NOTHING")
    conn.execute("INSERT INTO contact_phones VALUES (9, 'celular', 1, '4177770103', 'mobile', true, NULL)")
    process(conn)
    erase_contact(conn, 9, tmp_path)
    assert BIA[4:] not in str(rows(conn, "SELECT convert_from(body, 'UTF8') FROM webhook_inbox"))
    assert one(conn, "SELECT count(*) FROM leads") == one(conn, "SELECT count(*) FROM conversations") == 0


@pytest.mark.parametrize(
    ("sender", "fields"),
    [
        ({"from_user_id": "BR.1"}, {"user_id": "BR.2"}),
        ({"from_user_id": "BR.1"}, {"parent_user_id": "BR.ENT.2"}),
        ({"from_user_id": "BR.2"}, {"user_id": "BR.2", "previous_user_id": "BR.1"}),
        ({"from_user_id": "BR.2"}, {"user_id": "BR.2", "body": "Nilo changed from BR.1 to BR.2"}),
        ({"from_user_id": "BR.1"}, {"body": "User Nilo changed from BR.1 to BR.ENT.2."}),
    ],
)
def test_a_notice_of_a_new_user_id_is_the_same_person(
    conn: Connection, sender: dict[str, str], fields: dict[str, str]
) -> None:
    new = "BR.ENT.2" if "BR.ENT.2" in str(fields) else "BR.2"
    notice = {"type": "user_changed_user_id", "body": "Nilo changed", **fields}
    payloads = [
        change(messages=[by_id("w1", "oi", from_user_id="BR.1")]),
        change(
            messages=[{"id": "w2", "timestamp": str(NOON + 1), "type": "system", "system": notice, **sender}]
        ),
        change(messages=[by_id("w3", "de novo", NOON + 2, from_user_id=new)]),
    ]
    assert {row[1] for row in in_every_order(conn, payloads)} == {new}


def test_a_notice_of_a_new_security_code_changes_no_number(conn: Connection) -> None:
    words = {"type": "customer_identity_changed", "body": f"{BIA} changed to {BIA_NEW}", "identity": "x"}
    take(conn, change(messages=[of(BIA, "w1", type="system", system=words)]))
    assert rows(conn, "SELECT value FROM conversation_identities") == [(BIA,)]


def test_a_number_that_changed_in_the_history_is_one_person(conn: Connection) -> None:
    notice = {**system(BIA, BIA_NEW), "id": "w2"}
    payloads = [
        change(
            "history",
            history=[{"threads": [{"id": BIA, "messages": [text("w1", "oi", sender=BIA), notice]}]}],
        ),
        change(
            messages=[text("w3", "número novo", sender=BIA_NEW, at=NOON + 2)],
            contacts=[contact(BIA_NEW, "Bia")],
        ),
    ]
    assert [row[:3] for row in in_every_order(conn, payloads)] == [
        ("w1", BIA_NEW, "user"),
        ("w2", BIA_NEW, "system"),
        ("w3", BIA_NEW, "user"),
    ]


@pytest.mark.parametrize("server", ["@s.whatsapp.net", ":12@s.whatsapp.net", "@c.us"])
def test_a_number_with_its_server_is_the_number(conn: Connection, server: str) -> None:
    payloads = [
        change(messages=[text("w1", "oi", sender=f"{BIA}{server}")]),
        change(messages=[text("w2", "de novo", sender=BIA, at=NOON + 1)]),
    ]
    assert {row[1] for row in in_every_order(conn, payloads)} == {BIA}
    keys = one(conn, "SELECT array_agg(DISTINCT phone_key) FROM conversation_identities")
    assert keys == [BIA[2:4] + BIA[-8:]]


@pytest.mark.parametrize("sender", ["246998877665544", "24699887766554", "246998877665544@lid"])
def test_a_lid_is_a_person_without_a_number(conn: Connection, sender: str) -> None:
    take(conn, change(messages=[text("w1", "oi", sender=sender)], contacts=[contact(sender, "Nilo")]))
    assert one(conn, "SELECT external_id, profile_name FROM conversations") == (sender, "Nilo")
    assert one(conn, "SELECT count(*) FROM leads") == 0
    assert rows(conn, "SELECT phone_key FROM conversation_identities WHERE phone_key IS NOT NULL") == []


def test_back_to_the_old_number(conn: Connection) -> None:
    payloads = [
        change(messages=[{**system(BIA, BIA_NEW), "id": "w1"}]),
        change(messages=[{**system(BIA_NEW, BIA), "id": "w2", "timestamp": str(NOON + 9)}]),
    ]
    assert {row[1] for row in in_every_order(conn, payloads)} == {BIA}


ITEM = {"product_retailer_id": "p1", "quantity": 2, "item_price": 50, "currency": "BRL"}
ERRORS = [{"code": 131051, "title": "Tipo desconhecido", "error_data": {"details": "enquete não suportada"}}]
FLOW = '{"aparelho":"notebook","defeito":["tela","bateria"],"flow_token":"x"}'
CARD: dict[str, Any] = {
    "name": {"formatted_name": "Hugo Lima"},
    "phones": [{"phone": "+55 41 98888-0199", "wa_id": HUGO}],
}


@pytest.mark.parametrize(
    ("message", "expected", "words"),
    [
        (
            {"type": "order", "order": {"text": "quero este", "product_items": [ITEM]}},
            "[order: quero este — 2 × p1, 50 BRL]",
            "quero",
        ),
        ({"type": "order", "order": {"product_items": [ITEM, 7]}}, "[order: 2 × p1, 50 BRL; 2 items]", "p1"),
        ({"type": "contacts", "contacts": [CARD]}, "[contacts: Hugo Lima +55 41 98888-0199]", "hugo"),
        (
            {
                "type": "contacts",
                "contacts": [
                    {"name": {"first_name": "Rosa", "last_name": "Dias"}, "org": {"company": "Oficina Sul"}}
                ],
            },
            "[contacts: Rosa Dias Oficina Sul]",
            "oficina",
        ),
        (
            {
                "type": "interactive",
                "interactive": {
                    "type": "nfm_reply",
                    "nfm_reply": {"body": "Sent", "name": "flow", "response_json": FLOW},
                },
            },
            "[interactive: aparelho: notebook; defeito: tela, bateria]",
            "bateria",
        ),
        (
            {
                "type": "interactive",
                "interactive": {"nfm_reply": {"response_json": "quero orçamento", "body": "Sent"}},
            },
            "[interactive: quero orçamento]",
            "orçamento",
        ),
        (
            {
                "type": "interactive",
                "interactive": {"type": "nfm_reply", "nfm_reply": {"response_json": "{}", "body": "Sent"}},
            },
            "[interactive: Sent]",
            "sent",
        ),
        (
            {
                "type": "interactive",
                "interactive": {
                    "type": "list_reply",
                    "list_reply": {"id": "1", "title": "Troca de tela", "description": "pronta no mesmo dia"},
                },
            },
            "[interactive: Troca de tela — pronta no mesmo dia]",
            "pronta",
        ),
        (
            {
                "type": "interactive",
                "interactive": {
                    "type": "call_permission_reply",
                    "call_permission_reply": {"response": "accept"},
                },
            },
            "[interactive: call permission accept]",
            "accept",
        ),
        (
            {
                "type": "interactive",
                "interactive": {
                    "type": "button",
                    "body": {"text": "Aprova o orçamento?"},
                    "action": {"buttons": [{"reply": {"title": "Aprovo"}}]},
                },
            },
            "[interactive: Aprova o orçamento? — Aprovo]",
            "aprovo",
        ),
        (
            {"type": "unsupported", "errors": ERRORS},
            "[unsupported: Tipo desconhecido — enquete não suportada]",
            "enquete",
        ),
        (
            {"type": "unsupported", "unsupported": {"type": "poll"}, "errors": ERRORS[:1]},
            "[unsupported: poll: Tipo desconhecido — enquete não suportada]",
            "desconhecido",
        ),
        (
            {
                "type": "poll_creation",
                "poll_creation": {"question": "Qual dia?", "options": [{"option_name": "Segunda"}]},
            },
            "[poll_creation: Qual dia? — Segunda]",
            "segunda",
        ),
        (
            {
                "type": "text",
                "text": {"body": "vi o anúncio"},
                "referral": {
                    "source_type": "ad",
                    "source_id": "12",
                    "source_url": "https://example.org/a",
                    "headline": "Conserto em 1 hora",
                    "body": "Telas",
                },
            },
            "vi o anúncio\n[referral: Conserto em 1 hora — Telas — ad — https://example.org/a]",
            "conserto",
        ),
        (
            {
                "type": "text",
                "text": {"body": "tem este?"},
                "context": {"referred_product": {"catalog_id": "1", "product_retailer_id": "bateria-x"}},
            },
            "tem este?\n[product: bateria-x]",
            "bateria",
        ),
        (
            {"type": "poll_vote", "poll_vote": {"poll_id": "7", "mime_type": "x", "options": ["Segunda"]}},
            "[poll_vote: options: Segunda]",
            "segunda",
        ),
        (
            {"type": "contacts", "contacts": CARD},
            "[contacts: Hugo Lima +55 41 98888-0199]",
            "hugo",
        ),
        (
            {
                "type": "interactive",
                "interactive": {"type": "payment_method", "payment_method": {"method": "pix", "total": 350}},
            },
            "[interactive: method: pix; total: 350]",
            "pix",
        ),
        (
            {
                "type": "template",
                "template": {
                    "name": "aviso",
                    "components": [
                        {"type": "body", "parameters": [{"type": "text", "text": "Pronto para retirada"}]}
                    ],
                },
            },
            "[template: aviso — Pronto para retirada]",
            "retirada",
        ),
    ],
)
def test_words_are_text(conn: Connection, message: Any, expected: str, words: str) -> None:
    take(conn, change(messages=[of(ANA, "w1", **message)], contacts=[contact(ANA, "Caio")]))
    assert one(conn, "SELECT text FROM conversation_messages") == expected
    assert [hit.source for hit in search_messages(conn, SearchQuery(words))] == ["webhook"]


def test_why_a_message_failed_is_readable(conn: Connection) -> None:
    take(conn, change(statuses=[{"id": "w1", "status": "failed", "timestamp": str(NOON), "errors": ERRORS}]))
    assert one(conn, "SELECT reason FROM message_statuses") == "Tipo desconhecido — enquete não suportada"


@pytest.mark.parametrize("is_first", [True, False])
def test_a_copy_of_a_receipt_completes_its_reason(conn: Connection, is_first: bool) -> None:
    bare = {"id": "w1", "status": "failed", "timestamp": str(NOON)}
    full = bare | {"errors": [{"title": "Message undeliverable"}]}
    for status in (full, bare) if is_first else (bare, full):
        take(conn, change(statuses=[status]))
    assert rows(conn, "SELECT reason FROM message_statuses") == [("Message undeliverable",)]


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("are_together", [True, False])
def test_a_copy_of_a_message_completes_its_status(
    conn: Connection, is_first: bool, are_together: bool
) -> None:
    placeholder, picture = (
        thread(ANA, of(ANA, "w1", **PLACEHOLDER)),
        change("history", messages=[of(ANA, "w1", **IMAGE)]),
    )
    payloads = [placeholder, picture] if is_first else [picture, placeholder]
    for batch in [payloads] if are_together else [[payload] for payload in payloads]:
        take(conn, *batch)
    assert rows(conn, "SELECT type, status FROM conversation_messages") == [("image", "read")]


def test_a_shared_card_goes_with_the_person_it_shows(conn: Connection, tmp_path: Path) -> None:
    other = {"name": {"formatted_name": "Rosa Dias"}, "phones": [{"phone": "+55 41 98888-0198"}]}
    take(
        conn,
        change(
            messages=[of(ANA, "w1", type="contacts", contacts=[CARD, other])], contacts=[contact(ANA, "Ana")]
        ),
        change(
            "smb_app_state_sync",
            state_sync=[
                {
                    "type": "contact",
                    "contact": {"full_name": "Hugo Lima", "phone_number": HUGO},
                    "action": "add",
                },
                {"type": "contact", "contact": {"full_name": "Ana", "phone_number": ANA}, "action": "add"},
            ],
        ),
    )
    conn.execute("INSERT INTO contatos (id, nome) VALUES (5, 'Hugo') ON CONFLICT DO NOTHING")
    conn.execute("INSERT INTO contact_phones VALUES (5, 'celular', 1, '4188880199', 'mobile', true, NULL)")
    erase_contact(conn, 5, tmp_path)
    assert one(conn, "SELECT text FROM conversation_messages") == "[contacts: Rosa Dias +55 41 98888-0198]"
    left = str(
        rows(
            conn,
            "SELECT raw_json::text FROM conversation_messages"
            " UNION ALL SELECT raw_json::text FROM webhook_events"
            " UNION ALL SELECT convert_from(body, 'UTF8') FROM webhook_inbox",
        )
    )
    assert "Hugo" not in left
    assert "Rosa" in left


GROUP = "120363000000000000@g.us"


def test_a_group_names_its_senders_and_counts_each_receipt(conn: Connection, tmp_path: Path) -> None:
    def receipt(number: str) -> dict[str, Any]:
        return {
            "id": "w9",
            "status": "read",
            "timestamp": str(NOON),
            "recipient_id": GROUP,
            "recipient_type": "group",
            "recipient_participant_id": number,
        }

    payloads = [
        change(
            messages=[text("w1", "oi", sender=ANA, group_id=GROUP)],
            contacts=[contact(ANA, "Ana")],
            statuses=[receipt(ANA), receipt(BIA)],
        ),
        change(
            messages=[text("w2", "olá", sender=BIA, group_id=GROUP, at=NOON + 1)],
            contacts=[contact(BIA, "Bia")],
        ),
    ]
    in_every_order(conn, payloads)
    assert rows(conn, "SELECT sender_id, sender_name FROM conversation_messages ORDER BY sent_at") == [
        (ANA, "Ana"),
        (BIA, "Bia"),
    ]
    assert rows(conn, "SELECT external_id, is_group, profile_name FROM conversations") == [
        (GROUP, True, None)
    ]
    assert len(rows(conn, "SELECT FROM message_statuses")) == 2
    conn.execute("INSERT INTO contatos (id, nome) VALUES (6, 'Ana') ON CONFLICT DO NOTHING")
    conn.execute("INSERT INTO contact_phones VALUES (6, 'celular', 1, '4188880106', 'mobile', true, NULL)")
    erase_contact(conn, 6, tmp_path)
    assert rows(conn, "SELECT sender_name FROM conversation_messages") == [("Bia",)]
    assert rows(conn, "SELECT participant FROM message_statuses") == [(f"wa:{BIA[:4]}{BIA[5:]}",)]


def test_a_name_stays_when_from_and_wa_id_differ(conn: Connection) -> None:
    take(
        conn,
        change(
            messages=[text("w1", "hola", sender="5215550000000")], contacts=[contact("525550000000", "Luz")]
        ),
    )
    assert one(conn, "SELECT profile_name FROM conversations") == "Luz"
    take(conn, change(messages=[text("w2", "hola", sender="525550000000", at=NOON + 1)]))
    assert one(conn, "SELECT count(*) FROM conversations") == 1
