"""Dead letters on the console: the list with why, and putting them back in line, asked over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.console.running import RunningConsole, running_console, text_of

LETTERS = 53


class LetterDesk:
    """A console over an inbox with dead letters, and a reviewer in front of it."""

    def __init__(self, running: RunningConsole, client: httpx.Client) -> None:
        self.running, self.client = running, client

    def rows(self, statement: str) -> list[Any]:
        with connect(self.running.database_url) as conn:
            return conn.execute(statement.encode()).fetchall()


@pytest.fixture
def desk(fresh_database_url: str) -> Iterator[LetterDesk]:
    with connect(fresh_database_url) as conn:
        conn.execute(
            """
            INSERT INTO webhook_inbox (delivery_id, received_at, body, status, attempts, error)
            SELECT gen_random_uuid(), now() - n * interval '1 hour', 'segredo', 'dead', 8,
                   'KeyError <b>' || n || '</b>'
              FROM generate_series(1, %s) n
            """,
            (LETTERS,),
        )
        conn.execute("UPDATE webhook_inbox SET body = NULL WHERE id = 1")
        conn.execute(
            "INSERT INTO webhook_inbox (delivery_id, received_at, body, status)"
            " VALUES (gen_random_uuid(), now(), 'x', 'parked'), (gen_random_uuid(), now(), 'x', 'done')"
        )
    with running_console(fresh_database_url) as running, running.client("reviewer", name="rita") as client:
        yield LetterDesk(running, client)


def test_dead_letters_are_listed_with_the_reason_and_without_their_content(desk: LetterDesk) -> None:
    home = desk.client.get("/").text
    assert 'href="/deliveries"' in home
    page = desk.client.get("/deliveries").text
    assert "KeyError &lt;b&gt;53&lt;/b&gt;" in page
    assert "KeyError &lt;b&gt;3&lt;/b&gt;" not in page
    assert f"Paradas: {LETTERS}" in text_of(page)
    assert "segredo" not in page
    older = desk.client.get("/deliveries", params={"before": "4"}).text
    assert "KeyError &lt;b&gt;3&lt;/b&gt;" in older
    assert "o conteúdo já foi apagado" in older
    assert 'name="delivery" value="1"' not in older


def test_one_or_all_go_back_in_line_and_it_is_on_record(desk: LetterDesk) -> None:
    one = desk.client.post("/deliveries/replay", data={"delivery": "7"})
    assert one.headers["location"] == "/deliveries?replayed=1"
    assert "1 entrega voltou para a fila." in text_of(desk.client.get(one.headers["location"]).text)
    assert desk.rows("SELECT id, attempts, error FROM webhook_inbox WHERE status = 'pending'") == [
        (7, 0, None)
    ]
    again = desk.client.post("/deliveries/replay", data={"delivery": "7"})
    assert "Nada mudou" in text_of(desk.client.get(again.headers["location"]).text)
    every = desk.client.post("/deliveries/replay", data={"delivery": "all"})
    assert every.headers["location"] == f"/deliveries?replayed={LETTERS - 2}"  # one has no content any more
    assert desk.rows("SELECT status, count(*) FROM webhook_inbox GROUP BY 1 ORDER BY 1") == [
        ("dead", 1),
        ("done", 1),
        ("parked", 1),
        ("pending", LETTERS - 1),
    ]
    assert desk.rows("SELECT actor, action, detail->'deliveries'->>0 FROM audit_log ORDER BY id") == [
        ("rita", "replay", "7"),
        ("rita", "replay", "2"),
    ]


def test_a_delivery_that_a_worker_has_is_left_to_it(desk: LetterDesk) -> None:
    desk.rows("UPDATE webhook_inbox SET lease_token = gen_random_uuid() WHERE id = 9 RETURNING 1")
    assert desk.client.post("/deliveries/replay", data={"delivery": "9"}).headers["location"].endswith("=0")
    for number in ("54", "55", "999"):  # parked, done, and none at all
        refused = desk.client.post("/deliveries/replay", data={"delivery": number})
        assert refused.headers["location"].endswith("=0"), number
    assert desk.rows("SELECT FROM audit_log") == []


def test_analysts_look_and_only_reviewers_replay(desk: LetterDesk) -> None:
    with desk.running.client("analyst") as analyst:
        page = analyst.get("/deliveries")
        assert page.status_code == 200
        assert "Processar" not in page.text.partition("<main")[2].replace("processe", "")
        assert analyst.post("/deliveries/replay", data={"delivery": "all"}).status_code == 403
    with desk.running.client("reader") as reader:
        assert reader.get("/deliveries").status_code == 403
        assert 'href="/deliveries"' not in reader.get("/").text
    for unfit in ("", "x", "-1", "all ", "9" * 30):
        assert desk.client.post("/deliveries/replay", data={"delivery": unfit}).status_code == 400, unfit
    assert desk.rows("SELECT count(*) FROM webhook_inbox WHERE status = 'dead'") == [(LETTERS,)]
