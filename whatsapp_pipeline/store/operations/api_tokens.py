"""Tokens of the programs that use the console's API.

What belongs here: statements over `api_tokens`, and the session in which a program's views are recorded. What
does not: checking a request (console/api/), and people's sessions (console_access.py).

The functions receive the hash of a token, and only the hash is stored. So nobody can use a value from the
table as a token.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from psycopg.rows import class_row

from whatsapp_pipeline.store.connection import Connection, one_row
from whatsapp_pipeline.store.operations.console_access import CLIENT_PREFIX, add_user

TokenLevel: TypeAlias = Literal["reader", "analyst", "reviewer", "manager"]


class ApiToken(NamedTuple):
    """The data of a program's token, without the token itself."""

    id: int
    name: str
    level: TokenLevel
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class TokenInUse(NamedTuple):
    """The token of a request.

    `is_stale` is true if the stored time of its last use is more than a minute ago.
    """

    id: int
    name: str
    level: TokenLevel
    is_stale: bool


def client_user(name: str) -> str:
    """Return the name under which a program's views and decisions are recorded."""
    return f"{CLIENT_PREFIX}{name}"


def add_token(conn: Connection, name: str, level: TokenLevel, token_hash: bytes, *, days: int | None) -> bool:
    """Store the hash of a token. Return False if the program already has a token that was not revoked.

    Args:
        conn: A connection of the tables' owner.
        name: The name of the program.
        level: The level of access of the program.
        token_hash: The SHA-256 of the token.
        days: Days until the token expires. With None, it is valid until it is revoked.
    """
    with conn.transaction():
        made = conn.execute(
            """
            INSERT INTO api_tokens (name, level, token_hash, expires_at)
            VALUES (%s, %s, %s, now() + make_interval(days => %s::int))
            ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
            """,
            (name, level, token_hash, days),
        ).rowcount
        if made:
            add_user(conn, client_user(name), "reader")
    return bool(made)


def tokens(conn: Connection) -> list[ApiToken]:
    """Return all tokens, including revoked ones, by the name of the program, newest first."""
    with conn.cursor(row_factory=class_row(ApiToken)) as cursor:
        return cursor.execute(
            "SELECT id, name, level, created_at, expires_at, revoked_at, last_used_at FROM api_tokens"
            " ORDER BY name, id DESC"
        ).fetchall()


def revoke_token(conn: Connection, name: str) -> bool:
    """Revoke the token of a program at once. Return whether the program had one."""
    return bool(
        conn.execute(
            "UPDATE api_tokens SET revoked_at = now() WHERE name = %s AND revoked_at IS NULL", (name,)
        ).rowcount
    )


def token_in_use(conn: Connection, token_hash: bytes) -> TokenInUse | None:
    """Return the token with this hash, or None if it does not exist, has ended, or its user is disabled."""
    with conn.cursor(row_factory=class_row(TokenInUse)) as cursor:
        return cursor.execute(
            """
            SELECT id, name, level, coalesce(last_used_at < now() - interval '1 minute', true) AS is_stale
              FROM api_tokens
             WHERE token_hash = %s AND revoked_at IS NULL AND coalesce(expires_at > now(), true)
               AND NOT EXISTS (
                     SELECT FROM console_users u
                      WHERE u.name = %s || api_tokens.name AND u.disabled_at IS NOT NULL)
            """,
            (token_hash, CLIENT_PREFIX),
        ).fetchone()


def touch_token(conn: Connection, id_token: int) -> None:
    """Store the current time as the last use of a token."""
    conn.execute("UPDATE api_tokens SET last_used_at = now() WHERE id = %s", (id_token,))


def has_client_session(conn: Connection, session: bytes) -> bool:
    """Return whether this session can record views now."""
    found = conn.execute(
        "SELECT EXISTS (SELECT FROM console_sessions WHERE token_hash = %s AND expires_at > now())",
        (session,),
    )
    return bool(one_row(found)[0])


def keep_client_session(conn: Connection, name: str, session: bytes) -> None:
    """Begin the session in which a program's views are recorded, or extend it by an hour."""
    conn.execute(
        """
        INSERT INTO console_sessions (token_hash, id_user, expires_at)
        SELECT %s, id, now() + interval '1 hour' FROM console_users WHERE name = %s AND disabled_at IS NULL
        ON CONFLICT (token_hash) DO UPDATE SET last_seen_at = now(), expires_at = EXCLUDED.expires_at
        """,
        (session, client_user(name)),
    )
