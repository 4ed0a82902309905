"""Dates and times of native headers.

What belongs here: the order of day and month in a file, and parsing written dates and times. What does not:
finding them in a line (`native_shapes.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Literal

from whatsapp_pipeline.domain.transcripts.chat_message import DateOrder
from whatsapp_pipeline.domain.transcripts.native.native_shapes import any_date, any_time
from whatsapp_pipeline.domain.transcripts.phrases import fold_phrase, phrases, visible

_AFTERNOON = re.compile(r"p\.?\s?m\.?|م|μ\.?\s?μ\.?").fullmatch
_MORNING = re.compile(r"a\.?\s?m\.?|ص|π\.?\s?μ\.?").fullmatch
_NUMBERS = re.compile(r"\d+")
_WORDS = re.compile(r"[^\W\d_]+")
_IS_AMERICAN_CLOCK = re.compile(r"[AP]M").search  # all others write `pm`, `p. m.`
_ZERO = re.compile(r"\b0\d").search
_ERAS = {"R": 2018, "H": 1988, "S": 1925}
_FIRST_YEAR = 2009  # WhatsApp began in this year
_CJK = re.compile("[年년]")


_CLOCK = re.compile(r"\d+(?:[:.]\d+)*(?:\s?(?:h|min|s)(?![^\W\d_]))?")


@dataclass(frozen=True, slots=True)
class DateContext:
    """Facts about the order of dates that are known before a file is read.

    `archive_order` is called only if the dates and notices of the file decide nothing.
    """

    archive_order: Callable[[], DateOrder | None] = lambda: None
    locale_order: DateOrder | None = None


_MONTH_FIRST = frozenset({"US", "PH", "FM", "MH", "PW"})  # countries that write the month first


def order_of_locale(locale: str | None) -> DateOrder | None:
    """Return the date order of a locale such as `pt_BR` or `en-US`; None if it is unknown."""
    language, _, country = (locale or "").replace("-", "_").partition("_")
    if country.upper() in _MONTH_FIRST:
        return "mdy"
    orders = phrases().date_orders
    known = orders.get(f"{language.lower()}_{country.upper()}", orders.get(language.lower()))
    return known or ("dmy" if language.lower() in ("en", "pt") else None)


@cache
def _is_date() -> re.Pattern[str]:
    return re.compile(any_date())


@cache
def _is_time() -> re.Pattern[str]:
    return re.compile(any_time())


@dataclass(frozen=True, slots=True)
class Decision:
    """The order of a file's dates and its reason.

    `grounds`: option; dates (a date is valid in only one order); sorted (the dates are sorted in only one
    order); mixed (some dates need one order, some the other); language (of the file's notices); archive
    (other files); clock (the format of the United States); locale (of the owner); default.
    """

    order: DateOrder
    grounds: Literal[
        "option", "dates", "sorted", "mixed", "language", "archive", "clock", "locale", "default"
    ]


class DateVotes:
    """Counts the dates that are valid in only one order."""

    def __init__(self) -> None:
        self._votes = {"dmy": 0, "mdy": 0, "ymd": 0}
        self._ambiguous: list[tuple[int, int, int]] = []
        self._short: list[tuple[int, int, int]] = []
        self._has_long_years = self._has_names = self._has_zeros = False
        self._seen: set[str] = set()
        self._is_american = False

    def add(self, dates: Sequence[str], times: Sequence[str]) -> None:
        """Add dates and times as written, in the order of the file.

        Dates that were added before are ignored, and all dates after about 5,000 different ones.
        """
        for written in dates:
            if written in self._seen or len(self._seen) > 5_000:
                continue
            self._seen.add(written)
            self._vote(written)
        if not self.is_decided and "/" in next(iter(dates), ""):
            self._is_american = self._is_american or any(map(_IS_AMERICAN_CLOCK, times))

    def _vote(self, written: str) -> None:
        parts = _numbers(written)
        if parts is None:
            self._has_names |= _month_of(written) is not None
            return
        first, second, third = parts
        self._has_long_years |= max(first, third) > 99
        self._has_zeros |= _ZERO(written) is not None
        self._short.append(parts)
        if first > 31 or visible(written)[:1].isalpha() or _CJK.search(written):
            self._votes["ymd"] += 1
        elif first > 12:
            self._votes["dmy"] += 1
        elif second > 12:
            self._votes["mdy"] += 1
        else:
            self._ambiguous.append((first, second, third))

    @property
    def is_decided(self) -> bool:
        """Return whether some date is valid in only one order."""
        return any(self._votes.values()) or self._has_names

    def decide(
        self,
        language: Callable[[], DateOrder | None] = lambda: None,
        context: Callable[[], DateContext] = DateContext,
    ) -> Decision:
        """Return the order that most dates need; if the dates decide nothing, the order from other sources.

        Args:
            language: Returns the order of the language of the file's notices; called if the dates do not
                decide.
            context: Returns facts about the archive and its owner; called if nothing else decides.
        """
        if self._is_year_first():
            return Decision("ymd", "dates")
        cast_votes = sorted(self._votes.items(), key=lambda item: -item[1])
        if cast_votes[0][1]:
            order: DateOrder = cast_votes[0][0]  # type: ignore[assignment]  # its keys are date orders
            return Decision(order, "mixed" if cast_votes[1][1] else "dates")
        if self._has_names and not self._ambiguous:
            return Decision("dmy", "dates")
        day_first = _is_sorted([(year, month, day) for day, month, year in self._ambiguous])
        month_first = _is_sorted([(year, month, day) for month, day, year in self._ambiguous])
        if day_first != month_first:
            return Decision("dmy" if day_first else "mdy", "sorted")
        of_language = language()
        if of_language is not None:
            return Decision(of_language, "language")
        return self._decide_elsewhere(context())

    def _decide_elsewhere(self, context: DateContext) -> Decision:
        if (of_archive := context.archive_order()) is not None:
            return Decision(of_archive, "archive")
        # The United States write slashes and a 12-hour clock in capitals. Others do too with four-digit
        # years, but they write zeros: `05/08/2023`.
        if self._is_american and not (self._has_long_years and self._has_zeros):
            return Decision("mdy", "clock")
        if context.locale_order is not None:
            return Decision(context.locale_order, "locale")
        return Decision("dmy", "default")

    def _is_year_first(self) -> bool:
        """Return whether years of two digits come first: `23/11/05`.

        They do if the last number is before the first year of WhatsApp, or if it changes while the first one
        does not.
        """
        if self._has_long_years or not self._short:
            return False
        years = range(_FIRST_YEAR % 100, datetime.now(UTC).year % 100 + 2)
        if not all(
            first in years and 1 <= second <= 12 and 1 <= third <= 31 for first, second, third in self._short
        ):
            return False
        firsts, lasts = {first for first, _, _ in self._short}, {third for _, _, third in self._short}
        return not all(third in years for third in lasts) or (
            len(self._short) > 2 and len(firsts) < len(lasts)
        )


def _is_sorted(days: Sequence[tuple[int, int, int]]) -> bool:
    return all(before <= after for before, after in pairwise(days))


def _numbers(written: str) -> tuple[int, int, int] | None:
    numbers = _NUMBERS.findall(written)
    return (int(numbers[0]), int(numbers[1]), int(numbers[2])) if len(numbers) == 3 else None


def _month_of(written: str) -> int | None:
    """Return the month that a date names in letters."""
    months = phrases().times.months
    return next((months[word] for word in _WORDS.findall(fold_phrase(written)) if word in months), None)


def parse_date(written: str, order: DateOrder) -> date | None:
    """Parse a date as written; None if there is no such day."""
    if _is_date().fullmatch(written) is None:
        return None
    numbers = _numbers(written)
    if numbers is None:
        return _named_date(written)
    if order == "ymd" or _CJK.search(written):
        year, month, day = numbers
    elif order == "mdy":
        month, day, year = numbers
    else:
        day, month, year = numbers
    shown = visible(written)
    era = _ERAS.get(shown[:1])
    if era is not None:
        year += era
    elif year < 100:
        # WhatsApp did not exist before 2009, so a two-digit year of 60 or more is Buddhist.
        year += 1957 if year >= 60 else 2000
    elif year > 2400:
        year -= 543
    return _day(year, month, day)


def _named_date(written: str) -> date | None:
    """Parse `5 de mar. de 2025` or `Mar 5, 2025`; the year has four digits."""
    month, numbers = _month_of(written), _NUMBERS.findall(written)
    if month is None or len(numbers) != 2:
        return None
    day, year = sorted(map(int, numbers))
    return _day(year, month, day)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def parse_clock_time(written: str) -> timedelta | None:
    """Return the time since midnight, for a clock of 12 or 24 hours; None if there is no such time."""
    if _is_time().fullmatch(written) is None:  # digits of a script that polars knows and Python does not
        return None
    hour, minute, second = (*map(int, _NUMBERS.findall(written)), 0)[:3]
    word = _CLOCK.sub("", fold_phrase(written)).strip()
    half = _half_of(word)
    if word and half is None:
        return None
    if hour == 12 and half in ("am", "night"):
        hour = 0
    elif hour < 12 and (half == "pm" or (half == "night" and hour >= 6)):
        hour += 12
    if hour > 23 or minute > 59 or second > 59:
        return None
    return timedelta(hours=hour, minutes=minute, seconds=second)


def _half_of(word: str) -> str | None:
    """Return the half of the day that a word names: `am`, `pm`, `night` or `clock`; None for other words."""
    half = phrases().times.day_periods.get(word)
    if half is not None:
        return half
    return "pm" if _AFTERNOON(word) else "am" if _MORNING(word) else None


class Dates(dict[str, "date | None"]):
    """Written dates and their values, each parsed once; None if it is not a date."""

    def __init__(self, order: DateOrder) -> None:
        super().__init__()
        self._order = order

    def __missing__(self, written: str) -> date | None:
        if len(self) > 50_000:
            self.clear()
        self[written] = found = parse_date(written, self._order)
        return found


class Times(dict[str, "timedelta | None"]):
    """Written times and their values, each parsed once; None if it is not a time."""

    def __missing__(self, written: str) -> timedelta | None:
        if len(self) > 100_000:
            self.clear()
        self[written] = found = parse_clock_time(written)
        return found


@cache
def dates_in(order: DateOrder) -> Dates:
    """Return the dates of this order that the process parsed so far, because files share the same days."""
    return Dates(order)


@cache
def times() -> Times:
    """Return the times that the process parsed so far."""
    return Times()
