"""Opening connections to the project's database.

What belongs here: how a connection is made and named. What does not: statements, and where the URL comes
from (settings, or the embedded server).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from whatsapp_pipeline import settings
from whatsapp_pipeline.errors import PipelineError

Connection: TypeAlias = psycopg.Connection[Any]

MINIMUM_SERVER_VERSION = 150000


def describe(url: str) -> str:
    """Name a database without its password, for messages: `host:port/dbname`.

    Raises PipelineError when the URL is none.
    """
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # libpq's text would repeat the URL, and the password in it.
        raise PipelineError(
            "the database's URL can't be read; write DATABASE_URL as postgresql://user:password@host:5432/name"
        ) from None
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


@contextmanager
def connect(url: str, *, application_name: str = "whatsapp-pipeline") -> Iterator[Connection]:
    """Open a connection in autocommit mode and close it afterwards.

    Raises PipelineError when the server can't be reached or is older than PostgreSQL 15, and when the
    database is not encoded in UTF-8.
    """
    place = describe(url)
    try:
        conn = psycopg.connect(
            url, autocommit=True, application_name=application_name[:63], connect_timeout=10
        )
    except psycopg.OperationalError as error:
        # libpq's text can repeat the user name, never the password.
        said = [line for line in str(error).strip().splitlines() if line and not line[0].isspace()]
        raise PipelineError(
            f"cannot reach the database at {place} ({said[-1]}); check DATABASE_URL"
        ) from error
    with conn:
        if conn.info.server_version < MINIMUM_SERVER_VERSION:
            raise PipelineError(
                f"the server at {place} is PostgreSQL {conn.info.server_version // 10000}; "
                "15 or newer is needed"
            )
        if (encoding := conn.info.parameter_status("server_encoding")) != "UTF8":
            raise PipelineError(
                f"the database at {place} is encoded in {encoding}, which can't hold every message; use one "
                "created with ENCODING 'UTF8' (TEMPLATE template0)"
            )
        # Local times are those of the archive's zone, whatever zone the server or the user's login has.
        conn.execute("SELECT set_config('TimeZone', %s, false)", (settings.load().zone,))
        yield conn


def use_time_zone(conn: Connection, zone: str) -> None:
    """Show times in this zone (`America/Sao_Paulo`) for the rest of the session."""
    conn.execute("SELECT set_config('TimeZone', %s, false)", (zone,))


def limit_statements(conn: Connection, seconds: int) -> None:
    """Cancel each later statement of the session that takes longer."""
    conn.execute("SELECT set_config('statement_timeout', %s, false)", (f"{seconds}s",))


def prepare_console_connection(conn: Connection, *, zone: str) -> None:
    """Set the zone and the time limits of a connection that the console keeps."""
    use_time_zone(conn, zone)
    limit_statements(conn, 5)
    conn.execute("SELECT set_config('idle_in_transaction_session_timeout', '30s', false)")


def another(conn: Connection) -> AbstractContextManager[Connection]:
    """Open one more connection to where `conn` goes, as the same user and under the same name.

    With everything that `conn` was opened with, defaults too, for the environment may say otherwise; and to
    the one server it reached where several were named.
    """
    given = {option.keyword.decode(): option.val.decode() for option in conn.pgconn.info if option.val}
    info = conn.info
    reached = {"host": info.host, "hostaddr": info.hostaddr, "port": info.port, "password": info.password}
    given |= {name: str(value) for name, value in reached.items()}
    given = {name: value for name, value in given.items() if value}
    name = info.parameter_status("application_name") or ""
    return connect(make_conninfo("", **given), application_name=name)


def hang_up(conn: Connection) -> None:
    """End a connection that another thread waits on: that one finds it broken, and the server rolls back."""
    with suppress(psycopg.OperationalError, OSError):  # it is closed already
        line = socket.socket(fileno=conn.fileno())
        try:
            line.shutdown(socket.SHUT_RDWR)
        finally:
            line.detach()  # the file is the connection's
