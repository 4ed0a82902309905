"""Following launched runs whose fate Dagster decides a moment after it has stored their failure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import dagster as dg
import pytest

from whatsapp_pipeline.automation import launching
from whatsapp_pipeline.automation.launching import Ended, LaunchedRuns, Task

_STATUS = dg.DagsterRunStatus


@dg.job
def held() -> None:
    """Do nothing."""


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setattr(launching, "_POLL_SECONDS", 0.0)
    with dg.instance_for_test(overrides={"run_retries": {"enabled": True, "max_retries": 1}}) as made:
        yield made


def _followed(instance: dg.DagsterInstance, run_id: str) -> list[Ended]:
    runs = LaunchedRuns(instance, "http://127.0.0.1:1")
    runs._tasks[run_id] = Task("held", "")  # launched by a webserver, which this test leaves out
    return list(runs.follow())


@contextmanager
def _tagged_before_a_look(
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    run_id: str,
    tags: Mapping[int, dict[str, str]],
) -> Iterator[None]:
    """Add tags to a run, as Dagster's daemon does, just before the follower looks for the nth time."""
    looks, read = count(1), instance.get_runs

    def read_after_tagging(*arguments: Any, **more: Any) -> Sequence[dg.DagsterRun]:
        with monkeypatch.context() as reading:  # adding tags reads the run, too
            reading.setattr(instance, "get_runs", read)
            instance.add_run_tags(run_id, tags.get(next(looks), {}))
        return read(*arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr(instance, "get_runs", read_after_tagging)
        yield


@pytest.mark.parametrize(
    ("decided", "launched", "seconds", "is_followed"),
    [
        (1, 1, 60, True),
        (3, 3, 60, True),
        (3, 6, 60, True),  # the daemon says that it will try again before it has launched the attempt
        (3, 30, 60, True),
        (30, 30, 60, True),  # however often it looked
        (1, 30, 0, True),  # once decided, the attempt is awaited
        (2, 2, 0, False),  # after its time without an answer the run counts as over
    ],
)
def test_a_failure_that_is_tried_again_a_moment_later_is_followed_to_the_next_attempt(
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    decided: int,
    launched: int,
    seconds: float,
    is_followed: bool,
) -> None:
    monkeypatch.setattr(launching, "_DECISION_SECONDS", seconds)
    failed = instance.create_run_for_job(held, status=_STATUS.FAILURE)
    attempt = instance.create_run_for_job(held, status=_STATUS.SUCCESS)
    tags = {launched: {"dagster/auto_retry_run_id": attempt.run_id}}
    tags[decided] = tags.get(decided, {}) | {"dagster/will_retry": "true"}
    with _tagged_before_a_look(instance, monkeypatch, failed.run_id, tags):
        [ended] = _followed(instance, failed.run_id)
    expected = attempt if is_followed else failed
    assert (ended.run_id, ended.status) == (expected.run_id, expected.status)


@pytest.mark.parametrize("tags", [{}, {"dagster/will_retry": "false"}])
def test_a_failure_that_nobody_tries_again_is_over(
    instance: dg.DagsterInstance, tags: dict[str, str]
) -> None:
    failed = instance.create_run_for_job(held, status=_STATUS.FAILURE, tags=tags)
    [ended] = _followed(instance, failed.run_id)
    assert (ended.run_id, ended.status) == (failed.run_id, _STATUS.FAILURE)
