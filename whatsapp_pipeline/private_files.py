"""Writing files with personal data or secrets atomically, so that only their owner can read them.

What belongs here: writing such a file. What does not: the choice of files, and files that grow (the spool,
the quarantine).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path


def replace_file(path: Path, content: str | bytes) -> None:
    """Replace the file's content atomically: a reader sees the complete old or the complete new content.

    The same is true after a crash. The file's folder must exist. A pipe or device such as /dev/stdout is
    written directly. Raises OSError when the write fails.
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
    """Reserve `size` bytes on the disk beside `path`; yield a function that saves a text as `path`.

    If the disk is full, the block does not begin, so no content is lost later. The file keeps its old content
    until the function is called. The file's folder must exist. Raises OSError when a write fails.
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
        # Writing zeros reserves the room on the disk; setting only the length would not.
        write_all(descriptor, bytes(size))
        os.fsync(descriptor)
        yield save
    finally:
        os.close(descriptor)
        beside.unlink(missing_ok=True)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data` from the start of the file; raises OSError when the disk has no room for it."""
    written = 0
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], written)
