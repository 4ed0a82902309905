"""The rule for tests without a marker: no PostgreSQL, no child process that works for long, no long work.

What belongs here: the hooks of pytest that hold the rule. What does not: which fixtures need the database
(conftest.py), and the markers themselves (pyproject.toml).
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

# CPU time and not time on the clock: on a busy machine a quick process lasts long, but works as little.
CHILD_CPU_SECONDS = 1.0
OWN_CPU_SECONDS = 10.0  # coverage makes a test of three seconds this slow
_POSTGRESQL = {"postgres", "initdb", "pg_ctl"}
_MARKERS = ("slow", "database")


class _Watch:
    """What a test uses: the programs that it starts, and the CPU time of itself and of its children."""

    def __init__(self) -> None:
        self._programs: set[str] = set()
        self._began = self._own_before = self._children_before = 0.0

    def record(self, event: str, args: tuple[Any, ...]) -> None:
        """Record a program that is started; the interpreter calls this as an audit hook."""
        if event == "subprocess.Popen":
            executable, arguments = args[0], args[1]
            first = arguments[0] if isinstance(arguments, Sequence) and arguments else arguments
            self._programs.add(Path(os.fsdecode(executable or first)).name)

    def begin(self) -> None:
        """Forget what earlier tests used."""
        self._programs.clear()
        self._began = time.time()
        self._own_before, self._children_before = time.process_time(), _cpu_of_ended_children()

    def fault(self) -> str | None:
        """Return what the test used that only a test with a marker may use."""
        if started := sorted(_POSTGRESQL & self._programs):
            return f"it starts PostgreSQL ({', '.join(started)}); use a fixture that depends on `admin_url`"
        children = _cpu_of_ended_children() - self._children_before
        if self._programs:
            children += _cpu_of_running_children(self._began)
        if children > CHILD_CPU_SECONDS:
            return f"its child processes took {children:.1f} s of CPU time; mark it with `pytest.mark.slow`"
        own = time.process_time() - self._own_before
        if own > OWN_CPU_SECONDS:
            return f"it took {own:.1f} s of CPU time; make it faster, or mark it with `pytest.mark.slow`"
        return None


def _cpu_of_ended_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cpu_of_running_children(since: float) -> float:
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.create_time() >= since - 1:  # the kernel's clock of processes is not exact
                total += sum(child.cpu_times()[:2])
    return total


_WATCH = _Watch()
sys.addaudithook(_WATCH.record)


def _has_marker(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in _MARKERS)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Begin to watch before the fixtures of a test without a marker are set up."""
    if not _has_marker(item):
        _WATCH.begin()
    yield


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a test that needs a marker and has none.

    The fault is found before the fixtures end: with the last test of a module or a session, what other tests
    started ends as well.
    """
    fault = None if _has_marker(item) else _WATCH.fault()
    yield
    if fault is not None:
        pytest.fail(f"{item.name} has no marker, but {fault}", pytrace=False)
