"""Opening connections to the project's database.

What belongs here: how a connection is made and named. What does not: statements, and where the URL comes
from (settings, or the embedded server).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict

from whatsapp_pipeline.errors import PipelineError

Connection: TypeAlias = psycopg.Connection[Any]

MINIMUM_SERVER_VERSION = 150000


def describe(url: str) -> str:
    """Name a database without its password, for messages: `host:port/dbname`."""
    parts = conninfo_to_dict(url)
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


@contextmanager
def connect(url: str, *, application_name: str = "whatsapp-pipeline") -> Iterator[Connection]:
    """Open a connection in autocommit mode and close it afterwards.

    Raises PipelineError when the server can't be reached or is older than PostgreSQL 15.
    """
    try:
        conn = psycopg.connect(
            url, autocommit=True, application_name=application_name[:63], connect_timeout=10
        )
    except psycopg.OperationalError as error:
        # libpq's text can repeat the user name, never the password.
        reason = str(error).strip().splitlines()[-1]
        raise PipelineError(
            f"cannot reach the database at {describe(url)} ({reason}); check DATABASE_URL"
        ) from error
    with conn:
        if conn.info.server_version < MINIMUM_SERVER_VERSION:
            raise PipelineError(
                f"the server at {describe(url)} is PostgreSQL {conn.info.server_version // 10000}; "
                "15 or newer is needed"
            )
        yield conn
