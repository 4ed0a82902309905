"""Reading one archive file, as chat_file_index and chat_messages both do it.

What belongs here: how a file's options come about, how its chats are numbered, and the hash that says whether
a file was read like this before. What does not: what is done with the messages.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, NamedTuple

from whatsapp_pipeline.archive import ChatSource, UnreadableFileError
from whatsapp_pipeline.domain.chat_names import ChatName, read_chat_name
from whatsapp_pipeline.domain.transcripts import Event, ParseOptions, read
from whatsapp_pipeline.domain.transcripts.model import ChatStart

# Raise it when the reader gives other messages for the same file: every file is then read again.
READER_VERSION = 2


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """What a run says about reading: the archive's zone, and who the staff side is in native exports."""

    zone: str = "America/Sao_Paulo"
    owner: tuple[str, ...] = ()


class NumberedEvent(NamedTuple):
    """An event of a file's `chat_number`-th chat, which lies in the transcript called `name`."""

    chat_number: int
    name: ChatName
    event: Event


def parse_options(reading: ReadingOptions, remembered: Mapping[str, Any], name: ChatName) -> ParseOptions:
    """Put together how to read a transcript: what a person decided for its file goes before the run's."""
    options = ParseOptions(
        owner=reading.owner, zone=reading.zone, default_title=name.title, combined=name.is_combined
    )
    chosen = {key: remembered[key] for key in ("format", "date_order") if key in remembered}
    if "owner" in remembered:
        chosen["owner"] = tuple(remembered["owner"])
    return replace(options, **chosen) if chosen else options


def reading_hash(
    content_hash: bytes, path: str, reading: ReadingOptions, remembered: Mapping[str, Any], *more: str | None
) -> bytes:
    """Hash everything that decides what reading the file at `path` gives (20 bytes).

    When it is the same, so are the messages. `more` is what else the caller's result depends on.
    """
    name = read_chat_name(path)
    parts = [READER_VERSION, reading.zone, reading.owner, remembered, name.title, name.is_combined, *more]
    return blake2b(content_hash + json.dumps(parts, sort_keys=True).encode(), digest_size=20).digest()


def read_source(
    source: ChatSource, path: str, reading: ReadingOptions, remembered: Mapping[str, Any]
) -> Iterator[NumberedEvent]:
    """Yield the events of every chat in a file; chats are numbered on across the transcripts of a zip.

    Raises UnreadableFileError when the bytes can't be had.
    """
    number = 0
    for member, stream in source.streams():
        name = read_chat_name(path, member.name)
        events = read(stream, parse_options(reading, remembered, name))
        while (event := _next(events)) is not None:
            if isinstance(event, ChatStart):
                number += 1
            yield NumberedEvent(number, name, event)


def _next(events: Iterator[Event]) -> Event | None:
    try:
        return next(events, None)
    except (UnreadableFileError, MemoryError):
        raise
    except Exception as error:
        # The reader raises for no bytes; should it all the same, one file must not stop the others. The
        # error's own text may quote the file, so only its type and place are told.
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise UnreadableFileError(
            "reader_failed", f"reading failed: {type(error).__name__} in {place.name}, line {place.lineno}"
        ) from error
