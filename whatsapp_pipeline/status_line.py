"""One line at the bottom of a terminal that shows the progress of the work.

What belongs here: drawing and removing the line. What does not: its text (steps/progress.py), and log lines
(logs.py), which remove the line temporarily.
"""

from __future__ import annotations

import shutil
import threading
from typing import TextIO

from whatsapp_pipeline.safe_text import on_one_line

_TO_START_AND_CLEAR = "\r\x1b[K"


class StatusLine:
    """A line that each new text replaces. Threads may share one object."""

    def __init__(self, stream: TextIO) -> None:
        """Draw on a terminal's stream."""
        self._stream = stream
        self._is_shown = False
        self._lock = threading.Lock()

    def show(self, text: str) -> None:
        """Replace the line. A text that is longer than the width of the terminal is cut."""
        width = shutil.get_terminal_size().columns - 1
        with self._lock:
            self._stream.write(_TO_START_AND_CLEAR + on_one_line(text)[:width])
            self._stream.flush()
            self._is_shown = True

    def remove(self) -> None:
        """Remove the line, so that other text can be written; the next `show` draws it again."""
        with self._lock:
            if self._is_shown:
                self._stream.write(_TO_START_AND_CLEAR)
                self._stream.flush()
                self._is_shown = False


_current: list[StatusLine] = []


def use_status_line(stream: TextIO) -> None:
    """Let the steps of this process show their progress on the stream, which must be a terminal."""
    _current[:] = [StatusLine(stream)]


def status_line() -> StatusLine | None:
    """Return the line of this process; None without a terminal."""
    return _current[-1] if _current else None
