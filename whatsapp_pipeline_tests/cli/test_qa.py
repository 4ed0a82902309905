"""`qa` and `exceptions ignore` as a user types them, on real files, PostgreSQL and Dagster storage."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from whatsapp_pipeline import clock
from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, load_month
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.block_files import block, talk, write_chat

CHECK = "files_are_readable_and_in_place"
KEY = dg.AssetCheckKey(dg.AssetKey("chat_file_index"), CHECK)
NOISE = "2025/01/noise.txt"
Run = Callable[..., Result]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "chats"
    folder.mkdir()
    write_chat(folder, block(talk(3)))
    (folder / NOISE).write_text("a\nb\n")
    return folder


@pytest.fixture
def run(fresh_database_url: str, root: Path, tmp_path: Path) -> Run:
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    environment = {
        "DATABASE_URL": fresh_database_url,
        "CHAT_ARCHIVE": str(root),
        "DAGSTER_HOME": str(tmp_path),
        "PIPELINE_LOCAL_DIR": str(tmp_path / "local"),
    }

    def call(*arguments: str) -> Result:
        return CliRunner(env=environment).invoke(cli, arguments)

    _load(fresh_database_url, root)
    return call


def _load(url: str, root: Path) -> None:
    with connect(url) as conn:
        archive, log = ChatArchive(str(root)), logging.getLogger("test")
        index_month(conn, archive, "2025-01", IndexOptions(), log=log)
        load_month(conn, archive, "2025-01", LoadOptions(), log=log)


def _shown(home: Path) -> tuple[bool, str]:
    """Return what Dagster's Checks tab shows of the check."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        record = instance.event_log_storage.get_asset_check_summary_records([KEY])[KEY]
        shown = record.last_check_execution_record
        assert shown is not None
        assert shown.event is not None
        assert shown.event.dagster_event is not None
        evaluated = shown.event.dagster_event.event_specific_data
        assert isinstance(evaluated, dg.AssetCheckEvaluation)
        return evaluated.passed, str(evaluated.description)


def test_results_of_a_run_with_an_erp_are_listed_where_the_settings_name_none(
    run: Run, fresh_database_url: str
) -> None:
    check = "values_fit_their_columns"
    assert check not in run("qa", "list", "--all").output
    unknown = "checks were never evaluated"
    before = run("qa", "list").output
    with connect(fresh_database_url) as conn:
        conn.execute(
            "INSERT INTO qa_results (check_name, examined, failing, severity, evaluated_at)"
            " VALUES (%s, 70, 5, 'warn', now())",
            (check,),
        )
    listed = run("qa", "list").output
    assert f"red      {check}: 5 of 70\n" in listed
    assert [line for line in listed.splitlines() if unknown in line] == [
        line for line in before.splitlines() if unknown in line
    ]
    assert run("qa", "list", "--check", check).output == f"red      {check}: 5 of 70\n"
    accepted = run("qa", "accept", "--check", check, "--reason", "long notes", "--by", "ana")
    assert accepted.exit_code == 0, accepted.output
    assert f"accepted {check}: 5 of 70; accepted by ana" in run("qa", "list").output
    assert run("qa", "withdraw", "--check", check).exit_code == 0
    # Without an ERP there is nothing to evaluate.
    assert run("qa", "evaluate", "--check", check).exit_code == 2


def test_a_fault_is_evaluated_accepted_and_withdrawn(run: Run, tmp_path: Path) -> None:
    found = run("qa", "evaluate", "--check", CHECK)
    assert found.exit_code == 1, found.output
    assert f"{CHECK}: 2025-01 (1 of 2 fail, 50.0%; 2.0% is tolerated)" in found.output
    assert not _shown(tmp_path)[0]
    assert f"red      {CHECK} 2025-01: 1 of 2" in run("qa", "list").output
    until = clock.today() + timedelta(days=30)
    accepted = run(
        "qa", "accept", "--check", CHECK, "--month", "2025-01", "--reason", "a note", "--by", "ana"
    )
    assert accepted.exit_code == 0, accepted.output
    assert f"1 failing row is accepted until {until}" in accepted.output
    assert _shown(tmp_path) == (True, f"passed, 1 month accepted until {until}")
    assert f"accepted by ana until {until}: a note" in run("qa", "list").output
    assert run("qa", "evaluate", "--check", CHECK).exit_code == 0
    assert run("qa", "withdraw", "--check", CHECK, "--month", "2025-01").exit_code == 0
    assert not _shown(tmp_path)[0]


def test_what_cannot_be_accepted_is_refused_in_words(run: Run) -> None:
    for arguments, status, words in (
        (("--check", "nonsense", "--month", "2025-01"), 2, "no check is called 'nonsense'"),
        (("--check", CHECK, "--month", "2025-01"), 1, "was never evaluated"),
        (("--check", "spool_drained", "--month", "2025-01"), 2, "has no months"),
        (("--check", CHECK, "--month", "2025-01", "--until", "2020-01-01"), 2, "2020-01-01 is in the past"),
        (("--check", CHECK, "--month", "2025-01", "--until", "soon"), 2, "is no day"),
    ):
        result = run("qa", "accept", *arguments, "--reason", "x")
        assert (result.exit_code, words in result.output + str(result.exception)) == (status, True), words
    run("qa", "evaluate", "--check", CHECK)
    result = run("qa", "accept", "--check", CHECK, "--month", "2025-03", "--reason", "x")
    assert "2025-03 does not fail" in result.output + str(result.exception)


def test_the_list_is_json_for_programs(run: Run) -> None:
    run("qa", "evaluate", "--check", CHECK)
    found = json.loads(run("qa", "list", "--json").output)
    assert (found["check"], found["month"], found["state"], found["failing"]) == (CHECK, "2025-01", "red", 1)
    assert "noise" not in json.dumps(found["sample"])  # masked
    assert len(run("qa", "list", "--check", CHECK, "--all").output.splitlines()) > 12


def test_a_file_that_is_no_chat_is_ignored_and_counts_nowhere(
    run: Run, root: Path, fresh_database_url: str
) -> None:
    assert "1 of 2" in run("qa", "evaluate", "--check", CHECK).output
    ignored = run("exceptions", "ignore", "--file", NOISE, "--reason", "a shopping list")
    assert ignored.exit_code == 0, ignored.output
    _load(fresh_database_url, root)
    for check in (CHECK, "files_on_disk_are_indexed", "every_chat_is_loaded", "chats_are_not_empty"):
        assert run("qa", "evaluate", "--check", check).exit_code == 0, check
    with connect(fresh_database_url) as conn:
        assert conn.execute("SELECT count(*) FROM chat_files").fetchone() == (1,)
        assert conn.execute("SELECT count(*) FROM exceptions WHERE file_path = %s", (NOISE,)).fetchone() == (
            0,
        )
    assert "a shopping list" in run("exceptions", "ignored").output
    assert run("exceptions", "unignore", "--file", NOISE).exit_code == 0
    _load(fresh_database_url, root)
    assert run("qa", "evaluate", "--check", CHECK).exit_code == 1


def test_a_chat_is_not_ignored(run: Run, fresh_database_url: str) -> None:
    with connect(fresh_database_url) as conn:
        (path,) = conn.execute("SELECT file_path FROM chat_files WHERE message_count > 0").fetchone() or ("",)
    result = run("exceptions", "ignore", "--file", path, "--reason", "x")
    assert "3 messages were loaded from it" in result.output + str(result.exception)
    unknown = run("exceptions", "ignore", "--file", "2025/01/none.txt", "--reason", "x")
    assert "is not a known file" in unknown.output + str(unknown.exception)
