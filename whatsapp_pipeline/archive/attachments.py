"""The files that customers sent. They are beside the chat's `.txt`, or in the same `.zip` as the chat.

What belongs here: finding and opening one such file by the name that a message gives. What does not belong
here: who may download it (console/), and reading its content.

The name comes from a chat, so it is not trusted. It must be a plain file name, without a folder. The file
must be in the folder or zip of its chat. It must not be a `.txt` or `.zip`, which may be another customer's
chat.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from whatsapp_pipeline.archive.local_files import leads_out, open_regular
from whatsapp_pipeline.archive.sources import UnreadableFileError, member_refusal
from whatsapp_pipeline.errors import PipelineError

_CHUNK = 1 << 18
_RETRY_SECONDS = 5.0  # seconds of retries for an object store; short, because a person waits
_PLAIN_NAME = re.compile(r"[^/\\:\x00-\x1f\x7f]{1,255}")


@dataclass(frozen=True, slots=True)
class Attachment:
    """An opened file; `size` is in bytes. The file is closed when the caller has read all of `chunks`."""

    size: int
    stream: BinaryIO
    opened: ExitStack

    def chunks(self) -> Iterator[bytes]:
        """Yield the content in chunks, then close the file."""
        with self.opened:
            while chunk := self.stream.read(_CHUNK):
                yield chunk


class AttachmentFiles:
    """The attachments of an archive. `root` is a folder or a URL that fsspec knows; None means no archive."""

    def __init__(self, root: str | None) -> None:
        parts = urlsplit(root or "")
        self._is_local = parts.scheme in ("", "file")
        self._root = parts.path if parts.scheme == "file" else root or ""
        if self._is_local and self._root:
            self._root = os.path.abspath(self._root)

    def may_have(self, chat_path: str, name: str) -> bool:
        """Return whether the file exists.

        For a bucket, where the check would be slow, any plain name returns True.

        Args:
            chat_path: The path of the chat's file in the archive, with `/`.
            name: The attachment's name as the message gives it.
        """
        if not self._root or not _is_plain(name):
            return False
        if not self._is_local:
            return True
        full = self._full(chat_path)
        try:
            if full.lower().endswith(".zip"):
                known = os.stat(full)
                return _members(self._root, full, known.st_size, known.st_mtime_ns)[name] == 1
            beside = _beside(full, name)
            return os.path.isfile(beside) and not leads_out(self._root, beside)
        except (OSError, zipfile.BadZipFile):
            return False

    def open(self, chat_path: str, name: str) -> Attachment | None:
        """Open the file; None if it is missing, if it is not safe to read, or if its name is not unique.

        A zip may have several files of the same name in different folders.
        """
        if not self._root or not _is_plain(name):
            return None
        full = self._full(chat_path)
        with ExitStack() as opened:
            try:
                if full.lower().endswith(".zip"):
                    found = self._open_member(opened, full, name)
                else:
                    found = self._open_raw(opened, _beside(full, name))
            except (
                OSError,
                PipelineError,
                UnreadableFileError,
                zipfile.BadZipFile,
                NotImplementedError,
                RuntimeError,
            ):
                return None
            if found is None:
                return None
            stream, size = found
            return Attachment(size, stream, opened.pop_all())
        return None

    def _full(self, chat_path: str) -> str:
        return f"{self._root.rstrip('/')}/{chat_path}"

    def _open_raw(self, opened: ExitStack, full: str) -> tuple[BinaryIO, int]:
        if self._is_local:
            stream: BinaryIO = opened.enter_context(_open_local(self._root, full))
            return stream, os.fstat(stream.fileno()).st_size
        from whatsapp_pipeline.archive.object_store import ObjectStore, open_store

        store = ObjectStore(open_store(self._root), retry_seconds=_RETRY_SECONDS)
        stream = opened.enter_context(store.open(open_store(full).path))
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        return stream, size

    def _open_member(self, opened: ExitStack, full: str, name: str) -> tuple[BinaryIO, int] | None:
        packed = opened.enter_context(zipfile.ZipFile(self._open_raw(opened, full)[0]))
        found = [info for info in _readable(packed) if _base_name(info) == name]
        if len(found) != 1:
            return None
        stream: Any = opened.enter_context(packed.open(found[0]))
        return stream, found[0].file_size


def _is_plain(name: str) -> bool:
    """Return whether a text is a plain file name, without a path, that cannot be the name of a chat."""
    is_plain = _PLAIN_NAME.fullmatch(name) is not None and not name.startswith(".")
    return is_plain and not name.lower().endswith((".txt", ".zip"))


def _beside(full: str, name: str) -> str:
    return f"{full.rpartition('/')[0]}/{name}"


def _readable(packed: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [info for info in packed.infolist() if not info.is_dir() and member_refusal(info) is None]


def _base_name(info: zipfile.ZipInfo) -> str:
    return info.filename.rpartition("/")[2]


def _open_local(root: str, full: str) -> BinaryIO:
    """Open a file below the root. Raises OSError if a symbolic link in its path leads out of the archive."""
    if leads_out(root, full):
        raise OSError("the path leads out of the archive")
    return open(full, "rb", opener=partial(open_regular, root))


@lru_cache(maxsize=32)
def _members(root: str, full: str, _size: int, _changed_at: int) -> Counter[str]:
    """Count the readable names in a zip.

    The arguments for size and time of change only make the cache key unique.
    """
    with _open_local(root, full) as raw, zipfile.ZipFile(raw) as packed:
        return Counter(map(_base_name, _readable(packed)))
