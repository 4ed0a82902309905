"""The state of a check in Dagster is about all months, whatever ran last: by real jobs on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from whatsapp_pipeline import clock
from whatsapp_pipeline.assets.check_state import earlier_results
from whatsapp_pipeline.automation.headless import run_chain
from whatsapp_pipeline.checks.qa import CheckScope, evaluate_without_storing
from whatsapp_pipeline.definitions import QA_CHECKS
from whatsapp_pipeline.domain.quality import MonthResult
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.run_tags import RANGE_END, RANGE_START, RUN_MONTHS
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.operations import qa_results
from whatsapp_pipeline_tests.checks.test_rules import PLANTS, plant
from whatsapp_pipeline_tests.prepared import MONTHS, Prepared, definitions

JAN, FEB, _ = MONTHS
LOADED = dg.AssetCheckKey(dg.AssetKey("chat_messages"), "every_chat_is_loaded")
FAULT = (
    "UPDATE chat_files SET processing_status = 'pending' WHERE id = (SELECT min(id) FROM chat_files"
    " WHERE month = '2025-01' AND processing_status = 'loaded')"
)
MENDED = "UPDATE chat_files SET processing_status = 'loaded' WHERE processing_status = 'pending'"
CHECKS = {check.name: check for check in QA_CHECKS}


@dataclass
class World:
    """The prepared months, Dagster's own storage, and ways to run checks and look at their state."""

    conn: Connection
    defs: dg.Definitions
    instance: dg.DagsterInstance
    archive: Path

    def check(self, *months: str, names: tuple[str, ...] = (LOADED.name,)) -> dg.AssetCheckEvaluation:
        """Run checks alone, over some months or all of them; return the last result."""
        result = self.run_checks(names, {RUN_MONTHS: ",".join(months)} if months else {})
        return result.get_asset_check_evaluations()[-1]

    def run_checks(self, names: tuple[str, ...], tags: Mapping[str, str]) -> dg.ExecuteInProcessResult:
        keys = {dg.AssetCheckKey(dg.AssetKey(CHECKS[name].asset), name) for name in names}
        job = self.defs.resolve_job_def("all_checks").get_subset(asset_check_selection=keys)
        return job.execute_in_process(instance=self.instance, tags=dict(tags), raise_on_error=False)

    def state(self, key: dg.AssetCheckKey = LOADED) -> dg.AssetCheckEvaluation:
        """Return what Dagster's Checks tab shows."""
        record = self.instance.event_log_storage.get_asset_check_summary_records([key])[key]
        shown = record.last_check_execution_record
        assert shown is not None
        assert shown.event is not None
        assert shown.event.dagster_event is not None
        evaluated = shown.event.dagster_event.event_specific_data
        assert isinstance(evaluated, dg.AssetCheckEvaluation), shown.status
        return evaluated

    def recorded(self) -> dict[str, MonthResult]:
        return {str(r.month): r for r in qa_results.results(self.conn, LOADED.name) if r.month}


@pytest.fixture
def world(prepared_url: str, prepared: Prepared) -> Iterator[World]:
    defs = definitions(prepared_url, prepared.sample)
    with connect(prepared_url) as conn, dg.DagsterInstance.ephemeral() as instance:
        conn.execute("TRUNCATE qa_results, qa_acceptances")
        yield World(conn, defs, instance, prepared.archive)
        conn.execute(MENDED)


def test_a_run_of_another_month_does_not_hide_a_red_one(world: World) -> None:
    world.conn.execute(FAULT)
    own = world.check(JAN)
    assert (own.passed, own.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "2025-01 (1 of " in str(own.description)
    other = world.check(FEB)
    assert (other.passed, other.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert str(other.description).startswith("red elsewhere: 2025-01 (1 of ")
    assert world.state().description == other.description
    rows = _table(other, "by_month")
    assert [row["month"] for row in rows] == [JAN, FEB]
    assert [row["state"] for row in rows] == ["red", "passed"]
    assert {row["month"] for row in _table(other, "failing_rows")} == {JAN}
    world.conn.execute(MENDED)
    assert not world.check(FEB).passed
    assert world.check(JAN).passed
    assert world.state().description == "nothing found; 1 fewer than before"


def test_a_month_without_rows_has_nothing_to_examine(world: World) -> None:
    found = world.check("2025-05")
    assert (found.passed, found.description) == (True, "nothing to examine")
    assert _table(found, "by_month") == [
        {"month": "2025-05", "state": "nothing to examine", "failing": "0", "examined": "0"}
    ]


def test_execute_evaluates_every_month_and_forgets_those_that_are_gone(world: World) -> None:
    qa_results.record_results(
        world.conn,
        LOADED.name,
        "error",
        CHECKS[LOADED.name].find(_scope(world)),
        ["1999-01"],
        run_id=None,
        at=clock.now(),
        every_month=False,
    )
    world.conn.execute(FAULT)
    found = world.check()
    assert found.severity == dg.AssetCheckSeverity.ERROR
    recorded = world.recorded()
    assert "1999-01" not in recorded
    assert [month for month, result in recorded.items() if result.examined] == list(MONTHS)
    assert recorded[JAN].failing == 1


def test_all_checks_at_once_say_what_a_plain_recomputation_says(world: World) -> None:
    world.conn.execute(FAULT)
    result = world.defs.resolve_job_def("all_checks").execute_in_process(
        instance=world.instance, raise_on_error=False
    )
    shown = {e.check_name: (e.passed, e.severity.value) for e in result.get_asset_check_evaluations()}
    assert set(shown) == set(CHECKS)
    for name, (passed, severity) in shown.items():
        plain = evaluate_without_storing(CHECKS[name], _scope(world))
        assert passed == plain.passed, name
        assert (severity == "ERROR") == (not plain.passed and CHECKS[name].severity == "error"), name
    assert shown[LOADED.name] == (False, "ERROR")


def test_an_accepted_month_passes_until_it_expires_or_grows(world: World) -> None:
    world.conn.execute(FAULT)
    world.check(JAN)
    until = clock.today() + timedelta(days=10)
    qa_results.accept_failing(world.conn, LOADED.name, JAN, failing=1, reason="a lost file", until=until)
    found = world.check(JAN)
    assert (found.passed, found.description) == (True, f"passed, 1 month accepted until {until}")
    with clock.set_to(datetime.now(UTC) + timedelta(days=12)):
        late = world.check(JAN)
        assert (late.passed, late.severity) == (False, dg.AssetCheckSeverity.ERROR)
        assert f"accepted until {until}" in str(late.description)
    world.conn.execute(FAULT)  # a second chat
    grown = world.check(JAN)
    assert not grown.passed
    assert "1 were accepted" in str(grown.description)


@pytest.mark.parametrize("config", [{"dry_run": True}, {"sample": 3}], ids=["dry run", "sample"])
def test_a_dry_run_and_a_sample_change_no_visible_result(world: World, config: dict[str, Any]) -> None:
    key = dg.AssetCheckKey(dg.AssetKey("chat_file_index"), "no_file_vanished")
    world.check(JAN, names=(key.name,))
    before, shown = qa_results.results(world.conn), world.state(key)
    with world.conn.transaction():
        kept = world.conn.execute("SELECT count(*) FROM chat_files").fetchone()
    job = world.defs.resolve_job_def("monthly_chats")
    result = job.execute_in_process(
        instance=world.instance,
        partition_key=FEB,
        asset_selection=[dg.AssetKey("chat_file_index")],
        run_config={"ops": {"chat_file_index": {"config": config}}},
    )
    assert result.success
    assert world.conn.execute("SELECT count(*) FROM chat_files").fetchone() == kept
    assert qa_results.results(world.conn) == before
    after = world.state(key)
    assert (after.passed, after.severity) == (shown.passed, shown.severity)
    assert str(after.description).startswith(str(shown.description))


def test_the_job_of_dry_runs_writes_nothing(world: World) -> None:
    world.conn.execute(FAULT)
    job = world.defs.resolve_job_def("monthly_dry_run")
    before = world.conn.execute("SELECT id, updated_at FROM chat_files ORDER BY id").fetchall()
    result = job.execute_in_process(
        instance=world.instance, partition_key=JAN, asset_selection=[dg.AssetKey("contact_links")]
    )
    assert result.success
    assert result.get_asset_materialization_events() == []
    assert world.conn.execute("SELECT id, updated_at FROM chat_files ORDER BY id").fetchall() == before


def test_a_range_leaves_no_unresolved_row(world: World) -> None:
    assert run_chain(world.defs, world.instance, months=MONTHS, with_erp=False).errors == []
    storage = world.instance.event_log_storage
    for key in world.defs.resolve_asset_graph().asset_check_keys:
        unresolved = storage.get_asset_check_execution_history(key, limit=9, status={Status.PLANNED})
        assert unresolved == [], key
    assert len(storage.get_asset_check_execution_history(LOADED, limit=9)) == 1


@pytest.mark.parametrize("fault", [False, True], ids=["sound", "with a fault"])
def test_unresolved_rows_of_a_range_hide_neither_state_nor_trend(world: World, *, fault: bool) -> None:
    key = dg.AssetCheckKey(dg.AssetKey("chat_file_index"), "no_file_vanished")
    world.check(JAN, names=(key.name,))
    if fault:  # a file that was indexed once and is no longer in the archive
        world.conn.execute(
            "INSERT INTO chat_files (file_path, filename, month, format, processing_status)"
            " VALUES ('2025/01/gone.txt', 'gone.txt', '2025-01', 'block', 'vanished')"
        )
    # In the UI a range can be run with its checks. Dagster then plans each of them once per month.
    job = world.defs.resolve_job_def("monthly_chats").get_subset(
        asset_selection={key.asset_key}, asset_check_selection={key}
    )
    result = job.execute_in_process(
        instance=world.instance, tags={RANGE_START: "2025-01", RANGE_END: "2026-06"}
    )
    assert result.success
    storage = world.instance.event_log_storage
    rows = storage.get_asset_check_execution_history(key, limit=30)
    assert len([row for row in rows if row.status == Status.PLANNED]) >= 17
    found = "1" if fault else "0"
    assert [row["failing"] for row in earlier_results(world.instance, key)] == [found, "0"]
    (result_of_run,) = result.get_asset_check_evaluations()
    assert world.state(key).passed == result_of_run.passed == (not fault)
    assert world.state(key).description == result_of_run.description
    world.conn.execute("DELETE FROM chat_files WHERE file_path = '2025/01/gone.txt'")


# The checks of commitments look at the last 90 days; test_summary_rules.py tries them through Dagster too.
@pytest.mark.parametrize(
    "name", [check.name for check in CHECKS.values() if check.asset == "customer_summaries"]
)
def test_a_fault_in_the_summaries_shows_in_dagster(world: World, name: str) -> None:
    clean = world.check(names=(name,))
    assert (clean.passed, clean.metadata["failing"].value) == (True, 0)
    examined = clean.metadata["examined"].value
    assert isinstance(examined, int)
    assert examined > 10
    world.conn.execute("CREATE TABLE IF NOT EXISTS kept AS TABLE customer_chat_summaries")
    chats = "id, id_contato, match_status"
    world.conn.execute(f"CREATE TABLE kept_chats AS SELECT {chats} FROM chat_files".encode())
    try:
        with world.conn.transaction():
            plant(world.conn, PLANTS[name])
        found = world.check(names=(name,))
        assert not found.passed
        severity = CHECKS[name].severity.upper()
        assert found.severity.value == severity
        assert found.metadata["failing"].value
        assert _table(found, "failing_rows")[0]["id_contato"]
    finally:
        with world.conn.transaction():
            world.conn.execute("SET LOCAL session_replication_role = replica")
            world.conn.execute("DELETE FROM customer_chat_summaries")
            world.conn.execute("INSERT INTO customer_chat_summaries OVERRIDING SYSTEM VALUE TABLE kept")
            world.conn.execute(
                "UPDATE chat_files f SET id_contato = k.id_contato, match_status = k.match_status"
                " FROM kept_chats k WHERE k.id = f.id AND f.id_contato IS DISTINCT FROM k.id_contato"
            )
            world.conn.execute("DROP TABLE kept, kept_chats")
    assert world.check(names=(name,)).passed


def _scope(world: World) -> CheckScope:
    months = world.defs.resolve_asset_graph().get(dg.AssetKey("chat_messages")).partitions_def
    assert months is not None
    return CheckScope(
        world.conn, list(months.get_partition_keys()), Archive(root=str(world.archive)), world.instance
    )


def _table(evaluation: dg.AssetCheckEvaluation, name: str) -> list[dict[str, Any]]:
    table = evaluation.metadata[name]
    assert isinstance(table, dg.TableMetadataValue)
    return [dict(record.data) for record in table.records]
