"""The watched folder: a month is loaded when its files have changed and then rested, and never twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from whatsapp_pipeline import clock
from whatsapp_pipeline.automation.archive_folder import archive_folder_sensor
from whatsapp_pipeline.automation.schedules import MAX_MONTHS_IN_PROGRESS
from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.run_tags import PARTITION, RANGE_END, RANGE_START
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.operations.gates import pause, resume
from whatsapp_pipeline_tests.block_files import block, talk

DEFINITIONS = build_defs(with_erp=False)
NAME = "WhatsApp - 2025-{month}-05 10 00 00 - +55 41 99999-00{number:02}.txt"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


class Folder:
    """An archive, a database and an instance; `tick` is what Dagster's daemon does every minute."""

    def __init__(self, root: Path, url: str, instance: dg.DagsterInstance) -> None:
        self.root, self.url, self.instance = root, url, instance
        self.cursor: str | None = None
        # Runs are recorded with the real time, so the tests' time begins now.
        self.now = datetime.now(UTC)

    def put(self, month: str, number: int, messages: int = 2) -> Path:
        file = self.root / "2025" / month / NAME.format(month=month, number=number)
        file.parent.mkdir(parents=True, exist_ok=True)
        label = f"+55 41 99999-00{number:02}"
        text = block(talk(messages), label=label, phone=f"+55419999900{number:02}", start=self._start(month))
        file.write_text(text, encoding="utf-8")
        return file

    @staticmethod
    def _start(month: str) -> datetime:
        return datetime(2025, int(month), 5, 10)

    def tick(self, minutes: float = 0) -> tuple[list[dg.RunRequest], str | None]:
        self.now += timedelta(minutes=minutes)
        resources = {"database": Database(url=self.url), "archive": Archive(root=str(self.root))}
        with (
            clock.set_to(self.now),
            dg.build_sensor_context(
                self.instance, cursor=self.cursor, resources=resources, definitions=DEFINITIONS
            ) as context,
        ):
            data = archive_folder_sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return list(data.run_requests or []), data.skip_message

    def run(self, request: dg.RunRequest) -> bool:
        resources: dict[str, Any] = {
            "database": Database(url=self.url),
            "archive": Archive(root=str(self.root)),
        }
        job = build_defs(resources, with_erp=False).resolve_job_def("monthly_chats")
        done = job.execute_in_process(
            partition_key=request.partition_key,
            instance=self.instance,
            tags=request.tags,
            raise_on_error=False,
        )
        return done.success

    def note_run(self, status: dg.DagsterRunStatus, **tags: str) -> None:
        run = dg.DagsterRun("monthly_chats", status=status, tags=tags)
        self.instance.add_run(run)

    def messages(self) -> int:
        with connect(self.url) as conn:
            row = conn.execute("SELECT count(*) FROM chat_messages").fetchone()
        return int(row[0]) if row else 0


@pytest.fixture
def folder(
    tmp_path: Path, fresh_database_url: str, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> Folder:
    monkeypatch.setenv("CHECKPOINTS", "none")
    made = Folder(tmp_path, fresh_database_url, instance)
    made.put("01", 1)
    return made


def _keys(requests: list[dg.RunRequest]) -> list[str | None]:
    return [request.partition_key for request in requests]


def test_it_is_off_until_somebody_turns_it_on() -> None:
    assert archive_folder_sensor.default_status == dg.DefaultSensorStatus.STOPPED


def test_a_file_is_in_the_tables_minutes_after_it_arrived_and_nothing_runs_twice(folder: Folder) -> None:
    assert folder.tick() == ([], "2025-01: its files are still changing")
    assert folder.tick(1) == ([], "2025-01: its files are still changing")
    (request,), _ = folder.tick(1)
    assert request.partition_key == "2025-01"
    assert folder.run(request)
    assert folder.messages() == 2
    assert folder.tick(1) == ([], "no new or changed files")
    assert json.loads(folder.cursor or "")["2025-01"]["loaded"]

    # The same file with more messages, and a file of another month.
    folder.put("01", 1, messages=5)
    folder.put("02", 2)
    assert folder.tick(1)[0] == []
    requests, _ = folder.tick(2)
    assert _keys(requests) == ["2025-01", "2025-02"]
    assert requests[0].run_key != request.run_key
    assert all(folder.run(one) for one in requests)
    assert folder.messages() == 7
    assert folder.tick(1) == ([], "no new or changed files")


def test_a_copy_that_goes_on_is_waited_for(folder: Folder) -> None:
    folder.tick()
    for number in range(2, 6):
        folder.put("01", number)
        assert folder.tick(1)[0] == []
    assert folder.tick(1.9)[0] == []
    assert _keys(folder.tick(0.1)[0]) == ["2025-01"]


def test_months_that_are_loaded_already_are_not_requested(folder: Folder) -> None:
    """A person who turns the sensor on later, or another run that loads the files meanwhile."""
    request = dg.RunRequest(partition_key="2025-01")
    assert folder.run(request)
    folder.tick()
    assert folder.tick(2) == ([], "no new or changed files")


def test_a_run_under_way_is_waited_for(folder: Folder) -> None:
    folder.tick()
    folder.note_run(dg.DagsterRunStatus.STARTED, **{PARTITION: "2025-01"})
    assert folder.tick(2) == ([], "2025-01: a run is under way")


@pytest.mark.parametrize(("last", "waits"), [("2025-02", True), ("2024-12", False)])
def test_a_range_under_way_is_waited_for(folder: Folder, last: str, waits: bool) -> None:
    folder.tick()
    folder.note_run(dg.DagsterRunStatus.STARTING, **{RANGE_START: "2024-11", RANGE_END: last})
    assert (folder.tick(2)[0] == []) == waits


def test_a_failed_month_is_requested_again_each_time_later(folder: Folder) -> None:
    folder.tick()
    folder.note_run(dg.DagsterRunStatus.FAILURE, **{PARTITION: "2025-01"})
    requests, why = folder.tick(1.9)
    assert (requests, why) == ([], "2025-01: its files are still changing")
    assert _keys(folder.tick(0.2)[0]) == ["2025-01"]  # two minutes after one failure
    folder.note_run(dg.DagsterRunStatus.FAILURE, **{PARTITION: "2025-01"})
    requests, why = folder.tick(1)
    assert requests == []
    assert "2025-01: the last run failed" in str(why)
    assert _keys(folder.tick(1)[0]) == ["2025-01"]  # four minutes after two


def test_one_tick_requests_few_months(folder: Folder) -> None:
    for month in ("02", "03", "04", "05"):
        folder.put(month, 1)
    folder.tick()
    first, _ = folder.tick(2)
    assert _keys(first) == ["2025-01", "2025-02", "2025-03"]
    assert len(first) == MAX_MONTHS_IN_PROGRESS
    for request in first:
        folder.note_run(dg.DagsterRunStatus.STARTING, **{PARTITION: str(request.partition_key)})
    requests, why = folder.tick(1)
    assert requests == []
    assert "2025-04: files: 1 new" in str(why)
    # A run that is over makes room for one month.
    (over,) = folder.instance.get_runs(dg.RunsFilter(tags={PARTITION: "2025-01"}))
    folder.instance.delete_run(over.run_id)
    assert folder.run(first[0])
    assert _keys(folder.tick(1)[0]) == ["2025-04"]


def test_a_pause_holds_it_and_loses_nothing(folder: Folder) -> None:
    folder.tick()
    with connect(folder.url) as conn:
        pause(conn, reason="month-end closing")
    assert "month-end closing" in str(folder.tick(2)[1])
    with connect(folder.url) as conn:
        resume(conn)
    assert _keys(folder.tick(1)[0]) == ["2025-01"]


def test_an_archive_that_is_not_mounted_is_named_and_forgets_nothing(folder: Folder) -> None:
    folder.tick()
    before = folder.cursor
    root, folder.root = folder.root, folder.root / "elsewhere"
    requests, why = folder.tick(1)
    assert requests == []
    assert "there is no chat archive" in str(why)
    assert folder.cursor == before
    folder.root = root
    assert _keys(folder.tick(1)[0]) == ["2025-01"]


def test_a_pause_after_the_request_loses_nothing(folder: Folder) -> None:
    """The run ends as a success and loads nothing."""
    folder.tick()
    (request,), _ = folder.tick(2)
    with connect(folder.url) as conn:
        pause(conn, reason="month-end closing")
    assert folder.run(request)
    assert "month-end closing" in str(folder.tick(1)[1])
    with connect(folder.url) as conn:
        resume(conn)
    (again,), _ = folder.tick(2)
    assert folder.run(again)
    assert folder.messages() == 2
    assert folder.tick(1) == ([], "no new or changed files")


_REFUSED = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';
CREATE TRIGGER refused BEFORE INSERT ON chat_messages EXECUTE FUNCTION refuse();
"""


def test_a_month_that_is_indexed_and_not_loaded_is_requested_again(folder: Folder) -> None:
    folder.tick()
    (request,), _ = folder.tick(2)
    with connect(folder.url) as conn:
        conn.execute(_REFUSED)
    assert not folder.run(request)
    with connect(folder.url) as conn:
        assert conn.execute("SELECT count(*) FROM chat_files").fetchone() == (1,)
        conn.execute("DROP TRIGGER refused ON chat_messages")
    folder.tick(0)
    (again,), _ = folder.tick(2)
    assert again.partition_key == "2025-01"
    assert folder.run(again)
    assert folder.messages() == 2
    assert folder.tick(1) == ([], "no new or changed files")


def test_a_run_that_began_before_the_files_changed_has_not_seen_them(folder: Folder) -> None:
    assert folder.run(dg.RunRequest(partition_key="2025-01"))
    folder.put("01", 1, messages=5)
    folder.tick(1)
    assert _keys(folder.tick(2)[0]) == ["2025-01"]
