"""Other processes of a test: a port for them, what they do in time, and their end.

What belongs here: what tests of several packages need to start, await and end a process. What does not: what
one kind of process says when it is ready.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator

import psutil


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(what: Callable[[], bool], seconds: float) -> None:
    """Return when `what` is true. Fail the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.5)  # polls another process, which gives no signal


@contextlib.contextmanager
def ended_at_last(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill the process and all that it started when the block ends, also when the test fails in it.

    It does not find the children of a process that was waited for inside the block. A test that kills and
    awaits its process collects them first and passes them to `kill_all`.
    """
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(process.pid)
            kill_all([root, *root.children(recursive=True)])
        process.wait()


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """Kill those of the processes that still run."""
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
