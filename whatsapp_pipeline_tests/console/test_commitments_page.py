"""The page of commitments: its lists, the following ones, and what a reader sees of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from whatsapp_pipeline import clock
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.console.people import PreparedPeople
from whatsapp_pipeline_tests.console.running import RunningConsole, text_of

LATE = 60


@pytest.fixture
def promised(console: RunningConsole, people: PreparedPeople) -> Iterator[None]:
    """Sixty late deadlines of Ana, one that ends today, a broken one, and a quote in an unknown chat."""
    today = clock.today()
    with connect(console.database_url) as conn:
        rows: list[tuple[int, int, None, str, date, str | None]] = [
            (people.first + n, 7, None, "deadline_promised", today - timedelta(days=1 + n % 3), None)
            for n in range(LATE)
        ]
        rows += [
            (people.first + 70, 7, None, "deadline_promised", today, None),
            (people.first + 71, 7, None, "deadline_promised", today - timedelta(days=5), "broken"),
        ]
        conn.cursor().executemany(
            "INSERT INTO commitments (source, message_id, number, id_contato, id_chat_file, kind, side,"
            " said_at, due_on, outcome, outcome_source, outcome_id, evidence_start, evidence_end)"
            " VALUES ('chat', %s, 1, %s, %s, %s, 'staff', now() - interval '9 days', %s, %s, %s, %s, 0, 1)",
            [(*row, "order" if row[5] else None, 70 if row[5] else None) for row in rows],
        )
        conn.execute(
            "INSERT INTO commitments (source, message_id, number, id_chat_file, kind, side, said_at, amount,"
            " evidence_start, evidence_end)"
            " SELECT 'chat', m.id, 1, m.id_chat_file, 'price_quoted', 'staff', now() - interval '9 days',"
            " 350, 0, 1 FROM chat_messages m WHERE m.id = %s",
            (people.stranger,),
        )
        yield
        conn.execute("DELETE FROM commitments")


def _rows(page: str) -> list[str]:
    return [text_of(row) for row in re.findall(r"<tr><td class=\"name\">.*?</tr>", page)]


def test_every_commitment_that_waits_is_on_one_page_of_the_list(
    console: RunningConsole, promised: None
) -> None:
    with console.client("reader") as reader:
        address: str | None = "/commitments"
        found: list[str] = []
        pages = 0
        while address is not None:
            page = reader.get(address).text
            found += _rows(page)
            more = re.search(r'href="(/commitments\?list=waiting&amp;after=[^"]+)"', page)
            address = more[1].replace("&amp;", "&") if more else None
            pages += 1
    assert (pages, len(found)) == (2, LATE + 1)
    assert "vence hoje" in found[0]
    assert all("atrasado" in row for row in found[1:])
    days = [row[row.index("para ") + 5 :][:10] for row in found[1:]]
    assert days == sorted(days, key=lambda day: (day[6:], day[3:5], day[:2]))


def test_the_lists_are_a_click_apart_and_say_what_is_in_them(console: RunningConsole, promised: None) -> None:
    with console.client("analyst") as analyst:
        home = analyst.get("/").text
        assert 'href="/commitments"' in home
        assert 'href="/commitments?list=quotes"' in home
        page = analyst.get("/commitments").text
        lists = re.findall(r'href="/commitments\?list=(\w+)"', page)
        assert lists == ["waiting", "due", "overdue", "quotes", "broken", "open"]
        sizes = {one: len(_rows(analyst.get(f"/commitments?list={one}").text)) for one in lists}
        assert sizes == {"waiting": 50, "due": 1, "overdue": 50, "quotes": 1, "broken": 1, "open": 50}
        assert (
            f"Vencem hoje: 1 · Atrasados: {LATE} · Orçamentos sem resposta: 1 · Descumpridos: 1"
            in text_of(page)
        )
        for unknown in ("/commitments?list=all%27", "/commitments?after=x", "/commitments?list="):
            assert _rows(analyst.get(unknown).text) == _rows(page), unknown


def test_a_reader_gets_no_link_to_a_message(
    console: RunningConsole, people: PreparedPeople, promised: None
) -> None:
    with console.client("reader") as reader, console.client("analyst") as analyst:
        seen = reader.get("/commitments?list=quotes").text
        assert "(sem cliente)" in seen
        assert "orçamento de R$ 350" in text_of(seen)
        assert "/messages/" not in seen
        link = f"/messages/chat:{people.stranger}"
        assert f'href="{link}"' in analyst.get("/commitments?list=quotes").text
        assert analyst.get(link, follow_redirects=True).status_code == 200
        assert "?around=chat:" not in reader.get("/commitments").text
        broken = analyst.get("/commitments?list=broken").text
        assert f'href="/customers/7?around=chat:{people.first + 71}#chat:{people.first + 71}"' in broken
