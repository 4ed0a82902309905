"""The databases of a server, and the password of its owner.

What belongs here: statements about whole databases and about the server's first role. What does not: the
choice of the project's databases (databases.py), and starting a server (embedded.py).
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

import psycopg
from psycopg import sql

from whatsapp_pipeline.store.connection import Connection, connect


def has_database(conn: Connection, name: str) -> bool:
    """Return whether the server of `conn` has a database with this name."""
    return conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None


def create_database(conn: Connection, name: str) -> None:
    """Create an empty database, unless another process created it first."""
    with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
        # No session uses template0, so two processes can create databases at the same time.
        conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))


def set_role_password(conn: Connection, role: str, password: str) -> None:
    """Set the password of a role. The statement contains only a verifier, so that no log has the password."""
    verifier = conn.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    conn.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier)))


class RoleRights(NamedTuple):
    """The current role, whether it may create databases, and whether a database exists."""

    role: str
    may_create: bool
    exists: bool


def role_rights(url: str, name: str) -> RoleRights:
    """Return the rights of the role of `url`, and whether the database `name` exists."""
    with connect(url) as conn:
        row = conn.execute(
            """SELECT rolname, rolcreatedb OR rolsuper, EXISTS (SELECT FROM pg_database WHERE datname = %s)
               FROM pg_roles WHERE rolname = current_user""",
            (name,),
        ).fetchone()
    return RoleRights(*row) if row else RoleRights("", False, False)
