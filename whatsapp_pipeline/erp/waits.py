"""How long to wait before asking again: what the ERP's headers say, else a growing pause."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

DEFAULT_LIMIT_WAIT: Final = 60.0
LONGEST_WAIT: Final = 600.0
_LONGEST_BACKOFF: Final = 60.0


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Seconds to wait after a 429: Retry-After (seconds or a date), else X-RateLimit-Reset, else 60.

    `now` is in seconds since the epoch. X-RateLimit-Reset is seconds from now, not an epoch.
    """
    for name in ("Retry-After", "X-RateLimit-Reset"):
        text = headers.get(name, "").strip()
        if not text:
            continue
        seconds = _number(text) if name != "Retry-After" else _seconds_or_date(text, now)
        if seconds is not None:
            return min(max(seconds, 0.0), LONGEST_WAIT)
    return DEFAULT_LIMIT_WAIT


def until_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until requests are allowed again, when the answer says that none is left; else None."""
    if _number(headers.get("X-RateLimit-Remaining", "")) != 0:
        return None
    reset = _number(headers.get("X-RateLimit-Reset", ""))
    return min(reset, LONGEST_WAIT) if reset is not None else DEFAULT_LIMIT_WAIT


def backoff(attempt: int, spread: float) -> float:
    """Seconds before trying again after failure number `attempt` (from 0); `spread` in [0, 1) varies it."""
    return float(min(_LONGEST_BACKOFF, 2**attempt)) * (0.5 + spread / 2)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value >= 0 else None


def _seconds_or_date(text: str, now: float) -> float | None:
    if (seconds := _number(text)) is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
