"""Ends the processes of a supervisor that was killed.

The supervisor starts `python -m whatsapp_pipeline.cli.process_keeper` beside its own processes. It writes the
id of each process that it starts to this one's standard input, one a line, and `-ID` when a process and its
descendants have ended. The end of that input says that the supervisor ended. After an orderly end no process
is left; after SIGKILL, which the supervisor cannot answer, this one stops them. Then it removes the folders
that its arguments name.

What belongs here: waiting for the end of the supervisor. What does not: how a process and its descendants are
ended (process_families.py).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable

from whatsapp_pipeline.cli.process_families import end_family


def keep_processes(lines: Iterable[str]) -> None:
    """Read the ids until the supervisor ends, then end those that are left, the last one first."""
    for pid in reversed(left_over(lines)):
        end_family(pid)


def left_over(lines: Iterable[str]) -> list[int]:
    """Return the ids that were started and did not end, in the order of their start.

    An id that ended must not be used: the system may have given it to another program. A line without its end
    is half an id, because the supervisor was killed while it wrote.
    """
    started: dict[int, None] = {}
    for line in lines:
        if not line.endswith("\n"):
            continue
        number = int(line)
        if number < 0:
            started.pop(-number, None)
        else:
            started[number] = None
    return list(started)


if __name__ == "__main__":
    keep_processes(sys.stdin)
    for name in sys.argv[1:]:
        shutil.rmtree(name, ignore_errors=True)
