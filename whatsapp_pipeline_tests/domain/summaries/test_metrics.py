"""The business calendar."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest

from whatsapp_pipeline.domain.summaries.metrics import (
    BusinessHours,
    business_days,
    business_hours_between,
    holidays_of,
)


def test_weekends_and_holidays_are_closed() -> None:
    days = {day.day: day for day in business_days(date(2024, 12, 30), date(2025, 1, 6), BusinessHours())}
    assert days[date(2025, 1, 1)].opens == days[date(2025, 1, 1)].closes == 0  # New Year
    assert days[date(2025, 1, 5)].closes == 0  # Sunday
    assert days[date(2025, 1, 4)].closes == 12 * 3600  # Saturday
    # Mon, Tue, Thu, Fri of ten hours, Saturday of four.
    assert days[date(2025, 1, 6)].seconds_before == 44 * 3600


def test_a_state_has_its_own_holidays() -> None:
    day = date(2024, 7, 9)  # São Paulo's own
    (national,) = business_days(day, day, BusinessHours())
    (state,) = business_days(day, day, BusinessHours(state="SP"))
    assert (national.closes, state.closes) == (18 * 3600, 0)


def test_hours_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="business hours"):
        BusinessHours(week=((time(18), time(8)),) * 7)


@pytest.mark.parametrize(
    ("weekday", "opens", "closes"),
    [(0, 8, 18), (1, 8, 18), (2, 8, 18), (3, 8, 18), (4, 8, 18), (5, 8, 12), (6, 0, 0)],
)
def test_the_usual_hours_are_eight_to_six_and_saturday_until_noon(
    weekday: int, opens: int, closes: int
) -> None:
    monday = date(2025, 3, 10)
    days = list(business_days(monday, monday + timedelta(days=6), BusinessHours()))
    assert (days[weekday].opens, days[weekday].closes) == (opens * 3600, closes * 3600)
    assert [day.day.weekday() for day in days] == list(range(7))


def test_hours_may_have_minutes_and_forget_holidays() -> None:
    week = ((time(8, 30, 15), time(9, 0)),) * 7
    (new_year,) = business_days(date(2025, 1, 1), date(2025, 1, 1), BusinessHours(week=week, holidays=False))
    assert (new_year.opens, new_year.closes) == (8 * 3600 + 30 * 60 + 15, 9 * 3600)


@pytest.mark.parametrize(
    "week",
    [((time(8), time(18)),) * 6, ((time(8), time(18)),) * 8, ((time(8), time(8)),) * 7],
    ids=["six days", "eight days", "no time at all"],
)
def test_a_week_has_seven_days_that_open_before_they_close(week: tuple[tuple[time, time], ...]) -> None:
    with pytest.raises(ValueError, match="business hours"):
        BusinessHours(week=week)
    BusinessHours(week=(None,) * 7)


def test_holidays_are_those_of_the_year_and_state() -> None:
    assert date(2024, 12, 25) in holidays_of(2024, None)
    assert date(2025, 12, 25) not in holidays_of(2024, None)
    assert date(2024, 7, 9) in holidays_of(2024, "SP")
    assert date(2024, 7, 9) not in holidays_of(2024, None)


# 2025-03-10 is a Monday; the week has no holiday. Carnival is none of the national holidays.
@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        (datetime(2025, 3, 10, 9), datetime(2025, 3, 10, 12), 3),
        (datetime(2025, 3, 10, 9), datetime(2025, 3, 10, 11, 59), 2),
        (datetime(2025, 3, 10, 12), datetime(2025, 3, 10, 9), 0),
        (datetime(2025, 3, 10, 9), datetime(2025, 3, 10, 9), 0),
        (datetime(2025, 3, 10, 6), datetime(2025, 3, 10, 23), 10),  # before it opens, after it closes
        (datetime(2025, 3, 10, 17), datetime(2025, 3, 11, 9), 2),
        (datetime(2025, 3, 14, 17), datetime(2025, 3, 17, 9), 6),  # Friday, Saturday's four, Monday
        (datetime(2025, 3, 16, 0), datetime(2025, 3, 16, 23), 0),  # Sunday
        (datetime(2024, 12, 30, 8), datetime(2025, 1, 2, 18), 30),  # three days around New Year
        (datetime(2024, 12, 31, 17), datetime(2025, 1, 2, 9), 2),
        # In 2024 256 of 262 weekdays and 49 of 52 Saturdays are no holidays.
        (datetime(2023, 12, 29, 8), datetime(2025, 1, 2, 18), 10 + 4 + 2560 + 196 + 10),
    ],
)
def test_business_hours_between_two_moments(start: datetime, end: datetime, hours: int) -> None:
    assert business_hours_between(start, end) == hours
