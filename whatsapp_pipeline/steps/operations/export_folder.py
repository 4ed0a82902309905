"""The folder in which an export is written, beside its place.

What belongs here: making it, locking it, and removing those that killed exports left. What does not: what is
written (export.py, which loads polars).
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """Make a folder that only the user reads, and remove those that killed exports of this path left."""
    remove_leftovers(path)
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        opened = os.open(folder, os.O_RDONLY)
        try:
            _lock(opened)
            yield Path(folder)
        finally:
            os.close(opened)


def leftovers(path: Path) -> list[Path]:
    """Return the folders beside `path` in which exports of it are written, or were when they were killed."""
    # as TemporaryDirectory names its folders
    return list(path.parent.glob(f".{escape(path.name)}.{'[a-z0-9_]' * 8}"))


def remove_leftovers(path: Path) -> None:
    """Remove the folders that killed exports of `path` left."""
    for left in leftovers(path):
        with suppress(OSError):  # it has just ended, or is another user's
            opened = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
            if _lock(opened):  # a running export holds the lock of its folder
                shutil.rmtree(left, ignore_errors=True)
            os.close(opened)


def _lock(opened: int) -> bool:
    """Lock a folder; False if another process holds the lock, or if the file system has no locks."""
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
