"""The header shapes of WhatsApp's own exports, and what their dates and times say.

What belongs here: every shape a native header is known to have; another one is one more alternative here.
What does not: senders and texts (`native_reader.py`).

    android    05/01/2025, 10:00 - Maria: oi          5/1/25, 10:00 p. m. - …       05/01/2025 10:00 - …
    ios        [05/01/2025, 10:00:00] Maria: oi       [5/1/25 10.00.00] …           [2025-01-05, 1:00:00 PM] …
    ios, time first                                   [10:00:00, 05/01/2025] …
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from typing import Literal

from whatsapp_pipeline.domain.transcripts.chat_message import DateOrder, FormatName
from whatsapp_pipeline.domain.transcripts.phrases import INVISIBLE, visible

_MARK = f"[{INVISIBLE}]*"
_SPACE = "[ \u00a0\u202f\u2009]"
_HALF = rf"[AaPp]\.?{_SPACE}?[Mm]\.?|[صم]|[上下]午|午[前后後]|오[전후]"


def _date_with(mark: str) -> str:
    """Digits of any script; years of four digits, two, Buddhist (2567) or of a Japanese era (R6)."""
    return rf"[RHS]?\d{{1,4}}{mark}[/.\-]{mark}\d{{1,2}}{mark}[/.\-]{mark}\d{{1,4}}"


def _time_with(mark: str) -> str:
    return rf"\d{{1,2}}[:.]\d{{2}}(?:[:.]\d{{2}})?{mark}(?:{_SPACE}?(?:{_HALF}))?{mark}"


_ANY_DATE, _ANY_TIME = _date_with(_MARK), _time_with(_MARK)
_PLAIN_DATE, _PLAIN_TIME = _date_with(""), _time_with("")
# The usual way of writing is tried first: that saves a third of the search.
_DATE = rf"\d\d?/\d\d?/\d\d(?:\d\d)?|{_ANY_DATE}"
_TIME = rf"\d\d?:\d\d(?::\d\d)?(?=\]| - )|{_ANY_TIME}"
_COMMA = rf"(?:, |[,،]?{_MARK}{_SPACE}{{1,2}}{_MARK})"

_AFTERNOON = re.compile(r"[Pp]|م|下|午[后後]|후")
_MORNING = re.compile(r"[Aa]|ص|上|午前|전")
_NUMBERS = re.compile(r"\d+")
_IS_ENGLISH_CLOCK = re.compile("[AP]M", re.IGNORECASE).search  # Spanish writes `p. m.`
_SAMPLE = 1 << 16
_is_date, _is_time = re.compile(_ANY_DATE).fullmatch, re.compile(_ANY_TIME).fullmatch
_ERAS = {"R": 2018, "H": 1988, "S": 1925}


@dataclass(frozen=True, slots=True)
class Layout:
    r"""One order of marks around date and time.

    `header` starts with the `\n` before the line. `line` is the same for the expressions of frames: it has no
    look-ahead, and starts with the line. `usual` finds most of those lines, the ones whose header is so plain
    that its date ends with the first space, and it ends with the first `closing`.
    """

    name: Literal["android", "ios", "ios_time_first"]
    header: re.Pattern[str]
    date_group: Literal[1, 2]
    line: str
    usual: str | None = None
    closing: str = ""

    @property
    def format(self) -> FormatName:
        """The format as options and summaries name it."""
        return "android" if self.name == "android" else "ios"


def _android(date_part: str, time_part: str) -> str:
    return rf"{_MARK}({date_part}){_COMMA}({time_part}){_SPACE}[-–]{_SPACE}{_MARK}"


def _ios(first: str, second: str) -> str:
    return rf"{_MARK}\[{_MARK}({first}){_COMMA}({second})\]{_SPACE}"


LAYOUTS = (
    Layout(
        "android",
        re.compile("\n" + _android(_DATE, _TIME)),
        1,
        "^" + _android(_ANY_DATE, _ANY_TIME),
        rf"^\u200e?{_PLAIN_DATE},? {_PLAIN_TIME} - (?:[^{INVISIBLE}]|$)",
        " - ",
    ),
    Layout(
        "ios",
        re.compile("\n" + _ios(_DATE, _TIME)),
        1,
        "^" + _ios(_ANY_DATE, _ANY_TIME),
        rf"^\u200e?\[{_PLAIN_DATE},? {_PLAIN_TIME}\] ",
        "] ",
    ),
    Layout("ios_time_first", re.compile("\n" + _ios(_TIME, _DATE)), 2, "^" + _ios(_ANY_TIME, _ANY_DATE)),
)


def find_layout(text: str, wanted: FormatName = "auto") -> Layout | None:
    r"""The layout of most headers in `text` (which starts with `\n`), among those of the wanted format."""
    sample = text[:_SAMPLE]
    if len(text) > _SAMPLE and not any(layout.header.search(sample) for layout in LAYOUTS):
        sample = text
    best, most = None, 0
    for layout in LAYOUTS:
        if wanted in ("auto", layout.format):
            count = sum(1 for _ in layout.header.finditer(sample))
            if count > most:
                best, most = layout, count
    return best


@dataclass(frozen=True, slots=True)
class Decision:
    """The order of a file's dates and what it rests on.

    `grounds`: option, dates (some date allows one order only), sorted (one order alone leaves the dates
    sorted), mixed (dates speak for both), clock (the United States' way of writing) or locale.
    """

    order: DateOrder
    grounds: Literal["option", "dates", "sorted", "mixed", "clock", "locale"]


class DateVotes:
    """Collects what dates say about their order."""

    def __init__(self) -> None:
        self._votes = {"dmy": 0, "mdy": 0, "ymd": 0}
        self._ambiguous: list[tuple[int, int, int]] = []
        self._seen: set[str] = set()
        self._united_states = False

    def add(self, dates: Iterable[str], times: Iterable[str]) -> None:
        """Take dates and times as written, in the file's order."""
        for written in dates:
            if written in self._seen or len(self._seen) > 5_000:
                continue
            self._seen.add(written)
            self._vote(written)
        if not self._united_states:
            self._united_states = any(map(_IS_ENGLISH_CLOCK, times))

    def _vote(self, written: str) -> None:
        parts = _numbers(written)
        if parts is None:
            return
        first, second, third = parts
        if first > 31 or visible(written)[:1].isalpha():
            self._votes["ymd"] += 1
        elif first > 12:
            self._votes["dmy"] += 1
        elif second > 12:
            self._votes["mdy"] += 1
        else:
            self._ambiguous.append((first, second, third))

    @property
    def is_decided(self) -> bool:
        """Whether some date allows one order only."""
        return any(self._votes.values())

    def decide(self, locale_order: DateOrder | None) -> Decision:
        """The order that most dates ask for; the locale's when none asks (None: the locale is not known)."""
        cast_votes = sorted(self._votes.items(), key=lambda item: -item[1])
        if cast_votes[0][1]:
            order: DateOrder = cast_votes[0][0]  # type: ignore[assignment]  # its keys are date orders
            return Decision(order, "mixed" if cast_votes[1][1] else "dates")
        day_first = _is_sorted([(year, month, day) for day, month, year in self._ambiguous])
        month_first = _is_sorted([(year, month, day) for month, day, year in self._ambiguous])
        if day_first != month_first:
            return Decision("dmy" if day_first else "mdy", "sorted")
        # Two-digit years and a clock of twelve hours: only the United States write both.
        is_short = all(year < 100 for _, _, year in self._ambiguous)
        if locale_order is None and self._united_states and is_short:
            return Decision("mdy", "clock")
        return Decision(locale_order or "dmy", "locale")


def _is_sorted(days: Sequence[tuple[int, int, int]]) -> bool:
    return all(before <= after for before, after in pairwise(days))


def _numbers(written: str) -> tuple[int, int, int] | None:
    numbers = _NUMBERS.findall(written)
    return (int(numbers[0]), int(numbers[1]), int(numbers[2])) if len(numbers) == 3 else None


def parse_date(written: str, order: DateOrder) -> date | None:
    """A date as written, None when there is no such day."""
    numbers = _numbers(written) if _is_date(written) else None
    if numbers is None:
        return None
    if order == "ymd":
        year, month, day = numbers
    elif order == "mdy":
        month, day, year = numbers
    else:
        day, month, year = numbers
    era = _ERAS.get(visible(written)[:1])
    if era is not None:
        year += era
    elif year < 100:
        # WhatsApp is younger than 2009: a two-digit year of 60 and more is Buddhist.
        year += 1957 if year >= 60 else 2000
    elif year > 2400:
        year -= 543
    try:
        return date(year, month, day)
    except ValueError:
        return None


def parse_time(written: str) -> timedelta | None:
    """How long after midnight a time is, on a clock of 12 or 24 hours; None when there is no such time."""
    if _is_time(written) is None:  # digits of a script that the frames know, and Python does not yet
        return None
    hour, minute, second = (*map(int, _NUMBERS.findall(written)), 0)[:3]
    if _AFTERNOON.search(written):
        hour += 12 if hour < 12 else 0
    elif _MORNING.search(written) and hour == 12:
        hour = 0
    if hour > 23 or minute > 59 or second > 59:
        return None
    return timedelta(hours=hour, minutes=minute, seconds=second)


class Dates(dict[str, "date | None"]):
    """Dates as written, each parsed once; None for what is none."""

    def __init__(self, order: DateOrder) -> None:
        super().__init__()
        self._order = order

    def __missing__(self, written: str) -> date | None:
        if len(self) > 50_000:
            self.clear()
        self[written] = found = parse_date(written, self._order)
        return found


class Times(dict[str, "timedelta | None"]):
    """Times as written, each parsed once; None for what is none."""

    def __missing__(self, written: str) -> timedelta | None:
        if len(self) > 100_000:
            self.clear()
        self[written] = found = parse_time(written)
        return found


@cache
def dates_in(order: DateOrder) -> Dates:
    """The dates of that order that were met in this process: files hold the same days."""
    return Dates(order)


@cache
def times() -> Times:
    """The times that were met in this process."""
    return Times()
