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

Nearly every part of a file is plain: it can be cut at its separators. The reader tries this first, for many
files at once. It reads a part that is not plain block by block.

What belongs here: cutting text into blocks, and assigning them to chats. What does not: the first lines of a
block (`block_labels.py`), its fields (`block_columns.py`) and its body (`block_bodies.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from whatsapp_pipeline.domain.transcripts.block.block_columns import Blocks, Run, rows_of
from whatsapp_pipeline.domain.transcripts.block.block_labels import (
    CUT,
    PEEK,
    RULE,
    SEPARATOR,
    Start,
    label_of_piece,
    pasted_in,
    same_title,
    separators,
)
from whatsapp_pipeline.domain.transcripts.chat_message import Finding, LineKind, ParseOptions, Severity
from whatsapp_pipeline.domain.transcripts.chats import Chat, Journal
from whatsapp_pipeline.domain.transcripts.columns import rows_together
from whatsapp_pipeline.domain.transcripts.decoding import TextChunks, is_utf8, lenient, line_count, with_last
from whatsapp_pipeline.domain.transcripts.lines import Lines
from whatsapp_pipeline.domain.transcripts.parts import Part
from whatsapp_pipeline.domain.transcripts.phrases import phrases

_CUT = CUT.encode()
_RULE_AT_END = f"\n{SEPARATOR}".encode()

# A message has at most 65,536 characters. Blocks with other labels within this length may have been pasted.
_MESSAGE_LIMIT = 65_536
# A block longer than this is not a message; its middle is skipped and a finding recorded.
_BLOCK_LIMIT = 1 << 22


class _Block(NamedTuple):
    """A valid block: its text from the label on, or from the header if there is no label."""

    label: str | None
    text: str


@dataclass(frozen=True, slots=True)
class _Plain:
    """A part that looks as if it can be cut at its separators; data after `end` waits for the next part."""

    reader: BlockReader
    run: Run
    data: bytes
    end: int


@dataclass(frozen=True, slots=True)
class _Careful:
    """Blocks that were checked one by one."""

    reader: BlockReader
    run: Run
    texts: list[str]


class BlockReader:
    """Cuts one file of the block format into runs of blocks; `read_block_parts` makes rows of them."""

    def __init__(
        self, options: ParseOptions, start: Start, source: int, text: TextChunks, journal: Journal
    ) -> None:
        self._title = options.default_title
        self._combined = options.combined or phrases().is_combined(options.default_title or "")
        self._source, self._text, self._journal = source, text, journal
        # State of the file.
        self._start = start  # its place in the first chunk
        self._labelled = start.label is not None
        self._single = False  # the title of the file names one chat
        self._ends_blank: bool | None = None  # whether the file's first block ends with a blank line
        self._line = 1  # line of the next label, or header
        self._held = b""
        # State of the current chat.
        self._chat: Chat | None = None
        self._label: str | None = None
        self._members: set[str | None] = set()
        # State of the current block.
        self._left_out = 0  # its lines that were skipped
        self._shortened = False
        self._cut_off = 0  # lines of a block that the end of the file cuts

    def parts(self, chunks: Iterator[bytes]) -> Iterator[Part[BlockReader]]:
        """Yield parts of a file whose first chunk has a block; each part starts inside a valid block.

        Memory is limited to a chunk and the longest message.
        """
        for chunk, is_last in with_last(chunks):
            self._held += chunk
            del chunk  # it may be large
            if self._chat is None:
                self._held = self._begin(self._held)
            if is_last or len(self._held) > _BLOCK_LIMIT or _CUT in self._held:
                yield self._part(is_last=is_last)

    def _part(self, *, is_last: bool) -> Part[BlockReader]:
        data, self._held = self._held, b""
        return Part(self, data, is_last)

    def _begin(self, data: bytes) -> bytes:
        """Start the first chat of the file; return the data from its first block on."""
        at, label = self._start
        self._text.mend(data[:at], 1)  # for its findings
        preamble = data.count(b"\n", 0, at) - 1
        self._line = preamble + 2
        label = self._title if label is None else label.replace("\0", "\ufffd")
        self._single = not self._combined and label is not None and same_title(self._title, label)
        chat = self._open(1, label)
        if preamble:
            chat.totals.lines[LineKind.EXCEPTION] += preamble
            self._note(1, "preamble", "warning", f"{preamble} lines before the first message")
        return data[at:]

    def _open(self, number: int, label: str | None) -> Chat:
        """Start the `number`-th chat of the file; its first block starts on the next line."""
        self._label = label if self._labelled else None
        self._members = set()
        self._chat = self._journal.open(self._source, number, label, self._line, "block")
        return self._chat

    def _close(self) -> None:
        self._journal.close(self._open_chat, self._text)

    @property
    def _open_chat(self) -> Chat:
        assert self._chat is not None, "a part begins inside a chat"
        return self._chat

    def _note(self, line: int, kind: str, severity: Severity, detail: str) -> None:
        self._journal.note(self._open_chat, Finding(line, kind, severity, detail))

    # ---- a part that can be cut at its separators

    def plain(self, part: Part[BlockReader]) -> _Plain | None:
        """Return a part that looks plain without reading its fields; None if it is not plain."""
        data, end = part.data, len(part.data)
        if not part.is_last:
            end = data.rfind(_CUT)
            if end > 0 and not self._is_own(data[end + len(_CUT) :]):
                # A last piece without a header may be part of the block before it, which then waits too.
                end = data.rfind(_CUT, 0, end)
            if end < 0 or not self._is_own(data[end + len(_CUT) : end + len(_CUT) + PEEK]):
                return None
        # Of two consecutive rules only the second is a separator.
        if b"\x00" in data or data.endswith(_RULE_AT_END, 0, end):
            return None
        first = data[: data.find(_CUT)] if _CUT in data else data
        return _Plain(self, self._run(first, at_end=part.is_last), data, end)

    def accept(self, plain: _Plain) -> None:
        """Continue after a part that was plain."""
        run = plain.run
        self._end_run(run, run.lines)
        self._held = plain.data[plain.end + len(_CUT) :]
        if run.at_end:
            self._finish()

    def _run(self, first: bytes, *, at_end: bool) -> Run:
        ends_blank = first.endswith(b"\n") if self._ends_blank is None else self._ends_blank
        label = self._label if self._labelled else None
        return Run(
            self._open_chat,
            self._members,
            self._line,
            label,
            ends_blank=ends_blank,
            at_end=at_end,
            left_out=self._left_out,
        )

    def _end_run(self, run: Run, lines: int) -> None:
        """Continue after a run with this number of lines."""
        self._line += lines
        self._ends_blank = run.ends_blank
        if self._left_out or self._shortened:
            detail = (
                f"a block of more than {_BLOCK_LIMIT} characters; {self._left_out} lines of it were left out"
            )
            self._note(run.line, "oversized_message", "error", detail)
        self._left_out, self._shortened = 0, False

    def _finish(self) -> None:
        for finding in self._text.findings:
            self._journal.note(self._open_chat, finding)
        self._close()

    # ---- a part that is looked at block by block

    def careful(self, part: Part[BlockReader]) -> list[_Careful]:
        """Cut a part that may have pasted blocks or other chats; the rest waits for the next part."""
        text = self._text.mend(part.data, self._line + self._left_out).decode()
        blocks = self._blocks(text.split(CUT), is_last=part.is_last)
        runs, held = self._runs(blocks, is_last=part.is_last)
        self._held = (self._shorten(held) if len(held) > _BLOCK_LIMIT else held).encode()
        if part.is_last:
            self._finish()
        return runs

    def _runs(self, blocks: Sequence[_Block], *, is_last: bool) -> tuple[list[_Careful], str]:
        """Assign blocks to chats; also return the text that waits for the next part."""
        runs: list[_Careful] = []
        ready: list[str] = []
        at = 0
        while at < len(blocks):
            label, text = blocks[at]
            if label == self._label:
                ready.append(text)
                at += 1
                continue
            after = self._pasted_until(blocks, at, is_last=is_last)
            if after is None:
                held = CUT.join([ready.pop(), *(text for _, text in blocks[at:])])
                return [*runs, *self._careful_run(ready)], held
            if after > at:
                ready[-1] = CUT.join([ready[-1], *(text for _, text in blocks[at:after])])
                at = after
                continue
            runs += self._careful_run(ready)
            ready = []
            self._next_chat(label)
        if is_last:
            return [*runs, *self._last_careful_run(ready)], ""
        held = ready.pop()
        return [*runs, *self._careful_run(ready)], held

    def _careful_run(self, texts: list[str], *, at_end: bool = False) -> list[_Careful]:
        """Return the run of some blocks; an empty list if there are none."""
        if not texts:
            return []
        run = self._run(texts[0].encode(), at_end=at_end)
        lines = sum(text.count("\n") + 2 for text in texts) + run.left_out
        self._end_run(run, lines - (at_end and texts[-1].endswith("\n")))
        return [_Careful(self, run, texts)]

    def _last_careful_run(self, texts: list[str]) -> list[_Careful]:
        """Return the last run of the file; the lines of a block that the end of the file cuts follow it."""
        runs = self._careful_run(texts, at_end=not self._cut_off)
        if self._cut_off:
            self._open_chat.totals.lines[LineKind.EXCEPTION] += self._cut_off
            self._note(self._line - 1, "cut_off", "warning", "the file ends inside a block's first lines")
        return runs

    def _next_chat(self, label: str | None) -> None:
        number = self._open_chat.totals.number + 1
        self._close()
        self._open(number, label)
        if not self._combined:
            self._note(self._line, "new_label", "info", "blocks of another label: read as another chat")

    def _pasted_until(self, blocks: Sequence[_Block], at: int, *, is_last: bool) -> int | None:
        """Return the index after pasted blocks; `at` if none are pasted, None if more text is needed."""
        if self._combined:
            return at
        size = 0
        for index in range(at, len(blocks)):
            label, text = blocks[index]
            if label == self._label:
                return index
            size += len(text) + len(CUT)
            if size > _MESSAGE_LIMIT and not self._single:
                return at
        if self._single:
            return len(blocks)
        return at if is_last else None

    def _blocks(self, pieces: Sequence[str], *, is_last: bool) -> list[_Block]:
        """Append pieces that are not blocks to the block before them; the first piece is a block."""
        label = label_of_piece(pieces[0], labelled=self._labelled)
        label, parts, blocks = label or None, [pieces[0]], list[_Block]()
        for number, piece in enumerate(pieces[1:], start=2):
            rest = piece
            while rest.startswith(RULE):  # a rule that somebody typed above a true separator
                parts[-1] += f"\n{SEPARATOR}"
                rest = rest[len(RULE) :]
            found = label_of_piece(rest, labelled=self._labelled)
            if found is not None:
                blocks.append(_Block(label, CUT.join(parts)))
                label, parts = found or None, [rest]
            elif is_last and number == len(pieces) and self._is_cut_off(rest, label):
                self._cut_off = 1 + line_count(rest.encode())
            else:
                parts.append(rest)
        blocks.append(_Block(label, CUT.join(parts)))
        return blocks

    def _is_own(self, piece: bytes) -> bool:
        """Return whether a piece is a block of this chat with a complete header."""
        start = lenient(piece[:PEEK])
        label = label_of_piece(start, labelled=self._labelled)
        return label is not None and (label or None) == self._label and start.count("\n") > self._labelled

    def _is_cut_off(self, piece: str, label: str | None) -> bool:
        """Return whether a file ends inside the separator, label or header of a block."""
        first, _, header = piece.partition("\n")
        if not self._labelled:
            first, header = (label or ""), piece
        return (label or "").startswith(first) and "\n" not in header and header[:1].isdigit() | (not header)

    def note_pasted(self, run: Run, texts: Sequence[str]) -> None:
        """Note pasted text that looks like a block, after the run was read."""
        for text, start in zip(texts, run.starts.tolist(), strict=True):
            if CUT in text:
                for finding in pasted_in(text, start, labelled=self._labelled):
                    self._journal.note(run.chat, finding)

    def note_crowded(self, run: Run) -> None:
        """Note blocks that follow text without a blank line, after the run was read."""
        for line in run.crowded:
            detail = "a block right below text, without a blank line: read, but it may have been pasted"
            self._journal.note(run.chat, Finding(line, "forged_header", "warning", detail))

    def _shorten(self, held: str) -> str:
        """Skip the middle of a block that is too long for a message, and count its lines."""
        start = held.rfind("\n", 0, _BLOCK_LIMIT // 2) + 1 or _BLOCK_LIMIT // 2
        end = held.find("\n", len(held) - _MESSAGE_LIMIT) + 1 or len(held) - _MESSAGE_LIMIT
        self._left_out += held.count("\n", start, end)
        self._shortened = True
        return held[:start] + held[end:]


def read_block_parts(parts: Sequence[Part[BlockReader]]) -> pl.DataFrame:
    """Make rows (ROW_SCHEMA) of parts of many files; each file has at most one part."""
    plains = [part.reader.plain(part) for part in parts]
    frames = _read_plain([plain for plain in plains if plain is not None])
    careful: list[_Careful] = []
    for part, plain in zip(parts, plains, strict=True):
        if plain is None or plain.run.is_broken:
            careful += part.reader.careful(part)
        else:
            part.reader.accept(plain)
            part.reader.note_crowded(plain.run)
    frames += _read_careful(careful)
    return rows_together(frames)


def _read_plain(plains: Sequence[_Plain]) -> list[pl.DataFrame]:
    """Return the rows of parts that look plain; runs that are not plain are marked as broken."""
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


def _lines_of(plains: Sequence[_Plain]) -> Lines:
    """Return the lines of all parts, with separators between the parts."""
    if len(plains) == 1:
        return Lines(plains[0].data, plains[0].end)
    whole = _CUT.join([memoryview(plain.data)[: plain.end] for plain in plains])
    return Lines(whole, len(whole))


def _cut(lines: Lines, plains: Sequence[_Plain]) -> Blocks:
    """Cut the joined parts at all separators."""
    cuts = separators(lines)
    first, last = np.concatenate([[0], cuts + 1]), np.append(cuts - 1, len(lines) - 1)
    sizes = np.array([plain.end + len(_CUT) for plain in plains])
    run = np.searchsorted(np.cumsum(sizes), lines.starts[first], side="right")
    return Blocks(lines, first, last, run)


def _read_careful(found: Sequence[_Careful]) -> list[pl.DataFrame]:
    frames = []
    for has_label in (True, False):
        mine = [one for one in found if (one.run.label is not None) is has_label]
        if mine:
            frames.append(rows_of(_joined(mine), [one.run for one in mine], trusted=True))
        for one in mine:
            one.reader.note_crowded(one.run)
            one.reader.note_pasted(one.run, one.texts)
    return frames


def _joined(found: Sequence[_Careful]) -> Blocks:
    """Return the blocks of runs as they were found, whatever is in their texts."""
    texts = [text for one in found for text in one.texts]
    whole = CUT.join(texts).encode()
    counts = np.array([text.count("\n") + 1 for text in texts])
    first = np.cumsum(counts + 1) - (counts + 1)
    run = np.repeat(np.arange(len(found)), [len(one.texts) for one in found])
    return Blocks(Lines(whole, len(whole)), first, first + counts - 1, run)
