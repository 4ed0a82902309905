"""Scanning many files on several cores.

What belongs here: the distribution of files to processes. What does not: the scan of a file (scan.py), and
the other processes (worker_process.py).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.domain.gc_disabled import gc_disabled
from whatsapp_pipeline.domain.transcripts.windows import WINDOW_BYTES
from whatsapp_pipeline.steps.chats.scan import ScanJob, ScanOptions, Scans, scan_files
from whatsapp_pipeline.steps.worker_process import WorkerLostError, WorkerProcess, answer_requests

# Largest text of a chunk in bytes, unless it has only one file: about what the reader reads at once. A
# smaller chunk would take the same time.
_CHUNK_BYTES = WINDOW_BYTES
_CHUNK_FILES = 1_000
# Scanning less text than this takes less time than starting another process.
_MIN_PARALLEL_BYTES = 6 << 20
# Largest number of chunks that are being scanned, or are ready and not used yet. This limits memory.
_MAX_CHUNKS_AHEAD = 24


def scan_in_parallel(
    archive: ChatArchive, jobs: Sequence[ScanJob], options: ScanOptions, *, workers: int
) -> Iterator[Scans]:
    """Yield the scans of `jobs`, in order, read by `workers` processes.

    With `workers` 0, every core is used if there is enough text. An archive that other processes can't open
    is read by this process only.
    """
    work = sum(job.file.size + archive.request_bytes for job in jobs)
    wanted = workers or (_cores() if work >= _MIN_PARALLEL_BYTES else 1)
    if wanted == 1 or not archive.is_shared:
        yield from scan_files(archive, jobs, options)
        return
    scan = _ParallelScan(archive, options, list(_chunks(jobs)))
    yield from scan.run([_worker(number) for number in range(wanted - 1)])


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


class _ParallelScan:
    """Chunks to scan. This process and the workers each take the next chunk when they are idle."""

    def __init__(
        self, archive: ChatArchive, options: ScanOptions, chunks: Sequence[Sequence[ScanJob]]
    ) -> None:
        self._archive, self._options, self._chunks = archive, options, chunks
        self._ready: dict[int, list[Scans]] = {}
        self._next = 0
        self._yielded = 0
        self._stopped = False
        self._changed = threading.Condition()

    def run(self, workers: Sequence[WorkerProcess]) -> Iterator[Scans]:
        """Yield the scans of all chunks, in order."""
        threads = [
            threading.Thread(target=self._run_worker, args=(worker,), daemon=True) for worker in workers
        ]
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
        """Return the scans of a chunk. Until they are ready, this process scans other chunks."""
        while True:
            with self._changed:
                if number in self._ready:
                    self._yielded = number + 1
                    self._changed.notify_all()
                    return self._ready.pop(number)
                index = self._next_index()
                if index is None:
                    self._changed.wait()
                    continue
            self._store_result(index, self._scan_here(index))

    def _next_index(self) -> int | None:
        """Return the index of the next chunk; None if there is none, too many are ready, or `run` has ended.

        The caller must hold the condition.
        """
        if (
            self._stopped
            or self._next == len(self._chunks)
            or self._next >= self._yielded + _MAX_CHUNKS_AHEAD
        ):
            return None
        self._next += 1
        return self._next - 1

    def _store_result(self, number: int, scans: list[Scans]) -> None:
        with self._changed:
            self._ready[number] = scans
            self._changed.notify_all()

    def _scan_here(self, number: int) -> list[Scans]:
        return list(scan_files(self._archive, self._chunks[number], self._options))

    def _run_worker(self, worker: WorkerProcess) -> None:
        while True:
            with self._changed:
                while (number := self._next_index()) is None:
                    if self._stopped or self._next == len(self._chunks):
                        return
                    self._changed.wait()
            try:
                with worker.lock:
                    archive = self._archive
                    worker.send((archive.url, archive.opening, self._options, self._chunks[number]))
                    scans = worker.receive()
            except WorkerLostError:
                scans = self._scan_here(number)
            self._store_result(number, scans)


@cache
def _worker(number: int) -> WorkerProcess:
    """Return the `number`-th worker of this process. A worker is kept for the next months."""
    return WorkerProcess("whatsapp_pipeline.steps.chats.scan_pool")


@lru_cache(maxsize=1)
def _archive(url: str, _opening: str) -> ChatArchive:
    """Return the archive at `url`. If the parent process opened it again, list its files again.

    `_opening` is the id of the parent's archive object. Another id is another key of the cache.
    """
    return ChatArchive(url)


def _scan(request: tuple[str, str, ScanOptions, Sequence[ScanJob]]) -> list[Scans]:
    """Answer a request of the parent process."""
    url, opening, options, jobs = request
    with gc_disabled():
        return list(scan_files(_archive(url, opening), jobs, options))


if __name__ == "__main__":
    answer_requests(_scan)
