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


@pytest.fixture(scope="session")
def postgres15_admin_url() -> Iterator[str]:
    """A PostgreSQL 15, once a session: in random order pytest sets up `admin_url` again and again."""
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


@pytest.fixture(scope="session", params=SERVERS)
def admin_url(request: pytest.FixtureRequest) -> str:
    """The embedded server, and PostgreSQL 15."""
    name = "embedded_admin_url" if request.param == "embedded" else "postgres15_admin_url"
    return str(request.getfixturevalue(name))


@pytest.fixture(scope="session")
def migrated_servers() -> set[str]:
    """URLs of the servers that have the template already."""
    return set()


@pytest.fixture(scope="session")
def migrated_template(admin_url: str, migrated_servers: set[str]) -> str:
    """A migrated database on each of those servers; that of other tests is on the embedded one alone."""
    name = "template_migrated_store"
    if admin_url not in migrated_servers:
        migrate(create_database(admin_url, name, "template0"))
        migrated_servers.add(admin_url)
    return name
