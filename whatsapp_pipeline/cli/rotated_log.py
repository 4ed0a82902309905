"""A log file that several processes write to, with rotation by size.

What belongs here: the file and its rotation. What does not: the format of lines (logs.py).
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from types import TracebackType

_READ_BYTES = 64 * 1024


class RotatedLog:
    """Writes all data from the pipe `descriptor` to a file, and rotates the file between two lines.

    Only a line that is longer than the maximum size of a file is divided.

    `log` becomes `log.1`, `log.1` becomes `log.2`, and so on. Only the owner of the files can read them.
    """

    def __init__(self, path: Path, most_bytes: int, keep: int) -> None:
        """Open the file and start to read the pipe.

        Args:
            path: The file. Its folder is created if it does not exist.
            most_bytes: The size in bytes at which the file is rotated.
            keep: Number of rotated files that are kept.
        """
        self._path, self._most_bytes, self._keep = path, most_bytes, keep
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._open()
        self._reads, self.descriptor = os.pipe()
        self._thread = threading.Thread(target=self._copy, daemon=True)

    def __enter__(self) -> RotatedLog:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the rest of the data. All processes that write to the pipe must have ended."""
        os.close(self.descriptor)
        self._thread.join(timeout=10)

    def write_line(self, text: str) -> None:
        """Write a line of this process."""
        os.write(self.descriptor, f"{text}\n".encode())

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _copy(self) -> None:
        size = os.fstat(self._file).st_size
        while data := os.read(self._reads, _READ_BYTES):
            if size + len(data) > self._most_bytes and size:
                # Write up to the end of the current line to the old file.
                head, newline, rest = data.partition(b"\n")
                self._write(head + newline)
                size += len(head)
                if not newline and size < 2 * self._most_bytes:  # the line continues in the next chunk
                    continue
                self._rotate()
                size, data = 0, rest
            self._write(data)
            size += len(data)
        os.close(self._reads)
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        # If the disk is full, log lines are lost. The pipe must still be read, otherwise the processes that
        # write to it would block.
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._file, data) :]

    def _rotate(self) -> None:
        with contextlib.suppress(OSError):
            for number in range(self._keep, 0, -1):
                older = self._path.with_name(f"{self._path.name}.{number}")
                newer = self._path if number == 1 else self._path.with_name(f"{self._path.name}.{number - 1}")
                if newer.exists():
                    newer.replace(older)
            opened = self._open()
            os.close(self._file)
            self._file = opened
