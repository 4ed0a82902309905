"""Loading files batch by batch, over several connections at once.

What belongs here: a writer's batches, each a transaction that is tried again where that helps, and several
writers beside each other. What does not: which files are loaded in which batches (load_plan.py), and what
becomes of a batch in the database (load_batch.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from contextlib import ExitStack

import psycopg

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.load_batch import STAGE, BatchLoader, BatchResult
from whatsapp_pipeline.steps.load_plan import LoadOptions, Share
from whatsapp_pipeline.steps.load_reading import FileProblemError, FileToLoad
from whatsapp_pipeline.steps.progress import Progress
from whatsapp_pipeline.store.connection import Connection, another
from whatsapp_pipeline.store.locks import hold_as_writer

_ATTEMPTS = 5
# How often statements are cancelled until their writers give up: between two there is none to cancel.
_CANCEL_SECONDS = 0.1


class Writers:
    """Load one month's files; `conn` is the run's own, which holds the month's lock."""

    def __init__(self, conn: Connection, month: str, options: LoadOptions, progress: Progress) -> None:
        self._conn, self._month, self._options, self._progress = conn, month, options, progress
        self._given_up = threading.Event()

    def load(self, shares: Sequence[Share], *, meanwhile: Callable[[], None]) -> BatchResult:
        """Load the files of each share, several shares at once over connections of their own.

        `meanwhile` is called while several write what was read last. When a share fails, or the run is
        interrupted, the others end and their open batches are rolled back; what was committed stays. Raises
        PipelineError when the database refuses a batch.
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
                for share in shares:
                    share.reader.wait()
                meanwhile()
                return _sum(writer.result() for writer in as_completed(writers))
            except BaseException:
                self._given_up.set()
                while wait(writers, _CANCEL_SECONDS).not_done:
                    for conn in conns:
                        conn.cancel_safe()
                raise

    def _write(self, conn: Connection, share: Share) -> BatchResult:
        """Load a share's files over one connection, a batch after the other."""
        result = BatchResult()
        loader = BatchLoader(conn, self._month, share.reader)
        try:
            for number, batch in enumerate(share.batches):
                if self._given_up.is_set() or self._options.should_stop(self._conn):
                    result.counts["stopped"] = 1
                    break
                if number and self._options.delay_seconds:
                    time.sleep(self._options.delay_seconds)  # the rest a user asked for
                done = self._load(conn, loader, batch)
                done.counts["batches"] = 1
                result.add(done)
                self._progress.advance(len(batch), done.counts["messages_inserted"])
        finally:
            share.reader.stop()  # nobody else takes what it reads
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
