"""Progress of a long step: at most one log line in five seconds and, on a terminal, a status line.

The log lines also reach Dagster's log and JSON logs.
"""

from __future__ import annotations

import logging
import threading
from time import monotonic

from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.status_line import status_line

_EVERY_SECONDS = 5.0
_SHOWN_EVERY_SECONDS = 0.2


class Progress:
    """Counts the finished units of `total`, and logs their number, rate and remaining time.

    A step of less than five seconds logs nothing. Several threads may share one object.
    """

    def __init__(self, log: logging.Logger, what: str, total: int, unit: str) -> None:
        self._log, self._what, self._total, self._unit = log, what, total, unit
        self._done = 0
        self._extra = 0
        self._started = self._logged = monotonic()
        self._shown = 0.0
        self._lock = threading.Lock()

    def advance(self, done: int, extra: int = 0, extra_unit: str = "messages") -> None:
        """Add `done` units and `extra` units of another kind, and log if enough time has passed."""
        with self._lock:
            self._done += done
            self._extra += extra
            now = monotonic()
            self._show(now, extra_unit)
            if now - self._logged < _EVERY_SECONDS:
                return
            self._logged = now
        words, left = self._describe(now, extra_unit)
        self._log.info(
            words,
            extra=fields(
                done=self._done,
                total=self._total,
                unit=self._unit,
                seconds_left=round(left),
                **({extra_unit: self._extra} if self._extra else {}),
            ),
        )

    def _show(self, now: float, extra_unit: str) -> None:
        """Show the state on the terminal, if there is one. The line is removed after the last unit."""
        line = status_line()
        if line is None:
            return
        if self._done >= self._total:
            line.remove()
        elif now - self._shown >= _SHOWN_EVERY_SECONDS:
            self._shown = now
            line.show(self._describe(now, extra_unit)[0])

    def _describe(self, now: float, extra_unit: str) -> tuple[str, float]:
        """Return the state as one line, and the remaining seconds at the rate so far.

        A terminal cuts the end of a long line, so the remaining time is not at the end.
        """
        seconds = max(now - self._started, 0.001)
        left = seconds / self._done * (self._total - self._done) if self._done else 0.0
        more = f", {self._extra:,} {extra_unit}" if self._extra else ""
        rate = _rate((self._extra or self._done) / seconds)
        words = f"{self._what}: {self._done:,} of {self._total:,} {self._unit}, about {left:.0f} s left"
        return f"{words}{more} ({rate})", left


def _rate(per_second: float) -> str:
    """Return a rate with about two digits: per minute if it is slower than one per second."""
    if per_second < 1:
        return f"{per_second * 60:.1f}/min"
    return f"{per_second:.1f}/s" if per_second < 10 else f"{per_second:,.0f}/s"
