"""Reading archive files, for both chat_file_index and chat_messages.

What belongs here: the options of a file, the numbers of its chats, and the end of each file. The
module also computes a hash, by which a caller sees whether a file was already read in the same way. What does
not: using the messages.
"""

from __future__ import annotations

import json
import traceback
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import polars as pl

from whatsapp_pipeline.archive import ChatArchive, SourceFinding, UnreadableFileError
from whatsapp_pipeline.domain.chat_names import ChatName, read_chat_name
from whatsapp_pipeline.domain.transcripts import ParseOptions, Source, Window, read_many
from whatsapp_pipeline.domain.transcripts.chat_message import (
    MESSAGE_SCHEMA,
    ChatStart,
    ChatSummary,
    DateOrder,
    Finding,
)
from whatsapp_pipeline.errors import PipelineError

# Increase it when the reader returns other messages for the same file. Every file is then read again.
READER_VERSION = 8
HASH_BYTES = 20


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """Options of reading: the time zone and, for native exports, the staff side and its locale."""

    zone: str = "America/Sao_Paulo"
    owner: tuple[str, ...] = ()
    locale: str | None = None


class FileRequest(NamedTuple):
    """A file to read: its path in the archive, and a person's decision about reading it."""

    path: str
    remembered: Mapping[str, Any]


class ReadChat(NamedTuple):
    """The beginning of a chat.

    `chat` is the number of the chat in the frames, and `file` is the position of its file among the requests.
    Both count from 0. `chat_number` is the number of the chat in its file; it counts from 1 through all
    transcripts of a zip. `name` is the name of the transcript.
    """

    chat: int
    file: int
    chat_number: int
    name: ChatName
    start: ChatStart


class ReadFile(NamedTuple):
    """A file that was read completely: its position among the requests, its hash, and findings about it.

    `archive_order` is the answer of an ArchiveOrder; None if the file's own dates decided the order.
    """

    file: int
    content_hash: bytes
    findings: list[SourceFinding]
    archive_order: str | None


@dataclass(slots=True)
class FileWindow:
    """The result of reading one window: many small files, or a segment of a large file.

    `chats` begin in this window. Findings and summaries refer to chats by their number in `frame`
    (MESSAGE_SCHEMA). A file in `read` or `failed` is finished: later windows have no data of it. Messages
    that were read from a file before it failed are in the frames too, and the caller must drop them.
    """

    chats: list[ReadChat] = field(default_factory=list)
    frame: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MESSAGE_SCHEMA))
    findings: list[tuple[int, Finding]] = field(default_factory=list)
    closed: list[tuple[int, ChatSummary]] = field(default_factory=list)
    read: list[ReadFile] = field(default_factory=list)
    failed: list[tuple[int, UnreadableFileError]] = field(default_factory=list)


class ArchiveOrder:
    """The order of day and month in the files nearest to a file. It is computed once, when it is needed."""

    def __init__(self, archive: ChatArchive, path: str) -> None:
        self._archive, self._path = archive, path
        self.answer: str | None = None
        """None before it is computed; "none" if the nearest files do not show the order."""

    def ask(self) -> DateOrder | None:
        """Return the order that nearly all of the nearest files have; None if the files disagree."""
        order = self._archive.date_order_near(self._path)
        self.answer = order or "none"
        return order


def parse_options(
    reading: ReadingOptions, request: FileRequest, name: ChatName, archive_order: ArchiveOrder
) -> ParseOptions:
    """Return the options for a transcript.

    A person's decision about the file overrides the options of the run.
    """
    remembered = request.remembered
    options = ParseOptions(
        owner=reading.owner,
        zone=reading.zone,
        default_title=name.title,
        combined=name.is_combined,
        locale=reading.locale,
        archive_order=archive_order.ask,
    )
    chosen = {key: remembered[key] for key in ("format", "date_order") if key in remembered}
    if "owner" in remembered:
        chosen["owner"] = tuple(remembered["owner"])
    return replace(options, **chosen) if chosen else options


def reading_hash(
    content_hash: bytes, path: str, reading: ReadingOptions, remembered: Mapping[str, Any], *more: str | None
) -> bytes:
    """Return a hash of everything that the result of reading depends on, except the dates of other files.

    Equal hashes mean equal messages. `more` are other inputs of the caller's result.
    """
    options = _options_hash(reading, json.dumps(remembered, sort_keys=True) if remembered else "", more)
    # The title is in the name of the file or of its folder.
    names = "/".join(path.rsplit("/", 2)[-2:]).encode("utf-8", "surrogateescape")
    return blake2b(content_hash + options + names, digest_size=HASH_BYTES).digest()


@lru_cache(256)
def _options_hash(reading: ReadingOptions, remembered: str, more: tuple[str | None, ...]) -> bytes:
    parts = [READER_VERSION, reading.zone, reading.owner, reading.locale, remembered, more]
    return blake2b(json.dumps(parts).encode(), digest_size=HASH_BYTES).digest()


def read_files(
    archive: ChatArchive, files: Sequence[FileRequest], reading: ReadingOptions, *, identities: bool = False
) -> Iterator[FileWindow]:
    """Read files in order. Many small files share a window.

    At the end, each file is in `read` or in `failed` of one window. With `identities`, the columns that
    identify messages are computed; otherwise they are null.

    The reader should not fail for any content. If it fails, the current files are read again one by one, so
    that only the file that causes the failure is lost. Raises PipelineError for invalid options.
    """
    waiting = deque([range(len(files))])
    chats = 0
    while waiting:
        if some := waiting.popleft():
            run = _Run(archive, files, reading, some, chats, identities=identities)
            yield from run.windows()
            chats = run.next_chat
            waiting.extendleft(reversed(run.left))


class _Run:
    """Reads consecutive files. At the end, `left` has the ranges of files that must still be read."""

    def __init__(
        self,
        archive: ChatArchive,
        requests: Sequence[FileRequest],
        reading: ReadingOptions,
        files: range,
        first_chat: int,
        *,
        identities: bool,
    ) -> None:
        self._archive, self._requests, self._reading, self._files = archive, requests, reading, files
        self._identities = identities
        self.left: list[range] = []
        self._first_chat = first_chat
        self._transcripts: list[tuple[int, ChatName]] = []  # file and name of each transcript
        self._chats: list[int] = []  # file of each chat
        # The last file with returned chats, and the number of these chats.
        self._shown: int | None = None
        self._chat_number = 0
        # Files from index `_passed` on may still have data in later windows
        self._current = self._passed = files.start
        # The results of finished files that no window has reported yet, and the first file that no window has
        # reported.
        self._read: dict[int, ReadFile] = {}
        self._failed: dict[int, UnreadableFileError] = {}
        self._unsettled = files.start
        self._failure: UnreadableFileError | None = None

    @property
    def next_chat(self) -> int:
        """The number of the first chat of the next `_Run`."""
        return self._first_chat + len(self._chats)

    def windows(self) -> Iterator[FileWindow]:
        """Yield windows until all files are read or the reader fails."""
        with closing(self._sources()) as sources:
            windows = read_many(sources, identities=self._identities)
            while (window := self._next(windows)) is not None:
                converted = self._convert(window)
                self._settle(converted, self._passed)
                yield converted
        last = FileWindow()
        if self._failure is None:
            self._settle(last, self._files.stop)
        else:
            self._give_up(last, self._failure)
        if last.read or last.failed:
            yield last

    def _next(self, windows: Iterator[Window]) -> Window | None:
        try:
            return next(windows, None)
        except (MemoryError, PipelineError):
            raise
        except Exception as error:
            self._failure = _unreadable(error)
            return None

    def _sources(self) -> Generator[Source]:
        """Yield the transcripts of the files, opened one after the other."""
        with self._archive.opening_ahead([self._requests[file].path for file in self._files]) as open_file:
            for file in self._files:
                self._current = file
                request = self._requests[file]
                order = ArchiveOrder(self._archive, request.path)
                try:
                    with open_file(request.path) as source:
                        for member, stream in source.streams():
                            name = read_chat_name(request.path, member.path)
                            self._transcripts.append((file, name))
                            yield Source(stream, parse_options(self._reading, request, name, order))
                        content_hash = source.content_hash()
                        self._read[file] = ReadFile(file, content_hash, source.findings, order.answer)
                except UnreadableFileError as error:
                    self._failed[file] = error
                self._passed = file + 1

    def _convert(self, window: Window) -> FileWindow:
        """Return a FileWindow with numbered chats, and record the files whose streams failed."""
        chats = []
        self._chats.extend(self._transcripts[opened.source][0] for opened in window.opened)
        # If transcripts share a window, the second chat of one comes after the first chats of the others.
        in_order = sorted(window.opened, key=lambda opened: (opened.source, opened.start.number))
        for chat, transcript, start in in_order:
            file, name = self._transcripts[transcript]
            self._chat_number = self._chat_number + 1 if file == self._shown else 1
            self._shown = file
            chats.append(ReadChat(self._first_chat + chat, file, self._chat_number, name, start))
        for transcript, error in window.failed:
            self._failed.setdefault(self._transcripts[transcript][0], _unreadable(error))
        if not self._first_chat:
            return FileWindow(chats, window.frame, window.findings, window.closed)
        return FileWindow(
            chats,
            window.frame.with_columns(pl.col("chat") + self._first_chat),
            [(self._first_chat + chat, finding) for chat, finding in window.findings],
            [(self._first_chat + chat, summary) for chat, summary in window.closed],
        )

    def _settle(self, window: FileWindow, until: int) -> None:
        """Add the files before `until` to `window` as finished."""
        for file in range(self._unsettled, until):
            if file in self._failed:
                window.failed.append((file, self._failed.pop(file)))
            else:
                window.read.append(self._read.pop(file))
        self._unsettled = max(self._unsettled, until)

    def _give_up(self, last: FileWindow, failure: UnreadableFileError) -> None:
        """Leave the current files to be read one by one.

        A file that was read alone, or returned in part, has failed.
        """
        if self._shown is not None and self._shown >= self._unsettled:
            if self._shown not in self._read:
                self._failed.setdefault(self._shown, failure)
            self._settle(last, self._shown + 1)
        current = range(self._unsettled, self._current + 1)
        if len(current) == 1:
            self._failed.setdefault(self._current, failure)
            self._settle(last, current.stop)
            current = range(0)
        one_by_one = [range(file, file + 1) for file in current]
        self.left = [*one_by_one, range(self._current + 1, self._files.stop)]


def _unreadable(error: Exception) -> UnreadableFileError:
    """Return the error as an UnreadableFileError.

    The text of another error may quote the file, so the result has only the type and place of that error.
    MemoryError and PipelineError are raised again.
    """
    if isinstance(error, UnreadableFileError):
        return error
    if isinstance(error, MemoryError | PipelineError):
        raise error  # the file is not the cause, for example an object store does not answer
    place = traceback.extract_tb(error.__traceback__)[-1]
    return UnreadableFileError(
        "reader_failed", f"reading failed: {type(error).__name__} in {place.name}, line {place.lineno}"
    )
