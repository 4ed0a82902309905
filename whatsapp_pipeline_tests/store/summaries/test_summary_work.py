"""The work tables of the summaries end with their run."""

from __future__ import annotations

import psycopg
import pytest

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.summaries.summary_work import open_work


def _work_tables(conn: Connection) -> list[str]:
    rows = conn.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r' ORDER BY 1"
    )
    return [name for (name,) in rows]


def test_the_work_tables_are_dropped_at_the_end(conn: Connection) -> None:
    with open_work(conn, "options"):
        assert "work_contacts" in _work_tables(conn)
    assert _work_tables(conn) == []


def test_the_work_tables_are_dropped_after_an_error(conn: Connection) -> None:
    with pytest.raises(ValueError, match="no such month"), open_work(conn, "options"):
        raise ValueError("no such month")
    assert _work_tables(conn) == []


def test_an_error_of_the_server_is_the_one_that_is_raised(conn: Connection) -> None:
    with (
        pytest.raises(psycopg.errors.DivisionByZero),
        conn.transaction(),
        open_work(conn, "options"),
    ):
        conn.execute("SELECT 1 / 0")
    assert _work_tables(conn) == []
