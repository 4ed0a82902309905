"""Users, sessions, login links and failed logins of the web console.

What belongs here: statements over these tables. What does not: hashing passwords and setting cookies
(console/), the record of views (console_views.py), and the database logins of the console
(console_logins.py).

The functions receive the hashes of tokens, and only hashes are stored. So nobody can log in with a value from
the tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from psycopg.rows import class_row

from whatsapp_pipeline.store.connection import Connection

Level: TypeAlias = Literal["reader", "analyst", "reviewer"]
LEVELS: tuple[Level, ...] = ("reader", "analyst", "reviewer")
"""The levels. Each level has the rights of the levels before it."""

IDLE_HOURS, SESSION_HOURS = 2, 12
"""A session ends after IDLE_HOURS without a request, and in any case after SESSION_HOURS."""
FREE_FAILURES = 5
"""After this number of failed logins, the next login must wait one second.

Each further failure doubles the waiting time, up to LONGEST_WAIT_SECONDS.
"""
LONGEST_WAIT_SECONDS = 900
LINK_PREFIX, CLIENT_PREFIX = "link.", "client."
"""Prefixes of the names of users that are not people: keys of signed links, and programs with a token."""


class ConsoleUser(NamedTuple):
    """A user of the console."""

    id: int
    name: str
    level: Level
    password_hash: str | None
    created_at: datetime
    disabled_at: datetime | None
    last_login_at: datetime | None


_COLUMNS = "id, name, level, password_hash, created_at, disabled_at, last_login_at"


def users(conn: Connection) -> list[ConsoleUser]:
    """Return all users, sorted by name."""
    with conn.cursor(row_factory=class_row(ConsoleUser)) as cursor:
        return cursor.execute(f"SELECT {_COLUMNS} FROM console_users ORDER BY name".encode()).fetchall()


def user_named(conn: Connection, name: str) -> ConsoleUser | None:
    """Return the user with this name, or None. Upper and lower case are equal."""
    with conn.cursor(row_factory=class_row(ConsoleUser)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM console_users WHERE name = lower(%s)".encode(), (name,)
        ).fetchone()


def add_user(conn: Connection, name: str, level: Level) -> int | None:
    """Add a user without a password, and return the id. Return None if the name is already used."""
    row = conn.execute(
        "INSERT INTO console_users (name, level) VALUES (lower(%s), %s) ON CONFLICT (name) DO NOTHING"
        " RETURNING id",
        (name, level),
    ).fetchone()
    return int(row[0]) if row else None


def set_disabled(conn: Connection, id_user: int, *, disabled: bool) -> None:
    """Forbid or allow a user to log in.

    If it is forbidden, the user's sessions and login links end at once.
    """
    with conn.transaction():
        conn.execute(
            "UPDATE console_users SET disabled_at = CASE WHEN %s THEN coalesce(disabled_at, now()) END"
            " WHERE id = %s",
            (disabled, id_user),
        )
        if disabled:
            end_sessions(conn, id_user)


def set_password(conn: Connection, id_user: int, password_hash: str) -> None:
    """Store the hash of a password. All sessions and login links of the user end."""
    with conn.transaction():
        conn.execute("UPDATE console_users SET password_hash = %s WHERE id = %s", (password_hash, id_user))
        end_sessions(conn, id_user)


def end_sessions(conn: Connection, id_user: int) -> None:
    """End all sessions and all login links of a user."""
    conn.execute("DELETE FROM console_sessions WHERE id_user = %s", (id_user,))
    conn.execute("DELETE FROM console_login_links WHERE id_user = %s", (id_user,))


def add_login_link(conn: Connection, id_user: int, token_hash: bytes, *, hours: int) -> None:
    """Store the hash of a link with which the user can log in once.

    An older link of the user becomes invalid.
    """
    with conn.transaction():
        conn.execute("DELETE FROM console_login_links WHERE id_user = %s", (id_user,))
        conn.execute(
            "INSERT INTO console_login_links (token_hash, id_user, expires_at)"
            " VALUES (%s, %s, now() + make_interval(hours => %s))",
            (token_hash, id_user, hours),
        )


def use_login_link(conn: Connection, token_hash: bytes) -> int | None:
    """Delete a login link and return the id of its user.

    Return None if the link was used, is too old, or its user is disabled.
    """
    row = conn.execute(
        """
        DELETE FROM console_login_links l USING console_users u
         WHERE l.token_hash = %s AND u.id = l.id_user
        RETURNING CASE WHEN l.expires_at > now() AND u.disabled_at IS NULL THEN u.id END
        """,
        (token_hash,),
    ).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def begin_session(conn: Connection, id_user: int, token_hash: bytes) -> None:
    """Store a new session, and delete sessions that have ended."""
    with conn.transaction():
        conn.execute(
            "DELETE FROM console_sessions"
            " WHERE expires_at < now() OR last_seen_at < now() - make_interval(hours => %s)",
            (IDLE_HOURS,),
        )
        conn.execute(
            "INSERT INTO console_sessions (token_hash, id_user, expires_at)"
            " VALUES (%s, %s, now() + make_interval(hours => %s))",
            (token_hash, id_user, SESSION_HOURS),
        )
        conn.execute("UPDATE console_users SET last_login_at = now() WHERE id = %s", (id_user,))


def link_user(key: str) -> str:
    """Return the name under which views by links of a key are recorded."""
    return f"{LINK_PREFIX}{key}"


def is_person(name: str) -> bool:
    """Return whether a name belongs to a person, who can log in."""
    return not name.lower().startswith((LINK_PREFIX, CLIENT_PREFIX))


def add_link_users(conn: Connection, keys: Iterable[str]) -> None:
    """Add the missing users for these keys. They have no password, so nobody can log in as such a user."""
    for key in keys:
        add_user(conn, link_user(key), "reader")


def keep_link_session(conn: Connection, name: str, token_hash: bytes, expires: int) -> None:
    """Begin or extend the session in which the views of a signed link are recorded. It ends with the link."""
    conn.execute(
        """
        INSERT INTO console_sessions (token_hash, id_user, expires_at)
        SELECT %s, id, to_timestamp(%s) FROM console_users WHERE name = %s AND disabled_at IS NULL
        ON CONFLICT (token_hash) DO UPDATE SET last_seen_at = now()
        """,
        (token_hash, expires, name),
    )


def end_session(conn: Connection, token_hash: bytes) -> None:
    """End one session."""
    conn.execute("DELETE FROM console_sessions WHERE token_hash = %s", (token_hash,))


class SessionUser(NamedTuple):
    """The user of the session of a request."""

    id: int
    name: str
    level: Level
    has_password: bool
    is_stale: bool
    """Whether the stored time of the last request is more than a minute ago."""


def session_user(conn: Connection, token_hash: bytes) -> SessionUser | None:
    """Return the user of a session, or None if the session is idle or too old, or the user is disabled."""
    row = conn.execute(
        """
        SELECT u.id, u.name, u.level, u.password_hash IS NOT NULL,
               s.last_seen_at < now() - interval '1 minute'
          FROM console_sessions s JOIN console_users u ON u.id = s.id_user
         WHERE s.token_hash = %s AND s.expires_at > now() AND u.disabled_at IS NULL
           AND s.last_seen_at > now() - make_interval(hours => %s)
        """,
        (token_hash, IDLE_HOURS),
    ).fetchone()
    return SessionUser(*row) if row else None


def touch_session(conn: Connection, token_hash: bytes) -> None:
    """Store the current time as the last use of the session."""
    conn.execute("UPDATE console_sessions SET last_seen_at = now() WHERE token_hash = %s", (token_hash,))


def seconds_to_wait(conn: Connection, key_hashes: list[bytes]) -> int:
    """Return the seconds that the next login for any of these accounts and addresses must wait."""
    row = conn.execute(
        """
        SELECT coalesce(max(ceil(extract(epoch FROM last_failed_at - now())
                   + least(%s, power(2, least(failures, 40) - %s)))), 0)
          FROM console_login_failures WHERE key_hash = ANY(%s) AND failures >= %s
        """,
        (LONGEST_WAIT_SECONDS, FREE_FAILURES, key_hashes, FREE_FAILURES),
    ).fetchone()
    return max(0, int(row[0])) if row else 0


def count_failure(conn: Connection, key_hashes: list[bytes]) -> None:
    """Count a failed login for each key: the account and the address.

    Failures older than a day are deleted.
    """
    with conn.transaction():
        conn.execute("DELETE FROM console_login_failures WHERE last_failed_at < now() - interval '1 day'")
        conn.execute(
            """
            INSERT INTO console_login_failures AS f (key_hash, failures)
            SELECT DISTINCT key, 1 FROM unnest(%s::bytea[]) AS key ORDER BY key
            ON CONFLICT (key_hash) DO UPDATE SET failures = f.failures + 1, last_failed_at = now()
            """,
            (key_hashes,),
        )


def forget_failures(conn: Connection, key_hash: bytes) -> None:
    """Delete an account's failures after a successful login."""
    conn.execute("DELETE FROM console_login_failures WHERE key_hash = %s", (key_hash,))
