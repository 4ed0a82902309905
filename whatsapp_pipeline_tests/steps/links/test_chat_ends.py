"""The lines that a person sees of a chat when they decide: which, from where, and how each is written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.steps.links.chat_ends import ChatEnds, chat_ends
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.steps.links.linking_rows import Session, add_chat

LONG = ("palavra " * 20).strip()  # 159 characters
# Seven messages a minute apart, and a notice between them that nobody wrote.
SAID: tuple[tuple[str | None, str, str | None], ...] = (
    ("from", "text", "bom dia,\n\n  tudo\tbem? "),
    ("to", "text", "tudo"),
    (None, "text", "de quem é?"),
    ("notification", "text", "Mensagens protegidas"),
    ("from", "image", " "),
    ("from", "text", f"{LONG}x"),
    ("to", "text", f"{LONG}xy"),
    ("to", "text", "tchau"),
)
LINES = (
    "2025-01-10 10:00 customer bom dia, tudo bem?",
    "2025-01-10 10:01 staff    tudo",
    "2025-01-10 10:02 notice   de quem é?",
    "2025-01-10 10:04 customer [image]",
    f"2025-01-10 10:05 customer {LONG}x",  # 160 characters are shown, of 161 only 159
    f"2025-01-10 10:06 staff    {LONG}…",
    "2025-01-10 10:07 staff    tchau",
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> ChatArchive:
    root = tmp_path_factory.mktemp("archive")
    lines = ["um  e\tum", f"{LONG}x", f"{LONG}xy", "", "quatro", "cinco", "seis", "sete"]
    (root / "a.txt").write_text("\n".join(lines), encoding="utf-8")
    return ChatArchive(str(root))


@pytest.fixture(scope="module")
def chats(database_url: str) -> Iterator[tuple[Connection, int, int]]:
    """A chat with messages, and one without."""
    with connect(database_url) as conn:
        loaded = add_chat(conn, "Ana", path="a.txt", sessions=(Session(),))
        conn.execute(
            "UPDATE chat_sessions SET started_at = '2025-01-10 10:01', ended_at = '2025-01-10 10:05'"
        )
        for minute, (direction, kind, text) in enumerate(SAID):
            conn.execute(
                "INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type,"
                " message_text, line, body_hash) VALUES (%s, %s, %s, %s, %s, %s, 1, 1)",
                (loaded, minute + 1, datetime(2025, 1, 10, 10, minute), direction, kind, text),
            )
        yield conn, loaded, add_chat(conn, "Bia", path="b.txt")


@pytest.mark.parametrize("count", [None, 2, 3, 4, 9])
def test_messages_are_shown_from_both_ends_each_once(
    chats: tuple[Connection, int, int], archive: ChatArchive, count: int | None
) -> None:
    conn, loaded, _ = chats
    shown = {None: (3, 3), 2: (2, 2), 3: (3, 3), 4: (4, 3), 9: (7, 0)}[count]
    expected = ChatEnds(LINES[: shown[0]], LINES[7 - shown[1] :])
    for source in (archive, None):  # the file does not count where messages are loaded
        ends = (
            chat_ends(conn, source, loaded, "a.txt", 1)
            if count is None
            else chat_ends(conn, source, loaded, "a.txt", 1, count=count)
        )
        assert ends == expected


def test_a_session_shows_its_own_messages(chats: tuple[Connection, int, int], archive: ChatArchive) -> None:
    conn, loaded, _ = chats
    assert chat_ends(conn, archive, loaded, "a.txt", 1, session=1, count=2) == ChatEnds(
        LINES[1:3], LINES[3:5]
    )


def test_a_chat_without_messages_shows_the_lines_of_its_file(
    chats: tuple[Connection, int, int], archive: ChatArchive
) -> None:
    conn, _, pending = chats
    assert chat_ends(conn, archive, pending, "a.txt", 1) == ChatEnds(
        ("um e um", f"{LONG}x", f"{LONG}…"), ("cinco", "seis", "sete")
    )
    assert chat_ends(conn, None, pending, "a.txt", 1) == ChatEnds((), ())
    assert chat_ends(conn, archive, pending, "gone.txt", 1) == ChatEnds((), ())
