"""The on-disk spool: a body is written to it before the receiver answers 200.

What belongs here: appending with one fdatasync per group of bodies, and listing the files. What does not: the
record format (records) and moving records to the inbox (drainer).

A writer holds a lock on its segment as long as it may append to it. A segment without that lock is final. A
writer locks a new segment before it renames it to its final name, so a reader never mistakes a new segment
for a final one.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import re
import shutil
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.webhook import records

SEGMENT_BYTES = 16 * 2**20
SUFFIX = ".seg"
STRAY = "stray"
_NEW_SUFFIX = ".new"
# The name is a time in nanoseconds. It must not have the highest possible value, because the next segment
# needs a higher one.
_SEGMENT_NAME = re.compile(r"[01]\d{19}-\d+\.seg", re.ASCII)
# The other names that belong in a spool's folder.
_OWN_FOLDERS = frozenset({STRAY, "corrupt", "quarantine", "lost+found"})
LOCK = "drain.lock"
_OWN_NAMES = re.compile(r"probe-\d+|\d{20}-\d+\.new|\..*", re.ASCII)
_PROBE_BYTES = 64 * 1024


class SpoolError(PipelineError):
    """The spool cannot be written now: the disk is full, or the folder is not writable."""


def spool_directory(settings: Settings) -> Path:
    """Return the spool's folder: WHATSAPP_SPOOL_DIR, or `webhook-spool` in the local directory."""
    return settings.whatsapp_spool_dir or settings.local_dir / "webhook-spool"


def segments(directory: Path) -> list[Path]:
    """List the segments, oldest first: regular files whose names follow the writer's pattern."""
    return sorted(
        directory / entry.name
        for entry in _entries(directory)
        if _SEGMENT_NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
    )


def age(segment: Path) -> float:
    """Return the seconds since a segment was begun. Its name contains the time."""
    return (time.time_ns() - int(segment.name.split("-")[0])) / 1e9


def list_stray(directory: Path) -> list[Path]:
    """List the files in `stray/`."""
    return sorted(directory / STRAY / entry.name for entry in _entries(directory / STRAY))


def move_strays(directory: Path) -> list[str]:
    """Move files that the receiver did not create to `stray/`. Return their names.

    Hidden files, a file system's `lost+found`, and files that this process may not move are not moved.
    """
    moved = []
    # A file in place of the folder comes first, because no other entry can move before the folder exists.
    for entry in sorted(_entries(directory), key=lambda entry: entry.name != STRAY):
        name = entry.name
        if _is_ours(entry):
            continue
        aside = directory / STRAY
        with suppress(OSError):
            if name == STRAY:  # a file in place of the folder, which moves there under another name
                at_first = _free_path(directory / f"{STRAY}.file")
                os.rename(aside, at_first)
            else:
                at_first = directory / name
            aside.mkdir(exist_ok=True, mode=0o700)
            shutil.move(at_first, _free_path(aside / at_first.name))  # `stray/` may be on another disk
            moved.append(name)
    return moved


def _free_path(wanted: Path) -> Path:
    """Return `wanted`, or with the first number after it that no entry of its folder has."""
    path, number = wanted, 1
    while os.path.lexists(path):
        path, number = wanted.with_name(f"{wanted.name}.{number}"), number + 1
    return path


def _is_ours(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry of the spool's folder has a name and a type that the receiver makes."""
    if entry.name in _OWN_FOLDERS:
        return os.path.isdir(entry.path)  # or a link to one: the operator may put a folder on another disk
    if entry.name == LOCK or _SEGMENT_NAME.fullmatch(entry.name):
        return entry.is_file(follow_symlinks=False)
    return _OWN_NAMES.fullmatch(entry.name) is not None


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_final(descriptor: int) -> bool:
    """Return whether no writer holds the segment's lock. If so, take the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Segment:
    """The segment that a writer appends to."""

    def __init__(self, directory: Path) -> None:
        newest = max((path.name for path in segments(directory)), default="0")
        number = max(time.time_ns(), int(newest.split("-")[0].removesuffix(SUFFIX)) + 1)
        self.path = directory / f"{number:020d}-{os.getpid()}{SUFFIX}"
        new_path = self.path.with_suffix(_NEW_SUFFIX)
        self._descriptor = os.open(new_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.size = 0
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            os.rename(new_path, self.path)
            _sync_directory(directory)
        except OSError:
            os.close(self._descriptor)
            new_path.unlink(missing_ok=True)
            raise

    def append(self, data: bytes) -> None:
        """Write and sync the records. If this fails, restore the file and raise OSError."""
        try:
            view = memoryview(data)
            while view:
                written = os.write(self._descriptor, view)
                if not written:
                    raise OSError(errno.ENOSPC, "nothing was written")
                view = view[written:]
            os.fdatasync(self._descriptor)
        except OSError:
            # If this fails too, the records stay in the file. They may be delivered twice, but are not lost.
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(data)

    def discard_if_empty(self) -> None:
        """Delete the file if it is empty, so that a full disk does not collect empty files."""
        with suppress(OSError):
            if os.fstat(self._descriptor).st_size == 0:
                self.path.unlink()

    def close(self) -> None:
        """Release the lock, which makes the file final."""
        os.close(self._descriptor)


def _probe(directory: Path) -> None:
    probe = directory / f"probe-{os.getpid()}"
    try:
        probe.write_bytes(bytes(_PROBE_BYTES))
    finally:
        probe.unlink(missing_ok=True)


def _keep_hint(directory: Path) -> str:
    """Return the part of an error message that explains how to make room without deleting segments.

    It is empty if there are no segments.
    """
    waiting = len(segments(directory))
    if not waiting:
        return ""
    return (
        f". Its {waiting} segment(s) are accepted deliveries: do not delete them; "
        "`whatsapp-pipeline webhook drain` moves them into the database and makes room"
    )


class SpoolWriter:
    """Appends bodies to the spool, from one event loop and with one writing thread.

    When `append` returns, the body is on disk.
    """

    def __init__(self, directory: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Open the spool in `directory`, which is created if necessary.

        Raises SpoolError if it is not writable.
        """
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._segment: _Segment | None = None
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._writing = False
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="spool-writer")
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            _probe(directory)
            move_strays(directory)
            for orphan in directory.glob(
                f"*{_NEW_SUFFIX}"
            ):  # the writer was killed before it renamed the file
                if orphan.stat().st_mtime < time.time() - 60:
                    orphan.unlink(missing_ok=True)
        except OSError as error:
            raise SpoolError(
                f"the webhook spool {directory} is not writable ({error.strerror}); "
                f"make room there or set WHATSAPP_SPOOL_DIR{_keep_hint(directory)}"
            ) from error

    def takes(self) -> bool:
        """Return whether a delivery of common size could be written now. The trial file is deleted."""
        try:
            _probe(self._directory)
        except OSError:
            return False
        return True

    async def append(self, body: bytes) -> None:
        """Write a body to disk under a new delivery id.

        All bodies that arrive during one sync share the next sync. Raises SpoolError when the write fails;
        the body is then not in the spool.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((records.encode_record(body), done))
        if not self._writing:
            self._writing = True
            loop.call_soon(self._begin, loop)
        await done

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        group, self._waiting = self._waiting, []
        written = loop.run_in_executor(self._executor, self._write, b"".join(data for data, _ in group))
        written.add_done_callback(partial(self._finish, loop, [done for _, done in group]))

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        group: list[asyncio.Future[None]],
        written: asyncio.Future[None],
    ) -> None:
        error = written.exception()
        for done in group:
            if done.done():  # its request was cancelled meanwhile
                continue
            if error is None:
                done.set_result(None)
            else:
                hint = _keep_hint(self._directory)
                done.set_exception(SpoolError(f"the webhook spool could not be written ({error}){hint}"))
        if self._waiting:
            self._begin(loop)
        else:
            self._writing = False

    def _write(self, data: bytes) -> None:
        if self._segment is None:
            self._segment = _Segment(self._directory)
        try:
            self._segment.append(data)
        except OSError:
            # After a failed sync the content of this file on the disk is unknown, so use a new file.
            self._segment.discard_if_empty()
            self._close_segment()
            raise
        if self._segment.size >= self._segment_bytes:
            self._close_segment()

    def _close_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close()

    def seal(self) -> Future[None]:
        """Make the current segment final, so that the drainer may delete it. Any thread may call this."""
        return self._executor.submit(self._close_segment)

    def close(self) -> None:
        """Wait until pending writes are done, then make the segment final."""
        self._executor.submit(self._close_segment)
        self._executor.shutdown(wait=True)
