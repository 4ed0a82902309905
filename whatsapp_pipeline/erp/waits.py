"""How long to wait before the next request: what the ERP's headers say, otherwise a growing pause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

DEFAULT_LIMIT_WAIT: Final = 60.0
LONGEST_WAIT: Final = 600.0
_LONGEST_BACKOFF: Final = 60.0
_HEADERS: Final = Retry(retry_after_max=int(LONGEST_WAIT))


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds to wait after a 429: Retry-After (seconds or a date), then X-RateLimit-Reset, then 60.

    X-RateLimit-Reset is seconds from now, not an epoch.
    """
    if text := headers.get("Retry-After", "").strip():
        try:
            return float(_HEADERS.parse_retry_after(text))
        except InvalidHeader:
            pass
    seconds = _number(headers.get("X-RateLimit-Reset", ""))
    return min(seconds, LONGEST_WAIT) if seconds is not None else DEFAULT_LIMIT_WAIT


def until_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until requests are allowed again, when the answer says that none is left; otherwise None."""
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
