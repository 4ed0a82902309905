"""The clean-up process: it ends the processes of a supervisor that was killed.

The supervisor starts `python -m whatsapp_pipeline.cli.process_keeper` beside its own processes. The
supervisor writes to the standard input of this process: the id of each process that it starts, one per line,
and `-ID` when a process and its descendants have ended. When that input ends, the supervisor has ended. After
a normal end no process is left. After SIGKILL, which the supervisor cannot handle, this process stops the
processes that are left. Then it removes the folders that its arguments name.

What belongs here: waiting for the end of the supervisor. What does not: ending a process and its descendants
(process_tree.py).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable

from whatsapp_pipeline.cli.process_tree import end_process_tree


def keep_processes(lines: Iterable[str]) -> None:
    """Read ids until the supervisor ends, then end the processes that are left, the last started first."""
    for pid in reversed(left_over(lines)):
        end_process_tree(pid)


def left_over(lines: Iterable[str]) -> list[int]:
    """Return the ids of processes that were started and did not end, in the order of their start.

    The id of a process that ended must not be used, because the system may have given it to another program.
    An incomplete line is ignored: the supervisor was killed while it wrote an id.
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
