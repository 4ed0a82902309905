"""A supervisor that keeps several processes running until a signal arrives, and then ends all of them.

What belongs here: starting processes in order, restarting one that ended, giving up, and ending all of them.
What does not: the list of processes (services.py), ending one with its descendants (process_families.py), and
ending them after the supervisor was killed (process_keeper.py).
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
from whatsapp_pipeline.cli.process_families import end_family, has_child
from whatsapp_pipeline.errors import PipelineError

_SECONDS_BETWEEN_LOOKS = 2.0
_KEEPER = "the keeper"
_KEEPER_MODULE = f"{__package__}.process_keeper"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """The pauses before restarts, and the number of restarts.

    Attributes:
        first_pause: Seconds before the first restart. Each further pause within the period is twice as long.
        longest_pause: The longest pause in seconds.
        most: Largest number of restarts of a process within the period.
        period: Seconds.
    """

    first_pause: float = 0.5
    longest_pause: float = 60.0
    most: int = 5
    period: float = 600.0

    def pause(self, ends: Sequence[float]) -> float | None:
        """Return the pause before the next start, or None if the process ended too often.

        Args:
            ends: Times in seconds at which the process ended. The last one is the current time.
        """
        recent = sum(1 for end in ends if end > ends[-1] - self.period)
        return None if recent > self.most else min(self.longest_pause, self.first_pause * 2 ** (recent - 1))


@dataclass(frozen=True, slots=True)
class Service:
    """A process to keep running.

    Attributes:
        name: What people call it.
        command: Program and arguments.
        folder: Where it runs.
        ready: A file that it makes; the next service starts when the file is there.
        needs_child: Whether it is of no use once the process that it started has ended, as Dagster's code
            server is: that process holds the definitions, and the code server starts no other one.
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
class _Running:
    """A service with its process, if it has one."""

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
        look_after: Callable[[], None] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Prepare the supervisor. No process is started yet.

        Args:
            services: In the order in which they start. They are ended in the opposite order.
            environment: The environment of each process.
            policy: When to restart.
            inherited: File descriptors that every process keeps open, such as the lock of the instance.
            output: Where each process writes; the supervisor's own output when None.
            say: Receives a line when a process ended or was started again.
            look_after: Called every two seconds, for what is not a process of the supervisor's own.
            folder: Removed when all processes have ended, also after SIGKILL.
        """
        self._running = {service.name: _Running(service) for service in services}
        self._environment = dict(environment)
        self._policy = policy or RestartPolicy()
        self._inherited = tuple(inherited)
        self._output = output
        self._say = say
        self._look_after = look_after
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._stopping = False
        removed = [] if folder is None else [str(folder)]
        self._keeper = _Running(Service(_KEEPER, [sys.executable, "-m", _KEEPER_MODULE, *removed]))
        self._keeper_input = -1

    def run(self, on_started: Callable[[], None] = lambda: None) -> None:
        """Start the services and keep them running.

        `on_started` is called when all services have started for the first time.

        Returns after SIGINT or SIGTERM. Raises GaveUpError if a service can't be kept running. In both cases
        all processes have ended.
        """
        before = {one: signal.signal(one, self._on_signal) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._start_keeper()
            for running in self._running.values():
                self._start(running)
                self._wait_until_ready(running)
                if self._stopping:
                    return
            on_started()
            while not self._stopping:
                self._handle_next_event()
        finally:
            self._end_all()
            for number, handler in before.items():
                signal.signal(number, handler)

    def states(self) -> list[ServiceState]:
        """Return the state of each service. Other threads may call this."""
        return [
            ServiceState(one.service.name, _state(one), _pid(one), one.restarts, one.since)
            for one in self._running.values()
        ]

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True
        self._events.put(("stop", None))  # a SimpleQueue may be used in a signal handler

    def _start(self, running: _Running) -> None:
        service = running.service
        if service.ready is not None:
            service.ready.unlink(missing_ok=True)
        # Each service gets a session of its own. So Ctrl-C reaches only this process, and a service can be
        # ended with its descendants.
        running.process = subprocess.Popen(
            list(service.command),
            cwd=service.folder,
            env=self._environment,
            start_new_session=True,
            pass_fds=self._inherited,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
        )
        running.since, running.start_again_at = time.time(), None
        self._report_to_keeper(running.process.pid)
        self._watch(running.process)

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        def wait() -> None:
            process.wait()
            self._events.put(("ended", process))

        threading.Thread(target=wait, daemon=True).start()

    def _wait_until_ready(self, running: _Running) -> None:
        """Wait for the ready file of a service. Raises GaveUpError if its process ends first."""
        ready = running.service.ready
        while ready is not None and not ready.exists() and not self._stopping:
            if running.process is None or running.process.poll() is not None:
                raise GaveUpError(f"{running.service.name} ended while it started; its messages are above")
            time.sleep(0.1)  # polling, because the process that creates the file gives no signal

    def _handle_next_event(self) -> None:
        """Wait until a process ends, a signal arrives or a restart is due, and handle this event."""
        due = [one.start_again_at for one in self._running.values() if one.start_again_at is not None]
        if self._look_after is not None or any(one.service.needs_child for one in self._running.values()):
            due.append(time.monotonic() + _SECONDS_BETWEEN_LOOKS)
        try:
            event, process = self._events.get(timeout=max(0.0, min(due) - time.monotonic()) if due else None)
        except queue.Empty:
            if self._look_after is not None:
                self._look_after()
            for one in self._running.values():
                if one.start_again_at is not None and one.start_again_at <= time.monotonic():
                    self._start(one)
                    self._say(f"{one.service.name} was started again (process {_pid(one)})")
                self._kill_if_childless(one)
            return
        if event == "ended" and not self._stopping:
            for one in (*self._running.values(), self._keeper):
                if one.process is process:
                    self._plan_restart(one)

    def _kill_if_childless(self, one: _Running) -> None:
        """Kill a ready service whose child process has ended, so that both are started again."""
        service, process = one.service, one.process
        if not service.needs_child or process is None or (service.ready and not service.ready.exists()):
            return
        if not has_child(process.pid):
            self._say(f"the process that {service.name} had started has ended")
            process.kill()

    def _plan_restart(self, one: _Running) -> None:
        """End the descendants of an ended process, and set the time of its restart, or raise GaveUpError."""
        process = one.process
        if process is None:
            return
        one.ends.append(time.monotonic())
        pause = self._policy.pause(one.ends)
        how = _how_it_ended(process.returncode)
        one.process, one.since = None, time.time()
        if one is not self._keeper:
            end_family(process.pid)
            self._report_to_keeper(-process.pid)
        if pause is None:
            raise GaveUpError(
                f"{one.service.name} ended unexpectedly ({how}) after {self._policy.most} restarts within "
                f"{self._policy.period / 60:g} minutes, so all processes were ended; its messages are "
                f"above. After a new start, work in progress continues"
            )
        one.restarts += 1
        if one is self._keeper:
            self._start_keeper()
            self._say(f"{_KEEPER} ended ({how}) and was started again")
            return
        one.start_again_at = time.monotonic() + pause
        self._say(f"{one.service.name} ended ({how}); it is started again in {pause:g} s")

    def _start_keeper(self) -> None:
        """Start the process that ends the others if this one is killed.

        It receives the ids of the running processes.
        """
        if self._keeper_input >= 0:
            os.close(self._keeper_input)
        reads, self._keeper_input = os.pipe()
        command = list(self._keeper.service.command)
        self._keeper.process = subprocess.Popen(
            command, stdin=reads, start_new_session=True, pass_fds=self._inherited
        )
        os.close(reads)
        for one in self._running.values():
            if one.process is not None:
                self._report_to_keeper(one.process.pid)
        self._watch(self._keeper.process)

    def _report_to_keeper(self, number: int) -> None:
        with contextlib.suppress(BrokenPipeError):  # the keeper ended; the next one receives all ids
            os.write(self._keeper_input, f"{number}\n".encode())

    def _end_all(self) -> None:
        # The last service is ended first: Dagster's daemon would log a traceback for each tick without a code
        # server.
        for one in reversed(self._running.values()):
            if one.process is not None:
                end_family(one.process.pid)
                self._report_to_keeper(-one.process.pid)
        if self._keeper_input >= 0:
            os.close(self._keeper_input)
        if self._keeper.process is not None:
            self._keeper.process.wait()


def _state(one: _Running) -> State:
    if one.process is None:
        return "restarting" if one.ends else "starting"
    return "running"


def _pid(one: _Running) -> int | None:
    process = one.process  # another thread may set it to None
    return process.pid if process else None


def _how_it_ended(status: int | None) -> str:
    if status is not None and status < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-status).name}"
    return f"exit status {status}"
