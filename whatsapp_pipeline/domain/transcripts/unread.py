"""Files that are not transcripts: each of their lines is an exception.

What belongs here: counting the lines. What does not: deciding that a file is not a transcript (`windows.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from whatsapp_pipeline.domain.transcripts.chat_message import Finding, LineKind, ParseOptions
from whatsapp_pipeline.domain.transcripts.chats import Journal
from whatsapp_pipeline.domain.transcripts.columns import NO_ROWS
from whatsapp_pipeline.domain.transcripts.decoding import TextChunks, with_last
from whatsapp_pipeline.domain.transcripts.parts import Part


class UnreadReader:
    """Counts the lines of one file in which no header was found."""

    def __init__(self, options: ParseOptions, source: int, text: TextChunks, journal: Journal) -> None:
        self._wanted = "a transcript" if options.format == "auto" else f"of the {options.format} format"
        self._text, self._journal = text, journal
        self._chat = journal.open(source, 1, options.default_title, 1, "unknown")
        self._lines = 0

    def parts(self, chunks: Iterator[bytes]) -> Iterator[Part[UnreadReader]]:
        """Yield each chunk as a part."""
        for data, is_last in with_last(chunks):
            yield Part(self, data, is_last)

    def count(self, part: Part[UnreadReader]) -> None:
        """Count the lines of a part."""
        self._text.mend(part.data, self._lines + 1)  # for its findings
        self._lines += part.data.count(b"\n")
        if not part.is_last:
            return
        self._lines += part.data[-1:] not in (b"\n", b"")
        self._chat.totals.lines[LineKind.EXCEPTION] = self._lines
        detail = f"the file is not {self._wanted}: no header was found"
        finding = Finding(0, "unknown_format", "error", detail)
        if not self._lines:
            finding = Finding(0, "empty_file", "info", "the file is empty")
        self._journal.note(self._chat, finding)
        for found in self._text.findings:
            self._journal.note(self._chat, found)
        self._journal.close(self._chat, self._text)


def read_unread_parts(parts: Sequence[Part[UnreadReader]]) -> pl.DataFrame:
    """Count the lines of parts; there are no rows."""
    for part in parts:
        part.reader.count(part)
    return NO_ROWS
