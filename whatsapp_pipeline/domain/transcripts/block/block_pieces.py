"""Blocks that are checked one by one, in text that may have pasted blocks or other chats.

What belongs here: deciding which pieces between separators are blocks, which blocks were pasted, and which
chat each block belongs to. What does not: the first lines of one block (`block_labels.py`), and reading
blocks (`block_columns.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from whatsapp_pipeline.domain.transcripts.block.block_labels import (
    CUT,
    PEEK,
    RULE,
    SEPARATOR,
    label_of_piece,
)
from whatsapp_pipeline.domain.transcripts.decoding import lenient, line_count
from whatsapp_pipeline.domain.transcripts.oversized import LONGEST_MESSAGE


class FileTraits(NamedTuple):
    """Facts about a file that decide which pieces are blocks, and which blocks were pasted."""

    has_labels: bool
    """Whether each block begins with the label of its chat."""
    is_combined: bool
    """Whether the file is known to have many chats, so that every new label starts a chat."""
    is_single: bool
    """Whether the title of the file names its only chat, so that blocks with other labels were pasted."""


class Block(NamedTuple):
    """A valid block: its text from the label on, or from the header if there is no label."""

    label: str | None
    text: str


class CheckedBlocks(NamedTuple):
    """The blocks of a text, and the number of lines after them that the end of the file cuts."""

    blocks: list[Block]
    cut_off: int


class ChatBlocks(NamedTuple):
    """The texts of neighbouring blocks of one chat."""

    label: str | None
    texts: list[str]


def is_block_of(piece: bytes, label: str | None, *, has_labels: bool) -> bool:
    """Return whether a piece is a block with this label and a complete header line."""
    start = lenient(piece[:PEEK])
    found = label_of_piece(start, has_labels=has_labels)
    return found is not None and (found or None) == label and start.count("\n") > has_labels


def check_pieces(pieces: Sequence[str], *, has_labels: bool, is_last: bool) -> CheckedBlocks:
    """Return the blocks among pieces. A piece that is not a block belongs to the block before it.

    The first piece must be a block. `is_last` tells that the file ends with these pieces.
    """
    label = label_of_piece(pieces[0], has_labels=has_labels) or None
    texts, blocks, cut_off = [pieces[0]], list[Block](), 0
    for number, piece in enumerate(pieces[1:], start=2):
        rest = piece
        while rest.startswith(RULE):  # a person typed a rule directly above a true separator
            texts[-1] += f"\n{SEPARATOR}"
            rest = rest[len(RULE) :]
        found = label_of_piece(rest, has_labels=has_labels)
        if found is not None:
            blocks.append(Block(label, CUT.join(texts)))
            label, texts = found or None, [rest]
        elif is_last and number == len(pieces) and _is_cut_off(rest, label, has_labels=has_labels):
            cut_off = 1 + line_count(rest.encode())
        else:
            texts.append(rest)
    blocks.append(Block(label, CUT.join(texts)))
    return CheckedBlocks(blocks, cut_off)


def _is_cut_off(piece: str, label: str | None, *, has_labels: bool) -> bool:
    """Return whether the end of the file cuts a block inside its separator, label or header."""
    first, _, header = piece.partition("\n")
    if not has_labels:
        first, header = (label or ""), piece
    return (label or "").startswith(first) and "\n" not in header and header[:1].isdigit() | (not header)


def group_by_chat(
    blocks: Sequence[Block], label: str | None, file: FileTraits, *, is_last: bool
) -> tuple[list[ChatBlocks], str]:
    """Group blocks by chat, and return the text that waits for the next part of the file.

    The first group belongs to the open chat, which has the `label`. Each further group starts a chat. Pasted
    blocks are text of the block before them. The last block waits unless the file ends with it, because the
    next part may continue it.
    """
    groups = [ChatBlocks(label, [])]
    at = 0
    while at < len(blocks):
        current, texts = groups[-1]
        if blocks[at].label == current:
            texts.append(blocks[at].text)
            at += 1
            continue
        after = _pasted_until(blocks, at, current, file, is_last=is_last)
        if after is None:
            return groups, CUT.join([texts.pop(), *(block.text for block in blocks[at:])])
        if after > at:
            texts[-1] = CUT.join([texts[-1], *(block.text for block in blocks[at:after])])
            at = after
        else:
            groups.append(ChatBlocks(blocks[at].label, []))
    return groups, "" if is_last else groups[-1].texts.pop()


def _pasted_until(
    blocks: Sequence[Block], at: int, label: str | None, file: FileTraits, *, is_last: bool
) -> int | None:
    """Return the index after pasted blocks; `at` if none are pasted, None if more text is needed.

    Blocks with other labels were pasted if a block with the chat's `label` follows within the length of one
    message.
    """
    if file.is_combined:
        return at
    size = 0
    for index in range(at, len(blocks)):
        if blocks[index].label == label:
            return index
        size += len(blocks[index].text) + len(CUT)
        if size > LONGEST_MESSAGE and not file.is_single:
            return at
    if file.is_single:
        return len(blocks)
    return at if is_last else None
