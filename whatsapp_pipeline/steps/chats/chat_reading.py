"""Reading archive files, as chat_file_index and chat_messages both do it.

What belongs here: how a file's options come about, how its chats are numbered, which files are over when, and
the hash that says whether a file was read like this before. What does not: what is done with the messages.
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

# Raise it when the reader gives other messages for the same file: every file is then read again.
READER_VERSION = 7
HASH_BYTES = 20


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """What a run says about reading: the zone, and for native exports the staff side and its locale."""

    zone: str = "America/Sao_Paulo"
    owner: tuple[str, ...] = ()
    locale: str | None = None


class FileRequest(NamedTuple):
    """A file to read: its path in the archive, and what a person decided about reading it."""

    path: str
    remembered: Mapping[str, Any]


class ReadChat(NamedTuple):
    """A chat that begins: its number in the frames, its file's place among the requests (both from 0).

    `chat_number` is its number in the file, from 1 and on across the transcripts of a zip; `name` is what its
    transcript is called.
    """

    chat: int
    file: int
    chat_number: int
    name: ChatName
    start: ChatStart


class ReadFile(NamedTuple):
    """A file that was read to its end: its place among the requests, its hash, and what is odd about it.

    `archive_order` is the answer of an ArchiveOrder, None when its own dates decided.
    """

    file: int
    content_hash: bytes
    findings: list[SourceFinding]
    archive_order: str | None


@dataclass(slots=True)
class FileWindow:
    """What was read at once: many small files whole, or a part of a large one.

    `chats` begin here; findings and summaries come with their chats' numbers in `frame` (MESSAGE_SCHEMA). A
    file that stands in `read` or `failed` is over: no later window has anything of it. What was read of a
    file before it failed is in the frames all the same, for those who take them to drop.
    """

    chats: list[ReadChat] = field(default_factory=list)
    frame: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MESSAGE_SCHEMA))
    findings: list[tuple[int, Finding]] = field(default_factory=list)
    closed: list[tuple[int, ChatSummary]] = field(default_factory=list)
    read: list[ReadFile] = field(default_factory=list)
    failed: list[tuple[int, UnreadableFileError]] = field(default_factory=list)


class ArchiveOrder:
    """The order of dates in the files nearest to a file; remembers the answer, once it was asked for."""

    def __init__(self, archive: ChatArchive, path: str) -> None:
        self._archive, self._path = archive, path
        self.answer: str | None = None
        """None until somebody asked; "none" when the near files decide nothing."""

    def ask(self) -> DateOrder | None:
        """Return the order that nearly all of the nearest files have; None if they disagree."""
        order = self._archive.date_order_near(self._path)
        self.answer = order or "none"
        return order


def parse_options(
    reading: ReadingOptions, request: FileRequest, name: ChatName, archive_order: ArchiveOrder
) -> ParseOptions:
    """Put together how to read a transcript: what a person decided for its file goes before the run's."""
    remembered = request.remembered
    options = ParseOptions(
        owner=reading.owner, zone=reading.zone, default_title=name.title, combined=name.is_combined,
        locale=reading.locale, archive_order=archive_order.ask,
    )  # fmt: skip
    chosen = {key: remembered[key] for key in ("format", "date_order") if key in remembered}
    if "owner" in remembered:
        chosen["owner"] = tuple(remembered["owner"])
    return replace(options, **chosen) if chosen else options


def reading_hash(
    content_hash: bytes, path: str, reading: ReadingOptions, remembered: Mapping[str, Any], *more: str | None
) -> bytes:
    """Hash everything that decides what reading the file at `path` gives, but for other files' dates.

    When it is the same, so are the messages. `more` is what else the caller's result depends on.
    """
    options = _options_hash(reading, json.dumps(remembered, sort_keys=True) if remembered else "", more)
    # A title stands in the file's name, or in that of its folder.
    names = "/".join(path.rsplit("/", 2)[-2:]).encode("utf-8", "surrogateescape")
    return blake2b(content_hash + options + names, digest_size=HASH_BYTES).digest()


@lru_cache(256)
def _options_hash(reading: ReadingOptions, remembered: str, more: tuple[str | None, ...]) -> bytes:
    parts = [READER_VERSION, reading.zone, reading.owner, reading.locale, remembered, more]
    return blake2b(json.dumps(parts).encode(), digest_size=HASH_BYTES).digest()


def read_files(
    archive: ChatArchive, files: Sequence[FileRequest], reading: ReadingOptions, *, identities: bool = False
) -> Iterator[FileWindow]:
    """Read files in their order, the small ones many at once; every one ends up in `read` or in `failed`.

    `identities`: also work out what messages are told apart by, which is null else.

    Should the reader itself fail, which it does for no bytes, the files it had in hand are read again one by
    one, so that only the one it failed for is lost. Raises PipelineError for options that make no sense.
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
    """One reading of neighbouring files; those it did not come to are in `left` when it is over."""

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
        self._transcripts: list[tuple[int, ChatName]] = []  # of each, its file and its name
        self._chats: list[int] = []  # of each, its file
        # The last file of which chats were handed out, and how many.
        self._shown: int | None = None
        self._chat_number = 0
        self._in_hand = self._passed = files.start  # of what is not passed yet windows may still tell
        # What became of files, until the window they were over with says so; and the first that none did.
        self._read: dict[int, ReadFile] = {}
        self._failed: dict[int, UnreadableFileError] = {}
        self._unsettled = files.start
        self._failure: UnreadableFileError | None = None

    @property
    def next_chat(self) -> int:
        """The number of the next reading's first chat."""
        return self._first_chat + len(self._chats)

    def windows(self) -> Iterator[FileWindow]:
        """Yield what is read, until the end or until the reader fails."""
        with closing(self._sources()) as sources:
            windows = read_many(sources, identities=self._identities)
            while (window := self._next(windows)) is not None:
                taken = self._take(window)
                self._settle(taken, self._passed)
                yield taken
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
        """Open the transcripts of one file after the other."""
        for file in self._files:
            self._in_hand = file
            request = self._requests[file]
            order = ArchiveOrder(self._archive, request.path)
            try:
                with self._archive.open(request.path) as source:
                    for member, stream in source.streams():
                        name = read_chat_name(request.path, member.path)
                        self._transcripts.append((file, name))
                        yield Source(stream, parse_options(self._reading, request, name, order))
                    content_hash = source.content_hash()
                    self._read[file] = ReadFile(file, content_hash, source.findings, order.answer)
            except UnreadableFileError as error:
                self._failed[file] = error
            self._passed = file + 1

    def _take(self, window: Window) -> FileWindow:
        """Number the window's chats, and note the files whose streams failed."""
        chats = []
        self._chats.extend(self._transcripts[opened.source][0] for opened in window.opened)
        # Where transcripts are read together, the second chat of one begins after the first ones of others.
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
        """Say of the files before `until` that they are over with `window`."""
        for file in range(self._unsettled, until):
            if file in self._failed:
                window.failed.append((file, self._failed.pop(file)))
            else:
                window.read.append(self._read.pop(file))
        self._unsettled = max(self._unsettled, until)

    def _give_up(self, last: FileWindow, failure: UnreadableFileError) -> None:
        """Leave the files in hand to be read one by one; what is alone, or handed out in part, has failed."""
        if self._shown is not None and self._shown >= self._unsettled:
            if self._shown not in self._read:
                self._failed.setdefault(self._shown, failure)
            self._settle(last, self._shown + 1)
        in_hand = range(self._unsettled, self._in_hand + 1)
        if len(in_hand) == 1:
            self._failed.setdefault(self._in_hand, failure)
            self._settle(last, in_hand.stop)
            in_hand = range(0)
        one_by_one = [range(file, file + 1) for file in in_hand]
        self.left = [*one_by_one, range(self._in_hand + 1, self._files.stop)]


def _unreadable(error: Exception) -> UnreadableFileError:
    """What a file failed of. An error's own text may quote the file, so only its type and place are told."""
    if isinstance(error, UnreadableFileError):
        return error
    if isinstance(error, MemoryError):
        raise error
    place = traceback.extract_tb(error.__traceback__)[-1]
    return UnreadableFileError(
        "reader_failed", f"reading failed: {type(error).__name__} in {place.name}, line {place.lineno}"
    )
