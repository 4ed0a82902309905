"""`backfill --launch`: planned months through a real webserver, daemon and queue, and what it prints."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import uuid4

import dagster as dg
import psycopg
import pytest
import requests
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline.automation import launching
from whatsapp_pipeline.automation.backfill import Plan
from whatsapp_pipeline.automation.launching import LaunchedRuns, Task
from whatsapp_pipeline.cli.backfill import _launch
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.run_tags import PARTITION, RANGE_END, RANGE_START
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import connect, one_row
from whatsapp_pipeline_tests.conftest import create_database, drop_database
from whatsapp_pipeline_tests.prepared import MONTHS, Prepared
from whatsapp_pipeline_tests.processes import free_port

pytestmark = pytest.mark.slow

_COMMAND = [sys.executable, "-c", "from whatsapp_pipeline.cli import main; main()", "backfill"]
# The files of a month are read, and nothing about them can be stored.
_REFUSED = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';
CREATE TRIGGER refused BEFORE UPDATE ON chat_files EXECUTE FUNCTION refuse();
"""
# The run of a month that has changed files stores a newer model, as when it fits one.
_REFITTED = """
CREATE TABLE refitted ();
CREATE FUNCTION refit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NOT EXISTS (SELECT FROM refitted) THEN
    INSERT INTO refitted DEFAULT VALUES;
    INSERT INTO link_models (kind, version, seed, contacts, overrides, model, reliability)
    SELECT kind, version, seed, contacts, overrides, model, reliability FROM link_models
    WHERE kind = 'names' ORDER BY id DESC LIMIT 1;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER refitted AFTER UPDATE ON chat_files FOR EACH STATEMENT EXECUTE FUNCTION refit();
"""
_LOCATION = "{workspaceOrError{... on Workspace{locationEntries{locationOrLoadError{__typename}}}}}"


@dataclass(frozen=True, slots=True)
class Served:
    """A webserver and a daemon that work on an instance, an archive and a database of their own."""

    environment: dict[str, str]
    archive: Path
    database_url: str
    programs: dict[str, subprocess.Popen[bytes]]
    log: IO[str]

    def run_program(self, name: str, *options: str) -> None:
        """Start the webserver or the daemon."""
        self.programs[name] = subprocess.Popen(
            [str(Path(sys.executable).parent / name), *options, "-w", str(PROJECT_ROOT / "workspace.yaml")],
            env=self.environment,
            stdout=self.log,
            stderr=self.log,
        )

    def end_program(self, name: str) -> None:
        process = self.programs.pop(name)
        process.send_signal(signal.SIGINT)
        process.wait(60)

    def start(self, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*_COMMAND, *options],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def backfill(self, *options: str) -> tuple[int, str]:
        """Return the exit status and what the command printed."""
        process = self.start(*options)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def runs(self) -> list[dg.DagsterRun]:
        """Return the instance's runs, the oldest first."""
        name = "DAGSTER_DATABASE_URL"
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv(name, self.environment[name])
            with dg.DagsterInstance.from_config(self.environment["DAGSTER_HOME"]) as instance:
                return list(reversed(instance.get_runs()))

    def change_files(self, *months: str) -> None:
        for month in months:
            path = min((self.archive / month.replace("-", "/")).rglob("*.txt"))
            os.utime(path, (path.stat().st_mtime + 60,) * 2)


@pytest.fixture(scope="module")
def served(admin_url: str, prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("launch")
    shutil.copy(PROJECT_ROOT / "dagster.yaml", home)
    shutil.copytree(prepared.archive, home / "archive")
    port = free_port()
    name = f"launch_{uuid4().hex[:8]}"
    url = create_database(admin_url, name, prepared.template)
    dagster_url = create_database(admin_url, f"{name}_dagster", "template0")
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "DAGSTER_DATABASE_URL": dagster_url,
        "DAGSTER_HOME": str(home),
        "DAGSTER_UI_URL": f"http://127.0.0.1:{port}",
        "CHAT_ARCHIVE": str(home / "archive"),
        "PIPELINE_LOCAL_DIR": str(home / "local"),
    }
    with ExitStack() as stack, (home / "dagster.log").open("w") as log:
        made = Served(environment, home / "archive", url, {}, log)
        for program, *options in (["dagster-webserver", "-p", str(port)], ["dagster-daemon", "run"]):
            made.run_program(program, *options)
            stack.callback(made.end_program, program)
        _wait_until_loaded(environment["DAGSTER_UI_URL"])
        yield made
    drop_database(admin_url, name)
    drop_database(admin_url, f"{name}_dagster")


def _wait_until_loaded(url: str) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        try:
            if "RepositoryLocation" in requests.post(f"{url}/graphql", json={"query": _LOCATION}).text:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.5)  # polls another process, which gives no signal
    raise AssertionError("the code location was not loaded")


def _table(output: str, asset: str) -> list[tuple[str, str]]:
    """Return month and rows of an asset's lines in the table that ends the command."""
    return re.findall(rf"^{asset} +(\S+) +([\d,]+)", output, re.MULTILINE)


def _messages(served: Served, month: str) -> str:
    counted = "SELECT count(*) FROM chat_messages m JOIN chat_files f ON f.id = id_chat_file WHERE month = %s"
    with connect(served.database_url) as conn:
        (count,) = one_row(conn.execute(counted, (month,)))
    return f"{count:,}"


def test_months_go_through_the_queue_and_are_followed(served: Served) -> None:
    before = {run.run_id for run in served.runs()}
    served.change_files(*MONTHS)  # other tests may have loaded them
    status, output = served.backfill("--launch", "months")
    assert status == 0, output
    assert "contacts: 1 run in the queue" in output
    assert "monthly_chats: 3 runs in the queue" in output
    assert sorted(re.findall(r"^\d of 3  monthly_chats (\S+)  success$", output, re.MULTILINE)) == list(
        MONTHS
    )
    assert _table(output, "chat_messages") == [(month, _messages(served, month)) for month in MONTHS]
    assert [month for month, _ in _table(output, "normalized_contacts")] == ["all"]
    if "Checks with findings" in output:
        assert f"how to fix them: {served.environment['DAGSTER_UI_URL']}, the asset's Checks tab" in output
    assert "make up" not in output, "it opens the Dagster of this machine, which has none of these runs"
    assert not re.search(r" \d{3,}/\d{3,} ", output), "a check counts once, and not once for each run"
    runs = [run for run in served.runs() if run.job_name == "monthly_chats" and run.run_id not in before]
    assert sorted(run.tags[PARTITION] for run in runs) == list(MONTHS)
    assert served.backfill("--dry-run")[1].rstrip().endswith("no month is missing, failed or stale")

    served.change_files("2025-02", "2025-03")
    status, output = served.backfill("--launch")
    assert status == 0, output
    assert "1 of 1  monthly_load 2025-02..2025-03  success" in output
    assert "1 of 1  monthly_checks 2025-02..2025-03  success" in output
    loaded = [run for run in served.runs() if run.job_name == "monthly_load"][-1]
    assert (loaded.tags[RANGE_START], loaded.tags[RANGE_END]) == ("2025-02", "2025-03")
    assert served.backfill("--dry-run")[1].rstrip().endswith("no month is missing, failed or stale")


@pytest.mark.long
def test_months_that_a_model_of_another_run_made_stale_are_launched_again(served: Served) -> None:
    assert served.backfill("--launch", "months")[0] == 0  # every month is current
    served.change_files("2025-02")
    with connect(served.database_url) as conn:
        conn.execute(_REFITTED)
        try:
            status, output = served.backfill("--launch", "months")
        finally:
            conn.execute("DROP TRIGGER refitted ON chat_files")
    assert status == 0, output
    # No title of 2025-03 has a name, so its links depend on no model of names.
    first, _, again = output.partition("Months that became stale during these runs")
    assert "monthly_chats: 1 run in the queue" in first
    assert re.findall(r"^(\S+)  a new model was fitted$", again, re.MULTILINE) == ["2025-01"]
    assert "monthly_chats: 1 run in the queue" in again
    assert [month for month, _ in _table(again, "contact_links")] == ["2025-01", "2025-02"]
    assert served.backfill("--dry-run")[1].rstrip().endswith("no month is missing, failed or stale")


def test_ctrl_c_leaves_the_run_in_the_queue_and_says_where_it_is(served: Served) -> None:
    served.change_files("2025-01")
    before = {run.run_id for run in served.runs()}
    process = served.start("--launch", "months")
    assert process.stdout is not None
    for line in process.stdout:
        if "in the queue" in line:
            break
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    (run_id,) = {run.run_id for run in served.runs()} - before
    assert f"follow or cancel: {served.environment['DAGSTER_UI_URL']}/runs/{run_id}" in output
    deadline = time.monotonic() + 120
    while next(run for run in served.runs() if run.run_id == run_id).status != dg.DagsterRunStatus.SUCCESS:
        assert time.monotonic() < deadline
        time.sleep(0.5)  # polls Dagster, which gives no signal


def test_a_failed_run_ends_the_launching_with_its_last_attempt(served: Served) -> None:
    served.change_files("2025-01")
    with connect(served.database_url) as conn:
        conn.execute(_REFUSED)
        try:
            status, output = served.backfill("--launch")
        finally:
            conn.execute("DROP TRIGGER refused ON chat_files")
    assert status == 1
    last = served.runs()[-1]
    address = f"{served.environment['DAGSTER_UI_URL']}/runs/{last.run_id}"
    assert re.search(rf"^1 of 1  monthly_load \S+  failure: {address}$", output, re.MULTILINE)
    assert last.parent_run_id is not None  # Dagster tried it once more
    assert "monthly_checks" not in output


def test_a_run_that_the_instance_does_not_hold_is_named(served: Served) -> None:
    """The address is that of another instance's webserver: its runs are not in this one's storage."""
    with dg.DagsterInstance.ephemeral() as other:
        runs = LaunchedRuns(other, served.environment["DAGSTER_UI_URL"])
        runs.launch([Task("contacts", "", assets=("normalized_contacts",))])
        with pytest.raises(PipelineError, match="DAGSTER_UI_URL is the address of another instance"):
            list(runs.follow())


@pytest.fixture
def follower(served: Served, admin_url: str) -> Iterator[Follower]:
    role = f"follower_{uuid4().hex[:8]}"
    with psycopg.connect(admin_url, autocommit=True) as conn:
        conn.execute(f"CREATE ROLE {role} LOGIN SUPERUSER".encode())
        yield Follower(role, make_conninfo(served.environment["DAGSTER_DATABASE_URL"], user=role), conn)
        conn.execute(f"DROP ROLE {role}".encode())


@dataclass(frozen=True, slots=True)
class Follower:
    """A login to Dagster's database. Without it, the database is away for this login alone."""

    role: str
    url: str
    conn: psycopg.Connection[object]

    def end(self) -> None:
        self.conn.execute(f"ALTER ROLE {self.role} NOLOGIN".encode())
        ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = %s"
        self.conn.execute(ended, (self.role,))

    def come_back(self) -> None:
        self.conn.execute(f"ALTER ROLE {self.role} LOGIN".encode())


def _read_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    pytest.fail(f"it ended without {words!r}")


def test_a_database_that_is_away_for_seconds_ends_nothing(served: Served, follower: Follower) -> None:
    served.change_files("2025-01")
    served.environment["DAGSTER_DATABASE_URL"], kept = (
        follower.url,
        served.environment["DAGSTER_DATABASE_URL"],
    )
    process = served.start("--launch", "months")
    served.environment["DAGSTER_DATABASE_URL"] = kept
    _read_until(process, "contacts: 1 run in the queue")
    follower.end()
    _read_until(process, "Dagster's database does not answer (OperationalError); asking again for 60 s")
    follower.come_back()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert re.search(r"^\d of \d  monthly_chats 2025-01  success$", output, re.MULTILINE)


@pytest.mark.long
def test_a_database_that_stays_away_names_the_run_that_goes_on(
    served: Served,
    follower: Follower,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(launching, "_RETRY_SECONDS", 0.1)
    monkeypatch.setenv("DAGSTER_DATABASE_URL", follower.url)
    monkeypatch.setenv("DAGSTER_UI_URL", served.environment["DAGSTER_UI_URL"])

    def tasks_of(_: Plan) -> Iterator[list[Task]]:
        follower.end()
        yield [Task("contacts", "", assets=("normalized_contacts",))]

    with dg.DagsterInstance.from_config(served.environment["DAGSTER_HOME"]) as instance:
        with pytest.raises(
            PipelineError, match=r"has not answered for 0\.1 s \(OperationalError\); check DATA"
        ):
            _launch(instance, Plan({"2025-01": ["files: 1 changed"]}), tasks_of, plan_now=Plan)
        follower.come_back()
        assert f"follow or cancel: {served.environment['DAGSTER_UI_URL']}/runs/" in capsys.readouterr().out


def test_without_a_daemon_it_says_that_nothing_starts_the_runs(served: Served) -> None:
    served.change_files("2025-01")
    served.end_program("dagster-daemon")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DAGSTER_DATABASE_URL", served.environment["DAGSTER_DATABASE_URL"])
        with dg.DagsterInstance.from_config(served.environment["DAGSTER_HOME"]) as instance:
            instance.wipe_daemon_heartbeats()
    process = served.start("--launch", "months")
    _read_until(
        process, "runs wait in the queue, and no Dagster daemon starts them (there is no sign of one)"
    )
    served.run_program("dagster-daemon", "run")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output


def test_without_a_dagster_it_says_how_to_start_one(served: Served) -> None:
    free = free_port()
    served.environment["DAGSTER_UI_URL"], kept = (
        f"http://127.0.0.1:{free}",
        served.environment["DAGSTER_UI_URL"],
    )
    served.change_files("2025-01")
    status, output = served.backfill("--launch")
    served.environment["DAGSTER_UI_URL"] = kept
    assert status == 1
    assert f"no Dagster answers at http://127.0.0.1:{free}; start it with `whatsapp-pipeline up`" in output


def test_an_archive_that_the_runs_would_not_read_is_refused(served: Served) -> None:
    status, output = served.backfill("--launch", "--archive", str(served.archive))
    assert (status, "leave out --archive" in output) == (2, True)
