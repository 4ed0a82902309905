"""Files of several hosts in a real object store: list of erased people, ERP pages, reports, backups."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from whatsapp_pipeline import settings
from whatsapp_pipeline.archive import object_store
from whatsapp_pipeline.archive.object_store import StoreUnavailableError
from whatsapp_pipeline.assets.contacts import tiny_contacts
from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.erp.listing_page import ListingPage
from whatsapp_pipeline.errors import PipelineError, SettingError
from whatsapp_pipeline.sandbox.erp_server import serving
from whatsapp_pipeline.shared_folder import FileFolder, LocalFolder, StoreFolder, kept_folder
from whatsapp_pipeline.steps.contacts.erp_backup import PageBackup, remove_old_passes
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.operations.erasure_queue import erasure_hosts
from whatsapp_pipeline_tests.archive.fault_proxy import Fault, FaultProxy, Request, fault_proxy
from whatsapp_pipeline_tests.archive.object_server import (
    BUCKET,
    object_server,
    store_in_environment,
    weed,
)
from whatsapp_pipeline_tests.erp import worlds
from whatsapp_pipeline_tests.erp_resources import erp_resources

LOG = logging.getLogger(__name__)
needs_store = pytest.mark.skipif(
    weed() is None, reason="SeaweedFS is not installed: run `make setup-dev` to test object stores"
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultProxy]:
    """The store and its proxy: the storage library keeps connections to the address that it saw first."""
    with (
        object_server(tmp_path_factory.mktemp("weed")) as server,
        fault_proxy(server.port) as proxy,
        store_in_environment(proxy.port),
    ):
        yield proxy


@pytest.fixture
def proxy(running: FaultProxy) -> Iterator[FaultProxy]:
    yield running
    running.fault = lambda _: None


@pytest.fixture(params=["disk", pytest.param("store", marks=[needs_store, pytest.mark.slow])])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> FileFolder:
    if request.param == "disk":
        return LocalFolder(tmp_path / "shared")
    request.getfixturevalue("proxy")
    return StoreFolder(f"s3://{BUCKET}/{uuid4().hex}/")


def _always(fault: Fault, _: Request) -> Fault:
    return fault


def test_a_folder_is_the_same_on_a_disk_and_in_a_store(folder: FileFolder) -> None:
    assert folder.names() == []
    folder.delete("nothing.json")
    with pytest.raises(FileNotFoundError):
        folder.read("nothing.json")
    folder.write("a.json", "é")
    folder.write("passes/1/contatos/B-0.json", b"{}")
    folder.write("passes/2/contatos/B-0.json", b"[]")
    folder.write("passes/2/notes.txt", b"")
    assert folder.read("a.json") == "é".encode()
    folder.write("a.json", "longer than before")
    folder.write("a.json", "e")
    assert folder.read("a.json") == b"e"
    assert folder.read("passes/2/notes.txt") == b""
    assert folder.names("*.json") == ["a.json", "passes/1/contatos/B-0.json", "passes/2/contatos/B-0.json"]
    folder.delete_below("passes/2")
    folder.delete("a.json")
    assert folder.names() == ["passes/1/contatos/B-0.json"]


def test_the_newest_passes_over_the_erp_stay(folder: FileFolder) -> None:
    page = ListingPage(items=[{"id": 1}], offset=0, next_offset=None, total=1)
    passes = [PageBackup(folder) for _ in range(3)]
    for saved in passes:
        saved.save_page("contatos/B", page)
    folder.write("before-the-move/contatos/B-000000.json", "{}")
    assert remove_old_passes(folder, 1, log=LOG) == 2
    assert folder.names() == [
        f"{passes[2].name}/contatos/B-000000.json",
        "before-the-move/contatos/B-000000.json",
    ]


@needs_store
@pytest.mark.slow
def test_a_busy_store_is_asked_again_and_an_absent_one_is_named(
    proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "_FIRST_PAUSE", 0.01)
    folder = StoreFolder(f"s3://{BUCKET}/{uuid4().hex}")
    refused: Iterator[Fault] = iter(["slow_down", "reset"])
    proxy.fault = lambda _: next(refused, None)
    folder.write("a", "1")
    assert folder.read("a") == b"1"
    monkeypatch.setattr(object_store, "RETRY_SECONDS", 0.1)
    proxy.fault = lambda _: "slow_down"
    configured = settings.from_mapping({"SHARED_DIR": folder.address})
    answers: dict[Fault, str] = {"slow_down": "503 SlowDown", "internal": "500 InternalError"}
    for fault, answer in answers.items():
        proxy.fault = partial(_always, fault)
        absent = kept_folder(configured, "")
        words = (
            f"the object store of SHARED_DIR={folder.address} answered each request with {answer} for 0.1 s; "
        )
        with pytest.raises(StoreUnavailableError, match=f"{words}.* may be missing"):
            absent.write("a", "2")
    proxy.fault = lambda _: "reset"
    absent = kept_folder(configured, "")
    words = f"the object store of SHARED_DIR={folder.address} did not answer for 0.1 s "
    with pytest.raises(StoreUnavailableError, match=f"{words}.* may be missing"):
        absent.write("a", "2")
    proxy.fault = lambda _: None
    assert folder.read("a") == b"1"


@needs_store
@pytest.mark.slow
def test_an_upload_that_fails_after_a_long_time_is_repeated(
    proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The library sends a request ten times before its call fails, here for longer than the patience."""
    monkeypatch.setattr(object_store, "RETRY_SECONDS", 0.5)
    monkeypatch.setattr(object_store, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(proxy, "delay", 0.1)
    folder = StoreFolder(f"s3://{BUCKET}/{uuid4().hex}")
    (tmp_path / "a.dump").write_bytes(b"rows")
    sent: list[Request] = []

    def fault(request: Request) -> Fault:
        if request.method != "PUT":
            return None
        sent.append(request)
        return "slow_down" if len(sent) <= 10 else None

    proxy.fault = fault
    folder.upload(tmp_path / "a.dump", "a.dump")
    assert len(sent) == 11
    assert folder.read("a.dump") == b"rows"


def test_an_address_without_a_library_says_what_to_install() -> None:
    with pytest.raises(SettingError, match="fsspec does not support addresses that begin with nowhere://"):
        StoreFolder("nowhere://bucket/state")
    configured = settings.from_mapping({"SHARED_DIR": "nowhere://bucket/state"})
    with pytest.raises(SettingError, match=r"^SHARED_DIR: fsspec does not support addresses that begin"):
        kept_folder(configured, "reports")


class Cluster:
    """Hosts with a disk each, a database and SHARED_DIR in an object store."""

    def __init__(self, tmp_path: Path, url: str) -> None:
        self.tmp_path, self.url = tmp_path, url
        self.shared = f"s3://{BUCKET}/{uuid4().hex}"
        self.folder = StoreFolder(self.shared)

    def environment(self, host: str) -> dict[str, str]:
        return {
            "DATABASE_URL": self.url,
            "PIPELINE_LOCAL_DIR": str(self.tmp_path / host),
            "PIPELINE_HOST_NAME": host,
            "PRIVACY_KEY": "k" * 32,
            "SEVERAL_HOSTS": "1",
            "SHARED_DIR": self.shared,
        }

    def run(self, host: str, *words: str) -> Result:
        return CliRunner().invoke(cli, words, env=self.environment(host))

    def holds(self, words: str) -> list[str]:
        return [name for name in self.folder.names() if words.encode() in self.folder.read(name)]

    def files(self, host: str) -> set[str]:
        return {path.name for path in (self.tmp_path / host).rglob("*") if path.is_file()}


@pytest.fixture
def cluster(proxy: FaultProxy, tmp_path: Path, fresh_database_url: str) -> Cluster:
    return Cluster(tmp_path, fresh_database_url)


@pytest.fixture
def conn(fresh_database_url: str) -> Iterator[Connection]:
    with connect(fresh_database_url) as opened:
        yield opened


def _read_erp(cluster: Cluster, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the contacts of the sandbox on a host, as a run does."""
    for name, value in cluster.environment(host).items():
        monkeypatch.setenv(name, value)
    with serving(worlds.sandbox(5)) as base:
        assert dg.materialize([tiny_contacts], resources=erp_resources(cluster.url, base)).success


@needs_store
@pytest.mark.slow
def test_pages_and_reports_of_any_host_are_exported_and_erased_on_another(
    cluster: Cluster, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    _read_erp(cluster, "worker-1", monkeypatch)
    pages = [name for name in cluster.folder.names("*.json") if name.startswith("erp_backup/")]
    assert pages
    assert cluster.holds('"Cliente 4"') != []
    cluster.folder.write("reports/qa-all.html", "Cliente 4")
    out = cluster.tmp_path / "person.json"
    done = cluster.run("counter", "privacy", "export", "--contact", "1004", "--out", str(out))
    assert done.exit_code == 0, done.output
    assert [item["nome"] for item in json.loads(out.read_text())["erp_backup"]] == ["Cliente 4"]

    done = cluster.run("counter", "privacy", "erase", "--contact", "1004", "--yes")
    assert done.exit_code == 0, done.output
    assert "not yet erased" not in done.output
    assert cluster.holds("Cliente 4") == []
    assert cluster.holds("Cliente 3") != []
    assert [name for name in cluster.folder.names("*.json") if name.startswith("erp_backup/")] == pages
    assert "reports/qa-all.html" not in cluster.folder.names()
    # Neither host's own disk ever had a copy, so that none need confirm anything.
    assert {host.name: host.unconfirmed for host in erasure_hosts(conn)} == {cluster.shared: 0}
    assert not {name for name in cluster.files("worker-1") if name.endswith((".json", ".html"))} - {
        "sandbox_tokens.json"
    }


@needs_store
@pytest.mark.slow
def test_an_erasure_waits_while_the_store_is_away_and_any_host_ends_it(
    cluster: Cluster, proxy: FaultProxy, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    _read_erp(cluster, "worker-1", monkeypatch)
    monkeypatch.setattr(object_store, "RETRY_SECONDS", 0.1)
    proxy.fault = lambda _: "slow_down"
    done = cluster.run("counter", "privacy", "erase", "--contact", "1004", "--yes")
    assert isinstance(done.exception, PipelineError)
    assert isinstance(done.exception.__cause__, StoreUnavailableError)
    assert "erased from the database, but not from all files" in str(done.exception)
    assert conn.execute("SELECT nome FROM contatos WHERE id = 1004").fetchone() == (None,)
    proxy.fault = lambda _: None
    assert cluster.holds('"Cliente 4"') != []
    monkeypatch.setattr(object_store, "RETRY_SECONDS", 90.0)
    done = cluster.run("worker-2", "privacy", "apply")
    assert "1 erasure(s) applied and confirmed (1 saved ERP pages" in done.output, done.output
    assert cluster.holds("Cliente 4") == []


@needs_store
@pytest.mark.slow
def test_the_list_outlives_the_hosts_and_the_database(
    cluster: Cluster, conn: Connection, monkeypatch: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    """Everything of the host that erased is lost, and the database is made anew from the ERP."""
    _read_erp(cluster, "worker-1", monkeypatch)
    assert cluster.run("counter", "privacy", "erase", "--contact", "1004", "--yes").exit_code == 0
    assert "privacy.list" in cluster.folder.names()
    assert "privacy.list" not in cluster.files("counter")
    assert cluster.holds("1004") == pages_with_id(cluster)

    cluster.url = empty_database_url
    assert cluster.run("worker-2", "migrate").exit_code == 0
    _read_erp(cluster, "worker-3", monkeypatch)
    with connect(empty_database_url) as anew:
        names = [row[0] for row in anew.execute("SELECT nome FROM contatos ORDER BY id").fetchall()]
    assert "Cliente 3" in names
    assert "Cliente 4" not in names


def pages_with_id(cluster: Cluster) -> list[str]:
    """Name the saved pages, which keep a contact's bare id; nothing else names it."""
    return [name for name in cluster.holds("1004") if name.startswith("erp_backup/")]


def test_two_erasures_at_once_are_both_on_the_list(
    tmp_path: Path, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each writes the whole list: the second one waits for the first, and keeps its people."""
    from concurrent.futures import ThreadPoolExecutor

    from whatsapp_pipeline.steps.operations import privacy

    monkeypatch.setenv("PRIVACY_KEY", "k" * 32)
    configured = settings.from_mapping(
        {"PIPELINE_LOCAL_DIR": str(tmp_path), "SHARED_DIR": str(tmp_path / "shared"), "PRIVACY_KEY": "k" * 32}
    )
    with connect(fresh_database_url) as conn:
        conn.execute("INSERT INTO contatos (id, nome) SELECT n, 'Ana ' || n FROM generate_series(1, 6) n")

    def erase(number: int) -> None:
        with connect(fresh_database_url) as own:
            privacy.erase_person(own, configured, privacy.contact_finder(number), log=LOG)

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(erase, number) for number in range(1, 7)]:
            done.result()
    lines = (tmp_path / "shared" / "privacy.list").read_text().splitlines()
    assert sum(line.startswith("contact ") for line in lines) == 6
    assert not (tmp_path / "privacy.list").exists()


def test_the_list_of_one_machine_counts_beside_the_shared_one(
    tmp_path: Path, fresh_database_url: str, empty_database_url: str
) -> None:
    """SHARED_DIR was set after the first people were erased."""
    environment = {
        "DATABASE_URL": fresh_database_url,
        "PIPELINE_LOCAL_DIR": str(tmp_path / "local"),
        "PRIVACY_KEY": "k" * 32,
    }
    with connect(fresh_database_url) as conn:
        conn.execute("INSERT INTO contatos (id, nome) VALUES (1, 'Ana'), (2, 'Bia')")
    assert (
        CliRunner().invoke(cli, ["privacy", "erase", "--contact", "1", "--yes"], env=environment).exit_code
        == 0
    )
    assert (tmp_path / "local" / "privacy.list").exists()
    environment |= {"SHARED_DIR": str(tmp_path / "shared"), "DATABASE_URL": empty_database_url}
    migrated = CliRunner().invoke(cli, ["migrate"], env=environment)
    assert migrated.exit_code == 0, migrated.output
    listed = (tmp_path / "shared" / "privacy.list").read_text()
    assert listed == (tmp_path / "local" / "privacy.list").read_text()


@needs_store
@pytest.mark.slow
def test_a_backup_of_one_host_is_listed_cleaned_and_restored_on_another(
    cluster: Cluster, conn: Connection, empty_database_url: str
) -> None:
    conn.execute("INSERT INTO contatos (id, nome) VALUES (1, 'Ana Lima'), (2, 'Bia Reis')")
    taken = cluster.run("worker-1", "backup", "now")
    assert taken.exit_code == 0, taken.output
    assert ", verified by a trial restore," in taken.output
    file = taken.stdout.partition(":")[0]
    described = f"{Path(file).stem}.json"
    assert cluster.folder.names() == [f"backups/{file}", f"backups/{described}"]
    assert cluster.files("worker-1") == set()  # nothing of the dump stays on the host
    assert f"{file} " in cluster.run("worker-2", "backup", "list").output

    assert cluster.run("counter", "privacy", "erase", "--contact", "1", "--yes").exit_code == 0
    cleaned = cluster.run("worker-2", "privacy", "clean-backups")
    assert f"{file}: rewritten" in cleaned.output, cleaned.output
    assert not {name for name in cluster.files("worker-2") if "backup" in name or "partial" in name}
    restored = cluster.run("worker-2", "restore", "--into", empty_database_url)
    assert restored.exit_code == 0, restored.output
    with connect(empty_database_url) as anew:
        assert anew.execute("SELECT nome FROM contatos ORDER BY id").fetchall() == [(None,), ("Bia Reis",)]

    # A dump whose description is missing, or the other way round, is no backup.
    cluster.folder.delete(f"backups/{file}")
    assert "no backups yet" in cluster.run("worker-2", "backup", "list").output


@needs_store
@pytest.mark.slow
def test_old_backups_in_the_store_are_deleted(cluster: Cluster, conn: Connection) -> None:
    for number, day in enumerate(("2025-01-01", "2025-01-02", "2025-02-01")):
        described = {
            "file": f"db-{number}.dump",
            "database": str(conn.info.dbname),
            "reason": "by hand",
            "taken_at": f"{day}T01:00:00+00:00",
            "seconds": 1.0,
            "size_bytes": 1,
            "server_version": 180000,
            "verified": "restored",
            "tables": {},
        }
        cluster.folder.write(f"backups/db-{number}.json", json.dumps(described))
        cluster.folder.write(f"backups/db-{number}.dump", b"x")
    taken = cluster.run("worker-1", "backup", "now")
    assert taken.exit_code == 0, taken.output
    file = taken.stdout.partition(":")[0]
    dumps = [name for name in cluster.folder.names("*.dump") if file not in name]
    assert dumps == ["backups/db-0.dump", "backups/db-1.dump", "backups/db-2.dump"]  # seven days are kept
    environment = {**cluster.environment("worker-1"), "BACKUP_KEEP_DAILY": "1", "BACKUP_KEEP_MONTHLY": "2"}
    assert CliRunner().invoke(cli, ["backup", "now"], env=environment).exit_code == 0
    left = [name for name in cluster.folder.names() if "/db-" in name]
    assert left == ["backups/db-2.dump", "backups/db-2.json"]


@needs_store
@pytest.mark.slow
def test_a_store_that_is_away_leaves_no_half_of_a_backup(
    cluster: Cluster, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "RETRY_SECONDS", 0.1)
    proxy.fault = lambda request: "slow_down" if request.method == "PUT" else None
    taken = cluster.run("worker-1", "backup", "now")
    assert isinstance(taken.exception, StoreUnavailableError)
    proxy.fault = lambda _: None
    assert cluster.folder.names() == []
    assert cluster.files("worker-1") == set()


@needs_store
@pytest.mark.slow
def test_an_upload_that_fails_leaves_no_description(
    cluster: Cluster, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "RETRY_SECONDS", 0.1)
    described: list[str] = []

    def fault(request: Request) -> Fault:
        if request.method == "PUT" and ".json" in request.target:
            described.append(request.target)
        return "slow_down" if request.method == "PUT" and ".dump" in request.target else None

    proxy.fault = fault
    taken = cluster.run("worker-1", "backup", "now")
    assert isinstance(taken.exception, StoreUnavailableError)
    proxy.fault = lambda _: None
    assert described
    assert cluster.folder.names() == []


@needs_store
@pytest.mark.slow
@pytest.mark.parametrize("refused", [".dump", ".json"])
def test_a_rewrite_that_is_cut_off_leaves_a_backup_that_is_rewritten_again(
    cluster: Cluster,
    proxy: FaultProxy,
    conn: Connection,
    empty_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    refused: str,
) -> None:
    """A row of the person goes with the erasure, so that the counts of the old and the new dump differ."""
    conn.execute("INSERT INTO contatos (id, nome) VALUES (1, 'Ana Lima'), (2, 'Bia Reis')")
    conn.execute(
        "INSERT INTO contact_phones (id_contato, field, position, kind) VALUES (1, 'celular', 1, 'mobile')"
    )
    taken = cluster.run("worker-1", "backup", "now")
    assert taken.exit_code == 0, taken.output
    file = taken.stdout.partition(":")[0]
    names = (f"backups/{file}", f"backups/{Path(file).stem}.json")
    old = [cluster.folder.read(name) for name in names]
    assert cluster.run("counter", "privacy", "erase", "--contact", "1", "--yes").exit_code == 0

    monkeypatch.setattr(object_store, "RETRY_SECONDS", 0.1)
    proxy.fault = lambda request: (
        "slow_down" if request.method == "PUT" and refused in request.target else None
    )
    cleaned = cluster.run("worker-2", "privacy", "clean-backups")
    assert isinstance(cleaned.exception, StoreUnavailableError)
    proxy.fault = lambda _: None
    dump, description = (cluster.folder.read(name) for name in names)
    assert description == old[1]
    assert (dump == old[0]) is (refused == ".dump")

    again = cluster.run("worker-2", "privacy", "clean-backups")
    assert f"{file}: rewritten" in again.output, again.output
    assert cluster.folder.read(names[1]) != old[1]
    assert "rewritten" not in cluster.run("worker-2", "privacy", "clean-backups").output
    restored = cluster.run("worker-2", "restore", "--into", empty_database_url)
    assert restored.exit_code == 0, restored.output
    with connect(empty_database_url) as anew:
        assert anew.execute("SELECT nome FROM contatos ORDER BY id").fetchall() == [(None,), ("Bia Reis",)]
