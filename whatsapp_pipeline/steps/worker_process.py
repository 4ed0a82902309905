"""A child process that answers pickled requests over its pipes.

What belongs here: starting, asking and ending it. What does not: the requests (chats/scan_pool.py,
summaries/read_texts.py).

A pool of multiprocessing or loky does not fit: forking is unsafe in a process with threads (Dagster's),
spawning imports the main module again, and the children of a pool outlive a killed parent. This child ends
when its input pipe is closed.
"""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any


class WorkerLostError(Exception):
    """The process ended before it answered. The caller then does the work itself."""


class WorkerProcess:
    """Runs `module` with `arguments`, from the first request until `stop` or the end of this process."""

    def __init__(self, module: str, arguments: Sequence[str] = ()) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self.lock = threading.Lock()
        """If several threads send requests, each must hold this lock from `send` until `receive` returns."""

    def send(self, request: object) -> None:
        """Send a request and return while the process works on it. Start the process if it is not running.

        Raises WorkerLostError if the process ended while the request was sent.
        """
        if self._process is not None and self._process.poll() is not None:
            self.stop()  # closes the pipes of a process that was killed
        if self._process is None:
            self._process = self._start()
        assert self._process.stdin is not None  # a pipe, see _start
        try:
            pickle.dump(request, self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()
        except OSError as error:
            self.stop()
            raise WorkerLostError from error

    def receive(self) -> Any:  # noqa: ANN401  # the caller knows the type of its request
        """Wait for the answer to the request that was sent. Raises WorkerLostError if the process ended."""
        assert self._process is not None  # after send
        assert self._process.stdout is not None
        try:
            return pickle.load(self._process.stdout)  # noqa: S301  # written by the child of this process
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            self.stop()
            raise WorkerLostError from error

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
            atexit.unregister(self.stop)

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "POLARS_MAX_THREADS": "1"},  # there is one process per core
            start_new_session=True,  # Ctrl-C reaches only this process, which then ends the child
        )
        atexit.register(self.stop)
        return process


def answer_requests(answer: Callable[[Any], object]) -> None:
    """Answer requests from standard input until it ends; the main function of a worker's module."""
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)  # noqa: S301  # written by the parent of this process
        except EOFError:
            return
        pickle.dump(answer(request), sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)
        sys.stdout.buffer.flush()
