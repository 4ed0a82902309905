"""The drainer, which moves records from the spool into the inbox table.

A file lock allows one drainer at a time.

It reads segments in the order of their names, and records in the order of the file. A delivery id is unique
in the inbox. So if a commit succeeds and its answer is lost, the second try inserts nothing. The drainer
deletes a segment only when the segment is final and all its records are committed. From a damaged segment it
saves the complete records, then moves the file to `corrupt/`.

What belongs here: moving records, and the state that /health shows. What does not: the record format
(records), writing segments (spool), and the inbox's statements (store/conversations/inbox.py).
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.store.connection import Connection, connect, limit_statements
from whatsapp_pipeline.store.conversations import inbox
from whatsapp_pipeline.store.migrate import pending_migrations
from whatsapp_pipeline.webhook import records, spool

_LOG = logging.getLogger(__name__)
CORRUPT = "corrupt"
_READ_BYTES = 2 * 2**20  # bytes per read, and so the approximate size of one transaction
_IDLE_SECONDS = 0.2
_UNMIGRATED = "the database is not migrated; run `whatsapp-pipeline migrate`"
_LONGEST_PAUSE = 5.0
# Seconds between two checks that the database has the code of this process.
_CHECK_SECONDS = 15.0
# After this time a segment is made final, so that it can be deleted even if the receiver is busy
_OPEN_SECONDS = 5.0


@contextmanager
def ownership(directory: Path) -> Iterator[bool]:
    """Try to take the lock for draining this spool. Yield whether it was taken."""
    descriptor = os.open(directory / spool.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


class DrainRefusedError(PipelineError):
    """Nothing may be drained now, because the database has other code than this process."""


@dataclass(slots=True)
class DrainState:
    """The drainer's counts and its last problems, for /health and the status command."""

    drained: int = 0
    last_error: str | None = None
    owner: bool = False
    offsets: dict[Path, int] = field(default_factory=dict)
    unreadable: dict[Path, str] = field(default_factory=dict)
    lock_error: str | None = None
    """Why the file of the drainer's lock cannot be opened."""


class Drainer:
    """Drains one spool directory.

    `seal` asks this process's writer to make its segment final. `refusal` returns why nothing may be drained
    now, or None.
    """

    def __init__(
        self,
        directory: Path,
        url: str,
        *,
        seal: Callable[[], object] | None = None,
        refusal: Callable[[], str | None] | None = None,
    ) -> None:
        self._directory = directory
        self._url = url
        self._seal = seal
        self._refusal = refusal
        self._next_check = 0.0
        self._schema_problem: str | None = None
        self.state = DrainState()

    def run(self, stop: threading.Event) -> None:
        """Drain until `stop` is set. While the database fails, retry with growing pauses."""
        while not stop.is_set():
            try:
                self._move_strays()
                with ownership(self._directory) as mine:
                    self.state.owner, self.state.lock_error = mine, None
                    if mine:
                        self._run_as_owner(stop)
            # The file of the lock can't be opened: its owner or its disk may be wrong
            except OSError as error:
                self.state.lock_error = error.strerror or type(error).__name__
                self._failed(error)
            stop.wait(1)

    def _run_as_owner(self, stop: threading.Event) -> None:
        pause = _IDLE_SECONDS
        while not stop.is_set():
            try:
                self._move_strays()  # before connecting, so that it also happens while the database is down
                with connect(self._url, application_name="whatsapp-pipeline webhook drainer") as conn:
                    self._warn_about_schema()
                    limit_statements(conn, 30)
                    while not stop.is_set():
                        self._check_refusal()
                        drained = self.drain(conn)
                        self._recovered()
                        pause = _IDLE_SECONDS
                        if not drained:
                            stop.wait(_IDLE_SECONDS)
            except (psycopg.Error, PipelineError, OSError) as error:
                self._failed(error)
                stop.wait(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)

    def _warn_about_schema(self) -> None:
        """Warn once if the schema is not current; continue, because an older schema may accept deliveries."""
        try:
            problem = _UNMIGRATED if pending_migrations(self._url) else None
        except PipelineError as error:
            problem = str(error)
        if problem is not None and problem != self._schema_problem:
            _LOG.warning(
                "%s. The receiver accepts deliveries and keeps them on disk until they can be stored",
                problem,
                extra=fields(reason=problem),
            )
        self._schema_problem = problem

    def _check_refusal(self) -> None:
        """Raise DrainRefusedError if nothing may be drained now."""
        if self._refusal is None or time.monotonic() < self._next_check:
            return
        if reason := self._refusal():
            raise DrainRefusedError(reason)
        self._next_check = time.monotonic() + _CHECK_SECONDS

    def _failed(self, error: Exception) -> None:
        reason = str(error) if isinstance(error, DrainRefusedError) else type(error).__name__
        if self.state.last_error is None:  # warn once per outage, not once per attempt
            _LOG.warning(
                "the spool cannot be drained now (%s); the drainer tries again",
                reason,
                extra=fields(reason=reason),
            )
        self.state.last_error = reason

    def _recovered(self) -> None:
        if self.state.last_error is not None:
            _LOG.info("the spool is being drained again")
            self.state.last_error = None

    def _move_strays(self) -> None:
        for name in spool.move_strays(self._directory):
            _LOG.warning(
                "%s is not a segment of the spool; it was moved to %s/",
                name,
                spool.STRAY,
                extra=fields(file=name),
            )

    def drain(self, conn: Connection) -> int:
        """Move all records that are in the spool now. Return their number. The caller must own the spool.

        Files that the receiver did not write are moved to `stray/`. A segment that cannot be read is kept,
        and every call tries to read it again. The other segments are drained.
        """
        self._move_strays()
        drained, unreadable = 0, dict[Path, str]()
        for path in spool.segments(self._directory):
            try:
                drained += self._drain_segment(conn, path)
            except FileNotFoundError:  # the writer deleted it, because its disk was full
                continue
            except OSError as error:
                unreadable[path] = error.strerror or type(error).__name__
                if path not in self.state.unreadable:
                    _LOG.error(
                        "segment %s cannot be read (%s); it contains accepted deliveries: correct its file "
                        "permissions, do not delete it",
                        path.name,
                        unreadable[path],
                        extra=fields(file=path.name, reason=unreadable[path]),
                    )
        self.state.unreadable = unreadable
        self.state.drained += drained
        return drained

    def _drain_segment(self, conn: Connection, path: Path) -> int:
        offsets = self.state.offsets
        drained = 0
        with path.open("rb") as file:
            # Checked before reading: if the segment is final here, nothing is appended after the read.
            final = spool.is_final(file.fileno())
            size = os.fstat(file.fileno()).st_size
            while True:
                offset = offsets.get(path, 0)
                wanted = _READ_BYTES
                data = os.pread(file.fileno(), wanted, offset)
                found = records.scan(data, final=final)
                if not found.records and len(data) == wanted:  # one record is larger than one read
                    data = os.pread(file.fileno(), wanted + records.MAX_BODY_BYTES, offset)
                    found = records.scan(data, final=final)
                if not found.records:
                    break
                inbox.add_deliveries(conn, found.records)
                offsets[path] = offset + found.next_offset
                drained += len(found.records)
            if final:
                if found.ending == "corrupt":
                    drained += self._set_aside(conn, path)
                else:
                    path.unlink(missing_ok=True)
                offsets.pop(path, None)
            elif (
                self._seal is not None
                # Records that arrived after `size` was read may be drained, too
                and 0 < size <= offsets.get(path, 0)
                and (not drained or spool.age(path) > _OPEN_SECONDS)
            ):
                self._seal()  # a final segment can be deleted
        return drained

    def _set_aside(self, conn: Connection, path: Path) -> int:
        saved = list(records.read_file(path))
        inbox.add_deliveries(conn, saved)
        aside = self._directory / CORRUPT
        aside.mkdir(exist_ok=True, mode=0o700)
        shutil.move(path, aside / path.name)  # the folder may be a link to another disk
        _LOG.error(
            "segment %s is damaged: %d complete records were saved, the file was moved to %s/",
            path.name,
            len(saved),
            CORRUPT,
            extra=fields(file=path.name, counts={"records_saved": len(saved)}),
        )
        return len(saved)


def damaged(directory: Path) -> list[Path]:
    """List the damaged segments that were moved to `corrupt/`."""
    return sorted((directory / CORRUPT).glob("*"))


def drain_now(directory: Path, conn: Connection, *, wait_seconds: float = 10) -> bool:
    """Drain the spool if no other process owns it. Otherwise wait until its owner has drained it.

    Returns whether all records that were in the spool at the start were moved within `wait_seconds`. New
    deliveries may have arrived meanwhile.
    """
    if not directory.exists():
        return True
    at_first = set(spool.segments(directory))
    deadline = time.monotonic() + wait_seconds
    patience = threading.Event()
    while time.monotonic() < deadline:
        with ownership(directory) as mine:
            if mine:
                Drainer(directory, "").drain(conn)
        if at_first.isdisjoint(spool.segments(directory)):
            return True
        patience.wait(0.2)
    return False
