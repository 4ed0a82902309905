"""Dagster's storage keeps its connections open, and does without those that are lost."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from whatsapp_pipeline_tests.processes import wait_for

_INSTANCE = """
storage:
  custom:
    module: whatsapp_pipeline.resources.dagster_storage
    class: PipelineDagsterStorage
    config: {}
telemetry:
  enabled: false
"""
_SESSIONS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@dg.asset
def chats() -> None:
    pass


@pytest.fixture
def instance(
    empty_database_url: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("DAGSTER_DATABASE_URL", empty_database_url)
    (tmp_path / "dagster.yaml").write_text(_INSTANCE, encoding="utf-8")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def observer(empty_database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(empty_database_url, autocommit=True) as conn:
        yield conn


def _sessions(observer: psycopg.Connection) -> set[int]:
    return {pid for (pid,) in observer.execute(_SESSIONS)}


def _sessions_ever(observer: psycopg.Connection) -> int:
    """Count the sessions since the database was made; each is counted at its end."""
    row = observer.execute(
        "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_runs_share_a_few_connections_that_are_closed_with_the_instance(
    instance: dg.DagsterInstance, observer: psycopg.Connection
) -> None:
    assert instance.get_runs_count() == 0  # the tables are made
    wait_for(lambda: len(_sessions(observer)) <= 2, 10)
    before = _sessions_ever(observer)
    for _ in range(3):
        assert dg.materialize([chats], instance=instance).success
    events = sum(len(instance.all_logs(run.run_id)) for run in instance.get_runs())
    assert events > 30
    assert 1 <= len(_sessions(observer)) <= 2
    instance.dispose()
    wait_for(lambda: not _sessions(observer), 10)
    assert _sessions_ever(observer) - before <= 4


def test_an_instance_goes_on_when_the_server_has_closed_its_connections(
    instance: dg.DagsterInstance, observer: psycopg.Connection
) -> None:
    assert dg.materialize([chats], instance=instance).success
    before = _sessions(observer)
    assert before
    observer.execute(f"SELECT pg_terminate_backend(pid) FROM ({_SESSIONS}) AS s")
    wait_for(lambda: not _sessions(observer) & before, 10)
    assert dg.materialize([chats], instance=instance).success
    assert instance.get_runs_count() == 2


def test_a_forked_process_has_connections_of_its_own(
    instance: dg.DagsterInstance, observer: psycopg.Connection
) -> None:
    assert instance.get_runs_count() == 0
    before = _sessions(observer)
    ours, theirs = multiprocessing.Pipe()

    def count(pipe: Pipe) -> None:
        pipe.send(instance.get_runs_count())
        pipe.recv()  # it stays until the parent has looked

    child = multiprocessing.get_context("fork").Process(target=count, args=(theirs,))
    child.start()
    try:
        assert ours.poll(30)
        assert ours.recv() == 0
        assert len(_sessions(observer) - before) == 1
        assert instance.get_runs_count() == 0
        assert _sessions(observer) >= before
    finally:
        ours.send(None)
        child.join(30)
        child.kill()
