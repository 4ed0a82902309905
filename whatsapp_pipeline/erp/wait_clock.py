"""A clock that also waits. A test replaces it by one that does not wait.

What belongs here: the time and waiting. What does not: how long to wait (`waits`, `budget`).
"""

from __future__ import annotations

import time
from typing import Protocol


class WaitClock(Protocol):
    """The interface of clocks: the time, and waiting."""

    def now(self) -> float:
        """Return the seconds since the epoch."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait for `seconds`."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return time.time()

    def wait(self, seconds: float) -> None:
        """Sleep, because the ERP requested a pause or failed."""
        time.sleep(max(0.0, seconds))
