r"""The block format: the text export of a desktop backup program.

    ----------------------------------------------------      exactly 52 dashes
    +55 41 99999-0000                                         the chat's label
    2025-01-05 10:00:00 from Maria (+554199990000) - Lida     header: time, direction, name, phone, status
    <blank>
    body, any number of lines (`bodies.py`)
    <blank>

A separator counts only if its label and a valid header follow, because people type dashes and paste whole
transcripts. A separator with another label and a valid header starts another chat of a combined file, unless
it is within the length of one message; then somebody pasted it.

Nearly every part of a file is plain: it can be cut at its separators. The reader tries this first, for the
parts of many files at once. In a part that is not plain, it checks the blocks one by one.

What belongs here: cutting the text of files into runs of blocks. What does not: chats (`block_chats.py`),
checking blocks one by one (`block_pieces.py`), the first lines of a block (`block_labels.py`), its fields
(`block_columns.py`) and its body (`block_bodies.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from whatsapp_pipeline.domain.transcripts.block.block_chats import BlockChats
from whatsapp_pipeline.domain.transcripts.block.block_columns import Blocks, Run, rows_of
from whatsapp_pipeline.domain.transcripts.block.block_labels import (
    CUT,
    PEEK,
    SEPARATOR,
    Start,
    same_title,
    separators,
)
from whatsapp_pipeline.domain.transcripts.block.block_pieces import (
    FileTraits,
    check_pieces,
    group_by_chat,
    is_block_of,
)
from whatsapp_pipeline.domain.transcripts.chat_message import ParseOptions
from whatsapp_pipeline.domain.transcripts.chats import Journal
from whatsapp_pipeline.domain.transcripts.columns import rows_together
from whatsapp_pipeline.domain.transcripts.decoding import TextChunks, is_utf8, with_last
from whatsapp_pipeline.domain.transcripts.lines import Lines
from whatsapp_pipeline.domain.transcripts.oversized import LONGEST_TEXT, SkippedLines
from whatsapp_pipeline.domain.transcripts.parts import Part
from whatsapp_pipeline.domain.transcripts.phrases import phrases

_CUT = CUT.encode()
_RULE_AT_END = f"\n{SEPARATOR}".encode()


@dataclass(frozen=True, slots=True)
class _PlainPart:
    """A part that looks as if it can be cut at its separators; data after `end` waits for the next part."""

    reader: BlockReader
    run: Run
    data: bytes
    end: int


@dataclass(frozen=True, slots=True)
class _CheckedRun:
    """A run whose blocks were checked one by one, and the texts of these blocks."""

    reader: BlockReader
    run: Run
    texts: list[str]


class BlockReader:
    """Cuts one file of the block format into runs of blocks; `read_block_parts` makes rows of them."""

    __slots__ = ("_file", "_held", "_label", "_skipped", "_start", "_text", "chats")

    def __init__(
        self, options: ParseOptions, start: Start, source: int, text: TextChunks, journal: Journal
    ) -> None:
        title = options.default_title
        label = title if start.label is None else start.label.replace("\0", "\ufffd")
        is_combined = options.combined or phrases().is_combined(title or "")
        is_single = not is_combined and label is not None and same_title(title, label)
        self._start, self._label = start, label
        self._file = FileTraits(start.label is not None, is_combined, is_single)
        self._text = text
        self.chats = BlockChats(journal, source, text, has_labels=self._file.has_labels)
        self._skipped = SkippedLines()
        self._held = b""
        """Data that waits for the next part."""

    def parts(self, chunks: Iterator[bytes]) -> Iterator[Part[BlockReader]]:
        """Yield parts of a file whose first chunk has a block; each part starts inside a valid block.

        Memory is limited to a chunk and the longest message.
        """
        is_started = False
        for chunk, is_last in with_last(chunks):
            self._held += chunk
            del chunk  # it may be large
            if not is_started:
                self._held, is_started = self._start_first_chat(self._held), True
            if is_last or len(self._held) > LONGEST_TEXT or _CUT in self._held:
                yield self._part(is_last=is_last)

    def _part(self, *, is_last: bool) -> Part[BlockReader]:
        data, self._held = self._held, b""
        return Part(self, data, is_last)

    def _start_first_chat(self, data: bytes) -> bytes:
        """Start the first chat of the file; return the data from its first block on."""
        at = self._start.at
        self._text.mend(data[:at], 1)  # for its findings
        self.chats.start(self._label, preamble=data.count(b"\n", 0, at) - 1)
        return data[at:]

    def plain(self, part: Part[BlockReader]) -> _PlainPart | None:
        """Return a part that looks plain without reading its fields; None if it is not plain."""
        data = part.data
        end = len(data) if part.is_last else self._end_of_plain(data)
        # If a person typed a rule directly above the last separator, the blocks must be checked one by one.
        if end < 0 or b"\x00" in data or data.endswith(_RULE_AT_END, 0, end):
            return None
        first = data[: data.find(_CUT)] if _CUT in data else data
        run = self.chats.run(first, at_end=part.is_last, left_out=self._skipped.count)
        return _PlainPart(self, run, data, end)

    def _end_of_plain(self, data: bytes) -> int:
        """Return the place of the last separator that begins a block of this chat; -1 if there is none.

        Only the last two separators are tried. If the piece after the last one has no complete header, it may
        be a part of the block before it, which then waits, too.
        """
        end = data.rfind(_CUT)
        if end > 0 and not self._is_own(data[end + len(_CUT) :]):
            end = data.rfind(_CUT, 0, end)
        return end if end >= 0 and self._is_own(data[end + len(_CUT) : end + len(_CUT) + PEEK]) else -1

    def _is_own(self, piece: bytes) -> bool:
        return is_block_of(piece, self.chats.label, has_labels=self._file.has_labels)

    def accept(self, plain: _PlainPart) -> None:
        """Continue after a part that was plain."""
        self._end_run(plain.run, plain.run.lines)
        self._held = plain.data[plain.end + len(_CUT) :]
        if plain.run.at_end:
            self.chats.finish()

    def _end_run(self, run: Run, lines: int) -> None:
        self.chats.end_run(run, lines)
        if (finding := self._skipped.end_message(run.line)) is not None:
            self.chats.note_finding(finding)

    def checked(self, part: Part[BlockReader]) -> list[_CheckedRun]:
        """Cut a part that may have pasted blocks or other chats; its last block waits for the next part."""
        text = self._text.mend(part.data, self.chats.line + self._skipped.count).decode()
        pieces = text.split(CUT)
        blocks, cut_off = check_pieces(pieces, has_labels=self._file.has_labels, is_last=part.is_last)
        groups, held = group_by_chat(blocks, self.chats.label, self._file, is_last=part.is_last)
        runs = []
        for number, group in enumerate(groups):
            if number:
                self._start_next_chat(group.label)
            at_end = part.is_last and number == len(groups) - 1 and not cut_off
            if group.texts:
                runs.append(self._checked_run(group.texts, at_end=at_end))
        self._held = self._skipped.shorten(held).encode()
        if cut_off:
            self.chats.note_cut_off(cut_off)
        if part.is_last:
            self.chats.finish()
        return runs

    def _checked_run(self, texts: list[str], *, at_end: bool) -> _CheckedRun:
        run = self.chats.run(texts[0].encode(), at_end=at_end, left_out=self._skipped.count)
        lines = sum(text.count("\n") + 2 for text in texts) + run.left_out
        self._end_run(run, lines - (at_end and texts[-1].endswith("\n")))
        return _CheckedRun(self, run, texts)

    def _start_next_chat(self, label: str | None) -> None:
        self.chats.start_next(label)
        if not self._file.is_combined:
            detail = "blocks of another label: read as another chat"
            self.chats.note(self.chats.line, "new_label", "info", detail)


def read_block_parts(parts: Sequence[Part[BlockReader]]) -> pl.DataFrame:
    """Make rows (ROW_SCHEMA) of parts of many files; each file has at most one part."""
    plains = [part.reader.plain(part) for part in parts]
    frames = _read_plain([plain for plain in plains if plain is not None])
    checked: list[_CheckedRun] = []
    for part, plain in zip(parts, plains, strict=True):
        if plain is None or plain.run.is_broken:
            checked += part.reader.checked(part)
        else:
            part.reader.accept(plain)
            part.reader.chats.note_crowded(plain.run)
    frames += _read_checked(checked)
    return rows_together(frames)


def _read_plain(plains: Sequence[_PlainPart]) -> list[pl.DataFrame]:
    """Return the rows of parts that look plain; set `is_broken` of runs that are not plain."""
    frames = []
    for has_label in (True, False):
        mine = [plain for plain in plains if (plain.run.label is not None) is has_label]
        if not mine:
            continue
        lines = _lines_of(mine)
        if not lines.is_utf8:  # these parts are repaired
            for plain in mine:
                plain.run.is_broken = not is_utf8(plain.data)
            mine = [plain for plain in mine if not plain.run.is_broken]
            if not mine:
                continue
            lines = _lines_of(mine)
        frames.append(rows_of(_cut(lines, mine), [plain.run for plain in mine], trusted=False))
    return frames


def _lines_of(plains: Sequence[_PlainPart]) -> Lines:
    """Return the lines of all parts, with separators between the parts."""
    if len(plains) == 1:
        return Lines(plains[0].data, plains[0].end)
    whole = _CUT.join([memoryview(plain.data)[: plain.end] for plain in plains])
    return Lines(whole, len(whole))


def _cut(lines: Lines, plains: Sequence[_PlainPart]) -> Blocks:
    """Cut the joined parts at all separators."""
    cuts = separators(lines)
    first, last = np.concatenate([[0], cuts + 1]), np.append(cuts - 1, len(lines) - 1)
    sizes = np.array([plain.end + len(_CUT) for plain in plains])
    run = np.searchsorted(np.cumsum(sizes), lines.starts[first], side="right")
    return Blocks(lines, first, last, run)


def _read_checked(found: Sequence[_CheckedRun]) -> list[pl.DataFrame]:
    """Return the rows of runs whose blocks were checked, and note the findings about them."""
    frames = []
    for has_label in (True, False):
        mine = [one for one in found if (one.run.label is not None) is has_label]
        if mine:
            frames.append(rows_of(_joined(mine), [one.run for one in mine], trusted=True))
        for one in mine:
            one.reader.chats.note_crowded(one.run)
            one.reader.chats.note_pasted(one.run, one.texts)
    return frames


def _joined(found: Sequence[_CheckedRun]) -> Blocks:
    """Return the blocks of runs. Separators inside their texts are text."""
    texts = [text for one in found for text in one.texts]
    whole = CUT.join(texts).encode()
    counts = np.array([text.count("\n") + 1 for text in texts])
    first = np.cumsum(counts + 1) - (counts + 1)
    run = np.repeat(np.arange(len(found)), [len(one.texts) for one in found])
    return Blocks(Lines(whole, len(whole)), first, first + counts - 1, run)
