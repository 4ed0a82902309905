"""Progress of a long step, as a log line every few seconds.

A progress bar would not help: the line must reach Dagster's log and JSON logs, where no terminal is.
"""

from __future__ import annotations

import logging
import threading
from time import monotonic

from whatsapp_pipeline.logs import fields

_EVERY_SECONDS = 5.0


class Progress:
    """Counts the finished units of `total`, and logs their number, rate and remaining time.

    A step of a few seconds logs nothing. Threads may share one object.
    """

    def __init__(self, log: logging.Logger, what: str, total: int, unit: str) -> None:
        self._log, self._what, self._total, self._unit = log, what, total, unit
        self._done = 0
        self._extra = 0
        self._started = self._logged = monotonic()
        self._lock = threading.Lock()

    def advance(self, done: int, extra: int = 0, extra_unit: str = "messages") -> None:
        """Add `done` units (and `extra` ones of another kind), and log if enough time has passed."""
        with self._lock:
            self._done += done
            self._extra += extra
            now = monotonic()
            if now - self._logged < _EVERY_SECONDS:
                return
            self._logged = now
        seconds = now - self._started
        left = seconds / self._done * (self._total - self._done) if self._done else 0.0
        more = f", {self._extra:,} {extra_unit} ({self._extra / seconds:,.0f}/s)" if self._extra else ""
        self._log.info(
            "%s: %s of %s %s (%.0f/s)%s, about %.0f s left",
            self._what,
            f"{self._done:,}",
            f"{self._total:,}",
            self._unit,
            self._done / seconds,
            more,
            left,
            extra=fields(
                done=self._done,
                total=self._total,
                unit=self._unit,
                seconds_left=round(left),
                **({extra_unit: self._extra} if self._extra else {}),
            ),
        )
