"""Ending processes together with all processes that they started.

What belongs here: finding the descendants of a process, asking them to stop, and killing those that do not
stop. What does not: starting and restarting processes (supervisor.py), and ending the processes of a
supervisor that was killed (process_keeper.py).
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psutil

GRACE_SECONDS = 20


def end_process_tree(pid: int) -> None:
    """Ask the leader of a session to stop, then end all of its descendants that are left.

    A process that does not stop is killed: the leader after GRACE_SECONDS, a descendant after five seconds.

    Args:
        pid: Process id of the leader, which may have ended already. The session has the same id.
    """
    processes = _descendants(pid)
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        leader.send_signal(signal.SIGINT)
        try:
            leader.wait(GRACE_SECONDS)
        except psutil.TimeoutExpired:
            leader.kill()
            processes.append(leader)
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                end(process)
        _, processes = psutil.wait_procs(processes, timeout=5)


def has_child(pid: int) -> bool:
    """Return whether a child process of `pid` is running.

    A child that ended and was not reaped yet is not running.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.status() != psutil.STATUS_ZOMBIE:
                    return True
    return False


def holders_of(path: Path) -> list[int]:
    """Return the ids of the processes that have a file open. Only processes of this user are found."""
    target, found = str(path.resolve()), []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if any(file.path == target for file in process.open_files()):
                found.append(process.pid)
    return sorted(found)


def _descendants(pid: int) -> list[psutil.Process]:
    """Return the descendants of a process.

    Members of its session are returned, too, because the parent of a descendant may have ended.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if process.pid != pid and os.getsid(process.pid) == pid:
                found.append(process)
    with contextlib.suppress(psutil.NoSuchProcess):
        found += [one for one in psutil.Process(pid).children(recursive=True) if one not in found]
    return found
