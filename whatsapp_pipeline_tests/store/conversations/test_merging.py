"""Conversations that turn out to be with one person: what the oldest of them takes over, and its new name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from whatsapp_pipeline.domain.conversations import Renaming, wa_identity
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.conversations.conversations import note_renamings, resolve_conversations
from whatsapp_pipeline_tests.webhook.deliveries import RECEIVED, one, rows

ACCOUNT = "acc-1"
FIRST, SECOND, THIRD = "5541999990001", "5541999990002", "5541999990003"
BESIDE = "5541999990009"  # a conversation with another person
LINK = "id_contato, match_status, match_method, match_confidence, match_flags"


@pytest.fixture(scope="module")
def shared(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as conn:
        for contact in (1, 2, 3, 9):
            conn.execute("INSERT INTO contatos (id, nome) VALUES (%s, 'x')", (contact,))
        yield conn


@pytest.fixture
def db(shared: Connection) -> Iterator[Connection]:
    """Four conversations, one for each number; the test's changes are taken back."""
    with shared.transaction(force_rollback=True):
        for number in (FIRST, SECOND, THIRD, BESIDE):
            join(shared, number)
        shared.execute("UPDATE conversations SET sessions_due = false, updated_at = '2020-01-01'")
        yield shared


def join(conn: Connection, *numbers: str) -> int:
    """Resolve one person who has all these numbers or user ids; return the conversation."""
    (found,), _ = resolve_conversations(conn, [(ACCOUNT, tuple(map(wa_identity, numbers)))], {})
    return found


def conversation_of(conn: Connection, name: str) -> int:
    return int(one(conn, "SELECT conversation_id FROM conversation_identities WHERE value = %s", name))


def change(conn: Connection, name: str, changes: str) -> None:
    conn.execute(f"UPDATE conversations SET {changes} WHERE id = {conversation_of(conn, name)}".encode())


def test_messages_and_names_move_to_the_oldest_conversation(db: Connection) -> None:
    ids = [conversation_of(db, name) for name in (FIRST, SECOND, THIRD, BESIDE)]
    for number, conversation in enumerate(ids):
        db.execute(
            "INSERT INTO conversation_messages (conversation_id, role, text, origin, phone_number_id,"
            " message_key, sent_at) VALUES (%s, 'user', 'x', 'message', %s, %s, now())",
            (conversation, ACCOUNT, f"w{number}"),
        )
    db.execute("UPDATE conversations SET sessions_due = false")
    assert join(db, THIRD, FIRST, SECOND) == ids[0]
    assert rows(db, "SELECT id, sessions_due, updated_at = now() FROM conversations ORDER BY id") == [
        (ids[0], True, True),
        (ids[3], False, False),
    ]
    assert rows(
        db, "SELECT message_key, conversation_id FROM conversation_messages ORDER BY message_key"
    ) == [("w0", ids[0]), ("w1", ids[0]), ("w2", ids[0]), ("w3", ids[3])]
    assert rows(db, "SELECT value, conversation_id FROM conversation_identities ORDER BY value") == [
        (FIRST, ids[0]),
        (SECOND, ids[0]),
        (THIRD, ids[0]),
        (BESIDE, ids[3]),
    ]


# Who wrote last and what the profiles say: (day of the last message, profile's name, day of the name).
@pytest.mark.parametrize(
    ("first", "second", "third", "expected"),
    [
        (("03", "Ana", "03"), ("02", "Bia", "02"), ("01", "Eva", "01"), ("03", "Ana", "03")),
        (("01", "Ana", "01"), ("03", "Bia", "02"), ("02", "Eva", "03"), ("03", "Eva", "03")),
        (("01", "Ana", "01"), ("02", "Bia", "02"), ("03", None, None), ("03", "Bia", "02")),
        ((None, None, None), ("01", "Bia", "01"), (None, None, None), ("01", "Bia", "01")),
        (("01", "Ana", "02"), ("01", "Eva", "02"), ("01", "Bia", "02"), ("01", "Eva", "02")),
        ((None, None, None), (None, None, None), (None, None, None), (None, None, None)),
    ],
)
def test_the_latest_time_and_the_latest_profile_name_stay(
    db: Connection, first: Any, second: Any, third: Any, expected: Any
) -> None:
    for name, (last, profile, at) in ((FIRST, first), (SECOND, second), (THIRD, third)):
        db.execute(
            "UPDATE conversations SET last_message_at = %s, profile_name = %s, profile_name_at = %s"
            " WHERE id = %s",
            (last and f"2026-01-{last}", profile, at and f"2026-01-{at}", conversation_of(db, name)),
        )
    change(db, BESIDE, "last_message_at = '2026-01-30', profile_name = 'Zoe', profile_name_at = '2026-01-30'")
    kept = join(db, FIRST, SECOND, THIRD)
    columns = "to_char(last_message_at, 'DD'), profile_name, to_char(profile_name_at, 'DD')"
    assert one(db, f"SELECT {columns} FROM conversations WHERE id = %s", kept) == expected


LINKED = "id_contato = 1, match_status = 'linked', match_method = 'exact_phone', match_confidence = 0.99"
BY_HAND = "match_status = 'manual', match_method = NULL, match_confidence = NULL, match_flags = '{}'"
DECIDED = "match_status = 'manual', match_method = 'override', match_confidence = 1, match_flags = '{seen}'"


@pytest.mark.parametrize(
    ("first", "second", "third", "expected"),
    [
        # Without a person's choice, the link of the oldest stays, until linking decides again.
        (LINKED, "id_contato = 3, match_status = 'linked'", "", (1, "linked", "exact_phone", 0.99, [])),
        # A person's choice is copied whole: its method is not that of the link which it replaces.
        (LINKED, f"id_contato = 2, {BY_HAND}", "", (2, "manual", None, None, [])),
        (LINKED, f"id_contato = 2, {DECIDED}", "", (2, "manual", "override", 1.0, ["seen"])),
        (LINKED, f"id_contato = NULL, {BY_HAND}", "", (None, "manual", None, None, [])),
        (
            "",
            "id_contato = 3, match_status = 'linked'",
            f"id_contato = 2, {BY_HAND}",
            (2, "manual", None, None, []),
        ),
        # Of several choices, that of the oldest conversation counts.
        (f"id_contato = 1, {BY_HAND}", f"id_contato = 2, {BY_HAND}", "", (1, "manual", None, None, [])),
        (LINKED, f"id_contato = 3, {BY_HAND}", f"id_contato = 2, {BY_HAND}", (3, "manual", None, None, [])),
        (LINKED, f"id_contato = 2, {BY_HAND}", f"id_contato = 3, {BY_HAND}", (2, "manual", None, None, [])),
    ],
)
def test_the_contact_that_a_person_chose_stays(
    db: Connection, first: str, second: str, third: str, expected: tuple[Any, ...]
) -> None:
    for name, changes in ((FIRST, first), (SECOND, second), (THIRD, third)):
        if changes:
            change(db, name, changes)
    change(db, BESIDE, f"id_contato = 9, {BY_HAND}")
    kept = join(db, FIRST, SECOND, THIRD)
    assert one(db, f"SELECT {LINK} FROM conversations WHERE id = %s", kept) == expected
    beside = conversation_of(db, BESIDE)
    assert one(db, f"SELECT {LINK} FROM conversations WHERE id = %s", beside) == (9, "manual", None, None, [])


def test_the_first_lead_of_the_person_stays(db: Connection) -> None:
    for number, name in enumerate((THIRD, FIRST, SECOND, BESIDE)):
        db.execute(
            "INSERT INTO leads (phone_number_id, canonical, wa_id, first_message_at) VALUES (%s, %s, %s, %s)",
            (ACCOUNT, wa_identity(name).canonical, name, f"2026-01-0{number + 1}"),
        )
    join(db, FIRST, SECOND, THIRD)
    assert rows(db, "SELECT wa_id FROM leads ORDER BY wa_id") == [(THIRD,), (BESIDE,)]


# A name of a person: value, canonical identity, kind, and the days of January when it was taken and given up.
Name = tuple[str, str, str, int | None, int | None]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(
            [("BR.1", "id:BR.1", "user_id", None, None), (FIRST, "wa:1", "wa_id", None, None)],
            FIRST,
            id="a phone before a user id",
        ),
        pytest.param(
            [("BR.1", "id:BR.1", "user_id", 9, None), (FIRST, "wa:1", "wa_id", None, None)],
            FIRST,
            id="a phone before a newer user id",
        ),
        pytest.param(
            [(FIRST, "wa:1", "wa_id", None, 2), ("BR.1", "id:BR.1", "user_id", None, None)],
            "BR.1",
            id="a user id before a phone that was given up",
        ),
        pytest.param(
            [(FIRST, "wa:1", "wa_id", None, 2), (SECOND, "wa:2", "wa_id", 2, None)],
            SECOND,
            id="the new number",
        ),
        pytest.param(
            [(FIRST, "wa:1", "wa_id", 3, 2), (SECOND, "wa:2", "wa_id", 2, 3)],
            FIRST,
            id="a number that was taken again",
        ),
        pytest.param(
            [(FIRST, "wa:1", "wa_id", 2, 2), (SECOND, "wa:2", "wa_id", 1, 3)],
            FIRST,
            id="given up and taken at the same time",
        ),
        pytest.param(
            [(FIRST, "wa:1", "wa_id", 2, None), (SECOND, "wa:2", "wa_id", 3, None)], SECOND, id="the newest"
        ),
        pytest.param(
            [(FIRST, "wa:1", "wa_id", None, None), (SECOND, "wa:2", "wa_id", 1, None)],
            SECOND,
            id="a number with a notice before one without",
        ),
        pytest.param(
            [("554199990001", "wa:1", "wa_id", None, None), (FIRST, "wa:1", "wa_id", None, None)],
            FIRST,
            id="the longer variant",
        ),
        pytest.param(
            [
                ("554199990001", "wa:1", "wa_id", 5, None),
                (FIRST, "wa:1", "wa_id", 1, None),
                (SECOND, "wa:2", "wa_id", 4, None),
            ],
            FIRST,
            id="the newest notice counts for all variants",
        ),
        pytest.param(
            [
                ("554199990001", "wa:1", "wa_id", None, 4),
                (FIRST, "wa:1", "wa_id", 3, 2),
                (SECOND, "wa:2", "wa_id", None, None),
            ],
            SECOND,
            id="a variant that was given up takes the others along",
        ),
        pytest.param(
            [(SECOND, "wa:2", "wa_id", None, None), (FIRST, "wa:1", "wa_id", None, None)],
            FIRST,
            id="the same for either order",
        ),
    ],
)
@pytest.mark.parametrize("step", [1, -1])
def test_the_best_name_is_that_of_the_conversation(
    shared: Connection, names: Sequence[Name], expected: str, step: int
) -> None:
    with shared.transaction(force_rollback=True):
        ids = [
            row_id
            for external_id in ("merged", "beside")
            for (row_id,) in rows(
                shared,
                "INSERT INTO conversations (phone_number_id, external_id, updated_at, sessions_due)"
                " VALUES ('acc-2', %s, '2020-01-01', false) RETURNING id",
                external_id,
            )
        ]
        of_others: list[Name] = [("5541999990099", "wa:99", "wa_id", 30, None)]
        for conversation, those in zip(ids, (names[::step], of_others), strict=True):
            for value, canonical, kind, adopted, replaced in those:
                shared.execute(
                    "INSERT INTO conversation_identities (phone_number_id, value, canonical, kind,"
                    " adopted_at, replaced_at, conversation_id) VALUES ('acc-2', %s, %s, %s, %s, %s, %s)",
                    (
                        value,
                        canonical,
                        kind,
                        adopted and f"2026-01-{adopted:02}",
                        replaced and f"2026-01-{replaced:02}",
                        conversation,
                    ),
                )
        note_renamings(shared, [(ids[0], "acc-2", RECEIVED, Renaming((), ()))])
        found = rows(
            shared,
            "SELECT external_id, sessions_due, updated_at = now() FROM conversations"
            " WHERE id = ANY (%s) ORDER BY id",
            ids,
        )
        assert found == [(expected, True, True), ("beside", False, False)]
