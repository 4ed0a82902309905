"""The temporary folder in which an export is written, beside its final path.

What belongs here: making and locking the folder, and removing folders that killed exports left. What does
not: writing the export (export.py, which loads polars).
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
    """Make a folder that only this user can read. First remove folders that killed exports of `path` left."""
    remove_leftovers(path)
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        opened = os.open(folder, os.O_RDONLY)
        try:
            _lock(opened)
            yield Path(folder)
        finally:
            os.close(opened)


def leftovers(path: Path) -> list[Path]:
    """Return the temporary folders beside `path` of running and killed exports of `path`."""
    # The pattern matches the names that TemporaryDirectory gives to folders.
    return list(path.parent.glob(f".{escape(path.name)}.{'[a-z0-9_]' * 8}"))


def remove_leftovers(path: Path) -> None:
    """Remove the folders that killed exports of `path` left."""
    for left in leftovers(path):
        with suppress(OSError):  # its export has just ended, or it belongs to another user
            opened = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
            if _lock(opened):  # a running export holds the lock of its folder
                shutil.rmtree(left, ignore_errors=True)
            os.close(opened)


def _lock(opened: int) -> bool:
    """Lock a folder. Return False if another process holds the lock, or if the file system has no locks."""
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
