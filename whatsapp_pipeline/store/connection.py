"""Connections to the project's database.

What belongs here: opening, cloning and aborting connections, their time limits, and reading one row. What
does not: statements, and the choice of the URL (databases.py).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from whatsapp_pipeline import settings
from whatsapp_pipeline.errors import PipelineError

Connection: TypeAlias = psycopg.Connection[Any]
_Row = TypeVar("_Row")

MINIMUM_SERVER_VERSION = 150000
# With these limits, client and server notice after a minute that the other host is lost. Until then the
# server keeps the locks of the lost host's runs. Keepalives (seconds) test an idle connection. By default
# they start after two hours. They do not test a connection on which sent bytes wait for an acknowledgement.
# The user timeout (milliseconds) ends that wait. By default it takes about 15 minutes.
_LOST_HOST = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


def _lost_host_limits(url: str) -> dict[str, str]:
    """Return the time limits after which each side closes the connection to a lost host.

    Values in the URL take precedence.
    """
    given = conninfo_to_dict(url)
    return {name: str(given.get(name, value)) for name, value in _LOST_HOST.items()}


def with_lost_host_limits(url: str) -> str:
    """Return the URL with the time limits after which the client closes the connection to a lost server.

    Parameters that the URL already has are not changed.
    """
    return make_conninfo(url, **_lost_host_limits(url))


def describe(url: str) -> str:
    """Return the name of a database for messages, without user and password: `host:port/dbname`.

    Raises PipelineError if the URL is invalid.
    """
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # libpq's error would quote the URL with the password.
        raise PipelineError(
            "the database's URL can't be read; write DATABASE_URL as postgresql://user:password@host:5432/name"
        ) from None
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


@contextmanager
def connect(url: str, *, application_name: str = "whatsapp-pipeline") -> Iterator[Connection]:
    """Open a connection in autocommit mode and close it after the block.

    The session has the time zone of the settings, and both sides have the time limits for a lost host. Raises
    PipelineError if the server can't be reached or is older than PostgreSQL 15, or if the database is not
    encoded in UTF-8.
    """
    place = describe(url)
    try:
        conn = psycopg.connect(
            with_lost_host_limits(url),
            autocommit=True,
            application_name=application_name[:63],
            connect_timeout=10,
        )
    except psycopg.OperationalError as error:
        # libpq's error may quote the user name, but never the password.
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
                f"the database at {place} is encoded in {encoding}, which can't store every message; use one "
                "created with ENCODING 'UTF8' (TEMPLATE template0)"
            )
        # The session uses the archive's time zone, not that of the server or the role.
        limits = {f"tcp_{name.removeprefix('tcp_')}": value for name, value in _lost_host_limits(url).items()}
        session = {"TimeZone": settings.load_settings().zone, **limits}
        conn.execute(
            "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS s (name, value)",
            (list(session), list(session.values())),
        )
        yield conn


def use_time_zone(conn: Connection, zone: str) -> None:
    """Set the time zone of the session, for example `America/Sao_Paulo`."""
    conn.execute("SELECT set_config('TimeZone', %s, false)", (zone,))


def limit_statements(conn: Connection, seconds: int) -> None:
    """Make the server cancel each later statement of the session that takes longer than `seconds`."""
    conn.execute("SELECT set_config('statement_timeout', %s, false)", (f"{seconds}s",))


def prepare_console_connection(conn: Connection, *, zone: str) -> None:
    """Set the time zone and the time limits of a connection in the console's pool."""
    use_time_zone(conn, zone)
    limit_statements(conn, 5)
    conn.execute("SELECT set_config('idle_in_transaction_session_timeout', '30s', false)")


def clone(conn: Connection) -> AbstractContextManager[Connection]:
    """Open another connection to the server and database of `conn`, with its user and application name.

    The clone uses all parameters of `conn`, including defaults, because the environment variables may have
    changed. If the URL names several servers, the clone connects to the server of `conn`.
    """
    given = {option.keyword.decode(): option.val.decode() for option in conn.pgconn.info if option.val}
    info = conn.info
    reached = {"host": info.host, "hostaddr": info.hostaddr, "port": info.port, "password": info.password}
    given |= {name: str(value) for name, value in reached.items()}
    given = {name: value for name, value in given.items() if value}
    name = info.parameter_status("application_name") or ""
    return connect(make_conninfo("", **given), application_name=name)


def abort(conn: Connection) -> None:
    """Break a connection on which another thread waits. Its statement fails, and the server rolls back."""
    with suppress(psycopg.OperationalError, OSError):  # the connection may already be closed
        line = socket.socket(fileno=conn.fileno())
        try:
            line.shutdown(socket.SHUT_RDWR)
        finally:
            line.detach()  # the connection owns the file descriptor


def one_row(cursor: psycopg.Cursor[_Row]) -> _Row:
    """Return the row of a statement that always returns one, such as an aggregate or `RETURNING`."""
    row = cursor.fetchone()
    if row is None:
        raise LookupError("the statement returned no row")
    return row
