"""Open cases on the home page, and taking care of one; asked over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from html import unescape

import httpx
import pytest

from whatsapp_pipeline.domain.summaries.metrics import business_hours_between
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.console.people import write_people
from whatsapp_pipeline_tests.console.running import RunningConsole, running_console, text_of


@pytest.fixture
def desk(fresh_database_url: str) -> Iterator[tuple[RunningConsole, httpx.Client]]:
    """Ana waits for an answer since February; Rui has had an order under way since January."""
    write_people(fresh_database_url)
    with connect(fresh_database_url) as conn:
        conn.execute(
            """
            INSERT INTO customer_chat_summaries (id_contato, first_interaction_date, last_interaction_date,
                communication_frequency, sentiment_analysis, summary, message_count, customer_messages,
                staff_messages, other_messages, conversation_count, facts, claims, input_hash, open_since,
                open_reasons)
            VALUES (8, '2025-01-05', '2025-01-06', 'regular', 'neutral', 'x', 2, 1, 1, 0, 1, '{}', '[]', 'h',
                    '2025-01-06', '{order}')
            """
        )
    with running_console(fresh_database_url) as running, running.client("analyst", name="ana") as client:
        yield running, client


def _listed(page: str) -> list[int]:
    part = page.partition('id="cases"')[2].partition("</section>")[0]
    return [int(number) for number in re.findall(r'<li><a href="/customers/(\d+)"', part)]


def test_the_longest_open_comes_first(desk: tuple[RunningConsole, httpx.Client]) -> None:
    _, client = desk
    page = client.get("/").text
    assert _listed(page) == [8, 7]
    assert "desde 01/02/2025 00:00" in text_of(page)
    assert "horas úteis" in text_of(page)
    assert _listed(client.get("/?waiting=1").text) == [7]
    assert _listed(client.get("/?handled=1").text) == []


def test_all_cases_are_reached_from_the_first_page(desk: tuple[RunningConsole, httpx.Client]) -> None:
    running, client = desk
    with connect(running.database_url) as conn:
        conn.execute(
            "INSERT INTO contatos (id, nome) SELECT 100 + n, 'Pessoa ' || n FROM generate_series(1, 45) n"
        )
        conn.execute(
            """
            INSERT INTO customer_chat_summaries (id_contato, first_interaction_date, last_interaction_date,
                communication_frequency, sentiment_analysis, summary, message_count, customer_messages,
                staff_messages, other_messages, conversation_count, facts, claims, input_hash, open_since,
                open_reasons)
            SELECT 100 + n, now(), now(), 'rare', 'neutral', 's', 1, 1, 0, 0, 1, '{}', '[]', 'h',
                   timestamp '2025-03-01' + n / 3 * interval '1 hour',
                   CASE n % 2 WHEN 0 THEN '{order}'::text[] ELSE '{unanswered}'::text[] END
              FROM generate_series(1, 45) n
            """
        )
    for start, count in (("/", 47), ("/?waiting=1", 24), ("/?handled=1", 0)):
        found: list[int] = []
        address: str | None = start
        while address is not None:
            page = client.get(address).text
            assert ("Voltar aos que esperam há mais tempo" in page) == (address != start)
            found += _listed(page)
            more = re.search(r'href="(/\?[^"]*cases=[^"]+)#cases"', page)
            address = unescape(more[1]) if more else None
        assert len(found) == len(set(found)) == count, start
        assert found[-1:] == ([145] if count else [])
    assert _listed(client.get("/?cases=x").text) == _listed(client.get("/").text)


def test_a_handled_case_leaves_the_list_and_comes_back(desk: tuple[RunningConsole, httpx.Client]) -> None:
    running, client = desk
    saved = client.post("/customers/7/handled", data={"days": "3", "note": "<b>liguei</b>"})
    assert saved.headers["location"] == "/"
    assert _listed(client.get("/").text) == [8]
    handled = client.get("/?handled=1").text
    assert _listed(handled) == [7]
    assert "tratado por ana" in text_of(handled)
    assert "&lt;b&gt;liguei&lt;/b&gt;" in handled
    # The customer writes again: the case is open whatever was agreed.
    with connect(running.database_url) as conn:
        conn.execute(
            "UPDATE customer_chat_summaries SET last_interaction_date = now()::timestamp + interval '1 day'"
            " WHERE id_contato = 7"
        )
    assert _listed(client.get("/").text) == [8, 7]
    # Its day is over.
    client.post("/customers/8/handled", data={"days": "1"})
    assert _listed(client.get("/").text) == [7]
    with connect(running.database_url) as conn:
        conn.execute("UPDATE handled_cases SET until = current_date - 2")
    assert _listed(client.get("/").text) == [8, 7]


def test_a_handled_case_is_reopened(desk: tuple[RunningConsole, httpx.Client]) -> None:
    _, client = desk
    client.post("/customers/8/handled", data={"days": "30"})
    assert client.post("/customers/8/reopened").headers["location"] == "/"
    assert _listed(client.get("/").text) == [8, 7]


def test_a_reader_sees_cases_and_changes_none(desk: tuple[RunningConsole, httpx.Client]) -> None:
    running, client = desk
    with running.client("reader") as reader:
        page = reader.get("/").text
        assert _listed(page) == [8, 7]
        assert '/handled"' not in page
        assert reader.post("/customers/7/handled", data={"days": "1"}).status_code == 403
        assert reader.post("/customers/7/reopened").status_code == 403
    for path, data, status in (
        ("/customers/7/handled", {"days": "2"}, 400),
        ("/customers/7/handled", {}, 400),
        ("/customers/99/handled", {"days": "1"}, 404),
        ("/customers/x/handled", {"days": "1"}, 404),
    ):
        assert client.post(path, data=data).status_code == status


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2025-01-06 10:00", "2025-01-06 12:30", 2),  # a Monday
        ("2025-01-06 17:00", "2025-01-07 09:00", 2),
        ("2025-01-03 17:00", "2025-01-06 09:00", 6),  # Friday evening to Monday: Saturday is open until noon
        ("2025-01-06 20:00", "2025-01-07 07:00", 0),
        ("2025-01-07 09:00", "2025-01-06 09:00", 0),
        ("2024-12-31 17:00", "2025-01-02 09:00", 2),  # over a holiday
        # 2024 has 256 weekdays and 49 Saturdays that are no holidays; 1 + 4 hours before it, one after.
        ("2023-12-29 17:00", "2025-01-02 09:00", 1 + 4 + 256 * 10 + 49 * 4 + 1),
    ],
)
def test_waiting_is_counted_in_business_hours(start: str, end: str, hours: int) -> None:
    assert business_hours_between(datetime.fromisoformat(start), datetime.fromisoformat(end)) == hours
