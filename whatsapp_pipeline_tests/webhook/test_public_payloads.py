"""The payload shapes of public projects' suites and of the provider's documentation, with what each means.

`public_payloads.jsonl` holds one invented equivalent per line: `source` names the suite, `field` and `value`
are the change, and `want` lists what it becomes, in order.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from whatsapp_pipeline.domain.conversations import DeliveredMessage, Status, read_delivery
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.webhook.receiver import ReceiverConfig
from whatsapp_pipeline_tests.webhook.deliveries import RECEIVED, clear, one, process, rows
from whatsapp_pipeline_tests.webhook.test_meaning_table import table
from whatsapp_pipeline_tests.webhook.test_receiver import SECRET, post, running, wait_until

CASES = [
    json.loads(line)
    for line in Path(__file__).with_name("public_payloads.jsonl").read_text(encoding="utf-8").split("\n")
    if line
]
EDITED = {"wamid.pub.1": "boa tarde", "wamid.pub.12": "[image: a placa nova]"}


def payload(case: dict[str, Any]) -> dict[str, Any]:
    change = {"field": case["field"], "value": case["value"]}
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}


def becomes(case: dict[str, Any]) -> list[dict[str, Any]]:
    """What a payload is read as, in the words of the file."""
    found: list[dict[str, Any]] = []
    for item in read_delivery(payload(case), RECEIVED):
        match item:
            case DeliveredMessage(provider_id=wamid, role=role, origin=origin, type=kind, text=text):
                names = {"role": role, "origin": origin, "type": kind, "text": text}
                found.append({"message": wamid, **names, "in": item.identities[0].value})
            case Status(status=status, provider_id=wamid, reason=reason, participant=participant):
                found.append({"status": status, "of": wamid, "reason": reason, "participant": participant})
            case other:
                found.append({"event": other.kind})
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['source']}: {case['name']}")
def test_a_payload_keeps_its_meaning(case: dict[str, Any]) -> None:
    assert becomes(case) == case["want"]


def test_every_payload_is_in_the_tables_after_the_whole_way(
    conn: Connection, database_url: str, tmp_path: Path
) -> None:
    clear(conn)
    with running(ReceiverConfig(tmp_path / "spool", (SECRET,), "token"), database_url) as base:
        for case in CASES:
            assert post(base, json.dumps(payload(case)).encode()).status_code == 200
        wait_until(lambda: bool(one(conn, "SELECT count(*) FROM webhook_inbox") == len(CASES)))
    process(conn)
    assert rows(conn, "SELECT status FROM webhook_inbox WHERE status <> 'done'") == []
    wanted = [want for case in CASES for want in case["want"]]
    messages = {want["message"]: want for want in wanted if want.get("message")}
    stored = {
        wamid: (role, origin, kind, text)
        for wamid, role, origin, kind, text in rows(
            conn, "SELECT provider_id, role, origin, type, text FROM conversation_messages"
        )
        if wamid is not None
    }
    assert stored == {
        wamid: (want["role"], want["origin"], want["type"], EDITED.get(wamid, want["text"]))
        for wamid, want in messages.items()
    }
    notices = [want["text"] for want in wanted if want.get("message", "") is None]
    assert sorted(notices) == sorted(
        text for (text,) in rows(conn, "SELECT text FROM conversation_messages WHERE provider_id IS NULL")
    )
    events = Counter(kind for (kind,) in rows(conn, "SELECT kind FROM webhook_events"))
    assert events == Counter(want["event"] for want in wanted if "event" in want)
    # Receipts of one message are as many rows as it has different states and readers.
    assert set(rows(conn, "SELECT status FROM message_statuses")) == {
        (want["status"],) for want in wanted if "status" in want
    }
    # One person has one conversation, and who only opened a chat or changed a setting is no lead.
    people = rows(conn, "SELECT external_id FROM conversations ORDER BY 1")
    assert [name for (name,) in people] == ["5541977770106", "5541988880106", "BR.92", "grp-1"]
    assert rows(conn, "SELECT canonical FROM leads") == [("wa:554188880106",)]
    clear(conn)


def test_a_setting_that_comes_again_is_one_notice(conn: Connection) -> None:
    clear(conn)
    (case,) = (case for case in CASES if case["name"] == "no more marketing")
    with_more = {**case, "value": {**case["value"], "new_section": [{}]}}
    for sent in (case, case, with_more):
        conn.execute(
            "INSERT INTO webhook_inbox (delivery_id, received_at, body) VALUES (gen_random_uuid(), %s, %s)",
            (RECEIVED, json.dumps(payload(sent)).encode()),
        )
    process(conn)
    assert rows(conn, "SELECT role, text FROM conversation_messages") == [
        ("system", "[user_preferences: parar mensagens de marketing]")
    ]
    clear(conn)


def test_the_suites_are_many_and_the_guide_names_their_fields_and_types() -> None:
    assert len(CASES) >= 95
    assert len({case["source"] for case in CASES}) >= 4
    fields = {field for field, _ in table()}
    unnamed = {case["field"] for case in CASES} - fields
    # What has no row of its own is an event under its field's name, which the last row says.
    assert all(becomes(case)[0].get("event") for case in CASES if case["field"] in unnamed)
