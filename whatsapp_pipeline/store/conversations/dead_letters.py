"""Dead letters for the console and the API: the reason of each failure, and replaying deliveries.

What belongs here: statements that a login of the console may run. What does not: the inbox itself (inbox.py),
which these logins cannot read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from whatsapp_pipeline.store.connection import Connection


class DeadLetter(NamedTuple):
    """A delivery whose processing failed too often. `error` quotes nothing of its content."""

    id: int
    received_at: datetime
    attempts: int
    error: str
    can_be_replayed: bool


def dead_deliveries(conn: Connection, *, before: int | None, limit: int) -> list[DeadLetter]:
    """Return up to `limit` dead letters, newest first. With `before` (an id), only older ones."""
    with conn.cursor(row_factory=class_row(DeadLetter)) as cursor:
        return cursor.execute(
            """
            SELECT id, received_at, attempts, error, can_be_replayed FROM dead_deliveries
             WHERE %(before)s::bigint IS NULL OR id < %(before)s ORDER BY id DESC LIMIT %(limit)s
            """,
            {"before": before, "limit": limit},
        ).fetchall()


def count_dead_deliveries(conn: Connection) -> int:
    """Return the number of dead letters."""
    row = conn.execute("SELECT count(*) FROM dead_deliveries").fetchone()
    return int(row[0]) if row else 0


def replay_dead_deliveries(conn: Connection, session: bytes, ids: Sequence[int] | None) -> int:
    """Make the dead letters `ids` due again, or all if `ids` is None. Return their number.

    The database function records the user of the session. Raises
    psycopg.errors.InvalidAuthorizationSpecification when the session has ended.
    """
    row = conn.execute(
        "SELECT replay_dead_deliveries(%s, %s::bigint[])", (session, None if ids is None else list(ids))
    ).fetchone()
    return int(row[0]) if row else 0
