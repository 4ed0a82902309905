"""chat_messages: every message of a month's chats, a batch of files a transaction.

What belongs here: which files are loaded, in which batches, and what happens when one can't be. What does
not: getting one batch's messages across (load_batch.py) and the statements (store.messages).
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

import psycopg

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.load_batch import STAGE, BatchLoader
from whatsapp_pipeline.steps.load_reading import FileProblemError, FileReader, FileToLoad, ReadAhead
from whatsapp_pipeline.steps.progress import Progress
from whatsapp_pipeline.steps.reading import ReadingOptions, reading_hash
from whatsapp_pipeline.store import chat_files, duplicates, suppression
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.locks import month_lock

# A batch ends early at so many messages: what a kill throws away stays small.
_MESSAGES_A_BATCH = 50_000
_ATTEMPTS = 5


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a month is loaded: `batch_size` files a transaction, `delay_seconds` of rest between batches.

    `should_stop` is asked between batches; what is loaded by then stays.
    """

    batch_size: int = 400
    delay_seconds: float = 0.0
    zone: str = "America/Sao_Paulo"
    owner: tuple[str, ...] = ()
    should_stop: Callable[[], bool] = _never


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What loading a month did. `stopped` is 1 when it was asked to stop before the end."""

    files: int = 0
    loaded: int = 0
    unchanged: int = 0
    failed: int = 0
    messages_inserted: int = 0
    messages_updated: int = 0
    messages_gone: int = 0
    duplicates_marked: int = 0
    replies_resolved: int = 0
    findings: int = 0
    batches: int = 0
    stopped: int = 0

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


def load_month(
    conn: Connection, archive: ChatArchive, month: str, options: LoadOptions, *, log: logging.Logger
) -> LoadReport:
    """Bring `chat_messages` to what the files indexed for `month` (`YYYY-MM`) hold.

    Only files whose content or reading changed since they were loaded are read. A killed run goes on with
    the first batch that was not committed. A file that can't be loaded is a row in `exceptions`, marked
    failed and tried again next time. Waits when another run loads the same month. Raises PipelineError when
    the database refuses a batch.
    """
    with month_lock(
        conn, STAGE, month, on_wait=lambda: log.info("another run loads %s; waiting for it", month)
    ):
        return _MonthLoad(conn, archive, month, options, log).run()


class _MonthLoad:
    """One run over one month."""

    def __init__(
        self, conn: Connection, archive: ChatArchive, month: str, options: LoadOptions, log: logging.Logger
    ) -> None:
        self._conn, self._month, self._options, self._log = conn, month, options, log
        self._reading = ReadingOptions(options.zone, options.owner)
        self._reader = FileReader(archive, self._reading, suppression.erased_file_chats(conn))
        self._counts: dict[str, int] = defaultdict(int)
        self._alone: list[str] = []

    def run(self) -> LoadReport:
        """Load what is to be loaded and report."""
        files = self._files()
        todo = [file for file in files if not file.is_loaded]
        self._counts["files"] = len(files)
        self._counts["unchanged"] = len(files) - len(todo)
        # A link that was lost, or a file that came back, leaves its messages as they were.
        unsettled = [pair for file in files if file.is_loaded and not file.is_settled for pair in file.hashes]
        if unsettled:
            chat_files.mark_loaded(self._conn, unsettled)
        progress = Progress(self._log, f"chat_messages {self._month}", len(todo), "files")
        batches = list(_batches(todo, self._options.batch_size))
        with ReadAhead(self._reader, [file for batch in batches for file in batch]) as reader:
            loader = BatchLoader(self._conn, self._month, reader)
            for number, batch in enumerate(batches):
                if self._options.should_stop():
                    self._counts["stopped"] = 1
                    break
                if number and self._options.delay_seconds:
                    time.sleep(self._options.delay_seconds)  # the rest a user asked for
                before = self._counts["messages_inserted"]
                self._load(loader, batch)
                progress.advance(len(batch), self._counts["messages_inserted"] - before)
        self._mark_late_duplicates()
        return LoadReport(**self._counts)

    def _files(self) -> list[FileToLoad]:
        rows = chat_files.to_load(self._conn, self._month)
        return [
            FileToLoad(
                path,
                chats := list(group),
                reading_hash(chats[0].content_hash, path, self._reading, chats[0].parse_options),
            )
            for path, group in groupby(rows, key=lambda row: row.file_path)
        ]

    def _load(self, loader: BatchLoader, batch: Sequence[FileToLoad]) -> None:
        """Load a batch in one transaction; a file that can't be is left out and the others are loaded."""
        files, problems, attempts = list(batch), list[FileProblemError](), 0
        while True:
            try:
                with self._conn.transaction():
                    result = loader.load(files, problems)
                break
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
        self._alone.extend(result.alone_keys)
        for name, value in result.counts.items():
            self._counts[name] += value
        self._counts["batches"] += 1

    def _mark_late_duplicates(self) -> None:
        """Mark what another run loaded of the same chats while these batches did not see it yet."""
        if shared := duplicates.shared_keys(self._conn, self._alone):
            with self._conn.transaction():
                duplicates.lock(self._conn)
                self._counts["duplicates_marked"] += duplicates.mark(self._conn, shared)


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
