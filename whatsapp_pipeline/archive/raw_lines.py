"""Reading the lines around given line numbers of a chat file, to show them beside a finding.

What belongs here: reading several lines, and the lines around them, in one pass. The console's web server
uses this module because it does not import polars, as the transcript reader does. What does not: reading
chats (domain/transcripts/).
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

_MAX_LINE_CHARS = 2000  # the rest of a longer line is skipped
_MAX_LINE_NUMBER = 2_000_000  # a higher line number is ignored
# Seconds of retries when an object store does not answer. It is short, because a person waits for the page.
_RETRY_SECONDS = 5.0


def lines_near(
    root: str, path: str, lines: Collection[int], *, context: int
) -> dict[int, list[tuple[int, str]]]:
    """Return, for each of the 1-based `lines`, the (number, text) pairs of that line and its context.

    The context is `context` lines before and after. The result is empty if the file is missing or can't be
    read. It is also empty for a zip with several transcripts, because a line number does not identify the
    transcript.
    """
    wanted = {line: list[tuple[int, str]]() for line in lines if 0 < line <= _MAX_LINE_NUMBER}
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
                break  # there is only one transcript
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
    while number <= last and (line := text.readline(_MAX_LINE_CHARS)):
        yield number, _decode(line.rstrip("\r\n"))
        while not line.endswith("\n") and (line := text.readline(_MAX_LINE_CHARS)):
            pass  # skip the rest of a long line
        number += 1


def _decode(line: str) -> str:
    r"""Decode a line that is not UTF-8 as Windows-1252, as the transcript reader does.

    The transcript reader also takes `\r` as the line end in a file without `\n`, and replaces NUL. This
    module does neither.
    """
    if not any("\udc80" <= character <= "\udcff" for character in line):
        return line
    raw = line.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:  # Windows-1252 leaves five byte values undefined
        return raw.decode("latin-1")


def _open_raw(root: str, path: str) -> BinaryIO:
    parts = urlsplit(root)
    if parts.scheme in ("", "file"):
        folder = os.path.abspath(parts.path if parts.scheme == "file" else root)
        full = f"{folder.rstrip('/')}/{path}"
        if leads_out(folder, full):
            raise OSError("the path leads out of the archive")
        return open(full, "rb", opener=partial(open_regular, folder))
    from whatsapp_pipeline.archive.object_store import ObjectStore, open_store  # slow to import

    return ObjectStore(open_store(root), retry_seconds=_RETRY_SECONDS).open(
        open_store(f"{root.rstrip('/')}/{path}").path
    )
