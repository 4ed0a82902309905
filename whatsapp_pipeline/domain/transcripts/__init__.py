"""Reading WhatsApp transcripts: every export there is, as one stream of messages.

`read(stream, options)` is the way in. What belongs here: text formats, from bytes to messages. What does not:
opening files and zips, storing messages, judging whose a chat is.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from .block import BlockReader, find_start
from .columns import Totals
from .decoding import TextChunks, lenient
from .model import (
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
from .native import NativeReader
from .native_shapes import find_layout
from .windows import read_many

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
    "read_chunks",
    "read_many",
]


def read(stream: BinaryIO, options: ParseOptions) -> Iterator[Event]:
    """Read one transcript as a stream of events, in memory that does not grow with it.

    For each chat: one ChatStart, its MessageBatches and Findings, one ChatEnd, whose summary's line counts
    add up, over the chats, to the file's lines. There is always at least one chat, be it empty; what is no
    transcript at all is a chat of format "unknown" whose every line is an exception. Never raises for any
    bytes; what the stream raises passes through.
    """
    return _uncollected(read_chunks(TextChunks(stream), options))


def read_chunks(source: TextChunks, options: ParseOptions) -> Iterator[Event]:
    """Find out the format from the first chunk (the block format first: its dates look native) and read."""
    chunks = source.raw()
    head = next(chunks, b"")
    chunks = chain([head], chunks)
    if options.format in ("auto", "block") and find_start(head) is not None:
        yield from BlockReader(options).read(chunks, source)
        return
    layout = find_layout(f"\n{lenient(head)}", options.format) if options.format != "block" else None
    if layout is not None:
        yield from NativeReader(options, layout).read(chunks, source)
        return
    yield from _unread(chunks, source, options)


def _unread(chunks: Iterator[bytes], source: TextChunks, options: ParseOptions) -> Iterator[Event]:
    """What is no transcript: every line an exception."""
    totals = Totals(1, options.default_title, 1, "unknown")
    yield ChatStart(1, options.default_title, 1, "unknown")
    lines, end = 0, b""
    for chunk in chunks:
        source.mend(chunk, lines + 1)  # for what it finds
        lines += chunk.count(b"\n")
        end = chunk[-1:] or end
    lines += end not in (b"\n", b"")
    totals.lines[LineKind.EXCEPTION] = lines
    if lines:
        wanted = "a transcript" if options.format == "auto" else f"of the {options.format} format"
        yield totals.note(
            Finding(0, "unknown_format", "error", f"the file is not {wanted}: no header was found")
        )
    else:
        yield totals.note(Finding(0, "empty_file", "info", "the file is empty"))
    yield from map(totals.note, source.findings)
    yield ChatEnd(totals.summary(source.encoding))


def _uncollected(events: Iterator[Event]) -> Iterator[Event]:
    """Make each event with the cyclic collector off: a batch is many objects and no cycle."""
    while True:
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            event = next(events, None)
        finally:
            if was_enabled:
                gc.enable()
        if event is None:
            return
        yield event
