"""Reading the files that are to be loaded, ahead of the database.

What belongs here: a file as it was indexed, reading it and making sure that it still is that file, and doing
so in a thread while the caller waits for the server. What does not: the database.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import NamedTuple, TypeAlias

from whatsapp_pipeline.archive import ChatArchive, UnreadableFileError
from whatsapp_pipeline.domain.transcripts.model import Finding, Message, MessageBatch
from whatsapp_pipeline.steps.reading import ReadingOptions, read_source
from whatsapp_pipeline.store.chat_files import LoadRow

# Messages that may wait for the server: enough to bridge the end of a COPY, when it checks every row's file.
_AHEAD = 20_000
# Handing the interpreter from thread to thread takes up to so many seconds; each statement would wait for it.
_SWITCH_SECONDS = 0.0002


class FileProblemError(Exception):
    """A file that can't be loaded in this run; `kind` and the text make its row in `exceptions`.

    `is_failure`: the file is marked failed; else it waits for the next index as it is.
    """

    def __init__(self, path: str, kind: str, detail: str, *, is_failure: bool) -> None:
        super().__init__(detail)
        self.path, self.kind, self.is_failure = path, kind, is_failure


@dataclass
class FileToLoad:
    """A file's chats as indexed, and the hash that says how it would be loaded now."""

    path: str
    chats: list[LoadRow]
    wanted_hash: bytes

    @cached_property
    def is_loaded(self) -> bool:
        """Whether every chat is loaded just so."""
        return all(chat.loaded_hash == self.wanted_hash for chat in self.chats)

    @cached_property
    def is_new(self) -> bool:
        """Whether no chat of it was ever loaded."""
        return all(chat.loaded_hash is None for chat in self.chats)

    @cached_property
    def message_count(self) -> int:
        """Messages in all its chats, as indexed."""
        return sum(chat.message_count for chat in self.chats)

    @property
    def is_settled(self) -> bool:
        """Whether it is loaded and marked so."""
        return self.is_loaded and all(chat.processing_status == "loaded" for chat in self.chats)

    @property
    def hashes(self) -> list[tuple[int, bytes]]:
        """(chat_files id, hash) of each chat once it is loaded."""
        return [(chat.id, self.wanted_hash) for chat in self.chats]


class ReadMessages(NamedTuple):
    """Messages of a chat, in file order."""

    chat: LoadRow
    messages: list[Message]


class ReadFinding(NamedTuple):
    """A finding of a file's `chat_number`-th chat."""

    chat_number: int
    finding: Finding


Item: TypeAlias = ReadMessages | ReadFinding
IsErased: TypeAlias = Callable[[str, int], bool]


class FileReader:
    """Reads files of an archive; `is_erased(path, chat_number)` tells chats that must not be kept."""

    def __init__(self, archive: ChatArchive, reading: ReadingOptions, is_erased: IsErased) -> None:
        self._archive, self._reading, self._is_erased = archive, reading, is_erased

    def read(self, file: FileToLoad) -> Iterator[Item]:
        """Yield what a file holds.

        Raises FileProblemError when it can't be read, or is not what was indexed.
        """
        chats = {chat.chat_number: chat for chat in file.chats}
        counted: Counter[int] = Counter()
        try:
            with self._archive.open(file.path) as source:
                for item in read_source(source, file.path, self._reading, file.chats[0].parse_options):
                    number, event = item.chat_number, item.event
                    chat = chats.get(number)
                    if chat is None and self._is_erased(file.path, number):
                        continue
                    if isinstance(event, MessageBatch):
                        counted[number] += len(event.messages)
                        if chat is None or counted[number] > chat.message_count:
                            raise _changed(file)
                        yield ReadMessages(chat, event.messages)
                    elif isinstance(event, Finding):
                        yield ReadFinding(number, event)
                content_hash = source.content_hash()
        except UnreadableFileError as error:
            raise FileProblemError(file.path, error.kind, str(error), is_failure=True) from error
        if content_hash != file.chats[0].content_hash or counted != {
            number: chat.message_count for number, chat in chats.items()
        }:
            raise _changed(file)


def _changed(file: FileToLoad) -> FileProblemError:
    detail = "the file is not what chat_file_index saw; materialize chat_file_index again, then load"
    return FileProblemError(file.path, "changed_since_indexed", detail, is_failure=False)


class _Part(NamedTuple):
    """Some items of the file at `place` among those to read; the last part has no more, or the problem."""

    place: int
    items: list[Item]
    messages: int
    is_last: bool
    problem: BaseException | None


class ReadAhead:
    """Reads files in their order in a thread, so many messages ahead of who takes them; a context manager.

    A file that is asked for again, or out of turn, is read on the spot.
    """

    def __init__(self, reader: FileReader, files: Sequence[FileToLoad]) -> None:
        self._reader, self._files = reader, files
        self._places = {file.path: place for place, file in enumerate(files)}
        self._parts: deque[_Part] = deque()
        self._waiting = 0
        self._stopped = False
        self._taken = -1
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)

    def __enter__(self) -> ReadAhead:
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(min(_SWITCH_SECONDS, self._interval))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()
        sys.setswitchinterval(self._interval)

    def read(self, file: FileToLoad) -> Iterator[Item]:
        """Yield what a file holds; raises FileProblemError as FileReader.read does."""
        place = self._places.get(file.path, -1)
        if place <= self._taken:
            yield from self._reader.read(file)
            return
        self._taken = place
        while True:
            part = self._get()
            if part.place < place:  # of a file that was given up, or that nobody asked for
                continue
            yield from part.items
            if part.problem is not None:
                raise part.problem
            if part.is_last:
                return

    def _get(self) -> _Part:
        with self._changed:
            while not self._parts:
                self._changed.wait()
            part = self._parts.popleft()
            self._waiting -= part.messages
            self._changed.notify_all()
            return part

    def _run(self) -> None:
        for place, file in enumerate(self._files):
            items: list[Item] = []
            count = 0
            problem: BaseException | None = None
            try:
                for item in self._reader.read(file):
                    items.append(item)
                    count += len(item.messages) if isinstance(item, ReadMessages) else 1
                    if count > _AHEAD // 8:
                        if not self._put(_Part(place, items, count, False, None)):
                            return
                        items, count = [], 0
            except BaseException as error:  # it belongs to who asks for the file
                problem = error
            if not self._put(_Part(place, items, count, True, problem)):
                return

    def _put(self, part: _Part) -> bool:
        """Hand over a part when there is room; False when nobody wants any more."""
        with self._changed:
            while self._waiting > _AHEAD and not self._stopped:
                self._changed.wait()
            self._parts.append(part)
            self._waiting += part.messages
            self._changed.notify_all()
            return not self._stopped
