"""Connections to the database, with a small pool for each of the console's database logins.

What belongs here: opening, sharing and closing connections. What does not: the login of a level
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
"""Seconds that a request waits for a connection before the console answers that it is busy."""
_RARE = {"manager"}
"""Logins whose connections are opened only when a request needs one, because only programs use them, and
rarely.
"""


class ConsolePools:
    """The pools by the name of their login: `access`, and one per level."""

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
        """Open the pools.

        Each pool, except a pool of `_RARE`, opens its first connection in the background. It opens more, up
        to its size, when requests need them.
        """
        for pool in self._pools.values():
            pool.open()

    def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            pool.close()

    @contextmanager
    def connection(self, purpose: str) -> Iterator[Connection]:
        """Yield a connection of a login's pool.

        Raises psycopg_pool.PoolTimeout if none becomes free within WAIT_SECONDS.
        """
        with self._pools[purpose].connection() as conn:
            yield conn
