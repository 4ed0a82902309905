"""The whole chain through Dagster, on invented archives with known truth and a real PostgreSQL."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster_shared.yaml_utils import load_yaml_from_path

from whatsapp_pipeline.automation.headless import Outcome, open_instance, run_chain
from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive, Erp
from whatsapp_pipeline.sandbox.archive import write_sample
from whatsapp_pipeline.sandbox.plan import SampleOptions
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.operations import gates
from whatsapp_pipeline_tests.tables import content, everything

MONTHS = ("2025-01", "2025-02", "2025-03")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of 240 files with its ERP pages and its truth."""
    out = tmp_path_factory.mktemp("sample")
    write_sample(out, SampleOptions(seed=7, contacts=160, files=240, months=MONTHS))
    return out


def _run(url: str, sample: Path, months: tuple[str, ...] = MONTHS, *, erp: bool = True) -> Outcome:
    defs = build_defs(
        {
            "database": Database(url=url),
            "archive": Archive(root=str(sample / "organized_whatsapp_chats")),
            "erp": Erp(source=str(sample / "erp")),
        }
    )
    with open_instance(ephemeral=True) as instance:
        return run_chain(defs, instance, months=months, with_erp=erp)


@pytest.fixture(scope="module")
def ranged(admin_url: str, migrated_template: str, sample: Path) -> Iterator[str]:
    """A database that one ranged run filled."""
    from whatsapp_pipeline_tests.conftest import create_database, drop_database

    url = create_database(admin_url, "ranged", migrated_template)
    outcome = _run(url, sample)
    assert outcome.errors == []
    yield url
    drop_database(admin_url, "ranged")


def test_the_second_run_changes_nothing(ranged: str, sample: Path) -> None:
    with connect(ranged) as conn:
        before = everything(conn)
        assert all(rows > 0 for rows, _ in before.values()), before
    assert _run(ranged, sample).ok
    with connect(ranged) as conn:
        assert everything(conn) == before


def test_single_months_in_any_order_give_what_one_range_gives(
    ranged: str, fresh_database_url: str, sample: Path
) -> None:
    for month in reversed(MONTHS):
        assert _run(fresh_database_url, sample, (month,), erp=month == MONTHS[-1]).errors == []
    # The order model was fitted again as sessions came: it made the months linked before stale.
    for month in MONTHS:
        assert _run(fresh_database_url, sample, (month,), erp=False).errors == []
    with connect(ranged) as one, connect(fresh_database_url) as many:
        assert content(many) == content(one)


def test_phone_titles_that_name_one_contact_find_it(ranged: str, sample: Path) -> None:
    with (sample / "truth.csv").open(encoding="utf-8") as file:
        truth = [row for row in csv.DictReader(file) if row["phone_contacts"] == "1" and row["id_contato"]]
    phones = [row for row in truth if row["title_kind"] in {"phone", "mobile", "landline"}]
    with connect(ranged) as conn:
        linked = dict(
            conn.execute("SELECT file_path, id_contato FROM chat_files WHERE match_status = 'linked'")
        )
    right = sum(linked.get(row["file_path"]) == int(row["id_contato"]) for row in phones)
    assert len(phones) > 100
    assert right / len(phones) >= 0.99


def test_every_check_says_how_to_mend_what_it_found(ranged: str, sample: Path) -> None:
    outcome = _run(ranged, sample)
    assert {check.asset for check in outcome.checks} >= {
        "tiny_contacts",
        "normalized_contacts",
        "chat_file_index",
        "contact_links",
        "order_links",
        "chat_messages",
        "customer_summaries",
    }
    assert all(check.description for check in outcome.checks)


def test_a_dry_run_from_the_ui_observes_and_writes_nothing(fresh_database_url: str, sample: Path) -> None:
    defs = build_defs(
        {
            "database": Database(url=fresh_database_url),
            "archive": Archive(root=str(sample / "organized_whatsapp_chats")),
        }
    )
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("monthly_chats").execute_in_process(
            instance=instance,
            partition_key="2025-01",
            asset_selection=[dg.AssetKey("chat_file_index")],
            run_config={"ops": {"chat_file_index": {"config": {"dry_run": True}}}},
        )
    assert result.success
    assert result.get_asset_materialization_events() == []
    (observation,) = result.get_asset_observation_events()
    files = observation.asset_observation_data.asset_observation.metadata["files"].value
    assert isinstance(files, int)
    assert files > 50
    with connect(fresh_database_url) as conn:
        assert conn.execute("SELECT count(*) FROM chat_files").fetchone() == (0,)


def test_a_wrong_archive_ends_the_run_and_accept_missing_goes_on(
    fresh_database_url: str, tmp_path: Path
) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    for out, seed in ((right, 1), (wrong, 2)):
        write_sample(out, SampleOptions(seed=seed, contacts=60, files=20, months=("2025-01",)))

    def run(root: Path, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            _run_command(root, "--months", "2025-01", *more),
            env=_command(fresh_database_url, tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )

    assert run(right).returncode == 0
    stopped = run(wrong)
    assert stopped.returncode == 1
    assert re.search(r"\d+ of \d+ known files of 2025-01 are not in the archive", stopped.stderr)
    with connect(fresh_database_url) as conn:
        assert conn.execute("SELECT DISTINCT processing_status FROM chat_files").fetchall() == [("loaded",)]
    assert run(wrong, "--accept-missing").returncode == 0
    with connect(fresh_database_url) as conn:
        found = conn.execute("SELECT processing_status, count(*) > 0 FROM chat_files GROUP BY 1 ORDER BY 1")
        assert found.fetchall() == [("loaded", True), ("vanished", True)]


def test_a_pause_and_a_failed_step_are_one_line_each(
    fresh_database_url: str, sample: Path, tmp_path: Path
) -> None:
    configured = load_yaml_from_path(str(PROJECT_ROOT / "dagster.yaml"))
    assert isinstance(configured, dict)
    (tmp_path / "dagster.yaml").write_text(json.dumps({"python_logs": configured["python_logs"]}))
    environment = {**_command(fresh_database_url, tmp_path), "TZ": "America/Sao_Paulo"}

    def run(archive: Path) -> list[str]:
        done = subprocess.run(
            _run_command(archive, "--months", "2025-01"),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "Traceback" not in done.stdout + done.stderr
        return (done.stdout + done.stderr).splitlines()

    with connect(fresh_database_url) as conn:
        gates.pause(conn, "inventário")
    lines = run(sample)
    (said,) = [line for line in lines if "paused" in line]
    assert re.match(r"paused since 20\d\d-\d\d-\d\d \d\d:\d\d -03 by .* \(inventário\)", said)
    assert [line for line in lines if "kipp" in line] == []
    with connect(fresh_database_url) as conn:
        gates.resume(conn)
        conn.execute("ALTER TABLE contact_phones RENAME TO elsewhere")
    failed = run(sample)
    assert len([line for line in failed if "contact_phones" in line]) == 1
    assert failed[-1].startswith("the page of the run shows the traceback")


def _command(url: str, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": url,
        "PIPELINE_LOCAL_DIR": str(tmp_path),
        "DAGSTER_HOME": str(tmp_path),
    }


def _run_command(sample: Path, *more: str) -> list[str]:
    program = "from whatsapp_pipeline.cli import main; main()"
    return [
        sys.executable,
        "-c",
        program,
        "run",
        "--archive",
        str(sample / "organized_whatsapp_chats"),
        "--erp",
        str(sample / "erp"),
        *more,
    ]


@pytest.fixture
def dagster_home(tmp_path: Path) -> Path:
    """A Dagster home whose runs live in SQLite, so that the commands need no other database."""
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return tmp_path


def test_run_prints_one_json_object(fresh_database_url: str, sample: Path, dagster_home: Path) -> None:
    result = subprocess.run(
        _run_command(sample, "--months", "2025-01", "--sample", "20", "--json"),
        env=_command(fresh_database_url, dagster_home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    printed = json.loads(result.stdout)
    assert set(printed) == {"ok", "months", "assets", "checks"}
    assert printed["ok"] is True
    assert printed["months"] == ["2025-01"]
    assert printed["assets"]["chat_file_index"]["partition_row_count"] == 20
    assert set(printed["checks"][0]) == {"asset", "name", "passed", "severity", "description"}


def test_a_dry_run_of_everything_writes_nothing(
    fresh_database_url: str, sample: Path, dagster_home: Path
) -> None:
    result = subprocess.run(
        _run_command(sample, "--months", "all", "--dry-run", "--json"),
        env=_command(fresh_database_url, dagster_home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["assets"]["customer_summaries"]["row_count"] > 0
    with connect(fresh_database_url) as conn:
        assert all(rows == 0 for rows, _ in content(conn).values())


def test_a_dry_run_shows_names_where_they_are_asked_for(
    fresh_database_url: str, sample: Path, dagster_home: Path
) -> None:
    shown = {}
    for more in ((), ("--names",)):
        result = subprocess.run(
            _run_command(sample, "--months", "2025-01", "--sample", "20", "--dry-run", *more),
            env=_command(fresh_database_url, dagster_home),
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        shown[more] = re.findall(r"2025-01 (.*): \w+ → contact \d+(?: \((\D.*)\))? \(\w+ \d", result.stdout)
    masked, named = shown[()], shown["--names",]
    assert len(masked) == len(named) == 5
    assert all("•" in title and not contact for title, contact in masked)
    assert all("•" not in title and contact for title, contact in named)


def test_bad_usage_is_one_clear_line(sample: Path, dagster_home: Path, fresh_database_url: str) -> None:
    for more, status, words in (
        (("--months", "2025-13"), 2, "is not a month or a range"),
        (("--sample", "0"), 2, "--sample"),
        (("--names",), 2, "--names goes with --dry-run"),
    ):
        result = subprocess.run(
            _run_command(sample, *more),
            env=_command(fresh_database_url, dagster_home),
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == status
        assert words in result.stderr
        assert "Traceback" not in result.stderr


def test_killed_between_batches_and_run_again_it_ends_the_same(
    ranged: str, fresh_database_url: str, sample: Path, dagster_home: Path
) -> None:
    process = subprocess.Popen(
        _run_command(sample, "--months", "all"),
        env=_command(fresh_database_url, dagster_home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with connect(fresh_database_url) as conn:
        # The moment the first messages are committed, whatever the machine's speed.
        while process.poll() is None:
            if conn.execute("SELECT EXISTS (SELECT FROM chat_messages)").fetchone() == (True,):
                break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert _run(fresh_database_url, sample).errors == []
    with connect(ranged) as undisturbed, connect(fresh_database_url) as conn:
        assert content(conn) == content(undisturbed)


def test_interrupted_it_says_so_and_that_it_goes_on(
    fresh_database_url: str, sample: Path, dagster_home: Path
) -> None:
    process = subprocess.Popen(
        _run_command(sample, "--months", "all"),
        env=_command(fresh_database_url, dagster_home),
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with connect(fresh_database_url) as conn:
        # In the midst of the months' run, whatever the machine's speed.
        while process.poll() is None:
            if conn.execute("SELECT EXISTS (SELECT FROM chat_files)").fetchone() == (True,):
                break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "interrupted; run the same command again to continue" in errors


def test_two_runs_of_the_same_months_at_once_take_turns(
    ranged: str, fresh_database_url: str, sample: Path, dagster_home: Path
) -> None:
    environment = _command(fresh_database_url, dagster_home)
    # Two first starts would race to make the tables of this home's SQLite, which users do not have.
    with dg.DagsterInstance.from_config(str(dagster_home)):
        pass
    both = [
        subprocess.Popen(
            _run_command(sample, "--months", "all", "--json"),
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    for process in both:
        printed, errors = process.communicate()
        assert process.returncode == 0, (json.loads(printed or "{}").get("errors"), errors)
    with connect(ranged) as undisturbed, connect(fresh_database_url) as conn:
        assert content(conn) == content(undisturbed)
