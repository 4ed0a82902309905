"""The pipeline's clock. Code that decides by the current time reads the time here.

What belongs here: now and today, and setting them in a test. What does not: timestamps that only record when
a row was written; the database sets those.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from whatsapp_pipeline import settings

_set_to: list[datetime] = []  # the time of the innermost block is the last


def now() -> datetime:
    """Return the current time, in UTC."""
    return _set_to[-1] if _set_to else datetime.now(UTC)


def today(at: datetime | None = None) -> date:
    """Return the date of `at`, or the current date, in the archive's time zone."""
    return (at or now()).astimezone(ZoneInfo(settings.load_settings().zone)).date()


@contextmanager
def set_to(moment: datetime) -> Iterator[None]:
    """Stop the clock at `moment` inside the block, for all threads. Simulations and tests use this."""
    _set_to.append(moment.astimezone(UTC))
    try:
        yield
    finally:
        _set_to.pop()
