"""Following launched runs whose fate Dagster decides a moment after it has stored their failure."""

from __future__ import annotations

import threading
from collections.abc import Iterator

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
    monkeypatch.setattr(launching, "_POLL_SECONDS", 0.1)
    with dg.instance_for_test(overrides={"run_retries": {"enabled": True, "max_retries": 1}}) as made:
        yield made


def _followed(instance: dg.DagsterInstance, run_id: str) -> list[Ended]:
    runs = LaunchedRuns(instance, "http://127.0.0.1:1")
    runs._tasks[run_id] = Task("held", "")  # launched by a webserver, which this test leaves out
    return list(runs.follow())


def test_a_failure_that_is_tried_again_a_moment_later_is_followed_to_the_next_attempt(
    instance: dg.DagsterInstance,
) -> None:
    failed = instance.create_run_for_job(held, status=_STATUS.FAILURE)
    attempt = instance.create_run_for_job(held, status=_STATUS.SUCCESS)
    tags = {"dagster/will_retry": "true", "dagster/auto_retry_run_id": attempt.run_id}
    decided = threading.Timer(0.4, instance.add_run_tags, (failed.run_id, tags))
    decided.start()
    try:
        [ended] = _followed(instance, failed.run_id)
    finally:
        decided.join()
    assert (ended.run_id, ended.ok) == (attempt.run_id, True)


@pytest.mark.parametrize("tags", [{}, {"dagster/will_retry": "false"}])
def test_a_failure_that_nobody_tries_again_is_over(
    instance: dg.DagsterInstance, tags: dict[str, str]
) -> None:
    failed = instance.create_run_for_job(held, status=_STATUS.FAILURE, tags=tags)
    [ended] = _followed(instance, failed.run_id)
    assert (ended.run_id, ended.status) == (failed.run_id, _STATUS.FAILURE)
