"""Reading WhatsApp transcripts: every export there is, as one stream of messages.

`read(stream, options)` is the way in. What belongs here: text formats, from bytes to messages. What does not:
opening files and zips, storing messages, judging whose a chat is.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import BinaryIO

from .block import BlockReader
from .decoding import TextChunks
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
)

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
    "read",
]


def read(stream: BinaryIO, options: ParseOptions) -> Iterator[Event]:
    """Read one transcript as a stream of events, in memory that does not grow with it.

    For each chat: one ChatStart, its MessageBatches and Findings, one ChatEnd, whose summary's line counts add
    up, over the chats, to the file's lines. There is always at least one chat, be it empty; what is no
    transcript at all is a chat of format "unknown" whose every line is an exception. Never raises for any
    bytes; what the stream raises passes through.
    """
    return _uncollected(BlockReader(options).read(TextChunks(stream)))


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
