"""Deliveries of every kind on the whole way: posted in any order, drained, processed, found and shown."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from whatsapp_pipeline.store.chats.search import SearchQuery, search_messages
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.webhook.receiver import ReceiverConfig
from whatsapp_pipeline_tests.console.running import drop_roles, running_console, text_of
from whatsapp_pipeline_tests.webhook.deliveries import (
    NOON,
    clear,
    delivery,
    edit,
    one,
    process,
    revoke,
    rows,
    state,
    text,
)
from whatsapp_pipeline_tests.webhook.test_receiver import SECRET, post, running, wait_until

SHOP = "554133330000"
ANA, BIA, BIA_NEW, HUGO = "5541988880106", "5541988880103", "5541977770103", "5541988880199"
GROUP = "120363000000000000@g.us"
METADATA = {"phone_number_id": "acc-1", "display_phone_number": "+55 41 3333-0000"}


def change(field: str = "messages", **value: Any) -> dict[str, Any]:
    return delivery(field=field, **{"metadata": METADATA, **value})


def of(sender: str, wamid: str, minute: int, kind: str, content: Any = None, **more: Any) -> dict[str, Any]:
    said = {"from": sender, "id": wamid, "timestamp": str(NOON + 60 * minute), "type": kind, **more}
    return said | ({kind: content} if content is not None else {})


def thread(person: str, *messages: Any) -> dict[str, Any]:
    return change("history", history=[{"threads": [{"id": person, "messages": list(messages)}]}])


ERRORS = [{"code": 131026, "title": "Message undeliverable", "error_data": {"details": "fora da janela"}}]
CARD = {"name": {"formatted_name": "Hugo Lima"}, "phones": [{"phone": "+55 41 98888-0199", "wa_id": HUGO}]}
ITEM = {"product_retailer_id": "bateria-x", "quantity": 2, "item_price": 50, "currency": "BRL"}
ANSWERS = json.dumps({"aparelho": "impressora", "defeito": "engasgo"})

DELIVERIES = [
    # Coexistence: history of both sides, a placeholder and its picture, an echo.
    thread(
        ANA,
        of(ANA, "h1", 1, "text", {"body": "orçamento antigo"}),
        of(SHOP, "h2", 2, "text", {"body": "ficou pronto"}),
    ),
    thread(ANA, of(ANA, "h3", 3, "media_placeholder", history_context={"status": "READ"})),
    change("history", messages=[of(ANA, "h3", 3, "image", {"id": "7", "caption": "carcaça rachada"})]),
    change(
        "smb_message_echoes",
        message_echoes=[of(SHOP, "e1", 4, "text", {"body": "respondido do celular"}, to=ANA)],
    ),
    # Two sections in one change: a known one and one that nobody knows, and two known ones.
    change(messages=[of(ANA, "s1", 5, "text", {"body": "oi ventoinha"})], new_section=[{"id": "1"}]),
    change("calls", calls=[{"id": "wacid.1", "from": ANA, "event": "terminate"}], errors=ERRORS),
    # Words in other places than a text's body.
    change(messages=[of(ANA, "o1", 6, "order", {"text": "quero duas baterias", "product_items": [ITEM]})]),
    change(
        messages=[
            of(
                ANA,
                "f1",
                7,
                "interactive",
                {"type": "nfm_reply", "nfm_reply": {"response_json": ANSWERS, "body": "Sent"}},
            )
        ]
    ),
    change(messages=[of(ANA, "c1", 8, "contacts", [CARD])]),
    change(
        messages=[
            of(
                ANA,
                "r1",
                9,
                "text",
                {"body": "vi o anúncio"},
                referral={"headline": "Troca de telas", "source_url": "https://example.org"},
            )
        ]
    ),
    # A message taken back, and an edited one.
    change(messages=[text("t1", "frase arrependida", sender=ANA, at=NOON + 600)]),
    change(messages=[revoke("t2", "t1", sender=ANA, at=NOON + 601)]),
    change(messages=[text("t3", "entregar no sabado", sender=ANA, at=NOON + 660)]),
    change(messages=[edit("t4", "t3", "entregar no domingo", sender=ANA, at=NOON + 661)]),
    # What the business sent and nobody received.
    change(
        "smb_message_echoes",
        message_echoes=[of(SHOP, "e2", 12, "text", {"body": "aviso de retirada"}, to=ANA)],
    ),
    change(
        statuses=[
            {
                "id": "e2",
                "status": "failed",
                "timestamp": str(NOON + 721),
                "recipient_id": ANA,
                "errors": ERRORS,
            }
        ]
    ),
    # One person whose id and number change.
    change(
        messages=[of(BIA, "b1", 13, "text", {"body": "sou a bia"}, from_user_id="BR.1")],
        contacts=[{"wa_id": BIA, "user_id": "BR.1", "profile": {"name": "Bia"}}],
    ),
    change(
        "user_id_update",
        user_id_update=[
            {"wa_id": BIA, "user_id": {"previous": "BR.1", "current": "BR.2"}, "timestamp": str(NOON + 840)}
        ],
    ),
    change(
        messages=[
            {
                "from_user_id": "BR.2",
                "id": "b2",
                "timestamp": str(NOON + 900),
                "type": "text",
                "text": {"body": "agora com nome de usuário"},
            }
        ]
    ),
    change(
        messages=[
            of(
                BIA,
                "b3",
                16,
                "system",
                {"type": "user_changed_number", "wa_id": BIA_NEW, "body": "trocou de chip"},
            )
        ]
    ),
    # A group.
    change(
        messages=[of(ANA, "g1", 17, "text", {"body": "mensagem do condomínio"}, group_id=GROUP)],
        contacts=[{"wa_id": ANA, "profile": {"name": "Ana"}}],
    ),
]

# Words to search, and what the conversation shows of the message that has them.
WORDS = {
    "orçamento antigo": "orçamento antigo",
    "ficou pronto": "ficou pronto",
    "carcaça rachada": "Imagem não está no arquivo de conversas carcaça rachada",
    "respondido": "respondido do celular",
    "ventoinha": "oi ventoinha",
    "baterias": "Pedido do catálogo quero duas baterias — 2 × bateria-x, 50 BRL",
    "engasgo": "defeito: engasgo",
    "Hugo Lima": "Hugo Lima +55 41 98888-0199",
    "Troca de telas": "Veio do anúncio: Troca de telas — https://example.org",
    "domingo": "entregar no domingo",
    "retirada": "aviso de retirada",
    "nome de usuário": "agora com nome de usuário",
    "condomínio": "mensagem do condomínio",
}


@pytest.fixture(scope="module")
def outcome(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What the tables hold when the deliveries came in some orders; it is the same every time."""
    outcomes = []
    with connect(database_url) as conn:
        for seed in (None, 1, 2, 3):
            clear(conn)
            _post_all(conn, database_url, tmp_path_factory.mktemp("spool"), seed)
            outcomes.append(state(conn))
    for found in outcomes:
        for table, held in found.items():
            assert [row for row in held if row not in outcomes[0][table]] == []
    return outcomes[-1]


def _post_all(conn: Connection, url: str, folder: Path, seed: int | None) -> None:
    """Post the deliveries, in their order or in another, and process what the drainer takes of them."""
    payloads = list(DELIVERIES)
    if seed is not None:
        random.Random(seed).shuffle(payloads)
    with running(ReceiverConfig(folder / "spool", (SECRET,), "token"), url) as base:
        for at, payload in enumerate(payloads, start=1):
            assert post(base, json.dumps(payload).encode()).status_code == 200
            if seed == 1:  # each by itself
                _wait_for(conn, at)
                process(conn)
        _wait_for(conn, len(payloads))
    process(conn)
    assert rows(conn, "SELECT status FROM webhook_inbox WHERE status <> 'done'") == []


def _wait_for(conn: Connection, count: int) -> None:
    wait_until(lambda: bool(one(conn, "SELECT count(*) FROM webhook_inbox") == count))


def test_every_order_of_arrival_gives_the_same_people(outcome: dict[str, list[Any]]) -> None:
    names = sorted(row[1] for row in outcome["conversations"])
    assert names == sorted([ANA, BIA_NEW, GROUP])
    assert {row[1]: row[3] for row in outcome["identities"] if row[1] in ("BR.1", "BR.2", BIA)} == {
        "BR.1": BIA_NEW,
        "BR.2": BIA_NEW,
        BIA: BIA_NEW,
    }


def test_roles_and_origins(conn: Connection, outcome: dict[str, list[Any]]) -> None:
    found = {
        wamid: (role, origin)
        for wamid, role, origin in rows(conn, "SELECT provider_id, role, origin FROM conversation_messages")
    }
    assert {found[wamid] for wamid in ("h1", "h3")} == {("user", "history")}
    assert found["h2"] == ("assistant", "history")
    assert {found[wamid] for wamid in ("e1", "e2")} == {("assistant", "echo")}
    kinds = {kind for (kind,) in rows(conn, "SELECT kind FROM webhook_events")}
    assert kinds >= {"error", "section new_section", "section calls"}


@pytest.mark.parametrize("words", WORDS)
def test_words_are_found(conn: Connection, outcome: dict[str, list[Any]], words: str) -> None:
    hits = search_messages(conn, SearchQuery(words, mark_start="", mark_end=""))
    assert [hit for hit in hits if words.split(maxsplit=1)[0].casefold() in hit.snippet.casefold()]


def test_what_was_taken_back_or_replaced_is_not_found(
    conn: Connection, outcome: dict[str, list[Any]]
) -> None:
    for words in ("arrependida", "sabado"):
        assert list(search_messages(conn, SearchQuery(words))) == []


def test_the_console_shows_it_all(conn: Connection, database_url: str, outcome: dict[str, list[Any]]) -> None:
    first = dict(rows(conn, "SELECT conversation_id, min(id) FROM conversation_messages GROUP BY 1"))
    with running_console(database_url) as console, console.client("analyst") as analyst:
        pages = []
        for message in first.values():
            moved = analyst.get(f"/messages/webhook:{message}")
            pages.append(text_of(analyst.get(moved.headers["location"]).text))
    drop_roles(database_url)
    shown = "\n".join(pages)
    for words in WORDS.values():
        assert words in shown
    assert "frase arrependida" not in shown
    assert "Mensagem apagada" in shown
    assert "falhou: Message undeliverable — fora da janela" in shown
