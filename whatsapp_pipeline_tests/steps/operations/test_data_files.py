"""The register of files with people's data: exports, reports and backups of several hosts, and erasures."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline.assets.operations import qa_report
from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.shared_folder import LocalFolder
from whatsapp_pipeline.steps.operations import data_files as steps
from whatsapp_pipeline.steps.operations.data_files import place_in, registered
from whatsapp_pipeline.steps.operations.retention import delete_old
from whatsapp_pipeline.store import grants
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.operations import data_files
from whatsapp_pipeline.store.operations.data_files import FilePlace, NewFile
from whatsapp_pipeline.store.operations.erasure_queue import erasure_hosts
from whatsapp_pipeline_tests.processes import wait_for
from whatsapp_pipeline_tests.steps.operations.hosts import JOAO, MARIA, Host, database_of_hosts

LOG = logging.getLogger(__name__)


@pytest.fixture
def url(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    return database_of_hosts(fresh_database_url, monkeypatch)


@pytest.fixture
def hosts(tmp_path: Path, url: str) -> list[Host]:
    return [Host(tmp_path / name, url) for name in ("counter", "worker-1")]


@pytest.fixture
def conn(url: str) -> Iterator[Connection]:
    with connect(url) as opened:
        yield opened


def _run(host: Host, *words: str | Path) -> str:
    """Run a command and expect it to end well."""
    done = host.run(*map(str, words))
    assert done.exit_code == 0, done.output
    return done.output


def _erase(host: Host, person: int = MARIA) -> str:
    return _run(host, "privacy", "erase", "--contact", str(person), "--yes")


def _files(host: Host) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = json.loads(_run(host, "privacy", "files", "--json"))["files"]
    return files


def _exported(host: Host, folder: Path) -> tuple[Path, Path, Path]:
    """Export all customers, and one person each of whom one is erased later."""
    _run(host, "export", "customers", "--out", folder)
    for name, person in (("m", MARIA), ("j", JOAO)):
        _run(host, "privacy", "export", "--contact", str(person), "--out", folder / f"{name}.json")
    return folder / "customers.csv", folder / "m.json", folder / "j.json"


def test_an_erasure_names_the_exports_that_may_hold_the_person(hosts: list[Host], tmp_path: Path) -> None:
    counter, worker = hosts
    everybody, maria, joao = _exported(worker, tmp_path / "exports")
    assert {(file["host"], file["kind"], file["name"]) for file in _files(counter)} == {
        ("worker-1", "export", "customers.csv"),
        ("worker-1", "person", "m.json"),
        ("worker-1", "person", "j.json"),
    }
    assert [file["bytes"] for file in _files(counter) if file["name"] == "m.json"] == [maria.stat().st_size]
    assert counter.run("privacy", "status").exit_code == 0
    said = _erase(counter)
    assert "files that may still hold this person" in said
    assert f"worker-1: {everybody} (export of " in said
    assert f"worker-1: {maria} (person of " in said
    assert str(joao) not in said
    shown = counter.run("privacy", "status")
    assert shown.exit_code == 1
    assert str(everybody) in shown.output
    assert "outdated by erasure since" in shown.output
    # Only the host that has the files deletes them.
    assert "counter: no export is outdated" in _run(counter, "privacy", "delete-exports", "--yes")
    assert "2 file(s) deleted" in _run(worker, "privacy", "delete-exports", "--yes")
    assert [path.exists() for path in (everybody, maria, joao)] == [False, False, True]
    assert [file["name"] for file in _files(counter)] == ["j.json"]
    assert counter.run("privacy", "status").exit_code == 0


def test_an_export_that_is_written_again_is_no_longer_outdated(hosts: list[Host], tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    _run(hosts[0], "export", "customers", "--out", folder)
    _erase(hosts[0])
    assert hosts[0].run("privacy", "status").exit_code == 1
    _run(hosts[0], "export", "customers", "--out", folder)
    assert hosts[0].run("privacy", "status").exit_code == 0
    assert [file["outdated_at"] for file in _files(hosts[0])] == [None]


def test_an_export_that_fails_leaves_the_older_file_on_the_register(
    hosts: list[Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "exports"
    _run(hosts[0], "export", "customers", "--out", folder)
    _erase(hosts[0])

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("whatsapp_pipeline.steps.operations.export.write_export", full)
        assert isinstance(hosts[0].run("export", "customers", "--out", str(folder)).exception, PipelineError)
    (file,) = _files(hosts[0])
    assert file["outdated_by"] == "erasure"


def test_an_export_that_never_ended_is_forgotten_after_a_day(
    hosts: list[Host], conn: Connection, tmp_path: Path
) -> None:
    place = place_in(hosts[0].settings, LocalFolder(tmp_path), "a.csv")
    data_files.register_file(conn, NewFile("export", place))
    for hours, shown in ((23, 1), (25, 0)):
        conn.execute("UPDATE data_files SET begun_at = now() - make_interval(hours => %s)", (hours,))
        assert len(_files(hosts[0])) == shown


def test_an_erasure_during_an_export_flags_it(hosts: list[Host], conn: Connection, tmp_path: Path) -> None:
    """Its rows may have been read before."""
    path = tmp_path / "customers.csv"
    new = NewFile("export", place_in(hosts[0].settings, LocalFolder(tmp_path), path.name))
    with registered(conn, new, log=LOG):
        _erase(hosts[0])
        path.write_text("Maria Souza")
    assert hosts[0].run("privacy", "status").exit_code == 1


def test_an_export_that_begins_during_an_erasure_waits_for_its_end(conn: Connection, url: str) -> None:
    """Otherwise it could read the person and not be flagged."""
    done = threading.Event()

    def register() -> None:
        with connect(url, application_name="export of a test") as own:
            data_files.register_file(own, NewFile("export", FilePlace("counter", "/exports", "a.csv")))
            done.set()

    thread = threading.Thread(target=register)
    with conn.transaction():
        data_files.flag_erased(conn, None)
        thread.start()
        with connect(url) as other:
            waiting = (
                "SELECT wait_event_type = 'Lock' FROM pg_stat_activity"
                " WHERE application_name = 'export of a test'"
            )
            wait_for(lambda: other.execute(waiting.encode()).fetchone() == (True,), 30)
        assert not done.is_set()
    thread.join(timeout=30)
    assert done.is_set()
    assert [file.outdated_at for file in data_files.registered_files(conn)] == [None]


def test_a_file_that_somebody_changed_stays_and_is_named(hosts: list[Host], tmp_path: Path) -> None:
    _run(hosts[0], "export", "customers", "--out", tmp_path)
    _erase(hosts[0])
    with (tmp_path / "customers.csv").open("a") as file:
        file.write("x")
    done = hosts[0].run("privacy", "delete-exports", "--yes")
    path = tmp_path / "customers.csv"
    assert f"were changed after their export, so they are kept: {path}" in str(done.exception)
    assert (tmp_path / "customers.csv").exists()
    assert hosts[0].run("privacy", "status").exit_code == 1


def test_a_file_that_somebody_deleted_is_forgotten_on_its_host_alone(
    hosts: list[Host], tmp_path: Path
) -> None:
    counter, worker = hosts
    _run(worker, "export", "customers", "--out", tmp_path)
    (tmp_path / "customers.csv").unlink()
    assert [file["name"] for file in _files(counter)] == ["customers.csv"]
    # Another container of the same name, which does not have the folder.
    aside = tmp_path.rename(tmp_path.with_name("aside"))
    assert [file["name"] for file in _files(worker)] == ["customers.csv"]
    aside.rename(tmp_path)
    assert _files(worker) == []


def test_what_a_killed_export_left_is_deleted(hosts: list[Host], conn: Connection, tmp_path: Path) -> None:
    place = place_in(hosts[0].settings, LocalFolder(tmp_path), "customers.csv")
    data_files.register_file(conn, NewFile("export", place))
    left = tmp_path / ".customers.csv.abcd1234"
    left.mkdir()
    (left / "customers.csv").write_text("Maria Souza")
    assert "not complete" in _erase(hosts[0])
    assert hosts[0].run("privacy", "status").exit_code == 1
    _run(hosts[0], "privacy", "delete-exports", "--yes")
    assert not left.exists()
    assert hosts[0].run("privacy", "status").exit_code == 0


def test_the_page_of_a_customer_is_registered_as_one_persons(hosts: list[Host], tmp_path: Path) -> None:
    for name, person in (("m", MARIA), ("j", JOAO)):
        _run(hosts[0], "customer", str(person), "--html", tmp_path / f"{name}.html")
    _erase(hosts[0])
    assert {file["name"]: file["outdated_by"] for file in _files(hosts[0])} == {
        "m.html": "erasure",
        "j.html": None,
    }


def test_a_page_of_unknown_hash_may_be_anybodys(hosts: list[Host], tmp_path: Path) -> None:
    """The privacy key is missing where the page is written."""
    counter = hosts[0]
    several = dict(counter.environment)
    counter.environment |= {"PRIVACY_KEY": "", "SEVERAL_HOSTS": "0"}
    _run(counter, "customer", str(JOAO), "--html", tmp_path / "j.html")
    counter.environment = several
    _erase(counter)
    assert [file["outdated_by"] for file in _files(counter)] == ["erasure"]


def test_a_pipe_is_not_registered(hosts: list[Host]) -> None:
    assert hosts[0].run("privacy", "export", "--contact", str(MARIA), "--out", "/dev/null").exit_code == 0
    assert _files(hosts[0]) == []


def test_a_reader_registers_exports_and_sees_none(
    hosts: list[Host], conn: Connection, url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    login, log = f"reads_{uuid4().hex[:8]}", logging.getLogger("whatsapp_pipeline.cli")
    reader = Host(tmp_path / "desk", make_conninfo(url, user=login))
    conn.execute(f"CREATE ROLE {login} LOGIN".encode())
    try:
        grants.apply(conn)
        conn.execute(f"GRANT {grants.READER} TO {login}".encode())
        conn.execute(f"REVOKE ALL ON FUNCTION register_data_file FROM {grants.READER}".encode())
        log.addHandler(caplog.handler)  # it passes nothing on
        _run(reader, "export", "links", "--out", tmp_path)
        assert "this database login can't register the file" in caplog.text
        assert _files(hosts[0]) == []
        grants.apply(conn)
        caplog.clear()
        _run(reader, "export", "links", "--out", tmp_path)
        assert caplog.text == ""
        assert [(file["host"], file["name"], file["written_by"]) for file in _files(hosts[0])] == [
            ("desk", "links.csv", login)
        ]
        assert reader.run("privacy", "files").exit_code != 0
    finally:
        log.removeHandler(caplog.handler)
        conn.execute(f"DROP ROLE {login}".encode())
        for role in grants.ROLES:
            conn.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_retention_flags_exports_with_the_deleted_months(
    hosts: list[Host], conn: Connection, tmp_path: Path
) -> None:
    for month in ("2024-05", "2025-05"):
        conn.execute(
            "INSERT INTO chat_files (filename, file_path, month) VALUES ('a.txt', %s, %s)",
            (f"{month}/a.txt", month),
        )
    counter = hosts[0]
    for words in ([], ["--month", "2024-05..2025-05"], ["--month", "2025-05"]):
        _run(counter, "export", "messages", "--out", tmp_path, *words)
    delete_old(conn, 12, today=date(2026, 1, 15), log=LOG)
    assert {file["name"]: file["outdated_by"] for file in _files(counter)} == {
        "messages.csv": "retention",
        "messages-2024-05_2025-05.csv": "retention",
        "messages-2025-05.csv": None,
    }
    assert "outdated by retention" in _run(counter, "privacy", "status")  # and it ends with 0
    _run(counter, "privacy", "delete-exports", "--yes")
    assert [file["name"] for file in _files(counter)] == ["messages-2025-05.csv"]


def test_reports_of_a_host_are_known_on_another_and_erased(
    hosts: list[Host], conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter, worker = hosts
    _run(worker, "report", "--all")
    _run(worker, "report", "--all", "--html", tmp_path / "mine.html")
    shown = {(file["kind"], file["folder"], file["name"]): file["bytes"] for file in _files(counter)}
    report = worker.disk / "reports" / "qa-all.html"
    assert shown == {
        ("report", str(report.parent), "qa-all.html"): report.stat().st_size,
        ("export", str(tmp_path), "mine.html"): (tmp_path / "mine.html").stat().st_size,
    }
    worker.apply(conn)  # as its next run does
    said = _erase(counter)
    assert "not yet erased from the files of:\n  worker-1" in said
    assert str(report) not in said  # the host deletes it by itself
    assert str(tmp_path / "mine.html") in said
    assert worker.apply(conn).removed["QA reports"] == 1
    assert [file["name"] for file in _files(counter)] == ["mine.html"]


def test_a_report_of_a_run_names_the_run(hosts: list[Host], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in hosts[1].environment.items():
        monkeypatch.setenv(name, value)
    resources = build_defs(with_erp=False).resources
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([qa_report], instance=instance, resources=resources)
    assert done.success
    (file,) = _files(hosts[0])
    assert (file["host"], file["kind"], file["written_by"]) == ("worker-1", "report", done.run_id)


def test_backups_of_a_host_are_known_on_another_until_they_are_clean(
    hosts: list[Host], conn: Connection
) -> None:
    counter, worker = hosts
    _run(worker, "backup", "now")
    (kept,) = (worker.disk / "backups").glob("*.dump")
    (file,) = _files(counter)
    assert (file["host"], file["kind"], file["name"]) == ("worker-1", "backup", kept.name)
    assert file["bytes"] == kept.stat().st_size
    said = _erase(counter)
    assert "backups that may still hold this person: worker-1; `privacy clean-backups`" in said
    shown = counter.run("privacy", "status")
    assert shown.exit_code == 0  # it is rotated out, and a restore erases
    assert str(kept) in shown.output
    # Cleaning the folder of another host changes nothing.
    _run(counter, "privacy", "clean-backups")
    assert [file["outdated_by"] for file in _files(counter)] == ["erasure"]
    assert "rewritten" in _run(worker, "privacy", "clean-backups")
    assert [(file["outdated_by"], file["bytes"]) for file in _files(counter)] == [(None, kept.stat().st_size)]
    kept.unlink()
    _run(worker, "backup", "now")
    assert [file["name"] for file in _files(counter)] != [kept.name]
    assert len(_files(counter)) == 1


def test_the_register_of_a_restored_database_knows_the_backups(hosts: list[Host], conn: Connection) -> None:
    """A backup holds the register as it was before it was taken."""
    counter = hosts[0]
    _run(counter, "backup", "now")
    _erase(counter)
    _run(counter, "restore", "--overwrite")
    (file,) = _files(counter)
    assert (file["kind"], file["outdated_by"]) == ("backup", "erasure")


def test_a_lost_host_is_forgotten_with_its_files(hosts: list[Host], tmp_path: Path) -> None:
    counter, worker = hosts
    _run(worker, "export", "customers", "--out", tmp_path)
    _erase(counter)
    assert counter.run("privacy", "status").exit_code == 1
    missing = counter.run("privacy", "forget-host", "nobody", "--yes")
    assert "there is no host 'nobody'" in str(missing.exception)
    _run(counter, "privacy", "forget-host", "worker-1", "--yes")
    assert counter.run("privacy", "status").exit_code == 0
    assert _files(counter) == []


@pytest.mark.parametrize("command", [["erase", "--contact", str(MARIA), "--yes"], ["apply"]])
def test_a_pod_without_copies_is_no_host_that_others_wait_for(
    hosts: list[Host], conn: Connection, tmp_path: Path, command: list[str]
) -> None:
    """Its disk ends with it, so it could never confirm a later erasure."""
    pod, worker = hosts
    pod.environment["SHARED_DIR"] = str(tmp_path / "shared")
    worker.keep_copies()
    worker.apply(conn)
    _run(pod, "privacy", *command)
    assert {host.name for host in erasure_hosts(conn)} == {"worker-1", str(tmp_path / "shared")}
    assert list(pod.disk.rglob("host.id")) == []
    _erase(worker, JOAO)
    assert worker.apply(conn).erasures == 0
    assert [host.unconfirmed for host in erasure_hosts(conn) if host.name == "worker-1"] == [0]


def test_a_database_without_the_register_is_no_error(conn: Connection, hosts: list[Host]) -> None:
    conn.execute("ALTER TABLE data_files RENAME TO away")
    steps.forget_missing_files(conn, hosts[0].settings, ["report"])
    assert not data_files.has_register(conn)
