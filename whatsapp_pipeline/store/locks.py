"""Advisory locks: two runs over the same month wait for each other instead of racing.

And what is to be done where the server finds two that wait for each other for ever: one of them again.
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
_PAUSE = 0.1  # seconds, at most, after the first deadlock


def in_transaction(conn: Connection, work: Callable[[], _T]) -> _T:
    """Do `work` in a transaction (a savepoint within one); again when it gave way in a deadlock.

    Loading, linking, marking and erasing touch the same rows in other orders. Raises DeadlockDetected when
    that happens again and again.
    """
    for attempt in range(1, _ATTEMPTS):
        try:
            with conn.transaction():
                return work()
        except psycopg.errors.DeadlockDetected:
            # A retry at once can take the row that the other transaction is about to be given, and both
            # wait for each other again. A pause of random length lets one of them finish.
            time.sleep(random.uniform(0, _PAUSE * attempt))  # noqa: S311  # no secret
    with conn.transaction():
        return work()


@contextmanager
def named_lock(conn: Connection, name: str, *, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the session-level advisory lock called `name`; waits until it is free.

    The server frees it when the connection ends, so a killed run leaves nothing to break. `on_wait` is
    called once, before waiting, when somebody else holds the lock.
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


@contextmanager
def free_lock(conn: Connection, name: str) -> Iterator[bool]:
    """Tell whether nobody holds the lock called `name`; nobody can take it then until the block ends.

    Never waits. Several may ask at once: none of them takes another for a holder.
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
    """Hold the lock of one asset's month, so that two runs of it take turns."""
    return named_lock(conn, f"{asset}:{month}", on_wait=on_wait)


def hold_as_writer(conn: Connection, asset: str, month: str) -> None:
    """Be known, until this connection ends, as one that writes for the run that holds the month's lock.

    A killed run's lock is free at once, while the server may still be at a statement of its writers.
    """
    key = _key(_writers(asset, month))
    conn.execute("SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))", (key,))


def await_writers(
    conn: Connection, asset: str, month: str, *, on_wait: Callable[[], None] | None = None
) -> None:
    """Under the month's lock, wait until the server is done with the writers of a run that was killed."""
    with named_lock(conn, _writers(asset, month), on_wait=on_wait):
        pass


def _writers(asset: str, month: str) -> str:
    return f"{asset}:{month}:writers"


def _unlock(conn: Connection, key: str, *, shared: bool = False) -> None:
    """Free a lock, unless the connection can take no statement: then the server frees it with the connection.

    Ctrl-C in the middle of a statement leaves such a connection, and an error here would hide the interrupt.
    """
    ready = (TransactionStatus.IDLE, TransactionStatus.INTRANS)
    if not conn.closed and not conn.broken and conn.info.transaction_status in ready:
        unlock = "pg_advisory_unlock_shared" if shared else "pg_advisory_unlock"
        conn.execute(f"SELECT {unlock}(hashtextextended(%s, 0))", (key,))


def _key(name: str) -> str:
    return f"whatsapp-pipeline:{name}"
