r"""The first lines of a block: separator, label and header.

What belongs here: distinguishing a block from text that looks like one, piece by piece. What does not:
cutting files into blocks (`block_reader.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from whatsapp_pipeline.domain.transcripts.block.block_header import is_header
from whatsapp_pipeline.domain.transcripts.chat_message import Finding
from whatsapp_pipeline.domain.transcripts.decoding import lenient
from whatsapp_pipeline.domain.transcripts.lines import WORD_BYTES, Ints, Lines
from whatsapp_pipeline.domain.transcripts.phrases import visible

SEPARATOR = "-" * 52
RULE = f"{SEPARATOR}\n"
CUT = f"\n{SEPARATOR}\n"
_LONGEST_LABEL = 1 << 10
PEEK = 16 * _LONGEST_LABEL  # enough bytes for any label and header
# Places in a separator from which groups of eight bytes cover all of it.
_WORDS = (*range(0, len(SEPARATOR) - WORD_BYTES, WORD_BYTES), len(SEPARATOR) - WORD_BYTES)


def separators(lines: Lines) -> Ints:
    """Return the lines that are separators, with line ends before and after them.

    Of two consecutive separators only the first is returned, as by `str.split`, because they share a line
    end. The block below it then begins with a separator and is not valid.
    """
    found = np.flatnonzero(lines.lengths[1:-1] == len(SEPARATOR)) + 1
    is_rule = np.ones(len(found), np.bool_)
    for place in _WORDS:
        is_rule &= lines.begin_with(SEPARATOR[:WORD_BYTES].encode(), lines.starts[found] + place)
    found = found[is_rule]
    is_below = np.diff(found, prepend=-1) == 1
    if is_below.any():
        at = np.arange(len(found))
        above = np.maximum.accumulate(np.where(is_below, 0, at))
        found = found[(at - above) % 2 == 0]
    return found


class Start(NamedTuple):
    """The place where the content of the first block starts, and its label; None if blocks have no labels."""

    at: int
    label: str | None


def find_start(data: bytes) -> Start | None:
    """Return the start of the first block of a text; None if there is no block."""
    rule, cut = RULE.encode(), CUT.encode()
    at = len(rule) if data.startswith(rule) else _after(data, cut)
    while at:
        end = data.find(b"\n", at, at + PEEK)
        first, second = (data[at:end], data[end + 1 : at + PEEK]) if end >= 0 else (data[at : at + PEEK], b"")
        label = lenient(first)
        if is_header(label):
            return Start(at, None)
        if label.strip() and len(label) <= _LONGEST_LABEL and is_header(lenient(second.split(b"\n", 1)[0])):
            return Start(at, label)
        # Of two consecutive rules only the second may start a block.
        at = _after(data, cut, at - 1)
    return None


def _after(data: bytes, part: bytes, start: int = 0) -> int:
    """Return the place after the first `part` in `data`; 0 if there is none."""
    found = data.find(part, start)
    return found + len(part) if found >= 0 else 0


def label_of_piece(piece: str, *, has_labels: bool) -> str | None:
    """Return the label of a piece that is a valid block ("" if blocks have none); None for other pieces."""
    first, _, rest = piece[: 4 * _LONGEST_LABEL].partition("\n")
    if not has_labels:
        return "" if is_header(first) else None
    fits = first.strip() and len(first) <= _LONGEST_LABEL and is_header(rest.partition("\n")[0])
    return first if fits else None


def pasted_in(text: str, start: int, *, has_labels: bool) -> Iterator[Finding]:
    """Yield a finding for each piece of a message's text that looks like a block."""
    first, *rest = text.split(CUT)
    line = start + first.count("\n") + 2
    for piece in rest:
        if label_of_piece(piece, has_labels=has_labels) is not None:
            detail = "a block of another label inside a message: kept as its text"
            yield Finding(line, "unknown_label", "warning", detail)
        elif any(map(is_header, piece.split("\n", 2)[:2])):
            detail = "a header without its label inside a message: kept as its text"
            yield Finding(line, "forged_header", "info", detail)
        line += piece.count("\n") + 2


def same_title(title: str | None, label: str) -> bool:
    """Return whether a file's title names the chat with this label.

    The title may have more words than the label, or the label's phone in another format.
    WhatsApp cuts long titles and puts a `-` at the end.
    """
    if title is None:
        return False
    mine, theirs = ("".join(filter(str.isalnum, visible(text).casefold())) for text in (title, label))
    number = "".join(filter(str.isdecimal, label))[-8:]
    if len(number) == 8 and not any(map(str.isalpha, theirs)):
        return number in "".join(filter(str.isdecimal, title))
    if title.rstrip().endswith("-") and mine and theirs.startswith(mine):
        return True
    return mine == theirs != "" or (len(theirs) > 4 and mine.startswith(theirs))
