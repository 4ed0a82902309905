"""The time that waits take, apart, so that a test can wait an hour in no time."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What a client needs of time."""

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
        """Sleep: the ERP asked us to wait, or failed and gets a pause."""
        time.sleep(max(0.0, seconds))
