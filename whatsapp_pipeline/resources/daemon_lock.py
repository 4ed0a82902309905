"""The lock of Dagster's daemon.

Only one daemon may work on a database, because two would launch every run twice.

What belongs here: taking the lock in a process that is the daemon, and watching it. What does not: starting
the daemon (cli/services.py, or a container).
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.locks import hold_if_free, still_answers

_LOCK = "dagster-daemon"
_WATCH_SECONDS = 10.0
_REFUSED = (
    "another dagster-daemon already runs on this database, so this one ends: two would launch every run "
    "twice. Stop the other one first; the lock of a lost host is free after a minute"
)


def is_daemon() -> bool:
    """Return whether this process is `dagster-daemon run`, also if it was started as a module."""
    program, *arguments = sys.argv
    path = Path(program)
    is_module = path.name == "__main__.py" and path.parent.name == "_daemon"
    return (path.name == "dagster-daemon" or is_module) and "run" in arguments


class DaemonLock:
    """The lock on Dagster's database, which this process holds until it ends."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened = ExitStack()
        self._conn: Connection | None = None

    def take(self) -> bool:
        """Take the lock; return False if another daemon has it. Raises PipelineError without a server."""
        self._opened.close()
        # `_conn` is None until the lock is held, because `watch` assumes that this connection has the lock.
        self._conn = None
        conn = self._opened.enter_context(connect(self._url, application_name="dagster-daemon lock"))
        if hold_if_free(conn, _LOCK):
            self._conn = conn
            return True
        self._opened.close()
        return False

    def watch(self) -> None:
        """Take the lock again after the connection to the server was lost.

        End the process if another daemon has taken the lock meanwhile.
        """
        pause = threading.Event()
        while not pause.wait(_WATCH_SECONDS):
            if self._conn is not None and still_answers(self._conn):
                continue
            with suppress(PipelineError, psycopg.Error):  # the server does not answer yet, or no longer
                if not self.take():
                    sys.stderr.write(f"{_REFUSED}\n")
                    sys.stderr.flush()
                    os._exit(1)


_taken: list[DaemonLock] = []


def hold_daemon_lock(url: str) -> None:
    """Take the lock until this process ends. Raises SystemExit if another daemon has it."""
    if _taken:
        return
    lock = DaemonLock(url)
    if not lock.take():
        raise SystemExit(_REFUSED)
    _taken.append(lock)
    threading.Thread(target=lock.watch, name="daemon-lock", daemon=True).start()
