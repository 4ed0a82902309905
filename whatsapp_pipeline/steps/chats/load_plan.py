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

# With fewer messages per writer, one writer is done before another connection is open and has read its first
# files.
_MESSAGES_A_WRITER = 5_000
# A batch ends early at this number of messages, so that a kill loses little.
_MESSAGES_A_BATCH = 50_000


def _never(_: Connection) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """Options of loading: `batch_size` files per transaction, and a pause of `delay_seconds` between batches.

    `writers` is the largest number of connections that load in parallel; with few messages or with pauses it
    is one. `should_stop` is called between batches, from any thread, with the connection of the run. Batches
    that were committed before a stop are kept.
    """

    batch_size: int = 800
    delay_seconds: float = 0.0
    writers: int = 2
    zone: str = "America/Sao_Paulo"
    locale: str | None = None
    owner: tuple[str, ...] = ()
    should_stop: Callable[[Connection], bool] = _never


@dataclass(frozen=True, slots=True)
class Share:
    """The work of one writer: batches of files, and the reader that reads them ahead in that order."""

    batches: list[list[FileToLoad]]
    reader: ReadAhead


@dataclass
class MonthPlan:
    """The indexed files of a month and the erased people; after `begin`, the shares of the writers."""

    files: list[FileToLoad]
    erased: list[tuple[str, bytes]]
    shares: list[Share] = field(default_factory=list)

    @classmethod
    def make(cls, conn: Connection, month: str, reading: ReadingOptions) -> MonthPlan:
        """Read the plan from the database."""
        rows = chat_files.to_load(conn, month)
        files = [
            FileToLoad(
                path,
                chats := list(group),
                _wanted_hash(chats[0], reading),
            )
            for path, group in groupby(rows, key=lambda row: row.file_path)
        ]
        return cls(files, suppression.entries_of_migrated(conn))

    @property
    def todo(self) -> list[FileToLoad]:
        """The files whose current content is not loaded."""
        return [file for file in self.files if not file.is_loaded]

    def begin(
        self, conn: Connection, archive: ChatArchive, reading: ReadingOptions, options: LoadOptions
    ) -> None:
        """Divide the files to load among writers, and start to read the first files."""
        reader = FileReader(archive, reading, suppression.erased_file_chats(conn))
        for files in _cut(self.todo, writers_for(conn, self.todo, options)):
            batches = list(_batches(files, options.batch_size))
            ahead = ReadAhead(reader, [file for batch in batches for file in batch])
            self.shares.append(Share(batches, ahead))
        for share in self.shares:
            share.reader.start()

    def take_over(self, other: MonthPlan) -> bool:
        """Take over the readers of another plan if it has the same files; otherwise stop them."""
        if (self.todo, self.erased) == (other.todo, other.erased):
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

    Other files may decide the order of day and month.
    """
    order = archive_order_in(chat.indexed_hash or b"")
    return reading_hash(
        chat.content_hash, chat.file_path, reading, chat.parse_options, *((order,) if order else ())
    )


def writers_for(conn: Connection, todo: Sequence[FileToLoad], options: LoadOptions) -> int:
    """Return the number of parallel writers: one for few messages, and with pauses between batches.

    The number is one inside a transaction of the caller, too. Other connections would write outside of that
    transaction and would not see its rows. (While a month is read ahead, the connection has the status
    ACTIVE, because writers of the previous month use it.)
    """
    if options.delay_seconds or conn.info.transaction_status is TransactionStatus.INTRANS:
        return 1
    total = sum(file.message_count for file in todo)
    return max(1, min(options.writers, total // _MESSAGES_A_WRITER))


def _cut(files: Sequence[FileToLoad], count: int) -> Iterator[list[FileToLoad]]:
    """Split the files into at most `count` groups with about equal numbers of messages."""
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


def _batches(files: Sequence[FileToLoad], size: int) -> Iterator[list[FileToLoad]]:
    """Split the files into batches of `size` files, or fewer if the files are large.

    In each batch, new files come first.
    """
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
