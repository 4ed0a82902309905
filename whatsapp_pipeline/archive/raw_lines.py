"""Lines of a chat's file as they stand in it, for a person who looks at what could not be read.

What belongs here: reading some lines and their neighbours in one pass, without the transcripts' reader and
its data frames, which a web server should not load. What does not: reading chats (domain/transcripts/).
"""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Iterator
from functools import partial
from typing import BinaryIO, cast
from urllib.parse import urlsplit

from whatsapp_pipeline.archive.local_files import leads_out, open_regular
from whatsapp_pipeline.archive.sources import UnreadableFileError, open_source
from whatsapp_pipeline.errors import PipelineError

_LONGEST = 2000  # characters of a line; the rest is passed over
_FURTHEST = 2_000_000  # lines that are read to get to the last one
_PATIENCE_SECONDS = 5.0  # that a person waits for an object store


def lines_near(
    root: str, path: str, lines: Collection[int], *, context: int
) -> dict[int, list[tuple[int, str]]]:
    """Return (number, text) of each of the 1-based `lines` and of `context` lines either side of it.

    Nothing is returned of a file that is missing or can't be read, or of a zip with several transcripts,
    where the number of a line does not say which transcript it is in.
    """
    wanted = {line: list[tuple[int, str]]() for line in lines if 0 < line <= _FURTHEST}
    if not wanted:
        return {}
    last = max(wanted) + context
    try:
        with open_source(path.rpartition("/")[2], partial(_open_raw, root, path)) as source:
            if len(source.members) != 1:
                return {}
            for _, stream in source.streams():
                for number, text in _numbered(stream, last):
                    for line, found in wanted.items():
                        if abs(number - line) <= context:
                            found.append((number, text))
                break
    except (UnreadableFileError, PipelineError, OSError):
        return {}
    return {line: found for line, found in wanted.items() if found}


def _numbered(stream: BinaryIO, last: int) -> Iterator[tuple[int, str]]:
    raw = io.BufferedReader(cast("io.RawIOBase", stream))
    head = raw.peek(2)[:2]
    if head in {b"\xff\xfe", b"\xfe\xff"}:
        text = io.TextIOWrapper(raw, encoding="utf-16", errors="replace", newline="\n")
    else:
        text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="\n")
    number = 1
    while number <= last and (line := text.readline(_LONGEST)):
        yield number, _as_read(line.rstrip("\r\n"))
        while not line.endswith("\n") and (line := text.readline(_LONGEST)):
            pass
        number += 1


def _as_read(line: str) -> str:
    """Return a line as the transcripts' reader has it: one that is not UTF-8 is Windows-1252."""
    if not any("\udc80" <= character <= "\udcff" for character in line):
        return line
    raw = line.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:  # it does not define five bytes
        return raw.decode("latin-1")


def _open_raw(root: str, path: str) -> BinaryIO:
    parts = urlsplit(root)
    if parts.scheme in ("", "file"):
        folder = os.path.abspath(parts.path if parts.scheme == "file" else root)
        full = f"{folder.rstrip('/')}/{path}"
        if leads_out(folder, full):
            raise OSError("the path leads out of the archive")
        return open(full, "rb", opener=partial(open_regular, folder))
    from whatsapp_pipeline.archive.object_store import ObjectStore, open_store

    return ObjectStore(open_store(root), patience=_PATIENCE_SECONDS).open(
        open_store(f"{root.rstrip('/')}/{path}").path
    )
