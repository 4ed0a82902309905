"""The files of the ERP's tokens: the pair, the lock, and the token endpoint's answer during a refresh.

What belongs here: the files of one machine, and the interface of all stores of tokens. What does not:
requesting tokens (`tokens`) and the pair that several hosts share (`shared_token_store`). The process writes
an answer to the disk before it does anything else with it, because the old token is invalid from then on. If
the process is killed before it saves the pair, the next process finds the answer.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Protocol

from whatsapp_pipeline import private_files

_FILE_BYTES: Final = 65_536  # more than any pair of tokens takes


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pair of tokens; times in seconds since the epoch. The repr hides the tokens."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float
    refresh_expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer of the token endpoint that is not saved as a pair; `at` is its time in Unix seconds."""

    body: bytes = field(repr=False)
    at: float


class TokenRoom:
    """Reserved disk space for the endpoint's answer during one refresh, and the way to save the pair."""

    def __init__(self, answer_path: Path, save: Callable[[Tokens], None]) -> None:
        """Reserve the space of `answer_path`; raises OSError when there is none.

        `save` saves the pair in its store; it raises OSError when it can't.
        """
        self._answer_path = answer_path
        self._save = save
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        try:
            self._descriptor = os.open(answer_path, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600)
            private_files.write_all(self._descriptor, bytes(_FILE_BYTES))
            os.fsync(self._descriptor)
        except OSError:
            self.close()
            raise

    def keep(self, body: bytes) -> None:
        """Write an answer to the disk, from any thread; drop it after `close` and when it is too long."""
        with self._lock, contextlib.suppress(OSError):
            if self._descriptor is not None and len(body) <= _FILE_BYTES:
                os.pwrite(self._descriptor, body.ljust(_FILE_BYTES, b"\0"), 0)
                os.fsync(self._descriptor)

    def kept(self) -> KeptAnswer | None:
        """Return the answer that was written to the disk, if there is one."""
        with self._lock:
            return read_kept_answer(self._answer_path)

    def save(self, tokens: Tokens) -> None:
        """Save the pair; raises OSError when that fails. The answer on the disk is then still there."""
        self._save(tokens)
        self._answer_path.unlink(missing_ok=True)

    def close(self) -> None:
        """Free the reserved space. An answer that was not saved as a pair stays for the next refresh."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
            with contextlib.suppress(OSError):
                if read_kept_answer(self._answer_path) is None:
                    self._answer_path.unlink(missing_ok=True)


class TokenStorage(Protocol):
    """The store of the pair: a file of this machine, or the database that several hosts share."""

    @property
    def place(self) -> str:
        """The place in words, for messages."""
        ...

    @property
    def remedy(self) -> str:
        """The instruction for a person if the pair can't be saved there."""
        ...

    def load(self) -> Tokens | None:
        """Return the pair; None when there is none or it can't be read."""
        ...

    def save(self, tokens: Tokens) -> None:
        """Replace the pair. The caller holds the lock. Raises OSError when it can't be saved."""
        ...

    def lock(self) -> AbstractContextManager[None]:
        """Wait until no other process refreshes, and let none begin during the block."""
        ...

    def room(self) -> AbstractContextManager[TokenRoom]:
        """Prepare one refresh under the lock. Raises OSError before any token is sent."""
        ...

    def unsaved_answer(self) -> KeptAnswer | None:
        """Return the answer that a killed process left on this machine. The caller holds the lock."""
        ...

    def forget_answer(self) -> None:
        """Remove an answer that contains no pair."""
        ...

    def why_empty(self) -> str:
        """Return the reason why `load` returns None, as text."""
        ...

    def interrupted_on(self) -> str | None:
        """Return the host whose disk may hold a pair newer than the saved one; None for this machine."""
        ...


class TokenStore:
    """The token file, readable only by its owner, and the lock that lets one process refresh at a time."""

    remedy = "free disk space"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answer_path = path.with_name(f".{path.name}.answer")

    @property
    def place(self) -> str:
        """The path of the file."""
        return str(self.path)

    def load(self) -> Tokens | None:
        """Read the pair; None when the file is missing or unreadable."""
        try:
            return Tokens(**json.loads(self.path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, tokens: Tokens) -> None:
        """Replace the pair atomically: a reader sees either the old pair or the new pair."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        private_files.replace_file(self.path, json.dumps(asdict(tokens)))
        self.answer_path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def room(self) -> Iterator[TokenRoom]:
        """Reserve the space that the answer and the pair need. The caller holds the lock. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with private_files.prepared(self.path, _FILE_BYTES) as write:
            room = TokenRoom(self.answer_path, lambda tokens: write(json.dumps(asdict(tokens))))
            try:
                yield room
            finally:
                room.close()

    def unsaved_answer(self) -> KeptAnswer | None:
        """Return the answer that a killed process left, and remove its other files.

        The caller holds the lock, so no refresh is running.
        """
        for leftover in self.path.parent.glob(f".{self.path.name}.*.new"):
            leftover.unlink(missing_ok=True)
        return read_kept_answer(self.answer_path)

    def forget_answer(self) -> None:
        """Remove an answer that contains no pair."""
        self.answer_path.unlink(missing_ok=True)

    def why_empty(self) -> str:
        """Return whether the file is missing or unreadable."""
        if self.path.exists():
            return f"the file of the ERP's tokens, {self.path}, can't be read"
        return "no ERP tokens yet"

    def interrupted_on(self) -> None:
        """Return None: an answer that a killed process left is on this machine, and was used."""

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Wait for the lock, which threads and processes share, and hold it until the block ends."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def read_kept_answer(path: Path) -> KeptAnswer | None:
    """Read an answer; None when the file has only the reserved zeros."""
    try:
        body, at = path.read_bytes().rstrip(b"\0"), path.stat().st_mtime
    except OSError:
        return None
    return KeptAnswer(body, at) if body else None
