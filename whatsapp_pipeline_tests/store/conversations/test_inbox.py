"""The inbox of the webhook: which deliveries are due, for whom, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from whatsapp_pipeline import clock
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations import inbox
from whatsapp_pipeline_tests.webhook.deliveries import RECEIVED, one, rows

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _empty(conn: Connection) -> Iterator[None]:
    yield
    conn.execute("TRUNCATE webhook_inbox, webhook_batches RESTART IDENTITY")


def add(conn: Connection, *bodies: bytes) -> None:
    inbox.add_deliveries(conn, [(uuid4(), RECEIVED, body) for body in bodies])


def change(conn: Connection, columns: str, id_: int | None = None) -> None:
    where = "" if id_ is None else f" WHERE id = {id_}"
    conn.execute(f"UPDATE webhook_inbox SET {columns}{where}".encode())


def leased(conn: Connection, *, suspects: bool = False, rows: int = 10, last: int = 10**9) -> list[int]:
    with conn.transaction(force_rollback=True):
        _, found = inbox.lease(conn, 1, last, rows=rows, seconds=60, suspects=suspects)
    return [delivery.id for delivery in found]


def planned(conn: Connection) -> bool:
    with conn.transaction(force_rollback=True):
        return inbox.plan_batch(conn, 10) is not None


TOKEN = "lease_token = gen_random_uuid(), leased_under = now()"
# What a row is, whether a worker takes it, whether one takes it as a suspect, and whether a batch is planned.
DUE = [
    ("status = 'pending'", True, False, True),
    ("status = 'done'", False, False, False),
    ("status = 'parked'", False, False, False),
    ("status = 'dead'", False, False, False),
    # Its next attempt; a time later than any pause was written by a clock that was wrong.
    ("next_attempt_at = now() - interval '1 second'", True, False, True),
    ("next_attempt_at = now() + interval '1 minute'", False, False, False),
    ("next_attempt_at = now() + interval '119 minutes'", False, False, False),
    ("next_attempt_at = now() + interval '121 minutes'", True, False, True),
    # Somebody's lease: in force, ended, and of a wrong clock.
    (f"{TOKEN}, lease_until = now() + interval '1 minute'", False, False, True),
    (f"{TOKEN}, lease_until = now() + interval '119 minutes'", False, False, True),
    (f"{TOKEN}, lease_until = now() - interval '1 second'", False, True, True),
    (f"{TOKEN}, lease_until = now() + interval '121 minutes'", False, True, True),
    ("crashes = 1", False, True, True),
    ("attempts = 3", True, False, True),
]


@pytest.mark.parametrize(("columns", "taken", "taken_as_suspect", "is_planned"), DUE)
def test_who_is_due(
    conn: Connection, columns: str, taken: bool, taken_as_suspect: bool, is_planned: bool
) -> None:
    add(conn, b"a")
    change(conn, columns)
    assert leased(conn) == [1] * taken
    assert leased(conn, suspects=True) == [1] * taken_as_suspect
    assert planned(conn) is is_planned


def test_a_lease_covers_the_oldest_of_a_range_up_to_rows_and_bytes(conn: Connection) -> None:
    add(conn, b"a", b"b", b"c", b"d")
    assert leased(conn) == [1, 2, 3, 4]
    assert leased(conn, rows=2) == [1, 2]
    assert leased(conn, last=3) == [1, 2, 3]
    _, found = inbox.lease(conn, 2, 3, rows=10, seconds=60)
    assert [(d.id, d.body, d.received_at, d.attempts, d.crashes) for d in found] == [
        (2, b"b", RECEIVED, 0, 0),
        (3, b"c", RECEIVED, 0, 0),
    ]
    assert leased(conn) == [1, 4]


def test_four_megabytes_are_one_lease(conn: Connection) -> None:
    add(conn, b"x" * (4 * 2**20 - 1), b"y", b"z")
    assert leased(conn) == [1, 2]  # what begins before four megabytes
    change(conn, "body = body || 'x'", 1)
    assert leased(conn) == [1]
    change(conn, "body = NULL", 1)  # redacted
    assert leased(conn) == [1, 2, 3]


def test_a_lease_notes_who_has_it_and_counts_a_crash_of_the_worker_before(conn: Connection) -> None:
    add(conn, b"a")
    token, found = inbox.lease(conn, 1, 9, rows=1, seconds=90)
    assert found[0].crashes == 0
    assert rows(
        conn,
        "SELECT lease_token, round(extract(epoch FROM lease_until - now()) / 30), leased_under"
        " = pg_postmaster_start_time(), crashes FROM webhook_inbox",
    ) == [(token, 3, True, 0)]
    change(conn, "lease_until = now() - interval '1 second'")
    _, found = inbox.lease(conn, 1, 9, rows=1, seconds=60, suspects=True)
    assert found[0].crashes == 1
    # When the server restarted meanwhile, that was no crash of the worker.
    change(conn, "lease_until = now() - interval '1 second', leased_under = now() - interval '1 year'")
    _, found = inbox.lease(conn, 1, 9, rows=1, seconds=60, suspects=True)
    assert found[0].crashes == 1


def test_only_the_worker_with_the_lease_settles_a_delivery(conn: Connection) -> None:
    add(conn, b"a", b"b", b"c", b"d")
    token, _ = inbox.lease(conn, 1, 9, rows=9, seconds=60)
    change(conn, "error = 'x', crashes = 2, waiting_for = '{y}'")
    before = rows(conn, "SELECT * FROM webhook_inbox ORDER BY id")
    inbox.finish_deliveries(conn, [1], uuid4())
    inbox.park(conn, 2, uuid4(), ["acc"])
    assert not inbox.fail_delivery(conn, 3, uuid4(), "e", max_attempts=1)
    inbox.release(conn, uuid4())
    assert rows(conn, "SELECT * FROM webhook_inbox ORDER BY id") == before
    inbox.finish_deliveries(conn, [1], token)
    inbox.park(conn, 2, token, ["acc", "other"])
    assert inbox.fail_delivery(conn, 3, token, "why" * 400, max_attempts=1)
    inbox.release(conn, token)
    assert rows(
        conn,
        "SELECT status, error, attempts, crashes, waiting_for, lease_token IS NULL AND lease_until IS NULL,"
        " processed_at IS NOT NULL FROM webhook_inbox ORDER BY id",
    ) == [
        ("done", None, 0, 0, [], True, True),
        ("parked", None, 0, 2, ["acc", "other"], True, True),
        ("dead", ("why" * 400)[:1000], 1, 2, ["y"], True, False),
        ("pending", "x", 0, 2, ["y"], True, False),
    ]


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 5), (1, 10), (2, 20), (5, 160), (9, 2560), (10, 3600), (40, 3600)]
)
def test_the_pause_doubles_up_to_an_hour_and_is_spread(conn: Connection, attempts: int, seconds: int) -> None:
    add(conn, *[b"a"] * 60)
    token, _ = inbox.lease(conn, 1, 99, rows=99, seconds=60)
    change(conn, f"attempts = {attempts}")
    with conn.transaction():
        for number in range(1, 61):
            assert not inbox.fail_delivery(conn, number, token, "e", max_attempts=attempts + 2)
        pauses = [
            float(pause)
            for (pause,) in rows(
                conn, "SELECT extract(epoch FROM next_attempt_at - now()) FROM webhook_inbox"
            )
        ]
    assert seconds * 0.5 <= min(pauses) < seconds * 0.75
    assert seconds * 1.25 < max(pauses) <= seconds * 1.5
    change(conn, f"{TOKEN}")
    ((last,),) = rows(conn, "SELECT lease_token FROM webhook_inbox WHERE id = 1")
    assert inbox.fail_delivery(conn, 1, last, "e", max_attempts=attempts + 2)


def test_batches_cover_what_no_open_batch_covers(conn: Connection) -> None:
    add(conn, *[b"a"] * 5)
    with clock.set_to(NOW):
        first = inbox.plan_batch(conn, 2)
        assert first is not None
        assert (first.first_id, first.last_id, first.attempt, first.status) == (1, 2, 1, "open")
        assert first.requested_at == NOW
        second = inbox.plan_batch(conn, 10)
        assert second is not None
        assert (second.first_id, second.last_id) == (3, 5)
        assert inbox.plan_batch(conn, 10) is None
        assert inbox.batch(conn, second.id) == second
        assert inbox.batch(conn, 99) is None
        assert [batch.id for batch in inbox.open_batches(conn)] == [first.id, second.id]
    with clock.set_to(NOW + timedelta(hours=1)):
        assert inbox.next_attempt(conn, second.id) == 2
    assert inbox.next_attempt(conn, 99) == 0
    again = inbox.batch(conn, second.id)
    assert again is not None
    assert (again.attempt, again.requested_at) == (2, NOW + timedelta(hours=1))
    inbox.close_batch(conn, first.id)
    inbox.close_batch(conn, second.id, dead=True)
    inbox.close_batch(conn, second.id)  # it stays what it was closed as
    closed = rows(conn, "SELECT status, finished_at IS NOT NULL FROM webhook_batches ORDER BY id")
    assert closed == [("done", True), ("dead", True)]
    third = inbox.plan_batch(conn, 10)  # nothing was processed, so all is due again
    assert third is not None
    assert (third.first_id, third.last_id) == (1, 5)


def _replayed(conn: Connection, **which: Any) -> list[int]:
    with conn.transaction(force_rollback=True):
        count = inbox.replay(conn, **which)
        found = rows(
            conn, "SELECT id FROM webhook_inbox WHERE status = 'pending' AND attempts = 0 ORDER BY id"
        )
    assert count == len(found)
    return [id_ for (id_,) in found]


def test_a_replay_makes_due_what_is_asked_for_and_has_a_body(conn: Connection) -> None:
    add(conn, *[b"a"] * 6)
    change(conn, "status = 'done', attempts = 2, crashes = 1, error = 'x', next_attempt_at = 'infinity'")
    change(conn, "status = 'dead'", 1)
    change(conn, "status = 'dead', body = NULL", 2)
    change(conn, f"status = 'pending', {TOKEN}", 3)
    change(conn, "received_at = received_at + interval '1 hour'", 4)
    assert _replayed(conn) == []
    assert _replayed(conn, dead=True) == [1]
    assert _replayed(conn, ids=[2, 3, 5]) == [5]
    assert _replayed(conn, since=RECEIVED + timedelta(hours=1)) == [4]
    assert _replayed(conn, since=RECEIVED) == [1, 4, 5, 6]
    assert _replayed(conn, dead=True, ids=[6]) == [1, 6]
    inbox.replay(conn, ids=[5])
    found = "SELECT attempts, crashes, error, next_attempt_at <= now() FROM webhook_inbox WHERE id = 5"
    assert rows(conn, found) == [(0, 0, None, True)]


def test_what_waits_is_counted(conn: Connection) -> None:
    nothing = inbox.InboxStatus(0, 0.0, 0, 0, (), 0, 0)
    assert inbox.count_deliveries(conn) == nothing
    add(conn, *[b"a"] * 8)
    change(conn, "received_at = now() - interval '1 year', status = 'done'")
    change(conn, "status = 'pending', received_at = now() - interval '60 seconds'", 1)
    change(conn, "status = 'pending', received_at = now() - interval '600 seconds', attempts = 1", 2)
    change(conn, "status = 'pending', received_at = now() - interval '10 seconds'", 3)
    change(conn, "status = 'parked', waiting_for = '{b,a}'", 4)
    change(conn, "status = 'parked', waiting_for = '{a}'", 5)
    change(conn, "status = 'dead', attempts = 4, error = 'why'", 6)
    change(conn, "status = 'dead', attempts = 5, error = NULL", 7)
    change(conn, "waiting_for = '{c}'", 8)
    assert inbox.plan_batch(conn, 1) is not None
    found = inbox.count_deliveries(conn)
    assert found.oldest_pending_seconds == pytest.approx(600, abs=60)
    assert found == inbox.InboxStatus(3, found.oldest_pending_seconds, 1, 2, ("a", "b"), 2, 1)
    assert [(id_, attempts, error) for id_, _, attempts, error in inbox.dead_letters(conn)] == [
        (7, 5, ""),
        (6, 4, "why"),
    ]
    assert [row[0] for row in inbox.dead_letters(conn, limit=1)] == [7]
    change(conn, "status = 'pending', received_at = now() + interval '1 hour'")  # a clock that ran ahead
    assert inbox.count_deliveries(conn).oldest_pending_seconds == 0


@pytest.mark.parametrize(
    ("status", "days", "redacted"),
    [
        ("done", 13.9, False),
        ("done", 14.1, True),
        ("pending", 400, False),
        ("dead", 89.9, False),
        ("dead", 90.1, True),
        ("parked", 89.9, False),
        ("parked", 90.1, True),
    ],
)
def test_bodies_are_deleted_after_their_days(
    conn: Connection, status: str, days: float, redacted: bool
) -> None:
    add(conn, b"a")
    with clock.set_to(NOW):
        conn.execute(
            "UPDATE webhook_inbox SET status = %s, received_at = %s", (status, NOW - timedelta(days=days))
        )
        assert inbox.redact(conn, days=14, held_days=90) == redacted
        assert inbox.redact(conn, days=14, held_days=90) == 0
    assert one(conn, "SELECT body IS NULL, redacted_at IS NOT NULL FROM webhook_inbox") == (
        redacted,
        redacted,
    )


def test_a_delivery_is_kept_once(conn: Connection) -> None:
    first, second = uuid4(), uuid4()
    assert inbox.add_deliveries(conn, []) == 0
    assert inbox.add_deliveries(conn, [(first, RECEIVED, b"1"), (second, RECEIVED, b"2")]) == 2
    assert inbox.add_deliveries(conn, [(first, NOW, b"3"), (uuid4(), RECEIVED, b"4")]) == 1
    assert [bytes(body) for (body,) in rows(conn, "SELECT body FROM webhook_inbox ORDER BY id")] == [
        b"1",
        b"2",
        b"4",
    ]
    inbox.replace_body(conn, 1, None)
    inbox.replace_body(conn, 2, b"{}")
    assert rows(
        conn, "SELECT convert_from(body, 'UTF8'), redacted_at IS NULL FROM webhook_inbox ORDER BY id"
    ) == [("1", True), ("{}", False), ("4", True)]


def test_deliveries_are_released_for_the_account_that_they_waited_for(conn: Connection) -> None:
    add(conn, *[b"a"] * 3)
    change(conn, "status = 'parked', waiting_for = '{acc}'", 1)
    change(conn, "status = 'parked', waiting_for = '{other}'", 2)
    assert inbox.unpark(conn, "acc") == 1
    assert [row[0] for row in rows(conn, "SELECT status FROM webhook_inbox ORDER BY id")] == [
        "pending",
        "parked",
        "pending",
    ]
