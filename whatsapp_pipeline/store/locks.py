"""Advisory locks, with which runs of the same month wait for each other, and retries after deadlocks.

What belongs here: taking and freeing locks. What does not: the work under a lock.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from whatsapp_pipeline.store.connection import Connection

_T = TypeVar("_T")
_ATTEMPTS = 5
_PAUSE = 0.1  # maximum pause in seconds after the first deadlock


def in_transaction(conn: Connection, work: Callable[[], _T]) -> _T:
    """Call `work` in a transaction or a savepoint, and call it again after a deadlock. Return its result.

    Deadlocks happen because loading, linking, flagging duplicates and erasing lock rows in different orders.
    Raises DeadlockDetected if all five attempts end in a deadlock.
    """
    for attempt in range(1, _ATTEMPTS):
        try:
            with conn.transaction():
                return work()
        except psycopg.errors.DeadlockDetected:
            # An immediate retry may lock the row that the other transaction waits for, which is a deadlock
            # again. A random pause lets one of them finish.
            time.sleep(random.uniform(0, _PAUSE * attempt))  # noqa: S311  # no secret
    with conn.transaction():
        return work()


@contextmanager
def named_lock(conn: Connection, name: str, *, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Wait for the session-level advisory lock `name`, and hold it during the block.

    The server frees it when the connection ends, so a killed run leaves no lock. `on_wait` is called once
    before waiting, if another session holds the lock.
    """
    key = _key(name)
    row = conn.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (key,)).fetchone()
    if row is None or not row[0]:
        if on_wait is not None:
            on_wait()
        conn.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (key,))
    try:
        yield
    finally:
        _unlock(conn, key)


def hold_if_free(conn: Connection, name: str) -> bool:
    """Take the lock `name` until the connection ends. Return False if another session holds it."""
    row = conn.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (_key(name),)).fetchone()
    return row is not None and bool(row[0])


def still_answers(conn: Connection) -> bool:
    """Return whether the server still answers on this connection, so that its locks are still held."""
    try:
        conn.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


@contextmanager
def lock_is_free(conn: Connection, name: str) -> Iterator[bool]:
    """Yield whether the lock `name` is free, without waiting. If it is, no session can take it in the block.

    Several sessions may call this for the same lock at the same time, and all get True.
    """
    key = _key(name)
    row = conn.execute("SELECT pg_try_advisory_lock_shared(hashtextextended(%s, 0))", (key,)).fetchone()
    is_free = row is not None and bool(row[0])
    try:
        yield is_free
    finally:
        if is_free:
            _unlock(conn, key, shared=True)


def month_lock(
    conn: Connection, asset: str, month: str, *, on_wait: Callable[[], None] | None = None
) -> AbstractContextManager[None]:
    """Hold the lock of one month of an asset, so that its runs wait for each other."""
    return named_lock(conn, f"{asset}:{month}", on_wait=on_wait)


def hold_as_writer(conn: Connection, asset: str, month: str) -> None:
    """Register this connection, until it ends, as a writer of the run that holds the month's lock.

    When a run is killed, its lock is free at once, but the server may still execute a statement of a writer.
    """
    key = _key(_writers(asset, month))
    conn.execute("SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))", (key,))


def await_writers(
    conn: Connection, asset: str, month: str, *, on_wait: Callable[[], None] | None = None
) -> None:
    """Wait until the connections of a killed run's writers have ended. The caller holds the month's lock."""
    with named_lock(conn, _writers(asset, month), on_wait=on_wait):
        pass


def _writers(asset: str, month: str) -> str:
    return f"{asset}:{month}:writers"


def _unlock(conn: Connection, key: str, *, shared: bool = False) -> None:
    """Free a lock, unless the connection accepts no statement.

    Ctrl-C during a statement leaves such a connection, and an error here would hide the interrupt. The server
    frees the lock when the connection ends.
    """
    ready = (TransactionStatus.IDLE, TransactionStatus.INTRANS)
    if not conn.closed and not conn.broken and conn.info.transaction_status in ready:
        unlock = "pg_advisory_unlock_shared" if shared else "pg_advisory_unlock"
        conn.execute(f"SELECT {unlock}(hashtextextended(%s, 0))", (key,))


def _key(name: str) -> str:
    return f"whatsapp-pipeline:{name}"
