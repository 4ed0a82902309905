"""Tables that a step has just filled are looked at before they are joined."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from whatsapp_pipeline.store import statistics
from whatsapp_pipeline.store.connection import Connection, connect


@pytest.fixture
def conn(fresh_database_url: str) -> Iterator[Connection]:
    with connect(fresh_database_url) as conn:
        conn.execute("CREATE TABLE filled (id integer, note text) WITH (autovacuum_enabled = false)")
        _fill(conn, 1, 1000)
        yield conn


def _fill(conn: Connection, first: int, last: int) -> None:
    conn.execute(
        "INSERT INTO filled SELECT n, repeat('x', 50) FROM generate_series(%s::int, %s) n", (first, last)
    )


def _known(conn: Connection) -> tuple[int, list[str]]:
    """How many rows the planner takes the table for, and the columns it knows something of."""
    count = conn.execute("SELECT reltuples::int FROM pg_class WHERE relname = 'filled'").fetchone()
    columns = conn.execute("SELECT attname FROM pg_stats WHERE tablename = 'filled' ORDER BY 1").fetchall()
    assert count is not None
    return count[0], [name for (name,) in columns]


def test_a_table_that_was_never_looked_at_is_in_the_columns_that_count(conn: Connection) -> None:
    assert _known(conn) == (-1, [])
    statistics.refresh(conn, {"filled": ("id",)})
    assert _known(conn) == (1000, ["id"])


def test_a_table_is_looked_at_again_once_it_grew_by_a_fifth(conn: Connection) -> None:
    statistics.refresh(conn, {"filled": ("id",)})
    _fill(conn, 1001, 1100)
    statistics.refresh(conn, {"filled": ()})
    assert _known(conn) == (1000, ["id"])
    _fill(conn, 1101, 1500)
    statistics.refresh(conn, {"filled": ()})
    assert _known(conn) == (1500, ["id", "note"])


def test_a_table_that_was_analyzed_before_its_first_rows_were_committed(
    conn: Connection, fresh_database_url: str
) -> None:
    conn.execute("TRUNCATE filled")
    with connect(fresh_database_url) as other:
        with conn.transaction():
            _fill(conn, 1, 1000)
            other.execute("ANALYZE filled")
        assert _known(conn) == (0, [])
    statistics.refresh(conn, {"filled": ("id",)})
    assert _known(conn) == (1000, ["id"])


def test_somebody_else_who_is_at_it_is_not_waited_for(conn: Connection, fresh_database_url: str) -> None:
    with connect(fresh_database_url) as other, other.transaction():
        other.execute("ANALYZE filled")
        statistics.refresh(conn, {"filled": ("id",)})
    assert _known(conn)[0] == 1000
