r"""The block format: the text export of a desktop backup program.

    ----------------------------------------------------      exactly 52 dashes
    +55 41 99999-0000                                         the chat's label
    2025-01-05 10:00:00 from Maria (+554199990000) - Lida     header: time, direction, name, phone, status
    <blank>
    body, any number of lines (`bodies.py`)
    <blank>

A separator counts only with its label and a valid header behind it: people type dashes, and paste whole
transcripts. A separator that completes the pattern with another label opens another chat of a combined file,
unless it stands inside what one message can hold; then it was pasted.

What belongs here: cutting text into blocks, headers, and which chat a block is of. What does not: what stands
in a body, and what every format does with a batch.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from .block_columns import Columns, columns_of
from .block_header import NOTIFICATION, WhoCache, is_header
from .bodies import BLOCK_ENDINGS, REPLY_MARK, Body, parse_block_body
from .columns import ChatBuilder, Totals, batch_of, clock_of
from .decoding import TextChunks, lenient, line_count, with_last
from .model import ChatEnd, ChatStart, Event, Finding, LineKind, ParseOptions
from .phrases import phrases, visible

SEPARATOR = "-" * 52
_RULE = f"{SEPARATOR}\n"
_CUT = f"\n{SEPARATOR}\n"
_CUT_BYTES = _CUT.encode()

# A message holds at most 65,536 characters: blocks of other labels that fit in one may have been pasted.
_MESSAGE_LIMIT = 65_536
# A block that goes on for longer than this is no message; its middle is left out and recorded.
_BLOCK_LIMIT = 1 << 22
_LONGEST_LABEL = 1 << 10
_PEEK = 16 * _LONGEST_LABEL  # bytes that hold any label and header


class _Block(NamedTuple):
    """A valid block: its text from the label (or header, where there is no label) on."""

    label: str | None
    text: str


def find_start(data: bytes) -> tuple[int, bool] | None:
    """Where the first block's content starts and whether blocks have labels; None without a block."""
    rule, cut = _RULE.encode(), _CUT_BYTES
    at = len(rule) if data.startswith(rule) else _after(data, cut)
    while at:
        first, _, rest = lenient(data[at : at + _PEEK])[: 2 * _LONGEST_LABEL].partition("\n")
        if is_header(first):
            return at, False
        if first.strip() and len(first) <= _LONGEST_LABEL and is_header(rest.partition("\n")[0]):
            return at, True
        # A rule right after a rule: only the second may start a block.
        at = _after(data, cut, at - 1)
    return None


def _after(data: bytes, part: bytes, start: int = 0) -> int:
    """Where the first `part` in `data` ends, 0 when there is none."""
    found = data.find(part, start)
    return found + len(part) if found >= 0 else 0


class BlockReader:
    """Reads one file of the block format; see `read`."""

    def __init__(self, options: ParseOptions) -> None:
        self._title = options.default_title
        self._combined = options.combined or phrases().is_combined(options.default_title or "")
        self._starts = phrases().text_starts
        self._clock = clock_of(options.tzinfo)
        # Of the file.
        self._encoding = "utf-8"
        self._labelled = True
        self._single = False  # the file's own title says that it is one chat
        self._preamble = 0  # lines before the first block
        self._line = 1  # of the label (or header) that is read next
        # Of the chat in hand.
        self._chat_number = 0
        self._label: str | None = None
        self._label_data: bytes | None = None
        self._chat = ChatBuilder(Totals(0, None, 0, "block"), self._clock)
        self._who = WhoCache()
        self._notices: dict[str, Body] = {}
        self._members: set[str | None] = set()
        # Of the block in hand.
        self._left_out = 0  # lines that were too many to keep
        self._shortened = False
        self._cut_off = 0  # lines of a block that the file's end cuts off
        self._ends_blank: bool | None = None  # whether the file's first block ends with a blank line

    def read(self, chunks: Iterator[bytes], source: TextChunks) -> Iterator[Event]:
        """Yield the events of a file whose first chunk has a block.

        Memory is bounded by a chunk and the longest message.
        """
        held, started = b"", False
        for chunk, is_last in with_last(chunks):
            held += chunk
            if not started:
                started, (at, self._labelled) = True, find_start(held) or (len(held), False)
                source.mend(held[:at], 1)  # for what it finds
                self._preamble = held.count(b"\n", 0, at) - 1
                self._line = self._preamble + 2
                held = held[at:]
            held = yield from self._read_data(held, source, is_last=is_last)
        totals = self._chat.totals
        yield from map(totals.note, source.findings)
        yield ChatEnd(totals.summary(source.encoding))

    def _read_data(self, data: bytes, source: TextChunks, *, is_last: bool) -> Generator[Event, None, bytes]:
        """Read what starts inside a valid block; returns what must wait for more."""
        line = self._line + self._left_out
        if b"\x00" in data:
            data = source.mend(data, line)
        self._encoding = source.encoding
        if not self._chat_number:
            label = self._label_of(lenient(data[:_PEEK])) or self._title
            yield from self._open(label, self._line)
        pieces = data.split(_CUT_BYTES)
        if len(pieces) == 1 and not is_last and len(data) <= _BLOCK_LIMIT:
            return data
        # The last block may go on in the next chunk, and a last piece without its header may be no block.
        waiting = 0 if is_last else 1 if self._is_own(pieces[-1]) else 2
        ready = pieces[: len(pieces) - waiting]
        if ready and (waiting < 2 or self._is_own(pieces[-2])):
            columns = self._columns(ready, data)
            if columns is not None:
                yield from self._messages(ready, columns, at_end=is_last)
                return _CUT_BYTES.join(pieces[len(ready) :])
        text = source.mend(data, line).decode()
        self._encoding = source.encoding
        blocks = self._blocks(text.split(_CUT), is_last=is_last)
        held = yield from self._read_carefully(blocks, is_last=is_last)
        return (self._shorten(held) if len(held) > _BLOCK_LIMIT else held).encode()

    def _read_carefully(self, blocks: Sequence[_Block], *, is_last: bool) -> Generator[Event, None, str]:
        """Read blocks of which some are pasted or of other chats; returns what must wait for more text."""
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
                return (yield from self._hold(ready, [text for _, text in blocks[at:]]))
            if after > at:
                ready[-1] = _CUT.join([ready[-1], *(text for _, text in blocks[at:after])])
                at = after
                continue
            yield from self._careful_messages(ready)
            ready = []
            yield ChatEnd(self._chat.totals.summary(self._encoding))
            yield from self._open(label, self._line)
        if not is_last:
            return (yield from self._hold(ready, []))
        yield from self._careful_messages(ready, at_end=not self._cut_off)
        return ""

    def _hold(self, ready: list[str], rest: Sequence[str]) -> Generator[Event, None, str]:
        """Read all but the last of the blocks that are ready, which waits with the rest."""
        held = _CUT.join([ready.pop(), *rest])
        yield from self._careful_messages(ready)
        return held

    def _pasted_until(self, blocks: Sequence[_Block], at: int, *, is_last: bool) -> int | None:
        """Up to where blocks of other labels were pasted: `at` when not at all, None when it is too early."""
        if self._combined:
            return at
        size = 0
        for index in range(at, len(blocks)):
            label, text = blocks[index]
            if label == self._label:
                return index
            size += len(text) + len(_CUT)
            if size > _MESSAGE_LIMIT and not self._single:
                return at
        if self._single:
            return len(blocks)
        return at if is_last else None

    def _blocks(self, pieces: Sequence[str], *, is_last: bool) -> list[_Block]:
        """Join what is no block of its own to the block before; the first piece is one."""
        label = self._label_of(pieces[0])
        label, parts, blocks = label or None, [pieces[0]], list[_Block]()
        for number, piece in enumerate(pieces[1:], start=2):
            rest = piece
            while rest.startswith(_RULE):  # a rule typed right above a true separator
                parts[-1] += f"\n{SEPARATOR}"
                rest = rest[len(_RULE) :]
            found = self._label_of(rest)
            if found is not None:
                blocks.append(_Block(label, _CUT.join(parts)))
                label, parts = found or None, [rest]
            elif is_last and number == len(pieces) and self._is_cut_off(rest, label):
                self._cut_off = 1 + line_count(rest.encode())
            else:
                parts.append(rest)
        blocks.append(_Block(label, _CUT.join(parts)))
        return blocks

    def _label_of(self, piece: str) -> str | None:
        """The label of a piece that is a valid block ("" where blocks have none), else None."""
        first, _, rest = piece[: 4 * _LONGEST_LABEL].partition("\n")
        if not self._labelled:
            return "" if is_header(first) else None
        fits = first.strip() and len(first) <= _LONGEST_LABEL and is_header(rest.partition("\n")[0])
        return first if fits else None

    def _is_own(self, piece: bytes) -> bool:
        """Whether a piece is a block of this chat whose header is complete."""
        start = lenient(piece[:_PEEK])
        label = self._label_of(start)
        return label is not None and (label or None) == self._label and start.count("\n") > self._labelled

    def _is_cut_off(self, piece: str, label: str | None) -> bool:
        """Whether a file ends inside a block's separator, label or header."""
        first, _, header = piece.partition("\n")
        if not self._labelled:
            first, header = (label or ""), piece
        return (label or "").startswith(first) and "\n" not in header and header[:1].isdigit() | (not header)

    def _columns(self, pieces: Sequence[bytes], whole: bytes) -> Columns | None:
        return columns_of(pieces, whole, self._label_data if self._labelled else None, self._who)

    def _careful_messages(self, texts: Sequence[str], *, at_end: bool = False) -> Iterator[Event]:
        """The messages of blocks of which some may hold what was pasted."""
        if texts:
            pieces = [text.encode() for text in texts]
            # A block may end with its header, when the next one or the file's end follows at once.
            columns = self._columns([piece + b"\n" for piece in pieces], b"\n".join(pieces))
            assert columns is not None, "every text is a valid block"  # noqa: S101
            starts = yield from self._messages(pieces, columns, at_end=at_end)
            yield from map(self._chat.totals.note, self._pasted(texts, starts))

    def _messages(
        self, pieces: Sequence[bytes], columns: Columns, *, at_end: bool
    ) -> Generator[Event, None, list[int]]:
        """The messages of valid blocks of this chat, and what is odd about them; returns their lines."""
        counts = [piece.count(b"\n") + 2 for piece in pieces]
        if at_end and pieces[-1].endswith(b"\n"):
            counts[-1] -= 1
        counts[0] += self._left_out
        starts = list(accumulate(counts, initial=self._line))
        self._line = starts.pop()
        parsed = self._parse(columns)
        lines = [start + 1 for start in starts] if self._labelled else starts
        times, _, senders, bodies, data, *_ = columns
        yield batch_of(self._chat.build(lines, times, senders, bodies, data, parsed))
        totals = self._chat.totals
        self._count_lines(len(pieces), sum(counts))
        yield from map(totals.note, list(self._oddities(pieces, starts, at_end=at_end)))
        self._left_out = self._cut_off = 0
        return starts

    def _count_lines(self, blocks: int, lines: int) -> None:
        counted = self._chat.totals.lines
        counted[LineKind.SEPARATOR] += blocks
        counted[LineKind.HEADER] += blocks
        counted[LineKind.LABEL] += blocks * self._labelled
        counted[LineKind.EXCEPTION] += self._left_out + self._cut_off
        counted[LineKind.BODY] += lines - self._left_out - blocks * (2 + self._labelled)

    def _parse(self, columns: Columns) -> dict[int, Body]:
        """The bodies that are more than text, by index."""
        starts, has_replies, has_bytes = self._starts, columns.has_replies, columns.has_bytes
        parsed = {
            at: parse_block_body(body)
            for at, body in enumerate(columns.bodies)
            if body[-1:] in BLOCK_ENDINGS
            or body[:5] in starts
            or (has_replies and body[:1] == REPLY_MARK)
            or (has_bytes and body[-6:] == " bytes")
        }
        people = set(columns.headers)
        if any(self._who[header] is NOTIFICATION for header in people):
            for at, sender in enumerate(columns.senders):
                if sender is NOTIFICATION:
                    parsed[at] = self._notice(columns.bodies[at])
        if len(self._members) < 3:
            senders = map(self._who.__getitem__, people)
            self._members.update(s.phone or s.sender_name for s in senders if s.direction == "from")
            self._chat.totals.is_group |= len(self._members) > 1
        return parsed

    def _notice(self, text: str) -> Body:
        notice = self._notices.get(text)
        if notice is None:
            kind = phrases().notification(text)
            self._chat.totals.is_group |= kind == "group"
            notice = Body(text, kind if kind in ("call", "deleted") else "system")
            if len(self._notices) > 1_000:
                self._notices.clear()
            self._notices[text] = notice
        return notice

    def _oddities(self, pieces: Sequence[bytes], starts: Sequence[int], *, at_end: bool) -> Iterator[Finding]:
        """What people typed that looks like a block, and what was cut."""
        if self._left_out or self._shortened:
            detail = (
                f"a block of more than {_BLOCK_LIMIT} characters; {self._left_out} lines of it were left out"
            )
            yield Finding(starts[0], "oversized_message", "error", detail)
            self._shortened = False
        if self._ends_blank is None:
            self._ends_blank = pieces[0].endswith(b"\n")
        ends = [piece[-1:] for piece in pieces]
        if self._ends_blank and ends.count(b"\n") < len(ends):
            followers = zip(ends, [*starts[1:], None if at_end else self._line], strict=True)
            for end, follower in followers:
                if end != b"\n" and follower is not None:
                    detail = (
                        "a block right below text, without a blank line: read, but it may have been pasted"
                    )
                    yield Finding(follower, "forged_header", "warning", detail)
        if self._cut_off:
            yield Finding(self._line - 1, "cut_off", "warning", "the file ends inside a block's first lines")

    def _pasted(self, texts: Sequence[str], starts: Sequence[int]) -> Iterator[Finding]:
        """What people pasted that looks like a block."""
        for text, start in zip(texts, starts, strict=True):
            if _CUT in text:
                yield from self._pasted_in(text, start)

    def _pasted_in(self, text: str, start: int) -> Iterator[Finding]:
        first, *rest = text.split(_CUT)
        line = start + first.count("\n") + 2
        for piece in rest:
            if self._label_of(piece) is not None:
                yield Finding(
                    line,
                    "unknown_label",
                    "warning",
                    "a block of another label inside a message: kept as its text",
                )
            elif any(map(is_header, piece.split("\n", 2)[:2])):
                yield Finding(
                    line,
                    "forged_header",
                    "info",
                    "a header without its label inside a message: kept as its text",
                )
            line += piece.count("\n") + 2

    def _open(self, label: str | None, line: int) -> Iterator[Event]:
        """Begin the next chat, whose first block starts on `line`."""
        self._chat_number += 1
        number, previous = self._chat_number, self._label
        self._label = label if self._labelled else None
        self._label_data = self._label.encode() if self._label is not None else None
        if number == 1:
            self._single = not self._combined and label is not None and _same_title(self._title, label)
        totals = Totals(number, label, line, "block")
        self._chat = ChatBuilder(totals, self._clock)
        self._who, self._members, self._notices = WhoCache(), set(), {}
        yield ChatStart(number, label, line, "block")
        if self._preamble:
            totals.lines[LineKind.EXCEPTION] += self._preamble
            detail = f"{self._preamble} lines before the first message"
            yield totals.note(Finding(1, "preamble", "warning", detail))
            self._preamble = 0
        if previous is not None and not self._combined:
            yield totals.note(
                Finding(line, "new_label", "info", "blocks of another label: read as another chat")
            )

    def _shorten(self, held: str) -> str:
        """Leave out the middle of a block that is too long to be a message, counting its lines."""
        start = held.rfind("\n", 0, _BLOCK_LIMIT // 2) + 1 or _BLOCK_LIMIT // 2
        end = held.find("\n", len(held) - _MESSAGE_LIMIT) + 1 or len(held) - _MESSAGE_LIMIT
        self._left_out += held.count("\n", start, end)
        self._shortened = True
        return held[:start] + held[end:]


def _same_title(title: str | None, label: str) -> bool:
    """Whether a file's title names the chat: with more words behind, with another way of writing its phone.

    Long titles are cut, with a `-` at the end.
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
