"""The first and last lines of a chat or session, which help a person to decide.

What belongs here: choosing the source of the lines. What does not: the two sources (store/links/review.py and
steps/chats/file_lines.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.steps.chats.file_lines import first_and_last_lines
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links.review import MessageLine, ends_of_chat

_SIDES = {"from": "customer", "to": "staff"}
_MAX_CHARS = 160


@dataclass(frozen=True, slots=True)
class ChatEnds:
    """The first and the last messages, each as one line of text."""

    first: tuple[str, ...]
    last: tuple[str, ...]


def chat_ends(
    conn: Connection,
    archive: ChatArchive | None,
    chat: int,
    path: str,
    chat_number: int,
    *,
    session: int | None = None,
    count: int = 3,
) -> ChatEnds:
    """Return the first and last `count` lines of a chat or session.

    They come from the loaded messages or, if none is loaded, from the file.
    """
    first, last = ends_of_chat(conn, chat, session, count=count)
    if first or archive is None:
        return lines_of(first, last)
    head, tail = first_and_last_lines(archive, path, chat_number, count=count)
    return ChatEnds(tuple(map(_shortened, head)), tuple(map(_shortened, tail)))


def lines_of(first: Iterable[MessageLine], last: Iterable[MessageLine]) -> ChatEnds:
    """Return messages as lines of text."""
    return ChatEnds(tuple(map(_line, first)), tuple(map(_line, last)))


def _line(message: MessageLine) -> str:
    side = _SIDES.get(message.direction or "", "notice")
    return f"{message.at:%Y-%m-%d %H:%M} {side:<8} {_shortened(message.text)}"


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_CHARS else line[: _MAX_CHARS - 1] + "…"
