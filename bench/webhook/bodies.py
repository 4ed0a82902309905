"""Invented webhook deliveries, signed and unsigned, one message or many."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from collections.abc import Sequence
from typing import Any

from whatsapp_pipeline.sandbox.numbers import mobile, without_ninth_digit

ACCOUNT = "100000000000001"
SECRET = "invented-app-secret"
STATUSES = ("sent", "delivered", "read")


def sign(body: bytes, secret: str = SECRET) -> str:
    """Return the signature header that Meta would send with a body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def senders(rng: random.Random, count: int) -> list[str]:
    """Return wa_ids of invented mobiles, digits only."""
    return [f"55{mobile(rng)}" for _ in range(count)]


def message(number: int, sender: str, at: int, text: str = "") -> dict[str, Any]:
    return {
        "from": sender,
        "id": f"wamid.{number:09d}",
        "timestamp": str(at),
        "type": "text",
        "text": {"body": text or f"mensagem {number}"},
    }


def status(number: int, sender: str, at: int, name: str) -> dict[str, Any]:
    return {"id": f"wamid.{number:09d}", "status": name, "timestamp": str(at), "recipient_id": sender}


def delivery(
    messages: Sequence[dict[str, Any]], statuses: Sequence[dict[str, Any]] = (), account: str = ACCOUNT
) -> bytes:
    """Wrap items as Meta does, with a contact for each sender."""
    value: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "554130000000", "phone_number_id": account},
    }
    if messages:
        wa_ids = dict.fromkeys(m["from"] for m in messages if "from" in m)
        value["contacts"] = [{"profile": {"name": f"Cliente {w[-4:]}"}, "wa_id": w} for w in wa_ids]
        value["messages"] = list(messages)
    if statuses:
        value["statuses"] = list(statuses)
    change = {"field": "messages", "value": value}
    body = {"object": "whatsapp_business_account", "entry": [{"id": "200", "changes": [change]}]}
    return json.dumps(body).encode()


def regrouped(
    rng: random.Random,
    items: Sequence[dict[str, Any]],
    *,
    copies: tuple[int, int] = (2, 5),
    largest: int = 20,
) -> list[bytes]:
    """Send each item two to five times, shuffled, in deliveries of any size; some lose the ninth digit."""
    sent = [item for item in items for _ in range(rng.randint(*copies))]
    rng.shuffle(sent)
    bodies = []
    while sent:
        size = rng.randint(1, largest)
        group, sent = sent[:size], sent[size:]
        group = [_respelled(rng, item) for item in group]
        bodies.append(delivery([i for i in group if "status" not in i], [i for i in group if "status" in i]))
    return bodies


def _respelled(rng: random.Random, item: dict[str, Any]) -> dict[str, Any]:
    if "from" not in item or rng.random() < 0.5:
        return item
    return {**item, "from": "55" + without_ninth_digit(item["from"][2:])}
