"""Erasures on several hosts, each with a disk of its own: what is queued, applied, confirmed and shown."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import dagster as dg
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline import settings
from whatsapp_pipeline.automation.operations import erasures_of_other_hosts
from whatsapp_pipeline.backups import backup_options
from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.steps.operations import backup, local_erasures, privacy
from whatsapp_pipeline.steps.operations.local_erasures import HOST_FILE, keep_applying
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.operations.erasure_queue import erasure_hosts, register_host
from whatsapp_pipeline.webhook.spool import SpoolWriter, segments, spool_directory
from whatsapp_pipeline_tests.processes import ended_at_last, free_port
from whatsapp_pipeline_tests.steps.operations.hosts import (
    DIGITS,
    MARIA,
    Host,
    database_of_hosts,
)
from whatsapp_pipeline_tests.webhook.deliveries import delivery, text

LOG = logging.getLogger(__name__)


@pytest.fixture
def url(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    return database_of_hosts(fresh_database_url, monkeypatch)


@pytest.fixture
def hosts(tmp_path: Path, url: str) -> list[Host]:
    return [Host(tmp_path / name, url) for name in ("counter", "receiver", "worker-1")]


@pytest.fixture
def conn(url: str) -> Iterator[Connection]:
    with connect(url) as opened:
        yield opened


def _unconfirmed(conn: Connection) -> dict[str, int]:
    return {host.name: host.unconfirmed for host in erasure_hosts(conn)}


def test_an_erasure_reaches_the_disks_of_all_hosts(hosts: list[Host], conn: Connection) -> None:
    counter, *others = hosts
    for host in hosts:
        host.keep_copies()
    for host in others:
        assert host.apply(conn).erasures == 0  # they register, as at their first start
    erased = counter.run("privacy", "erase", "--contact", str(MARIA), "--yes")
    assert erased.exit_code == 0, erased.output
    assert "not yet erased from the files of:" in erased.output
    assert "receiver: the receiver, worker or daemon of that host" in erased.output
    assert "counter:" not in erased.output
    assert counter.holds("Maria") == counter.holds("99999-0001") == counter.holds(DIGITS) == []
    assert _unconfirmed(conn) == {"counter": 0, "receiver": 1, "worker-1": 1}
    assert others[0].holds("Maria Souza") == ["B-000000.json", "qa-all.html"]

    shown = counter.run("privacy", "status")
    assert shown.exit_code == 1
    assert "1 erasure(s) not confirmed, since" in shown.output
    listed = json.loads(counter.run("privacy", "status", "--json").output)["hosts"]
    assert [(host["name"], host["unconfirmed"]) for host in listed] == [
        ("counter", 0),
        ("receiver", 1),
        ("worker-1", 1),
    ]
    for host in others:
        applied = host.run("privacy", "apply")
        assert applied.exit_code == 0, applied.output
        assert "1 erasure(s) applied and confirmed (1 saved ERP pages, 1 QA reports)" in applied.output
        assert host.holds("Maria") == host.holds("99999-0001") == host.holds(DIGITS) == []
        assert host.holds("Joao") == ["B-000000.json"]
        assert "no erasure is waiting" in host.run("privacy", "apply").output
    assert _unconfirmed(conn) == {"counter": 0, "receiver": 0, "worker-1": 0}
    shown = counter.run("privacy", "status")
    assert shown.exit_code == 0
    assert shown.output.count("all erasures confirmed") == 3


def test_the_queue_names_nobody(hosts: list[Host], conn: Connection) -> None:
    hosts[0].keep_copies()
    assert hosts[0].run("privacy", "erase", "--contact", str(MARIA), "--yes").exit_code == 0
    in_queue = conn.execute("SELECT subject, queued_on FROM privacy_erasures").fetchall()
    in_log = conn.execute("SELECT subject FROM audit_log WHERE action = 'privacy.erase'").fetchall()
    assert in_queue == [(in_log[0][0], "counter")]
    files = [path for path in hosts[0].disk.rglob("*") if path.is_file()]
    assert not any(str(MARIA).encode() in path.read_bytes() for path in files if path.suffix != ".json")


def test_a_host_that_first_comes_after_an_erasure_applies_it(hosts: list[Host], conn: Connection) -> None:
    """Its disk may be older than the erasure."""
    counter, late, empty = hosts
    assert counter.run("privacy", "erase", "--contact", str(MARIA), "--yes").exit_code == 0
    late.keep_copies()
    assert late.apply(conn).erasures == 1
    assert late.holds("Maria") == []
    # A host without copies is not asked to confirm anything.
    assert empty.apply(conn).erasures == 0
    assert _unconfirmed(conn) == {"receiver": 0}


def test_two_containers_with_one_folder_are_one_host(
    hosts: list[Host], conn: Connection, tmp_path: Path
) -> None:
    hosts[1].keep_copies()
    hosts[1].apply(conn)
    hosts[2].environment["PIPELINE_LOCAL_DIR"] = str(hosts[1].disk)
    hosts[2].settings = settings.from_mapping(hosts[2].environment)
    hosts[2].apply(conn)
    assert _unconfirmed(conn) == {"worker-1": 0}
    assert UUID((hosts[1].disk / HOST_FILE).read_text().strip()) == erasure_hosts(conn)[0].id


def test_threads_that_register_a_host_at_once_give_it_one_number(hosts: list[Host], conn: Connection) -> None:
    host, url = hosts[1], hosts[1].environment["DATABASE_URL"]
    barrier = threading.Barrier(4)

    def register() -> None:
        with connect(url) as own:
            barrier.wait(timeout=30)
            host.apply(own, register=True)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(register) for _ in range(4)]:
            done.result()
    assert len(erasure_hosts(conn)) == 1


def test_a_host_that_is_killed_before_it_confirms_does_it_again(
    hosts: list[Host], conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts[1].keep_copies()
    hosts[1].apply(conn)
    assert hosts[0].run("privacy", "erase", "--contact", str(MARIA), "--yes").exit_code == 0

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("whatsapp_pipeline.store.operations.erasure_queue.confirm_erasures", killed)
        with pytest.raises(KeyboardInterrupt):
            hosts[1].apply(conn)
    assert _unconfirmed(conn)["receiver"] == 1
    assert hosts[1].apply(conn).erasures == 1
    assert _unconfirmed(conn)["receiver"] == 0


def test_a_spool_that_cannot_be_drained_is_not_confirmed(hosts: list[Host], conn: Connection) -> None:
    hosts[1].keep_copies()
    hosts[1].apply(conn)
    assert hosts[0].run("privacy", "erase", "--contact", str(MARIA), "--yes").exit_code == 0
    spool = spool_directory(hosts[1].settings)
    writer = SpoolWriter(spool)
    asyncio.run(writer.append(json.dumps(delivery(text("wamid.2", "oi", sender=DIGITS))).encode()))
    writer.close()
    waiting = segments(spool)
    waiting[0].chmod(0)
    try:
        if not _is_readable(waiting[0]):
            with pytest.raises(PipelineError, match="could not be drained"):
                hosts[1].apply(conn)
            assert _unconfirmed(conn)["receiver"] == 1
    finally:
        waiting[0].chmod(0o600)
    assert hosts[1].apply(conn).erasures == 1
    assert segments(spool) == []


def _is_readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except PermissionError:
        return False
    return True  # root reads everything


def test_a_running_receiver_and_worker_apply_what_others_erase(
    hosts: list[Host], conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_erasures, "INTERVAL_SECONDS", 0.05)
    stop = threading.Event()
    receiver, url = hosts[1], hosts[1].environment["DATABASE_URL"]
    options = {"register": True, "stop": stop, "log": LOG}
    thread = threading.Thread(target=keep_applying, args=(url, receiver.settings), kwargs=options)
    thread.start()
    try:
        _wait_until(lambda: "receiver" in _unconfirmed(conn))
        receiver.keep_copies()
        assert hosts[0].run("privacy", "erase", "--contact", str(MARIA), "--yes").exit_code == 0
        _wait_until(lambda: _unconfirmed(conn)["receiver"] == 0)
        assert receiver.holds("Maria") == []
    finally:
        stop.set()
        thread.join(timeout=30)
    assert not thread.is_alive()


def test_a_receiver_registers_its_host_and_begins_with_what_waits(
    hosts: list[Host], conn: Connection
) -> None:
    receiver, port = hosts[1], free_port()
    receiver.keep_copies()
    assert hosts[0].run("privacy", "erase", "--contact", str(MARIA), "--yes").exit_code == 0
    command = [
        sys.executable,
        "-c",
        "from whatsapp_pipeline.cli import main; main()",
        "webhook",
        "serve",
        "--insecure",
        "--port",
        str(port),
    ]
    process = subprocess.Popen(
        command,
        env={**os.environ, **receiver.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with ended_at_last(process):
        _wait_until(lambda: _unconfirmed(conn).get("receiver") == 0)
        assert receiver.holds("Maria") == []


def test_a_database_that_is_away_is_reported_once_and_tried_again(
    hosts: list[Host], conn: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(local_erasures, "INTERVAL_SECONDS", 0.02)
    receiver, stop = hosts[1], threading.Event()
    receiver.keep_copies()
    conn.execute("ALTER TABLE privacy_hosts RENAME TO away")
    url = receiver.environment["DATABASE_URL"]
    options = {"register": True, "stop": stop, "log": LOG}
    with caplog.at_level(logging.WARNING, logger=LOG.name):
        thread = threading.Thread(target=keep_applying, args=(url, receiver.settings), kwargs=options)
        thread.start()
        try:
            _wait_until(lambda: bool(caplog.records))
            conn.execute("ALTER TABLE away RENAME TO privacy_hosts")
            _wait_until(lambda: "receiver" in _unconfirmed(conn))
        finally:
            stop.set()
            thread.join(timeout=30)
    assert [record.getMessage() for record in caplog.records] == [
        "erasures can't be applied on this host now (UndefinedTable); the next attempt follows soon"
    ]


def _wait_until(holds: Any) -> None:
    pause = threading.Event()
    for _ in range(600):
        if holds():
            return
        pause.wait(0.05)
    raise AssertionError("it did not happen within 30 s")


def test_a_run_on_a_host_begins_with_the_erasures_of_others(
    hosts: list[Host], conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = hosts[2]
    worker.keep_copies()
    assert hosts[0].run("privacy", "erase", "--contact", str(MARIA), "--yes").exit_code == 0
    for name, value in worker.environment.items():
        monkeypatch.setenv(name, value)
    with Database().connect(dry_run=True):
        assert worker.holds("Maria") == []
    assert _unconfirmed(conn) == {"worker-1": 0}


def test_the_sensor_applies_erasures_where_there_are_several_hosts(
    hosts: list[Host], conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    code_server = hosts[2]
    for name, value in code_server.environment.items():
        monkeypatch.setenv(name, value)
    code_server.keep_copies()
    code_server.apply(conn)
    assert erasures_of_other_hosts.name in {
        sensor.name for sensor in build_defs(with_erp=False).sensors or ()
    }
    said = []
    with dg.DagsterInstance.ephemeral() as instance:
        for erase in (False, True, False):
            if erase:
                assert hosts[0].run("privacy", "erase", "--contact", str(MARIA), "--yes").exit_code == 0
            with dg.build_sensor_context(instance, resources={"database": Database()}) as context:
                said.append(erasures_of_other_hosts(context))
    assert [reason.skip_message for reason in said if isinstance(reason, dg.SkipReason)] == [
        "this host has applied all erasures",
        "1 erasure(s) applied to the files of this host",
        "this host has applied all erasures",
    ]
    assert code_server.holds("Maria") == []
    monkeypatch.setenv("SEVERAL_HOSTS", "")
    names = {sensor.name for sensor in build_defs(with_erp=False).sensors or ()}
    assert erasures_of_other_hosts.name not in names


def test_after_a_restore_every_host_applies_the_list_again(
    hosts: list[Host], conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter, receiver, _ = hosts
    for name, value in counter.environment.items():
        monkeypatch.setenv(name, value)
    url = counter.environment["DATABASE_URL"]
    receiver.keep_copies()
    receiver.apply(conn)
    older = backup.take(url, backup_options(counter.settings), reason="test", log=LOG)
    assert counter.run("privacy", "erase", "--contact", str(MARIA), "--yes").exit_code == 0
    restored = counter.run("restore", "--file", older.file, "--overwrite")
    assert restored.exit_code == 0, restored.output
    assert "erased again" in restored.output
    with connect(url) as again:
        assert again.execute("SELECT nome FROM contatos WHERE id = %s", (MARIA,)).fetchone() == (None,)
        assert _unconfirmed(again) == {"receiver": 1}
        assert receiver.apply(again).erasures == 1
    assert receiver.holds("Maria") == []


def test_people_erased_before_the_queue_existed_are_in_it(hosts: list[Host], conn: Connection) -> None:
    """The migration adds the list as one erasure; here its statement runs over a list that has entries."""
    assert hosts[0].run("privacy", "erase", "--contact", str(MARIA), "--yes").exit_code == 0
    conn.execute("TRUNCATE privacy_erasures CASCADE")
    migration = (settings.PROJECT_ROOT / "sql" / "migrations" / "0104_erasure_queue.sql").read_text()
    statement = next(line for line in migration.splitlines() if line.startswith("INSERT"))
    conn.execute(statement.encode())
    hosts[1].keep_copies()
    assert hosts[1].apply(conn).erasures == 1
    assert hosts[1].holds("Maria") == []


def test_an_export_names_the_hosts_whose_files_it_lacks(hosts: list[Host], conn: Connection) -> None:
    for host in hosts:
        host.keep_copies()
        host.apply(conn)
    exported = hosts[0].run("privacy", "export", "--contact", str(MARIA))
    assert exported.exit_code == 0, exported.output
    assert "this export lacks the files of receiver, worker-1; run the export there, too" in exported.stderr
    held = json.loads(exported.stdout)
    assert [item["nome"] for item in held["erp_backup"]] == ["Maria Souza"]
    for host in hosts[1:]:
        conn.execute("DELETE FROM privacy_hosts WHERE name = %s", (host.name,))
    assert hosts[0].run("privacy", "export", "--contact", str(MARIA)).stderr == ""


def test_a_host_whose_disk_is_lost_is_forgotten(hosts: list[Host], conn: Connection) -> None:
    for _ in range(2):
        register_host(conn, uuid4(), "old")
    register_host(conn, uuid4(), "other")
    assert hosts[0].run("privacy", "erase", "--contact", str(MARIA), "--yes").exit_code == 0
    missing = hosts[0].run("privacy", "forget-host", "nobody", "--yes")
    assert "there is no host 'nobody'" in str(missing.exception)
    double = hosts[0].run("privacy", "forget-host", "old", "--yes")
    assert "2 hosts are called 'old'; give the id" in str(double.exception)
    for host in erasure_hosts(conn):
        if host.name == "old":
            assert hosts[0].run("privacy", "forget-host", str(host.id), "--yes").exit_code == 0
    assert hosts[0].run("privacy", "forget-host", "other", "--yes").exit_code == 0
    assert _unconfirmed(conn) == {}


def test_a_damaged_number_of_a_host_is_named(hosts: list[Host], conn: Connection) -> None:
    hosts[0].keep_copies()
    (hosts[0].disk / HOST_FILE).write_text("what?")
    with pytest.raises(PipelineError, match=r"counter/host\.id has no valid host id; delete the file"):
        hosts[0].apply(conn)


@pytest.mark.parametrize("seen_before", [True, False])
def test_a_host_without_the_shared_volume_confirms_nothing_for_it(
    hosts: list[Host], conn: Connection, tmp_path: Path, seen_before: bool
) -> None:
    """An empty folder is where a volume would be mounted."""
    volume, mount_point = tmp_path / "volume", tmp_path / "shared"
    counter, _, worker = hosts
    for host in (counter, worker):
        host.environment["SHARED_DIR"] = str(mount_point)
        host.settings = settings.from_mapping(host.environment)
    page = mount_point / "erp_backup" / "20250105T100000000000" / "contatos" / "B-000000.json"
    page.parent.mkdir(parents=True)
    page.write_text(json.dumps({"itens": [{"id": MARIA, "nome": "Maria Souza"}]}))
    if seen_before:
        worker.apply(conn)
    mount_point.rename(volume)
    mount_point.mkdir()
    erased = counter.run("privacy", "erase", "--contact", str(MARIA), "--yes")
    assert erased.exit_code == 0, erased.output
    waiting = [host.name for host in erasure_hosts(conn) if host.unconfirmed]
    assert waiting == ([str(mount_point)] if seen_before else [])
    assert (f"{mount_point}" in erased.output) is seen_before

    shutil.rmtree(mount_point)
    volume.rename(mount_point)
    assert worker.apply(conn).removed["saved ERP pages"] == 1
    assert "Maria" not in page.read_text()
    # The folder under the mount point, which no host sees now, has confirmed its part.
    assert [host.unconfirmed for host in erasure_hosts(conn)] == [0] * len(erasure_hosts(conn))


def test_a_shared_folder_that_cannot_be_written_confirms_nothing(
    hosts: list[Host], conn: Connection, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    hosts[0].environment["SHARED_DIR"] = str(tmp_path / "file" / "shared")
    hosts[0].settings = settings.from_mapping(hosts[0].environment)
    with pytest.raises(PipelineError, match=r"host\.id can't be written .*mount the folder"):
        hosts[0].apply(conn)
    assert erasure_hosts(conn) == []


def test_a_reader_can_neither_see_nor_confirm_erasures(hosts: list[Host], conn: Connection) -> None:
    login = f"reads_{uuid4().hex[:8]}"
    conn.execute(f"CREATE ROLE {login} LOGIN".encode())
    try:
        hosts[1].keep_copies()
        with (
            connect(make_conninfo(hosts[1].environment["DATABASE_URL"], user=login)) as reader,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            hosts[1].apply(reader)
    finally:
        conn.execute(f"DROP ROLE {login}".encode())


def test_on_one_machine_nothing_waits_after_an_erasure(hosts: list[Host], conn: Connection) -> None:
    machine = hosts[0]
    machine.environment["SEVERAL_HOSTS"] = ""
    machine.keep_copies()
    erased = machine.run("privacy", "erase", "--contact", str(MARIA), "--yes")
    assert "not yet erased" not in erased.output
    assert machine.holds("Maria") == []
    assert privacy.reapply_erasures(machine.environment["DATABASE_URL"], machine.settings, log=LOG) == 0
    assert machine.run("privacy", "status").exit_code == 0
