"""Files that hold personal data or secrets: written in one step, readable by their owner alone.

What belongs here: how such a file is written. What does not: which files there are, and files that grow (the
spool, the quarantine).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path


def write(path: Path, content: str | bytes) -> None:
    """Write the file anew: a reader, or a crash, sees the old content or the new one, whole.

    Its folder must be there. What is no regular file (a pipe, /dev/stdout) is written to as it is. Raises
    OSError when the disk refuses.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def prepared(path: Path, size: int) -> Iterator[Callable[[str], None]]:
    """Reserve `size` bytes on the disk beside `path`; yield the function that makes them the file's content.

    A full disk is noticed when the block begins, not when the content is there. Until the function is called
    the file stays as it was. The folder must be there. Raises OSError when the disk refuses.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)

    def save(content: str) -> None:
        data = content.encode()
        write_all(descriptor, data)
        os.ftruncate(descriptor, len(data))
        os.fsync(descriptor)
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    try:
        # Zeros are written rather than a length set: a file with holes has no room of its own.
        write_all(descriptor, bytes(size))
        os.fsync(descriptor)
        yield save
    finally:
        os.close(descriptor)
        beside.unlink(missing_ok=True)


def write_all(descriptor: int, data: bytes) -> None:
    """Write `data` from the start of the file; raises OSError where the disk has room for a part only."""
    written = 0
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], written)
