"""The table of webhook fields and types in the guide is what the reader does, row by row."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from whatsapp_pipeline.domain.conversations import DeliveredMessage, Status, read_delivery
from whatsapp_pipeline.domain.webhook_json import loads
from whatsapp_pipeline.domain.webhook_message_types import KNOWN_TYPES
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline_tests.webhook.deliveries import NOON, RECEIVED, delivery

SHOP, ANA = "554133330000", "5541988880106"
METADATA = {"phone_number_id": "acc-1", "display_phone_number": SHOP}


def of(sender: str = ANA, **more: Any) -> dict[str, Any]:
    return {"from": sender, "id": "w1", "timestamp": str(NOON), **more}


def message(kind: str, content: Any = None, **more: Any) -> dict[str, Any]:
    fields = {kind: content} if content is not None else {}
    return change("messages", messages=[of(type=kind, **fields, **more)])


def change(field: str, **value: Any) -> dict[str, Any]:
    return delivery(field=field, metadata=METADATA, **value)


def interactive(kind: str, **reply: Any) -> dict[str, Any]:
    return message("interactive", {"type": kind, kind: reply})


ERRORS = [{"code": 131051, "title": "Tipo desconhecido", "error_data": {"details": "não suportado"}}]
CARD = {"name": {"formatted_name": "Rosa"}, "phones": [{"phone": "+55 41 98888-0198"}]}
ITEM = {"product_retailer_id": "p1", "quantity": 2, "item_price": 50, "currency": "BRL"}
RESPONSE = '{"aparelho": "notebook", "flow_token": "x"}'
SAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    ("messages", "text"): message("text", {"body": "oi"}),
    ("messages", "text with referral"): message(
        "text", {"body": "oi"}, referral={"headline": "Telas", "source_url": "https://example.org"}
    ),
    ("messages", "text about a product"): message(
        "text", {"body": "oi"}, context={"referred_product": {"product_retailer_id": "p1"}}
    ),
    ("messages", "button"): message("button", {"text": "Sim", "payload": "YES"}),
    ("messages", "image"): message("image", {"id": "1", "caption": "a tela"}),
    ("messages", "video"): message("video", {"id": "1", "caption": "o barulho"}),
    ("messages", "audio"): message("audio", {"id": "1", "voice": True}),
    ("messages", "document"): message("document", {"filename": "nota.pdf", "caption": "a nota"}),
    ("messages", "sticker"): message("sticker", {"id": "1"}),
    ("messages", "location"): message("location", {"latitude": -25.4, "longitude": -49.3}),
    ("messages", "contacts"): message("contacts", [CARD]),
    ("messages", "interactive: button_reply"): interactive("button_reply", id="1", title="Aprovo"),
    ("messages", "interactive: list_reply"): interactive("list_reply", title="Tela", description="no dia"),
    ("messages", "interactive: nfm_reply"): interactive("nfm_reply", response_json=RESPONSE, body="Sent"),
    ("messages", "interactive: call_permission_reply"): interactive(
        "call_permission_reply", response="accept"
    ),
    ("messages", "reaction"): message("reaction", {"message_id": "w0", "emoji": "👍"}),
    ("messages", "order"): message("order", {"text": "quero", "product_items": [ITEM]}),
    ("messages", "system"): message(
        "system", {"type": "user_changed_number", "wa_id": "5541977770103", "body": "mudou de número"}
    ),
    ("messages", "unsupported"): message("unsupported", errors=ERRORS),
    ("messages", "edit"): message(
        "edit", {"original_message_id": "w0", "message": {"type": "text", "text": {"body": "novo"}}}
    ),
    ("messages", "revoke"): message("revoke", {"original_message_id": "w0"}),
    ("messages", "request_welcome"): message("request_welcome"),
    ("messages", "any other"): message("poll", {"question": "Qual dia?"}),
    ("messages", "from the business's number"): change(
        "messages", messages=[of(SHOP, to=ANA, type="text", text={"body": "pronto"})]
    ),
    ("messages", "with group_id"): change(
        "messages", messages=[of(type="text", text={"body": "oi"}, group_id="g-1")]
    ),
    ("messages", "statuses"): change(
        "messages", statuses=[{"id": "w1", "status": "failed", "timestamp": str(NOON), "errors": ERRORS}]
    ),
    ("messages", "statuses of a payment"): change(
        "messages", statuses=[{"id": "w1", "type": "payment", "status": "failed", "timestamp": str(NOON)}]
    ),
    ("messages", "errors"): change("messages", errors=ERRORS),
    ("smb_message_echoes", "message_echoes"): change(
        "smb_message_echoes", message_echoes=[of(SHOP, to=ANA, type="text", text={"body": "pronto"})]
    ),
    ("history", "history, by the customer"): change(
        "history", history=[{"threads": [{"id": ANA, "messages": [of(type="text", text={"body": "oi"})]}]}]
    ),
    ("history", "history, by the business"): change(
        "history",
        history=[{"threads": [{"id": ANA, "messages": [of(SHOP, type="text", text={"body": "pronto"})]}]}],
    ),
    ("history", "media_placeholder"): change(
        "history", history=[{"threads": [{"id": ANA, "messages": [of(type="media_placeholder")]}]}]
    ),
    ("history", "messages"): change("history", messages=[of(type="image", image={"caption": "a tela"})]),
    ("history", "messages of the business, no recipient"): change(
        "history", messages=[of(SHOP, type="image", image={"caption": "a tela"})]
    ),
    ("history", "errors: not shared"): change("history", history=[{"errors": ERRORS}]),
    ("user_id_update", "user_id_update"): change(
        "user_id_update",
        user_id_update=[
            {"wa_id": ANA, "user_id": {"previous": "BR.1", "current": "BR.2"}, "detail": "new id"}
        ],
    ),
    ("user_preferences", "user_preferences"): change(
        "user_preferences",
        user_preferences=[
            {
                "wa_id": ANA,
                "detail": "no more marketing",
                "category": "marketing_messages",
                "value": "stop",
                "timestamp": NOON,
            }
        ],
    ),
    ("calls", "calls"): change("calls", calls=[{"id": "wacid.1", "from": ANA, "event": "connect"}]),
    ("calls", "calls beside errors"): change("calls", calls=[{"id": "wacid.1"}], errors=ERRORS),
    ("calls", "statuses of a call"): change(
        "calls", statuses=[{"id": "wacid.1", "type": "call", "status": "RINGING", "timestamp": str(NOON)}]
    ),
    ("group_lifecycle_update", "groups"): change(
        "group_lifecycle_update", groups=[{"type": "group_create", "group_id": "g-1", "subject": "Obra"}]
    ),
    ("group_participants_update", "groups"): change(
        "group_participants_update",
        groups=[{"type": "group_participants_add", "added_participants": [{"wa_id": ANA}]}],
    ),
    ("message_template_status_update", "a template's state"): change(
        "message_template_status_update", event="APPROVED", message_template_name="aviso"
    ),
    ("account_update", "the account's state"): change("account_update", event="ACCOUNT_RESTRICTION"),
    ("any other", "a part nobody knows"): change("smb_app_state_sync", state_sync=[{"type": "contact"}]),
}


def meaning(payload: Any) -> tuple[str, str]:
    """What becomes of a payload, and how it reads, in the words of the table."""
    becomes, reads = [], []
    for item in read_delivery(loads(json.dumps(payload).encode()), RECEIVED):
        match item:
            case DeliveredMessage(role=role, origin=origin, identities=identities, text=text):
                place = "group" if identities[0].kind == "group" else "conversation"
                becomes.append(f"message, {role}, {origin}, {place}")
                reads.append(text.replace("\n", " ⏎ "))
            case Status(reason=reason):
                becomes.append("message_statuses")
                reads.append(reason or "")
            case other:
                becomes.append(f"webhook_events, {other.kind}")
    return "; ".join(becomes), "; ".join(filter(None, reads))


def table() -> dict[tuple[str, str], tuple[str, str]]:
    """The rows of the guide's table."""
    text = (PROJECT_ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    section = text[text.index("## What each field means") :]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]*) \|$", section, flags=re.MULTILINE)
    cleaned = ([cell.strip().strip("`") for cell in row] for row in rows)
    return {
        (field, kind): (becomes, reads)
        for field, kind, becomes, reads in cleaned
        if field not in {"field", "---"}
    }


def test_the_table_has_every_row_that_is_tried_and_no_other() -> None:
    assert list(table()) == list(SAMPLES)


@pytest.mark.parametrize(("field", "kind"), SAMPLES)
def test_a_row_says_what_happens(field: str, kind: str) -> None:
    assert table()[field, kind] == meaning(SAMPLES[field, kind])


def test_every_known_type_has_a_row() -> None:
    named = {kind.split(":")[0] for field, kind in SAMPLES if field == "messages"}
    assert set(KNOWN_TYPES) <= named


def rows_for_the_guide() -> str:
    """Return the table's rows as the reader makes them.

    python -c "from whatsapp_pipeline_tests.webhook.test_meaning_table import *; print(rows_for_the_guide())"
    """
    lines = []
    for (field, kind), payload in SAMPLES.items():
        becomes, reads = meaning(payload)
        lines.append(f"| `{field}` | {kind} | {becomes} | {f'`{reads}`' if reads else ''} |")
    return "\n".join(lines)
