"""Connections to the database: a small pool for each level of access.

What belongs here: opening, sharing and closing connections. What does not: which login a level has
(store/operations/console_logins.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from psycopg_pool import ConnectionPool

from whatsapp_pipeline.store.connection import Connection, prepare_console_connection

WAIT_SECONDS = 5
"""Seconds that a request waits for a connection before the page says that the console is busy."""
_RARE = {"manager"}
"""Logins whose connections are opened when a request needs one: programs alone use them, and seldom."""


class ConsolePools:
    """The pools by the name of their login: `access`, and one for each level."""

    def __init__(
        self, urls: Mapping[str, str], *, zone: str, size: int = 4, options: Mapping[str, Any] | None = None
    ) -> None:
        self._pools = {
            purpose: ConnectionPool[Connection](
                url,
                min_size=0 if purpose in _RARE else 1,
                max_size=size,
                timeout=WAIT_SECONDS,
                max_lifetime=1800,
                open=False,
                name=f"console {purpose}",
                kwargs={
                    "autocommit": True,
                    "application_name": f"whatsapp-pipeline console {purpose}",
                    **(options or {}),
                },
                configure=partial(prepare_console_connection, zone=zone),
            )
            for purpose, url in urls.items()
        }

    def open(self) -> None:
        """Open one connection of each pool, and more when they are needed."""
        for pool in self._pools.values():
            pool.open()

    def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            pool.close()

    @contextmanager
    def connection(self, purpose: str) -> Iterator[Connection]:
        """Lend a connection of a login's pool; raises psycopg_pool.PoolTimeout when none gets free."""
        with self._pools[purpose].connection() as conn:
            yield conn
