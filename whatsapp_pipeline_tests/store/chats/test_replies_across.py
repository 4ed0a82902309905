"""Which messages are looked at again when another file of their chat is loaded: those, and no others."""

from __future__ import annotations

import pytest

from whatsapp_pipeline.store.chats.messages import replies_across_files
from whatsapp_pipeline.store.connection import Connection

# Chat a lies in two files, b in two, c in one.
_FILES = {1: "a", 2: "a", 3: "b", 4: "b", 5: "c"}
# Message → its file, whether it replies to something, and the message that was found for it.
_MESSAGES: dict[int, tuple[int, bool, int | None]] = {
    10: (1, False, None),
    11: (1, True, None),  # open
    12: (1, True, 10),  # found in its own file
    13: (2, True, 10),  # found in another file
    14: (2, True, None),  # open
    20: (3, False, None),
    21: (3, True, None),
    22: (4, True, 20),
    30: (5, False, None),
    31: (5, True, None),  # open, and its chat has no other file
    32: (5, True, 30),
}


@pytest.fixture
def filled(conn: Connection) -> Connection:
    conn.execute("TRUNCATE chat_files RESTART IDENTITY CASCADE")
    for file, key in _FILES.items():
        conn.execute(
            "INSERT INTO chat_files (id, filename, file_path, month, chat_key)"
            " OVERRIDING SYSTEM VALUE VALUES (%s, 'f', %s, '2025-01', %s)",
            (file, f"f{file}", key),
        )
    for message, (file, replies, found) in _MESSAGES.items():
        conn.execute(
            "INSERT INTO chat_messages (id, id_chat_file, ordinal, message_timestamp, direction, type,"
            " message_text, reply_timestamp, reply_to_id, line, body_hash)"
            " OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, '2025-01-01', 'from', 'text', 'x', %s, %s, 1, 1)",
            (message, file, message, "2025-01-01" if replies else None, found),
        )
    return conn


@pytest.mark.parametrize(
    ("keys", "shared", "ids"),
    [
        ([], [], []),
        (["a"], [], [11, 14]),
        (["b"], [], [21]),
        (["c"], [], []),
        (["a", "b", "c"], [], [11, 14, 21]),
        ([], ["a"], [13]),
        ([], ["b"], [22]),
        ([], ["c"], []),
        (["a"], ["a"], [11, 13, 14]),
        (["b"], ["a"], [13, 21]),
    ],
)
def test_open_replies_and_those_across_files(
    filled: Connection, keys: list[str], shared: list[str], ids: list[int]
) -> None:
    assert sorted(replies_across_files(filled, keys, shared)) == ids
