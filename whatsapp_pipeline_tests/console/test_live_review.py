"""Live conversations in the console's review: queue, item, decision, undo, and the next linking."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx
import pytest

from whatsapp_pipeline.steps.links.live_links import link_live
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.console.doubts import add_doubt, add_live_doubt
from whatsapp_pipeline_tests.console.people import write_people
from whatsapp_pipeline_tests.console.running import RunningConsole, running_console, text_of

PHONE = "4199990008"  # Rui's


class LiveDesk:
    """A console with a live conversation in doubt, and a reviewer in front of it."""

    def __init__(self, running: RunningConsole, client: httpx.Client, live: int, chat: int) -> None:
        self.running, self.client, self.live, self.chat = running, client, live, chat
        self.path = f"/review/webhook:{live}"

    def rows(self, statement: str, *values: object) -> list[Any]:
        with connect(self.running.database_url) as conn:
            return conn.execute(statement.encode(), values).fetchall()

    def link(self) -> tuple[str, int | None]:
        ((status, contact),) = self.rows(
            "SELECT match_status, id_contato FROM conversations WHERE id = %s", self.live
        )
        return status, contact

    def decide(self, path: str, choice: str, **fields: str) -> httpx.Response:
        found = re.search(r'name="shown" value="([^"]*)"', self.client.get(path).text)
        assert found is not None
        data = {"shown": unescape(found[1]), "choice": choice, **fields}
        return self.client.post(f"{path}/decide", data=data)

    def relink(self) -> None:
        with connect(self.running.database_url) as conn:
            link_live(conn, log=logging.getLogger(__name__))


@pytest.fixture
def desk(fresh_database_url: str) -> Iterator[LiveDesk]:
    write_people(fresh_database_url)
    with connect(fresh_database_url) as conn, conn.transaction():
        live = add_live_doubt(conn, PHONE, "Rui <b>do zap</b>", 12)
        chat = add_doubt(conn, "D1", "ambiguous", PHONE, 3)
    with running_console(fresh_database_url) as running, running.client("reviewer", name="rita") as client:
        yield LiveDesk(running, client, live, chat)


def test_a_live_conversation_waits_in_the_queue_with_its_messages(desk: LiveDesk) -> None:
    assert desk.client.get("/review/next").headers["location"] == desk.path
    queue = desk.client.get("/review").text
    # 13 × 0.9
    assert "11,7" in text_of(queue)
    assert "Rui &lt;b&gt;do zap&lt;/b&gt;" in queue
    page = text_of(desk.client.get(desk.path).text)
    assert "ao vivo 12" in page
    assert "60,0% de probabilidade" in page
    assert desk.rows("SELECT count(*) FROM console_views")[0][0] > 0


def test_a_decision_on_the_phone_counts_for_chats_and_live_conversations(desk: LiveDesk) -> None:
    confirm = text_of(desk.client.get(f"{desk.path}/decide", params={"choice": "contact:8"}).text)
    assert f"Para todas as conversas do telefone {PHONE} 2 conversas, 15 mensagens" in confirm
    assert "Só para esta conversa 1 conversa, 12 mensagens" in confirm
    made = desk.decide(desk.path, "contact:8", scope="phone")
    assert re.fullmatch(r"/review/next\?done=\d+", made.headers["location"])
    assert desk.link() == ("manual", 8)
    chat = "SELECT match_status, id_contato FROM chat_files WHERE id = %s"
    assert desk.rows(chat, desk.chat) == [("manual", 8)]
    desk.relink()
    assert desk.link() == ("manual", 8)


def test_a_decision_on_a_chats_phone_counts_for_the_live_conversation_too(desk: LiveDesk) -> None:
    desk.decide(f"/review/chat:{desk.chat}", "contact:7", scope="phone")
    assert desk.link() == ("manual", 7)


def test_a_decision_on_the_conversation_alone_leaves_the_chat(desk: LiveDesk) -> None:
    desk.decide(desk.path, "no_contact", scope="chat", nobody="wrong_number")
    assert desk.link() == ("manual", None)
    assert desk.rows("SELECT match_status FROM chat_files WHERE id = %s", desk.chat) == [("ambiguous",)]
    desk.relink()
    assert desk.link() == ("manual", None)


def test_a_live_conversation_that_another_decision_outranks_is_not_counted(desk: LiveDesk) -> None:
    desk.decide(desk.path, "contact:7", scope="chat")
    made = desk.decide(f"/review/chat:{desk.chat}", "contact:8", scope="phone")
    assert desk.link() == ("manual", 7)
    following = desk.client.get(made.headers["location"]).headers["location"]
    said = text_of(desk.client.get(following).text)
    assert "Já vale para 1 conversa. 1 conversa não mudou, porque vale outra decisão" in said


def test_an_undone_decision_leaves_it_to_the_rules(desk: LiveDesk) -> None:
    desk.relink()
    before = desk.link()
    made = desk.decide(desk.path, "contact:7", scope="chat")
    number = re.findall(r"done=(\d+)", made.headers["location"])[0]
    desk.client.post(f"/review/decisions/{number}/undo")
    assert desk.link() == ("pending", None)
    desk.relink()
    assert desk.link() == before


def test_a_session_of_another_customer_does_not_keep_its_order(desk: LiveDesk) -> None:
    """Ana's live conversation becomes Rui's: what was linked to Ana's order is pending."""
    with connect(desk.running.database_url) as conn:
        conn.execute(
            "UPDATE conversations SET id_contato = 7, match_status = 'linked' WHERE id = %s", (desk.live,)
        )
        conn.execute(
            "INSERT INTO chat_sessions (id_conversation, number, started_at, ended_at, message_count,"
            " id_ordem_servico, order_match_status)"
            " VALUES (%s, 1, '2025-02-10 09:01', '2025-02-10 09:12', 12, 70, 'linked')",
            (desk.live,),
        )
    desk.decide(desk.path, "contact:8", scope="chat")
    session = "SELECT order_match_status, id_ordem_servico FROM chat_sessions WHERE id_conversation = %s"
    assert desk.rows(session, desk.live) == [("pending", None)]
    desk.decide(f"{desk.path}/1", "order:80")
    assert desk.rows(session, desk.live) == [("manual", 80)]
    desk.relink()
    assert desk.rows(session, desk.live) == [("manual", 80)]
    desk.decide(desk.path, "contact:7", scope="chat")
    assert desk.rows(session, desk.live) == [("manual", 80)]


def test_the_second_reviewer_of_a_live_conversation_hears_who_was_first(desk: LiveDesk) -> None:
    found = re.search(r'name="shown" value="([^"]*)"', desk.client.get(desk.path).text)
    assert found is not None
    desk.decide(desk.path, "contact:8")
    with desk.running.client("reviewer", name="otto") as otto:
        data = {"shown": unescape(found[1]), "choice": "contact:7"}
        late = otto.post(f"{desk.path}/decide", data=data)
    assert late.status_code == 409
    assert "Decidido por rita" in text_of(late.text)
    assert desk.link() == ("manual", 8)


def test_a_live_conversation_is_put_off_for_one_reviewer(desk: LiveDesk) -> None:
    assert desk.client.post(f"{desk.path}/later").headers["location"] == "/review/next"
    assert desk.client.get("/review/next").headers["location"] == f"/review/chat:{desk.chat}"
    with desk.running.client("reviewer", name="otto") as otto:
        assert otto.get("/review/next").headers["location"] == desk.path


def test_unfit_addresses_are_no_items(desk: LiveDesk) -> None:
    for path in (
        "/review/webhook:999",
        "/review/mail:1",
        f"{desk.path}/9",
        f"/review/chat:{desk.live + 999}",
    ):
        assert desk.client.get(path).status_code == 404, path
    title = desk.decide(desk.path, "contact:7", scope="title")
    assert title.status_code == 400
    assert desk.rows("SELECT FROM link_overrides") == []
