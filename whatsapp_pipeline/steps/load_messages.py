"""chat_messages: every message of a month's chats.

What belongs here: which files are loaded, and how many write at once. What does not: batches, and what
happens when one can't be loaded (load_writers.py), getting one across (load_batch.py) and the statements
(store.messages).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from psycopg.pq import TransactionStatus

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.steps.load_batch import STAGE
from whatsapp_pipeline.steps.load_reading import FileReader, FileToLoad
from whatsapp_pipeline.steps.load_writers import Pace, Writers
from whatsapp_pipeline.steps.progress import Progress
from whatsapp_pipeline.steps.reading import ReadingOptions, reading_hash
from whatsapp_pipeline.store import chat_files, duplicates, messages, suppression
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.locks import await_writers, month_lock

# Fewer are written in the time another connection takes to be opened and to read its first files.
_MESSAGES_A_WRITER = 5_000


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a month is loaded: `batch_size` files a transaction, `delay_seconds` of rest between batches.

    `writers` connections load at once when there is enough for them, and none rests. `should_stop` is asked
    between batches, from any of their threads; what is loaded by then stays.
    """

    batch_size: int = 500
    delay_seconds: float = 0.0
    writers: int = 2
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
    what was not committed. A file that can't be loaded is a row in `exceptions`, marked
    failed and tried again next time. Waits when another run loads the same month. Raises PipelineError when
    the database refuses a batch.
    """
    with month_lock(
        conn, STAGE, month, on_wait=lambda: log.info("another run loads %s; waiting for it", month)
    ):
        await_writers(conn, STAGE, month)
        return _MonthLoad(conn, archive, month, options, log).run()


class _MonthLoad:
    """One run over one month."""

    def __init__(
        self, conn: Connection, archive: ChatArchive, month: str, options: LoadOptions, log: logging.Logger
    ) -> None:
        self._conn, self._month, self._options, self._log = conn, month, options, log
        self._reading = ReadingOptions(options.zone, options.owner)
        self._reader = FileReader(archive, self._reading, suppression.erased_file_chats(conn))

    def run(self) -> LoadReport:
        """Load what is to be loaded and report."""
        files = self._files()
        todo = [file for file in files if not file.is_loaded]
        # A link that was lost, or a file that came back, leaves its messages as they were.
        unsettled = [pair for file in files if file.is_loaded and not file.is_settled for pair in file.hashes]
        if unsettled:
            chat_files.mark_loaded(self._conn, unsettled)
        options = self._options
        progress = Progress(self._log, f"chat_messages {self._month}", len(todo), "files")
        pace = Pace(options.batch_size, options.delay_seconds, options.should_stop)
        writers = Writers(self._conn, self._month, self._reader, pace, progress)
        result = writers.load(list(_shares(todo, self._writers(todo))))
        result.counts["duplicates_marked"] += self._mark_late_duplicates(result.alone_keys)
        result.counts["replies_resolved"] += self._resolve_late_replies(files)
        result.counts["stopped"] = min(1, result.counts["stopped"])
        return LoadReport(files=len(files), unchanged=len(files) - len(todo), **result.counts)

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

    def _writers(self, todo: Sequence[FileToLoad]) -> int:
        """How many write at once: one for few messages, and where the server is to be spared.

        One, too, inside the caller's transaction, which is to be undone as a whole: other connections would
        write outside of it, and see nothing of what is in it.
        """
        if self._options.delay_seconds or self._conn.info.transaction_status is not TransactionStatus.IDLE:
            return 1
        total = sum(file.message_count for file in todo)
        return max(1, min(self._options.writers, total // _MESSAGES_A_WRITER))

    def _mark_late_duplicates(self, keys: Sequence[str]) -> int:
        """Mark what others loaded of the same chats while these batches did not see it yet."""
        shared = duplicates.shared_keys(self._conn, keys)
        if not shared:
            return 0
        with self._conn.transaction():
            duplicates.lock(self._conn)
            return duplicates.mark(self._conn, shared)

    def _resolve_late_replies(self, files: Sequence[FileToLoad]) -> int:
        """Resolve replies to messages of other files, whichever was loaded first or by whom.

        Asked for all chats of the month each time: a run killed before this has nothing left to load.
        """
        keys = {chat.chat_key for file in files for chat in file.chats if chat.chat_key}
        open_replies = messages.replies_across_files(self._conn, sorted(keys))
        return messages.resolve_replies(self._conn, open_replies)


def _shares(files: Sequence[FileToLoad], count: int) -> Iterator[list[FileToLoad]]:
    """Cut the files into at most `count` runs of about as many messages each."""
    share: list[FileToLoad] = []
    left = sum(file.message_count for file in files)
    messages = 0
    for file in files:
        if share and messages + file.message_count / 2 > left / count:
            yield share
            share, left, messages, count = [], left - messages, 0, count - 1
        share.append(file)
        messages += file.message_count
    if share:
        yield share
