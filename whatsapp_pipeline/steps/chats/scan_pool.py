"""Scanning many files on several cores.

What belongs here: how the work is spread. What does not: what a scan is (scan.py).

The others are processes of our own at the ends of pipes, not a pool of multiprocessing: forking is not safe
in a process with threads (Dagster's), spawning imports the main module again, and a pool's children outlive
a killed parent. These end when their pipe does.
"""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import cache

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.domain.gc_disabled import gc_disabled
from whatsapp_pipeline.domain.transcripts.windows import WINDOW_BYTES
from whatsapp_pipeline.steps.chats.scan import ScanJob, ScanOptions, Scans, scan_files

# A chunk is about what the reader takes for one window, whose cost is the same for less text.
_CHUNK_BYTES = WINDOW_BYTES
_CHUNK_FILES = 1_000
# Text below this is scanned sooner than another process has started.
_WORTH_BYTES = 6 << 20
# Chunks that may be ready before the first of them is taken, which bounds memory.
_AHEAD = 24


def scan_spread(
    archive: ChatArchive, jobs: Sequence[ScanJob], options: ScanOptions, *, workers: int
) -> Iterator[Scans]:
    """Yield the scans of `jobs`, in their order; `workers` 0 takes every core when it is worth it."""
    wanted = workers or (_cores() if sum(job.file.size for job in jobs) >= _WORTH_BYTES else 1)
    if wanted == 1 or not archive.is_shared:
        yield from scan_files(archive, jobs, options)
        return
    spread = _Spread(archive, options, list(_chunks(jobs)))
    yield from spread.run([_worker(number) for number in range(wanted - 1)])


def _chunks(jobs: Sequence[ScanJob]) -> Iterator[list[ScanJob]]:
    chunk: list[ScanJob] = []
    size = 0
    for job in jobs:
        if chunk and (size + job.file.size > _CHUNK_BYTES or len(chunk) == _CHUNK_FILES):
            yield chunk
            chunk, size = [], 0
        chunk.append(job)
        size += job.file.size
    if chunk:
        yield chunk


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Spread:
    """Chunks taken in order by this process and by workers, each when it is free."""

    def __init__(
        self, archive: ChatArchive, options: ScanOptions, chunks: Sequence[Sequence[ScanJob]]
    ) -> None:
        self._archive, self._options, self._chunks = archive, options, chunks
        self._ready: dict[int, list[Scans]] = {}
        self._next = 0
        self._yielded = 0
        self._stopped = False
        self._changed = threading.Condition()

    def run(self, workers: Sequence[_Worker]) -> Iterator[Scans]:
        """Yield the scans of all chunks, in order."""
        threads = [threading.Thread(target=self._drive, args=(worker,), daemon=True) for worker in workers]
        for thread in threads:
            thread.start()
        try:
            for number in range(len(self._chunks)):
                yield from self._result(number)
        finally:
            with self._changed:
                self._stopped = True
                self._changed.notify_all()
            for thread in threads:
                thread.join()

    def _result(self, number: int) -> list[Scans]:
        """Return a chunk's scans; works on other chunks until they are there."""
        while True:
            with self._changed:
                if number in self._ready:
                    self._yielded = number + 1
                    self._changed.notify_all()
                    return self._ready.pop(number)
                mine = self._take()
                if mine is None:
                    self._changed.wait()
                    continue
            self._put(mine, self._scan_here(mine))

    def _take(self) -> int | None:
        """Take the next chunk, None when there is none or too many are ready; call it under the condition."""
        if self._stopped or self._next == len(self._chunks) or self._next >= self._yielded + _AHEAD:
            return None
        self._next += 1
        return self._next - 1

    def _put(self, number: int, scans: list[Scans]) -> None:
        with self._changed:
            self._ready[number] = scans
            self._changed.notify_all()

    def _scan_here(self, number: int) -> list[Scans]:
        return list(scan_files(self._archive, self._chunks[number], self._options))

    def _drive(self, worker: _Worker) -> None:
        while True:
            with self._changed:
                while (number := self._take()) is None:
                    if self._stopped or self._next == len(self._chunks):
                        return
                    self._changed.wait()
            scans = worker.scan(self._archive, self._options, self._chunks[number])
            # A worker that was killed is no reason to lose its files.
            self._put(number, scans if scans is not None else self._scan_here(number))


class _Worker:
    """Another process that scans; it lives until this one ends."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def scan(self, archive: ChatArchive, options: ScanOptions, jobs: Sequence[ScanJob]) -> list[Scans] | None:
        """Return the scans of `jobs`; None when the process is lost."""
        with self._lock:
            if self._process is not None and self._process.poll() is not None:
                self.stop()  # closes the pipes of a process that was killed
            if self._process is None:
                self._process = self._start()
            assert self._process.stdin is not None  # noqa: S101  # both are pipes
            assert self._process.stdout is not None  # noqa: S101
            try:
                pickle.dump((archive.url, options, list(jobs)), self._process.stdin)
                self._process.stdin.flush()
                scans: list[Scans] = pickle.load(self._process.stdout)  # noqa: S301  # from our own child
            except (OSError, EOFError, pickle.UnpicklingError):
                self.stop()
                return None
            return scans

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "whatsapp_pipeline.steps.chats.scan_pool"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "POLARS_MAX_THREADS": "1"},  # there is a process for each core
            start_new_session=True,  # Ctrl-C is for this process, which then ends the other
        )
        atexit.register(self.stop)
        return process


@cache
def _worker(number: int) -> _Worker:
    """The process's `number`-th worker, kept from one month to the next."""
    return _Worker()


def serve() -> None:
    """Scan what comes in at stdin until it ends, and write the scans to stdout."""
    archives: dict[str, ChatArchive] = {}
    while True:
        try:
            url, options, jobs = pickle.load(sys.stdin.buffer)  # noqa: S301  # from our own parent
        except EOFError:
            return
        archive = archives.get(url) or archives.setdefault(url, ChatArchive(url))
        with gc_disabled():
            pickle.dump(list(scan_files(archive, jobs, options)), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    serve()
