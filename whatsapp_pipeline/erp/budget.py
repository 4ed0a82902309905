"""The time that one pass over the ERP may take in all.

What belongs here: how much of it is left. What does not: waiting (`clock`, `waits`) and what is said when it
is used up (`client`).
"""

from __future__ import annotations

from typing import Final

from whatsapp_pipeline.erp.clock import Clock

PASS_SECONDS: Final = 3600.0


class PassBudget:
    """A deadline that begins with the first request: whatever takes time after that counts.

    Answers, pauses, tokens and the database's work count; the time before, such as waiting for another run's
    lock, does not.
    """

    def __init__(self, clock: Clock, seconds: float = PASS_SECONDS) -> None:
        """Allow `seconds` by `clock`."""
        self._clock, self.seconds = clock, seconds
        self._began: float | None = None

    def begin(self) -> None:
        """Start the time, if no earlier request has."""
        if self._began is None:
            self._began = self._clock.now()

    def left(self) -> float:
        """Return the seconds that are left, 0 when there are none."""
        if self._began is None:
            return self.seconds
        return max(0.0, self._began + self.seconds - self._clock.now())
