"""The files of the ERP's tokens: the pair, the lock, and the token endpoint's answer while a refresh runs.

What belongs here: what is on the disk. What does not: asking for tokens (`tokens`). The answer is written as
it came, before anything else is done with it, because the ERP has spent the old token by then: where the
process is killed before the pair is saved, the next one finds the answer.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from whatsapp_pipeline import private_files

_FILE_BYTES: Final = 65_536  # more than any pair of tokens takes


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pair of tokens; times in seconds since the epoch. No repr shows them."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float
    refresh_expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A token endpoint's answer that nobody has saved as a pair; `at`: when it came, in Unix seconds."""

    body: bytes = field(repr=False)
    at: float


class TokenRoom:
    """Space on the disk for one refresh: for the endpoint's answer, and for the pair read from it."""

    def __init__(self, path: Path, answer_path: Path) -> None:
        """Reserve the space beside `path`; raises OSError when there is none."""
        self._answer_path = answer_path
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._stack = contextlib.ExitStack()
        try:
            self._save = self._stack.enter_context(private_files.prepared(path, _FILE_BYTES))
            self._descriptor = os.open(answer_path, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600)
            private_files.write_all(self._descriptor, bytes(_FILE_BYTES))
            os.fsync(self._descriptor)
        except OSError:
            self.close()
            raise

    def keep(self, body: bytes) -> None:
        """Write an answer down as it came; too late an answer, or too long a one, is dropped.

        From whatever thread the answer comes in.
        """
        with self._lock, contextlib.suppress(OSError):
            if self._descriptor is not None and len(body) <= _FILE_BYTES:
                os.pwrite(self._descriptor, body.ljust(_FILE_BYTES, b"\0"), 0)
                os.fsync(self._descriptor)

    def kept(self) -> KeptAnswer | None:
        """Return the answer that was written down, if one was."""
        with self._lock:
            return _read_answer(self._answer_path)

    def save(self, tokens: Tokens) -> None:
        """Make a pair the file's content; raises OSError when the disk refuses all the same."""
        self._save(json.dumps(asdict(tokens)))
        self._answer_path.unlink(missing_ok=True)

    def close(self) -> None:
        """Free what was reserved; an answer that was kept and not saved stays for the next refresh."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
            with contextlib.suppress(OSError):
                if _read_answer(self._answer_path) is None:
                    self._answer_path.unlink(missing_ok=True)
        self._stack.close()


class TokenStore:
    """The token file, readable by its owner alone, and the lock that lets one process refresh."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._answer_path = path.with_name(f".{path.name}.answer")

    def load(self) -> Tokens | None:
        """Read the pair; None when there is no file, or none that can be read as one."""
        try:
            return Tokens(**json.loads(self.path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, tokens: Tokens) -> None:
        """Replace the pair in one step: a reader sees the old one or the new one, whole."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        private_files.write(self.path, json.dumps(asdict(tokens)))
        self._answer_path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def room(self) -> Iterator[TokenRoom]:
        """Reserve the space that one refresh needs. The caller holds the lock. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        room = TokenRoom(self.path, self._answer_path)
        try:
            yield room
        finally:
            room.close()

    def unsaved_answer(self) -> KeptAnswer | None:
        """Return the answer that a killed process left behind, and remove its other files.

        The caller holds the lock, so that no refresh is under way.
        """
        for leftover in self.path.parent.glob(f".{self.path.name}.*.new"):
            leftover.unlink(missing_ok=True)
        return _read_answer(self._answer_path)

    def forget_answer(self) -> None:
        """Remove an answer that holds no pair."""
        self._answer_path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the right to refresh, across threads and processes; waits; freed when the process dies."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _read_answer(path: Path) -> KeptAnswer | None:
    """Read an answer; None where only the reserved zeros are."""
    try:
        body, at = path.read_bytes().rstrip(b"\0"), path.stat().st_mtime
    except OSError:
        return None
    return KeptAnswer(body, at) if body else None
