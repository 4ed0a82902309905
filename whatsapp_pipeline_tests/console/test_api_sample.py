"""The blind sample over the API: nothing says which link it is, and a verdict counts at once."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from whatsapp_pipeline.store.operations.console_views import view_subject
from whatsapp_pipeline_tests.console.running import KEY
from whatsapp_pipeline_tests.console.test_api import Api, open_api


@pytest.fixture
def api(fresh_database_url: str) -> Iterator[Api]:
    """The rules linked chat `A` to Ana (7) and chat `H` to 13; the other chats are in doubt."""
    with open_api(fresh_database_url) as made:
        made.rows(
            "UPDATE chat_files SET match_method = 'exact_phone', match_confidence = 0.98"
            " WHERE match_status = 'linked' RETURNING 1"
        )
        yield made


def _linked(api: Api, ref: str) -> int:
    ((contact,),) = api.rows("SELECT id_contato FROM chat_files WHERE id = %s", int(ref[5:]))
    return int(contact)


def test_nothing_says_which_link_it_is(api: Api) -> None:
    item = api.get("sample")["item"]
    assert api.get(f"sample/{item['item']}") == item
    assert set(item) == {"item", "month", "title", "messages", "first_at", "last_at", "customers"}
    assert set(item["customers"][0]) == {"id", "name", "trade_name", "phones"}
    assert _linked(api, item["item"]) in [one["id"] for one in item["customers"]]
    assert len(item["customers"]) > 1
    messages = api.all_items(f"sample/{item['item']}/messages", order="oldest", limit=100)
    assert len(messages) in {3, 130}
    assert {(one["customer_id"], one["order_id"]) for one in messages} == {(None, None)}
    assert "/customers/" not in json.dumps(messages)


def test_a_verdict_counts_at_once(api: Api) -> None:
    assert api.get("sample")["precision"] is None
    ref = api.get("sample")["item"]["item"]
    linked = _linked(api, ref)
    reviewer = api.client("reviewer")
    made = reviewer.post(f"sample/{ref}/verdicts", json={"answer": "customer", "id": linked})
    assert made.status_code == 201
    assert made.json() == {
        "item": ref,
        "verdict": "right",
        "customer_id": linked,
        "method": "exact_phone",
        "confidence": 0.98,
        "is_kept": True,
    }
    again = reviewer.post(f"sample/{ref}/verdicts", json={"answer": "unsure"})
    assert (again.status_code, again.json()["error"]) == (409, "already_decided")
    assert reviewer.get(f"sample/{ref}").status_code == 404
    assert reviewer.get(f"sample/{ref}/messages").status_code == 404
    following = api.get("sample")
    assert following["item"]["item"] != ref
    precision = following["precision"]
    assert (precision["verdicts"], precision["wrong"], precision["links"]) == (1, 0, 2)
    assert 0 <= precision["at_least"] < 1
    assert api.rows("SELECT verdict, is_blind, reviewer FROM review_verdicts") == [
        ("right", True, "client.reviewer")
    ]


def test_a_wrong_link_goes_to_the_customer_of_the_answer(api: Api) -> None:
    ref = api.get("sample")["item"]["item"]
    linked = _linked(api, ref)
    body = {"answer": "customer", "id": 8, "reason": "pela voz"}
    made = api.client("reviewer").post(f"sample/{ref}/verdicts", json=body).json()
    assert (made["verdict"], made["customer_id"], made["is_kept"]) == ("wrong", linked, True)
    assert _linked(api, ref) == 8
    assert api.rows("SELECT decision, id_contato, reason, made_by FROM link_overrides ORDER BY id") == [
        ("not_contact", linked, "pela voz", "client.reviewer"),
        ("contact", 8, "pela voz", "client.reviewer"),
    ]


def test_the_sample_ends(api: Api) -> None:
    for answer in ("unsure", "nobody"):
        ref = api.get("sample")["item"]["item"]
        made = api.client("reviewer").post(f"sample/{ref}/verdicts", json={"answer": answer})
        assert made.status_code == 201
    assert api.get("sample")["item"] is None
    assert api.rows("SELECT verdict FROM review_verdicts ORDER BY id") == [("unsure",), ("wrong",)]


def test_unfit_answers_and_other_levels_are_refused(api: Api) -> None:
    ref = api.get("sample")["item"]["item"]
    reviewer = api.client("reviewer")
    for body, status in (
        ({"answer": "customer", "id": 999}, 404),
        ({"answer": "customer"}, 422),
        ({"answer": "right"}, 422),
        ({"answer": "unsure", "id": 7}, 422),
        ({}, 422),
    ):
        assert reviewer.post(f"sample/{ref}/verdicts", json=body).status_code == status, body
    unsure = {"answer": "unsure"}
    for other in (f"chat:{api.chats['D1']}", "chat:999999", "webhook:1"):
        assert reviewer.get(f"sample/{other}").status_code == 404, other
        assert reviewer.post(f"sample/{other}/verdicts", json=unsure).status_code == 404, other
    assert api.client("analyst").post(f"sample/{ref}/verdicts", json=unsure).status_code == 403
    assert api.rows("SELECT FROM review_verdicts") == []


def test_reading_the_chat_is_on_record(api: Api) -> None:
    ref = api.get("sample")["item"]["item"]
    assert api.rows("SELECT action, subject FROM console_views") == [("view", view_subject(KEY, None, ref))]
