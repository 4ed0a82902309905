"""Reading many transcripts together, in windows of one or two megabytes.

A window has many small transcripts, or a part of a large one, because work on columns takes as long for one
file as for hundreds. What belongs here: grouping sources into windows, and choosing their format. What does
not: the syntax of a format (`block_reader.py`, `native_reader.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from whatsapp_pipeline.domain.gc_disabled import gc_disabled
from whatsapp_pipeline.domain.transcripts import unread
from whatsapp_pipeline.domain.transcripts.block import block_reader as block
from whatsapp_pipeline.domain.transcripts.block.block_labels import find_start
from whatsapp_pipeline.domain.transcripts.chat_message import ParseOptions, Source, Window
from whatsapp_pipeline.domain.transcripts.chats import Journal
from whatsapp_pipeline.domain.transcripts.columns import messages_of, rows_together
from whatsapp_pipeline.domain.transcripts.decoding import TextChunks, lenient
from whatsapp_pipeline.domain.transcripts.native import native_reader as native
from whatsapp_pipeline.domain.transcripts.native.native_shapes import find_layout
from whatsapp_pipeline.domain.transcripts.parts import Part, Reader

# A window takes at least 3 ms, and memory of twenty times its size.
WINDOW_BYTES = 2_200_000
# Number of small transcripts that make a window, however small they are.
_SOURCES = 1_000
_READ_PARTS: dict[type, Callable[[Sequence[Part[Any]]], pl.DataFrame]] = {
    block.BlockReader: block.read_block_parts,
    native.NativeReader: native.read_native_parts,
    unread.UnreadReader: unread.read_unread_parts,
}


def read_many(
    sources: Iterable[Source], *, identities: bool = False, window_bytes: int = WINDOW_BYTES
) -> Iterator[Window]:
    """Read transcripts in their order, in memory that does not grow with their number or size.

    `identities`: also compute `body_hash` and `occurrence`, which are needed to compare messages with stored
    ones; otherwise they are null.

    The function requests a source after it read the one before to its end. Several sources may share a
    window. When it yields a window, every message of the sources before the last requested one has been
    yielded. No content makes it raise an error. An error of a stream ends only the source of that stream.
    """
    return _uncollected(_windows(sources, _Reading(window_bytes, identities=identities)))


def _windows(sources: Iterable[Source], reading: _Reading) -> Iterator[Window]:
    for number, source in enumerate(sources):
        yield from reading.add(number, source)
    yield from reading.flush()


def _uncollected(windows: Iterator[Window]) -> Iterator[Window]:
    """Yield each window with the cyclic garbage collector disabled, which saves a sixth of the time."""
    while True:
        with gc_disabled():
            window = next(windows, None)
        if window is None:
            return
        yield window


class _Reading:
    """The small transcripts of the next window, and the journal of all sources."""

    def __init__(self, window_bytes: int, *, identities: bool) -> None:
        self._window_bytes, self._identities = window_bytes, identities
        self._journal = Journal()
        self._zone: ZoneInfo | None = None
        self._waiting: list[Part[Any]] = []
        self._size = 0

    def add(self, number: int, source: Source) -> Iterator[Window]:
        """Read a source immediately if it is large, otherwise when enough small ones wait."""
        if self._zone != source.options.tzinfo:
            yield from self.flush()
            self._zone = source.options.tzinfo
        parts = self._parts(number, source)
        part = next(parts, None)
        if part is not None and part.is_last:
            self._waiting.append(part)
            self._size += len(part.data)
            if self._size >= self._window_bytes or len(self._waiting) >= _SOURCES:
                yield self._window()
            return
        if part is not None:
            yield from self.flush()
        while part is not None:
            self._waiting.append(part)
            part = None  # it may be large, so only one is kept
            yield self._window()
            part = next(parts, None)

    def flush(self) -> Iterator[Window]:
        """Read the sources that wait."""
        if self._waiting or not self._journal.is_empty:
            yield self._window()

    def _parts(self, number: int, source: Source) -> Iterator[Part[Any]]:
        """Yield the parts of a source until its stream ends or raises an error."""
        try:
            text = TextChunks(source.stream, self._window_bytes)
            chunks = text.raw()
            head = next(chunks, b"")
            reader = self._reader(number, source.options, text, head)
            yield from reader.parts(chain([head], chunks))
        except Exception as error:  # any error of the stream is returned with the window
            self._journal.fail(number, error)

    def _reader(self, number: int, options: ParseOptions, text: TextChunks, head: bytes) -> Reader:
        """Find the format from the first chunk; try the block format first, because its dates look native."""
        if options.format in ("auto", "block") and (start := find_start(head)) is not None:
            return block.BlockReader(options, start, number, text, self._journal)
        if options.format != "block":
            layout = find_layout(f"\n{lenient(head)}", options.format)
            if layout is not None:
                return native.NativeReader(options, layout, number, text, self._journal)
        return unread.UnreadReader(options, number, text, self._journal)

    def _window(self) -> Window:
        parts, self._waiting, self._size = self._waiting, [], 0
        rows = rows_together(list(_rows(parts)))
        del parts  # the text is in the rows
        assert self._zone is not None, "a source came before its rows"
        frame = messages_of(rows, self._journal, self._zone, identities=self._identities)
        return self._journal.window(frame)


def _rows(parts: Sequence[Part[Any]]) -> Iterator[pl.DataFrame]:
    for kind, read_parts in _READ_PARTS.items():
        mine = [part for part in parts if isinstance(part.reader, kind)]
        if mine:
            yield read_parts(mine)
