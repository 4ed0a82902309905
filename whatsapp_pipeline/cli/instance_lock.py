"""The lock of an instance: one supervisor at a time, because two would run every schedule twice.

What belongs here: taking the lock, and reporting the process that holds it. What does not: the processes that
are supervised (services.py).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from whatsapp_pipeline.cli.process_tree import holders_of
from whatsapp_pipeline.errors import PipelineError


@contextmanager
def instance_lock(local_dir: Path, command: str) -> Iterator[IO[str]]:
    """Hold the lock of this instance and yield the lock file.

    Raises PipelineError if another process holds the lock.

    The processes that `up` or `serve` starts inherit the open file. So the lock is free only after all of
    them have ended.

    Args:
        local_dir: The folder of the instance.
        command: `up` or `serve`. A second supervisor names it in its error message.
    """
    local_dir.mkdir(parents=True, exist_ok=True)
    with (local_dir / "up.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise _held_by_another(Path(file.name), file.read().split()) from None
        file.truncate(0)
        file.write(f"{os.getpid()} {command}")
        file.flush()
        yield file


def _held_by_another(lock: Path, content: list[str]) -> PipelineError:
    """Return the error for a held lock.

    Either the owner is still running, or it was killed and its child processes still hold the lock. The two
    cases have different messages.
    """
    owner, command = content if len(content) == 2 else ("unknown", "up")
    where = f"{lock.parent.name}/{lock.name}"
    holders = [str(pid) for pid in holders_of(lock) if pid != os.getpid()]
    # If no holder is found, it is a process of another user, whose open files this process can't see.
    if owner in holders or not holders:
        return PipelineError(
            f"another `{command}` runs on this instance (process {owner}, {where}); stop it first, because "
            f"two would run every schedule twice"
        )
    article = "an" if command == "up" else "a"
    return PipelineError(
        f"{article} `{command}` on this instance was killed (process {owner}, {where}) and its processes are "
        f"being stopped; start again in a minute. If you see this error again after a minute, stop the "
        f"processes: kill {' '.join(holders)}"
    )
