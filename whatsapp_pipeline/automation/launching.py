"""Launching runs through Dagster's webserver, and waiting for them by the instance's storage.

What belongs here: putting planned months into the instance's queue, and the state of what was launched. What
does not: finding the months (backfill.py), and running them in this process (headless.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import dagster as dg
from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError
from dagster_postgres.utils import DagsterPostgresException
from gql.transport.exceptions import TransportError
from sqlalchemy.exc import SQLAlchemyError

from whatsapp_pipeline import clock
from whatsapp_pipeline.automation.backfill import Plan
from whatsapp_pipeline.automation.run_status import ENDED
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.run_tags import (
    COMMAND_LINE,
    LAUNCHED_BY,
    PARTITION,
    RANGE_END,
    RANGE_START,
    RUN_MONTHS,
    months_in_words,
)

T = TypeVar("T")

_POLL_SECONDS = 1.0
# Seconds after which a failed run counts as not retried. Dagster decides about a retry only after the
# failure.
_DECISION_SECONDS = 10.0
_REQUEST_SECONDS = 60  # the webserver may have to start the code server first
# Seconds during which a question to Dagster's database is repeated. A restart of its server takes less time.
_RETRY_SECONDS = 60.0
_RETRY_PAUSE_SECONDS = 2.0
# A daemon writes its heartbeat every 30 s. Without one for this time, no daemon starts the runs in the queue.
_SILENT_SECONDS = 120.0
_HEARTBEAT_CHECK_SECONDS = 15.0
# Dagster's name of the daemon that starts runs from the queue.
_QUEUE_DAEMON = "QUEUED_RUN_COORDINATOR"
# Dagster's tags of a failed run: whether its daemon starts another attempt, and the id of that run.
_WILL_RETRY = "dagster/will_retry"
_RETRIED_BY = "dagster/auto_retry_run_id"


@dataclass(frozen=True, slots=True)
class Task:
    """A run to launch.

    `months` is a text for people. `ops` has the configuration of assets by name. `assets` are the assets to
    run; empty means all assets of the job.
    """

    job: str
    months: str
    tags: dict[str, str] = field(default_factory=dict)
    ops: dict[str, Any] = field(default_factory=dict)
    assets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """A launched run that has ended. After retries, `run_id` and `status` are those of the last attempt."""

    task: Task
    run_id: str
    status: dg.DagsterRunStatus

    @property
    def ok(self) -> bool:
        """True if the run, or its last attempt, succeeded."""
        return self.status is dg.DagsterRunStatus.SUCCESS


def phases(todo: Plan, config: Mapping[str, Any], *, per_month: bool) -> Iterator[list[Task]]:
    """Yield the tasks of a plan. The tasks of one list may run in parallel, after those of the previous list.

    `config` has the configuration of each monthly asset. Contacts come first, because links depend on them.
    Summaries are not listed: Dagster's automation writes them when the months' runs have changed chats.
    """
    ops = {asset: {"config": values} for asset, values in config.items()}
    yield [Task("contacts", "", assets=("normalized_contacts",))]
    if per_month:
        yield [Task("monthly_chats", month, {PARTITION: month}, ops) for month in todo.months]
        return
    yield [
        Task("monthly_load", months_in_words(ends), ends, ops)
        for first, last in todo.ranges
        for ends in [{RANGE_START: first, RANGE_END: last}]
    ]
    yield [
        Task(
            "monthly_checks",
            months_in_words({RANGE_START: first, RANGE_END: last}),
            {RUN_MONTHS: ",".join(month for month in todo.months if first <= month <= last)},
        )
        for first, last in todo.ranges
    ]


class LaunchedRuns:
    """Runs that were put into the queue of an instance through its webserver at `url`.

    When `stop` is set, `launch` and `follow` raise KeyboardInterrupt before their next step. So this object
    knows every run that the webserver has accepted. `say` gets a line when Dagster's database or its daemon
    does not answer.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        url: str,
        stop: threading.Event | None = None,
        *,
        say: Callable[[str], object] | None = None,
    ) -> None:
        self._stop = stop or threading.Event()
        self._say = say or (lambda text: None)
        self._next_heartbeat_check = 0.0
        self._is_daemon_missing = False
        self._instance = instance
        self._url = url.rstrip("/")
        scheme, _, rest = self._url.partition("://")
        self._client = DagsterGraphQLClient(rest, use_https=scheme == "https", timeout=_REQUEST_SECONDS)
        self._tasks: dict[str, Task] = {}
        self._undecided_until: dict[str, float] = {}  # by run id, on the monotonic clock

    def launch(self, tasks: Sequence[Task]) -> None:
        """Put one run per task into the queue, in order.

        Raises PipelineError if Dagster does not accept a run.
        """
        for task in tasks:
            self._raise_if_stopped()
            try:
                run_id = self._client.submit_job_execution(
                    task.job,
                    tags={**task.tags, LAUNCHED_BY: COMMAND_LINE},
                    run_config={"ops": task.ops} if task.ops else {},
                    asset_selection=list(task.assets) or None,
                )
            except DagsterGraphQLClientError as error:
                raise self._refusal(task, error) from error
            self._tasks[run_id] = task

    def _refusal(self, task: Task, error: DagsterGraphQLClientError) -> PipelineError:
        if isinstance(error.__cause__, TransportError):
            return PipelineError(
                f"no Dagster answers at {self._url}; start it with `whatsapp-pipeline up`, or set "
                f"DAGSTER_UI_URL to its address"
            )
        words = " ".join((task.job, task.months, str(error).partition("\n")[0]))
        return PipelineError(f"Dagster at {self._url} did not accept a run: {words}")

    @property
    def waiting(self) -> Collection[str]:
        """The ids of the runs that have not ended."""
        return self._tasks

    def address(self, run_id: str) -> str:
        """Return the address of a run in Dagster's UI."""
        return f"{self._url}/runs/{run_id}"

    def follow(self) -> Iterator[Ended]:
        """Yield the runs in the order in which they end, until all have ended.

        A run that Dagster retries ends with its last attempt. Raises PipelineError for a run that is not in
        the instance, and if Dagster's database does not answer for a minute.
        """
        while self._tasks:
            self._raise_if_stopped()
            wanted = dg.RunsFilter(run_ids=list(self._tasks))
            found = {run.run_id: run for run in self.ask(partial(self._instance.get_runs, wanted))}
            if lost := self._tasks.keys() - found.keys():
                raise PipelineError(
                    f"{self.address(min(lost))} is not in this project's instance of Dagster: the run was "
                    "deleted, or DAGSTER_UI_URL is the address of another instance"
                )
            changed = False
            for run_id, run in found.items():
                if run.status not in ENDED:
                    continue
                if self._is_undecided(run):
                    continue
                if run.status is dg.DagsterRunStatus.FAILURE and run.tags.get(_WILL_RETRY) == "true":
                    if (attempt := run.tags.get(_RETRIED_BY)) is not None:
                        self._tasks[attempt] = self._tasks.pop(run_id)
                        changed = True
                    continue  # without that tag the daemon has not launched the next attempt yet
                changed = True
                yield Ended(self._tasks.pop(run_id), run_id, run.status)
            if any(run.status is dg.DagsterRunStatus.QUEUED for run in found.values()):
                self._look_for_daemon()
            if not changed:
                self._stop.wait(_POLL_SECONDS)  # Dagster has no signal for the end of a run

    def ask(self, read: Callable[[], T]) -> T:
        """Return what `read` finds in Dagster's database. Repeat it for a minute if there is no answer.

        Raises PipelineError after that minute.
        """
        deadline: float | None = None
        while True:
            self._raise_if_stopped()
            try:
                return read()
            except (SQLAlchemyError, DagsterPostgresException) as error:
                cause = error.__cause__ if isinstance(error, DagsterPostgresException) else error
                name = type(cause or error).__name__
                if deadline is None:
                    deadline = time.monotonic() + _RETRY_SECONDS
                    self._say(
                        f"Dagster's database does not answer ({name}); asking again for "
                        f"{_RETRY_SECONDS:g} s. The runs continue"
                    )
                elif time.monotonic() > deadline:
                    raise PipelineError(
                        f"Dagster's database has not answered for {_RETRY_SECONDS:g} s ({name}); check "
                        "DATABASE_URL or DAGSTER_DATABASE_URL"
                    ) from None
            self._stop.wait(_RETRY_PAUSE_SECONDS)  # a server gives no signal when it is back

    def _look_for_daemon(self) -> None:
        """Report once if no daemon starts the queued runs, and once more if one does again."""
        if time.monotonic() < self._next_heartbeat_check:
            return
        self._next_heartbeat_check = time.monotonic() + _HEARTBEAT_CHECK_SECONDS
        beat = self.ask(self._instance.get_daemon_heartbeats).get(_QUEUE_DAEMON)
        silent = None if beat is None else clock.now().timestamp() - beat.timestamp
        is_missing = silent is None or silent > _SILENT_SECONDS
        if is_missing and not self._is_daemon_missing:
            since = (
                "there is no sign of one" if silent is None else f"the last sign of one is {silent:.0f} s old"
            )
            self._say(
                f"runs wait in the queue, and no Dagster daemon starts them ({since}); start one with "
                "`whatsapp-pipeline up` or `dagster-daemon run`"
            )
        elif self._is_daemon_missing and not is_missing:
            self._say("a Dagster daemon runs again")
        self._is_daemon_missing = is_missing

    def _raise_if_stopped(self) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt

    def _is_undecided(self, run: dg.DagsterRun) -> bool:
        """Return whether Dagster has not yet stored if it will try a failed run again."""
        if run.status is not dg.DagsterRunStatus.FAILURE or _WILL_RETRY in run.tags:
            return False
        if not self._instance.run_retries_enabled:
            return False
        now = time.monotonic()
        return now < self._undecided_until.setdefault(run.run_id, now + _DECISION_SECONDS)
