"""Loading files batch by batch, over several connections at once.

What belongs here: a writer's batches, each a transaction that is tried again where that helps, and several
writers beside each other. What does not: which files are loaded (load_messages.py), and what becomes of a
batch in the database (load_batch.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.load_batch import STAGE, BatchLoader, BatchResult
from whatsapp_pipeline.steps.load_reading import FileProblemError, FileReader, FileToLoad, ReadAhead
from whatsapp_pipeline.steps.progress import Progress
from whatsapp_pipeline.store.connection import Connection, another
from whatsapp_pipeline.store.locks import hold_as_writer

# A batch ends early at so many messages: what a kill throws away stays small.
_MESSAGES_A_BATCH = 50_000
_ATTEMPTS = 5
# How often statements are cancelled until their writers give up: between two there is none to cancel.
_CANCEL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Pace:
    """How files are loaded: `batch_size` files a transaction, `delay_seconds` of rest between two.

    `should_stop` is asked before each batch, from any thread.
    """

    batch_size: int
    delay_seconds: float
    should_stop: Callable[[], bool]


class Writers:
    """Load one month's files; `conn` is the run's own, which holds the month's lock."""

    def __init__(
        self, conn: Connection, month: str, reader: FileReader, pace: Pace, progress: Progress
    ) -> None:
        self._conn, self._month, self._reader, self._pace, self._progress = (
            conn,
            month,
            reader,
            pace,
            progress,
        )
        self._given_up = threading.Event()

    def load(self, shares: Sequence[Sequence[FileToLoad]]) -> BatchResult:
        """Load the files of each share, several shares at once over connections of their own.

        When a share fails, or the run is interrupted, the others end and their open batches are rolled back;
        what was committed stays. Raises PipelineError when the database refuses a batch.
        """
        if len(shares) < 2:
            return _sum(self._write(self._conn, share) for share in shares)
        with ExitStack() as stack:
            conns = [stack.enter_context(another(self._conn)) for _ in shares]
            for conn in conns:
                hold_as_writer(conn, STAGE, self._month)
            pool = stack.enter_context(ThreadPoolExecutor(len(shares), "writer"))
            writers = [
                pool.submit(self._write, conn, share) for conn, share in zip(conns, shares, strict=True)
            ]
            try:
                return _sum(writer.result() for writer in as_completed(writers))
            except BaseException:
                self._given_up.set()
                while wait(writers, _CANCEL_SECONDS).not_done:
                    for conn in conns:
                        conn.cancel_safe()
                raise

    def _write(self, conn: Connection, files: Sequence[FileToLoad]) -> BatchResult:
        """Load a share's files over one connection, a batch after the other."""
        batches = list(_batches(files, self._pace.batch_size))
        result = BatchResult()
        with ReadAhead(self._reader, [file for batch in batches for file in batch]) as reader:
            loader = BatchLoader(conn, self._month, reader)
            for number, batch in enumerate(batches):
                if self._given_up.is_set() or self._pace.should_stop():
                    result.counts["stopped"] = 1
                    break
                if number and self._pace.delay_seconds:
                    time.sleep(self._pace.delay_seconds)  # the rest a user asked for
                done = self._load(conn, loader, batch)
                done.counts["batches"] = 1
                result.add(done)
                self._progress.advance(len(batch), done.counts["messages_inserted"])
        return result

    def _load(self, conn: Connection, loader: BatchLoader, batch: Sequence[FileToLoad]) -> BatchResult:
        """Load a batch in one transaction; a file that can't be is left out and the others are loaded."""
        files, problems, attempts = list(batch), list[FileProblemError](), 0
        while True:
            try:
                with conn.transaction():
                    return loader.load(files, problems)
            except FileProblemError as problem:
                problems.append(problem)
                files = [file for file in files if file.path != problem.path]
            except psycopg.errors.DeadlockDetected:
                # Linking and marking touch the same rows in other orders; the one that gives way tries again.
                attempts += 1
                if attempts == _ATTEMPTS:
                    raise
            except (psycopg.DataError, psycopg.IntegrityError) as error:
                # The server's full message quotes the row; only its first line is fit for a log.
                raise PipelineError(
                    f"the database refused messages of {self._month}: {error.diag.message_primary}"
                ) from None


def _sum(results: Iterator[BatchResult]) -> BatchResult:
    total = BatchResult()
    for result in results:
        total.add(result)
    return total


def _batches(files: Sequence[FileToLoad], size: int) -> Iterator[list[FileToLoad]]:
    """Cut the files into batches of `size`, or fewer where they are large; in each the new files first."""
    batch: list[FileToLoad] = []
    messages = 0
    for file in files:
        if batch and (len(batch) >= size or messages + file.message_count > _MESSAGES_A_BATCH):
            yield sorted(batch, key=lambda file: not file.is_new)
            batch, messages = [], 0
        batch.append(file)
        messages += file.message_count
    if batch:
        yield sorted(batch, key=lambda file: not file.is_new)
