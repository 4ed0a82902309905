"""Sessions and their orders on a real database."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date

import pytest

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.links.link_contacts import LinkOptions
from whatsapp_pipeline.steps.links.link_counts import LinkReport
from whatsapp_pipeline.steps.links.link_orders import OrderLinkOptions
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.steps.links.linking_rows import Session, add_chat, add_contact, add_order
from whatsapp_pipeline_tests.truth.linked_months import link_month, link_orders_month

LOG = logging.getLogger(__name__)
ANA, BIA = "+55 41 99999-0001", "+55 41 99999-0002"


@pytest.fixture
def fresh(fresh_database_url: str) -> Iterator[Connection]:
    with connect(fresh_database_url) as conn:
        add_contact(conn, 1, "Ana", "(41) 99999-0001")
        add_contact(conn, 2, "Bia", "(41) 99999-0002")
        yield conn


def _link(conn: Connection, method: str = "model") -> LinkReport:
    normalize_contacts(conn, default_area_code=None, log=LOG)
    link_month(conn, "2025-01", LinkOptions(), log=LOG)
    return link_orders_month(conn, "2025-01", OrderLinkOptions(method), log=LOG)


def _sessions(conn: Connection, title: str = ANA) -> list[tuple[str, str | None, int | None]]:
    return conn.execute(
        """SELECT s.order_match_status, s.order_match_method, s.id_ordem_servico
           FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file WHERE f.title = %s
           ORDER BY s.number""",
        (title,),
    ).fetchall()


def _file(conn: Connection, title: str = ANA) -> tuple[int | None, str | None]:
    row = conn.execute(
        "SELECT id_ordem_servico, order_match_method FROM chat_files WHERE title = %s", (title,)
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_each_session_of_a_long_chat_finds_its_own_order(fresh: Connection) -> None:
    add_order(fresh, 10, 1, opened=date(2023, 3, 1), closed=date(2023, 3, 8), equipment="Notebook Dell")
    add_order(fresh, 11, 1, opened=date(2025, 1, 10), closed=date(2025, 1, 17), equipment="iPhone 11")
    add_chat(
        fresh,
        ANA,
        sessions=(
            Session(date(2023, 3, 1), devices=["notebook"], stages=["opening"]),
            Session(date(2023, 3, 8), stages=["closing"]),
            Session(date(2024, 6, 1)),
            Session(date(2025, 1, 10), stages=["opening"]),
        ),
    )
    report = _link(fresh)
    assert _sessions(fresh) == [
        ("linked", "temporal_match", 10),
        ("linked", "temporal_match", 10),
        ("unmatched", None, None),
        ("linked", "temporal_match", 11),
    ]
    assert _file(fresh) == (None, None)
    assert report.counts()["by_temporal_match"] == 3
    again = _link(fresh)
    assert again.changed == {"sessions": 0, "candidates": 0, "files": 0}


def test_the_chat_has_an_order_when_there_is_one(fresh: Connection) -> None:
    add_order(fresh, 10, 1, opened=date(2025, 1, 10), closed=date(2025, 1, 17))
    add_chat(fresh, ANA, sessions=(Session(date(2025, 1, 10)), Session(date(2025, 1, 17))))
    _link(fresh)
    assert _file(fresh) == (10, "temporal_match")


def test_a_chats_method_is_that_of_the_session_that_found_its_order(fresh: Connection) -> None:
    """A session far from every order has no confidence, which PostgreSQL sorts before any other."""
    add_order(fresh, 10, 1, opened=date(2025, 1, 10), closed=date(2025, 1, 17))
    add_chat(
        fresh, ANA, sessions=(Session(date(2023, 1, 10)), Session(date(2025, 1, 10), order_numbers=["30010"]))
    )
    _link(fresh)
    assert _sessions(fresh) == [("unmatched", None, None), ("linked", "direct_os_ref", 10)]
    assert _file(fresh) == (10, "direct_os_ref")


def test_an_explicit_number_is_checked_against_the_contact(fresh: Connection) -> None:
    add_order(fresh, 10, 1, number="030415", opened=date(2024, 5, 1), closed=date(2024, 5, 9))
    add_order(fresh, 20, 2, number="30500", opened=date(2025, 1, 10))
    add_chat(
        fresh,
        ANA,
        sessions=(Session(order_numbers=["30415"]), Session(date(2025, 1, 20), order_numbers=["30500"])),
    )
    _link(fresh)
    assert _sessions(fresh) == [("linked", "direct_os_ref", 10), ("unmatched", None, None)]
    flags = fresh.execute("SELECT order_flags FROM chat_sessions WHERE number = 2").fetchone()
    assert flags == (["order_of_another_contact"],)


def test_a_number_that_is_not_unique_is_decided_by_contact_and_time(fresh: Connection) -> None:
    add_order(fresh, 10, 1, number="30415", opened=date(2022, 5, 1), closed=date(2022, 5, 9))
    add_order(fresh, 11, 1, number="30415", opened=date(2025, 1, 10), closed=date(2025, 1, 15))
    add_order(fresh, 20, 2, number="30415", opened=date(2025, 1, 10))
    add_chat(fresh, ANA, sessions=(Session(order_numbers=["30415"]),))
    _link(fresh)
    assert _sessions(fresh) == [("linked", "direct_os_ref", 11)]


def test_a_number_in_a_chat_without_a_contact_is_a_proposal(fresh: Connection) -> None:
    add_order(fresh, 20, None, number="30500")
    add_chat(fresh, "+55 41 97777-0009", sessions=(Session(order_numbers=["30500"]),))
    _link(fresh)
    assert _sessions(fresh, "+55 41 97777-0009") == [("proposed", "direct_os_ref", None)]


def test_two_orders_alike_are_proposals_in_order(fresh: Connection) -> None:
    for id_ in (10, 11):
        add_order(fresh, id_, 1, opened=date(2025, 1, 10), closed=date(2025, 1, 17), equipment="TV LG")
    add_chat(fresh, ANA, sessions=(Session(),))
    _link(fresh)
    assert _sessions(fresh) == [("proposed", "temporal_match", None)]
    ranked = fresh.execute("SELECT rank, id_ordem_servico FROM order_candidates ORDER BY rank").fetchall()
    assert ranked == [(1, 10), (2, 11)]


_TITLED = "+55 41 99999-0001 OS 30010"


def test_the_title_s_number_does_not_outvote_the_sessions(fresh: Connection) -> None:
    """A title that is kept from an earlier order: all that contradicted their own sessions were wrong."""
    add_order(fresh, 10, 1, opened=date(2024, 3, 1), closed=date(2024, 3, 8))
    add_order(fresh, 11, 1, opened=date(2025, 1, 10), closed=date(2025, 1, 17))
    add_chat(fresh, _TITLED, sessions=(Session(date(2025, 1, 10)), Session(date(2025, 1, 17))))
    _link(fresh)
    assert [row[2] for row in _sessions(fresh, _TITLED)] == [11, 11]
    assert _file(fresh, _TITLED) == (11, "temporal_match")


def test_the_title_s_number_chooses_among_the_orders_of_the_sessions(fresh: Connection) -> None:
    add_order(fresh, 10, 1, opened=date(2024, 3, 1), closed=date(2024, 3, 8))
    add_order(fresh, 11, 1, opened=date(2025, 1, 10), closed=date(2025, 1, 17))
    add_chat(fresh, _TITLED, sessions=(Session(date(2024, 3, 1)), Session(date(2025, 1, 10))))
    _link(fresh)
    assert [row[2] for row in _sessions(fresh, _TITLED)] == [10, 11]
    assert _file(fresh, _TITLED) == (10, "direct_os_ref")


def test_the_title_s_number_stands_alone_only_where_its_dates_fit(fresh: Connection) -> None:
    add_order(fresh, 10, 1, opened=date(2024, 3, 1), closed=date(2024, 3, 8))
    add_chat(fresh, _TITLED, sessions=(Session(date(2025, 6, 1)), Session(date(2025, 7, 1))))
    add_order(fresh, 11, 1, opened=date(2025, 4, 20), closed=date(2025, 4, 25))
    _link(fresh)
    assert _file(fresh, _TITLED) == (None, None)  # that another order is a candidate is no evidence for it
    fresh.execute("DELETE FROM ordens_servico WHERE id = 11")
    fresh.execute("UPDATE ordens_servico SET data_emissao = '2025-04-20', data_conclusao = '2025-04-25'")
    _link(fresh)
    statuses = [row[0] for row in _sessions(fresh, _TITLED)]
    assert "linked" not in statuses
    assert _file(fresh, _TITLED) == (10, "direct_os_ref")


def test_the_title_s_number_is_silent_where_sessions_are_linked_to_another_order(fresh: Connection) -> None:
    """One session could be about the title's order by its date, and none is linked to it."""
    add_order(fresh, 10, 1, opened=date(2025, 4, 20), closed=date(2025, 4, 25))
    add_order(fresh, 11, 1, opened=date(2025, 1, 10), closed=date(2025, 1, 17))
    add_chat(fresh, _TITLED, sessions=(Session(date(2025, 1, 10)), Session(date(2025, 6, 1))))
    _link(fresh)
    assert [row[2] for row in _sessions(fresh, _TITLED)] == [11, None]
    assert fresh.execute("SELECT DISTINCT id_ordem_servico FROM order_candidates ORDER BY 1").fetchall() == [
        (10,),
        (11,),
    ]
    assert _file(fresh, _TITLED) == (11, "temporal_match")


def test_the_title_s_number_is_silent_where_two_orders_have_it(fresh: Connection) -> None:
    for id_ in (10, 11):
        add_order(fresh, id_, 1, number="30010", opened=date(2025, 1, 10), closed=date(2025, 1, 17))
    add_chat(fresh, _TITLED, sessions=(Session(),))
    _link(fresh)
    assert [row[0] for row in _sessions(fresh, _TITLED)] == ["proposed"]
    assert _file(fresh, _TITLED) == (None, None)


def test_the_title_s_number_is_silent_where_a_person_said_no_order(fresh: Connection) -> None:
    add_order(fresh, 10, 1, opened=date(2025, 1, 10), closed=date(2025, 1, 17))
    add_chat(fresh, _TITLED, path="2025/01/ana.txt", sessions=(Session(),))
    _link(fresh)
    assert _file(fresh, _TITLED)[0] == 10
    fresh.execute("SELECT override_link('file', '2025/01/ana.txt', 'no_order', NULL, 'small talk')")
    _link(fresh)
    assert _file(fresh, _TITLED) == (None, "override")


def test_the_title_s_number_says_nothing_of_a_contact_who_is_only_proposed(fresh: Connection) -> None:
    add_order(fresh, 10, 1, opened=date(2025, 1, 10), closed=date(2025, 1, 17))
    chat = add_chat(fresh, "Ana OS 30010", sessions=(Session(),))
    fresh.execute("UPDATE chat_files SET match_status = 'proposed' WHERE id = %s", (chat,))
    fresh.execute("INSERT INTO match_candidates VALUES (%s, 1, 1, 0.8, 'name_match', '[]')", (chat,))
    link_orders_month(fresh, "2025-01", OrderLinkOptions(), log=LOG)
    assert _sessions(fresh, "Ana OS 30010")[0][0] == "proposed"
    assert _file(fresh, "Ana OS 30010") == (None, None)


def test_the_plans_rule_is_a_method_of_its_own(fresh: Connection) -> None:
    add_order(fresh, 10, 1, opened=date(2025, 1, 2), equipment="Notebook")
    add_order(fresh, 11, 1, opened=date(2025, 1, 9), equipment="TV LG")
    add_chat(fresh, ANA, sessions=(Session(),))
    add_order(fresh, 20, 2, opened=date(2025, 1, 30))
    add_chat(fresh, BIA, sessions=(Session(),))
    _link(fresh, "temporal_match")
    assert _sessions(fresh) == [("linked", "temporal_match", 11)]
    assert _sessions(fresh, BIA) == [("unmatched", None, None)]
    with pytest.raises(PipelineError, match="temporal_match"):
        OrderLinkOptions("guess").policy()


def test_overrides_of_orders(fresh: Connection) -> None:
    add_order(fresh, 10, 1, opened=date(2025, 1, 10))
    add_order(fresh, 11, 1, opened=date(2024, 1, 10))
    add_chat(fresh, ANA, path="2025/01/ana.txt", sessions=(Session(), Session(date(2025, 1, 12))))
    fresh.execute("SELECT override_link('file', '2025/01/ana.txt', 'order', 11, 'he said so')")
    _link(fresh)
    assert _sessions(fresh) == [("manual", "override", 11)] * 2
    assert _file(fresh) == (11, "override")
    fresh.execute(
        """SELECT override_link('file', '2025/01/ana.txt', 'no_order', NULL, 'small talk',
                                session_number => 2)"""
    )
    _link(fresh)
    assert _sessions(fresh) == [("manual", "override", 11), ("manual", "override", None)]
    fresh.execute("SELECT override_link('file', '2025/01/ana.txt', 'no_order', NULL, 'neither')")
    _link(fresh)
    assert _sessions(fresh) == [("manual", "override", None)] * 2
    assert _file(fresh) == (None, "override")
    again = _link(fresh)
    assert (again.changed["sessions"], again.changed["files"]) == (0, 0)


def test_a_deleted_order_leaves_the_session_waiting_and_is_found_again_by_none(fresh: Connection) -> None:
    add_order(fresh, 10, 1, opened=date(2025, 1, 10))
    add_chat(fresh, ANA, sessions=(Session(),))
    _link(fresh)
    assert _sessions(fresh) == [("linked", "temporal_match", 10)]
    fresh.execute("DELETE FROM ordens_servico WHERE id = 10")
    assert _sessions(fresh) == [("pending", None, None)]
    _link(fresh)
    assert _sessions(fresh) == [("unmatched", None, None)]
