"""Reading WhatsApp transcripts: exports of every format become one stream of messages.

Call `read_many(sources)` for many files, and `read(stream, options)` for one. What belongs here: text
formats, from bytes to messages. What does not: opening files and zips, storing messages, linking chats to
customers.

    bytes ─► decoding (UTF-8) ─► windows: chunks of many files
                                    ├─ block/   BlockReader ───┐ parts: lines with complete headers
                                    ├─ native/  NativeReader ──┤
                                    └─ unread   UnreadReader ──┴─► rows ─► columns: messages, replies, totals
                                                                            └─► Window: frame, events of chats

Glossary:
    source      a transcript to read, and its options
    window      the text that is read together: many small sources, or a piece of a large one
    chunk       some bytes of one source
    part        the lines of one source that a format reads together in one window
    block       a message of the block format: separator, label, header, body
    run         neighbouring blocks of one chat
    header      the line of a message with its time and sender
    body        the text of a message, with quotes, attachments and notices still in it
    row         a message before replies and identities are known (ROW_SCHEMA)
    finding     a report about lines that were read with a doubt, or that could not be assigned
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

    Each chat yields one ChatStart, its MessageBatches and Findings, and one ChatEnd. The line counts of all
    chats add up to the lines of the file. There is always at least one chat, which may be empty. A file that
    is no transcript is a chat of format "unknown", and each of its lines is an exception. No content makes
    this function raise an error; errors of the stream are raised. `read_many` reads many small files much
    faster.
    """
    for window in read_many([Source(stream, options)], identities=identities, window_bytes=window_bytes):
        yield from _events(window)
        for _, error in window.failed:
            raise error


def _events(window: Window) -> Iterator[Event]:
    """Return the events of a window of one transcript, chat by chat."""
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
