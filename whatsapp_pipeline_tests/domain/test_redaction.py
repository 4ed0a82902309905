"""A person in webhook deliveries of known and unknown shapes, and who is beside them."""

from __future__ import annotations

import json

import pytest

from whatsapp_pipeline.domain.redaction import (
    ERASED,
    name_of_key,
    name_words,
    scrub_text,
    scrub_value,
    without_person,
)

NUMBER, OTHER = "5541999990101", "5541999990104"
IS_ZULMIRA = {"wa:554199990101", "wa:xx99990101", "id:BR.777777"}.__contains__


def change(value: object, field: str = "customer_event") -> dict[str, object]:
    return {"entry": [{"id": "1", "changes": [{"field": field, "value": value}]}]}


@pytest.mark.parametrize(
    "value",
    [
        {"customer": {"phone": NUMBER, "name": "Zulmira"}},
        {"customer": {"phone": "(41) 99999-0101", "who": "Zulmira"}},
        {"customer": {"id_of_user": "BR.777777", "nickname": "Zulmira"}},
        {"phone": NUMBER, "name": "Zulmira"},
        {"lead": {"name": "Zulmira", "channel": {"whatsapp": {"number": NUMBER}}}},
        {"lead": {"profile": {"name": "Zulmira"}, "numbers": [f"+{NUMBER}"]}},
        {"leads": [{"name": "Zulmira", "reach": {"number": NUMBER}}, {"name": "Joao", "reach": OTHER}]},
        {"by_id": {"a": {"tel": int(NUMBER), "first_name": "Zulmira"}, "b": {"tel": OTHER}}},
    ],
)
def test_a_name_beside_the_number_goes_with_it_in_a_shape_nobody_knows(value: object) -> None:
    cleaned = without_person(change(value), IS_ZULMIRA)
    rest = json.dumps(cleaned.value)
    assert "Zulmira" not in rest
    assert "0101" not in rest
    assert ("Joao" in rest) == ("Joao" in str(value))
    assert (OTHER in rest) == (OTHER in str(value))
    assert "Zulmira" in json.dumps(cleaned.removed)  # what an export gives out


def test_who_stands_beside_the_person_stays() -> None:
    group = {"name": "Vizinhos", "participants": [NUMBER, OTHER]}
    message = {
        "from": OTHER,
        "id": "wamid.1",
        "context": {"from": NUMBER, "id": "wamid.0"},
        "text": {"body": NUMBER},
        "type": "text",
    }
    cleaned = without_person(change({"group": group, "messages": [message]}, "messages"), IS_ZULMIRA)
    value = cleaned.value["entry"][0]["changes"][0]["value"]  # type: ignore[index]  # a payload of any shape
    assert value["group"] == {"name": "Vizinhos", "participants": [ERASED, OTHER]}
    assert value["messages"] == [
        {**message, "context": {"from": ERASED, "id": "wamid.0"}, "text": {"body": ERASED}}
    ]


def test_a_delivery_about_others_is_as_it_was() -> None:
    payload = change({"customer": {"phone": OTHER, "name": "Joao"}, "at": 1736000000})
    assert without_person(payload, IS_ZULMIRA) == (payload, [], False)


@pytest.mark.parametrize("number", [NUMBER, int(NUMBER), float(NUMBER), f"+{NUMBER}", "(41) 99999-0101"])
def test_a_number_is_hidden_however_it_is_written(number: object) -> None:
    cleaned = without_person(
        {"entry": [{"changes": [{"value": {"text": {"n": number, "of": 7}}}]}]}, IS_ZULMIRA
    )
    assert "0101" not in json.dumps(cleaned.value)
    assert cleaned.changed
    untouched: dict[str, object] = {"text": {"a": None, "b": True, "c": 1.5, "d": int(OTHER), "e": OTHER}}
    assert without_person(untouched, IS_ZULMIRA) == (untouched, [], False)


# Where a number stands in an item, and whether the whole item is about that person.
FIELDS = [
    ("from", True),
    ("wa_id", True),
    ("anything", True),
    ("timestamp", False),
    ("id", False),  # that of a message, which may look like a number
    ("message_id", False),
    ("phone_number_id", False),
    ("display_phone_number", False),
]


@pytest.mark.parametrize(("field", "is_about"), FIELDS)
@pytest.mark.parametrize(
    "section",
    [
        "messages",
        "message_echoes",
        "statuses",
        "errors",
        "contacts",
        "calls",
        "state_sync",
        "user_preferences",
        "new_section",
    ],
)
def test_an_item_goes_where_a_field_of_its_own_is_the_persons_number(
    section: str, field: str, is_about: bool
) -> None:
    other = {"from": OTHER, "name": "Joao"}
    for item in ({field: NUMBER, "note": "x"}, {field: int(NUMBER), "note": "x"}):
        for value in ([item, other], item):
            cleaned = without_person(change({section: value}), IS_ZULMIRA)
            kept = cleaned.value["entry"][0]["changes"][0]["value"][section]  # type: ignore[index]
            assert kept == (([None, other] if isinstance(value, list) else None) if is_about else value)
            assert cleaned.removed == ([item] if is_about else [])


@pytest.mark.parametrize(
    ("section", "stays"),
    [
        ("messages", True),
        ("message_echoes", True),
        ("history", True),
        ("threads", True),
        ("statuses", True),
        ("errors", True),
        ("contacts", True),
        ("calls", True),
        ("state_sync", True),
        ("user_preferences", True),
        ("contact", True),
        ("new_section", False),
    ],
)
def test_a_single_object_in_place_of_a_list_stays_around_what_goes(section: str, stays: bool) -> None:
    value = {section: {"name": "Loja", "entries": [{"wa_id": NUMBER}]}}
    kept = without_person(change(value), IS_ZULMIRA).value["entry"][0]["changes"][0]["value"][section]  # type: ignore[index]
    assert kept == ({"name": "Loja", "entries": [None]} if stays else None)


@pytest.mark.parametrize(
    "part",
    [
        "context",
        "metadata",
        "text",
        "system",
        "error_data",
        "interactive",
        "button",
        "image",
        "audio",
        "video",
        "document",
        "sticker",
        "location",
        "order",
        "reaction",
        "referral",
        "edit",
        "revoke",
        "message",
    ],
)
def test_a_number_in_a_part_of_an_item_is_hidden_and_the_item_stays(part: str) -> None:
    item = {"from": OTHER, part: {"wa_id": NUMBER, "name": "Loja", "x": 1}}
    cleaned = without_person(change({"messages": [item]}, "messages"), IS_ZULMIRA)
    kept = cleaned.value["entry"][0]["changes"][0]["value"]["messages"]  # type: ignore[index]
    assert kept == [{"from": OTHER, part: {"wa_id": ERASED, "name": "Loja", "x": 1}}]
    assert (cleaned.removed, cleaned.changed) == ([], True)


@pytest.mark.parametrize(
    "name",
    [
        "name",
        "full_name",
        "first_name",
        "last_name",
        "formatted_name",
        "display_name",
        "profile_name",
        "customer_name",
        "contact_name",
        "sender_name",
        "pushname",
        "push_name",
        "notify",
        "username",
        "nome",
        "profile",
    ],
)
def test_an_object_with_a_name_goes_with_the_number_in_one_of_its_parts(name: str) -> None:
    named = {name: "Zulmira", "reach": {"numbers": [NUMBER]}}
    for value in ({"lead": named}, {"leads": [named]}):
        cleaned = without_person(change(value), IS_ZULMIRA)
        assert cleaned.removed == [named]
    nameless = {"who": "x", "reach": {"numbers": [NUMBER]}}
    assert without_person(change({"lead": nameless}), IS_ZULMIRA).removed == []
    shared = {name: "Vizinhos", "reach": {"numbers": [NUMBER, OTHER]}}  # others have a part in it
    assert without_person(change({"lead": shared}), IS_ZULMIRA).removed == []


@pytest.mark.parametrize("field", ["contact", "phones", "user_id", "parent_user_id", "wa_id"])
def test_an_entry_of_an_address_book_goes_with_the_numbers_in_it(field: str) -> None:
    for card in ({"phone_number": NUMBER}, [{"phone": f"+{NUMBER}"}], {"previous": "BR.777777"}):
        entry = {"action": "add", field: card}
        cleaned = without_person(change({"state_sync": [entry, {"action": "x"}]}), IS_ZULMIRA)
        assert cleaned.removed == [entry]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Zulmira Souza", {"zulmira", "souza"}),
        ("ZULMIRA de  Souza-Lima", {"zulmira", "souza", "lima"}),
        ("Zulmira da do dos das e Souza", {"zulmira", "souza"}),
        ("Zulmira", set()),
        ("Zulmira de", set()),
        ("María del la Paz", {"maria", "paz"}),
    ],
)
def test_a_full_name_is_its_words_without_particles(text: str, words: set[str]) -> None:
    assert name_words(text) == words


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("4199990101", "wa:554199990101"),
        ("xx99990101", "wa:xx99990101"),
        ("+351912345678", "wa:351912345678"),
    ],
)
def test_a_phone_key_has_one_name_in_webhooks(key: str, name: str) -> None:
    assert name_of_key(key) == name


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("liga +55 41 99999-0101 ou 41 9999-0101!", f"liga {ERASED} ou {ERASED}!"),
        ("meu id BR.777777, e BR.777778", f"meu id {ERASED}, e BR.777778"),
        ("41 99999-0104", "41 99999-0104"),
        ("", ""),
    ],
)
def test_a_text_loses_numbers_and_ids_and_nothing_else(text: str, scrubbed: str) -> None:
    assert scrub_text(text, IS_ZULMIRA) == scrubbed
    assert scrub_value({"a": [text, 7, None]}, IS_ZULMIRA) == {"a": [scrubbed, 7, None]}
