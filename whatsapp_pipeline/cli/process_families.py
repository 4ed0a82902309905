"""Ends processes together with everything that they started.

What belongs here: finding the descendants of a process, asking them to stop, killing those that do not. What
does not: which processes are started and restarted (supervisor.py), and who ends them when the supervisor was
killed (process_keeper.py).
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psutil

GRACE_SECONDS = 20


def end_family(pid: int) -> None:
    """Ask the leader of a session to stop, then make sure that none of its descendants is left.

    Args:
        pid: the leader, which may have ended already; its session has the same number.
    """
    family = _descendants(pid)
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        leader.send_signal(signal.SIGINT)
        try:
            leader.wait(GRACE_SECONDS)
        except psutil.TimeoutExpired:
            leader.kill()
            family.append(leader)
    for ask in (psutil.Process.terminate, psutil.Process.kill):
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                ask(one)
        _, family = psutil.wait_procs(family, timeout=5)


def has_child(pid: int) -> bool:
    """Say whether a process that `pid` started runs; one that ended and waits to be reaped does not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.status() != psutil.STATUS_ZOMBIE:
                    return True
    return False


def holders_of(path: Path) -> list[int]:
    """Return the ids of this user's processes that have a file open."""
    target, found = str(path.resolve()), []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if any(file.path == target for file in process.open_files()):
                found.append(process.pid)
    return sorted(found)


def _descendants(pid: int) -> list[psutil.Process]:
    """Find the descendants of a process and the members of its session, which may have lost their parent."""
    family = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if process.pid != pid and os.getsid(process.pid) == pid:
                family.append(process)
    with contextlib.suppress(psutil.NoSuchProcess):
        family += [one for one in psutil.Process(pid).children(recursive=True) if one not in family]
    return family
