r"""What stands in the bodies of blocks: quotes, attachments, places, phrases.

    ➜ Respondendo para aB3x=, 2025-01-05 10:00:00: « Bom dia … »     a quote, then a blank line and the answer

    segue a foto                                                     a caption, then a blank line and
    <blank>                                                          the attachment with its size or duration
    foto.jpg (Imagem)
    123.45 KB

Most bodies are nothing but text, which a few of their bytes tell. The others are taken apart one by one, but
never copied: what is left of them is the text from one place to another.

What belongs here: those shapes. What does not: a language's words (`languages/`), and what native exports
write instead (`native_bodies.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
import polars as pl

from .block_header import times_at
from .bodies import BODY_SCHEMA, plain_body, read_notice
from .lines import Flags, Ints, Lines
from .phrases import phrases, visible

_MARK = "➜".encode()
_TIME = rb"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-2][0-9]:[0-5][0-9]:[0-5][0-9]"
_REPLY = re.compile(rb"%b [^\n]*?, (%b): \xc2\xab ?" % (_MARK, _TIME))
_QUOTE_END = "»".encode()
_ANSWER = _QUOTE_END + b"\n\n"
_SIZE = re.compile(rb"([0-9]{1,9}(?:[.,][0-9]{1,3})?) ?(B|[KMG]i?B|bytes)")
_DURATION = re.compile(rb"(?:([0-9]{1,3}):)?([0-9]{1,3}):([0-9]{2})")
_LONGEST_MEASURE = len("123456789.123 bytes")
_UNITS = {
    unit.encode(): 1024**power
    for power, units in enumerate(["B bytes", "KB KiB", "MB MiB", "GB GiB"])
    for unit in units.split()
}
_START = 5  # characters of a text that tell whether it may be more than what a person wrote
_PAIR = np.uint64(0xFFFF)  # of bytes
_LINE_END, _NOT_ASCII = ord("\n"), 0x80


class Bodies(NamedTuple):
    """Bodies taken apart."""

    columns: dict[str, pl.Series]
    """Those of BODY_SCHEMA, a row a body."""
    of_groups: list[int]
    """Which of them only a group's chat has."""


class _Reply(NamedTuple):
    """Where in the data the quoted time stands, the quote starts and ends, and the answer starts."""

    time: int
    quote: int
    quote_end: int
    answer: int


class _Attachment(NamedTuple):
    """What the last lines of a body tell, and where in the data the text above them ends."""

    text_end: int
    attachment_kind: str
    attachment_name: str | None
    attachment_size: int | None
    attachment_duration: int | None


class _Measure(NamedTuple):
    """Bytes or seconds."""

    size: int | None = None
    duration: int | None = None


_NO_MEASURE = _Measure()


def parse_block_bodies(lines: Lines, starts: Ints, ends: Ints, lasts: Ints, is_notice: Flags) -> Bodies:
    """Take bodies apart: quote first, then text, then attachment; notices are WhatsApp's own words.

    A body goes from its start to its end in the lines' data, with no line ends around it, and its last line
    from `lasts` on.
    """
    starts, ends = starts.copy(), ends.copy()
    is_body = ~is_notice & (starts < ends)
    is_special = is_body & lines.begin_with(_MARK, starts)
    columns = _take_replies(lines, starts, ends, np.flatnonzero(is_special))
    is_body &= starts < ends
    phrased = _phrased(lines, starts, ends, is_body)
    is_special[phrased] = True
    attached = is_body & _may_be_attached(lines, ends, lasts, is_special)
    kinds: dict[int, str] = {}
    columns |= _take_attachments(lines, starts, ends, np.flatnonzero(attached), kinds)
    texts = columns["text"] = lines.texts(starts, ends)
    plain = [place for place in phrased if place not in kinds]
    kinds.update(zip(plain, (plain_body(text).type for text in texts[plain]), strict=True))
    places = np.flatnonzero(is_notice)
    notices = dict(zip(places.tolist(), map(read_notice, texts[places]), strict=True))
    kinds.update((place, notice.body.type) for place, notice in notices.items())
    columns["type"] = _types(kinds, len(starts))
    return Bodies(columns, [place for place, notice in notices.items() if notice.is_group])


def _phrased(lines: Lines, starts: Ints, ends: Ints, is_body: Flags) -> list[int]:
    """Which bodies begin as WhatsApp's own words do."""
    words, (first, second) = lines.words(starts), _begins_of_phrases()
    may_be = is_body & first[words & _PAIR] & second[words >> np.uint64(16) & _PAIR]
    longest, begins = 4 * _START, phrases().text_starts
    return [
        place
        for place, start, end in _ranges(starts, ends, np.flatnonzero(may_be))
        if lines.data[start : min(end, start + longest)].decode(errors="ignore")[:_START] in begins
    ]


@cache
def _begins_of_phrases() -> tuple[Flags, Flags]:
    """Which numbers the first two bytes of WhatsApp's own words make, and which the next two."""
    first, second = (np.zeros(1 << 16, np.bool_) for _ in range(2))
    for begin in (start.encode() for start in phrases().text_starts):
        first[int.from_bytes(begin[:2], "little")] = True
        second[int.from_bytes(begin[2:4], "little")] = True
    return first, second


def _types(kinds: Mapping[int, str], count: int) -> pl.Series:
    """The type of each body: text, but for those of other `kinds`."""
    names = list(dict.fromkeys(["text", *kinds.values()]))
    numbers = {name: number for number, name in enumerate(names)}
    which = np.zeros(count, np.uint32)
    which[list(kinds)] = [numbers[kind] for kind in kinds.values()]
    return pl.Series(names)[which]


def _spread(found: Mapping[str, pl.Series], places: Ints, count: int) -> dict[str, pl.Series]:
    """Columns of so many rows that are null but for what was `found` at places."""
    which = np.full(count, len(places))
    which[places] = np.arange(len(places))
    rows = pl.Series(which)
    return {name: values.extend(_nothing(values.dtype))[rows] for name, values in found.items()}


@cache
def _nothing(kind: pl.DataType) -> pl.Series:
    return pl.Series([None], dtype=kind)


def _ranges(starts: Ints, ends: Ints, places: Ints) -> Iterator[tuple[int, int, int]]:
    """Places with their starts and ends."""
    return zip(places.tolist(), starts[places].tolist(), ends[places].tolist(), strict=True)


# ---- replies


def _take_replies(lines: Lines, starts: Ints, ends: Ints, places: Ints) -> dict[str, pl.Series]:
    """Find replies; what is left of them starts with the answer. Returns their columns."""
    found = {
        place: reply
        for place, start, end in _ranges(starts, ends, places)
        if (reply := cut_reply(lines.data, start, end)) is not None
    }
    written = np.array(list(found.values()), np.int64).reshape(-1, len(_Reply._fields))
    times, exist = times_at(lines, written[:, 0])
    replies = np.array(list(found), np.int64)[exist]
    _, quotes, quote_ends, answers = written[exist].T
    starts[replies] = answers
    columns = {
        "reply_timestamp": pl.Series(times[exist]).cast(pl.Datetime("us")),
        "reply_quote": lines.texts(quotes, quote_ends),
    }
    return _spread(columns, replies, len(starts))


def cut_reply(data: bytes, start: int, end: int) -> _Reply | None:
    """Cut a body that begins with the mark of replies; None when it quotes nothing.

    The quote ends with the first » that has a blank line or nothing behind it: it may hold others.
    """
    head = _REPLY.match(data, start, end)
    if head is None:
        return None
    quote = head.end()
    quote_end = data.find(_ANSWER, quote, end)
    if quote_end >= 0:
        answer = quote_end + len(_ANSWER)
        while data[answer] == _LINE_END:
            answer += 1
    else:
        whole = data[quote:end].rstrip(b" \t\n\r\f\v")
        if not whole.endswith(_QUOTE_END):
            return None
        quote_end, answer = quote + len(whole) - len(_QUOTE_END), end
    if data.endswith(b" ", quote, quote_end):
        quote_end -= 1
    return _Reply(head.start(1), quote, quote_end, answer)


# ---- attachments


def _may_be_attached(lines: Lines, ends: Ints, lasts: Ints, is_special: Flags) -> Flags:
    """Which bodies may end with an attachment or its measure: all that do, and few others."""
    first, last = lines.byte(lasts), lines.byte(ends - 1)
    is_short = (first >= ord("0")) & (first <= ord("9")) & (ends - lasts <= _LONGEST_MEASURE)
    is_measured = is_short & ((last == ord("B")) | (last == ord("s")) | (lines.byte(ends - 3) == ord(":")))
    # A mark that shows nothing may follow the bracket.
    may_be: Flags = is_measured | (last == ord(")")) | (is_special & (last >= _NOT_ASCII))
    return may_be


def _take_attachments(
    lines: Lines, starts: Ints, ends: Ints, places: Ints, kinds: dict[int, str]
) -> dict[str, pl.Series]:
    """Find attachments, and note their `kinds`; what is left is the caption. Returns their columns."""
    found = {
        place: attachment
        for place, start, end in _ranges(starts, ends, places)
        if (attachment := parse_attachment(lines.data, start, end)) is not None
    }
    attached = np.array(list(found), np.int64)
    ends[attached] = [one.text_end for one in found.values()]
    kinds.update((place, one.attachment_kind) for place, one in found.items())
    columns = {
        name: pl.Series([one[at] for one in found.values()], dtype=BODY_SCHEMA[name])
        for at, name in enumerate(_Attachment._fields)
        if name in BODY_SCHEMA
    }
    return _spread(columns, attached, len(starts))


def parse_attachment(data: bytes, start: int, end: int) -> _Attachment | None:
    """What the last lines of a body tell; None when they tell of no attachment."""
    line = data.rfind(b"\n", start, end) + 1 or start
    size, duration = measure_of(data[line:end]) if end - line <= _LONGEST_MEASURE else _NO_MEASURE
    if size is not None or duration is not None:
        if line == start:  # a duration alone, right under the header, is a voice message
            return _Attachment(start, "audio", None, None, duration) if size is None else None
        end = line - 1
        line = data.rfind(b"\n", start, end) + 1 or start
    if line > start and data[line - 2] != _LINE_END:
        return None  # only a caption with a blank line stands above
    shown = visible(data[line:end].decode())
    name, _, word = shown[:-1].rpartition(" (")
    kind = phrases().attachment_kinds.get(word.lower()) if name and shown.endswith(")") else None
    if kind is None:
        return None
    text_end = start + len(data[start:line].rstrip(b"\n"))
    return _Attachment(text_end, kind, name, size, duration)


@lru_cache(4_096)
def measure_of(line: bytes) -> _Measure:
    """The bytes (`123.45 KB`) or the seconds (`1:00:12`) that a line tells."""
    if match := _SIZE.fullmatch(line):
        return _Measure(round(float(match[1].replace(b",", b".")) * _UNITS[match[2]]))
    if match := _DURATION.fullmatch(line):
        hours, minutes, seconds = (int(number or 0) for number in match.groups())
        return _Measure(duration=hours * 3600 + minutes * 60 + seconds)
    return _NO_MEASURE
