"""A person in webhook deliveries of known and unknown shapes, and who is beside them."""

from __future__ import annotations

import json

import pytest

from whatsapp_pipeline.domain.redaction import ERASED, without_person

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
