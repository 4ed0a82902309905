"""The version of code, as a hash of its source files.

What belongs here: hashing. What does not: the lists of files (the modules that need a version). People may
forget to increase a version number, and results of old code would then count as current.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

PACKAGE = Path(__file__).parent.parent


def code_hash(paths: Iterable[Path]) -> str:
    """Return a hash of the names and contents of the files at `paths`."""
    digest = blake2b(digest_size=20)
    for path in sorted(paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
