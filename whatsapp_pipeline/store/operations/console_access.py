"""Users, sessions, login links and failed logins of the web console.

What belongs here: statements over those tables. What does not: how passwords are hashed and what a browser
gets (console/), whose messages were looked at (console_views.py), and the database logins that the pages are
read with (console_logins.py).

Tokens come and are stored as hashes; who reads the tables can't log in with what they find.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from psycopg.rows import class_row

from whatsapp_pipeline.store.connection import Connection

Level: TypeAlias = Literal["reader", "analyst", "reviewer"]
LEVELS: tuple[Level, ...] = ("reader", "analyst", "reviewer")
"""Each level includes those before it."""

IDLE_HOURS, SESSION_HOURS = 2, 12
"""A session ends after so long without a request, and after so long whatever happens."""
FREE_FAILURES = 5
"""Failed logins that cost no waiting; each further one doubles the wait, up to LONGEST_WAIT_SECONDS."""
LONGEST_WAIT_SECONDS = 900
LINK_PREFIX, CLIENT_PREFIX = "link.", "client."
"""What the names of users begin with who are no persons: keys of signed links, and programs with a token."""


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
    """Return every user by name."""
    with conn.cursor(row_factory=class_row(ConsoleUser)) as cursor:
        return cursor.execute(f"SELECT {_COLUMNS} FROM console_users ORDER BY name".encode()).fetchall()


def user_named(conn: Connection, name: str) -> ConsoleUser | None:
    """Return the user of that name; capitals do not count."""
    with conn.cursor(row_factory=class_row(ConsoleUser)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM console_users WHERE name = lower(%s)".encode(), (name,)
        ).fetchone()


def add_user(conn: Connection, name: str, level: Level) -> int | None:
    """Add a user without a password and return the id; None where the name is taken."""
    row = conn.execute(
        "INSERT INTO console_users (name, level) VALUES (lower(%s), %s) ON CONFLICT (name) DO NOTHING"
        " RETURNING id",
        (name, level),
    ).fetchone()
    return int(row[0]) if row else None


def set_disabled(conn: Connection, id_user: int, *, disabled: bool) -> None:
    """Forbid or allow a user to log in; forbidding ends their sessions and links at once."""
    with conn.transaction():
        conn.execute(
            "UPDATE console_users SET disabled_at = CASE WHEN %s THEN coalesce(disabled_at, now()) END"
            " WHERE id = %s",
            (disabled, id_user),
        )
        if disabled:
            end_sessions(conn, id_user)


def set_password(conn: Connection, id_user: int, password_hash: str) -> None:
    """Store a password's hash; the user's other sessions and links end."""
    with conn.transaction():
        conn.execute("UPDATE console_users SET password_hash = %s WHERE id = %s", (password_hash, id_user))
        end_sessions(conn, id_user)


def end_sessions(conn: Connection, id_user: int) -> None:
    """End every session of a user, and every link that could begin one."""
    conn.execute("DELETE FROM console_sessions WHERE id_user = %s", (id_user,))
    conn.execute("DELETE FROM console_login_links WHERE id_user = %s", (id_user,))


def add_login_link(conn: Connection, id_user: int, token_hash: bytes, *, hours: int) -> None:
    """Store the hash of a link that logs the user in once; an older link of the user no longer works."""
    with conn.transaction():
        conn.execute("DELETE FROM console_login_links WHERE id_user = %s", (id_user,))
        conn.execute(
            "INSERT INTO console_login_links (token_hash, id_user, expires_at)"
            " VALUES (%s, %s, now() + make_interval(hours => %s))",
            (token_hash, id_user, hours),
        )


def use_login_link(conn: Connection, token_hash: bytes) -> int | None:
    """Delete a link and return its user's id; None where it was used, is too old, or the user is disabled."""
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
    """Store a new session; sessions that have ended are deleted on the way."""
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
    """Return the name under which views by links of a key are on record."""
    return f"{LINK_PREFIX}{key}"


def is_person(name: str) -> bool:
    """Return whether a user's name is a person's, who logs in."""
    return not name.lower().startswith((LINK_PREFIX, CLIENT_PREFIX))


def add_link_users(conn: Connection, keys: Iterable[str]) -> None:
    """Add the users of these keys where they are missing; none has a password, so nobody logs in as one."""
    for key in keys:
        add_user(conn, link_user(key), "reader")


def keep_link_session(conn: Connection, name: str, token_hash: bytes, expires: int) -> None:
    """Begin the session that a signed link's views are recorded in, or keep it; it ends with the link."""
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
    """Return the user of a session that is neither idle nor too old; None otherwise."""
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
    """Note that the session is in use."""
    conn.execute("UPDATE console_sessions SET last_seen_at = now() WHERE token_hash = %s", (token_hash,))


def seconds_to_wait(conn: Connection, key_hashes: list[bytes]) -> int:
    """Return how long the next login for any of these accounts and addresses must wait; 0: not at all."""
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
    """Count a failed login for an account and an address; failures older than a day are deleted."""
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
    """Forget an account's failures after a login that worked."""
    conn.execute("DELETE FROM console_login_failures WHERE key_hash = %s", (key_hash,))
