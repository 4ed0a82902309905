"""What deliveries say, in every shape."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
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
        ({"type": "holograma", "holograma": {"x": 1}}, "[holograma: x: 1]"),
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


def test_the_contact_of_the_business_names_no_customer() -> None:
    business = {"profile": {"name": "Loja"}, "wa_id": "5541988887777", "user_id": "BR.1"}
    ana = {"profile": {"name": "Ana"}, "wa_id": SENDER}
    account = {"phone_number_id": "acc-1", "display_phone_number": "5541988887777"}
    unnamed = {"id": "w1", "text": {"body": "oi"}}
    assert messages(delivery(unnamed, contacts=[business], metadata=account)) == []
    (found,) = messages(delivery(unnamed, contacts=[business, ana], metadata=account))
    assert found.profile_name == "Ana"


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


def change(value: object, field: object = "messages") -> dict[str, Any]:
    return {"entry": [{"changes": [{"field": field, "value": value}]}]}


OTHERS: list[tuple[Any, str]] = [
    (7, "unexpected body"),
    ({}, "no entry"),
    ({"entry": [None]}, "no entry"),
    ({"entry": [7]}, "unexpected entry"),
    ({"entry": [{"changes": []}]}, "unexpected entry"),
    ({"entry": [{"changes": [7]}]}, "unexpected change"),
    (change({}), "field messages"),
    (change({}, field=7), "no items"),
    (change({}, field="f" * 100), "field " + "f" * 74),
    (change({"messages": [7]}), "unexpected message"),
    (change({"messages": [7], "contacts": [{"wa_id": SENDER}]}), "unexpected message"),
    (change({"messages": [{"id": "w"}]}), "message without sender"),
    (change({"message_echoes": [{"text": {"body": "x"}}]}), "echo without sender"),
    (change({"errors": [{"code": 1}]}), "error"),
    (change({"history": [{}]}, "history"), "history without threads"),
    (change({"history": [{"threads": [{"id": SENDER}]}]}, "history"), "history without messages"),
    (change({"user_preferences": [7]}), "unexpected preference"),
    (change({"statuses": [{"id": "w"}]}), "unexpected status"),
    (change({"statuses": [{"status": "read"}]}), "unexpected status"),
    (change({"statuses": [{"id": "w", "status": " "}]}), "unexpected status"),
    (change({"statuses": [{"id": "w", "status": "x", "type": "Call"}]}), "Call status"),
]


@pytest.mark.parametrize(("payload", "kind"), OTHERS)
def test_what_is_no_message_is_kept_under_a_name(payload: Any, kind: str) -> None:
    (found,) = (item for item in read(payload) if isinstance(item, Other))
    assert found.kind == kind


def test_sections_that_nobody_knows_come_last_and_know_their_account() -> None:
    value = {
        "metadata": {"phone_number_id": 77},
        "messaging_product": "whatsapp",
        "contacts": [],
        "new": [{"a": 1}, {"b": 2}],
        "messages": [text("w1", "oi")],
        "one": {"c": 3},
    }
    found = read(change(value))
    assert [(item.position, item.phone_number_id) for item in found] == [(n, "77") for n in range(4)]
    kept = [(item.kind, item.raw_json) for item in found if isinstance(item, Other)]
    assert kept == [("section new", '{"a":1}'), ("section new", '{"b":2}'), ("section one", '{"c":3}')]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"from": SENDER}, [SENDER]),
        ({"from_user_id": "BR.1"}, ["BR.1"]),
        ({"from_parent_user_id": "BR.2"}, ["BR.2"]),
        ({"user_id": "BR.3"}, ["BR.3"]),
        ({"parent_user_id": "BR.4"}, ["BR.4"]),
        ({"from": SENDER, "user_id": "BR.3", "from_user_id": "BR.1"}, [SENDER, "BR.1", "BR.3"]),
    ],
)
def test_whoever_wrote_is_read_from_any_of_their_names(fields: dict[str, str], expected: list[str]) -> None:
    payload = delivery({"id": "w", "timestamp": str(NOON), "text": {"body": "oi"}, **fields})
    (found,) = messages(payload)
    assert [identity.value for identity in found.identities] == expected
    assert found.sender is not None
    assert found.sender.value == expected[0]
    assert (found.role, found.origin, found.provider_id, found.provider_time) == (
        "user",
        "message",
        "w",
        RECEIVED,
    )


@pytest.mark.parametrize("name", ["to", "to_user_id", "to_parent_user_id"])
def test_an_echo_belongs_to_its_recipient(name: str) -> None:
    (found,) = messages(delivery(message_echoes=[{"id": "e", name: "BR.1", "text": {"body": "oi"}}]))
    assert ([i.value for i in found.identities], found.role, found.origin) == (["BR.1"], "assistant", "echo")
    assert (found.sender, found.sender_name, found.profile_name) == (None, None, None)


@pytest.mark.parametrize("kind", ["system", "request_welcome"])
def test_what_whatsapp_writes_is_nobodys_word(kind: str) -> None:
    contacts = [{"wa_id": SENDER, "profile": {"name": "Ana"}}]
    (found,) = messages(delivery({"from": SENDER, "id": "w", "type": kind}, contacts=contacts))
    assert (found.role, found.profile_name, found.sender_name) == ("system", None, "Ana")


@pytest.mark.parametrize(
    ("thread", "expected"),
    [
        ({"id": SENDER}, [SENDER]),
        ({"wa_id": SENDER}, [SENDER]),
        ({"user_id": "BR.1"}, ["BR.1"]),
        ({"parent_user_id": "BR.1"}, ["BR.1"]),
        ({"context": {"wa_id": SENDER}}, [SENDER]),
        ({"context": {"user_id": "BR.1"}}, ["BR.1"]),
        ({"context": {"parent_user_id": "BR.1"}}, ["BR.1"]),
        ({"id": SENDER, "context": {"user_id": "BR.1"}}, [SENDER, "BR.1"]),
    ],
)
def test_a_thread_of_the_history_is_named_in_any_place(thread: dict[str, Any], expected: list[str]) -> None:
    said = {"id": "h", "timestamp": str(NOON), "text": {"body": "oi"}}
    (found,) = messages(change({"history": [{"threads": [{**thread, "messages": [said]}]}]}, "history"))
    assert [identity.value for identity in found.identities] == expected
    assert (found.role, found.origin) == ("user", "history")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"recipient_id": SENDER}, ("wa:554199990000", None)),
        ({"recipient_user_id": "BR.1"}, ("id:BR.1", None)),
        ({"recipient_parent_user_id": "BR.1"}, ("id:BR.1", None)),
        ({"recipient_id": "G1", "recipient_type": "group"}, ("group:G1", None)),
        ({"recipient_participant_id": SENDER}, (None, "wa:554199990000")),
        ({"recipient_participant_user_id": "BR.1"}, (None, "id:BR.1")),
        ({"recipient_participant_parent_user_id": "BR.1"}, (None, "id:BR.1")),
        ({}, (None, None)),
    ],
)
def test_a_receipt_names_who_received(
    fields: dict[str, str], expected: tuple[str | None, str | None]
) -> None:
    receipt = {"id": " w1 ", "status": " READ ", "timestamp": str(NOON), "type": "Message", **fields}
    (found,) = read(delivery(statuses=[receipt]))
    assert isinstance(found, Status)
    assert (found.provider_id, found.status, found.time, found.reason) == ("w1", "read", RECEIVED, None)
    assert (found.recipient, found.participant) == expected


@pytest.mark.parametrize(
    ("update", "old", "new"),
    [
        ({"user_id": {"previous": "BR.1", "current": "BR.2"}}, ["BR.1"], ["BR.2"]),
        ({"user_id": {"old": "BR.1", "new": "BR.2"}}, ["BR.1"], ["BR.2"]),
        ({"parent_user_id": {"previous": "BR.1", "current": "BR.2"}}, ["BR.1"], ["BR.2"]),
        ({"previous_user_id": "BR.1", "current_user_id": "BR.2"}, ["BR.1"], ["BR.2"]),
        ({"old_parent_user_id": "BR.1", "new_parent_user_id": "BR.2"}, ["BR.1"], ["BR.2"]),
    ],
)
def test_a_changed_user_id_is_read_from_any_of_its_fields(
    update: dict[str, Any], old: list[str], new: list[str]
) -> None:
    for more in ({}, {"wa_id": SENDER}, {"from": SENDER}, {"from_user_id": "BR.9"}):
        (found,) = messages(delivery(user_id_update=[{**update, **more, "timestamp": str(NOON)}]))
        assert found.renaming is not None
        assert [identity.value for identity in found.renaming.old] == old
        assert [identity.value for identity in found.renaming.new] == new
        assert [identity.value for identity in found.identities] == [*more.values(), *old, *new]
        assert (found.role, found.origin, found.type) == ("system", "message", "user_id_update")
        assert found.key == f"user_id_update:id:BR.1>id:BR.2:{NOON}"


@pytest.mark.parametrize(
    ("missing", "key"),
    [(None, f"user_preferences:wa:554199990000:marketing:stop:{NOON}"), ("timestamp", None), ("value", None)],
)
def test_a_preference_is_the_same_when_it_is_told_again(missing: str | None, key: str | None) -> None:
    told = {"wa_id": SENDER, "category": "marketing", "value": "stop", "timestamp": NOON}
    (found,) = messages(delivery(user_preferences=[{k: v for k, v in told.items() if k != missing}]))
    assert (found.role, found.type, found.key) == ("system", "user_preferences", key)


def test_texts_of_strangers_are_cut_to_what_a_column_holds() -> None:
    contacts = [{"wa_id": SENDER, "profile": {"name": f"  {'n' * 300} "}}]
    said = text("w1", "oi", history_context={"status": "S" * 60})
    (found,) = messages(delivery(said, contacts=contacts))
    assert (found.profile_name, found.status) == ("n" * 200, "s" * 40)
    (receipt,) = read(delivery(statuses=[{"id": "w", "status": "S" * 60}]))
    assert isinstance(receipt, Status)
    assert receipt.status == "s" * 40


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2009, 1, 1, tzinfo=UTC), True),
        (datetime(2008, 12, 31, 23, 59, 59, tzinfo=UTC), False),
        (RECEIVED + timedelta(minutes=5), True),
        (RECEIVED + timedelta(minutes=5, seconds=1), False),
    ],
)
def test_times_from_2009_until_five_minutes_ahead_are_believed(value: datetime, expected: bool) -> None:
    seconds = int(value.timestamp())
    for written in (seconds, str(seconds), seconds * 1000):
        assert (provider_time(written, RECEIVED) == value) is expected
    assert provider_time("0" * 10 + str(NOON), RECEIVED) == RECEIVED
    assert provider_time("0" * 11 + str(NOON), RECEIVED) is None  # 21 characters


@pytest.mark.parametrize(
    ("value", "kind", "canonical"),
    [
        ("BR.1a", "user_id", "id:BR.1a"),
        ("B.1a", "wa_id", "wa:B.1a"),
        ("246998877665544:12@lid", "user_id", "id:246998877665544"),
        ("5541999990000:7@s.whatsapp.net", "wa_id", "wa:554199990000"),
        ("5541999990000@c.us", "wa_id", "wa:554199990000"),
        ("554133330000", "wa_id", "wa:554133330000"),  # a landline has no ninth digit
        ("ana@example.org", "wa_id", "wa:ana@example.org"),
        ("--", "wa_id", "wa:--"),
    ],
)
def test_an_identity_has_one_canonical_form(value: str, kind: str, canonical: str) -> None:
    found = wa_identity(value)
    assert (found.kind, found.canonical) == (kind, canonical)


NEW, OLD = "5541988880001", "5541988880002"


@pytest.mark.parametrize(
    ("sender", "system", "old", "new"),
    [
        *[
            (OLD, {name: NEW}, [OLD], [NEW])
            for name in (
                "wa_id",
                "new_wa_id",
                "user_id",
                "new_user_id",
                "parent_user_id",
                "new_parent_user_id",
            )
        ],
        *[
            (NEW, {"wa_id": NEW, name: OLD}, [OLD], [NEW])
            for name in (
                "customer",
                "old_wa_id",
                "old_user_id",
                "old_parent_user_id",
                "previous_wa_id",
                "previous_user_id",
                "previous_parent_user_id",
            )
        ],
        (OLD, {"body": f"de {OLD} para {NEW}"}, [OLD], [NEW]),  # no field has the new one
        (NEW, {"wa_id": NEW, "body": f"de {OLD} para {NEW}"}, [OLD], [NEW]),  # no field has the old one
        (OLD, {"body": f"{OLD}, {NEW}, {SENDER}"}, None, None),  # which of them is new?
        (SENDER, {"body": f"de {OLD} para {NEW}"}, None, None),  # about others
        (OLD, {"body": f"de {OLD} para {NEW}", "type": "customer_identity_changed"}, None, None),
        (NEW, {"wa_id": NEW}, None, None),
        (NEW, {"wa_id": NEW, "body": f"agora {NEW}"}, None, None),
        (OLD, {}, None, None),
    ],
)
def test_a_changed_number_is_read_from_fields_or_words(
    sender: str, system: dict[str, str], old: list[str] | None, new: list[str] | None
) -> None:
    notice = {"from": sender, "id": "w", "type": "system", "system": system}
    (live,) = messages(delivery(notice))
    thread = {"id": sender, "messages": [notice]}
    (past,) = messages(change({"history": [{"threads": [thread]}]}, "history"))
    for found in (live, past):
        if old is None or new is None:
            assert found.renaming is None
            assert [identity.value for identity in found.identities] == [sender]
        else:
            assert found.renaming is not None
            assert [identity.value for identity in found.renaming.old] == old
            assert [identity.value for identity in found.renaming.new] == new
            assert {identity.value for identity in found.identities} == {sender, *old, *new}
