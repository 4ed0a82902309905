"""What deliveries say, in every shape."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whatsapp_pipeline.domain.conversations import (
    DeliveredMessage,
    Item,
    Other,
    Status,
    provider_time,
    read_delivery,
    wa_identity,
)
from whatsapp_pipeline.domain.webhook_json import loads
from whatsapp_pipeline_tests.webhook.damage import damaged
from whatsapp_pipeline_tests.webhook.deliveries import NOON, RECEIVED, SENDER, delivery, status, text


def read(payload: object) -> list[Item]:
    return list(read_delivery(loads(json.dumps(payload).encode()), RECEIVED))


def messages(payload: object) -> list[DeliveredMessage]:
    return [item for item in read(payload) if isinstance(item, DeliveredMessage)]


def test_every_entry_change_and_message_counts() -> None:
    payload = delivery(text("w1", "um"), text("w2", "dois"))
    payload["entry"][0]["changes"].append(delivery(text("w3", "três"))["entry"][0]["changes"][0])
    payload["entry"].append(delivery(text("w4", "quatro"), statuses=[status("w0", "read")])["entry"][0])
    found = read(payload)
    assert [m.provider_id for m in found if isinstance(m, DeliveredMessage)] == ["w1", "w2", "w3", "w4"]
    assert [s.provider_id for s in found if isinstance(s, Status)] == ["w0"]
    assert [item.position for item in found] == list(range(5))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"type": "text", "text": {"body": "oi"}}, "oi"),
        ({"text": {"body": "oi"}}, "oi"),
        ({"type": "text", "text": {"body": "  "}}, "[text]"),
        ({"type": "text"}, "[text]"),
        ({"type": "button", "button": {"payload": "P", "text": "Sim"}}, "[button: Sim]"),
        ({"type": "image", "image": {"id": "1", "caption": "a tela"}}, "[image: a tela]"),
        ({"type": "image", "image": {"id": "1"}}, "[image]"),
        ({"type": "document", "document": {"filename": "nota.pdf"}}, "[document: nota.pdf]"),
        ({"type": "audio", "audio": {"voice": True}}, "[audio]"),
        ({"location": {"latitude": -25.4, "longitude": 9}}, "[location: -25.40000, 9.00000]"),
        ({"type": "location", "location": {"latitude": 10**400, "longitude": 1}}, "[location]"),
        ({"type": "contacts", "contacts": [{}, {}]}, "[contacts: 2]"),
        ({"type": "interactive", "interactive": {"list_reply": {"title": "Dois"}}}, "[interactive: Dois]"),
        ({"type": "interactive", "interactive": {"nfm_reply": {"response_json": "?"}}}, "[interactive]"),
        ({"type": "interactive"}, "[interactive]"),
        ({"type": "reaction", "reaction": {"message_id": "w", "emoji": "👍"}}, "[reaction: 👍]"),
        ({"type": "reaction", "reaction": {"message_id": "w"}}, "[reaction: removed]"),
        ({"type": "order", "order": {"product_items": [1, 2, 3]}}, "[order: 3 items]"),
        ({"type": "system", "system": {"body": "mudou de número"}}, "[system: mudou de número]"),
        ({"type": "unsupported", "errors": [{"code": 131051}]}, "[unsupported]"),
        ({"type": "edit", "edit": {"message": {"text": {"body": "novo"}}}}, "[edit: novo]"),
        ({"type": "revoke", "revoke": {"original_message_id": "w"}}, "[revoke]"),
        ({"type": "holograma", "holograma": {"x": 1}}, "[holograma]"),
        ({}, "[unknown]"),
    ],
)
def test_every_type_reads_as_text(message: dict[str, Any], expected: str) -> None:
    (found,) = messages(delivery({"from": SENDER, "id": "w", "timestamp": str(NOON), **message}))
    assert found.text == expected


def test_what_a_message_refers_to() -> None:
    for more in (
        {"context": {"id": "w0"}},
        {"type": "reaction", "reaction": {"message_id": "w0"}},
        {"type": "revoke", "revoke": {"original_message_id": "w0"}},
    ):
        (found,) = messages(delivery({"from": SENDER, "id": "w1", **more}))
        assert found.reply_to == "w0"


def test_ninth_digit_is_an_alias_for_mobiles_only() -> None:
    assert wa_identity("5541999990000").canonical == wa_identity("554199990000").canonical
    assert wa_identity("5541999990000").canonical == wa_identity("+55 41 99999-0000").canonical
    assert wa_identity("5541999990000").canonical == wa_identity("+55 41 99999\u20110000").canonical
    for long, short in (("5215512340678", "525512340678"), ("5491143210678", "541143210678")):
        assert wa_identity(long).canonical == wa_identity(short).canonical == f"wa:{short}"
        assert wa_identity(long).phone_key == wa_identity(short).phone_key == f"+{short}"
    assert wa_identity("554133330000").canonical == "wa:554133330000"
    assert wa_identity("5541933330000").canonical == "wa:5541933330000"
    assert wa_identity("08007770000").canonical == "wa:08007770000"
    assert wa_identity("BR.1A2b3C").kind == "user_id"
    assert wa_identity("5541999990000").phone_key == wa_identity("554199990000").phone_key == "4199990000"


def test_a_username_user_has_no_phone() -> None:
    contacts = [{"profile": {"name": "Ana"}, "user_id": "BR.777"}]
    (found,) = messages(delivery({"id": "w1", "from_user_id": "BR.777", "type": "text"}, contacts=contacts))
    assert [i.canonical for i in found.identities] == ["id:BR.777"]
    assert found.profile_name == "Ana"
    both = [{"wa_id": SENDER, "user_id": "BR.777"}]
    (found,) = messages(delivery({"id": "w1", "from_user_id": "BR.777"}, contacts=both))
    assert {i.kind for i in found.identities} == {"user_id", "wa_id"}
    (found,) = messages(delivery({"id": "w1", "text": {"body": "oi"}}, contacts=both))
    assert len(found.identities) == 2


def test_a_name_is_never_taken_from_another_contact() -> None:
    contacts = [
        {"profile": {"name": "Outra"}, "wa_id": "5541988880000"},
        {"profile": {"name": "Mais uma"}, "wa_id": "5541988880001"},
    ]
    (found,) = messages(delivery(text("w1", "oi"), contacts=contacts))
    assert found.profile_name is None
    two = messages(
        delivery(text("w1", "oi"), text("w2", "oi", sender="5541988880002"), contacts=contacts[:1])
    )
    assert [m.profile_name for m in two] == [None, None]


def test_the_only_contact_of_the_only_sender_names_them() -> None:
    """Meta warns that `from` and `wa_id` may differ; a change with one of each speaks of one person."""
    contacts = [{"profile": {"name": "Ana"}, "wa_id": "551150000000"}]
    found = messages(delivery(text("w1", "oi"), text("w2", "alô"), contacts=contacts))
    assert [m.profile_name for m in found] == ["Ana", "Ana"]
    # The number of the contact is no proof: nobody's conversations are joined by it.
    assert {i.value for m in found for i in m.identities} == {SENDER}


def test_echoes_and_history() -> None:
    echo = delivery(
        message_echoes=[{"from": "554133330000", "to": SENDER, "id": "e1", "text": {"body": "olá"}}]
    )
    (found,) = messages(echo)
    assert (found.role, found.origin, found.identities[0].value) == ("assistant", "echo", SENDER)
    thread = {
        "id": SENDER,
        "messages": [
            text("h1", "de lá"),
            text("h2", "daqui", sender="554133330000", history_context={"status": "READ"}),
        ],
    }
    found_two = messages(delivery(history=[{"threads": [thread]}], field="history"))
    assert [(m.role, m.origin, m.status) for m in found_two] == [
        ("user", "history", None),
        ("assistant", "history", "read"),
    ]


def test_group_messages_are_their_own_conversation() -> None:
    (found,) = messages(delivery(text("w1", "oi", group_id="g-1")))
    assert [i.canonical for i in found.identities] == ["group:g-1"]


def _as_objects(*values: object) -> tuple[object, ...]:
    return values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (str(NOON), RECEIVED),
        (NOON, RECEIVED),
        (float(NOON), RECEIVED),
        (str(NOON * 1000), RECEIVED),
        (f" {NOON} ", RECEIVED),
        *[
            (wrong, None)
            for wrong in _as_objects(
                None,
                True,
                "",
                "ontem",
                "-5",
                "²",
                "0",
                0,
                -1,
                1,
                10**30,
                "9" * 5000,
                1e300,
                [],
                {},
                "2026-03-02",
                str(NOON + 86400 * 30),
                float("nan"),
                str(1_000_000_000),
            )
        ],
    ],
)
def test_timestamps(value: object, expected: datetime | None) -> None:
    assert provider_time(value, RECEIVED) == expected


def test_no_path_of_a_delivery_can_hide_its_siblings() -> None:
    """Every JSON path deleted or retyped: nothing raises, and what is elsewhere is read."""
    for path, shape, broken in damaged():
        found = read(broken)
        ids = {item.provider_id for item in found if isinstance(item, DeliveredMessage)}
        if path[0] != "entry":
            assert ids == {"w1", "w2", "sibling"}
        elif len(path) > 1:
            untouched = {"sibling"} if path[1] == 0 else {"w1", "w2"}
            assert untouched <= ids, (path, shape)
            # Within a change, a message stands whatever happened to the one beside it.
            if path[4:6] == ("value", "messages") and len(path) > 6 and path[1] == 0:
                assert {"w2", "w1"}.difference({("w1", "w2")[path[6]]}) <= ids
        assert [item.position for item in found] == list(range(len(found)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "from",
                    "id",
                    "type",
                    "text",
                    "body",
                    "timestamp",
                    "messages",
                    "statuses",
                    "entry",
                    "changes",
                    "value",
                    "metadata",
                    "contacts",
                    "wa_id",
                    "history",
                    "threads",
                    "x",
                ]
            ),
            children,
            max_size=6,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(json_values)
@pytest.mark.slow
def test_nothing_that_is_json_raises(value: object) -> None:
    found = read(value)
    assert found
    assert all(isinstance(item, Other) or item.raw_json for item in found)


@settings(max_examples=300, deadline=None)
@given(json_values, json_values)
@pytest.mark.slow
def test_any_message_keeps_its_sibling(message: object, contacts: object) -> None:
    payload = delivery(message, text("sibling", "irmã"), contacts=[contacts])
    assert "sibling" in {message.provider_id for message in messages(payload)}
