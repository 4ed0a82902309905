"""The version of code: a hash of the files that hold it.

What belongs here: hashing. What does not: which files decide what (the modules that ask). A number to raise
by hand would be forgotten one day, and what old code made would then pass for what new code makes.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

PACKAGE = Path(__file__).parent.parent


def code_hash(paths: Iterable[Path]) -> str:
    """Hash the files at `paths`, names and contents."""
    digest = blake2b(digest_size=20)
    for path in sorted(paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
