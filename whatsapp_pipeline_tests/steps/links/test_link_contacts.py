"""The cascade on a real database, without the name model (steps/test_name_evidence.py has that)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date

import psycopg
import pytest

from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.links.link_contacts import LinkOptions
from whatsapp_pipeline.steps.links.link_counts import LinkReport
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.steps.links.linking_rows import Session, add_chat, add_contact, add_order
from whatsapp_pipeline_tests.truth.linked_months import link_month

LOG = logging.getLogger(__name__)


@pytest.fixture
def fresh(fresh_database_url: str) -> Iterator[Connection]:
    with connect(fresh_database_url) as conn:
        yield conn


def _link(conn: Connection, default_area_code: str | None = None) -> LinkReport:
    normalize_contacts(conn, default_area_code=default_area_code, log=LOG)
    return link_month(conn, "2025-01", LinkOptions(default_area_code=default_area_code), log=LOG)


def _links(conn: Connection) -> dict[str, tuple[str, str | None, int | None]]:
    rows = conn.execute("SELECT title, match_status, match_method, id_contato FROM chat_files")
    return {title: (status, method, contact) for title, status, method, contact in rows}


def _flags(conn: Connection, title: str) -> list[str]:
    row = conn.execute("SELECT match_flags FROM chat_files WHERE title = %s", (title,)).fetchone()
    assert row is not None
    flags: list[str] = row[0]
    return flags


def _candidates(conn: Connection, title: str) -> list[int]:
    rows = conn.execute(
        """SELECT m.id_contato FROM match_candidates m JOIN chat_files f ON f.id = m.id_chat_file
           WHERE f.title = %s ORDER BY m.rank""",
        (title,),
    )
    return [row[0] for row in rows]


def test_phones_in_the_order_of_the_cascade(fresh: Connection) -> None:
    add_contact(fresh, 1, "Ana", "(41) 99999-0001")
    add_contact(fresh, 2, "Bia", "(41) 9999-0002")
    add_contact(fresh, 3, "Caio", None, "(41) 3333-0003")
    add_contact(fresh, 4, "Davi", "(xx) 99999-0004")
    add_contact(fresh, 5, "Edu", "+55 41 98888-0005 / 98888-0006")
    for title in (
        "+55 41 99999-0001",
        "+55 41 99999-0002",
        "+55 41 3333-0003",
        "+55 41 99999-0004",
        "+55 41 98888-0006",
        "+55 41 97777-0009",
    ):
        add_chat(fresh, title)
    report = _link(fresh)
    assert _links(fresh) == {
        "+55 41 99999-0001": ("linked", "exact_phone", 1),
        "+55 41 99999-0002": ("linked", "normalized_phone", 2),
        "+55 41 3333-0003": ("linked", "secondary_phone", 3),
        "+55 41 99999-0004": ("proposed", "normalized_phone", None),
        "+55 41 98888-0006": ("linked", "exact_phone", 5),
        "+55 41 97777-0009": ("unmatched", None, None),
    }
    assert report.counts()["linked"] == 4
    assert _candidates(fresh, "+55 41 99999-0004") == [4]
    statuses = fresh.execute("SELECT DISTINCT processing_status FROM chat_files").fetchall()
    assert statuses == [("linked",)]


def test_a_second_run_changes_nothing(fresh: Connection) -> None:
    add_contact(fresh, 1, "Ana", "(41) 99999-0001")
    add_chat(fresh, "+55 41 99999-0001")
    add_chat(fresh, "Zeca")
    assert _link(fresh).changed["chats"] == 2
    before = fresh.execute("SELECT id, xmin::text, updated_at FROM chat_files ORDER BY id").fetchall()
    again = _link(fresh)
    assert again.changed == {"chats": 0, "candidates": 0}
    assert fresh.execute("SELECT id, xmin::text, updated_at FROM chat_files ORDER BY id").fetchall() == before


@pytest.mark.parametrize("typed", ["99999-0001", "(xx) 99999-0001"])
@pytest.mark.parametrize("area", ["41", "47"], ids=["default area", "another area"])
def test_an_area_code_that_nobody_wrote_makes_a_proposal(fresh: Connection, typed: str, area: str) -> None:
    add_contact(fresh, 1, "Ana", typed)
    add_chat(fresh, f"+55 {area} 99999-0001")
    _link(fresh, default_area_code="41")
    assert _links(fresh)[f"+55 {area} 99999-0001"] == ("proposed", "normalized_phone", None)


def test_a_name_that_agrees_makes_a_link_of_an_area_code_that_nobody_wrote(fresh: Connection) -> None:
    add_contact(fresh, 1, "Ana Lima", "99999-0001")
    add_chat(fresh, "Ana Lima +55 41 99999-0001")
    _link(fresh, default_area_code="41")
    assert _links(fresh)["Ana Lima +55 41 99999-0001"] == ("linked", "normalized_phone", 1)


def test_a_title_without_an_area_code_proposes_every_area(fresh: Connection) -> None:
    add_contact(fresh, 1, "Ana", "(41) 99999-0001")
    add_contact(fresh, 2, "Bia", "(11) 99999-0001")
    add_chat(fresh, "99999-0001")
    _link(fresh)
    assert _links(fresh)["99999-0001"][0] == "ambiguous"
    assert _candidates(fresh, "99999-0001") == [1, 2]


def test_a_shared_phone_is_ambiguous_unless_name_order_or_device_decides(fresh: Connection) -> None:
    add_contact(fresh, 1, "Ana Lima", "(41) 99999-0001")
    add_contact(fresh, 2, "Bruno Lima", "(41) 99999-0001")
    add_order(fresh, 10, 2, number="30415", equipment="Notebook Dell", opened=date(2025, 1, 9))
    phone = (("+554199990001", "4199990001"),)
    add_chat(fresh, "+55 41 99999-0001")
    add_chat(fresh, "Ana Lima", headers=phone)
    add_chat(fresh, "Lima OS 30415", headers=phone)
    add_chat(fresh, "55 41 99999-0001", sessions=(Session(devices=["notebook"]),))
    add_chat(fresh, "5541999990001", sessions=(Session(order_numbers=["30415"]),))
    _link(fresh)
    links = _links(fresh)
    assert links["+55 41 99999-0001"] == ("ambiguous", "exact_phone", None)
    assert _flags(fresh, "+55 41 99999-0001") == ["shared_phone"]
    assert links["Ana Lima"] == ("linked", "phone_header", 1)
    assert links["Lima OS 30415"][0::2] == ("linked", 2)
    assert links["55 41 99999-0001"] == ("linked", "equipment_match", 2)
    assert links["5541999990001"] == ("linked", "order_number", 2)


def test_header_phones_link_name_titles_and_disagreements_are_flagged(fresh: Connection) -> None:
    add_contact(fresh, 1, "Ana Lima", "(41) 99999-0001")
    add_contact(fresh, 2, "Bruno Souza", "(41) 99999-0002")
    phone = (("554199990001", "4199990001"),)
    add_chat(fresh, "Ana", headers=phone)
    add_chat(fresh, "Zuleica Prado", headers=phone)
    add_chat(fresh, "+55 41 99999-0002", headers=phone)
    add_chat(fresh, "+55 41 97777-0009", headers=phone)
    _link(fresh)
    links = _links(fresh)
    assert links["Ana"] == ("linked", "phone_header", 1)
    assert _flags(fresh, "Ana") == []
    assert "phone_name_disagree" in _flags(fresh, "Zuleica Prado")
    assert _flags(fresh, "+55 41 99999-0002") == ["title_header_disagree"]
    assert links["+55 41 99999-0002"][0] != "linked"
    assert links["+55 41 97777-0009"][:2] == ("proposed", "phone_header")


def test_an_order_number_in_the_title_names_its_contact(fresh: Connection) -> None:
    add_contact(fresh, 1, "Ana Lima")
    add_contact(fresh, 2, "Bruno Souza")
    add_order(fresh, 10, 1, number="030415")
    add_order(fresh, 11, 2, number="30500")
    add_order(fresh, 12, 1, number="30500")
    add_chat(fresh, "Ana OS 30415")
    add_chat(fresh, "OS 30500")
    add_chat(fresh, "Bruno Souza OS 30500")
    add_chat(fresh, "Zuleica OS 30415")
    _link(fresh)
    links = _links(fresh)
    assert links["Ana OS 30415"] == ("linked", "order_number", 1)
    assert links["OS 30500"][0] == "ambiguous"
    assert links["Bruno Souza OS 30500"] == ("linked", "order_number", 2)
    assert links["Zuleica OS 30415"][0] == "proposed"
    assert _flags(fresh, "Zuleica OS 30415") == ["order_name_disagree"]


def test_a_group_is_never_a_person(fresh: Connection) -> None:
    add_contact(fresh, 1, "Ana Lima", "(41) 99999-0001")
    add_chat(fresh, "Ana Lima", is_group=True, headers=(("554199990001", "4199990001"),))
    _link(fresh)
    assert _links(fresh)["Ana Lima"] == ("group", None, None)


def test_evidence_is_kept_in_words_and_adds_up(fresh: Connection) -> None:
    add_contact(fresh, 1, "Ana Lima", "(41) 99999-0001")
    add_chat(fresh, "+55 41 99999-0001")
    _link(fresh)
    row = fresh.execute("SELECT confidence, evidence FROM match_candidates").fetchone()
    assert row is not None
    assert row[0] == pytest.approx(0.999089, abs=1e-6)
    assert [(f["name"], f["weight"]) for f in row[1]] == [("exact_phone", 7.0)]
    assert "mobile" in row[1][0]["words"]


def test_overrides_outrank_survive_and_are_taken_back(fresh: Connection) -> None:
    add_contact(fresh, 1, "Ana", "(41) 99999-0001")
    add_contact(fresh, 2, "Bia", "(41) 99999-0002")
    title, other = "+55 41 99999-0001", "+55 41 99999-0002"
    add_chat(fresh, title)
    add_chat(fresh, other)
    by_phone = fresh.execute("SELECT override_link('phone', %s, 'contact', 2, 'lent phone')", (title,))
    first = by_phone.fetchone()
    _link(fresh)
    assert _links(fresh)[title] == ("manual", "override", 2)
    assert _candidates(fresh, title) == [2, 1]

    fresh.execute(
        "SELECT override_link('file', %s, 'no_contact', NULL, 'a supplier')", (f"2025/01/{title}.txt",)
    )
    _link(fresh)
    assert _links(fresh)[title] == ("manual", "override", None)
    assert _link(fresh).changed["chats"] == 0

    assert first is not None
    fresh.execute("SELECT remove_override(id, 'mistaken') FROM link_overrides WHERE removed_at IS NULL")
    _link(fresh)
    assert _links(fresh)[title] == ("linked", "exact_phone", 1)
    assert _links(fresh)[other] == ("linked", "exact_phone", 2)


def test_an_override_whose_contact_was_deleted_is_flagged(fresh: Connection) -> None:
    add_contact(fresh, 1, "Ana", "(41) 99999-0001")
    add_contact(fresh, 2, "Bia")
    add_chat(fresh, "+55 41 99999-0001")
    fresh.execute("SELECT override_link('title', '+55 41  99999-0001', 'contact', 2, 'hers')")
    _link(fresh)
    fresh.execute("DELETE FROM contatos WHERE id = 2")
    _link(fresh)
    assert _links(fresh)["+55 41 99999-0001"] == ("linked", "exact_phone", 1)
    assert _flags(fresh, "+55 41 99999-0001") == ["override_contact_gone"]


def test_deleting_a_contact_leaves_the_chat_waiting(fresh: Connection) -> None:
    add_contact(fresh, 1, "Ana", "(41) 99999-0001")
    add_chat(fresh, "+55 41 99999-0001")
    _link(fresh)
    fresh.execute("DELETE FROM contatos WHERE id = 1")
    assert _links(fresh)["+55 41 99999-0001"] == ("pending", None, None)
    _link(fresh)
    assert _links(fresh)["+55 41 99999-0001"] == ("unmatched", None, None)


def test_contacts_that_are_not_in_the_table_are_no_hit(fresh: Connection) -> None:
    """Deleted since its phones were normalized, or named by an order and never read from the ERP."""
    add_contact(fresh, 1, "Ana", "(41) 99999-0001")
    add_contact(fresh, 2, "Bia", "(41) 99999-0002")
    add_order(fresh, 5, 77, number="30123")
    for title in ("+55 41 99999-0001", "+55 41 99999-0002", "OS 30123"):
        add_chat(fresh, title)
    normalize_contacts(fresh, default_area_code=None, log=LOG)
    fresh.execute("DELETE FROM contatos WHERE id = 1")
    link_month(fresh, "2025-01", LinkOptions(), log=LOG)
    assert {title: (status, contact) for title, (status, _, contact) in _links(fresh).items()} == {
        "+55 41 99999-0001": ("unmatched", None),
        "+55 41 99999-0002": ("linked", 2),
        "OS 30123": ("unmatched", None),
    }


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT override_link('phone', '+55 41 99999-0001', 'contact', 999, 'no such contact')",
        "SELECT override_link('phone', '+55 41 99999-0001', 'contact', NULL, 'which?')",
        "SELECT override_link('phone', '99999-0001', 'no_contact', NULL, 'no area code')",
        "SELECT override_link('phone', '+55 41 99999-0001', 'no_contact', NULL, '  ')",
        "SELECT override_link('shoe', 'x', 'no_contact', NULL, 'why not')",
        "SELECT override_link('file', 'x', 'maybe', NULL, 'why not')",
    ],
)
def test_an_override_that_makes_no_sense_is_refused(conn: Connection, statement: str) -> None:
    with pytest.raises(psycopg.Error):
        conn.execute(statement)


def test_overrides_are_an_audit(fresh: Connection) -> None:
    fresh.execute("SELECT override_link('title', 'Ana', 'no_contact', NULL, 'a supplier', 'maria')")
    for statement in (
        "DELETE FROM link_overrides",
        "TRUNCATE link_overrides",
        "UPDATE link_overrides SET reason = 'other'",
    ):
        with pytest.raises(psycopg.Error):
            fresh.execute(statement)
    fresh.execute("SELECT override_link('title', ' ANA ', 'no_contact', NULL, 'sure', 'bia')")
    rows = fresh.execute("SELECT reason, made_by, removed_by FROM link_overrides ORDER BY id").fetchall()
    assert rows == [("a supplier", "maria", "bia"), ("sure", "bia", None)]
