"""The chats of a reading, and their events in the current window.

What belongs here: numbering chats, their totals, and the journal in which readers note findings. What does
not: rows (`columns.py`) and formats.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

import polars as pl

from whatsapp_pipeline.domain.transcripts.chat_message import (
    ChatStart,
    ChatSummary,
    DateOrder,
    Finding,
    FormatName,
    LineKind,
    OpenedChat,
    Window,
)
from whatsapp_pipeline.domain.transcripts.decoding import TextChunks

_KINDS = tuple(LineKind)


class Totals:
    """The running totals of a chat; `number`, `label`, `line` and `format` come from its start."""

    def __init__(self, number: int, label: str | None, line: int, form: FormatName) -> None:
        self.number, self.label, self.line, self.format = number, label, line, form
        self.date_order: DateOrder | None = None
        # Plain dicts, because each chat has several, and a Counter takes ten times as long to create.
        self.lines: dict[LineKind, int] = defaultdict(int)
        self.count = 0
        self.directions: dict[str | None, int] = defaultdict(int)
        self.types: dict[str, int] = defaultdict(int)
        self.findings: dict[str, int] = defaultdict(int)
        self.phones: dict[str, int] = defaultdict(int)
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.is_group = False

    def span(self, first: datetime, last: datetime) -> None:
        """Extend the time span of the chat by the earliest and the latest time of some messages."""
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)

    def summary(self, encoding: str) -> ChatSummary:
        """Return the totals; `encoding` is the encoding of the file."""
        return ChatSummary(
            number=self.number,
            label=self.label,
            format=self.format,
            date_order=self.date_order,
            encoding=encoding,
            line=self.line,
            lines={kind: self.lines[kind] for kind in _KINDS if self.lines[kind]},
            message_count=self.count,
            by_direction=dict(self.directions),
            by_type=dict(self.types),
            findings=dict(self.findings),
            header_phones=dict(self.phones),
            first_time=self.first,
            last_time=self.last,
            is_group=self.is_group,
        )


class Chat:
    """One chat: its number and its source's number in this reading, totals, and rows of earlier windows."""

    __slots__ = ("comparable", "number", "quotable", "source", "totals")

    def __init__(self, number: int, source: int, totals: Totals) -> None:
        self.number = number
        self.source = source
        self.totals = totals
        self.comparable: pl.DataFrame | None = None
        """Columns of earlier messages that later ones may be identical to (see `columns.py`)."""
        self.quotable: pl.DataFrame | None = None
        """Columns of earlier messages that later ones may quote."""


class Journal:
    """The events of the current window, noted by the readers of all its transcripts."""

    def __init__(self) -> None:
        self._count = 0
        self.chats: dict[int, Chat] = {}
        """Chats that rows of this window may belong to: started in it or in an earlier one."""
        self._opened: list[OpenedChat] = []
        self._findings: list[tuple[int, Finding]] = []
        self._closed: list[tuple[Chat, TextChunks]] = []
        self._failed: list[tuple[int, Exception]] = []

    def open(self, source: int, number: int, label: str | None, line: int, form: FormatName) -> Chat:
        """Start the `number`-th chat (from 1) of a source; its first block begins on `line`."""
        chat = Chat(self._count, source, Totals(number, label, line, form))
        self._count += 1
        self.chats[chat.number] = chat
        self._opened.append(OpenedChat(chat.number, source, ChatStart(number, label, line, form)))
        return chat

    def note(self, chat: Chat, finding: Finding) -> None:
        """Count a finding of the chat and add it to the window."""
        chat.totals.findings[finding.kind] += 1
        self._findings.append((chat.number, finding))

    def close(self, chat: Chat, text: TextChunks) -> None:
        """End a chat; its summary is made at the end of the window, when all its rows are counted."""
        self._closed.append((chat, text))

    def fail(self, source: int, error: Exception) -> None:
        """Note that a source could not be read to its end; its chats are forgotten without being closed."""
        self._failed.append((source, error))
        self.chats = {number: chat for number, chat in self.chats.items() if chat.source != source}

    def window(self, frame: pl.DataFrame) -> Window:
        """End the current window, whose messages are in `frame`, and begin the next."""
        closed = [(chat.number, chat.totals.summary(text.encoding)) for chat, text in self._closed]
        window = Window(self._opened, frame, self._findings, closed, self._failed)
        for chat, _ in self._closed:
            self.chats.pop(chat.number, None)
        self._opened, self._findings, self._closed, self._failed = [], [], [], []
        return window

    def going_on(self) -> Iterator[Chat]:
        """Return the chats of this window that continue in the next."""
        ended = {chat.number for chat, _ in self._closed}
        return (chat for number, chat in self.chats.items() if number not in ended)

    @property
    def is_empty(self) -> bool:
        """Return whether nothing was noted since the last window."""
        return not (self._opened or self._findings or self._closed or self._failed)
