"""Commitments over the API: each list, whose they are, and pages by cursor that miss and repeat nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from whatsapp_pipeline import clock
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.summaries.commitment_lists import CommitmentList, commitment_lines
from whatsapp_pipeline_tests.console.test_api import Api, open_api

LISTS: tuple[CommitmentList, ...] = ("due", "overdue", "waiting", "broken", "quotes", "open", "all")


@pytest.fixture(scope="module")
def promised(database_url: str) -> Iterator[Api]:
    """Commitments of Ana (7), of Rui (8), and of a chat without a customer, many of them at one moment."""
    with open_api(database_url) as api:
        today = clock.today()
        with connect(database_url) as conn:
            stranger = conn.execute("SELECT id FROM chat_files WHERE title = 'X'").fetchone()
            assert stranger is not None
            conn.cursor().executemany(
                "INSERT INTO commitments (source, message_id, number, id_contato, id_chat_file, kind, side,"
                " said_at, amount, due_on, due_time, id_ordem_servico, outcome, outcome_source, outcome_id,"
                " evidence_start, evidence_end)"
                " VALUES (%s, %s, %s, %s, %s, %s, 'staff', %s, %s, %s, %s, %s, %s, %s, %s, 0, 1)",
                list(_commitments(today, int(stranger[0]))),
            )
        yield api


def _commitments(today: date, stranger: int) -> Iterator[tuple[object, ...]]:
    said, late, soon = today - timedelta(days=3), today - timedelta(days=1), today + timedelta(days=1)
    no = (None, None, None)
    for n in range(1, 8):  # two of one message, some with a time, all due today
        at = f"{7 + n}:30" if n % 2 else None
        message = (n + 1) // 2
        yield "chat", message, 2 - n % 2, 7, None, "deadline_promised", said, None, today, at, 70, *no
    for n in range(1, 4):
        yield "webhook", n, 1, 8, None, "pickup_agreed", said, None, late, None, None, *no
    yield "chat", 21, 1, None, stranger, "price_quoted", said, "350.00", None, None, None, *no
    yield "chat", 22, 1, 8, None, "payment_announced", said, None, soon, "09:00", None, *no
    yield "chat", 23, 1, 8, None, "deadline_promised", said, None, late, None, None, "broken", "order", 80
    old = today - timedelta(days=400)
    yield "chat", 24, 1, 8, None, "warranty_given", old, None, None, None, None, *no


@pytest.mark.parametrize("which", LISTS)
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_together_are_the_list(promised: Api, which: CommitmentList, limit: int) -> None:
    items = promised.all_items("commitments", "reader", list=which, limit=limit)
    with connect(promised.running.database_url) as conn:
        whole = commitment_lines(conn, which, today=clock.today())
    assert [(one["message"], one["status"]) for one in items] == [
        (f"{line.source}:{line.message_id}", line.status) for line in whole
    ]
    keys = [(line.source, line.message_id, line.number) for line in whole]
    assert len(keys) == len(set(keys)) > 0


def test_each_list_has_what_it_says(promised: Api) -> None:
    def statuses(which: str, **query: object) -> list[str]:
        return [one["status"] for one in promised.all_items("commitments", "reader", list=which, **query)]

    assert statuses("due") == ["due"] * 7
    assert statuses("overdue") == ["overdue"] * 3
    assert statuses("waiting") == ["due"] * 7 + ["overdue"] * 3
    assert statuses("broken") == ["broken"]
    assert statuses("quotes", quiet_days=3) == ["open"]
    assert statuses("quotes", quiet_days=4) == []
    assert len(promised.all_items("commitments", "reader")) == 12
    due = promised.get("commitments", "reader", list="due", limit=100)["items"]
    assert [one["due_time"] for one in due] == ["08:30", "10:30", "12:30", "14:30", None, None, None]


def test_a_commitment_says_what_the_page_says(promised: Api) -> None:
    (quote,) = promised.get("commitments", "reader", list="quotes")["items"]
    assert (quote["customer_id"], quote["customer_name"], quote["amount"]) == (None, None, "350.00")
    ((chat,),) = promised.rows("SELECT id FROM chat_files WHERE title = 'X'")
    assert (quote["chat"], quote["message"]) == (f"chat:{chat}", "chat:21")
    assert quote["text"].startswith("orçamento de R$ 350")
    (broken,) = promised.get("commitments", "reader", list="broken")["items"]
    assert (broken["customer_name"], broken["chat"], broken["outcome"]) == ("Rui Melo", None, "order:80")
    assert broken["said_at"].endswith("-03:00")
    ana = promised.get("commitments", "reader", list="all", customer=7)["items"]
    assert {(one["customer_name"], one["order_number"]) for one in ana} == {("Ana Conceição Souza", "30415")}
    # A customer's own list has what was said long ago, too.
    rui = promised.all_items("commitments", "reader", list="all", customer=8, limit=2)
    assert [one["kind"] for one in rui][:1] == ["warranty_given"]
    assert len(rui) == 6


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "0~738000~~0~chat:1", "2~738000~~0~chat:1~1", "0~738000~~0~mail:1~1", "0~738000~~0~chat:1~1 "],
)
def test_what_is_no_cursor_is_refused(promised: Api, cursor: str) -> None:
    refused = promised.client("reader").get("commitments", params={"cursor": cursor})
    assert (refused.status_code, refused.json()["error"]) == (422, "invalid")


@pytest.mark.parametrize(
    ("cursor", "left"),
    [
        (f"0~0~~-{'9' * 17}~chat:0~0", 12),  # before everything
        (f"1~9999999~9999~{'9' * 17}~webhook:{'9' * 18}~99999", 0),  # after everything
    ],
)
def test_a_made_up_cursor_is_a_place(promised: Api, cursor: str, left: int) -> None:
    assert len(promised.get("commitments", "reader", cursor=cursor, limit=100)["items"]) == left
