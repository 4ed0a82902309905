"""`db url`: other programs of this machine reach the embedded server, with the password only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from whatsapp_pipeline.cli.db import _as_url
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.processes import free_port, wait_for

_MAIN = "from whatsapp_pipeline.cli import main; main()"

# Uses the server as `up` does, migrates the database, and starts the server again when it is asked to.
_USER = """
import pathlib, sys
from whatsapp_pipeline.databases import pipeline_url
from whatsapp_pipeline.embedded import restart_if_ended
from whatsapp_pipeline.settings import load_settings
from whatsapp_pipeline.store.migrate import migrate
configured = load_settings()
migrate(pipeline_url(configured))
print("ready", flush=True)
for _ in sys.stdin:
    print(restart_if_ended(configured.local_dir), flush=True)
"""


def _started(environment: dict[str, str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _USER],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # A socket's name has a limit of length.
    with tempfile.TemporaryDirectory(prefix="wp-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PIPELINE_LOCAL_DIR": str(folder), "EMBEDDED_PORT": str(free_port())}


@pytest.fixture(scope="module")
def user(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    with _started(environment) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def _url(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _MAIN, "db", "url", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_printed_address_is_one_that_connects(
    environment: dict[str, str], user: subprocess.Popen[str], folder: Path
) -> None:
    done = _url(environment)
    assert (done.returncode, done.stderr) == (0, "")
    url = done.stdout.strip()
    assert url.startswith("postgresql://postgres:")
    assert f"@127.0.0.1:{environment['EMBEDDED_PORT']}/whatsapp" in url
    with psycopg.connect(url) as conn:
        assert conn.execute("SELECT count(*) FROM v_messages").fetchone() == (0,)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(make_conninfo(url, password="wrong"))
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{environment['EMBEDDED_PORT']}/whatsapp")
    assert (folder / "postgres.password").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_a_reader_sees_no_message(environment: dict[str, str], user: subprocess.Popen[str]) -> None:
    url = _url(environment, "--level", "reader").stdout.strip()
    with psycopg.connect(url, autocommit=True) as conn:
        assert conn.execute("SELECT count(*) FROM v_customers").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SELECT count(*) FROM v_messages")


@pytest.mark.slow
def test_limits_for_a_lost_host_in_the_url_are_those_of_the_server_too(
    environment: dict[str, str], user: subprocess.Popen[str]
) -> None:
    url = _url(environment).stdout.strip()
    limits = {"keepalives_idle": "11", "keepalives_count": "9", "tcp_user_timeout": "17000"}
    with connect(make_conninfo(url, **limits)) as conn:
        rows = conn.execute("SELECT name, setting FROM pg_settings WHERE name LIKE 'tcp\\_%'").fetchall()
    assert dict(rows) == {
        "tcp_keepalives_idle": "11",
        "tcp_keepalives_interval": "10",  # the URL says nothing of it
        "tcp_keepalives_count": "9",
        "tcp_user_timeout": "17000",
    }


@pytest.mark.slow
def test_without_a_port_the_way_is_named(environment: dict[str, str], user: subprocess.Popen[str]) -> None:
    done = _url({**environment, "EMBEDDED_PORT": ""})
    assert done.returncode == 1
    assert "set EMBEDDED_PORT in .env" in done.stderr
    # A port that was set after the server had started.
    other = str(free_port())
    done = _url({**environment, "EMBEDDED_PORT": other})
    assert done.returncode == 1
    assert f"started without EMBEDDED_PORT={other}" in done.stderr
    # The commands of the pipeline need no port to find the server.
    command = [sys.executable, "-c", _MAIN, "status"]
    silent = {**environment, "EMBEDDED_PORT": ""}
    assert subprocess.run(command, env=silent, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
def test_a_killed_server_is_started_again_on_its_port(
    environment: dict[str, str], user: subprocess.Popen[str], folder: Path
) -> None:
    assert user.stdin is not None
    assert user.stdout is not None

    def is_restarted() -> str:
        assert user.stdin is not None
        assert user.stdout is not None
        user.stdin.write("\n")
        user.stdin.flush()
        return user.stdout.readline().strip()

    assert is_restarted() == "False"
    url = _url(environment).stdout.strip()
    os.kill(int((folder / "postgres/postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
    wait_for(lambda: is_restarted() == "True", 30)
    with psycopg.connect(url) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    ("conninfo", "url"),
    [
        (
            "host=db port=5432 dbname=shop user=ana password='p@ss/w:d'",
            "postgresql://ana:p%40ss%2Fw%3Ad@db:5432/shop",
        ),
        ("host=db dbname=shop user=ana sslmode=require", "postgresql://ana@db/shop?sslmode=require"),
        (
            "postgresql://ana:x@db/shop?options=-csearch_path%3Da,b",
            "postgresql://ana:x@db/shop?options=-csearch_path%3Da%2Cb",
        ),
    ],
)
def test_parameters_become_a_url_that_says_the_same(conninfo: str, url: str) -> None:
    assert _as_url(conninfo) == url
    assert conninfo_to_dict(url) == conninfo_to_dict(conninfo)
