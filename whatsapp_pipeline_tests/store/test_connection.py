"""One more connection to where another goes, and ending one from outside."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from whatsapp_pipeline.store.connection import Connection, abort, clone, connect


def test_another_goes_to_the_same_place_with_the_same_settings(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_conninfo(
        database_url,
        options="-c search_path=pg_temp,public -c work_mem=7MB",
        sslmode="prefer",
        port="5432",
        keepalives_idle="77",
    )
    asked = (
        "SELECT current_database(), current_user, current_setting('search_path'),"
        " current_setting('work_mem'), current_setting('application_name')"
    )
    with connect(url, application_name="whatsapp-pipeline somebody") as conn:
        # What the environment says, and it is libpq that reads it, holds only for what was not said: also
        # where that is what holds by default.
        monkeypatch.setenv("PGPORT", "1")
        monkeypatch.setenv("PGSSLMODE", "require")
        monkeypatch.setenv("PGOPTIONS", "-c work_mem=1MB")
        with clone(conn) as more:
            assert more.execute(asked).fetchone() == conn.execute(asked).fetchone()
            assert more.info.backend_pid != conn.info.backend_pid
            assert more.autocommit
            assert more.info.get_parameters()["keepalives_idle"] == "77"


def test_both_sides_of_a_connection_give_up_a_lost_host_after_a_minute(database_url: str) -> None:
    url = make_conninfo(database_url, keepalives_count="9")
    with connect(url) as conn:
        parameters = conn.info.get_parameters()
        # The server shows no values on a socket, only that this session has set them.
        rows = conn.execute("SELECT name, source FROM pg_settings WHERE name LIKE 'tcp\\_%'").fetchall()
    ours = ("keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")
    assert [parameters.get(name) for name in ours] == ["30", "10", "9", "60000"]
    assert dict(rows) == dict.fromkeys(
        ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout"),
        "session",
    )


def test_another_goes_to_the_server_that_was_reached_of_several(database_url: str) -> None:
    host = str(conninfo_to_dict(database_url)["host"])
    url = make_conninfo(database_url, host=f"/nowhere,{host}", port="1,5432")
    with connect(url) as conn, clone(conn) as more:
        assert (more.info.host, more.info.port) == (host, 5432)
        assert more.info.get_parameters()["host"] == host


def test_who_waits_on_a_connection_that_is_hung_up_is_told(conn: Connection, database_url: str) -> None:
    conn.execute("SELECT pg_advisory_lock(4711)")
    with connect(database_url) as other, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(other.execute, "SELECT pg_advisory_lock(4711)")
        while other.info.transaction_status is not TransactionStatus.ACTIVE:
            assert not waiting.done()
        abort(other)
        with pytest.raises(psycopg.OperationalError):
            waiting.result(timeout=10)
    abort(other)  # once more does no harm
