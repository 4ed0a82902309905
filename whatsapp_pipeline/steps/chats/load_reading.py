"""Reading the files that are to be loaded, ahead of the database.

What belongs here: a file as it was indexed, reading many of them at once and making sure that each still is
that file, and doing so in a thread while the caller waits for the server. What does not: the database.
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

# Messages that may wait for the server before another window is read: that bridges the end of a COPY.
_AHEAD = 10_000
_FIRST_MESSAGES = 1_500


class FileProblemError(Exception):
    """A file that can't be loaded in this run; `kind` and the text make its row in `exceptions`.

    `is_failure`: the file is marked failed; else it waits for the next index as it is.
    """

    def __init__(self, path: str, kind: str, detail: str, *, is_failure: bool) -> None:
        super().__init__(detail)
        self.path, self.kind, self.is_failure = path, kind, is_failure


class ReadingStoppedError(Exception):
    """Nothing more is read, for somebody asked that it be so."""


@dataclass
class FileToLoad:
    """A file's chats as indexed, and the hash that says how it would be loaded now."""

    path: str
    chats: list[LoadRow]
    wanted_hash: bytes

    @property
    def is_loaded(self) -> bool:
        """Whether every chat is loaded just so."""
        return all(chat.loaded_hash == self.wanted_hash for chat in self.chats)

    @property
    def is_new(self) -> bool:
        """Whether no chat of it was ever loaded."""
        return all(chat.loaded_hash is None for chat in self.chats)

    @property
    def message_count(self) -> int:
        """Messages in all its chats, as indexed."""
        return sum(chat.message_count for chat in self.chats)

    @property
    def is_unsettled(self) -> bool:
        """Whether it is loaded and not marked so."""
        return self.is_loaded and any(chat.processing_status != "loaded" for chat in self.chats)

    @property
    def hashes(self) -> list[tuple[int, bytes]]:
        """(chat_files id, hash) of each chat once it is loaded."""
        return [(chat.id, self.wanted_hash) for chat in self.chats]


class ChatMessages(NamedTuple):
    """Messages of a chat, in file order: a frame of MESSAGE_SCHEMA, whose `chat` says nothing here."""

    chat: LoadRow
    frame: pl.DataFrame


class FilePart(NamedTuple):
    """Some of the file at `place` among those to read: never more than was indexed.

    `findings` come with the number of their chat in the file. Once a part `is_last` there are no more of the
    file; then the file is what was indexed, or the part has nothing but the `problem`.
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
    """Reads files of an archive; `is_erased(path, chat_number)` tells chats that must not be kept."""

    def __init__(self, archive: ChatArchive, reading: ReadingOptions, is_erased: IsErased) -> None:
        self._archive, self._reading, self._is_erased = archive, reading, is_erased

    def read(self, files: Sequence[FileToLoad]) -> Iterator[list[FilePart]]:
        """Yield what the files hold, in their order: of many small ones at once, of a large one in parts."""
        requests = [FileRequest(file.path, file.chats[0].parse_options) for file in files]
        comparison = _Comparison(files, self._is_erased)
        for window in read_files(self._archive, requests, self._reading, identities=True):
            yield comparison.parts(window)


class _Comparison:
    """Shares out what is read among the files, beside what was indexed of them."""

    def __init__(self, files: Sequence[FileToLoad], is_erased: IsErased) -> None:
        self._files, self._is_erased = files, is_erased
        self._in_hand: dict[int, _FileInHand] = {}
        # Chats of files in hand that are to be loaded, or that the index does not know.
        self._chats: dict[int, tuple[_FileInHand, int]] = {}

    def parts(self, window: FileWindow) -> list[FilePart]:
        """Return what a window has of each file that is not given up, in the files' order."""
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
        parts = [part for _, file in sorted(self._in_hand.items()) if (part := file.hand_over()) is not None]
        for place in (*(place for place, _ in window.failed), *(done.file for done in window.read)):
            for number in self._in_hand.pop(place).numbers:
                del self._chats[number]
        return parts

    def _file(self, place: int) -> _FileInHand:
        if place not in self._in_hand:
            self._in_hand[place] = _FileInHand(place, self._files[place])
        return self._in_hand[place]

    def _open(self, opened: ReadChat) -> None:
        file = self._file(opened.file)
        number = opened.chat_number
        if number in file.chats or not self._is_erased(file.file.path, number):
            file.numbers.append(opened.chat)
            self._chats[opened.chat] = file, number


class _FileInHand:
    """A file while it is read: what a window has of it, and how much of each chat there was in all."""

    def __init__(self, place: int, file: FileToLoad) -> None:
        self.place, self.file = place, file
        self.chats = {chat.chat_number: chat for chat in file.chats}
        self.numbers: list[int] = []
        self.findings: list[tuple[int, Finding]] = []
        self._messages: list[ChatMessages] = []
        self._counted: Counter[int] = Counter()
        self._is_over = self._is_handed_over = False
        self._problem: FileProblemError | None = None

    def take(self, chat_number: int, frame: pl.DataFrame) -> None:
        """Take messages of a chat; too many of them end the file."""
        chat = self.chats.get(chat_number)
        self._counted[chat_number] += frame.height
        if chat is None or self._counted[chat_number] > chat.message_count:
            self.end(_changed(self.file))
        else:
            self._messages.append(ChatMessages(chat, frame))

    def compare(self, content_hash: bytes) -> None:
        """End the file, which was read: it is what was indexed or has changed."""
        expected = {number: chat.message_count for number, chat in self.chats.items()}
        is_same = content_hash == self.file.chats[0].content_hash and self._counted == expected
        self.end(None if is_same else _changed(self.file))

    def end(self, problem: FileProblemError | None) -> None:
        """Note that there is no more to come; the first problem counts."""
        self._is_over = True
        self._problem = self._problem or problem

    def hand_over(self) -> FilePart | None:
        """Return what came since it was last asked for; None when the last part was handed over."""
        messages, findings = self._messages, self.findings
        self._messages, self.findings = [], []
        if self._is_handed_over:
            return None
        self._is_handed_over = self._is_over
        if self._problem is not None:
            return FilePart(self.place, [], [], True, self._problem)
        return FilePart(self.place, messages, findings, self._is_over, None)


def _up_to(files: Sequence[FileToLoad], messages: int) -> int:
    """How many files, from the first on, hold so many messages."""
    sums = accumulate(file.message_count for file in files)
    return next((number for number, total in enumerate(sums, start=1) if total >= messages), len(files))


def _by_chat(frame: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """Cut a window's frame where another chat begins."""
    numbers = frame["chat"].to_numpy()
    starts = np.flatnonzero(np.diff(numbers, prepend=-1)).tolist()
    for start, stop in pairwise([*starts, len(numbers)]):
        yield int(numbers[start]), frame.slice(start, stop - start)


def _changed(file: FileToLoad) -> FileProblemError:
    detail = "the file is not what chat_file_index saw; materialize chat_file_index again, then load"
    return FileProblemError(file.path, "changed_since_indexed", detail, is_failure=False)


class ReadAhead:
    """Reads files in their order in a thread, once it is started, so many messages ahead of who takes them.

    A file that is asked for again, or out of turn, is read on the spot.
    """

    def __init__(self, reader: FileReader, files: Sequence[FileToLoad]) -> None:
        self._reader, self._files = reader, files
        self._places = {file.path: place for place, file in enumerate(files)}
        self._parts: deque[FilePart] = deque()
        self._waiting = 0
        self._failure: BaseException | None = None
        self._stopped = False
        self._taken = -1
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def wait(self) -> None:
        """Wait until everything is read, or nobody wants any more."""
        self._thread.join()

    def stop(self) -> None:
        """Read no further; who asks for more gets ReadingStoppedError."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.ident is not None:  # else it was never started
            self._thread.join()

    def read(self, file: FileToLoad) -> Iterator[FilePart]:
        """Yield what a file holds, part by part.

        Raises FileProblemError when it can't be read, or is not what was indexed: before the first part
        where one window has the whole file, else after any; and ReadingStoppedError.
        """
        for part in self._parts_of(file):
            if part.problem is not None:
                raise part.problem
            yield part

    def _parts_of(self, file: FileToLoad) -> Iterator[FilePart]:
        place = self._places.get(file.path, -1)
        if place <= self._taken:
            for parts in self._reader.read([file]):
                yield from parts
            return
        self._taken = place
        is_last = False
        while not is_last:
            part = self._get()
            if part.place == place:  # else of a file that was given up, or that nobody asked for
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
        # A few by themselves, for the server waits for the first ones with nothing to do.
        few = _up_to(self._files, _FIRST_MESSAGES)
        try:
            for start, files in ((0, self._files[:few]), (few, self._files[few:])):
                for parts in self._reader.read(files):
                    if not self._put([part._replace(place=start + part.place) for part in parts]):
                        return
        except BaseException as error:  # it belongs to who asks for a file
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _put(self, parts: Sequence[FilePart]) -> bool:
        """Hand over parts when there is room; False when nobody wants any more."""
        with self._changed:
            while self._waiting > _AHEAD and not self._stopped:
                self._changed.wait()
            self._parts.extend(parts)
            self._waiting += sum(part.height for part in parts)
            self._changed.notify_all()
            return not self._stopped
