"""The blind sample on the console: what it hides, what a verdict does, and what verdicts guarantee."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.links.decide import relink_months
from whatsapp_pipeline.steps.links.guaranteed_precision import guaranteed_precision
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.links.precision_sample import next_links
from whatsapp_pipeline_tests.console.running import RunningConsole, running_console, text_of
from whatsapp_pipeline_tests.steps.links.linking_rows import add_chat, add_contact

CHATS = 6
LOG = logging.getLogger(__name__)


class SampleDesk:
    """A console over links that the rules made, and a reviewer in front of it."""

    def __init__(self, running: RunningConsole, client: httpx.Client) -> None:
        self.running, self.client = running, client

    def rows(self, statement: str, *values: object) -> list[Any]:
        with connect(self.running.database_url) as conn:
            return conn.execute(statement.encode(), values).fetchall()

    def next(self) -> str:
        """The address of the next link to judge."""
        path = self.client.get("/review/sample").headers["location"]
        assert re.fullmatch(r"/review/sample/chat:\d+", path)
        return path

    def linked(self, path: str) -> int:
        ((contact,),) = self.rows(
            "SELECT id_contato FROM chat_files WHERE id = %s", int(path.rpartition(":")[2])
        )
        return int(contact)

    def answer(self, path: str, answer: str, **fields: str) -> httpx.Response:
        return self.client.post(path, data={"answer": answer, **fields})


@pytest.fixture
def desk(fresh_database_url: str) -> Iterator[SampleDesk]:
    with connect(fresh_database_url) as conn:
        for n in range(1, CHATS + 1):
            add_contact(conn, n, f"Pessoa {n}", f"(41) 99999-000{n}")
            add_chat(conn, f"+55 (41) 99999-000{n}", path=f"2025/01/{n}.txt")
        normalize_contacts(conn, default_area_code=None, log=LOG)
        conn.execute(
            "INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type,"
            " message_text, line, body_hash)"
            " SELECT id, 1, '2025-01-10 10:00', 'from', 'text', 'bom dia', 1, id FROM chat_files"
        )
        relink_months(conn, ["2025-01"], default_area_code=None, log=LOG)
    with running_console(fresh_database_url) as running, running.client("reviewer", name="rita") as client:
        yield SampleDesk(running, client)


def test_nothing_on_the_page_says_which_link_it_is(desk: SampleDesk) -> None:
    path = desk.next()
    page = desk.client.get(path).text
    choices = re.findall(r'name="answer" value="contact:(\d+)"', page)
    assert str(desk.linked(path)) in choices
    assert len(choices) == len(set(choices)) > 2
    for hint in (
        "<svg role",
        "waterfall",
        "probabilidade",
        "log-odds",
        "confiança",
        "/customers/",
        "/messages/",
    ):
        assert hint not in page.partition("<main")[2], hint
    # The choices look alike but for their number, name and phone, and their order is no ranking.
    places = set()
    with connect(desk.running.database_url) as conn:
        for item in next_links(conn, None, limit=CHATS):
            places.add([one["id"] for one in item.contacts].index(item.id_contato))
    assert len(places) > 1


def test_the_verdict_shows_the_link_and_counts(desk: SampleDesk) -> None:
    path = desk.next()
    linked = desk.linked(path)
    right = desk.answer(path, f"contact:{linked}")
    chat = path.rpartition(":")[2]
    assert right.headers["location"] == f"/review/sample?judged={chat}"
    following = desk.client.get(right.headers["location"]).headers["location"]
    assert following.endswith(f"?judged={chat}")
    page = text_of(desk.client.get(following).text)
    assert f"Certo. As regras tinham vinculado a Pessoa {linked}" in page
    assert "1 conferidos, 0 errados ou sem certeza, 6 vínculos ao todo" in page
    assert desk.rows("SELECT verdict, is_blind, reviewer FROM review_verdicts") == [("right", True, "rita")]
    with connect(desk.running.database_url) as conn:
        bound = guaranteed_precision(conn, ["2025-01"]).overall
    assert bound is not None
    assert (bound.verdicts, bound.wrong) == (1, 0)


def test_a_wrong_link_is_refused_and_goes_to_whom_the_reviewer_named(desk: SampleDesk) -> None:
    path = desk.next()
    linked = desk.linked(path)
    other = linked % CHATS + 1
    desk.answer(path, f"contact:{other}", reason="pela voz")
    assert desk.linked(path) == other
    decisions = desk.rows("SELECT decision, id_contato, reason, made_by FROM link_overrides ORDER BY id")
    assert decisions == [
        ("not_contact", linked, "pela voz", "rita"),
        ("contact", other, "pela voz", "rita"),
    ]
    nobody = desk.next()
    refused = desk.linked(nobody)
    assert desk.answer(nobody, "nobody").status_code == 303
    ((status, contact),) = desk.rows(
        "SELECT match_status, id_contato FROM chat_files WHERE id = %s", int(nobody.rpartition(":")[2])
    )
    assert (status, contact) == ("pending", None)
    assert ("not_contact", refused) in desk.rows("SELECT decision, id_contato FROM link_overrides")


def test_the_sample_ends(desk: SampleDesk) -> None:
    for _ in range(CHATS):
        desk.answer(desk.next(), "unsure")
    page = desk.client.get("/review/sample")
    assert "Todos os vínculos das regras já foram conferidos." in text_of(page.text)
    assert desk.rows("SELECT DISTINCT verdict FROM review_verdicts") == [("unsure",)]
    assert desk.rows("SELECT count(*) FROM chat_files WHERE match_status = 'linked'") == [(CHATS,)]


def test_two_reviewers_do_not_judge_one_link_twice(desk: SampleDesk) -> None:
    path = desk.next()
    desk.answer(path, "unsure")
    with desk.running.client("reviewer", name="otto") as otto:
        late = otto.post(path, data={"answer": "nobody"})
        assert late.status_code == 409
        assert "já foi conferido" in text_of(late.text)
        # Who did not judge it does not learn the link by the address.
        chat = path.rpartition(":")[2]
        following = otto.get(f"/review/sample?judged={chat}").headers["location"]
        assert "As regras tinham vinculado" not in otto.get(following).text
    assert desk.rows("SELECT count(*) FROM review_verdicts") == [(1,)]
    assert desk.client.get(path).status_code == 404


def test_any_customer_can_be_looked_for(desk: SampleDesk) -> None:
    path = desk.next()
    page = desk.client.get(path, params={"who": "99999-0003"}).text
    assert re.search(r'value="contact:3">É este</button> <bdi>Pessoa 3', page)
    assert (
        "Nenhum cliente ou nenhuma OS com o que foi informado. Corrija ou apague o campo."
        in desk.client.get(path, params={"who": "ninguem mesmo"}).text
    )


def test_unfit_answers_and_other_levels_are_refused(desk: SampleDesk) -> None:
    path = desk.next()
    for answer in ("", "contact:", "contact:99", "contact:99999999999999999999", "right", "<b>"):
        assert desk.answer(path, answer).status_code == 400, answer
    assert desk.client.get("/review/sample/chat:999").status_code == 404
    with desk.running.client("analyst") as analyst:
        assert analyst.get("/review/sample").status_code == 403
        assert analyst.post(path, data={"answer": "unsure"}).status_code == 403
    assert desk.rows("SELECT FROM review_verdicts") == []


def test_reading_the_chat_is_on_record(desk: SampleDesk) -> None:
    desk.client.get(desk.next())
    assert desk.rows("SELECT DISTINCT action FROM console_views") == [("view",)]
