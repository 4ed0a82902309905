"""The database logins of the console: one for users and sessions, and one per level.

The levels are reader, analyst, reviewer and manager.

What belongs here: the names and passwords of the logins, and creating them. What does not: their roles
(grants.py), and people's accounts (console_access.py).

Each login is a member of one role, so the database refuses every statement that the level may not execute.
This holds even if a page has a bug. `SET ROLE` on a shared connection would not be safe, because the session
can run `RESET ROLE`.
"""

from __future__ import annotations

import hashlib
import hmac

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store import grants
from whatsapp_pipeline.store.connection import Connection, connect

ACCESS = "access"
"""Purpose of the login that reads users and manages their sessions. The other purposes are levels."""
LOGIN_ROLES = {
    ACCESS: grants.CONSOLE,
    "reader": grants.READER,
    "analyst": grants.ANALYST,
    "reviewer": grants.REVIEWER,
    "manager": grants.MANAGER,
}
# PostgreSQL cuts longer names.
_MAX_NAME_BYTES = 63
_MAX_DATABASE_BYTES = _MAX_NAME_BYTES - max(len(f"_console_{purpose}") for purpose in LOGIN_ROLES)
_HASH_DIGITS = 12


class LoginsRefusedError(PipelineError):
    """The server refused to create the console's logins. `statements` is the SQL for an administrator."""

    def __init__(self, statements: list[str]) -> None:
        self.statements = statements
        super().__init__(
            "the database role in DATABASE_URL may not create the console's logins; ask an administrator to "
            "run the SQL printed above, then start the console again"
        )


def login_name(database: str, purpose: str) -> str:
    """Return the name of a login.

    It contains the name of the database, because logins belong to the whole server. Of a long name, it
    contains the first bytes and a hash of the whole name.
    """
    name = database.encode()
    if len(name) > _MAX_DATABASE_BYTES:
        digest = hashlib.sha256(name).hexdigest()[:_HASH_DIGITS]
        beginning = name[: _MAX_DATABASE_BYTES - _HASH_DIGITS - 1].decode(errors="ignore")
        database = f"{beginning}_{digest}"
    return f"{database}_console_{purpose}"


def login_urls(url: str, key: bytes) -> dict[str, str]:
    """Return a libpq connection string for each login, by purpose.

    The passwords are derived from `key`, so they need not be stored.
    """
    with connect(url) as conn:
        database = conn.info.dbname
    return {
        purpose: make_conninfo(
            url, user=login_name(database, purpose), password=_password(key, database, purpose)
        )
        for purpose in LOGIN_ROLES
    }


def _password(key: bytes, database: str, purpose: str) -> str:
    return hmac.digest(key, f"console login:{database}:{purpose}".encode(), "sha256").hex()


def ensure_logins(url: str, key: bytes) -> dict[str, str]:
    """Check every login. If one of them is not usable, create all roles, grants and logins again.

    Creating them again is safe. Return a libpq connection string for each login, by purpose. Raises
    LoginsRefusedError if the role of `url` may not create them.
    """
    urls = login_urls(url, key)
    with connect(url) as conn:
        if all(_is_usable(login, purpose) for purpose, login in urls.items()):
            return urls
        statements = [*grants.statements(conn), *_login_statements(conn, key)]
        try:
            with conn.transaction():
                for statement in statements:
                    conn.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege as error:
            raise LoginsRefusedError(statements) from error
    return urls


def _is_usable(url: str, purpose: str) -> bool:
    """Return whether a login can connect and has the rights in `_RIGHTS`."""
    try:
        with psycopg.connect(url, connect_timeout=10, autocommit=True) as conn:
            row = conn.execute(f"SELECT {' AND '.join(_RIGHTS[purpose])}".encode()).fetchone()
    except psycopg.OperationalError:
        return False
    return row == (True,)


_VIEWER_RIGHTS = (
    "has_function_privilege('console_record_views(bytea, text, bytea[])', 'EXECUTE')",
    "has_table_privilege('handled_cases', 'SELECT')",
    "has_table_privilege('webhook_health', 'SELECT')",
)
# Conditions by purpose. They are a sample of the rights that this version of the program needs: rights that
# were added or removed since the first version. So the logins of an older version do not pass the check.
_RIGHTS: dict[str, tuple[str, ...]] = {
    ACCESS: (
        "has_table_privilege('console_sessions', 'INSERT')",
        "has_table_privilege('api_tokens', 'SELECT')",
    ),
    "reader": (*_VIEWER_RIGHTS, "NOT has_any_column_privilege('chat_messages', 'SELECT')"),
    "analyst": (
        *_VIEWER_RIGHTS,
        "has_table_privilege('messages_all', 'SELECT')",
        "has_table_privilege('dead_deliveries', 'SELECT')",
        "has_table_privilege('chat_rereads', 'SELECT')",
    ),
    "reviewer": (
        *_VIEWER_RIGHTS,
        "has_table_privilege('match_candidates', 'INSERT')",
        "has_table_privilege('review_items', 'SELECT')",
        "has_column_privilege('conversations', 'link_inputs', 'UPDATE')",
        "has_function_privilege('replay_dead_deliveries(bytea, bigint[])', 'EXECUTE')",
        "has_table_privilege('chat_rereads', 'UPDATE')",
    ),
    "manager": (
        "has_table_privilege('whatsapp_accounts', 'UPDATE')",
        "has_function_privilege('unpark_deliveries(text)', 'EXECUTE')",
    ),
}


def _login_statements(conn: Connection, key: bytes) -> list[str]:
    """Return the SQL that creates the logins.

    It contains the SCRAM verifier of each password and not the password, because the SQL may be printed.
    """
    statements = []
    for purpose, role in LOGIN_ROLES.items():
        name = login_name(conn.info.dbname, purpose)
        password = _password(key, conn.info.dbname, purpose).encode()
        verifier = conn.pgconn.encrypt_password(password, name.encode(), b"scram-sha-256").decode()
        statements += [
            sql.SQL(
                "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {}) "
                "THEN CREATE ROLE {} LOGIN; END IF; END $$"
            ).format(sql.Literal(name), sql.Identifier(name)),
            sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                sql.Identifier(name), sql.Literal(verifier)
            ),
            sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(name)),
        ]
    return [statement.as_string(conn) for statement in statements]
