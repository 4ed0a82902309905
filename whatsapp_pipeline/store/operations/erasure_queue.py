"""The queue of erasures that hosts with copies of personal data must apply to their own disks.

What belongs here: statements over `privacy_erasures`, `privacy_hosts` and `privacy_confirmations`. What does
not: erasing (steps/operations/local_erasures.py) and the list of erased people (suppression.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import class_row

from whatsapp_pipeline.store.connection import Connection, one_row


class ErasureHost(NamedTuple):
    """A host that keeps copies, with the number of its unconfirmed erasures and the time of the oldest."""

    id: UUID
    name: str
    seen_at: datetime
    unconfirmed: int
    oldest: datetime | None


def queue_erasure(conn: Connection, subject: bytes | None, host: str) -> None:
    """Queue an erasure, so that every host applies the list of erased people again.

    Args:
        conn: A connection in the transaction that erases from the tables.
        subject: The keyed hash of the erased person, as in the audit log. None means the whole list.
        host: The name of this host.
    """
    conn.execute("INSERT INTO privacy_erasures (subject, queued_on) VALUES (%s, %s)", (subject, host))


def has_queue(conn: Connection) -> bool:
    """Return whether the database has the queue's tables. A database from an old backup may not have them."""
    return one_row(conn.execute("SELECT to_regclass('privacy_confirmations') IS NOT NULL"))[0] is True


def register_host(conn: Connection, host_id: UUID, name: str) -> None:
    """Store that this host keeps copies, or that it has checked the queue."""
    conn.execute(
        """
        INSERT INTO privacy_hosts (id, name) VALUES (%s, %s)
        ON CONFLICT (id) DO UPDATE SET name = excluded.name, seen_at = clock_timestamp()
        """,
        (host_id, name),
    )


def unconfirmed_erasures(conn: Connection, host_id: UUID) -> list[int]:
    """Return the erasures that this host has not confirmed. A new host has confirmed none."""
    rows = conn.execute(
        """
        SELECT e.id FROM privacy_erasures e
         WHERE NOT EXISTS (SELECT FROM privacy_confirmations c WHERE c.id_erasure = e.id AND c.id_host = %s)
         ORDER BY e.id
        """,
        (host_id,),
    )
    return [row[0] for row in rows]


def confirm_erasures(conn: Connection, host_id: UUID, erasures: list[int]) -> None:
    """Store that this host has applied these erasures. Erasures that were deleted meanwhile are ignored."""
    conn.execute(
        """
        INSERT INTO privacy_confirmations (id_erasure, id_host)
        SELECT id, %s FROM privacy_erasures WHERE id = ANY(%s) ON CONFLICT DO NOTHING
        """,
        (host_id, erasures),
    )


def erasure_hosts(conn: Connection) -> list[ErasureHost]:
    """Return the hosts that keep copies, by name."""
    with conn.cursor(row_factory=class_row(ErasureHost)) as cursor:
        return cursor.execute(
            """
            SELECT h.id, h.name, h.seen_at, count(e.id) AS unconfirmed, min(e.queued_at) AS oldest
              FROM privacy_hosts h
              LEFT JOIN privacy_erasures e ON NOT EXISTS (
                   SELECT FROM privacy_confirmations c WHERE c.id_erasure = e.id AND c.id_host = h.id)
             GROUP BY h.id ORDER BY h.name, h.id
            """
        ).fetchall()


def forget_host(conn: Connection, host_id: UUID) -> None:
    """Delete the row of a host whose disk no longer exists."""
    conn.execute("DELETE FROM privacy_hosts WHERE id = %s", (host_id,))
