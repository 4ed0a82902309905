"""Reading lines of an archive file, to show them to a person.

What belongs here: reading lines around a finding, and the first and last lines of a chat. What does not:
parsing them (domain/transcripts/).
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

from whatsapp_pipeline.archive import ChatArchive, UnreadableFileError
from whatsapp_pipeline.domain.transcripts.decoding import TextChunks
from whatsapp_pipeline.steps.chats.chat_reading import FileRequest, ReadingOptions, read_files


def lines_around(
    archive: ChatArchive, path: str, chat_number: int | None, line: int, *, context: int = 2
) -> list[tuple[int, str]]:
    """Return (number, text) pairs for `line` of a file, and for `context` lines before and after it.

    Lines count from 1. In a zip with several transcripts, they are counted in the transcript with chat
    `chat_number`. The result is empty if the file is missing or can't be read.
    """
    try:
        member = _member_of(archive, path, chat_number)
        with archive.open(path) as source:
            for number, (_, stream) in enumerate(source.streams()):
                if number == member:
                    return [pair for pair in _numbered(stream, line + context) if pair[0] >= line - context]
    except UnreadableFileError:
        pass
    return []


def first_and_last_lines(
    archive: ChatArchive, path: str, chat_number: int | None, *, count: int
) -> tuple[list[str], list[str]]:
    """Return the first and the last `count` lines with text of the transcript that has the chat.

    No line is in both lists. Both are empty if the file is missing or can't be read. The whole file is read,
    one chunk at a time.
    """
    first: list[str] = []
    last: deque[str] = deque(maxlen=count)
    try:
        member = _member_of(archive, path, chat_number)
        with archive.open(path) as source:
            for number, (_, stream) in enumerate(source.streams()):
                if number != member:
                    continue
                for _, text in _numbered(stream, sys.maxsize):
                    if not text.strip():
                        continue
                    if len(first) < count:
                        first.append(text)
                    else:
                        last.append(text)
    except UnreadableFileError:
        pass
    return first, list(last)


def _numbered(stream: BinaryIO, last: int) -> Iterator[tuple[int, str]]:
    """Yield (number, text) of the lines up to number `last`."""
    number, rest = 1, ""
    for chunk in TextChunks(stream):
        *lines, rest = (rest + chunk).split("\n")
        for text in lines:
            if number > last:
                return
            yield number, text
            number += 1
    if rest and number <= last:
        yield number, rest


def _member_of(archive: ChatArchive, path: str, chat_number: int | None) -> int:
    """Return the position, from 0, of the transcript that has the chat; the last one if none has it."""
    with archive.open(path) as source:
        if len(source.members) == 1 or chat_number is None:
            return 0
    transcript = -1
    for window in read_files(archive, [FileRequest(path, {})], ReadingOptions()):
        for chat in window.chats:
            transcript += chat.start.number == 1
            if chat.chat_number == chat_number:
                return transcript
    return max(transcript, 0)
