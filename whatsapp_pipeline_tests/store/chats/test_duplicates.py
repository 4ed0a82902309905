"""Messages that several files of a chat hold: which of them count, and which refer to another file's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from whatsapp_pipeline.store.chats import duplicates
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.webhook.deliveries import rows

START = datetime(2025, 1, 1, 12, 0)


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as conn, conn.transaction(force_rollback=True):
        yield conn


def add_file(
    conn: Connection, id_: int, messages: str, *, key: str = "k", loaded: bool = True, **more: Any
) -> None:
    """Store a file whose messages are given as `minute` + `text`, as in `0a 1b`; a capital is staff's."""
    said = [(int(word[:-1]), word[-1]) for word in messages.split()]
    times = [START + timedelta(minutes=minute) for minute, _ in said]
    values: dict[str, Any] = {
        "month": "2025-01",
        "file_path": f"{id_}.txt",
        "filename": "f",
        "chat_key": key,
        "loaded_hash": b"l" if loaded else None,
        "first_message_at": times[0] if times else None,
        "last_message_at": times[-1] if times else None,
        **more,
    }
    conn.execute(
        f"INSERT INTO chat_files (id, {', '.join(values)}) OVERRIDING SYSTEM VALUE"
        f" VALUES (%s{', %s' * len(values)})".encode(),
        (id_, *values.values()),
    )
    for ordinal, (minute, text) in enumerate(said, 1):
        conn.execute(
            "INSERT INTO chat_messages (id, id_chat_file, ordinal, message_timestamp, direction, type,"
            " message_text, line, body_hash) OVERRIDING SYSTEM VALUE"
            " VALUES (%s, %s, %s, %s, %s, 'text', %s, 1, %s)",
            (
                id_ * 100 + ordinal,
                id_,
                ordinal,
                START + timedelta(minutes=minute),
                "to" if text.isupper() else "from",
                text,
                ord(text.lower()),
            ),
        )


def marks(conn: Connection) -> dict[int, int]:
    found = rows(conn, "SELECT id, duplicate_of FROM chat_messages WHERE duplicate_of IS NOT NULL")
    return dict(found)


def files(conn: Connection) -> list[tuple[int, int, int | None]]:
    return rows(
        conn,
        "SELECT id, duplicate_count, duplicate_of FROM chat_files"
        " WHERE duplicate_count > 0 OR duplicate_of IS NOT NULL ORDER BY id",
    )


# Two files of a chat, the duplicates among their messages, and the file as a whole.
PAIRS: dict[str, tuple[str, str, dict[int, int], list[tuple[int, int, int | None]]]] = {
    "nothing in common": ("0a 9b", "5c 6d", {}, []),
    "the same": ("0a 1b", "0a 1b", {201: 101, 202: 102}, [(2, 2, 1)]),
    "a part": ("0a 1b", "1b 2c", {201: 102}, [(2, 1, None)]),
    "another time": ("0a 9b", "1a 2c", {}, []),
    "another side": ("0a 9b", "0A 2c", {}, []),
    "another text": ("0a 9b", "0c 2d", {}, []),
    "said twice, twice": ("0a 0a 9b", "0a 0a", {201: 101, 202: 102}, [(2, 2, 1)]),
    "said twice, once": ("0a 9b", "0a 0a", {201: 101}, [(2, 1, None)]),
    "one after the other": ("0a 1b", "2c 3d", {}, []),
    "the end is the beginning": ("0a 1b", "1b 3d", {201: 102}, [(2, 1, None)]),
    "one within the other": ("0a 1b 9c", "1b 2d", {201: 102}, [(2, 1, None)]),
}


@pytest.mark.parametrize("case", PAIRS.values(), ids=PAIRS)
def test_a_message_counts_once_in_the_first_file_that_holds_it(
    conn: Connection, case: tuple[str, str, dict[int, int], list[tuple[int, int, int | None]]]
) -> None:
    first, second, expected, whole = case
    add_file(conn, 1, first)
    add_file(conn, 2, second)
    add_file(conn, 3, second, key="other")  # another chat
    add_file(conn, 4, second, loaded=False)  # not loaded yet
    assert duplicates.mark(conn, ["k", "other"]) == len(expected)
    assert marks(conn) == expected
    assert files(conn) == whole
    assert duplicates.mark(conn, ["k", "other"]) == 0
    assert marks(conn) == expected


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ({"month": "2025-02"}, {"month": "2025-01"}, 2),
        ({"file_path": "b"}, {"file_path": "a"}, 2),
        ({"file_path": "a", "chat_number": 2}, {"file_path": "a", "chat_number": 1}, 2),
        ({"processing_status": "vanished"}, {}, 2),
        ({"processing_status": "vanished", "month": "2024-01"}, {"month": "2025-02"}, 2),
        ({"processing_status": "vanished"}, {"processing_status": "vanished"}, 1),
        ({}, {}, 1),
    ],
)
def test_the_first_file_is_one_that_is_still_there_then_by_month_path_and_number(
    conn: Connection, first: dict[str, Any], second: dict[str, Any], kept: int
) -> None:
    add_file(conn, 1, "0a 1b", **first)
    add_file(conn, 2, "0a 1b", **second)
    duplicates.mark(conn, ["k"])
    other = 3 - kept
    assert marks(conn) == {other * 100 + n: kept * 100 + n for n in (1, 2)}
    assert files(conn) == [(other, 2, kept)]


def test_a_message_of_three_files_refers_to_the_first(conn: Connection) -> None:
    add_file(conn, 1, "0a 1b")
    add_file(conn, 2, "1b 2c 3d")
    add_file(conn, 3, "1b 2c 3d")
    assert duplicates.mark(conn, ["k"]) == 4
    assert marks(conn) == {201: 102, 301: 102, 302: 202, 303: 203}
    assert files(conn) == [(2, 1, None), (3, 3, 2)]  # it is a copy of the file with most of its messages


@pytest.mark.parametrize("is_group", [True, False])
@pytest.mark.parametrize("column", ["sender_phone", "sender_name"])
def test_in_a_group_the_sender_counts(conn: Connection, is_group: bool, column: str) -> None:
    add_file(conn, 1, "0a 1b", is_group=is_group)
    add_file(conn, 2, "0a 1b", is_group=is_group)
    conn.execute(f"UPDATE chat_messages SET {column} = 'Ana' WHERE id = 101".encode())
    conn.execute(f"UPDATE chat_messages SET {column} = 'Bia' WHERE id = 201".encode())
    duplicates.mark(conn, ["k"])
    assert marks(conn) == ({202: 102} if is_group else {201: 101, 202: 102})


def test_a_sender_is_known_by_the_phone_before_the_name(conn: Connection) -> None:
    add_file(conn, 1, "0a", is_group=True)
    add_file(conn, 2, "0a", is_group=True)
    conn.execute("UPDATE chat_messages SET sender_phone = '41', sender_name = 'n' || id")
    duplicates.mark(conn, ["k"])
    assert marks(conn) == {201: 101}


def test_marks_go_with_the_file_that_they_point_at(conn: Connection) -> None:
    add_file(conn, 1, "0a 1b")
    add_file(conn, 2, "0a 1b")
    duplicates.mark(conn, ["k"])
    conn.execute("DELETE FROM chat_files WHERE id = 1")
    conn.execute("UPDATE chat_messages SET duplicate_of = 999 WHERE id = 201")
    assert duplicates.mark(conn, []) == 0
    assert duplicates.mark(conn, ["k"]) == 2
    assert (marks(conn), files(conn)) == ({}, [])


def test_files_that_no_longer_overlap_lose_their_marks(conn: Connection) -> None:
    add_file(conn, 1, "0a 1b")
    add_file(conn, 2, "0a 1b")
    duplicates.mark(conn, ["k"])
    conn.execute(
        "UPDATE chat_files SET first_message_at = '2026-01-01', last_message_at = '2026-01-02' WHERE id = 2"
    )
    written = rows(conn, "SELECT updated_at FROM chat_files WHERE id = 1")
    assert duplicates.mark(conn, ["k"]) == 2
    assert (marks(conn), files(conn)) == ({}, [])
    assert rows(conn, "SELECT updated_at FROM chat_files WHERE id = 1") == written


@pytest.mark.parametrize(
    ("times", "is_shared"),
    [
        ([(0, 5)], False),
        ([(0, 5), (6, 9)], False),
        ([(0, 5), (5, 9)], True),
        ([(0, 5), (2, 3)], True),
        ([(6, 9), (0, 5)], False),
        ([(0, 9), (1, 2), (10, 12)], True),
        ([(0, 9), (10, 12), (11, 13)], True),
        ([(0, 5), (None, None)], False),
        ([(0, 5), (3, None)], False),
    ],
)
def test_files_share_messages_where_their_times_overlap(
    conn: Connection, times: list[tuple[int | None, int | None]], is_shared: bool
) -> None:
    for number, bounds in enumerate(times, 1):
        first, last = (None if at is None else START + timedelta(minutes=at) for at in bounds)
        add_file(conn, number, "", first_message_at=first, last_message_at=last, loaded=number % 2 == 0)
    add_file(conn, 50, "0a", key="x")
    add_file(conn, 51, "0a", key="x")
    assert duplicates.shared_keys(conn, ["k", "none"]) == ["k"] * is_shared
    assert sorted(duplicates.shared_keys(conn, ["k", "x"])) == [*["k"] * is_shared, "x"]
