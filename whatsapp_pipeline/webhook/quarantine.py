"""Storage for bodies with a bad signature. They are never processed; a person can inspect them.

What belongs here: the files, their size limit and their age limit. What does not: the signature check
(signature) and the record format (records).
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.webhook import records

_LOG = logging.getLogger(__name__)
CURRENT, PREVIOUS = "current.rec", "previous.rec"
MAX_BYTES = 16 * 2**20


def quarantine_directory(spool_dir: Path) -> Path:
    """Return the folder for bodies with a bad signature."""
    return spool_dir / "quarantine"


class Quarantine:
    """Two files, each of at most half of `max_bytes` plus one body.

    When the current file is full, it replaces the previous one.
    """

    def __init__(self, directory: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._directory = directory
        self._half = max_bytes // 2

    def keep(self, body: bytes) -> None:
        """Append a body.

        If this fails, the failure is logged and the body is dropped, because nothing shows that Meta sent it.
        """
        current = self._directory / CURRENT
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if current.exists() and current.stat().st_size + len(body) > self._half:
                current.replace(self._directory / PREVIOUS)
            with current.open("ab") as file:
                file.write(records.encode_record(body))
        except OSError as error:
            _LOG.warning(
                "a body with a bad signature could not be kept (%s)",
                error.strerror,
                extra=fields(reason=error.strerror),
            )


def files(directory: Path) -> list[Path]:
    """List the quarantine's files, the older one first."""
    return [path for name in (PREVIOUS, CURRENT) if (path := directory / name).exists()]


def count_bodies(directory: Path) -> int:
    """Count the bodies in quarantine."""
    return sum(1 for path in files(directory) for _ in records.read_file(path))


def forget(directory: Path, *, days: int) -> int:
    """Delete files whose last body is older than `days`. Return their number."""
    old = [path for path in files(directory) if path.stat().st_mtime < time.time() - days * 86400]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
