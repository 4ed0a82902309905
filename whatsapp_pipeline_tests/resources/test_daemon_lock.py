"""One Dagster daemon at a time on a database."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.locks import hold_if_free, named_lock
from whatsapp_pipeline_tests.processes import ended_at_last, kill_all, wait_for

_HOLDERS = """
SELECT a.pid FROM pg_stat_activity a JOIN pg_locks l USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND a.application_name = 'dagster-daemon lock'
      AND a.datname = current_database()
"""
_HOLD = """
import sys, threading
from whatsapp_pipeline.resources import daemon_lock
daemon_lock._WATCH_SECONDS = 0.2
daemon_lock.hold_daemon_lock(sys.argv[1])
print("held", flush=True)
threading.Event().wait()
"""


def _holders(conn: Connection) -> list[int]:
    return [pid for (pid,) in conn.execute(_HOLDERS)]


@pytest.mark.slow
def test_a_second_daemon_ends_with_one_line_and_a_third_follows_a_killed_first(
    empty_database_url: str, fresh_database_url: str, tmp_path: Path
) -> None:
    shutil.copy(PROJECT_ROOT / "dagster.yaml", tmp_path)
    environment = {
        **os.environ,
        "DATABASE_URL": fresh_database_url,
        "DAGSTER_DATABASE_URL": empty_database_url,
        "DAGSTER_HOME": str(tmp_path),
        "PIPELINE_LOCAL_DIR": str(tmp_path / "local"),
    }
    daemon = str(Path(sys.executable).with_name("dagster-daemon"))
    command = [daemon, "run", "-w", str(PROJECT_ROOT / "workspace.yaml")]

    @contextmanager
    def started() -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        with ended_at_last(process):
            yield process

    with ExitStack() as stack, connect(empty_database_url) as conn:
        first = stack.enter_context(started())
        wait_for(lambda: len(_holders(conn)) == 1, 90)
        second = stack.enter_context(started())
        _, errors = second.communicate(timeout=90)
        assert second.returncode == 1
        assert errors.strip().splitlines()[-1].startswith("another dagster-daemon already runs")
        assert "Traceback" not in errors
        holder = _holders(conn)
        stack.callback(kill_all, psutil.Process(first.pid).children(recursive=True))
        first.send_signal(signal.SIGKILL)
        first.wait()
        stack.enter_context(started())
        wait_for(lambda: _holders(conn) not in ([], holder), 90)


@pytest.mark.slow
def test_a_daemon_whose_lock_another_took_while_the_server_was_away_ends(fresh_database_url: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, fresh_database_url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with ended_at_last(process), connect(fresh_database_url) as conn, connect(fresh_database_url) as other:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert not hold_if_free(conn, "dagster-daemon")
        taken, over = threading.Event(), threading.Event()

        def take() -> None:
            with named_lock(other, "dagster-daemon"):
                taken.set()
                over.wait(60)

        thread = threading.Thread(target=take)
        thread.start()
        waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        wait_for(lambda: conn.execute(waiting).fetchone() is not None, 30)
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s", _holders(conn))
        try:
            assert taken.wait(30)
            _, errors = process.communicate(timeout=30)
        finally:
            over.set()
            thread.join()
        assert process.returncode == 1
        assert errors.startswith("another dagster-daemon already runs")


# Taking the lock fails after the connection was made. The sequence counts the attempts, because no rollback
# takes a value back.
_REFUSED = """
CREATE SCHEMA refusing;
CREATE SEQUENCE refusing.attempts;
CREATE FUNCTION refusing.pg_try_advisory_lock(bigint) RETURNS boolean LANGUAGE plpgsql AS
'BEGIN PERFORM nextval(''refusing.attempts''); RAISE ''no''; END';
"""


@pytest.mark.slow
def test_the_watch_goes_on_after_an_error_of_the_server(fresh_database_url: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, fresh_database_url], stdout=subprocess.PIPE, text=True
    )
    with ended_at_last(process), connect(fresh_database_url) as conn:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        [before] = _holders(conn)
        conn.execute(_REFUSED)
        database = conn.info.dbname
        conn.execute(f'ALTER DATABASE "{database}" SET search_path = refusing, pg_catalog, public')
        conn.execute("SELECT pg_terminate_backend(%s)", (before,))
        attempts = "SELECT last_value FROM refusing.attempts WHERE is_called"
        wait_for(lambda: (conn.execute(attempts).fetchone() or (0,))[0] >= 3, 30)
        assert _holders(conn) == []
        conn.execute(f'ALTER DATABASE "{database}" RESET search_path')
        wait_for(lambda: _holders(conn) not in ([], [before]), 30)
        assert process.poll() is None


@pytest.mark.slow
def test_a_daemon_takes_its_lock_again_after_the_server_was_away(fresh_database_url: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, fresh_database_url], stdout=subprocess.PIPE, text=True
    )
    with ended_at_last(process), connect(fresh_database_url) as conn:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        [before] = _holders(conn)
        conn.execute("SELECT pg_terminate_backend(%s)", (before,))
        wait_for(lambda: _holders(conn) not in ([], [before]), 30)
        assert process.poll() is None
