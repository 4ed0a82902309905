"""The pauses before the next request: from the headers of the ERP's answer, otherwise growing ones.

What belongs here: the number of seconds. What does not: waiting (`wait_clock`), and repeating requests
(`client`, `tokens`).
"""

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
    """Return the seconds to wait after a 429.

    The value is Retry-After (seconds or a date), otherwise X-RateLimit-Reset (seconds from now, not an
    epoch), otherwise 60 seconds. It is at most LONGEST_WAIT.
    """
    if text := headers.get("Retry-After", "").strip():
        try:
            return float(_HEADERS.parse_retry_after(text))
        except InvalidHeader:
            pass
    seconds = _number(headers.get("X-RateLimit-Reset", ""))
    return min(seconds, LONGEST_WAIT) if seconds is not None else DEFAULT_LIMIT_WAIT


def until_reset(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until the rate limit allows a request; None when it allows one now."""
    if _number(headers.get("X-RateLimit-Remaining", "")) != 0:
        return None
    reset = _number(headers.get("X-RateLimit-Reset", ""))
    return min(reset, LONGEST_WAIT) if reset is not None else DEFAULT_LIMIT_WAIT


def backoff(attempt: int, spread: float) -> float:
    """Return the seconds to wait after failure number `attempt` (from 0); `spread` in [0, 1) varies them."""
    return float(min(_LONGEST_BACKOFF, 2**attempt)) * (0.5 + spread / 2)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value >= 0 else None
