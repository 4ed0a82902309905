"""The plan of loading a month: its files, the number of writers, and their batches.

What belongs here: the plan, and starting to read its files. What does not: reading (load_reading.py) and
writing (load_writers.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from psycopg.pq import TransactionStatus

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.steps.chats.chat_reading import ReadingOptions, reading_hash
from whatsapp_pipeline.steps.chats.load_reading import FileReader, FileToLoad, ReadAhead
from whatsapp_pipeline.steps.chats.scan import archive_order_in
from whatsapp_pipeline.store.chats import chat_files
from whatsapp_pipeline.store.chats.chat_files import LoadRow
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import suppression

# Smallest number of messages per writer. With fewer, one writer would finish before a second writer has a
# connection and its first files.
_MIN_MESSAGES_PER_WRITER = 5_000
# Largest number of messages in a batch of several files. A killed run loses its uncommitted batches, so
# batches are small.
_MAX_MESSAGES_PER_BATCH = 50_000


def _never_stop(_: Connection) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """Options of loading: `batch_size` files per transaction, and a pause of `delay_seconds` between batches.

    `writers` is the largest number of parallel connections. Only one is used if there are few messages or if
    `delay_seconds` is set. Each writer calls `should_stop` before each batch, in its own thread, with the
    connection of the run. Batches that were committed before a stop are kept.
    """

    batch_size: int = 800
    delay_seconds: float = 0.0
    writers: int = 2
    zone: str = "America/Sao_Paulo"
    locale: str | None = None
    owner: tuple[str, ...] = ()
    should_stop: Callable[[Connection], bool] = _never_stop


@dataclass(frozen=True, slots=True)
class WriterShare:
    """The work of one writer: batches of files, and the reader that reads them ahead in that order."""

    batches: list[list[FileToLoad]]
    reader: ReadAhead


@dataclass
class MonthPlan:
    """The plan of one month: its indexed files, and the suppression list when the plan was made.

    `begin` adds one share per writer.
    """

    files: list[FileToLoad]
    suppression_entries: list[tuple[str, bytes]]
    shares: list[WriterShare] = field(default_factory=list)

    @classmethod
    def make(cls, conn: Connection, month: str, reading: ReadingOptions) -> MonthPlan:
        """Read the plan from the database."""
        rows = chat_files.to_load(conn, month)
        files = []
        for path, group in groupby(rows, key=lambda row: row.file_path):
            chats = list(group)
            files.append(FileToLoad(path, chats, _wanted_hash(chats[0], reading)))
        return cls(files, suppression.entries_of_migrated(conn))

    @property
    def todo(self) -> list[FileToLoad]:
        """The files that are not loaded with their indexed content and the current reading options."""
        return [file for file in self.files if not file.is_loaded]

    def begin(
        self, conn: Connection, archive: ChatArchive, reading: ReadingOptions, options: LoadOptions
    ) -> None:
        """Divide the files to load among writers, and start to read the first files."""
        reader = FileReader(archive, reading, suppression.erased_file_chats(conn))
        for files in _split_among_writers(self.todo, writers_for(conn, self.todo, options)):
            batches = list(_batches(files, options.batch_size))
            ahead = ReadAhead(reader, [file for batch in batches for file in batch])
            self.shares.append(WriterShare(batches, ahead))
        for share in self.shares:
            share.reader.start()

    def take_over(self, other: MonthPlan) -> bool:
        """Use the readers of `other` if it has the same files to load and the same suppression list.

        Return whether they are used. Otherwise the readers of `other` are stopped.
        """
        if (self.todo, self.suppression_entries) == (other.todo, other.suppression_entries):
            self.shares = other.shares
            return True
        other.end()
        return False

    def end(self) -> None:
        """Stop reading."""
        for share in self.shares:
            share.reader.stop()


def _wanted_hash(chat: LoadRow, reading: ReadingOptions) -> bytes:
    """Return the hash that loading the file now would store.

    Other files may have decided the order of day and month for this file. The index then appended the order
    to `indexed_hash`, so the order is part of this hash, too.
    """
    order = archive_order_in(chat.indexed_hash or b"")
    return reading_hash(
        chat.content_hash, chat.file_path, reading, chat.parse_options, *((order,) if order else ())
    )


def writers_for(conn: Connection, todo: Sequence[FileToLoad], options: LoadOptions) -> int:
    """Return the number of parallel writers: one for few messages, and with pauses between batches.

    Inside a transaction of the caller, the result is also 1: other connections would write outside of that
    transaction and would not see its rows. The test is for INTRANS only: while a month is read ahead, the
    status may be ACTIVE, because the writers of the previous month call `should_stop` with this connection.
    """
    if options.delay_seconds or conn.info.transaction_status is TransactionStatus.INTRANS:
        return 1
    total = sum(file.message_count for file in todo)
    return max(1, min(options.writers, total // _MIN_MESSAGES_PER_WRITER))


def _split_among_writers(files: Sequence[FileToLoad], count: int) -> Iterator[list[FileToLoad]]:
    """Split the files into at most `count` groups with about equal numbers of messages."""
    share: list[FileToLoad] = []
    left = sum(file.message_count for file in files)
    messages = 0
    for file in files:
        # End the group if more than half of the next file would exceed the group's part of what is left.
        if share and messages + file.message_count / 2 > left / count:
            yield share
            share, left, messages, count = [], left - messages, 0, count - 1
        share.append(file)
        messages += file.message_count
    if share:
        yield share


def _batches(files: Sequence[FileToLoad], size: int) -> Iterator[list[FileToLoad]]:
    """Split the files into batches of `size` files, or fewer if the files are large.

    In each batch, new files come first, because BatchLoader copies them before it merges the other files.
    The reader reads the files in this order.
    """
    batch: list[FileToLoad] = []
    messages = 0
    for file in files:
        if batch and (len(batch) >= size or messages + file.message_count > _MAX_MESSAGES_PER_BATCH):
            yield sorted(batch, key=lambda file: not file.is_new)
            batch, messages = [], 0
        batch.append(file)
        messages += file.message_count
    if batch:
        yield sorted(batch, key=lambda file: not file.is_new)
