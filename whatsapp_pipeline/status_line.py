"""One line at the bottom of a terminal that shows how far the work is.

What belongs here: drawing and removing the line. What does not: its text (steps/progress.py), and log lines
(logs.py), which remove it for the moment.
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
        """Replace the line; a longer text than the terminal is wide is cut."""
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
    """Let the steps of this process show how far they are on the stream, which is a terminal."""
    _current[:] = [StatusLine(stream)]


def status_line() -> StatusLine | None:
    """Return the line of this process; None where no terminal shows one."""
    return _current[-1] if _current else None
