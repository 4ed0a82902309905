"""The faults of a cluster. Each disturbs the run of a month of its own and returns what was seen.

What belongs here: causing a fault at a known moment, and following the run to its end. What does not:
starting the cluster (bench/cluster/) and the comparison at the end (cluster.py).

A run is caught in the middle of its month by a table lock: it waits to write until the fault has happened.
"""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cluster.hosts import ClusterError, HostProcess, await_that
from bench.cluster.roles import PREFIX, WORKSTATION, RunningCluster
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.archive.object_server import ObjectServer
from whatsapp_pipeline_tests.block_files import block, talk, write_chat

if TYPE_CHECKING:
    import dagster as dg

# A run that is not over after so long hangs.
_LONGEST_RUN = 400
_OUTAGE_SECONDS = 20
_WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE %s = ANY(pg_blocking_pids(pid)) AND backend_type = 'client backend'
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a fault led to; `seconds` from the fault to the end of the month's run."""

    words: str
    seconds: float
    state: str = "ok"


@dataclass(slots=True)
class Caught:
    """A run that waits in the middle of its month, and the worker that executes it."""

    month: str
    run_id: str
    worker: str
    _conn: Connection

    def release(self) -> None:
        """Let it write."""
        self._conn.execute("COMMIT")


@dataclass(slots=True)
class ClusterDrill:
    """A cluster whose archive is `root` here, and months that are not loaded yet."""

    cluster: RunningCluster
    instance: dg.DagsterInstance
    store: ObjectServer
    root: Path
    months: Iterator[str]
    erased: str | None = None
    """The id of the contact that was erased."""

    def launch(self, month: str) -> str:
        """Put the run of a month into the queue; return its id."""
        from whatsapp_pipeline.automation.launching import Task
        from whatsapp_pipeline.run_tags import PARTITION

        runs = self.cluster.runs(self.instance)
        runs.launch([Task("monthly_chats", month, {PARTITION: month})])
        [run_id] = runs.waiting
        return run_id

    @contextmanager
    def mid_month(self, table: str = "chat_messages") -> Iterator[Caught]:
        """Launch the next month and yield its run while it waits to write into a table."""
        with self.mid_months(1, table) as [caught]:
            yield caught

    @contextmanager
    def mid_months(self, count: int, table: str = "chat_messages") -> Iterator[list[Caught]]:
        """Launch the next months and yield their runs while all of them wait to write into a table.

        The first that is released releases all.
        """
        with connect(self.cluster.url) as conn, connect(self.cluster.url) as onlooker:
            conn.execute("BEGIN")
            conn.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE".encode())
            runs = {month: self.launch(month) for month in islice(self.months, count)}
            pid = conn.info.backend_pid
            await_that(
                lambda: onlooker.execute(_WAITING, (pid,)).fetchone() == (count,),
                f"the runs of {', '.join(runs)} did not come to {table}",
                180,
            )
            yield [Caught(month, run_id, self._worker_of(run_id), conn) for month, run_id in runs.items()]

    def _worker_of(self, run_id: str) -> str:
        """Return the name of the host whose worker has the run."""
        found: list[str] = []

        def answer() -> bool:
            active = self.answers("active")
            found.extend(name for name, tasks in active.items() if any(one["id"] == run_id for one in tasks))
            return bool(found)

        await_that(answer, f"no worker says that it has the run {run_id}", 60)
        return found[0]

    def answers(self, question: str) -> dict[str, Any]:
        """Return what the workers answer to a question of Celery's, by the names of their hosts."""
        from kombu.exceptions import OperationalError
        from redis.exceptions import ConnectionError as RedisConnectionError

        launcher: Any = self.instance.run_launcher
        try:
            answers = getattr(launcher.celery.control.inspect(timeout=3.0), question)() or {}
        except (
            OSError,
            OperationalError,
            RedisConnectionError,
        ):  # the broker was away since the last question
            return {}
        return {node.partition("@")[2]: answer for node, answer in answers.items()}

    def attempts(self, run_id: str) -> list[dg.DagsterRun]:
        """Return the run and the runs that repeat it, the oldest first."""
        group = self.instance.get_run_group(run_id)
        runs = {run.run_id: run for run in group[1]} if group else {}
        records = self.instance.get_run_records()
        return [record.dagster_run for record in reversed(records) if record.dagster_run.run_id in runs]

    def follow(self, run_id: str, seconds: float = _LONGEST_RUN) -> list[dg.DagsterRun]:
        """Wait until the run is over, and any run that repeats it; return these attempts."""
        await_that(lambda: _is_over(self.attempts(run_id)), f"the run {run_id} is not over", seconds)
        return self.attempts(run_id)

    def ended(self, run_id: str, since: float, *more: str) -> Seen:
        """Follow a run to its end and say in words how it got there."""
        attempts = self.follow(run_id)
        states = [run.status.value.lower() for run in attempts]
        words = "; ".join([*more, " → ".join(states)])
        if reason := self._reason(attempts[0]):
            words += f" ({reason})"
        return Seen(words, time.monotonic() - since, "ok" if states[-1] == "success" else "FAILED")

    def _reason(self, run: dg.DagsterRun) -> str:
        """Return why an attempt failed, in the words of the launcher or the run monitoring."""
        import dagster

        if run.status is not dagster.DagsterRunStatus.FAILURE:
            return ""
        logs = self.instance.all_logs(run.run_id, of_type=dagster.DagsterEventType.RUN_FAILURE)
        words = logs[-1].message if logs else ""
        for known in ("no worker had the run's task in 2 checks", "taking longer than"):
            if known in words:
                return known
        return words.partition("\n")[0][:60]

    def await_all_workers(self) -> None:
        """Return when every worker answers."""
        workers = self.cluster.workers
        await_that(
            lambda: set(self.answers("ping")) >= set(workers),
            "not all workers answer",
            180,
            *workers.values(),
        )

    def restart(self, worker: str) -> None:
        """Start a worker again on its host, as compose's `restart: unless-stopped` does."""
        process = self.cluster.start_worker(worker)
        await_that(lambda: "ready." in process.tail(), f"{worker} is not ready", 120, process)

    def hanging(self) -> list[str]:
        """Return the runs that are under way although nothing is left to do."""
        from whatsapp_pipeline.automation.run_status import ENDED

        deadline = time.monotonic() + 120
        while True:
            left = [run for run in self.instance.get_runs() if run.status not in ENDED]
            if not left or time.monotonic() > deadline:
                return [f"{run.job_name} {run.run_id[:8]} {run.status.value}" for run in left]
            time.sleep(0.5)  # polls other processes, which give no signal

    def finish(self, *, is_loaded: bool) -> None:
        """Load what is left, and write the summaries, as an administrator would.

        With `is_loaded` the faults have loaded everything, and only the summaries are written.
        """
        from whatsapp_pipeline.automation.launching import Task

        if not is_loaded:
            self.cluster.command("backfill", "--launch", "months")
        runs = self.cluster.runs(self.instance)
        runs.launch([Task("summaries", "")])
        if not all(ended.ok for ended in runs.follow()):
            raise ClusterError("the run of the summaries failed")

    def load_on_one_machine(self, url: str) -> None:
        """Load the files as they are with one process, into another database."""
        self._command_on_one_machine(url, "migrate")
        self._run_on_one_machine(url)

    def follow_on_one_machine(self, url: str) -> None:
        """Do there what the cluster did since: load new and rewritten files, then erase and run again."""
        self._run_on_one_machine(url)
        if self.erased:
            self._command_on_one_machine(url, "privacy", "erase", "--contact", self.erased, "--yes")
            self._run_on_one_machine(url)

    def _run_on_one_machine(self, url: str) -> None:
        pages = str(self.cluster.options.pages)
        self._command_on_one_machine(url, "run", "--archive", str(self.root), "--erp", pages)

    def _command_on_one_machine(self, url: str, *command: str) -> None:
        host = self.cluster.prepare(WORKSTATION)
        (host.outside / "alone").mkdir(exist_ok=True)
        shutil.copy(PROJECT_ROOT / "dagster.yaml", host.outside / "alone")
        variables = {
            **self.cluster.environment(host),
            "DATABASE_URL_FILE": "",
            "DATABASE_URL": url,
            "SEVERAL_HOSTS": "",
            "CHAT_ARCHIVE": str(self.root),
            "DAGSTER_HOME": str(host.disk / "alone"),
            "PIPELINE_LOCAL_DIR": str(host.disk / "alone"),
            "CELERY_BROKER_URL": "",
            "CELERY_RESULT_BACKEND": "",
        }
        host.run([str(Path(sys.executable).with_name("whatsapp-pipeline")), *command], variables)


def _is_over(attempts: list[dg.DagsterRun]) -> bool:
    from dagster import DagsterRunStatus

    last = attempts[-1]
    if last.status is DagsterRunStatus.FAILURE:
        return last.tags.get("dagster/will_retry") == "false"
    return last.is_finished


def killed_child(drill: ClusterDrill) -> Seen:
    """Kill the process that executes the run; the worker itself goes on."""
    with drill.mid_month() as caught:
        for child in drill.cluster.workers[caught.worker].children():
            child.kill()
        since = time.monotonic()
        caught.release()
        return drill.ended(caught.run_id, since, f"{caught.worker} lost its child")


def killed_worker(drill: ClusterDrill) -> Seen:
    """Kill a worker with its child; its host starts another one."""
    with drill.mid_month() as caught:
        drill.cluster.workers[caught.worker].kill()
        since = time.monotonic()
        caught.release()
        seen = drill.ended(caught.run_id, since, f"{caught.worker} was killed")
    drill.restart(caught.worker)
    return seen


def frozen_worker(drill: ClusterDrill) -> Seen:
    """Stop a worker without killing it, until the run's second attempt has begun; then let it go on."""
    with drill.mid_month() as caught:
        worker = drill.cluster.workers[caught.worker]
        worker.signal_group(signal.SIGSTOP)
        since = time.monotonic()
        caught.release()
        try:
            await_that(lambda: len(drill.attempts(caught.run_id)) > 1, "the run was not tried again", 120)
            noticed = time.monotonic() - since
        finally:
            worker.signal_group(signal.SIGCONT)
        seen = drill.ended(caught.run_id, since, f"{caught.worker} frozen, tried again after {noticed:.0f} s")
    drill.await_all_workers()
    return seen


def three_workers(drill: ClusterDrill) -> Seen:
    """Let three workers fail at once: one loses its child, one is killed, one is frozen for a while."""
    with drill.mid_months(3) as [first, second, third]:
        for child in drill.cluster.workers[first.worker].children():
            child.kill()
        drill.cluster.workers[second.worker].kill()
        frozen = drill.cluster.workers[third.worker]
        frozen.signal_group(signal.SIGSTOP)
        since = time.monotonic()
        first.release()
        drill.restart(second.worker)
        try:
            await_that(lambda: len(drill.attempts(third.run_id)) > 1, "the run was not tried again", 120)
        finally:
            frozen.signal_group(signal.SIGCONT)
        ends = [drill.ended(one.run_id, since) for one in (first, second, third)]
    drill.await_all_workers()
    words = "; ".join(
        f"{one.worker} {what}: {end.words.partition(' (')[0]}"
        for one, what, end in zip(
            (first, second, third), ("lost its child", "killed", "frozen"), ends, strict=True
        )
    )
    state = next((end.state for end in ends if end.state != "ok"), "ok")
    return Seen(words, max(end.seconds for end in ends), state)


def cut_worker(drill: ClusterDrill) -> Seen:
    """Pull the network cable of a worker's host, until the month is loaded elsewhere."""
    host = drill.cluster.network
    if not host.isolation.namespaces:
        return Seen("no namespaces: a plain process has no cable of its own", 0.0, "left out")
    with drill.mid_month() as caught:
        host.host(caught.worker).cut()
        since = time.monotonic()
        caught.release()
        try:
            seen = drill.ended(caught.run_id, since, f"{caught.worker} cut off")
        finally:
            host.host(caught.worker).mend()
    drill.await_all_workers()
    return seen


def absent_broker(drill: ClusterDrill) -> Seen:
    """Stop the broker while one run is under way and another is launched."""
    with drill.mid_month() as caught:
        broker = drill.cluster.broker
        broker.stop()
        since = time.monotonic()
        launched = drill.launch(next(drill.months))
        time.sleep(_OUTAGE_SECONDS)  # the outage itself
        broker.start()
        caught.release()
        first = drill.ended(caught.run_id, since)
        second = drill.ended(launched, since)
    drill.await_all_workers()
    state = "ok" if first.state == second.state == "ok" else "FAILED"
    words = f"away for {_OUTAGE_SECONDS} s; under way: {first.words}; launched meanwhile: {second.words}"
    return Seen(words, max(first.seconds, second.seconds), state)


def absent_store(drill: ClusterDrill) -> Seen:
    """Stop the object store while a month is read."""
    unreadable = "SELECT count(*) FROM exceptions WHERE kind = 'file_unreadable'"
    with drill.mid_month("chat_files") as caught:
        store = drill.cluster.store
        store.stop()
        since = time.monotonic()
        caught.release()
        time.sleep(_OUTAGE_SECONDS)  # the outage itself
        store.start()
        store.wait()
        seen = drill.ended(caught.run_id, since, f"away for {_OUTAGE_SECONDS} s")
    with connect(drill.cluster.url) as conn:
        row = conn.execute(unreadable).fetchone()
    blamed = row[0] if row else 0
    state = seen.state if not blamed else "FAILED"
    return Seen(f"{seen.words}; {blamed} files blamed", seen.seconds, state)


def second_daemon(drill: ClusterDrill) -> Seen:
    """Start another daemon on a host of its own."""
    since = time.monotonic()
    daemon = drill.cluster.start_daemon("daemon2")
    return _refused(daemon, "another dagster-daemon already runs", since)


def older_code(drill: ClusterDrill) -> Seen:
    """Start a worker whose code differs in one line from the code that migrated the database."""
    old = drill.cluster.network.isolation.folder / "old-code"
    for name in ("whatsapp_pipeline", "sql"):
        shutil.copytree(PROJECT_ROOT / name, old / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (old / "whatsapp_pipeline" / "clock.py").open("a") as file:
        file.write("\n# another version\n")
    since = time.monotonic()
    worker = drill.cluster.start_worker("old", cwd=old)
    del drill.cluster.workers["old"]
    return _refused(worker, "this worker takes no run: this process", since)


def _refused(process: HostProcess, words: str, since: float) -> Seen:
    try:
        await_that(lambda: not process.is_alive(), f"{process.name} still runs", 90)
    finally:
        if process.is_alive():
            process.kill()
    said = next((line for line in process.tail().splitlines() if words in line), None)
    state = "ok" if said and process.popen.returncode == 1 else "FAILED"
    return Seen(f"it ended: {(said or process.tail(200))[:66]}…", time.monotonic() - since, state)


def changed_files(drill: ClusterDrill) -> Seen:
    """Add a file, rewrite one and add a month, which workers that listed the folders before must see."""
    loaded = sorted({path.parent for path in drill.root.glob("*/*/*.txt")})[0]
    month = "/".join(loaded.relative_to(drill.root).parts)
    rewritten = min(loaded.glob("*.txt"))
    rewritten.write_text(rewritten.read_text() + "\n")
    year, number = month.split("/")
    write_chat(drill.root, block(talk(7)), month=month, title="Ana", time=f"{year}-{number}-09 10 00 00")
    write_chat(drill.root, block(talk(5)), month="2026/02", title="Rui", time="2026-02-09 10 00 00")
    since = time.monotonic()
    drill.store.upload(drill.root, PREFIX)
    printed = drill.cluster.command("backfill", "--launch", "months")
    ran = [line for line in printed.splitlines() if "monthly_chats" in line and " of " in line]
    wanted = (month.replace("/", "-"), "2026-02")
    is_seen = all(any(f"{one}  success" in line for line in ran) for one in wanted)
    words = f"a new, a rewritten file and a new month: {len(ran)} runs by the same workers"
    return Seen(words, time.monotonic() - since, "ok" if is_seen else "FAILED")


_PERSON = """
SELECT c.id, c.nome, regexp_replace(c.celular, '[^0-9]', '', 'g')
FROM contatos c JOIN chat_files f ON f.id_contato = c.id
WHERE length(regexp_replace(c.celular, '[^0-9]', '', 'g')) >= 10
  AND NOT EXISTS (SELECT FROM contatos other WHERE other.id <> c.id AND other.nome = c.nome)
GROUP BY c.id, c.nome, c.celular ORDER BY count(*) DESC, c.id LIMIT 1
"""
# What is on a host's disk without being a copy: the ERP itself, the objects themselves, and the databases.
_SOURCES = ("erp", "data", "postgres")


def erased_customer(drill: ClusterDrill) -> Seen:
    """Erase a customer of whom three hosts have copies: saved pages of the ERP on two, a report on one."""
    with connect(drill.cluster.url) as conn:
        row = conn.execute(_PERSON).fetchone()
    if row is None:
        raise ClusterError("no customer with a phone has a chat")
    drill.erased, words = str(row[0]), (str(row[1]), str(row[2]))
    keepers = [*list(drill.cluster.workers)[:2], "receiver"]
    for name in keepers[:2]:
        saved = drill.cluster.network.host(name).outside / "local" / "erp_backup" / "pass-1"
        shutil.copytree(drill.cluster.options.pages, saved)
    reports = drill.cluster.network.host("receiver").outside / "local" / "reports"
    reports.mkdir()
    (reports / "qa-all.html").write_text(f"<p>{words[0]} {words[1]}</p>")
    before = _hosts_with(drill, words)
    since = time.monotonic()
    printed = drill.cluster.command("privacy", "erase", "--contact", drill.erased, "--yes")
    await_that(lambda: _all_confirmed(drill, len(keepers)), "not every host confirmed the erasure", 120)
    seconds = time.monotonic() - since
    after = _hosts_with(drill, words)
    state = "ok" if set(keepers) <= set(before) and not after and "erased:" in printed else "FAILED"
    left = f"found on {', '.join(after)}" if after else "found on no host"
    return Seen(f"copies on {', '.join(before)}; all confirmed, {left}", seconds, state)


def _all_confirmed(drill: ClusterDrill, hosts: int) -> bool:
    from whatsapp_pipeline.store.operations.erasure_queue import erasure_hosts

    with connect(drill.cluster.url) as conn:
        known = erasure_hosts(conn)
    return len(known) >= hosts and not any(host.unconfirmed for host in known)


def _hosts_with(drill: ClusterDrill, words: Sequence[str]) -> list[str]:
    """Return the hosts on whose disks a file has one of the words."""
    found = []
    for name, host in drill.cluster.network.hosts.items():
        files = (
            path
            for path in host.outside.rglob("*")
            if path.is_file() and path.relative_to(host.outside).parts[0] not in _SOURCES
        )
        if any(word.encode() in path.read_bytes() for path in files for word in words):
            found.append(name)
    return found


FAULTS: dict[str, Callable[[ClusterDrill], Seen]] = {
    "kill -9 a worker's child": killed_child,
    "kill -9 a worker, main and child": killed_worker,
    "freeze a worker": frozen_worker,
    "cut a worker's network": cut_worker,
    "stop the broker for 20 s": absent_broker,
    "stop the object store for 20 s": absent_store,
    "a second daemon": second_daemon,
    "a worker with other code": older_code,
    "new and rewritten files between runs": changed_files,
    # Last: the models that link orders were fitted with the person's sessions, there as here.
    "an erasure with copies on three hosts": erased_customer,
}
SHORT = {
    "kill a child, kill a worker, freeze one": three_workers,
    **{
        name: fault
        for name, fault in FAULTS.items()
        if fault not in {killed_child, killed_worker, frozen_worker}
    },
}
SMALLEST = {name: FAULTS[name] for name in ("kill -9 a worker, main and child",)}
