"""Passes over an ERP that counts wrong, dates wrong and sends odd values: nothing is lost, all is shown."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from whatsapp_pipeline.checks import contacts as rules
from whatsapp_pipeline.checks.qa import CheckScope
from whatsapp_pipeline.erp.budget import PassBudget
from whatsapp_pipeline.erp.client import ErpClient
from whatsapp_pipeline.erp.source import ApiSource, open_erp_source
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.sandbox.erp_server import API, ErpSandbox, Fault, serving
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.steps.contacts.erp_sync import SyncReport, sync_contacts, sync_orders
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.erp import worlds

LOG = logging.getLogger(__name__)
Sync = Callable[..., SyncReport]


@pytest.fixture
def conn(fresh_database_url: str) -> Iterator[Connection]:
    with connect(fresh_database_url) as connection:
        yield connection


@pytest.fixture
def sandbox() -> ErpSandbox:
    return worlds.sandbox(233, orders=3)  # 230 of the status B


@pytest.fixture
def base(sandbox: ErpSandbox) -> Iterator[str]:
    with serving(sandbox) as url:
        yield url


@pytest.fixture
def sync(conn: Connection, base: str, tmp_path: Path) -> Sync:
    def run(*, full: bool = False) -> SyncReport:
        with worlds.source(base, tmp_path) as source:
            return sync_contacts(conn, source, full=full, backup_dir=None, log=LOG)

    return run


@pytest.fixture
def orders(conn: Connection, base: str, tmp_path: Path) -> Sync:
    def run() -> SyncReport:
        with worlds.source(base, tmp_path) as source:
            return sync_orders(conn, source, since=None, backup_dir=None, log=LOG)

    return run


def _one(conn: Connection, query: str, *values: object) -> Any:
    row = conn.execute(query, values).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def _findings(conn: Connection) -> list[tuple[str, str, str]]:
    return conn.execute("SELECT file_path, kind, detail FROM exceptions ORDER BY 1, 2, 3").fetchall()


def _failing(conn: Connection, name: str) -> int:
    check = next(check for check in rules.CHECKS if check.name == name)
    return check.find(CheckScope(conn, [], Archive())).failing


def test_a_date_in_the_future_does_not_end_incremental_reading(
    conn: Connection, sandbox: ErpSandbox, sync: Sync
) -> None:
    sandbox.contacts[7] = worlds.contact(7, updated="9999-12-31 00:00:00")
    sync()
    assert _one(conn, "SELECT max(watermark) <= localtimestamp + interval '1 day' FROM erp_passes")
    assert [(path, kind) for path, kind, _ in _findings(conn)] == [("contatos/1007", "future_date")]
    today = _one(conn, "SELECT to_char(now() AT TIME ZONE 'America/Sao_Paulo', 'YYYY-MM-DD HH24:MI:SS')")
    sandbox.contacts[5] = worlds.contact(5, nome="Outro nome", updated=today)
    report = sync()
    assert (report.incremental, report.updated) == (1, 1)
    assert _one(conn, "SELECT nome FROM contatos WHERE id = 1005") == "Outro nome"
    sandbox.contacts[7] = worlds.contact(7)
    sync(full=True)
    assert _findings(conn) == []


def test_a_watermark_in_the_future_that_was_stored_before_is_not_believed(
    conn: Connection, sandbox: ErpSandbox, sync: Sync
) -> None:
    sync()
    conn.execute("UPDATE erp_passes SET watermark = '9999-12-31'")
    sandbox.contacts[5] = worlds.contact(5, nome="Outro nome", updated="2025-02-02 09:00:00")
    report = sync()
    assert (report.incremental, report.items, report.updated) == (0, 233, 1)
    assert sync().incremental == 1


@pytest.mark.parametrize("total", [0, 100, 229, 231])
def test_a_wrong_total_loses_no_row_and_is_a_finding(
    conn: Connection, sandbox: ErpSandbox, sync: Sync, total: int
) -> None:
    sandbox.faults = [Fault("total", "/contatos", total=total, times=99)]
    report = sync()
    assert _one(conn, "SELECT count(*) FROM contatos") == report.items == report.expected == 233
    assert report.read_again <= 4  # at most one more reading of each of the four listings
    words = f"the ERP counts {total} rows and lists 230 different ones"
    assert ("contatos: contatos/B", "count_differs", words) in _findings(conn)
    assert _failing(conn, "erp_counts_agree_on_contacts") >= 1
    assert _failing(conn, "erp_pass_complete") == 0
    # When the ERP counts right again, the finding goes.
    sandbox.faults = []
    sync(full=True)
    assert _findings(conn) == []


def test_a_duplicate_id_does_not_stop_the_pass(conn: Connection, sandbox: ErpSandbox, sync: Sync) -> None:
    sandbox.contacts.insert(120, dict(sandbox.contacts[120]))
    report = sync()
    assert (report.items, report.read_again) == (233, 1)
    assert _findings(conn) == [
        ("contatos: contatos/B", "count_differs", "the ERP counts 231 rows and lists 230 different ones")
    ]


@pytest.mark.parametrize("rows", [100, 199])
@pytest.mark.parametrize("excess", [0, 1])
def test_duplicates_alone_on_the_last_page_do_not_stop_the_pass(
    conn: Connection, sandbox: ErpSandbox, sync: Sync, rows: int, excess: int
) -> None:
    listed = [item for item in sandbox.contacts if item["situacao"] == "B"][:rows]
    sandbox.contacts = [*listed, dict(listed[-1]), dict(listed[5])]
    sandbox.faults = [Fault("total", "/contatos", total=rows + 2 + excess, times=99)] if excess else []
    assert sync().items == rows
    words = f"the ERP counts {rows + 2 + excess} rows and lists {rows} different ones"
    assert ("contatos: contatos/B", "count_differs", words) in _findings(conn)


def test_a_lone_row_that_comes_again_for_ever_ends_the_pass(sandbox: ErpSandbox, sync: Sync) -> None:
    sandbox.contacts = sandbox.contacts[:1]
    sandbox.faults = [Fault("total", "/contatos", total=9, params=["offset"], times=99)]
    with pytest.raises(PipelineError, match="ignores paging"):
        sync()


def test_an_empty_status_may_be_null(conn: Connection, sandbox: ErpSandbox, sync: Sync) -> None:
    sandbox.contacts = [item for item in sandbox.contacts if item["situacao"] != "I"]
    sandbox.faults = [Fault("null", "/contatos", times=99)]
    assert sync().items == 232
    assert _findings(conn) == []


def test_odd_values_are_findings_and_the_pass_goes_on(
    conn: Connection, sandbox: ErpSandbox, sync: Sync
) -> None:
    sync()
    sandbox.contacts[4]["id"] = 2**63
    sandbox.contacts[5] = worlds.contact(5) | {"nome": {"primeiro": "Ana"}, "email": True}
    sandbox.contacts[6] = worlds.contact(6) | {"celular": ["41", "x"], "fantasia": "Loja"}
    report = sync(full=True)
    assert (report.items, report.updated) == (232, 1)
    assert _findings(conn) == [
        (
            "contatos/1005",
            "odd_value",
            "email: the ERP sent true or false instead of a value; the column was not changed",
        ),
        (
            "contatos/1005",
            "odd_value",
            "nome: the ERP sent an object instead of a value; the column was not changed",
        ),
        (
            "contatos/1006",
            "odd_value",
            "celular: the ERP sent a list instead of a value; the column was not changed",
        ),
        ("contatos/?", "unreadable_item", "the id of an item is larger than the database can store (bigint)"),
    ]
    assert _one(conn, "SELECT nome, email FROM contatos WHERE id = 1005") == ("Cliente 5", None)
    celular, fantasia = _one(conn, "SELECT celular, fantasia FROM contatos WHERE id = 1006")
    assert celular == worlds.contact(6)["celular"]
    assert fantasia == "Loja"
    sandbox.contacts[4]["id"] = "9" * 5000
    sandbox.contacts[5], sandbox.contacts[6] = worlds.contact(5), worlds.contact(6, fantasia="Loja")
    sync(full=True)
    assert [kind for _, kind, _ in _findings(conn)] == ["unreadable_item"]


def test_reasons_of_two_pages_are_both_kept(conn: Connection, sandbox: ErpSandbox, sync: Sync) -> None:
    sandbox.contacts[50]["id"] = 2**63
    sandbox.contacts[150]["id"] = None
    sync()
    assert len(_findings(conn)) == 2


@pytest.mark.parametrize("at", [50, 99, 100, 230])
def test_what_is_no_object_is_one_finding_and_the_pass_goes_on(
    conn: Connection, sandbox: ErpSandbox, sync: Sync, at: int
) -> None:
    """Also where the row is the one that two pages share, or the last of all."""
    sandbox.strays = {at: "x", at + 1: None}
    report = sync()
    assert (report.items, report.read_again) == (233, 0)
    assert _findings(conn) == [
        ("contatos/?", "unreadable_item", "an item is empty or is not an object"),
    ]
    sandbox.strays = {}
    sync(full=True)
    assert _findings(conn) == []


def test_a_page_without_any_object_is_read_past(conn: Connection, sandbox: ErpSandbox, sync: Sync) -> None:
    sandbox.strays = dict.fromkeys(range(20, 320))
    assert sync().items == 233
    assert [kind for _, kind, _ in _findings(conn)] == ["unreadable_item"]


def test_orders_and_saved_pages_with_what_is_no_object(
    conn: Connection, sandbox: ErpSandbox, orders: Sync, tmp_path: Path
) -> None:
    sandbox.strays = {0: "x", 2: 7, 5: ["41"]}
    assert orders().items == 3
    place = ("ordens_servico/?", "unreadable_item", "an item is empty or is not an object")
    assert _findings(conn) == [place]
    for name, row in (("contatos", worlds.contact(1)), ("ordem-servico", worlds.order(1)[1])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "details-0.json").write_text(json.dumps([None, row, "x"]))
    with open_erp_source(Settings(), str(tmp_path)) as source:
        assert sync_contacts(conn, source, full=True, backup_dir=None, log=LOG).items == 1
        assert sync_orders(conn, source, since=None, backup_dir=None, log=LOG).items == 1
    assert [path for path, _, _ in _findings(conn)] == ["contatos/?", "ordens_servico/?"]


def test_an_order_whose_details_fail_does_not_hold_up_the_others(
    conn: Connection, sandbox: ErpSandbox, orders: Sync
) -> None:
    sandbox.faults = [Fault("status", "/ordem-servico/9001", times=99)]
    assert orders().items == 3
    assert _findings(conn) == [
        (
            "ordens_servico/9001",
            "no_details",
            "the ERP failed 7 times at /ordem-servico/9001 (HTTP 500 with an empty body); "
            "the pages read so far are kept, and the next run resumes",
        ),
    ]
    assert _one(conn, "SELECT count(equipamento), count(*) FROM ordens_servico") == (2, 3)
    sandbox.faults = []
    orders()
    assert _findings(conn) == []
    assert _one(conn, "SELECT count(equipamento) FROM ordens_servico") == 3


def test_details_that_all_fail_end_the_pass(conn: Connection, sandbox: ErpSandbox, orders: Sync) -> None:
    sandbox.faults = [Fault("status", "/ordem-servico/", times=99)]
    with pytest.raises(PipelineError, match="failed 7 times at /ordem-servico/9002"):
        orders()
    assert _findings(conn) == []


def test_a_pass_out_of_time_keeps_the_details_that_it_has_read(
    conn: Connection, base: str, sandbox: ErpSandbox, tmp_path: Path
) -> None:
    """Each pass may ask for less than a page of details, and yet all are read in the end."""
    rows = [worlds.order(number) for number in range(60)]
    sandbox.orders = [listed for listed, _ in rows]
    sandbox.details = {int(detail["id"]): detail for _, detail in rows}
    sandbox.headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "10"}
    words: list[str] = []
    while len(words) < 9:
        clock = worlds.FakeClock()
        budget = PassBudget(clock, 250.0)  # ten seconds between two requests: a quarter of the page
        client = ErpClient(base + API, worlds.tokens(base, tmp_path, clock), clock=clock, budget=budget)
        try:
            with ApiSource(client, "sandbox") as source:
                sync_orders(conn, source, since=None, backup_dir=None, log=LOG)
            break
        except PipelineError as error:
            words.append(str(error))
    assert len(words) == 2
    assert all("the next run resumes" in each for each in words)
    assert _one(conn, "SELECT count(equipamento) FROM ordens_servico") == 60


def test_details_of_another_order_are_not_stored(conn: Connection, sandbox: ErpSandbox, orders: Sync) -> None:
    orders()
    sandbox.orders[1], _ = worlds.order(1, value="120.00")
    sandbox.details[9001] = worlds.order(2)[1] | {"equipamento": "de outra pessoa"}
    report = orders()
    assert report.details_read == 1
    assert _findings(conn) == [
        (
            "ordens_servico/9001",
            "other_details",
            "the ERP answered with the details of another order; they were not stored",
        ),
    ]
    assert _one(conn, "SELECT equipamento FROM ordens_servico WHERE id = 9001") == "notebook"
    sandbox.details[9001] = worlds.order(1, value="120.00")[1]
    orders()
    assert _findings(conn) == []


def test_odd_values_of_an_order_are_findings(conn: Connection, sandbox: ErpSandbox, orders: Sync) -> None:
    sandbox.details[9001] |= {
        "equipamento": {"nome": "x"},
        "totalOrdemServico": ["1"],
        "contato": {"id": 2**70},
        "orcar": True,
        "totalPecas": "9" * 40,
    }
    report = orders()
    assert (report.items, report.inserted) == (3, 3)
    assert [(path, detail.partition(":")[0]) for path, _, detail in _findings(conn)] == [
        ("ordens_servico/9001", "equipamento"),
        ("ordens_servico/9001", "total_pecas"),
    ]
    row = _one(conn, "SELECT equipamento, orcar, id_contato FROM ordens_servico WHERE id = 9001")
    assert row == (None, "S", 1001)  # the contact of the list item


@pytest.mark.parametrize("contact", [{"id": 2**70}, "x", {"id": [1]}])
def test_a_contact_that_is_none_leaves_the_order_with_its_own(
    conn: Connection, sandbox: ErpSandbox, orders: Sync, contact: object
) -> None:
    orders()
    sandbox.orders[1] |= {"cliente": contact, "valor": "7.00"}
    sandbox.details[9001] |= {"contato": contact}
    orders()
    assert _findings(conn) == [
        (
            "ordens_servico/9001",
            "odd_value",
            "id_contato: the ERP sent no usable id instead of a value; the column was not changed",
        ),
    ]
    assert _one(conn, "SELECT id_contato FROM ordens_servico WHERE id = 9001") == 1001


def test_a_discount_beyond_all_measure_does_not_end_the_pass(
    conn: Connection, sandbox: ErpSandbox, orders: Sync
) -> None:
    sandbox.details[9001] |= {"desconto": "1e999999999%"}
    assert orders().items == 3
    assert _one(conn, "SELECT desconto FROM ordens_servico WHERE id = 9001") is None


@pytest.mark.parametrize("full", [True, False])
def test_a_pass_that_brings_nothing_fails_a_check(
    conn: Connection, sandbox: ErpSandbox, sync: Sync, orders: Sync, full: bool
) -> None:
    sync()
    orders()
    assert _failing(conn, "erp_lists_known_contacts") == _failing(conn, "erp_lists_known_orders") == 0
    sandbox.contacts, kept = [], sandbox.contacts
    sandbox.orders = []
    sync(full=full)
    orders()
    assert _failing(conn, "erp_lists_known_contacts") == _failing(conn, "erp_lists_known_orders") == 1
    assert _one(conn, "SELECT count(*) FROM contatos") == 233
    sandbox.contacts = kept
    sync(full=full)
    assert _failing(conn, "erp_lists_known_contacts") == 0


def test_a_contact_whose_future_date_was_corrected_fails_no_check(
    conn: Connection, sandbox: ErpSandbox, sync: Sync
) -> None:
    sandbox.contacts[7] = worlds.contact(7, updated="2031-12-31 00:00:00")
    sync()
    sandbox.contacts[7] = worlds.contact(7, nome="Outro nome", updated="2024-06-01 08:00:00")
    assert sync().incremental == 1
    assert _failing(conn, "erp_lists_known_contacts") == 0
    assert _failing(conn, "erp_pass_complete") == 0


def test_changes_that_are_not_listed_lead_to_a_full_pass(
    conn: Connection, sandbox: ErpSandbox, sync: Sync
) -> None:
    """The contact that changed last was deleted for good, or its date was set back."""
    sandbox.contacts[7] = worlds.contact(7, updated="2025-06-01 08:00:00")
    sync()
    sandbox.contacts[7] = worlds.contact(7, nome="Outro nome", updated="2024-06-01 08:00:00")
    report = sync()
    assert (report.incremental, report.items, report.updated) == (0, 233, 1)
    assert _failing(conn, "erp_lists_known_contacts") == 0
    report = sync()
    assert (report.incremental, report.items) == (1, 232)  # the watermark was set back


def test_a_full_pass_that_broke_off_is_resumed_by_the_next_run(
    conn: Connection, sandbox: ErpSandbox, sync: Sync
) -> None:
    sync()
    sandbox.contacts[3] = worlds.contact(3, status="E", nome="Outro nome", updated="2024-06-01 08:00:00")
    sandbox.faults = [Fault("status", "/contatos", after=3, times=99)]
    with pytest.raises(PipelineError, match="the next run resumes"):
        sync(full=True)
    sandbox.faults = []
    report = sync()
    assert (report.resumed, report.incremental, report.items, report.updated) == (1, 0, 233, 1)


def test_a_first_pass_that_brings_nothing_of_what_others_filled_fails_a_check(
    conn: Connection, sandbox: ErpSandbox, sync: Sync
) -> None:
    conn.execute("INSERT INTO contatos (id, nome) SELECT n, 'de outro programa' FROM generate_series(1, 9) n")
    sandbox.contacts, kept = [], sandbox.contacts
    sync()
    assert _failing(conn, "erp_lists_known_contacts") == 1
    sandbox.contacts = kept
    sync()
    assert _failing(conn, "erp_lists_known_contacts") == 0


@pytest.mark.parametrize(("left", "failing"), [(116, 1), (117, 0)])
def test_a_full_pass_that_brings_less_than_half_fails_a_check(
    conn: Connection, sandbox: ErpSandbox, sync: Sync, left: int, failing: int
) -> None:
    sync()  # 233 contacts
    sandbox.contacts = sandbox.contacts[:left]
    sync(full=True)
    assert _failing(conn, "erp_lists_known_contacts") == failing
