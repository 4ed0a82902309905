"""Links that still stand are not decided again; whatever they rest on changes, they are."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import pytest

from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.links.link_contacts import ContactLinking, LinkOptions
from whatsapp_pipeline.steps.links.link_orders import OrderLinkOptions
from whatsapp_pipeline.steps.links.link_rules import rule_files, rules_hash
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import fingerprints
from whatsapp_pipeline_tests.steps.links.linking_rows import Session, add_chat, add_contact, add_order
from whatsapp_pipeline_tests.truth.linked_months import link_month, link_orders_month

LOG = logging.getLogger(__name__)
MONTH = "2025-01"
STAGES: tuple[fingerprints.Stage, ...] = ("contact_links", "order_links")


@pytest.fixture
def linked(fresh_database_url: str) -> Iterator[Connection]:
    """One chat with one session, linked to its contact and its order."""
    with connect(fresh_database_url) as conn:
        add_contact(conn, 1, "Ana Souza", "(41) 99999-0001")
        add_contact(conn, 2, "Bia Lima", "(41) 99999-0002")
        add_order(conn, 7, 1, equipment="notebook")
        add_chat(conn, "+55 41 99999-0001", sessions=(Session(devices=["notebook"], stages=["opening"]),))
        normalize_contacts(conn, default_area_code=None, log=LOG)
        _link(conn)
        yield conn


def _link(conn: Connection) -> tuple[dict[str, int], dict[str, int]]:
    return (
        link_month(conn, MONTH, LinkOptions(), log=LOG).counts(),
        link_orders_month(conn, MONTH, OrderLinkOptions(), log=LOG).counts(),
    )


def _stand(conn: Connection) -> tuple[bool, bool]:
    """Whether contact links and order links stand, by the stamps that were kept."""
    return (_stands(conn, "contact_links"), _stands(conn, "order_links"))


def _inputs(conn: Connection, stage: fingerprints.Stage) -> bytes:
    return fingerprints.input_fingerprint(conn, stage, MONTH, fingerprints.versions(conn, stage))


def _stands(conn: Connection, stage: fingerprints.Stage) -> bool:
    return fingerprints.is_current(conn, stage, MONTH, _inputs(conn, stage))


def _keep(conn: Connection) -> None:
    for stage in STAGES:
        fingerprints.store_fingerprint(conn, stage, MONTH, _inputs(conn, stage))


def _queue(conn: Connection, name: LiteralString) -> list[tuple[object, ...]]:
    columns = "source, id, session_number, status, id_contato, messages, value"
    return conn.execute(f"SELECT {columns} FROM {name} ORDER BY 1, 2, 3").fetchall()


def test_a_run_leaves_the_review_queue_as_its_links_say(linked: Connection) -> None:
    """A run that decides refreshes it once; one whose links are current repairs what differs."""
    add_chat(linked, "+55 41 99999-0009", sessions=(Session(),))
    _link(linked)
    assert _queue(linked, "review_queue") == _queue(linked, "review_doubts") != []
    linked.execute("UPDATE review_queue SET value = value + 1")
    linked.execute(
        "INSERT INTO review_queue (source, id, session_number, status, messages, value)"
        " SELECT 'chat', min(id), 1, 'proposed', 1, 1 FROM chat_files"
    )
    _link(linked)
    assert _queue(linked, "review_queue") == _queue(linked, "review_doubts")


def test_a_run_over_links_that_stand_reports_the_same_and_changes_nothing(linked: Connection) -> None:
    first = _link(linked)
    assert first[0]["linked"] == 1
    assert first[0]["by_exact_phone"] == 1
    assert first[1]["linked"] == 1
    linked.execute("DELETE FROM link_stamps")
    assert _link(linked) == first  # decided
    assert _link(linked) == first  # left to stand


def test_a_decision_taken_by_hand_on_the_rows_is_brought_back(linked: Connection) -> None:
    linked.execute("UPDATE chat_files SET match_confidence = 0.5")
    linked.execute("UPDATE chat_sessions SET order_match_confidence = 0.5")
    contacts, orders = _link(linked)
    assert (contacts["chats_changed"], orders["sessions_changed"]) == (1, 1)


def test_other_thresholds_decide_again(linked: Connection) -> None:
    report = link_month(linked, MONTH, LinkOptions(link_at=1.0), log=LOG)
    assert report.by_status == {"proposed": 1}


CHANGES: dict[str, tuple[LiteralString, tuple[bool, bool]]] = {
    "a contact's name": ("UPDATE contatos SET nome = 'Ana S' WHERE id = 1", (False, True)),
    "another's phone": ("UPDATE contact_phones SET key = 'xx99990009' WHERE id_contato = 2", (False, True)),
    "a contact that goes": ("DELETE FROM contatos WHERE id = 2", (False, True)),
    "an order's device": ("UPDATE ordens_servico SET equipamento = 'iphone' WHERE id = 7", (False, False)),
    "a decision": ("SELECT override_link('phone', '4199990001', 'no_contact', NULL, 'test')", (False, False)),
    "the chat's title": ("UPDATE chat_files SET title = 'Ana'", (False, False)),
    "a session's words": ("UPDATE chat_sessions SET devices = '{tv}'", (False, False)),
    "a link": ("UPDATE chat_files SET id_contato = 2", (False, False)),
    "a candidate that goes": ("DELETE FROM match_candidates", (False, True)),
    "an order's candidate": ("DELETE FROM order_candidates", (True, False)),
    "a message count": ("UPDATE chat_files SET message_count = 9, loaded_hash = 'x'", (True, True)),
}


@pytest.mark.parametrize(("statement", "stand"), CHANGES.values(), ids=CHANGES)
def test_what_links_rest_on(linked: Connection, statement: LiteralString, stand: tuple[bool, bool]) -> None:
    _keep(linked)
    assert _stand(linked) == (True, True)
    linked.execute(statement)
    assert _stand(linked) == stand


def _february_stands(conn: Connection) -> bool:
    seen = fingerprints.versions(conn, "contact_links")
    inputs = fingerprints.input_fingerprint(
        conn, "contact_links", "2025-02", seen, rules_hash(), repr(LinkOptions())
    )
    return fingerprints.is_current(conn, "contact_links", "2025-02", inputs)


def test_a_table_that_changes_between_the_months_of_a_run_makes_the_next_run_decide(
    linked: Connection,
) -> None:
    add_chat(linked, "+55 41 99999-0002", month="2025-02")
    run = ContactLinking(LinkOptions(), log=LOG)
    run.link(linked, MONTH)
    linked.execute("UPDATE contatos SET nome = 'Bia Lima Reis' WHERE id = 2")
    assert run.link(linked, "2025-02").by_status == {"linked": 1}
    assert not _february_stands(linked)
    ContactLinking(LinkOptions(), log=LOG).link(linked, "2025-02")
    assert _february_stands(linked)


@pytest.mark.slow
def test_every_module_of_the_rules_is_hashed() -> None:
    """What linking imports of the domain and of the steps decides links, unless it is named here."""
    without_a_say = {"masking.py", "gc_disabled.py", "code_hash.py", "__init__.py"}
    code = (
        "import sys, json\n"
        "import whatsapp_pipeline.steps.links.link_contacts, whatsapp_pipeline.steps.links.link_orders\n"
        "ours = ('whatsapp_pipeline.domain.', 'whatsapp_pipeline.steps.')\n"
        "print(json.dumps([m.__file__ for name, m in sys.modules.items() if name.startswith(ours)]))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {Path(name) for name in json.loads(result.stdout)}
    assert {path.name for path in imported - set(rule_files())} == without_a_say
