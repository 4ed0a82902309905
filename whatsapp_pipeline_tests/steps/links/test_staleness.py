"""A month is planned or a run leaves it as it is, whatever changed and in whatever order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts, waiting_contacts
from whatsapp_pipeline.steps.links.link_contacts import ContactLinking, LinkOptions
from whatsapp_pipeline.steps.links.link_orders import OrderLinking, OrderLinkOptions
from whatsapp_pipeline.steps.links.staleness import stale_months
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import models
from whatsapp_pipeline_tests.steps.links.linking_rows import Session, add_chat, add_contact, add_order

LOG = logging.getLogger(__name__)
NAMED, UNNAMED = ("2025-01", "2025-02"), "2025-03"  # no title of the last month has a name
MONTHS = (*NAMED, UNNAMED)
NAMES = ("Ana Lima", "Bruno Reis", "Carla Souza")
PHONES = ("(41) 99999-0001", "(41) 99999-0002", "(xx) 99999-0001", "")
DEVICES = ("Notebook Dell", "TV LG", "")
DAY = date(2025, 1, 10)


@pytest.fixture(scope="module")
def linked(database_url: str) -> Iterator[Connection]:
    """Three contacts, three orders and chats of every kind in two months, linked."""
    with connect(database_url) as conn:
        for id_, (name, phone) in enumerate(zip(NAMES, PHONES, strict=False), 1):
            add_contact(conn, id_, name, phone)
            add_order(conn, id_, id_, opened=DAY, closed=DAY + timedelta(days=5), equipment=DEVICES[id_ - 1])
        for number, month in enumerate(MONTHS):
            day = DAY + timedelta(days=31 * number)
            titles = ["+55 41 99999-0001", "+55 41 99999-0002", "OS 30003"]
            for title in titles + ["Carla notebook", "Bruno"] * (month in NAMED):
                sessions = (Session(day, devices=["notebook"]), Session(day + timedelta(days=9), ["30001"]))
                add_chat(conn, title, sessions=sessions, month=month, path=f"{month}/{title}.txt")
        _run(conn, MONTHS)
        yield conn


def _run(conn: Connection, months: tuple[str, ...]) -> None:
    """Do what `backfill` does with links: normalize, then link contacts and orders."""
    normalize_contacts(conn, default_area_code=None, log=LOG)
    contacts, orders = ContactLinking(LinkOptions(), log=LOG), OrderLinking(OrderLinkOptions(), log=LOG)
    for month in months:
        contacts.link(conn, month)
        orders.link(conn, month)


def _plan(conn: Connection) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for month, why in stale_months(conn, MONTHS, default_area_code=None):
        found.setdefault(month, set()).add(why)
    if waiting_contacts(conn, default_area_code=None):
        for month in MONTHS:
            found.setdefault(month, set()).add("waiting")
    return found


def _links(conn: Connection, month: str) -> list[Any]:
    statements = (
        """SELECT id, match_status, match_method, match_confidence, id_contato, match_flags, id_ordem_servico,
                  order_match_method FROM chat_files WHERE month = %s ORDER BY 1""",
        """SELECT s.id, s.order_match_status, s.order_match_method, s.order_match_confidence,
                  s.id_ordem_servico, s.order_flags
           FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file WHERE month = %s ORDER BY 1""",
        """SELECT m.* FROM match_candidates m JOIN chat_files f ON f.id = m.id_chat_file
           WHERE month = %s ORDER BY id_chat_file, rank""",
        """SELECT c.* FROM order_candidates c JOIN chat_sessions s ON s.id = c.id_chat_session
           JOIN chat_files f ON f.id = s.id_chat_file WHERE month = %s ORDER BY id_chat_session, rank""",
    )
    return [conn.execute(statement, (month,)).fetchall() for statement in statements]


Change = Callable[[Connection], object]
_IDS = st.integers(1, 4)
_DAYS = st.integers(-400, 400).map(lambda days: DAY + timedelta(days=days))


def _sql(statement: str, *strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Change]:
    values = st.tuples(*strategies)
    return values.map(lambda chosen: lambda conn: conn.execute(statement.encode(), chosen))


_CHANGES = st.one_of(
    _sql("UPDATE contatos SET celular = %s WHERE id = %s", st.sampled_from(PHONES), _IDS),
    _sql("UPDATE contatos SET nome = %s WHERE id = %s", st.sampled_from(NAMES), _IDS),
    _sql("DELETE FROM contatos WHERE id = %s", _IDS),
    _sql(
        "INSERT INTO contatos (id, nome, celular) VALUES (4, %s, %s) ON CONFLICT (id) DO NOTHING",
        st.sampled_from(NAMES),
        st.sampled_from(PHONES),
    ),
    _sql("UPDATE ordens_servico SET id_contato = %s WHERE id = %s", _IDS, _IDS),
    _sql("UPDATE ordens_servico SET data_emissao = %s, data_conclusao = NULL WHERE id = %s", _DAYS, _IDS),
    _sql("UPDATE ordens_servico SET data_conclusao = %s WHERE id = %s", _DAYS, _IDS),
    _sql("UPDATE ordens_servico SET equipamento = %s WHERE id = %s", st.sampled_from(DEVICES), _IDS),
    _sql(
        "UPDATE ordens_servico SET numero_ordem_servico = %s WHERE id = %s",
        st.sampled_from(["30001", "30003", "7"]),
        _IDS,
    ),
    _sql("DELETE FROM ordens_servico WHERE id = %s", _IDS),
    _sql(
        """INSERT INTO ordens_servico (id, id_contato, numero_ordem_servico, data_emissao, equipamento)
           VALUES (%s, %s, '30009', %s, %s) ON CONFLICT (id) DO NOTHING""",
        st.sampled_from([4, 30001]),
        _IDS,
        _DAYS,
        st.sampled_from(DEVICES),
    ),
    _sql("SELECT override_link('title', %s, 'no_contact', NULL, 'why')", st.sampled_from(["Bruno", "Carla"])),
    _sql(
        "SELECT remove_override(id, 'why') FROM link_overrides WHERE removed_at IS NULL AND id %% 2 = %s",
        st.integers(0, 1),
    ),
    _sql(
        """INSERT INTO review_verdicts (id_chat_file, verdict, match_status, match_method, id_contato,
                                         reviewer)
            SELECT id, %s, match_status, match_method, id_contato, 'ana' FROM chat_files
            WHERE title = %s AND match_status = 'linked'""",
        st.sampled_from(["right", "wrong"]),
        st.sampled_from(["+55 41 99999-0001", "+55 41 99999-0002"]),
    ),
    _sql(
        "UPDATE chat_files SET id_contato = NULL, match_status = 'unmatched' WHERE title = %s",
        st.sampled_from(["+55 41 99999-0001", "OS 30003"]),
    ),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(_CHANGES, min_size=1, max_size=4), again=st.booleans())
def test_a_month_is_planned_or_a_run_leaves_it_as_it_is(
    linked: Connection, changes: list[Change], again: bool
) -> None:
    with linked.transaction(force_rollback=True):
        for change in changes:
            change(linked)
        plan = _plan(linked)
        before = {month: _links(linked, month) for month in MONTHS}
        _run(linked, MONTHS)
        for month in MONTHS:
            assert month in plan or _links(linked, month) == before[month]
        if again:
            assert _plan(linked) == {}


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("contatos", "nome"),
        ("contatos", "celular"),
        ("ordens_servico", "numero_ordem_servico"),
        ("ordens_servico", "id_contato"),
        ("ordens_servico", "equipamento"),
    ],
)
def test_two_rows_that_exchange_a_value_make_their_months_stale(
    linked: Connection, table: str, column: str
) -> None:
    with linked.transaction(force_rollback=True):
        linked.execute(
            f"""UPDATE {table} a SET {column} = b.{column} FROM {table} b
                WHERE a.id IN (1, 2) AND b.id = 3 - a.id""".encode()
        )
        normalize_contacts(linked, default_area_code=None, log=LOG)
        assert "2025-01" in _plan(linked)


def test_an_order_makes_only_the_months_stale_that_it_may_concern(linked: Connection) -> None:
    with linked.transaction(force_rollback=True):
        add_contact(linked, 8, "Zuleica Prado")
        add_contact(linked, 9, "Wagner Paz", "(41) 98888-0009")
        add_chat(linked, "+55 41 98888-0009", sessions=(Session(DAY),), path="2025-01/nove.txt")
        _run(linked, MONTHS)
        add_order(linked, 90, 8, opened=DAY, number="88")  # no chat is about this contact
        add_order(linked, 91, 9, opened=DAY - timedelta(days=2000), number="89")  # far from every chat
        linked.execute("UPDATE ordens_servico SET total_pecas = 5")  # nothing that links are decided by
        assert _plan(linked) == {}
        add_order(linked, 92, 9, opened=DAY + timedelta(days=3), equipment="TV LG")
        assert _plan(linked) == {"2025-01": {"orders changed since it was linked"}}
        linked.execute("UPDATE ordens_servico SET numero_ordem_servico = '30003' WHERE id = 90")
        assert set(_plan(linked)) == set(MONTHS)  # a chat in each names this number
        _run(linked, MONTHS)
        assert _plan(linked) == {}


def test_a_contact_makes_only_the_months_stale_that_it_may_concern(linked: Connection) -> None:
    why = {"contacts changed since it was linked"}
    with linked.transaction(force_rollback=True):
        add_contact(linked, 7, "Zuleica Prado", "(41) 97777-0007")
        normalize_contacts(linked, default_area_code=None, log=LOG)
        assert _plan(linked) == dict.fromkeys(NAMED, why)  # its words count among all names
        _run(linked, MONTHS)
        linked.execute("UPDATE contatos SET celular = '(41) 97777-0008' WHERE id = 7")
        normalize_contacts(linked, default_area_code=None, log=LOG)
        assert _plan(linked) == {}  # a phone that no chat has
        linked.execute("UPDATE contatos SET celular = '(41) 99999-0002' WHERE id = 7")
        normalize_contacts(linked, default_area_code=None, log=LOG)
        assert _plan(linked) == dict.fromkeys(MONTHS, why)
        _run(linked, MONTHS)
        assert _plan(linked) == {}


def test_an_order_of_long_ago_counts_where_its_device_decides_between_candidates(linked: Connection) -> None:
    with linked.transaction(force_rollback=True):
        add_contact(linked, 11, "Pai", "(41) 97777-0011")
        add_contact(linked, 12, "Filho", "(41) 97777-0011")
        add_chat(
            linked, "+55 41 97777-0011", sessions=(Session(DAY, devices=["tv"]),), path="2025-01/onze.txt"
        )
        _run(linked, MONTHS)
        before = _links(linked, "2025-01")
        add_order(linked, 93, 12, opened=DAY - timedelta(days=900), equipment="TV LG")
        assert _plan(linked) == {"2025-01": {"orders changed since it was linked"}}
        _run(linked, MONTHS)
        assert _links(linked, "2025-01") != before


def test_a_refitted_model_makes_linked_months_stale(linked: Connection) -> None:
    from whatsapp_pipeline.domain.matching.order_model import ORDER_MODEL_VERSION, default_model

    with linked.transaction(force_rollback=True):
        models.save(
            linked,
            "orders",
            version=str(ORDER_MODEL_VERSION),
            seed=0,
            contacts=3,
            overrides=0,
            model=default_model().to_json(),
            reliability=[],
        )
        assert _plan(linked) == {month: {"a new model was fitted"} for month in MONTHS}
        _run(linked, MONTHS)
        assert _plan(linked) == {}


def test_a_verdict_on_a_phone_makes_months_with_phones_stale_until_they_are_linked_again(
    linked: Connection,
) -> None:
    why = {"verdicts changed the confidence of links by phone"}
    with linked.transaction(force_rollback=True):
        linked.execute(
            """INSERT INTO review_verdicts (id_chat_file, verdict, match_status, match_method, id_contato,
                                            reviewer)
               SELECT id, 'wrong', match_status, match_method, id_contato, 'ana' FROM chat_files
               WHERE title = '+55 41 99999-0001' AND month = '2025-01'"""
        )
        assert _plan(linked) == dict.fromkeys(MONTHS, why)  # the new weights are not stored yet
        _run(linked, MONTHS[:1])
        assert _plan(linked) == dict.fromkeys(MONTHS[1:], why)
        with linked.transaction(force_rollback=True):
            linked.execute("UPDATE review_verdicts SET withdrawn_at = now()")
            assert _plan(linked) == dict.fromkeys(MONTHS, why)
            _run(linked, MONTHS[:1])
            assert _plan(linked) == {}  # the other months were linked with these weights
        before = _links(linked, UNNAMED)
        _run(linked, MONTHS[1:])
        assert _links(linked, UNNAMED) != before
        assert _plan(linked) == {}


def test_other_options_and_other_programs_show(linked: Connection) -> None:
    with linked.transaction(force_rollback=True):
        ContactLinking(LinkOptions(link_at=0.99), log=LOG).link(linked, "2025-02")
        assert _plan(linked)["2025-02"] >= {"the rules or settings of linking changed"}
        assert "2025-01" not in _plan(linked)
        linked.execute("UPDATE chat_files SET match_flags = '{x}' WHERE month = '2025-01'")
        assert _plan(linked)["2025-01"] == {"another program changed links"}
