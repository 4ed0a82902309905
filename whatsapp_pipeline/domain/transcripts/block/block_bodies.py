r"""Bodies of blocks: quotes, attachments, places, phrases of WhatsApp.

    ➜ Respondendo para aB3x=, 2025-01-05 10:00:00: « Bom dia … »     a quote, then a blank line and the answer

    segue a foto                                                     a caption, then a blank line and
    <blank>                                                          the attachment with its size or duration
    foto.jpg (Imagem)
    123.45 KB

Most bodies are only text; their first and last bytes show this. The others are parsed one by one, without a
copy of the text: the text that remains is a range of bytes.

What belongs here: the shapes above. What does not: the words of a language (`languages/`), and the shapes of
native exports (`native_bodies.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
import polars as pl

from whatsapp_pipeline.domain.transcripts.block.block_header import (
    TIME_LENGTH,
    like_times,
    parse_header_time,
    times_at,
)
from whatsapp_pipeline.domain.transcripts.bodies import BODY_SCHEMA, plain_body, read_notice
from whatsapp_pipeline.domain.transcripts.lines import Flags, Ints, Lines, Words
from whatsapp_pipeline.domain.transcripts.phrases import INVISIBLE, phrases, visible

_MARK = "➜".encode()
_INVISIBLE_MARK = "\u200e".encode()
_BEFORE_TIME = b", "
_QUOTE, _QUOTE_END = ": «".encode(), "»".encode()
_MARKS_LEAD = "«".encode()[0]  # the first byte of both
_ANSWER = _QUOTE_END + b"\n\n"
# A quote may lack its quotation marks. It is of a picture or a recording, as in
# `➜ Respondendo para Rita, …: (Áudio)`, or it ends at a blank line.
_QUOTE_HEAD = re.compile(r"➜ [^\n]+?, (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d): (?=[^\n])")
_QUOTED_MEDIUM = re.compile(r"(\(([^()\n]+)\)) ?(?:\n+|\Z)")
_BLANK_LINE = re.compile(r"\n(?:[ \t]*\n)+")
_SIZE = re.compile(r"([0-9]{1,9}(?:[.,][0-9]{1,3})?) ?(B|[KMG]i?B|bytes)")
_DURATION = re.compile(r"(?:([0-9]{1,3}):)?([0-9]{1,3}):([0-9]{2})")
_LONGEST_MEASURE = len("123456789.123 bytes")
_UNITS = {
    unit: 1024**power
    for power, units in enumerate(["B bytes", "KB KiB", "MB MiB", "GB GiB"])
    for unit in units.split()
}
_START = 5  # first characters, by which a body that is only text is recognised
_NUMBERED = 4  # bytes of them that are compared first
_SPACE, _NOT_ASCII = ord(" "), 0x80


class BlockBodies(NamedTuple):
    """Parsed bodies."""

    columns: dict[str, pl.Series]
    """The columns of BODY_SCHEMA; one row per body."""
    of_groups: list[int]
    """Indexes of the bodies that occur only in groups."""
    own: Ints
    """Indexes of the bodies that WhatsApp wrote, although their headers name a person."""


class _Measure(NamedTuple):
    """A size in bytes or a duration in seconds."""

    size: int | None = None
    duration: int | None = None


_NO_MEASURE = _Measure()


def parse_block_bodies(lines: Lines, starts: Ints, ends: Ints, last: Ints, is_notice: Flags) -> BlockBodies:
    """Parse bodies: first the quote, then the text, then the attachment. WhatsApp itself writes notices.

    A body is the data from its start to its end, without line ends around it; `last` is its last line.
    """
    starts, ends = starts.copy(), ends.copy()
    is_body = ~is_notice & (starts < ends)
    leads = np.flatnonzero(is_body & (lines.byte(starts) == _MARK[0]))
    own = _own_notices(lines, starts, ends, leads)
    if len(own):
        is_notice = is_notice.copy()
        is_notice[own], is_body[own] = True, False
    is_special = np.zeros(len(starts), np.bool_)
    replies = leads[lines.begin_with(_MARK, starts[leads])]
    is_special[replies] = True
    columns = _take_replies(lines, starts, ends, replies)
    is_body &= starts < ends
    phrased = _phrased(lines, starts, ends, is_body)
    is_special[phrased] = True
    kinds: dict[int, str] = {}
    columns |= _take_attachments(lines, starts, ends, last, is_body, is_special, kinds)
    texts = columns["text"] = lines.texts(starts, ends)
    plain = [place for place in phrased if place not in kinds]
    kinds.update(zip(plain, map(_plain_type, texts[plain]), strict=True))
    places = np.flatnonzero(is_notice)
    notices = dict(zip(places.tolist(), map(read_notice, texts[places]), strict=True))
    kinds.update((place, notice.body.type) for place, notice in notices.items())
    columns["type"] = _types(kinds, len(starts))
    return BlockBodies(columns, [place for place, notice in notices.items() if notice.is_group], own)


def _own_notices(lines: Lines, starts: Ints, ends: Ints, places: Ints) -> Ints:
    """Return the bodies of people that are known notices of WhatsApp with its mark.

    Calls and deleted messages are not among them, because they are about their sender.
    """
    marked = places[lines.begin_with(_INVISIBLE_MARK, starts[places])]
    if not len(marked):
        return marked
    kinds = map(phrases().notification, lines.texts(starts[marked], ends[marked]))
    return marked[[kind not in (None, "call", "deleted") for kind in kinds]]


def _phrased(lines: Lines, starts: Ints, ends: Ints, is_body: Flags) -> list[int]:
    """Return the indexes of bodies that begin like a phrase of WhatsApp."""
    is_short = ends - starts < _NUMBERED
    may_begin = _first_bytes(lines.words(starts)).is_in(_begins_of_phrases().implode())
    may_be = is_body & (is_short | may_begin.to_numpy())
    longest, begins = len(_INVISIBLE_MARK) + 4 * _START, phrases().text_starts
    return [
        place
        for place, start, end in _ranges(starts, ends, np.flatnonzero(may_be))
        if visible(lines.data[start : min(end, start + longest)].decode(errors="ignore"))[:_START] in begins
    ]


def _plain_type(text: str) -> str:
    """Return the type of a body without a file.

    In this format a call is a notification. So a body that only names a call was typed by a person.
    """
    kind = plain_body(text).type
    is_typed = kind == "call" and text[:1] not in INVISIBLE and not phrases().is_whole_call(text)
    return "text" if is_typed else kind


def _first_bytes(words: Words) -> pl.Series:
    """Return the first bytes of each word as a number."""
    return pl.Series(words & np.uint64((1 << 8 * _NUMBERED) - 1))


@cache
def _begins_of_phrases() -> pl.Series:
    """Return the first bytes of WhatsApp's phrases as numbers."""
    starts = [start.encode() for start in phrases().text_starts]
    starts += [_INVISIBLE_MARK + start for start in starts]
    return _first_bytes(
        np.array([int.from_bytes(start[:_NUMBERED], "little") for start in starts], np.uint64)
    )


def _types(kinds: Mapping[int, str], count: int) -> pl.Series:
    """Return the type of each body: `kinds` has those that are not text."""
    names = list(dict.fromkeys(["text", *kinds.values()]))
    numbers = {name: number for number, name in enumerate(names)}
    which = np.zeros(count, np.uint32)
    which[list(kinds)] = [numbers[kind] for kind in kinds.values()]
    return pl.Series(names)[which]


def _spread(found: Mapping[str, pl.Series], places: Ints, count: int) -> dict[str, pl.Series]:
    """Return columns of `count` rows that are null except for the values `found` at `places`."""
    which = np.full(count, len(places))
    which[places] = np.arange(len(places))
    rows = pl.Series(which)
    return {name: values.extend(_nothing(values.dtype))[rows] for name, values in found.items()}


@cache
def _nothing(kind: pl.DataType) -> pl.Series:
    return pl.Series([None], dtype=kind)


def _ranges(starts: Ints, ends: Ints, places: Ints) -> Iterator[tuple[int, int, int]]:
    """Yield each place with its start and end."""
    return zip(places.tolist(), starts[places].tolist(), ends[places].tolist(), strict=True)


# ---- replies


def _take_replies(lines: Lines, starts: Ints, ends: Ints, places: Ints) -> dict[str, pl.Series]:
    """Find replies, move their `starts` to the answers, and return their columns."""
    marks = lines.places_of(_MARKS_LEAD)
    quotes = _quotes(lines, marks, starts[places])
    bare = _take_bare_quotes(lines, starts, ends, places[quotes < 0])
    places, quotes = places[quotes >= 0], quotes[quotes >= 0]
    times, are_times = times_at(lines, quotes - TIME_LENGTH)
    quotes += len(_QUOTE)
    quotes += lines.byte(quotes) == _SPACE
    quote_ends, answers = _quote_ends(lines, marks, quotes, ends[places])
    quote_ends -= (quotes < quote_ends) & (lines.byte(quote_ends - 1) == _SPACE)
    are_replies = are_times & (quote_ends >= quotes)
    places = places[are_replies]
    starts[places] = answers[are_replies]
    columns = {
        "reply_timestamp": pl.Series(times[are_replies]).cast(pl.Datetime("us")),
        "reply_quote": lines.texts(quotes[are_replies], quote_ends[are_replies]),
    }
    if bare:
        places = np.concatenate([places, np.array([reply.place for reply in bare])])
        more = {
            "reply_timestamp": pl.Series([reply.time for reply in bare], dtype=pl.Datetime("us")),
            "reply_quote": pl.Series([reply.quote for reply in bare]),
        }
        columns = {name: values.append(more[name]) for name, values in columns.items()}
    return _spread(columns, places, len(starts))


class _BareReply(NamedTuple):
    place: int
    time: datetime
    quote: str


def _take_bare_quotes(lines: Lines, starts: Ints, ends: Ints, places: Ints) -> list[_BareReply]:
    """Find replies whose quote has no quotation marks, and move their `starts` to the answers."""
    found: list[_BareReply] = []
    for place, start, end in _ranges(starts, ends, places):
        # A quote with quotation marks has them in its first line.
        first_end = lines.data.find(b"\n", start, end)
        if lines.data.find(_QUOTE, start, first_end if first_end >= 0 else end) >= 0:
            continue
        text = lines.data[start:end].decode()
        quote = _bare_quote(text)
        time = parse_header_time(quote.time) if quote else None
        if quote is None or time is None:
            continue
        starts[place] = start + len(text[: quote.end].encode())
        found.append(_BareReply(place, time, quote.text.rstrip(" ")))
    return found


class _FoundQuote(NamedTuple):
    time: str
    text: str
    end: int  # where the answer begins


def _bare_quote(text: str) -> _FoundQuote | None:
    head = _QUOTE_HEAD.match(text)
    if head is None:
        return None
    medium = _QUOTED_MEDIUM.match(text, head.end())
    if medium is not None and medium[2].lower() in phrases().attachment_kinds:
        return _FoundQuote(head[1], medium[1], medium.end())
    blank = _BLANK_LINE.search(text, head.end())
    return blank and _FoundQuote(head[1], text[head.end() : blank.start()], blank.end())


def _quotes(lines: Lines, marks: Ints, starts: Ints) -> Ints:
    """Return the place of `: «` after the first time in the first line of each body; -1 if there is none."""
    before = TIME_LENGTH + len(_BEFORE_TIME)
    found = marks[marks >= before + len(": ")] - len(": ")
    found = found[lines.begin_with(_QUOTE, found)]
    found = found[lines.begin_with(_BEFORE_TIME, found - before) & like_times(lines, found - TIME_LENGTH)]
    behind_mark = starts + len(_MARK)
    nearest = np.append(found, lines.length)[np.searchsorted(found, behind_mark + 1 + before)]
    is_there = (lines.byte(behind_mark) == _SPACE) & (nearest < lines.ends[lines.line_of(starts)])
    return np.where(is_there, nearest, -1)


def _quote_ends(lines: Lines, marks: Ints, quotes: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Return the places where quotes end (-1 if they do not end), and where the answers start.

    A quote ends with the first » that a blank line or nothing follows, because it may contain others.
    """
    found = np.append(marks[lines.begin_with(_ANSWER, marks)], lines.length)
    quote_ends = found[np.searchsorted(found, quotes)]
    have_answer = quote_ends + len(_ANSWER) <= ends
    below = lines.line_of(np.where(have_answer, quote_ends, 0)) + 1
    answers = np.where(have_answer, lines.starts[lines.filled_from(below)], ends)
    for at in np.flatnonzero(~have_answer).tolist():
        whole = lines.data[quotes[at] : ends[at]].rstrip(b" \t\n\r\f\v")
        quote_ends[at] = quotes[at] + len(whole) - len(_QUOTE_END) if whole.endswith(_QUOTE_END) else -1
    return quote_ends, answers


# ---- attachments


def _take_attachments(
    lines: Lines,
    starts: Ints,
    ends: Ints,
    last: Ints,
    is_body: Flags,
    is_special: Flags,
    kinds: dict[int, str],
) -> dict[str, pl.Series]:
    """Find attachments, add their `kinds` and return their columns; the text that remains is the caption."""
    may_be_measured, may_be_named = _may_be_attached(lines, ends, last, is_special)
    places = np.flatnonzero(is_body & (may_be_measured | may_be_named))
    first, line = starts[places], last[places]
    measures = _measures(lines, line, may_be_measured[places])
    is_measured = np.array([measure is not _NO_MEASURE for measure in measures], np.bool_)
    is_alone = is_measured & (lines.starts[line] == first)
    line = line - is_measured
    above, is_top = line - 1, lines.starts[line] <= first
    # The name of a file is the first line, or follows a caption and a blank line.
    may_be_named = ~is_alone & (is_top | (lines.lengths[above] == 0))
    found = _names(lines, line, np.flatnonzero(may_be_named))
    for at in np.flatnonzero(is_alone).tolist():
        # A duration alone, directly below the header, is a voice message.
        if measures[at].duration is not None:
            found[at] = "audio", None
    which = list(found)
    places = places[which]
    ends[places] = np.where(is_top, first, lines.ends[lines.filled_to(above)])[which]
    kinds.update(zip(places.tolist(), (kind for kind, _ in found.values()), strict=True))
    return _spread(_attached(found, measures), places, len(starts))


def _attached(
    found: Mapping[int, tuple[str, str | None]], measures: Sequence[_Measure]
) -> dict[str, pl.Series]:
    columns: dict[str, Sequence[str | int | None]] = {
        "attachment_kind": [kind for kind, _ in found.values()],
        "attachment_name": [name for _, name in found.values()],
        "attachment_size": [measures[at].size for at in found],
        "attachment_duration": [measures[at].duration for at in found],
    }
    return {name: pl.Series(values, dtype=BODY_SCHEMA[name]) for name, values in columns.items()}


def _may_be_attached(lines: Lines, ends: Ints, last: Ints, is_special: Flags) -> tuple[Flags, Flags]:
    """Return whether last lines may be measures, or names of files; no measure and no name is missed."""
    starts = lines.starts[last]
    first, final = lines.byte(starts), lines.byte(ends - 1)
    is_short = (first >= ord("0")) & (first <= ord("9")) & (ends - starts <= _LONGEST_MEASURE)
    is_measured = is_short & ((final == ord("B")) | (final == ord("s")) | (lines.byte(ends - 3) == ord(":")))
    # An invisible mark may follow the bracket.
    return is_measured, (final == ord(")")) | (is_special & (final >= _NOT_ASCII))


def _names(lines: Lines, line: Ints, which: Ints) -> dict[int, tuple[str, str | None]]:
    """Return the kind and the name of an attachment for each line that names one."""
    table, asked, found = phrases().attachment_kinds, line[which], dict[int, tuple[str, str | None]]()
    texts = lines.texts(lines.starts[asked], lines.ends[asked])
    for at, text in zip(which.tolist(), texts.to_list(), strict=True):
        shown = visible(text)
        name, _, word = shown[:-1].rpartition(" (")
        if name and shown.endswith(")") and (kind := table.get(word.lower())) is not None:
            found[at] = kind, name
    return found


def _measures(lines: Lines, line: Ints, may_be: Flags) -> list[_Measure]:
    """Parse the lines that may be measures."""
    found, which = [_NO_MEASURE] * len(line), np.flatnonzero(may_be)
    texts = lines.texts(lines.starts[line[which]], lines.ends[line[which]])
    for at, text in zip(which.tolist(), texts.to_list(), strict=True):
        found[at] = measure_of(text)
    return found


@lru_cache(4_096)
def measure_of(line: str) -> _Measure:
    """Parse a line such as `123.45 KB` or `1:00:12`."""
    if match := _SIZE.fullmatch(line):
        return _Measure(round(float(match[1].replace(",", ".")) * _UNITS[match[2]]))
    if match := _DURATION.fullmatch(line):
        hours, minutes, seconds = (int(number or 0) for number in match.groups())
        return _Measure(duration=hours * 3600 + minutes * 60 + seconds)
    return _NO_MEASURE
