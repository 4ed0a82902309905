"""Questions to the assistant: which messages become one, what settles it, and when it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from whatsapp_pipeline import clock
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.conversations import assistant as store
from whatsapp_pipeline_tests.webhook.deliveries import one, rows

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    """The module's database in a transaction that is taken back: two conversations and a group."""
    with connect(database_url) as conn, conn.transaction(force_rollback=True), clock.set_to(NOW):
        conn.execute(
            "INSERT INTO conversations (id, external_id, phone_number_id, is_group) OVERRIDING SYSTEM VALUE"
            " VALUES (1, 'a', 'acc', false), (2, 'b', 'acc', false), (3, 'g', 'acc', true)"
        )
        conn.execute("SELECT setval(pg_get_serial_sequence('conversation_messages', 'id'), 1000)")
        yield conn


def say(
    conn: Connection, id_: int, *, minutes: float = 0, conversation: int = 1, type_: str = "text", **more: Any
) -> int:
    """Store a message of the user, that many minutes from now."""
    values: dict[str, Any] = {
        "role": "user",
        "text": f"m{id_}",
        "origin": "message",
        "message_key": f"w{id_}",
        "inbox_id": id_,
        "position": 0,
        **more,
    }
    columns = ", ".join(values)
    conn.execute(
        "INSERT INTO conversation_messages (id, conversation_id, phone_number_id, sent_at, type,"
        f" {columns}) OVERRIDING SYSTEM VALUE"
        f" VALUES (%s, %s, 'acc', %s, %s{', %s' * len(values)})".encode(),
        (id_, conversation, NOW + timedelta(minutes=minutes), type_, *values.values()),
    )
    return id_


def asked(conn: Connection) -> list[int]:
    return [id_ for (id_,) in rows(conn, "SELECT trigger_id FROM assistant_replies ORDER BY 1")]


def question(conn: Connection, id_: int, state: str = "pending", **more: Any) -> None:
    columns = "".join(f", {name}" for name in more)
    values = ", %s" * len(more)
    conn.execute(
        f"INSERT INTO assistant_replies (trigger_id, state{columns}) VALUES (%s, %s{values})".encode(),
        (id_, state, *more.values()),
    )


MESSAGES: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"type_": "image"}, True),
    ({"type_": "interactive"}, True),
    ({"type_": "reaction"}, False),
    ({"type_": "system"}, False),
    ({"type_": "edit"}, False),
    ({"type_": "revoke"}, False),
    ({"type_": "unsupported"}, False),
    ({"type_": "unknown"}, False),
    ({"type_": "media_placeholder"}, False),
    ({"role": "assistant"}, False),
    ({"role": "system"}, False),
    ({"origin": "echo"}, False),
    ({"origin": "history"}, False),
    ({"conversation": 3}, False),  # a group
    ({"minutes": -24 * 60 + 1}, True),
    ({"minutes": -24 * 60}, False),
    ({"minutes": 60}, True),  # a clock that is ahead
]


@pytest.mark.parametrize(("message", "is_asked"), MESSAGES)
def test_a_new_message_of_a_user_is_a_question(
    conn: Connection, message: dict[str, Any], is_asked: bool
) -> None:
    say(conn, 1, **message)
    say(conn, 2, conversation=2)  # not one of the new ones
    store.add_questions(conn, [1])
    assert asked(conn) == [1] * is_asked
    store.add_questions(conn, [1])
    assert asked(conn) == [1] * is_asked


@pytest.mark.parametrize(
    ("state", "edit", "is_asked"),
    [
        ("answered", {}, True),
        ("failed", {}, True),
        ("pending", {}, False),  # it is asked with the new words
        (None, {}, False),
        ("answered", {"new_text": None}, False),
        ("answered", {"reply_to_provider_id": "w9"}, False),
        ("answered", {"conversation": 2}, False),
    ],
)
def test_an_edit_is_asked_about_where_the_message_no_longer_waits(
    conn: Connection, state: str | None, edit: dict[str, Any], is_asked: bool
) -> None:
    say(conn, 1, minutes=-9)
    if state:
        question(conn, 1, state)
    say(conn, 2, **{"type_": "edit", "new_text": "x", "reply_to_provider_id": "w1", **edit})
    store.add_questions(conn, [2])
    assert (2 in asked(conn)) is is_asked


def test_an_edit_is_not_asked_about_beside_a_question_that_waits(conn: Connection) -> None:
    for id_ in (1, 2):
        say(conn, id_, minutes=-9 + id_)
    question(conn, 1, "answered")
    question(conn, 2)
    say(conn, 3, type_="edit", new_text="x", reply_to_provider_id="w1")
    store.add_questions(conn, [3])
    assert asked(conn) == [1, 2]
    conn.execute("UPDATE conversation_messages SET type = 'edit' WHERE id = 2")  # an edit that waits is none
    store.add_questions(conn, [3])
    assert asked(conn) == [1, 2, 3]


def test_a_question_that_comes_in_a_pause_waits_as_long(conn: Connection) -> None:
    for id_ in (1, 2, 3):
        say(conn, id_, conversation=1 + id_ % 2)
    question(conn, 1)
    store.postpone_all(conn, "429", seconds=300)
    question(conn, 2, "failed", paused_until=NOW + timedelta(days=900))
    store.add_questions(conn, [3])
    assert rows(
        conn,
        "SELECT trigger_id, reason, round(extract(epoch FROM next_attempt_at - now())),"
        " round(extract(epoch FROM paused_until - now())) FROM assistant_replies WHERE state = 'pending'"
        " ORDER BY 1",
    ) == [(1, "429", 300, 300), (3, None, 300, 300)]
    store.postpone_all(conn, "again", seconds=10)  # it never makes a question due earlier
    pause = "SELECT round(extract(epoch FROM next_attempt_at - now())) FROM assistant_replies"
    assert one(conn, f"{pause} WHERE trigger_id = 1") == 300


# What came to a question that waits, and how it is settled: no longer (None), the state, the reason.
SETTLED: dict[str, tuple[list[dict[str, Any]], tuple[str, str] | None]] = {
    "nothing": ([], None),
    "a later message": ([{"minutes": 1}], ("superseded", "the user wrote again")),
    "an earlier message": ([{"minutes": -1}], None),
    "the same time, received later": ([{"inbox_id": 9}], ("superseded", "the user wrote again")),
    "the same time, received before": ([{"inbox_id": 0}], None),
    "the same delivery, a later place": (
        [{"inbox_id": 1, "position": 1}],
        ("superseded", "the user wrote again"),
    ),
    "another conversation": ([{"minutes": 1, "conversation": 2}], None),
    "a later one that was taken back": ([{"minutes": 1, "revoked_at": NOW}], None),
    "a later one of the history": ([{"minutes": 1, "origin": "history"}], None),
    "a reaction": ([{"minutes": 1, "type_": "reaction"}], None),
    "an edit of another": ([{"minutes": 1, "type_": "edit", "reply_to_provider_id": "w7"}], None),
    "a system message": ([{"minutes": 1, "role": "system"}], None),
    "staff": ([{"minutes": 1, "role": "assistant", "origin": "echo"}], ("superseded", "staff has answered")),
    "staff, taken back": ([{"minutes": 1, "role": "assistant", "origin": "echo", "revoked_at": NOW}], None),
    "staff, a reaction": ([{"minutes": 1, "role": "assistant", "origin": "echo", "type_": "reaction"}], None),
    "staff, before": ([{"minutes": -1, "role": "assistant", "origin": "echo"}], None),
    "the assistant itself": ([{"minutes": 1, "role": "assistant", "origin": "assistant"}], None),
    "staff and the user": (
        [{"minutes": 1, "role": "assistant", "origin": "echo"}, {"minutes": 2}],
        ("superseded", "staff has answered"),
    ),
}


@pytest.mark.parametrize("case", SETTLED.values(), ids=SETTLED)
def test_what_comes_after_a_question_settles_it(
    conn: Connection, case: tuple[list[dict[str, Any]], tuple[str, str] | None]
) -> None:
    messages, expected = case
    say(conn, 1)
    question(conn, 1, lease_until=NOW)
    for id_, message in enumerate(messages, 2):
        say(conn, id_, **{"inbox_id": id_, **message})
    held = store.Question(1, 1, None, 0)
    assert store.was_edited(conn, held) is False
    with conn.transaction(force_rollback=True):
        assert store.store_reply(conn, held, " Olá ") is (expected is None)
    with conn.transaction(force_rollback=True):  # staff looks at it again
        conn.execute("UPDATE assistant_replies SET state = 'failed'")
        assert store.retry_failed(conn) == (expected is None)
    assert store.settle_needless(conn) == ((0, 0) if expected is None else (1, 0))
    found = one(conn, "SELECT state, reason, lease_until IS NULL FROM assistant_replies")
    assert found == (("pending", None, False) if expected is None else (*expected, True))


@pytest.mark.parametrize(
    ("columns", "expected", "reason"),
    [
        ("sent_at = sent_at", (0, 0), "old"),
        ("revoked_at = sent_at", (1, 0), "the user took the message back"),
        ("sent_at = sent_at - interval '24 hours'", (0, 1), "old"),
        ("sent_at = sent_at - interval '24 hours', revoked_at = sent_at", (0, 1), "old"),
        ("sent_at = sent_at - interval '23 hours 59 minutes'", (0, 0), "old"),
    ],
)
def test_a_question_ends_after_a_day_or_when_it_is_taken_back(
    conn: Connection, columns: str, expected: tuple[int, int], reason: str
) -> None:
    say(conn, 1)
    question(conn, 1, reason="old")
    say(conn, 2, conversation=2)
    question(conn, 2, "answered")
    conn.execute(f"UPDATE conversation_messages SET {columns}".encode())
    with conn.transaction(force_rollback=True):
        assert store.retry_failed(conn) == (expected == (0, 0))
    assert store.settle_needless(conn) == expected
    assert rows(conn, "SELECT reason FROM assistant_replies ORDER BY trigger_id") == [(reason,), (None,)]


def test_a_newer_edit_takes_the_place_of_an_edit(conn: Connection) -> None:
    say(conn, 1, minutes=-9)
    edit: dict[str, Any] = {"type_": "edit", "new_text": "x", "reply_to_provider_id": "w1"}
    say(conn, 2, minutes=-5, **edit)
    question(conn, 2)
    assert store.settle_needless(conn) == (0, 0)
    say(conn, 3, minutes=-4, **{**edit, "reply_to_provider_id": "w7"})
    assert store.settle_needless(conn) == (0, 0)
    say(conn, 4, minutes=-3, **edit)
    assert store.settle_needless(conn) == (1, 0)


@pytest.mark.parametrize(
    ("columns", "is_claimed"),
    [
        ("state = 'pending'", True),
        ("state = 'answered'", False),
        ("next_attempt_at = now() + interval '1 second'", False),
        ("lease_until = now() + interval '1 second'", False),
        ("lease_until = now() - interval '1 second'", True),
    ],
)
def test_a_due_question_is_claimed_by_one(conn: Connection, columns: str, is_claimed: bool) -> None:
    say(conn, 1)
    question(conn, 1, attempts=2)
    conn.execute(f"UPDATE assistant_replies SET {columns}".encode())
    assert store.claim(conn, seconds=60) == (store.Question(1, 1, None, 2) if is_claimed else None)
    assert store.claim(conn, seconds=60) is None


def test_the_question_that_is_due_longest_comes_first(conn: Connection) -> None:
    for id_ in (1, 2, 3):
        say(conn, id_, edited_at=NOW if id_ == 2 else None)
        question(conn, id_)
    conn.execute(
        "UPDATE assistant_replies SET next_attempt_at = now() - interval '1 hour' WHERE trigger_id > 1"
    )
    found = [store.claim(conn, seconds=90) for _ in range(3)]
    assert [(q.trigger_id, q.edited_at) for q in found if q] == [(2, NOW), (3, None), (1, None)]
    assert (
        one(conn, "SELECT DISTINCT round(extract(epoch FROM lease_until - now())) FROM assistant_replies")
        == 90
    )


def test_only_a_question_that_waits_is_settled_or_asked_later(conn: Connection) -> None:
    for id_ in (1, 2):
        say(conn, id_, conversation=id_)
    question(conn, 1, attempts=1, lease_until=NOW)
    question(conn, 2, "answered", lease_until=NOW)
    for id_ in (1, 2):
        store.ask_later(conn, id_, "503", seconds=60, counts=True)
        store.ask_later(conn, id_, "429", seconds=30, counts=False)
    found = (
        "SELECT state, attempts, reason, lease_until IS NULL,"
        " round(extract(epoch FROM next_attempt_at - now())) FROM assistant_replies ORDER BY trigger_id"
    )
    assert rows(conn, found) == [("pending", 2, "429", True, 30), ("answered", 0, None, False, 0)]
    for id_ in (1, 2):
        store.store_outcome(conn, id_, "failed", "why")
    assert [row[:4] for row in rows(conn, found)] == [
        ("failed", 2, "why", True),
        ("answered", 0, None, False),
    ]
    assert store.retry_failed(conn) == 1
    assert rows(conn, found)[0] == ("pending", 0, "why", True, 0)


def test_a_reply_is_stored_once_and_is_about_the_words_that_were_asked(conn: Connection) -> None:
    say(conn, 1)
    question(conn, 1)
    held = store.Question(1, 1, None, 0)
    with conn.transaction(force_rollback=True):
        conn.execute("UPDATE conversation_messages SET edited_at = %s", (NOW,))
        assert not store.store_reply(conn, held, "x")
        assert store.was_edited(conn, held)
        assert not store.was_edited(conn, store.Question(1, 1, NOW, 0))
        conn.execute("UPDATE conversation_messages SET revoked_at = %s", (NOW,))
        assert not store.was_edited(conn, held)
    with conn.transaction(force_rollback=True):
        conn.execute("UPDATE conversation_messages SET edited_at = %s", (NOW,))
        conn.execute("UPDATE assistant_replies SET state = 'failed'")
        assert not store.was_edited(conn, held)
    with conn.transaction(force_rollback=True):
        conn.execute("UPDATE conversation_messages SET revoked_at = %s", (NOW,))
        assert not store.store_reply(conn, held, "x")
    assert store.store_reply(conn, held, "Ol\u0000á")
    assert not store.store_reply(conn, held, "de novo")
    assert not store.store_reply(conn, store.Question(99, 1, None, 0), "x")
    assert rows(
        conn,
        "SELECT conversation_id, role, text, origin, phone_number_id, message_key, in_reply_to"
        " FROM conversation_messages WHERE id <> 1",
    ) == [(1, "assistant", "Ol�á", "assistant", "acc", "reply:1", 1)]
    assert one(conn, "SELECT last_message_at FROM conversations WHERE id = 1") is None


def test_questions_are_counted_and_those_without_a_reply_listed(conn: Connection) -> None:
    assert store.question_status(conn) == store.QuestionStatus(0, 0, 0.0, 0, 0)
    for id_ in range(1, 10):
        say(conn, id_)
    conn.execute("UPDATE conversation_messages SET sent_at = now() - id * interval '1 minute'")
    question(conn, 1)
    question(conn, 2, next_attempt_at=NOW + timedelta(days=9999), reason="503", attempts=2)
    question(conn, 3)
    conn.execute(
        "UPDATE assistant_replies SET lease_until = now() + interval '1 minute' WHERE trigger_id = 3"
    )
    question(conn, 4, "failed", reason="400", attempts=1)
    question(conn, 5, "expired")
    question(conn, 6, "failed")
    question(conn, 7, "expired")
    conn.execute(
        "UPDATE assistant_replies SET updated_at = now() - interval '8 days' WHERE trigger_id IN (6, 7)"
    )
    question(conn, 8, "answered", reason="x")
    question(conn, 9, "superseded", reason="x")
    found = store.question_status(conn)
    assert found == store.QuestionStatus(3, 1, found.oldest_pending_seconds, 1, 1)
    assert found.oldest_pending_seconds == pytest.approx(180, abs=1)
    assert store.failed_questions(conn) == [
        (5, "expired", 0, ""),
        (4, "failed", 1, "400"),
        (2, "pending", 2, "503"),
    ]
    assert [id_ for id_, *_ in store.failed_questions(conn, limit=1)] == [5]
    conn.execute("UPDATE conversation_messages SET sent_at = now() + interval '1 hour'")
    assert store.question_status(conn).oldest_pending_seconds == 0
