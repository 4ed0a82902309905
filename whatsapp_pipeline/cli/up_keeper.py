"""Ends the processes of an `up` that was killed.

`up` starts `python -m whatsapp_pipeline.cli.up_keeper` beside its own processes and writes their ids to its
standard input, one a line. The end of that input says that `up` ended. After an orderly end no process is
left; after SIGKILL, which `up` cannot answer, this one stops them.

What belongs here: waiting for the end of `up`. What does not: how a process and its descendants are ended
(process_families.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from whatsapp_pipeline.cli.process_families import end_family


def keep_processes(lines: Iterable[str]) -> None:
    """Read the ids until `up` ends, then end those processes, the last one first, as `up` does."""
    pids = [int(line) for line in lines if line.endswith("\n")]
    for pid in reversed(pids):
        end_family(pid)


if __name__ == "__main__":
    keep_processes(sys.stdin)
