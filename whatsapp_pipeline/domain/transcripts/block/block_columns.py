r"""The fields of blocks: the rows of many runs of blocks at once.

What belongs here: parsing blocks whose first lines are known. What does not: finding blocks, and assigning
them to chats (`block_reader.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from whatsapp_pipeline.domain.transcripts.block.block_bodies import parse_block_bodies
from whatsapp_pipeline.domain.transcripts.block.block_header import (
    NOTIFICATION,
    TIME_LENGTH,
    parse_who,
    times_at,
)
from whatsapp_pipeline.domain.transcripts.chat_message import LineKind
from whatsapp_pipeline.domain.transcripts.chats import Chat
from whatsapp_pipeline.domain.transcripts.columns import NO_ROWS, ROW_SCHEMA, Sender, sender_columns
from whatsapp_pipeline.domain.transcripts.lines import WORD_BYTES, Flags, Ints, Lines

_MANY = 3  # members of a chat that are stored; two are enough to recognise a group


@dataclass(slots=True)
class Run:
    """Neighbouring blocks of one chat; the first starts on `line`."""

    chat: Chat
    members: set[str | None]
    """The phones or names of the first few customers who wrote in the chat. Two make it a group."""
    line: int
    label: str | None
    """The label of each block; None if the blocks have no label."""
    ends_blank: bool
    """Whether the blocks of this file end with a blank line, which is the rule."""
    at_end: bool
    """Whether the file ends with these blocks."""
    left_out: int = 0
    """Lines of the first block that were skipped because it was too long."""
    blocks: int = field(default=0, init=False)
    """Result: number of blocks."""
    lines: int = field(default=0, init=False)
    """Result: number of lines, with the separators."""
    is_broken: bool = field(default=False, init=False)
    """Result: whether a piece is not a block with that label."""
    starts: Ints = field(default_factory=lambda: np.zeros(0, np.int64), init=False)
    """Result: the first line of each block."""
    crowded: list[int] = field(default_factory=list, init=False)
    """Result: lines of blocks that follow text without a blank line."""


@dataclass(slots=True)
class Blocks:
    """The blocks of some runs in order; each array has one value per block."""

    lines: Lines
    first: Ints
    """The first line of each block in `lines`."""
    last: Ints
    """The last line of each block."""
    run: Ints
    """The index of the run of each block."""

    def only(self, which: Flags) -> Blocks:
        """Return the blocks where `which` is true."""
        return Blocks(self.lines, self.first[which], self.last[which], self.run[which])


@dataclass(slots=True)
class _Headers:
    """The headers of blocks; each array has one value per block."""

    line: Ints
    times: Ints
    """Microseconds since 1970."""
    who: Ints
    """The index of each sender in `senders`."""
    senders: Sequence[Sender | None]
    is_valid: Flags
    """Whether the block has a header, below the label of the run and above a body."""

    def only(self, which: Flags) -> _Headers:
        """Return the headers where `which` is true."""
        return _Headers(
            self.line[which], self.times[which], self.who[which], self.senders, self.is_valid[which]
        )


def rows_of(blocks: Blocks, runs: Sequence[Run], *, trusted: bool) -> pl.DataFrame:
    """Make rows (ROW_SCHEMA) of blocks.

    Either all runs have labels or none has. A run in which a piece is not a block with its label is marked as
    broken and gets no rows. No run is broken if the blocks are `trusted`, because each was checked before.
    """
    for run, count in zip(runs, np.bincount(blocks.run, minlength=len(runs)).tolist(), strict=True):
        run.blocks = count
    headers = _read_headers(blocks, runs, trusted=trusted)
    if not headers.is_valid.all():
        for at in np.unique(blocks.run[~headers.is_valid]).tolist():
            runs[at].is_broken = True
        is_whole = ~np.array([run.is_broken for run in runs])[blocks.run]
        blocks, headers = blocks.only(is_whole), headers.only(is_whole)
    if not len(blocks.run):
        return NO_ROWS
    senders = [sender or NOTIFICATION for sender in headers.senders]  # an invalid header has no sender
    line = _count_lines(blocks, runs)
    _note_groups(blocks, headers.who, senders, runs)
    is_notice = np.array([sender.direction == NOTIFICATION.direction for sender in senders])[headers.who]
    bodies = parse_block_bodies(blocks.lines, *_bodies(blocks, headers.line), is_notice)
    for at in blocks.run[bodies.of_groups].tolist():
        runs[at].chat.totals.is_group = True
    who = headers.who
    if len(bodies.own):
        who, senders = who.copy(), [*senders, NOTIFICATION]
        who[bodies.own] = len(senders) - 1
    columns = {
        "chat": pl.Series(np.array([run.chat.number for run in runs])[blocks.run]),
        "line": pl.Series(line),
        "timestamp": pl.Series(headers.times).cast(pl.Datetime("us")),
        **sender_columns(senders, who),
        **bodies.columns,
        "hashed": bodies.columns["text"],
    }
    return pl.DataFrame({name: columns[name] for name in ROW_SCHEMA})


def _read_headers(blocks: Blocks, runs: Sequence[Run], *, trusted: bool) -> _Headers:
    """Read the header of each block: its first line, or the line below the label."""
    lines, has_label = blocks.lines, runs[0].label is not None
    line = blocks.first + has_label
    # A block may end with its header, if the next block or the end of the file follows directly.
    is_valid = line < blocks.last + trusted
    line = np.minimum(line, blocks.last)
    if has_label:
        is_valid &= _have_labels(blocks, [run.label or "" for run in runs])
    times, have_times = times_at(lines, lines.starts[line])
    is_valid &= have_times
    written = lines.texts(
        np.where(is_valid, lines.starts[line] + TIME_LENGTH, 0), np.where(is_valid, lines.ends[line], 0)
    )
    distinct = written.unique()
    who = written.cast(pl.Enum(distinct)).to_physical().to_numpy().astype(np.int64)
    senders = [parse_who(text[1:]) if text.startswith(" ") else None for text in distinct]
    is_valid &= np.array([sender is not None for sender in senders], np.bool_)[who]
    return _Headers(line, times, who, senders, is_valid)


def _have_labels(blocks: Blocks, labels: Sequence[str]) -> Flags:
    """Return whether each block begins with the label of its run."""
    lines, written = blocks.lines, [label.encode() for label in labels]
    lengths = np.array([len(label) for label in written])
    found: Flags = lines.lengths[blocks.first] == lengths[blocks.run]
    for at in range(0, int(lengths.max()), WORD_BYTES):
        pieces = [label[at : at + WORD_BYTES] for label in written]
        words = np.array([int.from_bytes(piece, "little") for piece in pieces], np.uint64)
        masks = np.array([(1 << 8 * len(piece)) - 1 for piece in pieces], np.uint64)
        places = np.minimum(lines.starts[blocks.first] + at, lines.length)
        found &= (lines.words(places) & masks[blocks.run]) == words[blocks.run]
    return found


def _bodies(blocks: Blocks, headers: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the starts, ends and last lines of bodies: the lines below headers without empty ones around."""
    lines = blocks.lines
    first, last = lines.filled_from(headers + 1), lines.filled_to(blocks.last)
    is_body = (first >= 0) & (first <= last)
    return np.where(is_body, lines.starts[first], 0), np.where(is_body, lines.ends[last], 0), last


def _count_lines(blocks: Blocks, runs: Sequence[Run]) -> Ints:
    """Return the line of each header in its file, from 1, and count the lines of the runs."""
    number, last = blocks.run, blocks.last
    firsts = np.flatnonzero(np.diff(number, prepend=-1))
    lasts = np.append(firsts[1:], len(number)) - 1
    here = [runs[at] for at in number[firsts].tolist()]
    is_blank = (blocks.lines.lengths[last] == 0) & (last > blocks.first)
    # A separator and the line end before it are between two blocks.
    counts = last - blocks.first + 2
    counts[lasts] -= np.array([run.at_end for run in here]) & is_blank[lasts]
    counts[firsts] += np.array([run.left_out for run in here])
    ends = np.cumsum(counts)
    totals = np.diff(ends[lasts], prepend=0)
    ends += np.repeat([run.line for run in here] - (ends[lasts] - totals), lasts - firsts + 1)
    starts = ends - counts
    for run, begin, end, count in zip(here, firsts, lasts, totals.tolist(), strict=True):
        run.starts, run.lines = starts[begin : end + 1], count
        _add_up_lines(run)
    for at in np.flatnonzero(~is_blank):
        run = runs[number[at]]
        if run.ends_blank and not (run.at_end and run.starts[-1] == starts[at]):
            run.crowded.append(int(ends[at]))
    headers: Ints = starts + (runs[0].label is not None)
    return headers


def _add_up_lines(run: Run) -> None:
    counted = run.chat.totals.lines
    has_label = run.label is not None
    counted[LineKind.SEPARATOR] += run.blocks
    counted[LineKind.HEADER] += run.blocks
    counted[LineKind.LABEL] += run.blocks * has_label
    counted[LineKind.EXCEPTION] += run.left_out
    counted[LineKind.BODY] += run.lines - run.left_out - run.blocks * (2 + has_label)


def _note_groups(blocks: Blocks, who: Ints, senders: Sequence[Sender], runs: Sequence[Run]) -> None:
    """Flag the chats in which more than one customer wrote."""
    pairs = pl.Series(blocks.run * len(senders) + who).unique().to_list()
    for number, at in (divmod(pair, len(senders)) for pair in pairs):
        run, sender = runs[number], senders[at]
        if sender.direction != "from":
            continue
        if len(run.members) < _MANY:
            run.members.add(sender.sender_phone if sender.sender_phone is not None else sender.sender_name)
        run.chat.totals.is_group |= len(run.members) > 1
