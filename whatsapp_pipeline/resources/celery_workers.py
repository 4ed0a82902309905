"""Runs on Celery workers: the application of the workers, and the launcher that `dagster.yaml` names.

What belongs here: features that dagster-celery does not have. Runs of lost workers are detected, a worker
whose code differs from the database's version takes no run, and erasures are applied to a worker's disk. What
does not: queues and executing runs (dagster-celery).

A worker is started with

    celery -A whatsapp_pipeline.resources.celery_workers worker --queues dagster --concurrency 1
"""

from __future__ import annotations

import logging
import threading
import warnings
from time import monotonic, sleep
from typing import Any

from celery import Celery, Signature, Task
from celery.signals import worker_init, worker_ready
from dagster import DagsterRun
from dagster_celery.defaults import broker_transport_options
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_execute_job_task
from kombu.exceptions import OperationalError

from whatsapp_pipeline import settings
from whatsapp_pipeline.dagster_private import CheckRunHealthResult, ConfigurableClassData, WorkerStatus
from whatsapp_pipeline.databases import pipeline_url
from whatsapp_pipeline.errors import SettingError
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.privacy_key import require_common_key
from whatsapp_pipeline.steps.operations.current_code import why_not_current
from whatsapp_pipeline.steps.operations.local_erasures import keep_applying

# dagster-celery registers the same task again at every launch. Celery only warns about this.
warnings.filterwarnings("ignore", message="Task name 'execute_job' is already registered")

_QUEUE = "dagster"
# Seconds until an answer counts as lost. The broker's host may disappear without closing its connections, for
# example after a power cut or behind a firewall. Launches and health checks would then wait forever.
_OVERDUE_SECONDS = 10
_CONNECT_SECONDS = 5
_OPTIONS = {
    # A task that is delivered twice ends with "duplicate run ignored", which would hide that its run was
    # lost.
    "task_acks_late": False,
    "task_reject_on_worker_lost": False,
    # Each run has its own process, which sees new settings and frees its memory at the end.
    "worker_max_tasks_per_child": 1,
    # With Redis or Valkey as the broker, a busy worker reserves no other run.
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    # Otherwise Celery would redirect the output that Dagster stores for the run.
    "worker_redirect_stdouts": False,
    "broker_connection_retry_on_startup": True,
    "redis_socket_timeout": _OVERDUE_SECONDS,
    "redis_socket_connect_timeout": _CONNECT_SECONDS,
    "redis_socket_keepalive": True,
    "redis_retry_on_timeout": True,  # storing a state twice has no effect
    "redis_backend_health_check_interval": _OVERDUE_SECONDS,
}
# RabbitMQ has heartbeats and does not support these options.
_REDIS_BROKER = {
    "socket_timeout": _OVERDUE_SECONDS,
    "socket_connect_timeout": _CONNECT_SECONDS,
    "socket_keepalive": True,
    # A worker waits for tasks without a time-out. Kombu closes its connection after two missed heartbeats.
    "health_check_interval": _OVERDUE_SECONDS,
}
_ANSWER_SECONDS = 3.0  # time to wait for the answers of all workers
# Seconds during which these answers are used for the other runs of the same health check.
_SAME_CHECK_SECONDS = 2.0
# After this number of consecutive health checks without a worker that has the run, the run counts as lost.
# After the first such check, a worker may still connect again.
_MAX_MISSES = 2
# Seconds during which putting a run into the queue is retried while the broker is away. They must be less
# than start_timeout_seconds in deploy/dagster/celery.yaml, after which the run fails.
_BROKER_RETRY_SECONDS = 120.0
_BROKER_PAUSE_SECONDS = 2.0


def app_options() -> dict[str, Any]:
    """Return the options of the Celery application.

    Raises SettingError if the broker or the result backend is not set.
    """
    configured = settings.load_settings()
    if not configured.celery_broker_url or not configured.celery_result_backend:
        raise SettingError(
            "runs on Celery need CELERY_BROKER_URL and CELERY_RESULT_BACKEND, for example "
            "redis://broker:6379/0 and redis://broker:6379/1; rpc:// does not fit, because it forgets the "
            "result of a worker that ended"
        )
    broker = configured.celery_broker_url.get_secret_value()
    is_redis = broker.partition(":")[0] in ("redis", "rediss")
    return {
        "broker": broker,
        "backend": configured.celery_result_backend.get_secret_value(),
        "config_source": {
            **_OPTIONS,
            **({"broker_transport_options": _REDIS_BROKER} if is_redis else {}),
        },
        "task_default_queue": _QUEUE,
    }


def worker_problem() -> str | None:
    """Return why this worker must not take a run; None if its code and schema are those of the database."""
    return why_not_current(pipeline_url(settings.load_settings()))


class CurrentCodeTask(Task):  # type: ignore[misc]  # Celery is not typed
    """A task that only a worker with the database's code and schema executes."""

    # None means unlimited. As an argument of `retry`, None would mean the default, which is 3.
    max_retries = None

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Execute the task, or return it to the queue and stop this worker."""
        if problem := worker_problem():
            log = logging.getLogger("whatsapp_pipeline.worker")
            log.error("this worker takes no run: %s", problem, extra=fields(problem=problem))
            self.app.control.shutdown(destination=[self.request.hostname])
            raise self.retry(countdown=1)
        return super().__call__(*args, **kwargs)


def _refuse_to_start(**_: object) -> None:
    """End a worker that must take no run before it connects to the broker."""
    try:
        require_common_key(settings.load_settings())
    except SettingError as error:
        raise SystemExit(f"this worker takes no run: {error}") from None
    if problem := worker_problem():
        raise SystemExit(f"this worker takes no run: {problem}")


def _start_applying_erasures(**_: object) -> None:
    """Start a thread that applies other hosts' erasures to this worker's disk, also between runs."""
    configured = settings.load_settings()
    if not configured.several_hosts:  # with one host, `privacy erase` itself reaches the disk
        return
    log = logging.getLogger("whatsapp_pipeline.worker.erasures")
    options = {"register": False, "stop": threading.Event(), "log": log}
    # The thread may end at any time, because an erasure that is not confirmed is applied again.
    threading.Thread(
        target=keep_applying, args=(pipeline_url(configured), configured), kwargs=options, daemon=True
    ).start()


def make_worker_app() -> Celery:
    """Return the application that a worker runs."""
    made = make_app(app_options())
    create_execute_job_task(made, base=CurrentCodeTask)
    worker_init.connect(_refuse_to_start, weak=False)
    worker_ready.connect(_start_applying_erasures, weak=False)
    return made


def __getattr__(name: str) -> Celery:
    """Create `app` when the `celery` command needs it.

    The launcher does not need `app`. So its tests need no broker.
    """
    if name in ("app", "celery"):
        globals()["app"] = made = make_worker_app()
        return made
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class PipelineCeleryLauncher(CeleryRunLauncher):  # type: ignore[misc]  # dagster-celery is not typed here
    """Launches runs as Celery tasks. For health checks it asks the workers whether they still have a run.

    If a worker is killed, its task keeps the state STARTED in Celery, so Celery's state never shows that a
    run is lost.
    """

    _misses: dict[str, int]
    _active: set[str]
    _unanswered: Exception | None
    _asked_at: float

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Accept no options in dagster.yaml, because addresses belong in the settings."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: object
    ) -> PipelineCeleryLauncher:
        """Build the launcher. Dagster calls this method."""
        options = app_options()
        # Without these options, a launch would wait forever for an absent broker.
        transport = {
            **broker_transport_options,
            **options["config_source"].get("broker_transport_options", {}),
        }
        launcher = cls(
            default_queue=_QUEUE,
            broker=options["broker"],
            backend=options["backend"],
            config_source={**options["config_source"], "broker_transport_options": transport},
            inst_data=inst_data,
        )
        launcher._misses, launcher._active, launcher._asked_at = {}, set(), -_SAME_CHECK_SECONDS
        launcher._unanswered = None
        return launcher

    def _launch_celery_task_run(self, run: DagsterRun, task_signature: Signature, routing_key: str) -> None:
        """Put the run's task into the queue, even if the broker is away for some time.

        dagster-celery calls this method. The task has the run's id. If the broker's answer was lost, the task
        may be sent twice; the worker that takes the second task ignores it.
        """
        task_signature.set(task_id=run.run_id)
        deadline = monotonic() + _BROKER_RETRY_SECONDS
        while True:
            try:
                super()._launch_celery_task_run(run, task_signature, routing_key)
            # Celery raises RuntimeError if the result backend does not answer.
            except (OperationalError, RuntimeError):
                if monotonic() > deadline:
                    raise
                sleep(_BROKER_PAUSE_SECONDS)  # the broker gives no signal when it is back
            else:
                return

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Return RUNNING while a worker has the run, and FAILED after two consecutive checks without one."""
        try:
            if run.run_id in self._active_tasks():
                self._misses.pop(run.run_id, None)
                return CheckRunHealthResult(WorkerStatus.RUNNING)
        except Exception as error:  # an error of the broker's library is no evidence about the run
            return CheckRunHealthResult(
                WorkerStatus.RUNNING, f"the broker gave no answer ({type(error).__name__})"
            )
        self._misses[run.run_id] = misses = self._misses.get(run.run_id, 0) + 1
        if misses < _MAX_MISSES:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "no worker has the run; checking again")
        del self._misses[run.run_id]
        return CheckRunHealthResult(
            WorkerStatus.FAILED, f"no worker had the run's task in {_MAX_MISSES} checks"
        )

    def _active_tasks(self) -> set[str]:
        """Return the ids of the tasks that workers execute.

        The answers to one request are used for all runs of a health check. If there is no answer, the error
        of the broker's library is raised for each of these runs.
        """
        if monotonic() - self._asked_at > _SAME_CHECK_SECONDS:
            self._unanswered = None
            try:
                answers = self.celery.control.inspect(timeout=_ANSWER_SECONDS).active() or {}
                self._active = {task["id"] for tasks in answers.values() for task in tasks}
            except Exception as error:
                self._unanswered = error
            self._asked_at = monotonic()
        if self._unanswered is not None:
            raise self._unanswered
        return self._active
