"""Reading what a process writes to a terminal."""

from __future__ import annotations

import os


def read_terminal(terminal: int) -> str:
    """Read what a process writes to a terminal until it closes it, which is an error to the reader."""
    found = b""
    while True:
        try:
            found += os.read(terminal, 65_536)
        except OSError:
            os.close(terminal)
            return found.decode()
