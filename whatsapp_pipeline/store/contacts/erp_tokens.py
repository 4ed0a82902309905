"""The table `pipeline_erp_tokens`: the ERP's tokens that several hosts share.

What belongs here: the statements on this table, and its lock. What does not: requesting tokens
(erp/tokens.py), and the files with tokens (erp/token_store.py, erp/shared_token_store.py).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from psycopg.rows import class_row

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.locks import named_lock


@dataclass(frozen=True, slots=True)
class SavedTokens:
    """The row of the table: a pair of tokens with the times when they expire, in seconds since the epoch.

    `refreshing_on` is the host that is about to send or sent the refresh token and has not saved a new pair.
    The repr hides the tokens.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float
    refresh_expires_at: float | None
    refreshing_on: str | None


def refresh_lock(conn: Connection) -> AbstractContextManager[None]:
    """Hold the lock for refreshing tokens.

    Only one process of all hosts can hold it. The server frees it when the connection ends.
    """
    return named_lock(conn, "erp-tokens")


def read_tokens(conn: Connection) -> SavedTokens | None:
    """Return the row, or None if no host has authorised yet."""
    with conn.cursor(row_factory=class_row(SavedTokens)) as cursor:
        return cursor.execute(
            """
            SELECT access_token, refresh_token, extract(epoch FROM expires_at)::float8 AS expires_at,
                   extract(epoch FROM refresh_expires_at)::float8 AS refresh_expires_at, refreshing_on
              FROM pipeline_erp_tokens
            """
        ).fetchone()


def write_tokens(
    conn: Connection,
    *,
    access_token: str,
    refresh_token: str,
    expires_at: float,
    refresh_expires_at: float | None,
    host: str,
) -> None:
    """Replace the pair of tokens. The caller must hold the lock."""
    conn.execute(
        """
        INSERT INTO pipeline_erp_tokens
               (access_token, refresh_token, expires_at, refresh_expires_at, saved_on)
        VALUES (%s, %s, to_timestamp(%s), to_timestamp(%s), %s)
        ON CONFLICT (one) DO UPDATE
           SET access_token = excluded.access_token, refresh_token = excluded.refresh_token,
               expires_at = excluded.expires_at, refresh_expires_at = excluded.refresh_expires_at,
               saved_at = clock_timestamp(), saved_on = excluded.saved_on, refreshing_on = NULL
        """,
        (access_token, refresh_token, expires_at, refresh_expires_at, host),
    )


def begin_refresh(conn: Connection, host: str) -> None:
    """Store the host that is about to send the refresh token, unless another host is still stored.

    This fails if the database can't be written.
    """
    conn.execute("UPDATE pipeline_erp_tokens SET refreshing_on = coalesce(refreshing_on, %s)", (host,))


def end_refresh(conn: Connection, host: str) -> None:
    """Remove the host from the row. Its refresh has no new pair, so no newer pair is on its disk."""
    conn.execute("UPDATE pipeline_erp_tokens SET refreshing_on = NULL WHERE refreshing_on = %s", (host,))
