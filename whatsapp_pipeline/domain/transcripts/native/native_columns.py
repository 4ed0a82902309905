r"""The fields of native exports: headers, times and texts of all lines of a window at once.

What belongs here: parsing lines. What does not: header shapes (`native_shapes.py`), cutting files into parts
and assigning messages to chats (`native_reader.py`).
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

# Characters that may surround a date that ends at the first space.
_AROUND_DATES = "[,\u200e"
_SECOND = 1_000_000
# U+200E and the bullet differ only in the last of their three bytes.
_MARK, _BULLET = "\u200e".encode(), "•".encode()


@dataclass(slots=True)
class Headers:
    """The fields of lines with a header."""

    at: Ints
    """Indexes of the lines."""
    dates: pl.Series
    clocks: pl.Series
    """Dates and times of day, as written."""
    names: pl.Series
    """The text after the header up to the first `: `."""
    texts: pl.Series
    """The text after that; null if there is no `: `."""

    def only(self, which: Flags) -> Headers:
        """Return the headers where `which` is true."""
        columns = (self.dates, self.clocks, self.names, self.texts)
        return Headers(self.at[which], *(column.filter(which) for column in columns))


def find_headers(lines: pl.Series, layout: Layout) -> Headers:
    """Return the fields of all lines with a header of the layout; the date of a header need not exist."""
    found = _usual_lines(lines, layout)
    is_usual = found is not None
    if found is None:
        found = lines.str.contains(layout.line)
    at = found.arg_true().to_numpy().astype(np.int64)
    if is_usual:
        # No such header contains a colon and a space, so the first ones of a line end the name.
        written, texts = _cut(lines.filter(found), ": ")
        heads, names = _cut(written, layout.closing)
        return Headers(at, *_cut(heads, " "), names, texts)
    whole = lines.filter(found)
    groups = whole.str.extract_groups(layout.line).struct
    dates, clocks = (groups.field(str(group)) for group in (layout.date_group, 3 - layout.date_group))
    return Headers(at, dates, clocks, *_cut(whole.str.replace(layout.line, ""), ": "))


def _usual_lines(lines: pl.Series, layout: Layout) -> pl.Series | None:
    """Return which lines have a header in the usual form of the layout.

    None if the layout has no usual form, or if some lines have a header in another form.
    """
    if layout.usual is None:
        return None
    found = lines.str.contains(layout.usual)
    others = lines.filter(~found)
    others = others.filter(others.str.contains(layout.hint))
    return None if len(others) and others.str.contains(layout.line).any() else found


def _cut(texts: pl.Series, between: str) -> tuple[pl.Series, pl.Series]:
    """Return the text before and after the first `between`; the latter is null if there is none."""
    pieces = texts.str.splitn(between, 2).struct
    return pieces.field("field_0"), pieces.field("field_1")


def header_times(headers: Headers, part_of: Ints, orders: Sequence[DateOrder]) -> Times:
    """Return the naive times of headers, NaT if invalid; `orders` has the date order of each part."""
    if not len(part_of):
        return np.empty(0, "datetime64[us]")
    # Only changed dates are parsed, because neighbouring lines nearly always have the same day.
    changes = (headers.dates != headers.dates.shift(1)).fill_null(True).to_numpy().copy()
    changes[1:] |= part_of[1:] != part_of[:-1]
    starts = np.flatnonzero(changes)
    written = list(zip(part_of[starts].tolist(), headers.dates.gather(starts).to_list(), strict=True))
    days, which = each_once(written, lambda of: dates_in(orders[of[0]])[of[1].strip(_AROUND_DATES)])
    midnights: Times = np.array(days, "datetime64[us]")[which]
    found: Times = np.repeat(midnights, np.diff(starts, append=len(part_of))) + _clocks(headers.clocks)
    return found


def _clocks(written: pl.Series) -> npt.NDArray[np.timedelta64]:
    """Return the time since midnight of each time of day; NaT if it is invalid."""
    # `10:00` and `10:00:00` are parsed by their digits, other forms one by one.
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
    """Return which texts may name a file.

    They have U+200E or a bullet, or their first or last line ends with `)` or `>`. A message has the line at
    `at` and `more` further lines; `whole` is the text of all lines.
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
    """Return which messages of several lines end with a known phrase as a line: `imagem ocultada`."""
    found: Flags = np.zeros(len(at), np.bool_)
    longer = np.flatnonzero(more)
    if len(longer):
        found[longer] = lines.gather(at[longer] + more[longer]).is_in(known).to_numpy()
    return found


def with_more_lines(texts: pl.Series, whole: bytes, line_ends: Ints, at: Ints, more: Ints) -> pl.Series:
    """Return the texts of messages with the line at `at` and `more` further lines of `whole`."""
    longer = np.flatnonzero(more)
    if not len(longer):
        return texts
    starts = line_ends[at[longer]] - texts.gather(longer).str.len_bytes().to_numpy()
    ends = line_ends[at[longer] + more[longer]]
    found = [whole[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    return replaced(texts, longer, pl.Series(found, dtype=pl.Binary).cast(pl.String))


def replaced(texts: pl.Series, at: Ints | pl.Series, new: pl.Series) -> pl.Series:
    """Return a column in which the texts at some places are replaced."""
    return texts.clone().scatter(at, new)


def each_once(written: Sequence[K], parse: Callable[[K], V]) -> tuple[list[V], Ints]:
    """Parse each distinct value once; return the results, and the index of the result of each value."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(written))}
    places = np.fromiter(map(numbers.__getitem__, written), np.int64, len(written))
    return [parse(value) for value in numbers], places
