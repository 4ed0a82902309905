"""The business calendar."""

from __future__ import annotations

from datetime import date, time

import pytest

from whatsapp_pipeline.domain.summaries.metrics import BusinessHours, business_days


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
