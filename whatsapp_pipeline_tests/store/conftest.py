"""The store's tests run on the embedded server, and again on PostgreSQL 15 where its binaries are installed.

15 is the oldest server that is promised; Debian's package keeps its programs in the folder below.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from whatsapp_pipeline.store.migrate import migrate
from whatsapp_pipeline_tests.conftest import create_database

PG15_BIN = Path("/usr/lib/postgresql/15/bin")
SERVERS = ["embedded", *(["15"] if (PG15_BIN / "postgres").exists() else [])]


@pytest.fixture(scope="session", params=SERVERS)
def admin_url(request: pytest.FixtureRequest, embedded_admin_url: str) -> Iterator[str]:
    """The embedded server, then PostgreSQL 15."""
    if request.param == "embedded":
        yield embedded_admin_url
        return
    # PostgreSQL refuses to run as root; Debian's package brings a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="wp15-"))
    if user:
        shutil.chown(folder, user)
    data = folder / "data"

    def run(*arguments: str) -> None:
        subprocess.run(arguments, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    run(str(PG15_BIN / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
    run(str(PG15_BIN / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
    yield f"postgresql://postgres@/postgres?host={folder}"
    run(str(PG15_BIN / "pg_ctl"), "-D", str(data), "-w", "-m", "immediate", "stop")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_template(admin_url: str) -> str:
    """A migrated database on each of those servers; that of other tests is on the embedded one alone."""
    name = "template_migrated_store"
    migrate(create_database(admin_url, name, "template0"))
    return name
