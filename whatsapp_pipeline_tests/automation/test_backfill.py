"""What the planner finds behind, on a real archive, database and Dagster instance."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.automation import backfill
from whatsapp_pipeline.automation.headless import run_chain
from whatsapp_pipeline.automation.operations import weekly_catch_up
from whatsapp_pipeline.checks.operations import CHECKS
from whatsapp_pipeline.checks.qa import CheckScope
from whatsapp_pipeline.databases import sqlalchemy_url
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.run_tags import RANGE_END, RANGE_START
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.operations.checks import Findings
from whatsapp_pipeline_tests.conftest import create_database, drop_database
from whatsapp_pipeline_tests.prepared import MONTHS, Prepared, definitions


@dataclass
class World:
    """An archive of its own, the prepared database, and an instance."""

    root: Path
    conn: Connection
    defs: dg.Definitions
    instance: dg.DagsterInstance

    def plan(self, *kinds: backfill.Kind, since: str | None = None) -> backfill.Plan:
        chats = ChatArchive(str(self.root))
        chosen = kinds or backfill.KINDS
        return backfill.plan(
            self.defs.resolve_asset_graph(), self.instance, self.conn, chats, kinds=chosen, since=since
        )

    def run(self, months: list[str], *, with_erp: bool = False) -> list[str]:
        return run_chain(self.defs, self.instance, months=months, with_erp=with_erp).errors

    def a_file(self, month: str) -> Path:
        return min((self.root / month.replace("-", "/")).rglob("*.txt"))


@pytest.fixture(scope="module")
def instance(admin_url: str) -> Iterator[dg.DagsterInstance]:
    """An instance that knows of no run, in PostgreSQL as users have it; SQLite waits for the disk."""
    name = f"dagster_{uuid4().hex[:8]}"
    url = sqlalchemy_url(create_database(admin_url, name, "template0"))
    # A schedule's context takes no instance that lives in memory only.
    with dg.instance_for_test(overrides={"storage": {"postgres": {"postgres_url": url}}}) as made:
        yield made
    drop_database(admin_url, name)


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    prepared_url: str,
    prepared: Prepared,
    instance: dg.DagsterInstance,
) -> Iterator[World]:
    sample = prepared.copy_sample(tmp_path_factory.mktemp("world"))
    defs = definitions(prepared_url, sample)
    with connect(prepared_url) as conn:
        made = World(sample / "organized_whatsapp_chats", conn, defs, instance)
        assert made.run(list(MONTHS), with_erp=True) == []
        yield made


# Every month is current when a test begins; a test that makes one stale runs it before it ends.


def test_an_empty_instance_misses_every_month(world: World) -> None:
    with dg.DagsterInstance.ephemeral() as empty:
        fresh = replace(world, instance=empty)
        todo = fresh.plan()
        assert todo.months == list(MONTHS)
        assert todo.ranges == [("2025-01", "2025-03")]
        assert all(found == {"missing"} for found in todo.kinds.values())
        assert fresh.plan(since="2025-03").months == ["2025-03"]
        assert fresh.plan("failed", "stale").months == []


def test_what_was_run_is_behind_no_more(world: World) -> None:
    assert world.plan().reasons == {}


def test_changed_files_make_their_month_stale(world: World) -> None:
    changed, gone = world.a_file("2025-01"), world.a_file("2025-03")
    os.utime(changed, (1_700_000_000, 1_700_000_000))
    gone.rename(gone.with_suffix(".bak"))
    todo = world.plan()
    assert todo.reasons == {"2025-01": ["files: 1 changed"], "2025-03": ["files: 1 missing"]}
    assert world.run(todo.months) == []
    assert world.plan().reasons == {}


def test_a_changed_phone_makes_the_months_of_its_chats_stale(world: World) -> None:
    concerned = [
        month
        for (month,) in world.conn.execute(
            """
            SELECT DISTINCT month FROM chat_files
            WHERE processing_status <> 'vanished' AND right(phone_key, 8) IN (
                SELECT right(key, 8) FROM contact_phones WHERE id_contato = (SELECT min(id) FROM contatos)
                UNION SELECT '91230001')
            ORDER BY month
            """
        )
    ]
    assert 0 < len(concerned) < len(MONTHS)
    world.conn.execute(
        "UPDATE contatos SET celular = '41 99123-0001' WHERE id = (SELECT min(id) FROM contatos)"
    )
    world.conn.execute(
        "UPDATE contact_sources SET celular = '41 99123-0001', item_hash = '\\x00'"
        " WHERE id_contato = (SELECT min(id) FROM contatos)"
    )
    job = world.defs.resolve_job_def("contacts")
    normalized = job.execute_in_process(
        instance=world.instance, asset_selection=[dg.AssetKey("normalized_contacts")]
    )
    assert normalized.success
    assert world.plan().reasons == {month: ["contacts changed since it was linked"] for month in concerned}
    assert world.run(concerned) == []
    assert world.plan().reasons == {}


def test_an_override_makes_the_month_of_its_file_stale(world: World) -> None:
    world.conn.execute(
        """
        SELECT override_link('file', (SELECT min(file_path) FROM chat_files WHERE month = '2025-02'
                                      AND processing_status <> 'vanished'),
                             'contact', (SELECT min(id) FROM contatos), 'disse no balcão')
        """
    )
    assert world.plan().reasons == {"2025-02": ["overrides changed since it was linked"]}
    assert world.run(["2025-02"]) == []
    assert world.plan().reasons == {}


@pytest.mark.filterwarnings(
    "ignore::dagster.PreviewWarning"
)  # of map_asset_specs, which only this test calls
def test_new_rules_make_every_month_stale(world: World) -> None:
    def newer(spec: dg.AssetSpec) -> dg.AssetSpec:
        is_links = spec.key == dg.AssetKey("contact_links")
        return spec.replace_attributes(code_version="next") if is_links else spec

    defs = world.defs.map_asset_specs(func=newer)
    todo = replace(world, defs=defs).plan()
    assert todo.months == list(MONTHS)
    assert todo.reasons["2025-01"] == ["contact_links: code version 1 → next"]


def _forgotten(world: World) -> Findings:
    check = next(check for check in CHECKS if check.name == "no_failed_month_is_forgotten")
    return check.find(CheckScope(world.conn, list(MONTHS), Archive(root=str(world.root)), world.instance))


def test_the_weekly_catch_up_asks_for_what_is_behind(world: World, prepared_url: str) -> None:
    file = world.a_file("2025-02")
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    with dg.build_schedule_context(
        instance=world.instance,
        repository_def=world.defs.get_repository_def(),
        scheduled_execution_time=datetime(2026, 1, 4, 4, tzinfo=UTC),
        resources={"database": Database(url=prepared_url), "archive": Archive(root=str(world.root))},
    ) as context:
        nothing = weekly_catch_up(context)
        os.utime(file, (1_600_000_000, 1_600_000_000))
        requests = weekly_catch_up(context)
        os.utime(file, ns=times)
    assert isinstance(nothing, dg.SkipReason)
    assert "nothing is missing" in str(nothing.skip_message)
    assert isinstance(requests, list)
    assert [request.partition_key for request in requests] == ["2025-02"]
    assert requests[0].tags["whatsapp_pipeline/why"] == "files: 1 changed"
    assert _forgotten(world).failing == 0


def test_a_failed_range_is_failed_in_each_of_its_months(world: World) -> None:
    # Without its files a month stops before anything is written.
    away = world.root.with_name("away")
    world.root.rename(away)
    world.root.mkdir()
    assert world.run(["2025-02", "2025-03"]) != []
    # The chain ends at the first stage that fails: the monthly job is what is asked for here.
    job = world.defs.resolve_job_def("monthly_chats")
    result = job.execute_in_process(
        instance=world.instance,
        raise_on_error=False,
        tags={RANGE_START: "2025-02", RANGE_END: "2025-03"},
    )
    assert not result.success
    world.root.rmdir()
    away.rename(world.root)
    todo = world.plan()
    assert todo.months == ["2025-02", "2025-03"]
    assert "chat_file_index failed" in todo.reasons["2025-02"]
    assert todo.kinds["2025-03"] == {"failed"}
    forgotten = _forgotten(world)
    assert forgotten.failing == 8  # four assets in two months
    assert forgotten.rows[0]["way_out"] == "whatsapp-pipeline backfill --failed --since 2025-02"
    assert world.run(todo.months) == []
    assert world.plan().reasons == {}
