"""Loading files batch by batch, over several connections in parallel.

What belongs here: running the batches of a writer (one transaction for each batch, with retries), and running
several writers in parallel. What does not: the plan of batches (load_plan.py), and writing a batch
(load_batch.py).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import ExitStack, suppress
from functools import partial
from queue import SimpleQueue

import psycopg

from whatsapp_pipeline.domain.masking import mask_path
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.steps.chats.load_batch import STAGE, BatchLoader
from whatsapp_pipeline.steps.chats.load_plan import LoadOptions, WriterShare
from whatsapp_pipeline.steps.chats.load_reading import FileProblemError, FileToLoad, ReadingStoppedError
from whatsapp_pipeline.steps.progress import Progress
from whatsapp_pipeline.store.chats import chat_files
from whatsapp_pipeline.store.connection import Connection, abort, clone
from whatsapp_pipeline.store.locks import hold_as_writer, in_transaction

# Seconds between cancel requests. A writer that is between two statements has nothing to cancel, so one
# request is not enough.
_CANCEL_SECONDS = 0.1
# Maximum number of seconds to wait until cancelled writers end, and the timeout of one cancel request. After
# it the connections are aborted, because the server may no longer answer.
_CANCEL_TIMEOUT_SECONDS = 3.0


class Writers:
    """Loads the files of one month. `conn` is the connection of the run, which holds the month's lock."""

    def __init__(
        self, conn: Connection, month: str, options: LoadOptions, progress: Progress, log: logging.Logger
    ) -> None:
        self._conn, self._month, self._options, self._progress = conn, month, options, progress
        self._log = log
        self._stopping = threading.Event()

    def load(self, shares: Sequence[WriterShare], *, meanwhile: Callable[[], None]) -> Counter[str]:
        """Load the files of all shares in parallel, over as many connections as the server allows.

        Without additional connections, the shares are loaded one after the other over `conn`. With parallel
        writers, `meanwhile` is called when all files have been read and the writers still write the last of
        them.

        If a share fails or the run is interrupted, the other shares end and their open batches are rolled
        back. Committed batches are kept. Returns counts by the field names of LoadReport. Raises
        PipelineError if the database refuses a batch.
        """
        with ExitStack() as stack:
            conns = self._connections(stack, len(shares)) if len(shares) > 1 else []
            if not conns:
                return _sum(self._write(self._conn, share) for share in shares)
            free: SimpleQueue[Connection] = SimpleQueue()
            for conn in conns:
                free.put(conn)

            def write(share: WriterShare) -> Counter[str]:
                conn = free.get()
                try:
                    return self._write(conn, share)
                except BaseException:
                    self._stop_all(shares)
                    raise
                finally:
                    free.put(conn)

            pool = stack.enter_context(ThreadPoolExecutor(len(conns), "writer"))
            writers = [pool.submit(write, share) for share in shares]
            try:
                for share in shares:
                    share.reader.wait()
                if not self._stopping.is_set():
                    meanwhile()
                return _sum(writer.result() for writer in as_completed(writers))
            except BaseException:
                self._stop_all(shares)
                _cancel_writers(writers, conns)
                raise

    def _connections(self, stack: ExitStack, count: int) -> list[Connection]:
        """Open `count` connections, or as many as the server allows."""
        conns: list[Connection] = []
        try:
            while len(conns) < count:
                conns.append(stack.enter_context(clone(self._conn)))
        except PipelineError as error:
            self._log.warning(
                "%s is loaded over %d connection(s) instead of %d: %s",
                self._month,
                len(conns) or 1,
                count,
                error,
                extra=fields(month=self._month, connections=len(conns) or 1, wanted=count),
            )
        for conn in conns:
            hold_as_writer(conn, STAGE, self._month)
        return conns

    def _stop_all(self, shares: Sequence[WriterShare]) -> None:
        """Stop all readers and set the stop flag.

        Each writer then ends before its next batch, or when it requests a segment that was not read yet.
        """
        self._stopping.set()
        for share in shares:
            share.reader.stop()

    def _write(self, conn: Connection, share: WriterShare) -> Counter[str]:
        """Load the files of a share over one connection, one batch after the other."""
        counts: Counter[str] = Counter()
        loader = BatchLoader(conn, self._month, share.reader)
        try:
            for number, batch in enumerate(share.batches):
                if self._stopping.is_set() or self._options.should_stop(self._conn):
                    counts["stopped"] = 1
                    break
                if number and self._options.delay_seconds:
                    time.sleep(self._options.delay_seconds)  # the pause that the user configured
                done = self._load(conn, loader, batch)
                counts.update(done, batches=1)
                self._progress.advance(len(batch), done["messages_inserted"])
        except ReadingStoppedError:
            counts["stopped"] = 1  # another writer failed and reports it
        finally:
            share.reader.stop()  # no other writer uses this reader
        return counts

    def _load(self, conn: Connection, loader: BatchLoader, batch: Sequence[FileToLoad]) -> Counter[str]:
        """Load a batch in one transaction. A file that can't be loaded is omitted."""
        files, problems = list(batch), list[FileProblemError]()
        while True:
            try:
                return in_transaction(conn, partial(loader.load, files, problems))
            except FileProblemError as problem:
                problems.append(problem)
                files = [file for file in files if file.path != problem.path]
            except (psycopg.DataError, psycopg.IntegrityError) as error:
                existing = chat_files.existing(conn, [chat.id for file in files for chat in file.chats])
                remaining = [file for file in files if existing.issuperset(chat.id for chat in file.chats)]
                if len(remaining) == len(files):
                    # The server's full message quotes the row, so only its first line is in this error.
                    raise PipelineError(
                        f"the database refused messages of {self._month}: {error.diag.message_primary} "
                        f"(in a batch of {len(batch)} file(s), the first is {mask_path(batch[0].path)}; the "
                        "log of PostgreSQL has the row)"
                    ) from None
                files = remaining  # without the files whose chats were erased after the plan was made


def _cancel_writers(writers: Sequence[Future[Counter[str]]], conns: Sequence[Connection]) -> None:
    """Send cancel requests until the writers have ended or `_CANCEL_TIMEOUT_SECONDS` have passed.

    Then abort all connections.
    """
    deadline = time.monotonic() + _CANCEL_TIMEOUT_SECONDS
    try:
        while wait(writers, _CANCEL_SECONDS).not_done and time.monotonic() < deadline:
            for conn in conns:
                with suppress(psycopg.Error):  # the server may be down; the first error reports it
                    conn.cancel_safe(timeout=_CANCEL_TIMEOUT_SECONDS)
    finally:  # this also runs after an interrupt during the wait
        for conn in conns:
            abort(conn)


def _sum(results: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counts in results:
        total.update(counts)
    return total
