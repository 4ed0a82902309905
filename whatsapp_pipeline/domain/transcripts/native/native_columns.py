r"""Native exports field by field: the headers, times and texts of all lines of a window at once.

What belongs here: taking apart lines. What does not: header shapes (`native_shapes.py`), where the parts of a
file begin and whose messages they are (`native_reader.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from whatsapp_pipeline.domain.transcripts.chat_message import DateOrder
from whatsapp_pipeline.domain.transcripts.native.native_dates import dates_in, times
from whatsapp_pipeline.domain.transcripts.native.native_shapes import Layout

Ints: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Times: TypeAlias = npt.NDArray[np.datetime64]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# What may stand around a date that was cut off at the first space.
_AROUND_DATES = "[,\u200e"
_SECOND = 1_000_000
# U+200E and the bullet differ in the last of their three bytes.
_MARK, _BULLET = "\u200e".encode(), "•".encode()


@dataclass(slots=True)
class Headers:
    """Lines with a header, field by field."""

    at: Ints
    """Which lines they are."""
    dates: pl.Series
    clocks: pl.Series
    """Dates and times of day, as written."""
    names: pl.Series
    """What follows the header, up to the first `: `."""
    texts: pl.Series
    """What follows that; null where there is none."""

    def only(self, which: Flags) -> Headers:
        """Some of them."""
        columns = (self.dates, self.clocks, self.names, self.texts)
        return Headers(self.at[which], *(column.filter(which) for column in columns))


def find_headers(lines: pl.Series, layout: Layout) -> Headers:
    """Find and cut the lines that have a header of the layout, be its date true or not."""
    found = _usual_lines(lines, layout)
    is_usual = found is not None
    if found is None:
        found = lines.str.contains(layout.line)
    at = found.arg_true().to_numpy().astype(np.int64)
    if is_usual:
        # No such header holds a colon before a space: the line's first ends the name.
        written, texts = _cut(lines.filter(found), ": ")
        heads, names = _cut(written, layout.closing)
        return Headers(at, *_cut(heads, " "), names, texts)
    whole = lines.filter(found)
    groups = whole.str.extract_groups(layout.line).struct
    dates, clocks = (groups.field(str(group)) for group in (layout.date_group, 3 - layout.date_group))
    return Headers(at, dates, clocks, *_cut(whole.str.replace(layout.line, ""), ": "))


def _usual_lines(lines: pl.Series, layout: Layout) -> pl.Series | None:
    """Which lines have a header of the usual writing; None when some have one of another."""
    if layout.usual is None:
        return None
    found = lines.str.contains(layout.usual)
    others = lines.filter(~found)
    others = others.filter(others.str.contains(layout.hint))
    return None if len(others) and others.str.contains(layout.line).any() else found


def _cut(texts: pl.Series, between: str) -> tuple[pl.Series, pl.Series]:
    """What stands before and after the first `between`; null after where there is none."""
    pieces = texts.str.splitn(between, 2).struct
    return pieces.field("field_0"), pieces.field("field_1")


def header_times(headers: Headers, part_of: Ints, orders: Sequence[DateOrder]) -> Times:
    """The naive times of headers, NaT for what does not exist; `orders` are those of the parts' dates."""
    if not len(part_of):
        return np.empty(0, "datetime64[us]")
    # Dates are looked at where they change; neighbours are nearly always of one day.
    changes = (headers.dates != headers.dates.shift(1)).fill_null(True).to_numpy().copy()
    changes[1:] |= part_of[1:] != part_of[:-1]
    starts = np.flatnonzero(changes)
    written = list(zip(part_of[starts].tolist(), headers.dates.gather(starts).to_list(), strict=True))
    days, which = each_once(written, lambda of: dates_in(orders[of[0]])[of[1].strip(_AROUND_DATES)])
    midnights: Times = np.array(days, "datetime64[us]")[which]
    found: Times = np.repeat(midnights, np.diff(starts, append=len(part_of))) + _clocks(headers.clocks)
    return found


def _clocks(written: pl.Series) -> npt.NDArray[np.timedelta64]:
    """How long after midnight times of day are, NaT for what is none."""
    # `10:00` and `10:00:00` by their digits, others one by one.
    digits = written.str.replace_all(":", "", literal=True).cast(pl.Int32, strict=False)
    numbers = digits.fill_null(-1).to_numpy()
    has_seconds = written.str.len_bytes().to_numpy() > len("10:00")
    numbers = np.where(has_seconds, numbers, numbers * np.int32(100))
    minutes, seconds = np.divmod(numbers, np.int32(100))
    hours, minutes = np.divmod(minutes, np.int32(100))
    clocks = (((hours * 60 + minutes) * 60 + seconds) * np.int64(_SECOND)).astype("timedelta64[us]")
    is_other = (numbers < 0) | (hours > 23) | (minutes > 59) | (seconds > 59)
    if is_other.any():
        others, which = each_once(written.filter(is_other).to_list(), times().__getitem__)
        clocks[is_other] = np.array(others, "timedelta64[us]")[which]
    return clocks


def may_name_files(texts: pl.Series, whole: bytes, line_ends: Ints, at: Ints, more: Ints) -> Flags:
    """Which texts may name a file: at the end of their first line or last, or behind U+200E or a bullet.

    The messages begin `at` lines and go on for so many `more`; `whole`: all lines together.
    """
    units, ends = np.frombuffer(whole, np.uint8), line_ends[at + more]
    found: Flags = np.zeros(len(at), np.bool_)
    for places in (line_ends[at], ends):
        finals = units[places - 1]
        found |= (finals == ord(")")) | (finals == ord(">"))
    marks = np.flatnonzero(units[: 1 - len(_MARK)] == _MARK[0]) if len(at) else np.empty(0, np.int64)
    finals = units[marks + 2]
    marks = marks[(units[marks + 1] == _MARK[1]) & ((finals == _MARK[2]) | (finals == _BULLET[2]))]
    rows = np.searchsorted(ends, marks)
    starts = ends - texts.str.len_bytes().to_numpy()
    found[rows[marks >= starts[rows]]] = True
    return found


def end_in_phrase(lines: pl.Series, at: Ints, more: Ints, known: frozenset[str]) -> Flags:
    """Which messages of several lines have a known phrase as their last one: `imagem ocultada`."""
    found: Flags = np.zeros(len(at), np.bool_)
    longer = np.flatnonzero(more)
    if len(longer):
        found[longer] = lines.gather(at[longer] + more[longer]).is_in(known).to_numpy()
    return found


def with_more_lines(texts: pl.Series, whole: bytes, line_ends: Ints, at: Ints, more: Ints) -> pl.Series:
    """Texts of messages that begin `at` lines, and go on for so many `more`; `whole`: all lines together."""
    longer = np.flatnonzero(more)
    if not len(longer):
        return texts
    starts = line_ends[at[longer]] - texts.gather(longer).str.len_bytes().to_numpy()
    ends = line_ends[at[longer] + more[longer]]
    found = [whole[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    return replaced(texts, longer, pl.Series(found, dtype=pl.Binary).cast(pl.String))


def replaced(texts: pl.Series, at: Ints | pl.Series, new: pl.Series) -> pl.Series:
    """A column with other texts in some places."""
    return texts.clone().scatter(at, new)


def each_once(written: Sequence[K], parse: Callable[[K], V]) -> tuple[list[V], Ints]:
    """What each distinct value is parsed to, and which of those each value is."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(written))}
    places = np.fromiter(map(numbers.__getitem__, written), np.int64, len(written))
    return [parse(value) for value in numbers], places
