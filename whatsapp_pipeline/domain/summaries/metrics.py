"""The definitions of the figures in a summary: their options and the business calendar.

What belongs here: definitions, their bounds, and business hours between two moments. What does not: counting
messages, which the store's SQL does.

Definitions
- conversation: messages of customer and staff, over all the contact's chats, without a gap over `gap`.
- first response: from a conversation's opening message, if the customer wrote it, to the staff's next one.
- reply: from the customer's first unanswered message, courtesies that end an exchange aside, to the staff's
  next one. Both are in calendar and in business seconds; an answer after `reply_limit` does not count.
- open: the customer's last words are unanswered, courtesies and praise aside, or a linked order is neither
  finished, refused nor cancelled; since the first unanswered message or the order's date, the earlier.
- frequency: see `FrequencyBounds`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

_CLOSED: tuple[time, time] | None = None
_WEEKDAY = (time(8), time(18))


@dataclass(frozen=True, slots=True)
class BusinessHours:
    """Opening hours by weekday, Monday first (None: closed), and the state whose holidays close the shop.

    `state` is a Brazilian state ("PR") whose own holidays count beside the national ones.
    """

    week: tuple[tuple[time, time] | None, ...] = (
        _WEEKDAY,
        _WEEKDAY,
        _WEEKDAY,
        _WEEKDAY,
        _WEEKDAY,
        (time(8), time(12)),
        _CLOSED,
    )
    holidays: bool = True
    state: str | None = None

    def __post_init__(self) -> None:
        if len(self.week) != 7 or any(hours is not None and hours[0] >= hours[1] for hours in self.week):
            raise ValueError("business hours: expected seven days, each closed or opening before it closes")


@dataclass(frozen=True, slots=True)
class FrequencyBounds:
    """Bounds of the frequency classes.

    A contact gets the first class of which enough conversations began in the window, otherwise "rare".

    The windows (days) end at the moment of the summary, so a customer who stops writing becomes rare.
    """

    frequent_days: int = 90
    frequent_count: int = 3
    regular_days: int = 365
    regular_count: int = 3
    occasional_days: int = 365
    occasional_count: int = 2


@dataclass(frozen=True, slots=True)
class MetricOptions:
    """Options that define the figures."""

    gap: timedelta
    reply_limit: timedelta
    hours: BusinessHours
    frequency: FrequencyBounds


class BusinessDay(NamedTuple):
    """A day's opening, in seconds after midnight, and the business seconds of all days before it."""

    day: date
    opens: int
    closes: int
    seconds_before: int


def _seconds(moment: time) -> int:
    return moment.hour * 3600 + moment.minute * 60 + moment.second


@lru_cache(maxsize=64)
def _holidays(first_year: int, last_year: int, state: str | None) -> frozenset[date]:
    from holidays.countries.brazil import Brazil

    return frozenset(Brazil(subdiv=state, years=range(first_year, last_year + 1)))


def holidays_of(year: int, state: str | None) -> frozenset[date]:
    """Return the holidays of a year: the national ones, and those of `state`."""
    return _holidays(year, year, state)


def business_days(first: date, last: date, hours: BusinessHours) -> Iterator[BusinessDay]:
    """Yield every day from `first` to `last`. A closed day opens and closes at 0."""
    closed = _holidays(first.year, last.year, hours.state) if hours.holidays else frozenset()
    total = 0
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        opening = None if day in closed else hours.week[day.weekday()]
        opens, closes = (0, 0) if opening is None else (_seconds(opening[0]), _seconds(opening[1]))
        yield BusinessDay(day, opens, closes, total)
        total += closes - opens


@lru_cache(maxsize=64)
def _usual_year(year: int) -> tuple[BusinessDay, ...]:
    """Return the days of a year by the usual opening hours.

    The result is cached, because a list of cases needs the same years.
    """
    return tuple(business_days(date(year, 1, 1), date(year, 12, 31), BusinessHours()))


def _seconds_of_year(moment: datetime) -> int:
    """Return the business seconds between the first moment of a year and `moment`."""
    day = _usual_year(moment.year)[moment.timetuple().tm_yday - 1]
    return day.seconds_before + min(max(_seconds(moment.time()), day.opens), day.closes) - day.opens


def business_hours_between(start: datetime, end: datetime) -> int:
    """Return the whole business hours between two local moments, by the usual opening hours and holidays."""
    if end <= start:
        return 0
    whole_years = sum(
        _seconds_of_year(datetime(year, 12, 31, 23, 59)) for year in range(start.year, end.year)
    )
    return (whole_years + _seconds_of_year(end) - _seconds_of_year(start)) // 3600
