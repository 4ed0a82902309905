"""One contact out of everything, and nobody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations.privacy_webhooks import cleaned_body, person_of_contact
from whatsapp_pipeline.webhook import quarantine, records, spool
from whatsapp_pipeline.webhook.drainer import CORRUPT
from whatsapp_pipeline.webhook.privacy import drain_spool, export_webhooks
from whatsapp_pipeline.webhook.quarantine import quarantine_directory
from whatsapp_pipeline_tests.webhook.deliveries import (
    SENDER,
    clear,
    delivery,
    erase_contact,
    process,
    put,
    rows,
    status,
    take,
    text,
    texts,
)

OTHER = "5541988880000"


@pytest.fixture
def spool_dir(conn: Connection, tmp_path: Path) -> Iterator[Path]:
    conn.execute("INSERT INTO contatos (id, nome) VALUES (7, 'Ana') ON CONFLICT DO NOTHING")
    conn.execute("INSERT INTO contact_phones VALUES (7, 'celular', 1, '4199990000', 'mobile', true, NULL)")
    yield tmp_path / "spool"
    clear(conn)


def export_contact(conn: Connection, id_contato: int, spool_dir: Path) -> dict[str, Any]:
    drain_spool(conn, spool_dir)
    return export_webhooks(conn, person_of_contact(conn, id_contato), spool_dir)


def everything(conn: Connection, spool_dir: Path) -> str:
    """All that is kept, as one text."""
    found = [
        str(rows(conn, f"SELECT x::text FROM {table} x"))
        for table in (
            "conversations",
            "conversation_identities",
            "conversation_messages",
            "message_statuses",
            "leads",
            "webhook_events",
        )
    ]
    found += [
        bytes(b).decode() for (b,) in rows(conn, "SELECT body FROM webhook_inbox WHERE body IS NOT NULL")
    ]
    found += [p.read_bytes().decode(errors="replace") for p in spool_dir.rglob("*") if p.is_file()]
    return "\n".join(found)


def test_a_contact_is_erased_everywhere_and_others_stay(conn: Connection, spool_dir: Path) -> None:
    both = delivery(
        text("w1", "da Ana", sender="554199990000"),
        text("w2", "do outro", sender=OTHER),
        contacts=[{"wa_id": SENDER, "user_id": "BR.7", "profile": {"name": "Ana"}}],
        statuses=[status("w9", "read")],
    )
    take(conn, both, delivery(text("w3", "por nome", sender=None, from_user_id="BR.7")))
    put(conn, delivery(text("w4", "parada", account="x"), account="parked"), both)
    process(conn, multitenant=True)

    async def spool_one() -> None:
        writer = spool.SpoolWriter(spool_dir)
        await writer.append(json.dumps(delivery(text("w5", "no spool"))).encode())
        writer.close()

    asyncio.run(spool_one())
    quarantine.Quarantine(quarantine_directory(spool_dir)).keep(json.dumps(both).encode())
    (spool_dir / CORRUPT).mkdir()
    (spool_dir / CORRUPT / "1.seg").write_bytes(b"junk" + records.encode_record(json.dumps(both).encode()))

    exported = export_contact(conn, 7, spool_dir)
    assert {m["text"] for m in exported["conversation_messages"]} == {"da Ana", "por nome"}
    held = " ".join(item["raw_json"] for item in exported["webhook_inbox"])
    assert "parada" in held
    assert "no spool" in held
    assert "outro" not in json.dumps(exported)

    erased = erase_contact(conn, 7, spool_dir)
    assert (erased.conversations, erased.messages) == (1, 2)
    left = everything(conn, spool_dir)
    for trace in ("99990000", "BR.7", "da Ana", "por nome", "parada", "no spool"):
        assert trace not in left
    assert "do outro" in left
    assert quarantine.count_bodies(quarantine_directory(spool_dir)) == 1

    process(conn)  # what waits is still processed, without the person, and doubles nothing
    assert texts(conn) == ["do outro"]


def test_a_body_nobody_can_read_is_emptied_when_it_names_the_person(
    conn: Connection, spool_dir: Path
) -> None:
    take(conn, b'{"broken 554199990000', b'{"broken 554188880000')
    erase_contact(conn, 7, spool_dir)
    assert [bytes(b) for (b,) in rows(conn, "SELECT body FROM webhook_inbox ORDER BY id")] == [
        b"{}",
        b'{"broken 554188880000',
    ]


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "\\u0039\\u0039\\u0039\\u0039-0000" ',
        '{"a": "99999-0000" '.encode("utf-16"),
        b"fone=99999%200000",
        b'{"a": "99999\\n0000" ',
        b'{"a": "99999\\ud83d\\udcde0000" ',
    ],
    ids=["escapes", "utf-16", "form", "lines", "picture"],
)
def test_a_body_that_is_not_json_is_emptied_in_any_encoding(body: bytes) -> None:
    assert cleaned_body(body, "wa:xx99990000".__eq__) == b"{}"
    assert cleaned_body(body, "wa:xx99990001".__eq__) is None


def test_each_status_that_names_the_person_is_erased(conn: Connection, spool_dir: Path) -> None:
    take(conn, delivery(text("w1", "oi"), statuses=[status("mine", "read")]))
    ((person,),) = rows(conn, "SELECT recipient FROM message_statuses")
    kept = {"id": "kept", "recipient_participant_id": OTHER}
    for provider_id, recipient, participant, raw in (
        ("to_them", person, "", {}),
        ("in_group", "wa:group", person, {}),
        ("in_json", "wa:group", "", {"recipient_participant_id": SENDER}),
        ("in_words", "wa:group", "", {"errors": [{"details": "+55 41 99999-0000 is not on WhatsApp"}]}),
        ("kept", "wa:group", "", kept),
        ("kept_too", f"wa:{OTHER}", "", None),
    ):
        conn.execute(
            "INSERT INTO message_statuses"
            " (phone_number_id, provider_id, status, recipient, participant, status_time, raw_json)"
            " VALUES ('1', %s, 'read', %s, %s, now(), %s)",
            (provider_id, recipient, participant, None if raw is None else json.dumps(raw)),
        )
    erase_contact(conn, 7, spool_dir)
    assert rows(conn, "SELECT provider_id FROM message_statuses ORDER BY 1") == [("kept",), ("kept_too",)]
