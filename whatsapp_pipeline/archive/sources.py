"""The transcripts inside one file of the archive: a `.txt` is one transcript, a `.zip` has one per chat.

What belongs here: opening files, hashing their content while it is read, refusing unsafe zip members. What
does not belong here: extracting files. Media inside a zip are only counted.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import BinaryIO, Literal, NamedTuple, Protocol

HASH_BYTES = 20
# Largest ratio of unpacked to packed size. Zipped text has a ratio of 5 to 20, and deflate's limit is about
# 1030. A large member with a higher ratio is a zip bomb, and so is a zip whose members together have one.
MAX_RATIO = 150
MAX_RATIO_APPLIES_FROM = 16 << 20
MAX_MEMBERS = 100_000
_CHUNK = 1 << 18

# The names that WhatsApp gives to the chat inside a zip. Any other .txt beside it is an attached document.
_CHAT_MEMBER = re.compile(
    r"(?:_chat|whatsapp\b.*|conversa (?:do|com) .*|chat de whatsapp .*|chat do whatsapp .*)\.txt",
    re.IGNORECASE,
)


class UnreadableFileError(Exception):
    """A file can't be read as chats. `kind` is the kind of the row in `exceptions`; the text has no names."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class SourceFinding(NamedTuple):
    """A finding about the file as a container: a refused member, or media that were not read."""

    kind: str
    severity: Literal["info", "warning", "error"]
    detail: str


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _HashingReader(io.RawIOBase):
    """A raw stream that hashes the bytes that are read from it.

    `head` has its first bytes, which were read from `inner`.
    """

    def __init__(self, head: bytes, inner: BinaryIO, digest: _Hash) -> None:
        self._head = head
        self._inner = inner
        self._digest = digest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed: Buffer; BufferedReader passes a memoryview
        with _reading_errors():
            data = self._head[: len(buffer)] or self._inner.read(len(buffer))
        self._head = self._head[len(data) :]
        self._digest.update(data)
        buffer[: len(data)] = data
        return len(data)


@dataclass(frozen=True, slots=True)
class Member:
    """One transcript of a file. `path` is its path inside the zip, or the name of the file."""

    path: str
    open_raw: Callable[[], BinaryIO]

    @property
    def name(self) -> str:
        """The last part of the path, which usually contains the chat's title."""
        return self.path.rsplit("/", 1)[-1]


class ChatSource:
    """An opened file: its transcripts, its findings and, after reading, the hash of its transcripts."""

    def __init__(self, members: list[Member], findings: list[SourceFinding]) -> None:
        self.members = members
        self.findings = findings
        self._digest = blake2b(digest_size=HASH_BYTES)

    def streams(self) -> Iterator[tuple[Member, BinaryIO]]:
        """Open the transcripts one by one; each is read to its end before the next is opened.

        Raises UnreadableFileError for a bad checksum or an I/O error.
        """
        for member in self.members:
            if len(self.members) > 1 or "/" in member.path:  # the name of a folder may identify the chat
                self._digest.update(member.path.encode("utf-8", "surrogateescape") + b"\0")
            with _opened(member) as raw:
                with _reading_errors():
                    head = raw.read(_CHUNK)
                if len(head) < _CHUNK:  # nearly every file fits into one chunk
                    self._digest.update(head)
                    yield member, io.BytesIO(head)
                    continue
                stream = io.BufferedReader(_HashingReader(head, raw, self._digest), _CHUNK)
                yield member, stream
                while stream.read(_CHUNK):  # the hash covers the whole text, even if the caller stopped early
                    pass

    def heads(self, size: int) -> Iterator[bytes]:
        """Yield the first `size` bytes of each transcript; raises the errors of `streams`."""
        for member in self.members:
            with _opened(member) as raw:
                with _reading_errors():
                    head = raw.read(size)
                yield head

    def content_hash(self) -> bytes:
        """Return the hash (20 bytes) of the transcripts. Call it after `streams` has ended."""
        return self._digest.digest()


@contextmanager
def _reading_errors() -> Iterator[None]:
    """Convert errors of reading a file to UnreadableFileError, without the name of the file."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise UnreadableFileError("zip_damaged", f"the zip is damaged ({type(error).__name__})") from error
    except (NotImplementedError, RuntimeError) as error:
        raise UnreadableFileError(
            "zip_unsupported", "the zip uses a compression or an encryption that is not supported"
        ) from error
    except OSError as error:
        raise UnreadableFileError(
            "file_unreadable", f"the file can't be read ({error.strerror or type(error).__name__})"
        ) from error


def _opened(member: Member) -> BinaryIO:
    with _reading_errors():
        return member.open_raw()


@contextmanager
def open_source(name: str, open_raw: Callable[[], BinaryIO]) -> Iterator[ChatSource]:
    """Open the transcripts of the file `name` (the last part of its path); `open_raw` opens its bytes.

    Raises UnreadableFileError for a zip that can't be opened, is a zip bomb, or has no chat.
    """
    if not name.lower().endswith(".zip"):
        yield ChatSource([Member(name, open_raw)], [])
        return
    with _reading_errors():
        raw = open_raw()
    with raw:
        with _reading_errors():
            packed = zipfile.ZipFile(raw)
        with packed:
            size = raw.seek(0, io.SEEK_END)
            yield _zip_source(packed, size)


def _zip_source(packed: zipfile.ZipFile, size: int) -> ChatSource:
    infos = [info for info in packed.infolist() if not info.is_dir()]
    if len(infos) > MAX_MEMBERS:
        raise UnreadableFileError("zip_refused", f"the zip has {len(infos)} files, more than {MAX_MEMBERS}")
    findings: list[SourceFinding] = []
    chats: list[zipfile.ZipInfo] = []
    media = 0
    for info in infos:
        base = info.filename.rsplit("/", 1)[-1]
        if not base.lower().endswith(".txt") or base.startswith("._") or "__MACOSX" in info.filename:
            media += 1
        elif reason := member_refusal(info):
            findings.append(SourceFinding("zip_member_refused", "error", f"a member was refused: {reason}"))
        else:
            chats.append(info)
    named = [info for info in chats if _CHAT_MEMBER.fullmatch(info.filename.rsplit("/", 1)[-1])]
    if named:
        media += len(chats) - len(named)
        chats = named
    if sum(info.file_size for info in chats) > max(size * MAX_RATIO, MAX_RATIO_APPLIES_FROM):
        raise UnreadableFileError(
            "zip_refused", f"the chats in the zip claim to be over {MAX_RATIO} times its size"
        )
    if not chats:
        why = findings[0].detail if findings else "no .txt in it"
        raise UnreadableFileError("zip_without_chat", f"the zip holds no chat that can be read ({why})")
    if media:
        findings.append(SourceFinding("zip_media", "info", f"{media} media files in the zip, not extracted"))
    chats.sort(key=lambda info: info.filename)
    return ChatSource([_zip_member(packed, info) for info in chats], findings)


def _zip_member(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    def open_raw() -> BinaryIO:
        return packed.open(info)  # type: ignore[return-value]  # ZipExtFile is a BufferedIOBase; typeshed says IO[bytes]

    return Member(info.filename, open_raw)


def member_refusal(info: zipfile.ZipInfo) -> str | None:
    """Return the reason why a member must not be read; None if it is safe."""
    # The name as it is stored: `filename` ends at NUL and has the platform's separators replaced.
    name = info.orig_filename
    if "\0" in name or "\\" in name or name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "its path is absolute or malformed"
    if ".." in name.split("/"):
        return "its path leads out of the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a symbolic link"
    if info.flag_bits & 0x1:
        return "it is encrypted"
    if info.file_size > max(info.compress_size * MAX_RATIO, MAX_RATIO_APPLIES_FROM):
        return f"it claims to unpack to over {MAX_RATIO} times its size"
    return None
