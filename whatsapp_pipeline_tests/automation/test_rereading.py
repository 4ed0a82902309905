"""A file for which somebody chose another reading is read so by a run of its month."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from whatsapp_pipeline import clock
from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.automation.rereading import reread_sensor
from whatsapp_pipeline.automation.schedules import MAX_MONTHS_IN_PROGRESS
from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.run_tags import PARTITION
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, load_month
from whatsapp_pipeline.store.chats.rereads import (
    record_indexed,
    record_read,
    request_reread,
    reread_of_file,
    waiting_files,
    waiting_rereads,
)
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.operations.gates import pause, resume

DEFINITIONS = build_defs(with_erp=False)
LOG = logging.getLogger(__name__)
MONTH = "2025-01"
# Both orders of day and month fit these dates.
PATH = "2025/01/Conversa do WhatsApp com Ana.txt"
TEXT = "03/01/2025 10:00 - Ana: bom dia\n03/01/2025 10:05 - Loja: bom dia, Ana\n"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    file = tmp_path / PATH
    file.parent.mkdir(parents=True)
    file.write_text(TEXT, encoding="utf-8")
    return tmp_path


@pytest.fixture
def url(fresh_database_url: str, archive: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CHECKPOINTS", "none")
    with connect(fresh_database_url) as conn:
        _index(conn, archive)
        load_month(conn, ChatArchive(str(archive)), MONTH, LoadOptions(), log=LOG)
        assert _days(conn) == {(3, 1)}
    return fresh_database_url


def _index(conn: Connection, archive: Path) -> None:
    index_month(conn, ChatArchive(str(archive)), MONTH, IndexOptions(workers=1), log=LOG)


def _days(conn: Connection) -> set[tuple[int, int]]:
    """The (day, month) of the messages."""
    rows = conn.execute(
        "SELECT DISTINCT extract(day FROM message_timestamp)::int, extract(month FROM message_timestamp)::int"
        " FROM chat_messages"
    )
    return {(row[0], row[1]) for row in rows}


def _choose(url: str) -> None:
    with connect(url) as conn:
        assert request_reread(conn, PATH, {"date_order": "mdy"}, requested_by="rita")


def _tick(
    instance: dg.DagsterInstance, url: str, *, minutes: float = 0
) -> tuple[list[dg.RunRequest], str | None]:
    with (
        clock.set_to(datetime.now(UTC) + timedelta(minutes=minutes)),
        dg.build_sensor_context(
            instance, resources={"database": Database(url=url)}, definitions=DEFINITIONS
        ) as context,
    ):
        data = reread_sensor.evaluate_tick(context)
    return list(data.run_requests or []), data.skip_message


def test_a_choice_is_read_by_a_run_that_is_requested_by_itself(
    instance: dg.DagsterInstance, url: str, archive: Path
) -> None:
    assert reread_sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert _tick(instance, url) == ([], "no file waits to be read again")
    _choose(url)
    (request,), _ = _tick(instance, url)
    assert request.partition_key == MONTH
    resources = {"database": Database(url=url), "archive": Archive(root=str(archive))}
    job = build_defs(resources, with_erp=False).resolve_job_def("monthly_chats")
    run = job.execute_in_process(
        partition_key=MONTH, instance=instance, tags=request.tags, raise_on_error=False
    )
    with connect(url) as conn:
        assert _days(conn) == {(1, 3)}, run.success
        reread = reread_of_file(conn, PATH)
        assert reread is not None
        assert (reread.requested_by, reread.options) == ("rita", {"date_order": "mdy"})
        assert reread.read_at is not None
    assert _tick(instance, url, minutes=200) == ([], "no file waits to be read again")


def test_a_month_is_asked_for_later_after_each_run_in_vain(instance: dg.DagsterInstance, url: str) -> None:
    _choose(url)

    def note_run(status: dg.DagsterRunStatus) -> None:
        instance.add_run(dg.DagsterRun("monthly_chats", status=status, tags={PARTITION: MONTH}))

    note_run(dg.DagsterRunStatus.STARTED)
    assert _tick(instance, url, minutes=60) == ([], f"{MONTH}: a run is under way")
    (record,) = instance.get_run_records(dg.RunsFilter(job_name="monthly_chats"))
    instance.delete_run(record.dagster_run.run_id)
    for failures, minutes in ((1, 2), (2, 4), (3, 8)):
        note_run(dg.DagsterRunStatus.FAILURE)
        requests, why = _tick(instance, url, minutes=minutes - 0.5)
        assert requests == []
        assert f"the last {failures} run(s) did not read it" in (why or "")
        assert len(_tick(instance, url, minutes=minutes + 0.5)[0]) == 1
    with connect(url) as conn:
        pause(conn, "a migration")
        assert _tick(instance, url, minutes=99)[0] == []
        resume(conn)


def test_few_runs_are_under_way_however_many_months_wait(
    instance: dg.DagsterInstance, url: str, archive: Path
) -> None:
    months = [f"2025-{number:02}" for number in range(1, MAX_MONTHS_IN_PROGRESS + 3)]
    with connect(url) as conn:
        for month in months:
            path = PATH.replace("2025/01", month.replace("-", "/"))
            file = archive / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(TEXT.replace("/01/", f"/{month[-2:]}/"), encoding="utf-8")
            index_month(conn, ChatArchive(str(archive)), month, IndexOptions(workers=1), log=LOG)
            assert request_reread(conn, path, {"date_order": "mdy"}, requested_by="rita")
    first, _ = _tick(instance, url)
    assert [request.partition_key for request in first] == months[:MAX_MONTHS_IN_PROGRESS]
    runs = [
        dg.DagsterRun("monthly_chats", status=status, tags={PARTITION: month})
        for status, month in zip(
            (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED),
            months,
            strict=False,
        )
    ]
    for run in runs:
        instance.add_run(run)
    requests, why = _tick(instance, url, minutes=1)
    assert requests == []
    assert f"{months[MAX_MONTHS_IN_PROGRESS]}: {MAX_MONTHS_IN_PROGRESS} runs are under way or requested" in (
        why or ""
    )
    # A run that is over makes room for one month.
    instance.delete_run(runs[1].run_id)
    instance.add_run(dg.DagsterRun("monthly_chats", status=dg.DagsterRunStatus.FAILURE, tags=runs[1].tags))
    requests, _ = _tick(instance, url, minutes=1)
    assert [request.partition_key for request in requests] == [months[MAX_MONTHS_IN_PROGRESS]]


def test_a_choice_after_the_index_waits_for_the_next_run(url: str, archive: Path) -> None:
    """Its messages are read so, but its sessions are those of the reading before."""
    with connect(url) as conn:

        def is_read() -> bool:
            found = reread_of_file(conn, PATH)
            assert found is not None
            return found.read_at is not None

        _choose(url)
        load_month(conn, ChatArchive(str(archive)), MONTH, LoadOptions(), log=LOG)
        assert not is_read()
        _index(conn, archive)
        assert not is_read()
        load_month(conn, ChatArchive(str(archive)), MONTH, LoadOptions(), log=LOG)
        assert is_read()
        _choose(url)
        assert not is_read()


def test_a_sample_of_the_month_does_not_count_as_reading_the_file(url: str, archive: Path) -> None:
    with connect(url) as conn:
        _choose(url)
        options = IndexOptions(workers=1, sample=1)
        index_month(conn, ChatArchive(str(archive)), MONTH, options, log=LOG)
        load_month(conn, ChatArchive(str(archive)), MONTH, LoadOptions(), log=LOG)
        found = reread_of_file(conn, PATH)
        assert found is not None
        assert found.read_at is None


def test_a_file_that_is_not_indexed_takes_no_choice(url: str) -> None:
    with connect(url) as conn:
        assert not request_reread(conn, "2025/01/none.txt", {"format": "ios"}, requested_by="rita")
        conn.execute("UPDATE chat_files SET processing_status = 'vanished'")
        assert not request_reread(conn, PATH, {"format": "ios"}, requested_by="rita")
        assert conn.execute("SELECT count(*) FROM chat_rereads").fetchone() == (0,)


@pytest.mark.parametrize("how", ["missing", "unreadable"])
def test_the_wait_for_a_file_that_cannot_be_opened_ends(
    instance: dg.DagsterInstance, url: str, archive: Path, how: str
) -> None:
    _choose(url)
    file = archive / PATH
    file.unlink()
    if how == "unreadable":
        file.with_suffix(".zip").write_bytes(b"PK no zip")
        with connect(url) as conn:
            conn.execute("UPDATE chat_files SET file_path = %s", (PATH.replace(".txt", ".zip"),))
    else:
        other = file.with_name("Conversa do WhatsApp com Rui.txt")
        other.write_text(TEXT.replace("Ana", "Rui"), encoding="utf-8")
    with connect(url) as conn:
        _index(conn, archive)
        load_month(conn, ChatArchive(str(archive)), MONTH, LoadOptions(), log=LOG)
        row = conn.execute(
            "SELECT file_path FROM chat_files JOIN chat_rereads ON id = id_chat_file"
        ).fetchone()
        assert row is not None
        found = reread_of_file(conn, row[0])
        assert found is not None
        assert (found.read_at is not None, found.can_be_read) == (True, False)
        assert waiting_files(conn, 9) == []
    assert _tick(instance, url) == ([], "no file waits to be read again")


def test_a_choice_that_begins_before_the_run_and_commits_after_it_still_waits(
    url: str, archive: Path
) -> None:
    """Its transaction began before that of another choice, which the run sees."""
    with connect(url) as conn, connect(url) as other:
        second = archive / "2025/01/Conversa do WhatsApp com Rui.txt"
        second.write_text(TEXT.replace("Ana", "Rui"), encoding="utf-8")
        _index(conn, archive)
        path = str(second.relative_to(archive))
        with other.transaction():
            request_reread(other, path, {"date_order": "mdy"}, requested_by="rui")
            _choose(url)
            seen = waiting_rereads(conn, MONTH)
        record_indexed(conn, seen)
        record_read(conn, seen)
        late, seen_one = reread_of_file(conn, path), reread_of_file(conn, PATH)
        assert late is not None
        assert seen_one is not None
        assert (late.read_at is None, seen_one.read_at is None) == (True, False)
