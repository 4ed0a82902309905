"""Deadlocks: one of two gives way, and does its work again."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.locks import in_transaction


@pytest.fixture
def rows(conn: Connection) -> None:
    conn.execute(
        "CREATE TABLE counted (id int PRIMARY KEY, n int); INSERT INTO counted VALUES (1, 0), (2, 0)"
    )


def test_of_two_in_a_deadlock_both_end_what_they_do(conn: Connection, rows: None, database_url: str) -> None:
    both_hold_one = threading.Barrier(2)

    def work(order: tuple[int, int]) -> int:
        attempts = 0

        def count(on: Connection) -> None:
            nonlocal attempts
            attempts += 1
            for id_ in order:
                on.execute("UPDATE counted SET n = n + 1 WHERE id = %s", (id_,))
                if attempts == 1 and id_ == order[0]:
                    both_hold_one.wait(timeout=30)

        with connect(database_url) as on:
            in_transaction(on, lambda: count(on))
        return attempts

    with ThreadPoolExecutor(2) as pool:
        attempts = list(pool.map(work, [(1, 2), (2, 1)]))
    # The server decides which one it cancels, and may have to cancel again: see `in_transaction`.
    assert sum(attempts) >= 3
    assert conn.execute("SELECT n FROM counted").fetchall() == [(2,), (2,)]


def test_who_always_gives_way_says_so_in_the_end(conn: Connection) -> None:
    attempts = 0

    def work() -> None:
        nonlocal attempts
        attempts += 1
        conn.execute("DO $$ BEGIN RAISE deadlock_detected; END $$")

    with pytest.raises(psycopg.errors.DeadlockDetected):
        in_transaction(conn, work)
    assert attempts == 5
    assert conn.execute("SELECT 1").fetchone() == (1,)
