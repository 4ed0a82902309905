"""Reading WhatsApp transcripts: every export there is, as one stream of messages.

`read_many(sources)` is the way in, `read(stream, options)` for a single one. What belongs here: text formats,
from bytes to messages. What does not: opening files and zips, storing messages, judging whose a chat is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from whatsapp_pipeline.domain.transcripts.chat_message import (
    ChatEnd,
    ChatStart,
    ChatSummary,
    Event,
    Finding,
    LineKind,
    Message,
    MessageBatch,
    ParseOptions,
    Source,
    Window,
)
from whatsapp_pipeline.domain.transcripts.windows import WINDOW_BYTES, read_many

__all__ = [
    "ChatEnd",
    "ChatStart",
    "ChatSummary",
    "Event",
    "Finding",
    "LineKind",
    "Message",
    "MessageBatch",
    "ParseOptions",
    "Source",
    "Window",
    "read",
    "read_many",
]


def read(
    stream: BinaryIO, options: ParseOptions, *, identities: bool = False, window_bytes: int = WINDOW_BYTES
) -> Iterator[Event]:
    """Read one transcript as a stream of events, in memory that does not grow with it.

    For each chat: one ChatStart, its MessageBatches and Findings, one ChatEnd, whose summary's line counts
    add up, over the chats, to the file's lines. There is always at least one chat, be it empty; what is no
    transcript at all is a chat of format "unknown" whose every line is an exception. Never raises for any
    bytes; what the stream raises passes through. Many small files are read far sooner by `read_many`.
    """
    for window in read_many([Source(stream, options)], identities=identities, window_bytes=window_bytes):
        yield from _events(window)
        for _, error in window.failed:
            raise error


def _events(window: Window) -> Iterator[Event]:
    """What happened in a window of one transcript, chat by chat."""
    starts = {opened.chat: opened.start for opened in window.opened}
    frames = {frame["chat"][0]: frame for frame in window.frame.partition_by("chat", maintain_order=True)}
    findings: dict[int, list[Finding]] = {}
    for chat, finding in window.findings:
        findings.setdefault(chat, []).append(finding)
    ends = dict(window.closed)
    for chat in sorted({*starts, *frames, *findings, *ends}):
        if chat in starts:
            yield starts[chat]
        if chat in frames:
            yield MessageBatch(frames[chat])
        yield from findings.get(chat, ())
        if chat in ends:
            yield ChatEnd(ends[chat])
