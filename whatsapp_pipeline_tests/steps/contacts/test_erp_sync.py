"""Passes over an ERP whose rows move, whose answers fail, and whose reader is killed."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from whatsapp_pipeline.erp.source import open_erp_source
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.sandbox.erp_server import ErpSandbox, Fault, serving
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.steps.contacts.erp_sync import SyncReport, sync_contacts, sync_orders
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.migrate import MIGRATIONS_DIR
from whatsapp_pipeline_tests.erp import worlds

LOG = logging.getLogger(__name__)


@pytest.fixture
def conn(fresh_database_url: str) -> Iterator[Connection]:
    with connect(fresh_database_url) as connection:
        yield connection


@pytest.fixture
def sandbox() -> ErpSandbox:
    return worlds.sandbox(250, orders=3)


@pytest.fixture
def base(sandbox: ErpSandbox) -> Iterator[str]:
    with serving(sandbox) as url:
        yield url


@pytest.fixture
def sync(conn: Connection, base: str, tmp_path: Path) -> Callable[..., SyncReport]:
    """Run a pass over the contacts."""

    def run(*, full: bool = False, backup: Path | None = None) -> SyncReport:
        with worlds.source(base, tmp_path) as source:
            return sync_contacts(conn, source, full=full, backup_dir=backup, log=LOG)

    return run


@pytest.fixture
def orders(conn: Connection, base: str, tmp_path: Path) -> Callable[..., SyncReport]:
    """Run a pass over the orders."""

    def run(*, since: date | None = None, backup: Path | None = None) -> SyncReport:
        with worlds.source(base, tmp_path) as source:
            return sync_orders(conn, source, since=since, backup_dir=backup, log=LOG)

    return run


def _one(conn: Connection, query: str, *values: object) -> Any:
    row = conn.execute(query, values).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def _table(conn: Connection, table: str) -> list[tuple[Any, ...]]:
    return conn.execute(f"SELECT t.*, xmin FROM {table} t ORDER BY 1").fetchall()


def test_a_full_pass_brings_every_status(conn: Connection, sync: Callable[..., SyncReport]) -> None:
    report = sync()
    assert (report.items, report.expected, report.inserted, report.incremental) == (250, 250, 250, 0)
    assert _one(conn, "SELECT count(*) FROM contatos") == 250
    assert dict(conn.execute("SELECT situacao, count(*) FROM contact_sources GROUP BY 1").fetchall()) == {
        "B": 247,
        "A": 1,
        "I": 1,
        "E": 1,
    }
    assert _one(conn, "SELECT status, items, expected FROM erp_passes") == ("complete", 250, 250)
    assert _one(conn, "SELECT count(*) FROM erp_pass_items") == 0


def test_a_name_with_an_entity_of_an_older_version_is_read_again_once(
    conn: Connection, sync: Callable[..., SyncReport]
) -> None:
    sync()
    conn.execute("UPDATE contatos SET fantasia = 'D&#x27;Ávila &amp; Cia' WHERE nome = 'Cliente 0'")
    migration = (
        (MIGRATIONS_DIR / "0099_names_with_entities.sql").read_bytes().partition(b"-- migrate:down")[0]
    )
    conn.execute(migration)
    report = sync(full=True)
    assert (report.updated, report.unchanged) == (1, 249)
    assert _one(conn, "SELECT count(*) FROM contatos WHERE fantasia ~ '&'") == 0
    assert sync(full=True).unchanged == 250


def test_running_twice_touches_no_row(conn: Connection, sync: Callable[..., SyncReport]) -> None:
    sync()
    before = _table(conn, "contatos"), _table(conn, "contact_sources")
    report = sync(full=True)
    assert (report.inserted, report.updated, report.unchanged) == (0, 0, 250)
    assert (_table(conn, "contatos"), _table(conn, "contact_sources")) == before


def test_the_second_pass_asks_for_changes_only(
    conn: Connection, sandbox: ErpSandbox, sync: Callable[..., SyncReport]
) -> None:
    sandbox.contacts[9] = worlds.contact(9, updated="2025-02-02 08:00:00")
    sync()
    sandbox.requests.clear()
    sandbox.contacts[5] = worlds.contact(5, nome="Outro nome", updated="2025-02-02 09:00:00")
    report = sync()
    assert (report.incremental, report.updated) == (1, 1)
    assert report.items == 2  # the change, and what the overlap looks at again
    assert all("dataAtualizacao=2025-02-02 07:4" in request for request in sandbox.requests)
    assert _one(conn, "SELECT nome FROM contatos WHERE id = 1005") == "Outro nome"


def test_the_watermark_moves_only_after_the_whole_pass(
    conn: Connection, sandbox: ErpSandbox, sync: Callable[..., SyncReport]
) -> None:
    sync()
    known = _one(conn, "SELECT max(watermark) FROM erp_passes WHERE status = 'complete'")
    sandbox.contacts[5] = worlds.contact(5, updated="2025-06-01 09:00:00")
    sandbox.contacts[2] = worlds.contact(2, status="I", updated="2025-06-01 09:00:00")
    sandbox.faults = [Fault("status", "/contatos", after=2, times=99, status=500)]
    with pytest.raises(PipelineError):
        sync()
    assert _one(conn, "SELECT max(watermark) FROM erp_passes WHERE status = 'complete'") == known
    sandbox.faults = []
    report = sync()
    assert (report.resumed, report.incremental) == (1, 1)
    assert _one(conn, "SELECT data_atualizacao FROM contact_sources WHERE id_contato = 1002").year == 2025
    assert _one(conn, "SELECT count(*) FROM erp_passes WHERE status <> 'complete'") == 0


def test_the_watermark_stays_where_the_clock_was_set_back_during_the_pass(
    conn: Connection, sandbox: ErpSandbox, sync: Callable[..., SyncReport]
) -> None:
    sync()
    known = _one(conn, "SELECT max(watermark) FROM erp_passes WHERE status = 'complete'")
    sandbox.contacts[5] = worlds.contact(5, updated="2025-06-01 09:00:00")
    sandbox.contacts[2] = worlds.contact(2, status="I", updated="2025-06-01 09:00:00")
    sandbox.faults = [Fault("status", "/contatos", after=2, times=99, status=500)]
    with pytest.raises(PipelineError):
        sync()
    conn.execute("UPDATE erp_passes SET started_at = now() + interval '1 year' WHERE status = 'failed'")
    sandbox.faults = []
    assert sync().resumed == 1
    assert _one(conn, "SELECT max(watermark) FROM erp_passes WHERE status = 'complete'") == known
    assert _one(conn, "SELECT data_atualizacao FROM contact_sources WHERE id_contato = 1002").year == 2025


def test_a_failed_pass_resumes_where_it_was(
    conn: Connection, sandbox: ErpSandbox, sync: Callable[..., SyncReport]
) -> None:
    sandbox.faults = [Fault("status", "/contatos", after=2, times=99, status=500)]
    with pytest.raises(PipelineError, match="HTTP 500"):
        sync()
    assert _one(conn, "SELECT count(*) FROM contatos") == 199
    assert _one(conn, "SELECT status FROM erp_passes") == "failed"
    sandbox.faults = []
    sandbox.requests.clear()
    report = sync()
    assert (report.resumed, report.items, report.inserted) == (1, 250, 51)
    assert "offset=198" in sandbox.requests[0]


_KILLED = """
import logging, sys, dataclasses
from pathlib import Path
from whatsapp_pipeline.erp.source import open_erp_source
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.steps.contacts.erp_sync import sync_contacts
from whatsapp_pipeline.store.connection import connect
url, base, local = sys.argv[1:]
with connect(url) as conn, open_erp_source(Settings(local_dir=Path(local)), base) as source:
    fetch = source.contacts_page
    def noisy(scope, offset, since):
        if offset:
            print("second page", flush=True)
            sys.stdin.readline()
        return fetch(scope, offset, since)
    source.contacts_page = noisy
    sync_contacts(conn, source, full=True, backup_dir=None, log=logging.getLogger())
"""


def test_a_killed_pass_resumes(
    conn: Connection, fresh_database_url: str, base: str, tmp_path: Path, sync: Callable[..., SyncReport]
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, fresh_database_url, base, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "second page\n"
        reader.send_signal(signal.SIGKILL)
    assert _one(conn, "SELECT status FROM erp_passes") == "running"
    report = sync(full=True)
    assert (report.resumed, report.items, report.inserted) == (1, 250, 150)


def test_a_token_refused_mid_pass_does_not_end_it(
    sandbox: ErpSandbox, sync: Callable[..., SyncReport]
) -> None:
    sandbox.faults = [Fault("unauthorized", "/contatos", after=2)]
    assert sync().items == 250


@pytest.mark.parametrize("insert", [None, worlds.contact(900)], ids=["a row goes", "one goes and one comes"])
def test_rows_that_move_are_read_again(
    conn: Connection, sandbox: ErpSandbox, sync: Callable[..., SyncReport], insert: dict[str, Any] | None
) -> None:
    """The first row goes after page one: the row that takes its place at offset 100 would be missed."""
    sandbox.faults = [Fault("shift", "/contatos", insert=insert)]
    report = sync()
    assert report.read_again == 1
    assert report.items == (250 if insert is None else 251)
    # Whoever is no longer listed stays.
    assert _one(conn, "SELECT count(*) FROM contatos") == report.items
    assert _one(conn, "SELECT count(*) FROM contatos WHERE id = 1000") == 1


def test_an_erp_that_never_holds_still_is_an_error(
    conn: Connection, sandbox: ErpSandbox, sync: Callable[..., SyncReport]
) -> None:
    sandbox.faults = [Fault("shift", "/contatos", times=99)]
    with pytest.raises(PipelineError, match="changed during each of 4 readings"):
        sync()
    sandbox.faults = []
    assert sync().resumed == 1
    assert _one(conn, "SELECT count(*) FROM erp_passes WHERE status = 'complete'") == 1


def test_an_ignored_offset_ends_with_an_error_not_a_loop(
    conn: Connection, sandbox: ErpSandbox, sync: Callable[..., SyncReport]
) -> None:
    sandbox.faults = [Fault("ignore", "/contatos", times=999, params=["offset"])]
    with pytest.raises(PipelineError, match="ignores paging"):
        sync()
    assert len(sandbox.requests) == 2
    sandbox.faults = []
    assert sync().items == 250


def test_an_absent_contact_is_never_deleted(
    conn: Connection, sandbox: ErpSandbox, sync: Callable[..., SyncReport]
) -> None:
    sync()
    sandbox.contacts = sandbox.contacts[:10]
    assert sync(full=True).items == 10
    assert _one(conn, "SELECT count(*) FROM contatos") == 250


def test_a_contact_deleted_here_comes_back(conn: Connection, sync: Callable[..., SyncReport]) -> None:
    sync()
    conn.execute("DELETE FROM contatos WHERE id = 1007")
    report = sync(full=True)
    assert (report.inserted, report.unchanged) == (1, 249)


def test_values_that_do_not_fit_are_cut_kept_whole_and_reported(
    conn: Connection, sandbox: ErpSandbox, sync: Callable[..., SyncReport]
) -> None:
    phones = "(41) 99999-0000 / (41) 98888-0000"
    sandbox.contacts[7] = worlds.contact(7, celular=phones, nome="N" * 300)
    report = sync()
    assert (report.items, report.truncated, report.exceptions) == (250, 2, 2)
    assert _one(conn, "SELECT celular, length(nome) FROM contatos WHERE id = 1007") == (phones[:20], 255)
    assert _one(conn, "SELECT celular, truncated FROM contact_sources WHERE id_contato = 1007") == (
        phones,
        ["nome", "celular"],
    )
    rows = conn.execute("SELECT stage, file_path, kind, detail FROM exceptions ORDER BY detail").fetchall()
    assert rows == [
        ("tiny_contacts", "contatos/1007", "truncated", "celular: 33 characters, the column holds 20"),
        ("tiny_contacts", "contatos/1007", "truncated", "nome: 300 characters, the column holds 255"),
    ]
    before = _table(conn, "contatos")
    sync(full=True)
    assert _table(conn, "contatos") == before
    # Once the user makes room, the next full pass fills it, and the finding goes.
    conn.execute("ALTER TABLE contatos ALTER celular TYPE text")
    sync(full=True)
    assert _one(conn, "SELECT celular FROM contatos WHERE id = 1007") == phones
    assert _one(conn, "SELECT count(*) FROM exceptions") == 1


def test_an_item_that_cannot_be_read_is_reported_not_fatal(
    conn: Connection, sandbox: ErpSandbox, sync: Callable[..., SyncReport]
) -> None:
    sync()
    sandbox.contacts[-1] = {**sandbox.contacts[-1], "id": 2**40}
    sandbox.contacts[8] = {**sandbox.contacts[8], "id": "0"}
    conn.execute("ALTER TABLE contatos ALTER id TYPE integer")
    report = sync(full=True)
    assert report.exceptions == 2
    kinds = conn.execute("SELECT kind, file_path FROM exceptions ORDER BY 1").fetchall()
    assert kinds == [("unfit", f"contatos/{2**40}"), ("unreadable_item", "contatos/?")]


def test_pages_are_saved_before_they_are_loaded_and_can_be_loaded_from_there(
    conn: Connection,
    base: str,
    tmp_path: Path,
    sync: Callable[..., SyncReport],
    orders: Callable[..., SyncReport],
) -> None:
    sync(backup=tmp_path / "backup")
    orders(backup=tmp_path / "backup")
    contacts_folder, orders_folder = sorted((tmp_path / "backup").iterdir())
    page = json.loads((contacts_folder / "contatos" / "B-000000.json").read_text())
    assert (len(page["itens"]), page["paginacao"]["total"]) == (100, 247)
    assert (contacts_folder / "contatos" / "B-000000.json").stat().st_mode & 0o777 == 0o600
    before = _table(conn, "contatos"), _table(conn, "ordens_servico")
    with open_erp_source(Settings(), str(contacts_folder)) as source:
        report = sync_contacts(conn, source, full=True, backup_dir=tmp_path / "none", log=LOG)
    assert (report.items, report.inserted, report.updated) == (250, 0, 0)
    with open_erp_source(Settings(), str(orders_folder)) as source:
        report = sync_orders(conn, source, since=None, backup_dir=None, log=LOG)
    assert (report.items, report.unchanged) == (3, 3)
    assert (_table(conn, "contatos"), _table(conn, "ordens_servico")) == before
    assert not (tmp_path / "none").exists()


def test_saved_v2_pages_fill_the_same_columns(conn: Connection, tmp_path: Path) -> None:
    (tmp_path / "contatos").mkdir()
    item = {
        "id": "7",
        "nome": "Maria",
        "fone": "(41) 3299-0000",
        "cpf_cnpj": "1",
        "ie": "2",
        "tipo_pessoa": "F",
    }
    (tmp_path / "contatos" / "1.json").write_text(json.dumps({"retorno": {"contatos": [{"contato": item}]}}))
    with open_erp_source(Settings(), str(tmp_path)) as source:
        report = sync_contacts(conn, source, full=False, backup_dir=None, log=LOG)
    assert (report.items, report.v2_names) == (1, 1)
    assert _one(conn, "SELECT telefone, cpf_cnpj, inscricao_estadual, tipo_pessoa FROM contatos") == (
        "(41) 3299-0000",
        "1",
        "2",
        "F",
    )
    assert _one(conn, "SELECT field_names FROM contact_sources") == "v2"


def test_a_rolled_back_pass_leaves_nothing(conn: Connection, sync: Callable[..., SyncReport]) -> None:
    with conn.transaction(force_rollback=True):
        assert sync().inserted == 250
    assert _one(conn, "SELECT (SELECT count(*) FROM contatos) + (SELECT count(*) FROM erp_passes)") == 0


def test_orders_come_with_their_details(conn: Connection, orders: Callable[..., SyncReport]) -> None:
    report = orders()
    assert (report.items, report.inserted, report.details_read) == (3, 3, 3)
    row = _one(
        conn,
        """SELECT numero_ordem_servico, data_emissao, data_prevista, total_servicos, desconto, orcar,
                  id_contato, data_extracao IS NOT NULL FROM ordens_servico WHERE id = 9001""",
    )
    assert row[:3] == ("30001", date(2025, 1, 10), None)
    assert [str(value) for value in row[3:]] == ["80.00", "10.00", "S", "1001", "True"]


def test_details_are_read_only_where_the_list_changed(
    conn: Connection, sandbox: ErpSandbox, orders: Callable[..., SyncReport]
) -> None:
    orders()
    before = _table(conn, "ordens_servico")
    report = orders()
    assert (report.details_read, report.unchanged) == (0, 3)
    assert _table(conn, "ordens_servico") == before
    sandbox.orders[1], sandbox.details[9001] = worlds.order(1, value="120.00")
    report = orders()
    assert (report.details_read, report.updated) == (1, 1)


def test_open_orders_before_the_window_are_asked_for_again(
    conn: Connection, sandbox: ErpSandbox, orders: Callable[..., SyncReport]
) -> None:
    sandbox.orders[0], sandbox.details[9000] = worlds.order(0, status="6", issued="2024-05-01")
    orders()
    _, sandbox.details[9000] = worlds.order(0, status="3", issued="2024-05-01")
    report = orders(since=date(2025, 1, 1))
    assert (report.items, report.details_read, report.updated) == (2, 1, 1)
    assert _one(conn, "SELECT situacao FROM ordens_servico WHERE id = 9000") == "3"
    assert orders(since=date(2025, 1, 1)).details_read == 0


def test_an_order_without_details_is_kept_and_reported(
    conn: Connection, sandbox: ErpSandbox, orders: Callable[..., SyncReport]
) -> None:
    del sandbox.details[9002]
    report = orders()
    assert (report.items, report.inserted, report.exceptions) == (3, 3, 1)
    assert _one(conn, "SELECT file_path, kind FROM exceptions") == ("ordens_servico/9002", "no_details")
    sandbox.details[9002] = worlds.order(2)[1]
    orders()
    assert _one(conn, "SELECT count(*) FROM exceptions") == 0


def test_a_table_that_refuses_a_row_is_named(conn: Connection, sync: Callable[..., SyncReport]) -> None:
    conn.execute("ALTER TABLE contatos ADD COLUMN filial integer NOT NULL")
    with pytest.raises(PipelineError, match="contatos refuses rows of the ERP because of filial"):
        sync()


def test_saved_orders_are_written_again_only_where_the_list_or_the_details_changed(
    conn: Connection, tmp_path: Path
) -> None:
    pages = tmp_path / "ordem-servico"
    pages.mkdir()

    def run(*orders: tuple[dict[str, Any], dict[str, Any]]) -> tuple[int, int, int]:
        for name, position in (("list-0", 0), ("details-0", 1)):
            (pages / f"{name}.json").write_text(json.dumps({"itens": [order[position] for order in orders]}))
        with open_erp_source(Settings(), str(tmp_path)) as source:
            report = sync_orders(conn, source, since=None, backup_dir=None, log=LOG)
        return report.inserted, report.updated, report.unchanged

    first, second = worlds.order(1), worlds.order(2)
    assert run(first, second) == (2, 0, 0)
    before = _table(conn, "ordens_servico"), _table(conn, "order_sources")
    assert run(first, second) == (0, 0, 2)
    assert (_table(conn, "ordens_servico"), _table(conn, "order_sources")) == before
    assert run(first, (second[0], second[1] | {"tecnico": "Rita"})) == (0, 1, 1)
    assert run((first[0] | {"situacao": "6"}, first[1] | {"situacao": "6"}), second) == (0, 2, 0)
    conn.execute("DELETE FROM ordens_servico WHERE id = 9001")
    assert run(first, second) == (1, 0, 1)
