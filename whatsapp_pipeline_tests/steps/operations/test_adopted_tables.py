"""The chain on a user's own tables as they come: no key, an id twice, numbers where text is expected."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date

import pytest

from whatsapp_pipeline.steps.contacts.normalize_contacts import NormalizeReport, normalize_contacts
from whatsapp_pipeline.steps.links.link_contacts import LinkOptions
from whatsapp_pipeline.steps.links.link_orders import OrderLinkOptions
from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, summarize
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.migrate import migrate
from whatsapp_pipeline.store.operations import adoption
from whatsapp_pipeline.store.operations import dry_run_diff as difference
from whatsapp_pipeline.store.operations.gates import no_contact_normalized
from whatsapp_pipeline.store.summaries.customers import contact_orders
from whatsapp_pipeline_tests.steps.links.linking_rows import Session, add_chat
from whatsapp_pipeline_tests.truth.linked_months import link_month, link_orders_month

LOG = logging.getLogger(__name__)
_TABLES = """
    CREATE TABLE contatos (id integer, nome text, telefone bigint, celular varchar(20));
    CREATE TABLE ordens_servico (
        id integer, numero_ordem_servico integer, situacao integer, data_emissao timestamp,
        data_conclusao timestamp, equipamento varchar(40), id_contato integer);
    INSERT INTO contatos (id, nome, telefone, celular) VALUES
        (1, 'Ana Souza', 4133330001, '(41) 99999-0001'), (1, 'Ana Souza', NULL, '(41) 99999-0003'),
        (2, 'Bia Lima', NULL, '(41) 99999-0002'), (NULL, 'Sem Id', NULL, '(41) 99999-0004');
    INSERT INTO ordens_servico VALUES
        (10, 30010, 3, '2025-01-10 09:00', '2025-01-17 18:00', 'Notebook Dell', 1),
        (10, 30010, 3, '2025-01-10 09:00', '2025-01-17 18:00', 'Notebook Dell', 1);
"""


@pytest.fixture
def shop(empty_database_url: str) -> Iterator[Connection]:
    with connect(empty_database_url) as conn:
        conn.execute(_TABLES)
        migrate(empty_database_url)
        yield conn


def _normalize(conn: Connection) -> NormalizeReport:
    return normalize_contacts(conn, default_area_code=None, log=LOG)


def test_an_id_that_stands_twice_has_the_phones_of_both_rows_and_settles(shop: Connection) -> None:
    assert no_contact_normalized(shop)
    assert _normalize(shop).phones_changed == 4
    keys = shop.execute(
        "SELECT DISTINCT key FROM contact_phones WHERE id_contato = 1 ORDER BY key"
    ).fetchall()
    assert keys == [("4133330001",), ("4199990001",), ("4199990003",)]
    assert _normalize(shop).contacts_read == 0


def test_chats_and_sessions_are_linked_and_summarised_in_spite_of_other_types(shop: Connection) -> None:
    _normalize(shop)
    talk = Session(date(2025, 1, 10), order_numbers=["30010"], devices=["notebook"], stages=["opening"])
    add_chat(shop, "+55 41 99999-0003", sessions=(talk,))
    add_chat(shop, "Ana Souza OS 30010", sessions=(talk,))
    linked = link_month(shop, "2025-01", LinkOptions(), log=LOG).counts()
    assert linked["linked"] == 2
    sessions = link_orders_month(shop, "2025-01", OrderLinkOptions(), log=LOG)
    assert sessions.by_status == {"linked": 2}
    assert summarize(shop, SummaryOptions(), log=LOG).contacts == 0  # no message is loaded here
    assert contact_orders(shop, 1)[0]["situacao"] == "3"


def test_a_dry_run_can_tell_what_would_change(shop: Connection) -> None:
    with shop.transaction(force_rollback=True):
        difference.remember(shop)
        _normalize(shop)
        changes = {change.what: change.count for change in difference.list_changes(shop)}
    assert changes == {"contacts": 3}


def test_the_report_says_what_differs_and_calls_a_time_no_fault_of_a_date(shop: Connection) -> None:
    problems = {(f.table, f.column, f.problem) for f in adoption.compare_user_tables(shop)}
    assert ("contatos", "id", "no_unique_id") in problems
    assert ("contatos", "telefone", "other_type") in problems
    assert ("ordens_servico", "situacao", "other_type") in problems
    assert not {p for p in problems if p[1] in {"data_emissao", "data_conclusao"}}
