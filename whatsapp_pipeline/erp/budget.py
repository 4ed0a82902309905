"""The time limit of one pass over the ERP.

What belongs here: the remaining time. What does not: waiting (`wait_clock`, `waits`) and the error when no
time remains (`client`).
"""

from __future__ import annotations

from typing import Final

from whatsapp_pipeline.erp.wait_clock import WaitClock

PASS_SECONDS: Final = 3600.0


class PassBudget:
    """The time that a pass may take, counted from its first request.

    Answers, pauses, token refreshes and the work of the database count. Time before the first request, for
    example waiting for the lock of another run, does not.
    """

    def __init__(self, clock: WaitClock, seconds: float = PASS_SECONDS) -> None:
        """Allow `seconds`, measured by `clock`."""
        self._clock, self.seconds = clock, seconds
        self._began: float | None = None

    def begin(self) -> None:
        """Start counting, unless an earlier request already did."""
        if self._began is None:
            self._began = self._clock.now()

    def left(self) -> float:
        """Return the remaining seconds, at least 0."""
        if self._began is None:
            return self.seconds
        return max(0.0, self._began + self.seconds - self._clock.now())
