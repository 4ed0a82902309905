"""Which of a month's files are to be loaded, by how many writers, in which batches.

What belongs here: the choice, and beginning to read what was chosen. What does not: reading
(load_reading.py), writing (load_writers.py).
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

# Fewer are written in the time another connection takes to be opened and to read its first files.
_MESSAGES_A_WRITER = 5_000
# A batch ends early at so many messages: what a kill throws away stays small.
_MESSAGES_A_BATCH = 50_000


def _never(_: Connection) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a month is loaded: `batch_size` files a transaction, `delay_seconds` of rest between batches.

    `writers` connections load at once when there is enough for them, and none rests. `should_stop` is asked
    between batches, from any of their threads and with the run's connection; what is loaded by then stays.
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
    """What one writer loads: batches of files, and what reads them ahead in that order."""

    batches: list[list[FileToLoad]]
    reader: ReadAhead


@dataclass
class MonthPlan:
    """A month's files as indexed, and who is erased; once it is begun, shares of the files to load."""

    files: list[FileToLoad]
    erased: list[tuple[str, bytes]]
    shares: list[Share] = field(default_factory=list)

    @classmethod
    def make(cls, conn: Connection, month: str, reading: ReadingOptions) -> MonthPlan:
        """Ask the database what there is to do."""
        rows = chat_files.to_load(conn, month)
        files = [
            FileToLoad(
                path,
                chats := list(group),
                _wanted_hash(chats[0], reading),
            )
            for path, group in groupby(rows, key=lambda row: row.file_path)
        ]
        return cls(files, suppression.entries(conn))

    @property
    def todo(self) -> list[FileToLoad]:
        """The files that are not loaded as they are."""
        return [file for file in self.files if not file.is_loaded]

    def begin(
        self, conn: Connection, archive: ChatArchive, reading: ReadingOptions, options: LoadOptions
    ) -> None:
        """Share out the files to load and begin to read the first ones."""
        reader = FileReader(archive, reading, suppression.erased_file_chats(conn))
        for files in _cut(self.todo, writers_for(conn, self.todo, options)):
            batches = list(_batches(files, options.batch_size))
            ahead = ReadAhead(reader, [file for batch in batches for file in batch])
            self.shares.append(Share(batches, ahead))
        for share in self.shares:
            share.reader.start()

    def take_over(self, other: MonthPlan) -> bool:
        """Go on with what another plan began, if it is just what is to be done; else end that."""
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
    """How a file would be loaded now; other files may have decided the order of its dates."""
    order = archive_order_in(chat.indexed_hash or b"")
    return reading_hash(
        chat.content_hash, chat.file_path, reading, chat.parse_options, *((order,) if order else ())
    )


def writers_for(conn: Connection, todo: Sequence[FileToLoad], options: LoadOptions) -> int:
    """How many write at once: one for few messages, and where the server is to be spared.

    One, too, inside the caller's transaction, which is to be undone as a whole: other connections would write
    outside of it, and see nothing of what is in it. (While a month is read ahead, writers of the one before
    use the connection, and it is active.)
    """
    if options.delay_seconds or conn.info.transaction_status is TransactionStatus.INTRANS:
        return 1
    total = sum(file.message_count for file in todo)
    return max(1, min(options.writers, total // _MESSAGES_A_WRITER))


def _cut(files: Sequence[FileToLoad], count: int) -> Iterator[list[FileToLoad]]:
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
