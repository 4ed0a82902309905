"""Files that hold personal data or secrets: written in one step, readable by their owner alone.

What belongs here: how such a file is written. What does not: which files there are, and files that grow (the
spool, the quarantine).
"""

from __future__ import annotations

import os
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
