"""Whether a process runs the code and schema of its database."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest
from click.testing import CliRunner
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline.automation.pausing import unless_paused
from whatsapp_pipeline.backups import backup_options
from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.databases import dagster_url, pipeline_url
from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.errors import PipelineError, SettingError
from whatsapp_pipeline.privacy_key import find_or_make
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.settings import PROJECT_ROOT, load_settings
from whatsapp_pipeline.steps.operations.current_code import own_hash, record_deployment, why_not_current
from whatsapp_pipeline.steps.operations.local_erasures import keep_applying
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.operations import deployed_code, erasure_queue
from whatsapp_pipeline_tests.steps.operations.hosts import Host

OTHER = "0" * 40


@pytest.fixture
def db(fresh_database_url: str) -> Iterator[Connection]:
    with connect(fresh_database_url) as conn:
        yield conn


def test_code_that_migrated_last_is_current_and_others_are_behind_or_unknown(
    db: Connection, fresh_database_url: str
) -> None:
    assert why_not_current(fresh_database_url) is None  # nobody has recorded anything yet
    deployed_code.record(db, OTHER, "0.0.9")
    problem = why_not_current(fresh_database_url)
    assert problem is not None
    assert "never migrated the database (version 0.0.9 of " in problem
    record_deployment(fresh_database_url)
    assert why_not_current(fresh_database_url) is None
    deployed_code.record(db, OTHER, "0.2.0")
    problem = why_not_current(fresh_database_url)
    assert problem is not None
    assert problem.startswith(f"this process is behind: it runs code {own_hash()[:8]}")
    assert "version 0.2.0 of " in problem
    assert [code.code_hash for code in deployed_code.history(db)] == [OTHER, own_hash()]


def test_a_schema_that_is_older_or_newer_than_the_code_is_named(
    db: Connection, fresh_database_url: str
) -> None:
    db.execute("INSERT INTO pipeline_migrations (version) VALUES ('9999')")
    assert "a newer version migrated it" in (why_not_current(fresh_database_url) or "")
    db.execute("DELETE FROM pipeline_migrations WHERE version = '9999'")
    db.execute(
        "DELETE FROM pipeline_migrations WHERE version = (SELECT max(version) FROM pipeline_migrations)"
    )
    assert (why_not_current(fresh_database_url) or "").startswith("this process is ahead: the database lacks")


def test_a_run_on_one_of_several_hosts_does_nothing_with_other_code(
    db: Connection, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", fresh_database_url)
    monkeypatch.setenv("PIPELINE_LOCAL_DIR", str(tmp_path))
    deployed_code.record(db, OTHER, "0.2.0")
    with Database().connect(dry_run=True):  # one host runs what is on its disk
        pass
    monkeypatch.setenv("SEVERAL_HOSTS", "1")
    monkeypatch.setenv("PRIVACY_KEY", "a-key-of-all-the-hosts")
    with pytest.raises(PipelineError, match="nothing was done: this process runs code"), Database().connect():
        pass
    assert CliRunner().invoke(cli, ["migrate"]).exit_code == 0
    with Database().connect(dry_run=True):
        pass
    assert deployed_code.history(db)[0].code_hash == own_hash()


def test_a_code_location_with_other_code_is_not_loaded_and_its_schedules_skip(
    db: Connection, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", fresh_database_url)
    monkeypatch.setenv("PIPELINE_LOCAL_DIR", str(tmp_path))
    monkeypatch.setenv("PRIVACY_KEY", "a-key-of-all-the-hosts")
    monkeypatch.setenv("SEVERAL_HOSTS", "1")
    evaluated: list[str] = []
    tick = unless_paused(lambda: evaluated.append("tick"))
    build_defs()
    tick()
    assert evaluated == ["tick"]
    deployed_code.record(db, OTHER, "0.2.0")
    with pytest.raises(PipelineError, match="nothing was done: this process runs code"):
        build_defs()
    skipped = tick()
    assert isinstance(skipped, dg.SkipReason)
    assert "which never migrated the database" in str(skipped.skip_message)
    assert evaluated == ["tick"]
    # An image is built without a database. The runs compare again.
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    build_defs()


def test_a_webserver_with_other_code_ends_with_one_line(
    db: Connection, fresh_database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    shutil.copy(PROJECT_ROOT / "dagster.yaml", tmp_path)
    deployed_code.record(db, OTHER, "0.2.0")
    ended = subprocess.run(
        [str(Path(sys.executable).with_name("dagster-webserver")), "--empty-workspace", "--port", "0"],
        env={
            **os.environ,
            "DATABASE_URL": fresh_database_url,
            "DAGSTER_DATABASE_URL": empty_database_url,
            "DAGSTER_HOME": str(tmp_path),
            "PIPELINE_LOCAL_DIR": str(tmp_path / "local"),
            "SEVERAL_HOSTS": "1",
            "PRIVACY_KEY": "a-key-of-all-the-hosts",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1].startswith("this webserver serves nothing: this process ")


def test_a_process_with_other_code_confirms_no_erasure_until_it_is_current(
    db: Connection, fresh_database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its code may not know all files that hold personal data."""
    host = Host(tmp_path / "receiver", fresh_database_url)
    host.disk.mkdir()
    erasure_queue.register_host(db, uuid4(), "lost")
    erasure_queue.queue_erasure(db, None, "another host")
    deployed_code.record(db, OTHER, "0.2.0")
    stop = threading.Event()
    stop.set()
    log = logging.getLogger("test_current_code")
    keep_applying(fresh_database_url, host.settings, register=True, stop=stop, log=log)
    assert "erasures can't be applied on this host now (nothing was done: this process runs" in caplog.text
    assert [known.name for known in erasure_queue.erasure_hosts(db)] == ["lost"]
    record_deployment(fresh_database_url)
    keep_applying(fresh_database_url, host.settings, register=True, stop=stop, log=log)
    assert {known.name for known in erasure_queue.erasure_hosts(db)} == {"lost", "receiver"}


def test_a_login_for_reading_compares_the_schema_alone(db: Connection, fresh_database_url: str) -> None:
    deployed_code.record(db, OTHER, "0.2.0")
    login = f"reads_{uuid4().hex[:8]}"
    db.execute(f"CREATE ROLE {login} LOGIN".encode())
    try:
        tables = "pipeline_migrations, pipeline_migration_checksums"
        db.execute(f"GRANT SELECT ON {tables} TO {login}".encode())
        assert why_not_current(make_conninfo(fresh_database_url, user=login)) is None
    finally:
        db.execute(f"DROP OWNED BY {login}".encode())
        db.execute(f"DROP ROLE {login}".encode())


@pytest.fixture
def two_hosts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Settings of one of several hosts, by either way to say so; returns the setting that says it."""
    for variable in ("DATABASE_URL", "DAGSTER_DATABASE_URL", "PRIVACY_KEY", "SEVERAL_HOSTS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIPELINE_LOCAL_DIR", str(tmp_path))
    name, value = request.param
    monkeypatch.setenv(name, value)
    return "SEVERAL_HOSTS=1" if name == "SEVERAL_HOSTS" else name


_BOTH_WAYS = pytest.mark.parametrize(
    "two_hosts", [("SEVERAL_HOSTS", "1"), ("CELERY_BROKER_URL", "redis://broker:6379/0")], indirect=True
)


@_BOTH_WAYS
def test_several_hosts_share_neither_an_embedded_server_nor_a_generated_key(
    two_hosts: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for address in (pipeline_url, dagster_url):
        with pytest.raises(SettingError, match=f"{two_hosts} needs DATABASE_URL: .* or set SEVERAL_HOSTS=0"):
            address(load_settings())
    with pytest.raises(SettingError, match=rf"{two_hosts} needs PRIVACY_KEY: .* content of .* privacy\.key"):
        find_or_make()
    assert backup_options(load_settings()).scratch_url is None
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("PRIVACY_KEY", "a-key-of-all-the-hosts")
    assert find_or_make() == b"a-key-of-all-the-hosts"


@_BOTH_WAYS
@pytest.mark.parametrize("command", ["migrate", "webhook status", "backup now", "privacy status", "db url"])
def test_a_command_on_one_of_several_hosts_says_what_to_set(
    two_hosts: str, command: str, tmp_path: Path
) -> None:
    result = CliRunner().invoke(cli, command.split())
    assert result.exit_code == 1
    assert str(result.exception).startswith(f"{two_hosts} needs DATABASE_URL")
    assert list(tmp_path.iterdir()) == []


@_BOTH_WAYS
def test_migrate_and_a_worker_on_one_of_several_hosts_need_the_key_of_all(
    two_hosts: str, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", fresh_database_url)
    result = CliRunner().invoke(cli, ["migrate"])
    assert str(result.exception).startswith(f"{two_hosts} needs PRIVACY_KEY: ")
    with connect(fresh_database_url) as conn:
        assert deployed_code.history(conn) == []
    with pytest.raises(SettingError, match=f"{two_hosts} needs PRIVACY_KEY: "), Database().connect():
        pass


@_BOTH_WAYS
def test_an_erasure_on_one_of_several_hosts_needs_the_key_of_all(
    two_hosts: str, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", fresh_database_url)
    with connect(fresh_database_url) as conn:
        conn.execute("INSERT INTO contatos (id, nome) VALUES (1, 'Ana')")
    (tmp_path / "privacy.key").write_text("a-key-that-one-host-generated")
    result = CliRunner().invoke(cli, ["privacy", "erase", "--contact", "1", "--yes"])
    assert str(result.exception).startswith(f"{two_hosts} needs PRIVACY_KEY")
    with connect(fresh_database_url) as conn:
        assert conn.execute("SELECT nome FROM contatos").fetchall() == [("Ana",)]


def test_workers_of_one_machine_may_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://broker:6379/0")
    assert load_settings().several_hosts
    monkeypatch.setenv("SEVERAL_HOSTS", "0")
    assert not load_settings().several_hosts
