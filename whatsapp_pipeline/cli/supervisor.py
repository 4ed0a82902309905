"""A supervisor that keeps several processes running until a signal arrives, and then ends all of them.

What belongs here: starting processes in order, restarting one that ended, giving up, and ending all of them.
What does not: the list of processes (services.py), ending a process with its descendants (process_tree.py),
and ending them after the supervisor was killed (process_keeper.py).
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Literal, TypeAlias

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.process_tree import end_process_tree, has_child
from whatsapp_pipeline.errors import PipelineError

_CHECK_SECONDS = 2.0
"""Seconds between two checks of what sends no event: `on_check`, and the child processes of services."""
_KEEPER = "the clean-up process"
_KEEPER_MODULE = f"{__package__}.process_keeper"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """The pauses before restarts, and the number of restarts.

    Attributes:
        first_pause: Seconds before the first restart. Each further pause within the period is twice as long.
        longest_pause: The longest pause in seconds.
        max_restarts: Largest number of restarts of a process within the period.
        period: Length in seconds of the period, which ends at the current time.
    """

    first_pause: float = 0.5
    longest_pause: float = 60.0
    max_restarts: int = 5
    period: float = 600.0

    def pause(self, ends: Sequence[float]) -> float | None:
        """Return the pause before the next start, or None if the process ended too often.

        Args:
            ends: Times in seconds at which the process ended, the oldest first. The last is the current time.
        """
        recent = sum(1 for end in ends if end > ends[-1] - self.period)
        if recent > self.max_restarts:
            return None
        return min(self.longest_pause, self.first_pause * 2.0 ** (recent - 1))


@dataclass(frozen=True, slots=True)
class Service:
    """A process to keep running.

    Attributes:
        name: The name in messages and in the health report.
        command: Program and arguments.
        folder: The working directory of the process.
        ready: A file that the process creates. The next service starts when the file exists.
        needs_child: If true, the service is killed and started again when its child process has ended.
            Dagster's code server needs this: its child has the definitions, and it starts no second child.
    """

    name: str
    command: Sequence[str]
    folder: Path = settings.PROJECT_ROOT
    ready: Path | None = None
    needs_child: bool = False


State: TypeAlias = Literal["starting", "running", "restarting"]


@dataclass(frozen=True, slots=True)
class ServiceState:
    """The state of one service. `since` is the time of the last start or end, in seconds since 1970."""

    name: str
    state: State
    pid: int | None
    restarts: int
    since: float


class GaveUpError(PipelineError):
    """A service ended too often, or before it was ready for the first time."""


@dataclass
class _ServiceProcess:
    """A service, its process if it has one, and its restarts.

    `since` is in seconds since 1970. `ends` and `start_again_at` are in seconds of the monotonic clock.
    """

    service: Service
    process: subprocess.Popen[bytes] | None = None
    ends: deque[float] = field(default_factory=lambda: deque(maxlen=100))
    restarts: int = 0
    since: float = 0.0
    start_again_at: float | None = None


_Event: TypeAlias = tuple[Literal["stop"], None] | tuple[Literal["ended"], subprocess.Popen[bytes]]


class Supervisor:
    """Runs services until SIGINT or SIGTERM arrives, or until a service can't be kept running."""

    def __init__(
        self,
        services: Iterable[Service],
        *,
        environment: Mapping[str, str],
        policy: RestartPolicy | None = None,
        inherited: Sequence[int] = (),
        output: int | None = None,
        say: Callable[[str], None] = lambda _: None,
        on_check: Callable[[], None] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Prepare the supervisor. No process is started yet.

        Args:
            services: The services in the order of their start. They are ended in the opposite order.
            environment: The environment of each process.
            policy: The pauses before restarts, and the largest number of restarts.
            inherited: File descriptors that every process keeps open, such as the lock of the instance.
            output: File descriptor for the standard output and standard error of each service. None means
                those of the supervisor.
            say: Receives a line when a process ended or was started again.
            on_check: Called about every two seconds. It checks processes that are not services, such as the
                embedded database server.
            folder: A temporary folder. The clean-up process removes it when all services have ended, also if
                the supervisor was killed.
        """
        self._services = {service.name: _ServiceProcess(service) for service in services}
        self._environment = dict(environment)
        self._policy = policy or RestartPolicy()
        self._inherited = tuple(inherited)
        self._output = output
        self._say = say
        self._on_check = on_check
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._stopping = False
        removed = [] if folder is None else [str(folder)]
        self._keeper = _ServiceProcess(Service(_KEEPER, [sys.executable, "-m", _KEEPER_MODULE, *removed]))
        self._keeper_input = -1

    def run(self, on_started: Callable[[], None] = lambda: None) -> None:
        """Start the services and keep them running.

        `on_started` is called when all services have started for the first time.

        Returns after SIGINT or SIGTERM. Raises GaveUpError if a service can't be kept running. In both cases
        all processes have ended.
        """
        handlers = {
            number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            self._start_keeper()
            for service in self._services.values():
                self._start(service)
                self._wait_until_ready(service)
                if self._stopping:
                    return
            on_started()
            while not self._stopping:
                self._handle_next_event()
        finally:
            self._end_all()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def states(self) -> list[ServiceState]:
        """Return the state of each service. Other threads may call this."""
        return [
            ServiceState(one.service.name, _state(one), _pid(one), one.restarts, one.since)
            for one in self._services.values()
        ]

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True
        self._events.put(("stop", None))  # a SimpleQueue may be used in a signal handler

    def _start(self, one: _ServiceProcess) -> None:
        service = one.service
        if service.ready is not None:
            service.ready.unlink(missing_ok=True)
        # Each service gets a session of its own. So Ctrl-C reaches only this process, and a service can be
        # ended with its descendants.
        one.process = subprocess.Popen(
            list(service.command),
            cwd=service.folder,
            env=self._environment,
            start_new_session=True,
            pass_fds=self._inherited,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
        )
        one.since, one.start_again_at = time.time(), None
        self._report_start(one.process.pid)
        self._watch(one.process)

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        def wait() -> None:
            process.wait()
            self._events.put(("ended", process))

        threading.Thread(target=wait, daemon=True).start()

    def _wait_until_ready(self, one: _ServiceProcess) -> None:
        """Wait for the ready file of a service. Raises GaveUpError if its process ends first."""
        ready = one.service.ready
        while ready is not None and not ready.exists() and not self._stopping:
            if one.process is None or one.process.poll() is not None:
                raise GaveUpError(
                    f"{one.service.name} ended before it was ready; read its last messages above or in the "
                    "log file"
                )
            time.sleep(0.1)  # polling, because the process that creates the file gives no signal

    def _handle_next_event(self) -> None:
        """Wait for the end of a process, a signal, a due restart or the next check, and handle it."""
        try:
            event, process = self._events.get(timeout=self._seconds_to_next_check())
        except queue.Empty:
            self._check()
            return
        if event == "ended" and not self._stopping:
            for one in (*self._services.values(), self._keeper):
                if one.process is process:
                    self._plan_restart(one)

    def _seconds_to_next_check(self) -> float | None:
        """Return the seconds until a restart or a check is due; None if neither is planned."""
        due = [one.start_again_at for one in self._services.values() if one.start_again_at is not None]
        if self._on_check is not None or any(one.service.needs_child for one in self._services.values()):
            due.append(time.monotonic() + _CHECK_SECONDS)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _check(self) -> None:
        """Call `on_check`, start the services whose restart is due, and kill services without their child."""
        if self._on_check is not None:
            self._on_check()
        for one in self._services.values():
            if one.start_again_at is not None and one.start_again_at <= time.monotonic():
                self._start(one)
                self._say(f"{one.service.name} was started again (process {_pid(one)})")
            self._kill_if_childless(one)

    def _kill_if_childless(self, one: _ServiceProcess) -> None:
        """Kill a ready service whose child process has ended, so that both are started again."""
        service, process = one.service, one.process
        if not service.needs_child or process is None or (service.ready and not service.ready.exists()):
            return
        if not has_child(process.pid):
            self._say(
                f"the child process of {service.name} ended; {service.name} is stopped and started again"
            )
            process.kill()

    def _plan_restart(self, one: _ServiceProcess) -> None:
        """End the descendants of an ended process, and set the time of its restart, or raise GaveUpError."""
        process = one.process
        if process is None:
            return
        one.ends.append(time.monotonic())
        pause = self._policy.pause(one.ends)
        how = _how_it_ended(process.returncode)
        one.process, one.since = None, time.time()
        if one is not self._keeper:
            end_process_tree(process.pid)
            self._report_end(process.pid)
        if pause is None:
            raise GaveUpError(
                f"{one.service.name} ended {self._policy.max_restarts + 1} time(s) within "
                f"{self._policy.period / 60:g} minutes (last: {how}). All services were stopped. Read the "
                f"messages of {one.service.name} above or in the log file and fix the cause, then start "
                "again; interrupted work continues"
            )
        one.restarts += 1
        if one is self._keeper:
            self._start_keeper()
            self._say(f"{_KEEPER} ended ({how}) and was started again")
            return
        one.start_again_at = time.monotonic() + pause
        self._say(f"{one.service.name} ended ({how}); it is started again in {pause:g} s")

    def _start_keeper(self) -> None:
        """Start the clean-up process, which ends all services if the supervisor is killed.

        The supervisor sends it the ids of the running processes.
        """
        if self._keeper_input >= 0:
            os.close(self._keeper_input)
        reads, self._keeper_input = os.pipe()
        command = list(self._keeper.service.command)
        self._keeper.process = subprocess.Popen(
            command, stdin=reads, start_new_session=True, pass_fds=self._inherited
        )
        os.close(reads)
        for one in self._services.values():
            if one.process is not None:
                self._report_start(one.process.pid)
        self._watch(self._keeper.process)

    def _report_start(self, pid: int) -> None:
        """Report to the clean-up process that a process was started."""
        self._write_to_keeper(pid)

    def _report_end(self, pid: int) -> None:
        """Report to the clean-up process that a process and its descendants have ended: a negative id."""
        self._write_to_keeper(-pid)

    def _write_to_keeper(self, number: int) -> None:
        # If the clean-up process has ended, the pipe is broken. The next one receives all ids when it starts.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._keeper_input, f"{number}\n".encode())

    def _end_all(self) -> None:
        # Services are ended in the opposite order of their start. So Dagster's daemon ends before the code
        # server: without a code server, it would log a traceback for each tick.
        for one in reversed(self._services.values()):
            if one.process is not None:
                end_process_tree(one.process.pid)
                self._report_end(one.process.pid)
        if self._keeper_input >= 0:
            os.close(self._keeper_input)
        if self._keeper.process is not None:
            self._keeper.process.wait()


def _state(one: _ServiceProcess) -> State:
    if one.process is None:
        return "restarting" if one.ends else "starting"
    return "running"


def _pid(one: _ServiceProcess) -> int | None:
    process = one.process  # another thread may set it to None
    return process.pid if process else None


def _how_it_ended(status: int | None) -> str:
    if status is not None and status < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-status).name}"
    return f"exit status {status}"
