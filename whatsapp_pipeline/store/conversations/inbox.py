"""The webhook inbox: raw deliveries, their leases, batches, dead letters and retention.

What belongs here: statements on webhook_inbox and webhook_batches. What does not: reading a body
(domain/conversations.py) and the tables that its items are stored in (deliveries).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID, uuid4

from whatsapp_pipeline import clock
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.queries import load

# The pause after a failure is 5 s, 10 s, 20 s and so on, at most one hour, each ± 50 % to spread retries.
_BACKOFF: LiteralString = "make_interval(secs => least(3600, 5 * 2 ^ least(attempts, 20)) * (0.5 + random()))"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One leased row of the inbox."""

    id: int
    delivery_id: UUID
    received_at: datetime
    body: bytes | None
    attempts: int
    crashes: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A range of inbox ids for one run. `attempt` is the number of its launches."""

    id: int
    first_id: int
    last_id: int
    attempt: int
    status: str
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class InboxStatus:
    """The number of pending, parked and dead deliveries in the inbox, and of open batches.

    `retrying` are pending deliveries that have failed before. `oldest_pending_seconds` is 0 if none is
    pending. `waiting_for` are the accounts for which parked deliveries wait.
    """

    pending: int
    oldest_pending_seconds: float
    retrying: int
    parked: int
    waiting_for: tuple[str, ...]
    dead: int
    open_batches: int


def add_deliveries(conn: Connection, deliveries: Sequence[tuple[UUID, datetime, bytes]]) -> int:
    """Append (delivery id, received at, body) in the given order. Return the number of new deliveries."""
    if not deliveries:
        return 0
    ids, times, bodies = zip(*deliveries, strict=True)
    return conn.execute(
        """
        INSERT INTO webhook_inbox (delivery_id, received_at, body)
        SELECT delivery_id, received_at, body
          FROM unnest(%b::uuid[], %b::timestamptz[], %b::bytea[]) WITH ORDINALITY
               AS d (delivery_id, received_at, body, n)
         ORDER BY n
        ON CONFLICT (delivery_id) DO NOTHING
        """,
        (list(ids), list(times), list(bodies)),
    ).rowcount


def plan_batch(conn: Connection, size: int) -> Batch | None:
    """Open a batch over the next `size` due deliveries that no open batch covers, or return None."""
    row = conn.execute(
        """
        WITH due AS (
            SELECT id FROM webhook_inbox i
             WHERE status = 'pending'
               -- No pause is longer than two hours. A server whose clock was ahead wrote such a time.
               AND (next_attempt_at <= now() OR next_attempt_at > now() + interval '2 hours')
               AND NOT EXISTS (SELECT 1 FROM webhook_batches b
                                WHERE b.status = 'open' AND i.id BETWEEN b.first_id AND b.last_id)
             ORDER BY id LIMIT %s)
        INSERT INTO webhook_batches (first_id, last_id, requested_at)
        SELECT min(id), max(id), %s FROM due HAVING count(*) > 0
        RETURNING id, first_id, last_id, attempt, status, requested_at
        """,
        (size, clock.now()),
    ).fetchone()
    return Batch(*row) if row else None


def batch(conn: Connection, batch_id: int) -> Batch | None:
    """Return one batch, or None."""
    row = conn.execute(
        "SELECT id, first_id, last_id, attempt, status, requested_at FROM webhook_batches WHERE id = %s",
        (batch_id,),
    ).fetchone()
    return Batch(*row) if row else None


def open_batches(conn: Connection) -> list[Batch]:
    """Return the batches that no run has finished, oldest first."""
    rows = conn.execute(
        "SELECT id, first_id, last_id, attempt, status, requested_at FROM webhook_batches"
        " WHERE status = 'open' ORDER BY id"
    ).fetchall()
    return [Batch(*row) for row in rows]


def next_attempt(conn: Connection, batch_id: int) -> int:
    """Count one more launch of an open batch and return its number."""
    row = conn.execute(
        "UPDATE webhook_batches SET attempt = attempt + 1, requested_at = %s WHERE id = %s RETURNING attempt",
        (clock.now(), batch_id),
    ).fetchone()
    return int(row[0]) if row else 0


def close_batch(conn: Connection, batch_id: int, *, dead: bool = False) -> None:
    """Set the status of an open batch to `done`, or to `dead` if no run shall be launched for it again.

    A later batch covers the deliveries that still wait.
    """
    conn.execute(
        "UPDATE webhook_batches SET status = %s, finished_at = now() WHERE id = %s AND status = 'open'",
        ("dead" if dead else "done", batch_id),
    )


def lease(
    conn: Connection, first_id: int, last_id: int, *, rows: int, seconds: float, suspects: bool = False
) -> tuple[UUID, list[Delivery]]:
    """Lease up to `rows` due deliveries, with at most about 4 MB of bodies, for `seconds`.

    Return a token and the deliveries. With `suspects`, only deliveries whose worker was killed are leased.
    The caller leases them one at a time, because one of them may have caused the end of the worker.
    """
    token = uuid4()
    found = conn.execute(
        load("conversations/lease_deliveries"),
        {
            "first_id": first_id,
            "last_id": last_id,
            "rows": rows,
            "seconds": seconds,
            "suspects": suspects,
            "bytes": 4 * 2**20,
            "token": token,
        },
        binary=True,
    ).fetchall()
    return token, sorted((Delivery(*row) for row in found), key=lambda delivery: delivery.id)


def finish_deliveries(conn: Connection, ids: Sequence[int], token: UUID) -> None:
    """Set the status of deliveries to `done`, except those that another worker has leased since."""
    conn.execute(
        "UPDATE webhook_inbox SET status = 'done', processed_at = now(), error = NULL, lease_token = NULL,"
        " lease_until = NULL, crashes = 0, waiting_for = '{}' WHERE id = ANY(%s) AND lease_token = %s",
        (list(ids), token),
    )


def park(conn: Connection, inbox_id: int, token: UUID, accounts: Sequence[str]) -> None:
    """Park a delivery until the accounts that it names are known and active."""
    conn.execute(
        "UPDATE webhook_inbox SET status = 'parked', waiting_for = %s, lease_token = NULL,"
        " lease_until = NULL, processed_at = now(), error = NULL WHERE id = %s AND lease_token = %s",
        (list(accounts), inbox_id, token),
    )


def fail_delivery(conn: Connection, inbox_id: int, token: UUID, error: str, *, max_attempts: int) -> bool:
    """Count a failed attempt and set the time of the next attempt. After `max_attempts`, set it to `dead`.

    Return whether the delivery is now a dead letter.
    """
    row = conn.execute(
        "UPDATE webhook_inbox SET attempts = attempts + 1, error = %s, lease_token = NULL,"
        " lease_until = NULL, status = CASE WHEN attempts + 1 >= %s THEN 'dead' ELSE 'pending' END,"
        f" next_attempt_at = now() + {_BACKOFF} WHERE id = %s AND lease_token = %s RETURNING status",
        (error[:1000], max_attempts, inbox_id, token),
    ).fetchone()
    return row is not None and row[0] == "dead"


def release(conn: Connection, token: UUID) -> None:
    """Release a lease without counting an attempt, because the deliveries did not cause the failure."""
    conn.execute(
        "UPDATE webhook_inbox SET lease_token = NULL, lease_until = NULL"
        " WHERE status = 'pending' AND lease_token = %s",
        (token,),
    )


def unpark(conn: Connection, phone_number_id: str) -> int:
    """Make the deliveries that waited for this account due again. Return their number."""
    row = conn.execute("SELECT unpark_deliveries(%s)", (phone_number_id,)).fetchone()
    return int(row[0]) if row else 0


def replay(
    conn: Connection, *, dead: bool = False, ids: Sequence[int] = (), since: datetime | None = None
) -> int:
    """Make dead letters, deliveries by id, or all deliveries since a time due again. Return their number.

    Processing is idempotent, so replaying stored messages changes nothing. A delivery whose body was deleted
    or that a worker has leased is left out.
    """
    return conn.execute(
        """
        UPDATE webhook_inbox
           SET status = 'pending', attempts = 0, crashes = 0, next_attempt_at = now(), error = NULL
         WHERE body IS NOT NULL AND lease_token IS NULL
           AND ((%s AND status = 'dead') OR id = ANY(%s) OR received_at >= %s)
        """,
        (dead, list(ids), since),
    ).rowcount


def count_deliveries(conn: Connection) -> InboxStatus:
    """Return the number of pending, parked and dead deliveries, and of open batches."""
    row = conn.execute(
        """
        SELECT count(*) FILTER (WHERE status = 'pending'),
               coalesce(extract(epoch FROM now() - min(received_at) FILTER (WHERE status = 'pending')),
                        0)::float8,
               count(*) FILTER (WHERE status = 'pending' AND attempts > 0),
               count(*) FILTER (WHERE status = 'parked'),
               count(*) FILTER (WHERE status = 'dead'),
               (SELECT count(*) FROM webhook_batches WHERE status = 'open')
          FROM webhook_inbox WHERE status IN ('pending', 'parked', 'dead')
        """
    ).fetchone()
    accounts = conn.execute(
        "SELECT DISTINCT unnest(waiting_for) FROM webhook_inbox WHERE status = 'parked' ORDER BY 1"
    ).fetchall()
    pending, oldest, retrying, parked, dead, batches = row or (0, 0.0, 0, 0, 0, 0)
    return InboxStatus(
        pending, max(0.0, oldest), retrying, parked, tuple(name for (name,) in accounts), dead, batches
    )


def dead_letters(conn: Connection, limit: int = 20) -> list[tuple[int, datetime, int, str]]:
    """Return (id, received at, attempts, error) of the latest dead letters. Errors quote no content."""
    return conn.execute(
        "SELECT id, received_at, attempts, coalesce(error, '') FROM webhook_inbox WHERE status = 'dead'"
        " ORDER BY id DESC LIMIT %s",
        (limit,),
    ).fetchall()


def replace_body(conn: Connection, inbox_id: int, body: bytes | None) -> None:
    """Replace the received body by `body`. None leaves it unchanged."""
    if body is not None:
        conn.execute(
            "UPDATE webhook_inbox SET body = %s, redacted_at = now() WHERE id = %s", (body, inbox_id)
        )


def redact(conn: Connection, *, days: int, held_days: int) -> int:
    """Delete raw bodies of processed deliveries `days` after receipt. Return how many were deleted.

    Bodies of dead and parked deliveries are deleted after `held_days`. The stored messages stay.
    """
    return conn.execute(
        """
        UPDATE webhook_inbox SET body = NULL, redacted_at = now()
         WHERE body IS NOT NULL
           AND ((status = 'done' AND received_at < %(now)s - make_interval(days => %(days)s))
             OR (status IN ('dead', 'parked') AND received_at < %(now)s - make_interval(days => %(held)s)))
        """,
        {"now": clock.now(), "days": days, "held": held_days},
    ).rowcount
