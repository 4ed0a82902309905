"""Saved pages that need not be read again, and all that makes them be read again."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from whatsapp_pipeline import settings
from whatsapp_pipeline.erp.folder import FolderSource
from whatsapp_pipeline.erp.items import Item
from whatsapp_pipeline.erp.listing_page import ListingPage
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.contacts.erp_sync import SyncReport, sync_contacts, sync_orders
from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.operations import privacy
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.erp import worlds

LOG = logging.getLogger(__name__)
PHONES = "(41) 99999-0000 / (41) 98888-0000"


class _UnreadableSource(FolderSource):
    """A folder that tells what it holds and gives no page from `ends_at` on."""

    ends_at = 0

    def contacts_page(self, scope: str, offset: int, updated_since: datetime | None) -> ListingPage:
        if offset >= self.ends_at:
            raise PipelineError("no page can be read")
        return super().contacts_page(scope, offset, updated_since)

    def orders_page(self, offset: int, issued_since: date | None) -> ListingPage:
        raise PipelineError("no page can be read")

    def order(self, order_id: int) -> Item | None:
        raise PipelineError("no details can be read")


@pytest.fixture
def conn(fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setenv("PIPELINE_LOCAL_DIR", str(tmp_path / "local"))
    with connect(fresh_database_url) as connection:
        yield connection


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five contacts in two pages, one with a value that is cut; two orders with their details."""
    out = tmp_path / "erp"
    save(out / "contatos" / "a.json", [worlds.contact(n) for n in range(3)])
    save(out / "contatos" / "b.json", [worlds.contact(3), worlds.contact(4, celular=PHONES)])
    orders = [worlds.order(1), worlds.order(2, status="6")]
    save(out / "ordem-servico" / "list-0.json", [listed for listed, _ in orders])
    save(out / "ordem-servico" / "details-0.json", [detail for _, detail in orders])
    return out


def save(path: Path, items: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"itens": items}))


def contacts(conn: Connection, folder: Path, *, full: bool = False) -> SyncReport:
    with FolderSource(folder) as source:
        return sync_contacts(conn, source, full=full, backup_dir=None, log=LOG)


def orders(conn: Connection, folder: Path, *, since: date | None = None, full: bool = False) -> SyncReport:
    with FolderSource(folder) as source:
        return sync_orders(conn, source, since=since, backup_dir=None, log=LOG, full=full)


def rows(conn: Connection) -> list[list[tuple[Any, ...]]]:
    tables = ("contatos", "contact_sources", "ordens_servico", "order_sources", "erp_passes", "exceptions")
    return [conn.execute(f"SELECT t.*, xmin FROM {table} t ORDER BY 1").fetchall() for table in tables]


def test_the_same_pages_are_not_read_and_nothing_is_written(conn: Connection, folder: Path) -> None:
    first, first_orders = contacts(conn, folder), orders(conn, folder)
    assert (first.inserted, first.truncated, first_orders.inserted) == (5, 1, 2)
    before = rows(conn)
    with _UnreadableSource(folder) as source:
        again = sync_contacts(conn, source, full=False, backup_dir=None, log=LOG)
        again_orders = sync_orders(conn, source, since=None, backup_dir=None, log=LOG)
    assert (again.same_pages, again.items, again.expected, again.unchanged) == (1, 5, 5, 5)
    assert (again.pages, again.inserted, again.truncated, again.exceptions) == (0, 0, 1, 1)
    assert (again_orders.same_pages, again_orders.items, again_orders.unchanged) == (1, 2, 2)
    assert rows(conn) == before
    # And so for good: a pass that was not made leaves the one before it to compare with.
    assert contacts(conn, folder).same_pages == 1


def test_times_say_nothing_either_way(conn: Connection, folder: Path) -> None:
    contacts(conn, folder)
    page = folder / "contatos" / "b.json"
    os.utime(page, (1, 1))  # as a checkout does
    assert contacts(conn, folder).same_pages == 1
    times = page.stat()
    page.write_text(page.read_text().replace("Cliente 3", "Cliente 7"))
    os.utime(page, ns=(times.st_atime_ns, times.st_mtime_ns))  # as rsync does
    assert page.stat().st_size == times.st_size
    assert contacts(conn, folder).updated == 1


def test_pages_that_come_and_go_are_seen(conn: Connection, folder: Path) -> None:
    contacts(conn, folder)
    orders(conn, folder)
    save(folder / "contatos" / "c.json", [worlds.contact(9)])
    assert (contacts(conn, folder).inserted, orders(conn, folder).same_pages) == (1, 1)
    (folder / "contatos" / "a.json").unlink()
    report = contacts(conn, folder)
    assert (report.same_pages, report.items) == (0, 3)
    save(folder / "ordem-servico" / "details-0.json", [worlds.order(1)[1] | {"tecnico": "Rita"}])
    assert (orders(conn, folder).updated, contacts(conn, folder).same_pages) == (1, 1)
    # Other orders that are open are asked for by another window: that is another pass.
    assert orders(conn, folder, since=date(2025, 1, 1)).same_pages == 0


def test_whoever_asks_for_all_is_given_all(conn: Connection, folder: Path) -> None:
    contacts(conn, folder)
    orders(conn, folder)
    assert (contacts(conn, folder, full=True).pages, orders(conn, folder, full=True).pages) == (1, 1)


# What happens to the tables → what the next pass does about it: rows inserted and updated.
CHANGES: dict[str, tuple[str, tuple[int, int]]] = {
    "a contact is deleted": ("DELETE FROM contatos WHERE id = 1001", (1, 0)),
    "all of them are": ("TRUNCATE contatos CASCADE", (5, 0)),
    "what is remembered is": ("TRUNCATE contact_sources", (0, 0)),
    "so are the passes": ("TRUNCATE erp_passes CASCADE", (0, 0)),
    "a finding is": ("DELETE FROM exceptions", (0, 0)),
    "room is made": ("ALTER TABLE contatos ALTER celular TYPE text", (0, 1)),
    "another source was read since": (
        "INSERT INTO erp_passes (resource, scope, status, cursor_state)"
        """ VALUES ('contatos', 'full', 'complete', '{"source": "tiny"}')""",
        (0, 0),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_happens_to_the_tables_is_seen(conn: Connection, folder: Path, change: str) -> None:
    contacts(conn, folder)
    statement, done = CHANGES[change]
    conn.execute(statement.encode())
    report = contacts(conn, folder)
    assert (report.same_pages, report.inserted, report.updated) == (0, *done)
    assert conn.execute("SELECT count(*) FROM contact_sources").fetchone() == (5,)
    assert conn.execute("SELECT count(*) FROM exceptions").fetchone() == (0 if done == (0, 1) else 1,)
    assert contacts(conn, folder).same_pages == 1


def test_tables_of_a_backup_are_brought_up_to_date(conn: Connection, folder: Path) -> None:
    contacts(conn, folder)
    for table in ("contatos", "contact_sources"):
        conn.execute(f"CREATE TABLE backup_{table} AS TABLE {table}".encode())
    save(folder / "contatos" / "a.json", [worlds.contact(0, nome="Outro nome")])
    assert contacts(conn, folder).updated == 1
    for table in ("contatos", "contact_sources"):
        conn.execute(f"TRUNCATE {table} CASCADE".encode())
        conn.execute(f"INSERT INTO {table} SELECT * FROM backup_{table}".encode())
    assert contacts(conn, folder).updated == 1
    assert conn.execute("SELECT nome FROM contatos WHERE id = 1000").fetchone() == ("Outro nome",)


def test_an_erased_contact_stays_away_and_comes_back_only_off_the_list(
    conn: Connection, folder: Path
) -> None:
    contacts(conn, folder)
    orders(conn, folder)
    normalize_contacts(conn, default_area_code=None, log=LOG)
    privacy.erase_person(conn, settings.load_settings(), privacy.contact_finder(1001), log=LOG)
    name = "SELECT nome FROM contatos WHERE id = 1001"
    for same in (0, 1):
        assert contacts(conn, folder).same_pages == same
        assert orders(conn, folder).same_pages == same
        assert conn.execute(name).fetchone() == (None,)
    conn.execute("TRUNCATE privacy_suppressions")
    assert contacts(conn, folder).updated == 1
    assert conn.execute(name).fetchone() == ("Cliente 1",)


def test_a_pass_that_broke_off_goes_on_with_the_same_pages_only(conn: Connection, folder: Path) -> None:
    contacts(conn, folder)
    save(folder / "contatos" / "c.json", [worlds.contact(n) for n in range(100, 2200)])
    save(folder / "contatos" / "d.json", [worlds.contact(n) for n in range(3000, 3002)])

    def break_off() -> None:
        source = _UnreadableSource(folder)
        source.ends_at = 1
        with pytest.raises(PipelineError, match="no page"):
            sync_contacts(conn, source, full=False, backup_dir=None, log=LOG)

    break_off()
    conn.execute("DELETE FROM contatos WHERE id = 1001")  # of the part that was read before
    report = contacts(conn, folder)
    assert (report.resumed, report.inserted) == (1, 2)
    report = contacts(conn, folder)
    assert (report.same_pages, report.inserted) == (0, 1)
    assert contacts(conn, folder).same_pages == 1
    save(folder / "contatos" / "d.json", [worlds.contact(n) for n in range(3000, 3004)])
    break_off()
    # Of as many rows: where the pass broke off says nothing of pages before it that are others now.
    save(folder / "contatos" / "a.json", [worlds.contact(n, nome="Outro nome") for n in range(3)])
    report = contacts(conn, folder)
    assert (report.resumed, report.updated) == (0, 3)
    assert contacts(conn, folder).same_pages == 1


def test_a_rolled_back_pass_is_none(conn: Connection, folder: Path) -> None:
    with conn.transaction(force_rollback=True):
        assert contacts(conn, folder).inserted == 5
    assert contacts(conn, folder).inserted == 5


def test_a_live_listing_is_read(conn: Connection, tmp_path: Path) -> None:
    from whatsapp_pipeline.sandbox.erp_server import serving

    sandbox = worlds.sandbox(3, orders=1)
    read: Callable[[], SyncReport]
    with serving(sandbox) as base, worlds.source(base, tmp_path) as source:
        for read in (
            lambda: sync_contacts(conn, source, full=False, backup_dir=None, log=LOG),
            lambda: sync_orders(conn, source, since=None, backup_dir=None, log=LOG),
        ):
            read()
            assert read().same_pages == 0
