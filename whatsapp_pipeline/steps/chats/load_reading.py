"""Reading the files to load, ahead of the database.

What belongs here: comparing a file with its index, reading many files at once, and reading in a thread while
the caller waits for the server. What does not: the database.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
import polars as pl

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.domain.transcripts.chat_message import Finding
from whatsapp_pipeline.steps.chats.chat_reading import (
    FileRequest,
    FileWindow,
    ReadChat,
    ReadingOptions,
    read_files,
)
from whatsapp_pipeline.store.chats.chat_files import LoadRow

# The reading thread pauses while more messages than this wait for the server. This limits memory.
_MAX_MESSAGES_AHEAD = 10_000
# About the number of messages in the files that are read first, see `ReadAhead._run`.
_FIRST_MESSAGES = 1_500


class FileProblemError(Exception):
    """A file can't be loaded in this run. `kind` and the text are written to its row in `exceptions`.

    With `is_failure`, the file gets the status `failed`. Otherwise its row stays unchanged until it is
    indexed again.
    """

    def __init__(self, path: str, kind: str, detail: str, *, is_failure: bool) -> None:
        super().__init__(detail)
        self.path, self.kind, self.is_failure = path, kind, is_failure


class ReadingStoppedError(Exception):
    """Reading ended because `stop` was called."""


@dataclass
class FileToLoad:
    """The indexed chats of a file, and the hash that loading the file now would store."""

    path: str
    chats: list[LoadRow]
    wanted_hash: bytes

    @property
    def is_loaded(self) -> bool:
        """True if every chat is loaded with this hash."""
        return all(chat.loaded_hash == self.wanted_hash for chat in self.chats)

    @property
    def is_new(self) -> bool:
        """True if no chat of the file was ever loaded."""
        return all(chat.loaded_hash is None for chat in self.chats)

    @property
    def message_count(self) -> int:
        """Number of messages of all its chats, according to the index."""
        return sum(chat.message_count for chat in self.chats)

    @property
    def is_unsettled(self) -> bool:
        """True if every chat is loaded but the file does not have the status `loaded`."""
        return self.is_loaded and any(chat.processing_status != "loaded" for chat in self.chats)

    @property
    def hashes(self) -> list[tuple[int, bytes]]:
        """Return (chat_files id, hash) of each chat, to store when it is loaded."""
        return [(chat.id, self.wanted_hash) for chat in self.chats]


class ChatMessages(NamedTuple):
    """Messages of a chat in file order: a frame of MESSAGE_SCHEMA, in which the column `chat` is not used."""

    chat: LoadRow
    frame: pl.DataFrame


class FilePart(NamedTuple):
    """A segment of the file at position `place`, with at most as many messages as the index has.

    `findings` have the number of their chat in the file. The segment with `is_last` ends the file. It has a
    `problem`, and no messages, if the file differs from its index.
    """

    place: int
    messages: list[ChatMessages]
    findings: list[tuple[int, Finding]]
    is_last: bool
    problem: FileProblemError | None

    @property
    def height(self) -> int:
        """Number of messages."""
        return sum(frame.height for _, frame in self.messages)


IsErased: TypeAlias = Callable[[str, int], bool]


class FileReader:
    """Reads files of an archive; `is_erased(path, chat_number)` is true for chats that must not be loaded."""

    def __init__(self, archive: ChatArchive, reading: ReadingOptions, is_erased: IsErased) -> None:
        self._archive, self._reading, self._is_erased = archive, reading, is_erased

    def read(self, files: Sequence[FileToLoad]) -> Iterator[list[FilePart]]:
        """Yield segments of the files in order. A large file has several segments."""
        requests = [FileRequest(file.path, file.chats[0].parse_options) for file in files]
        comparison = _Comparison(files, self._is_erased)
        for window in read_files(self._archive, requests, self._reading, identities=True):
            yield comparison.parts(window)


class _Comparison:
    """Assigns the messages of windows to files, and compares them with the index."""

    def __init__(self, files: Sequence[FileToLoad], is_erased: IsErased) -> None:
        self._files, self._is_erased = files, is_erased
        self._current: dict[int, _CurrentFile] = {}
        # Chats of the current files that must be loaded, and chats that the index does not have.
        self._chats: dict[int, tuple[_CurrentFile, int]] = {}

    def parts(self, window: FileWindow) -> list[FilePart]:
        """Return the next segment of each file in a window, in the order of the files."""
        for opened in window.chats:
            self._open(opened)
        for number, frame in _by_chat(window.frame):
            if number in self._chats:
                file, chat_number = self._chats[number]
                file.take(chat_number, frame)
        for number, finding in window.findings:
            if number in self._chats:
                file, chat_number = self._chats[number]
                file.findings.append((chat_number, finding))
        for place, error in window.failed:
            problem = FileProblemError(self._files[place].path, error.kind, str(error), is_failure=True)
            self._file(place).end(problem)
        for done in window.read:
            self._file(done.file).compare(done.content_hash)
        parts = [part for _, file in sorted(self._current.items()) if (part := file.next_part()) is not None]
        for place in (*(place for place, _ in window.failed), *(done.file for done in window.read)):
            for number in self._current.pop(place).numbers:
                del self._chats[number]
        return parts

    def _file(self, place: int) -> _CurrentFile:
        if place not in self._current:
            self._current[place] = _CurrentFile(place, self._files[place])
        return self._current[place]

    def _open(self, opened: ReadChat) -> None:
        file = self._file(opened.file)
        number = opened.chat_number
        if number in file.chats or not self._is_erased(file.file.path, number):
            file.numbers.append(opened.chat)
            self._chats[opened.chat] = file, number


class _CurrentFile:
    """A file that is being read: its messages in the window, and the messages of each chat counted so far."""

    def __init__(self, place: int, file: FileToLoad) -> None:
        self.place, self.file = place, file
        self.chats = {chat.chat_number: chat for chat in file.chats}
        self.numbers: list[int] = []
        self.findings: list[tuple[int, Finding]] = []
        self._messages: list[ChatMessages] = []
        self._counted: Counter[int] = Counter()
        self._has_ended = self._is_returned = False
        self._problem: FileProblemError | None = None

    def take(self, chat_number: int, frame: pl.DataFrame) -> None:
        """Add messages of a chat.

        If the chat has more messages than in the index, the file ends with a problem.
        """
        chat = self.chats.get(chat_number)
        self._counted[chat_number] += frame.height
        if chat is None or self._counted[chat_number] > chat.message_count:
            self.end(_changed(self.file))
        else:
            self._messages.append(ChatMessages(chat, frame))

    def compare(self, content_hash: bytes) -> None:
        """End the file. It has a problem if it differs from the index."""
        expected = {number: chat.message_count for number, chat in self.chats.items()}
        is_same = content_hash == self.file.chats[0].content_hash and self._counted == expected
        self.end(None if is_same else _changed(self.file))

    def end(self, problem: FileProblemError | None) -> None:
        """Record the end of the file. If `end` was called before, the first problem is kept."""
        self._has_ended = True
        self._problem = self._problem or problem

    def next_part(self) -> FilePart | None:
        """Return the segment since the last call, or None after the last segment."""
        messages, findings = self._messages, self.findings
        self._messages, self.findings = [], []
        if self._is_returned:
            return None
        self._is_returned = self._has_ended
        if self._problem is not None:
            return FilePart(self.place, [], [], True, self._problem)
        return FilePart(self.place, messages, findings, self._has_ended, None)


def _files_with(files: Sequence[FileToLoad], messages: int) -> int:
    """Return how many files from the start together have at least this number of messages."""
    sums = accumulate(file.message_count for file in files)
    return next((number for number, total in enumerate(sums, start=1) if total >= messages), len(files))


def _by_chat(frame: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """Split a window's frame by chat."""
    numbers = frame["chat"].to_numpy()
    starts = np.flatnonzero(np.diff(numbers, prepend=-1)).tolist()
    for start, stop in pairwise([*starts, len(numbers)]):
        yield int(numbers[start]), frame.slice(start, stop - start)


def _changed(file: FileToLoad) -> FileProblemError:
    detail = "the file changed after chat_file_index read it; materialize chat_file_index, then load"
    return FileProblemError(file.path, "changed_since_indexed", detail, is_failure=False)


class ReadAhead:
    """Reads files in order in a thread, up to a limited number of messages ahead of the consumer.

    A file that is requested again, or after a later file, is read in the caller's thread.
    """

    def __init__(self, reader: FileReader, files: Sequence[FileToLoad]) -> None:
        self._reader, self._files = reader, files
        self._places = {file.path: place for place, file in enumerate(files)}
        self._parts: deque[FilePart] = deque()
        self._waiting = 0
        self._failure: BaseException | None = None
        self._stopped = False
        self._last_place = -1
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wait(self) -> None:
        """Wait until the thread has read everything, has failed or is stopped."""
        self._thread.join()

    def stop(self) -> None:
        """Stop reading; later requests raise ReadingStoppedError."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.ident is not None:  # the thread was started
            self._thread.join()

    def read(self, file: FileToLoad) -> Iterator[FilePart]:
        """Yield the segments of a file.

        Raises FileProblemError if the file can't be read or differs from the index. If one window has the
        whole file, the error is raised before the first segment. Otherwise it may be raised after a segment.
        Raises ReadingStoppedError after `stop`.
        """
        for part in self._parts_of(file):
            if part.problem is not None:
                raise part.problem
            yield part

    def _parts_of(self, file: FileToLoad) -> Iterator[FilePart]:
        place = self._places.get(file.path, -1)
        if place <= self._last_place:
            for parts in self._reader.read([file]):
                yield from parts
            return
        self._last_place = place
        is_last = False
        while not is_last:
            part = self._get()
            # Segments of other places belong to files that the consumer gave up or never requested.
            if part.place == place:
                is_last = part.is_last
                yield part

    def _get(self) -> FilePart:
        with self._changed:
            while not self._parts:
                if self._failure is not None:
                    raise self._failure
                if self._stopped:
                    raise ReadingStoppedError
                self._changed.wait()
            part = self._parts.popleft()
            self._waiting -= part.height
            self._changed.notify_all()
            return part

    def _run(self) -> None:
        # The first call reads few files, because the server is idle until their messages arrive.
        few = _files_with(self._files, _FIRST_MESSAGES)
        try:
            for start, files in ((0, self._files[:few]), (few, self._files[few:])):
                for parts in self._reader.read(files):
                    if not self._put([part._replace(place=start + part.place) for part in parts]):
                        return
        except BaseException as error:  # raised again in the thread that requests a file
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _put(self, parts: Sequence[FilePart]) -> bool:
        """Add segments to the queue when it has room. Return False if reading is stopped."""
        with self._changed:
            while self._waiting > _MAX_MESSAGES_AHEAD and not self._stopped:
                self._changed.wait()
            self._parts.extend(parts)
            self._waiting += sum(part.height for part in parts)
            self._changed.notify_all()
            return not self._stopped
