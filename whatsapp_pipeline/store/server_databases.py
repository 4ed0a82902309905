"""The databases of a server: whether one is there, and creating it.

What belongs here: statements about whole databases. What does not: which databases the project uses
(databases.py) and starting a server (embedded.py).
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

import psycopg
from psycopg import sql

from whatsapp_pipeline.store.connection import Connection, connect


def has_database(conn: Connection, name: str) -> bool:
    """Return whether the server of `conn` has a database of this name."""
    return conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None


def create_database(conn: Connection, name: str) -> None:
    """Create an empty database; does nothing where another process created it first."""
    with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
        # template0: nobody is connected to it, so that two processes may create databases at once.
        conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))


class RoleRights(NamedTuple):
    """What the role that connects may do about a database of a name."""

    role: str
    may_create: bool
    exists: bool


def role_rights(url: str, name: str) -> RoleRights:
    """Return whether the role of `url` may create databases, and whether one called `name` exists."""
    with connect(url) as conn:
        row = conn.execute(
            """SELECT rolname, rolcreatedb OR rolsuper, EXISTS (SELECT FROM pg_database WHERE datname = %s)
               FROM pg_roles WHERE rolname = current_user""",
            (name,),
        ).fetchone()
    return RoleRights(*row) if row else RoleRights("", False, False)
