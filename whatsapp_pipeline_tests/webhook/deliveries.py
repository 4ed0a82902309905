"""Deliveries and a shortest way from a body to the tables, for the tests."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from whatsapp_pipeline.steps.conversations.process_webhooks import ProcessOptions, ProcessReport, process_due
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations import inbox
from whatsapp_pipeline.store.operations.privacy_webhooks import Erased, erase_webhook_data, person_of_contact
from whatsapp_pipeline.webhook.privacy import drain_spool, rewrite_files

LOG = logging.getLogger(__name__)
RECEIVED = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NOON = int(RECEIVED.timestamp())
SENDER = "5541999990000"


def sign(body: bytes, secret: str) -> str:
    """Return the signature header that a sender with this secret gives."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def text(
    wamid: str | None, body: str, *, sender: str | None = SENDER, at: int | None = NOON, **more: Any
) -> dict[str, Any]:
    """A text message; what is None is left out."""
    fields = {"from": sender, "id": wamid, "timestamp": None if at is None else str(at), "type": "text"}
    return {k: v for k, v in fields.items() if v is not None} | {"text": {"body": body}} | more


def edit(wamid: str, original: str, body: str, *, at: int = NOON, sender: str = SENDER) -> dict[str, Any]:
    content = {"original_message_id": original, "message": {"type": "text", "text": {"body": body}}}
    return {"from": sender, "id": wamid, "timestamp": str(at), "type": "edit", "edit": content}


def revoke(wamid: str, original: str, *, at: int = NOON, sender: str = SENDER) -> dict[str, Any]:
    content = {"original_message_id": original}
    return {"from": sender, "id": wamid, "timestamp": str(at), "type": "revoke", "revoke": content}


def delivery(
    *messages: Any,
    account: str | None = "acc-1",
    contacts: list[Any] | None = None,
    field: str = "messages",
    **value: Any,
) -> dict[str, Any]:
    """One delivery with one change."""
    content: dict[str, Any] = {"metadata": {"phone_number_id": account}, **value}
    if messages:
        content["messages"] = list(messages)
    if contacts is not None:
        content["contacts"] = contacts
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": field, "value": content}]}],
    }


def status(wamid: str, name: str, *, at: int = NOON) -> dict[str, Any]:
    return {"id": wamid, "status": name, "timestamp": str(at), "recipient_id": SENDER}


def put(
    conn: Connection, *payloads: Any, received: datetime = RECEIVED, delivery_id: UUID | None = None
) -> None:
    """Put payloads (bytes as they are, anything else as JSON) into the inbox, as the drainer does."""
    bodies = [p if isinstance(p, bytes) else json.dumps(p).encode() for p in payloads]
    inbox.add_deliveries(conn, [(delivery_id or uuid4(), received, body) for body in bodies])


def process(conn: Connection, *, has_bad_item: bool = False, **options: Any) -> ProcessReport:
    """Process what is due, in one pass for each chunk.

    Only a chunk with a bad item may be stored again item by item: the second way hides what the first does
    wrong.
    """
    warnings = _Warnings()
    LOG.addHandler(warnings)
    try:
        report = process_due(conn, ProcessOptions(**options), log=LOG)
    finally:
        LOG.removeHandler(warnings)
    assert has_bad_item == any("storing them item by item" in text for text in warnings.texts), warnings.texts
    return report


class _Warnings(logging.Handler):
    """Keeps the texts of the warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def take(conn: Connection, *payloads: Any, received: datetime = RECEIVED, **options: Any) -> ProcessReport:
    """Put and process."""
    put(conn, *payloads, received=received)
    return process(conn, **options)


def rows(conn: Connection, statement: str, *parameters: Any) -> list[Any]:
    return conn.execute(statement, parameters).fetchall()


def one(conn: Connection, statement: str, *parameters: Any) -> Any:
    row = conn.execute(statement, parameters).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def texts(conn: Connection) -> list[str]:
    return [
        t
        for (t,) in rows(conn, "SELECT text FROM conversation_messages ORDER BY sent_at, inbox_id, position")
    ]


def clear(conn: Connection) -> None:
    """Empty every table of the webhook, between the cases of one database."""
    conn.execute(
        "TRUNCATE webhook_inbox, webhook_batches, conversations, conversation_messages, message_statuses,"
        " conversation_identities, webhook_events, leads, assistant_replies, whatsapp_accounts, tenants,"
        " contact_phones RESTART IDENTITY CASCADE"
    )


def state(conn: Connection) -> dict[str, list[Any]]:
    """Everything that a reader sees, without surrogate ids and clocks: what must not depend on order."""
    return {
        "conversations": rows(
            conn,
            "SELECT phone_number_id, external_id, profile_name, last_message_at FROM conversations"
            " ORDER BY 1, 2",
        ),
        "identities": rows(
            conn,
            "SELECT i.phone_number_id, i.value, i.canonical, c.external_id FROM conversation_identities i"
            " JOIN conversations c ON c.id = i.conversation_id ORDER BY 1, 2",
        ),
        "messages": rows(
            conn,
            "SELECT c.external_id, m.provider_id, m.role, m.text, m.type, m.status, m.sent_at,"
            " m.raw_json::text, m.original_text, m.edited_at, m.revoked_at"
            " FROM conversation_messages m JOIN conversations c ON c.id = m.conversation_id ORDER BY 1, 2",
        ),
        "statuses": rows(conn, "SELECT provider_id, status, status_time FROM message_statuses ORDER BY 1, 2"),
        "leads": rows(conn, "SELECT phone_number_id, canonical FROM leads ORDER BY 1, 2"),
    }


def shuffled_copies(payloads: Iterable[Any], seed: int) -> list[Any]:
    """Two to five copies of each, in any order."""
    import random

    rng = random.Random(seed)
    copies = [payload for payload in payloads for _ in range(rng.randint(2, 5))]
    rng.shuffle(copies)
    return copies


def erase_contact(conn: Connection, id_contato: int, spool_dir: Path) -> Erased:
    """Erase a contact from the webhook's tables and files, as an erasure does."""
    drain_spool(conn, spool_dir)
    person = person_of_contact(conn, id_contato)
    with conn.transaction():
        erased = erase_webhook_data(conn, person)
    rewrite_files(spool_dir, person.has_identity)
    return erased
