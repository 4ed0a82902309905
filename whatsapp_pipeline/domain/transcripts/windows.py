"""Reading many transcripts at once, a window of a few megabytes after the other. (Interim: by the old readers.)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from .decoding import TextChunks
from .model import (
    MESSAGE_SCHEMA,
    ChatEnd,
    ChatStart,
    ChatSummary,
    Finding,
    MessageBatch,
    OpenedChat,
    Source,
    Window,
)


def read_many(sources: Iterable[Source]) -> Iterator[Window]:
    """Read transcripts in their order, in memory that does not grow with them.

    A source is opened by iterating: the next one is asked for when the one before was read to its end.
    """
    from . import read_chunks

    chat = -1
    for number, source in enumerate(sources):
        window = Window([], pl.DataFrame(schema=MESSAGE_SCHEMA), [], [], [])
        frames: list[pl.DataFrame] = []
        findings: list[tuple[int, Finding]] = []
        closed: list[tuple[int, ChatSummary]] = []
        failed: list[tuple[int, Exception]] = []
        opened: list[OpenedChat] = []
        try:
            for event in read_chunks(TextChunks(source.stream), source.options):
                match event:
                    case ChatStart():
                        chat += 1
                        opened.append(OpenedChat(chat, number, event))
                    case MessageBatch():
                        frames.append(event.frame.with_columns(chat=pl.lit(chat, pl.Int64)))
                    case Finding():
                        findings.append((chat, event))
                    case ChatEnd(summary):
                        closed.append((chat, summary))
        except Exception as error:
            failed.append((number, error))
        frame = pl.concat(frames) if frames else window.frame
        yield Window(opened, frame, findings, closed, failed)
