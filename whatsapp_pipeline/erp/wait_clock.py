"""A clock that also waits, so that a test can replace it and wait an hour at once."""

from __future__ import annotations

import time
from typing import Protocol


class WaitClock(Protocol):
    """The time and the waits of a client."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def wait(self, seconds: float) -> None:
        """Return after `seconds`."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def wait(self, seconds: float) -> None:
        """Sleep, because the ERP requested a pause or failed."""
        time.sleep(max(0.0, seconds))
