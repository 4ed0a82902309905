"""Decoding bytes to text in chunks of limited size: encodings, byte order marks, line ends.

What belongs here: all steps from a byte stream to clean text. What does not: the meaning of the text.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from whatsapp_pipeline.domain.transcripts.chat_message import Finding

CHUNK_BYTES = 1 << 17  # larger chunks no longer fit the processor's cache
# A longer line is cut, so that memory is limited.
_LONGEST_LINE = 1 << 22

_UTF16_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class TextChunks:
    r"""A stream's text in chunks that end at a line end.

    Exceptions are the last chunk, and chunks of a line longer than 4 MiB, which is cut.

    The only line end is `\n`: `\r\n` is replaced, and `\r` in a file without any `\n`; U+2028 is text. A line
    that is not UTF-8 is read as Windows-1252. NULs, which PostgreSQL does not accept, become U+FFFD. Both are
    in `findings` after the iteration. No content makes the iteration raise an error.

    Iterate to get text. `raw()` yields the same chunks as bytes that are not checked. Readers cut these
    bytes, which is faster than cutting text, and call `mend` for pieces that have NULs or are not UTF-8.
    """

    def __init__(self, stream: BinaryIO, chunk_bytes: int = CHUNK_BYTES) -> None:
        self.encoding = "utf-8"
        self._stream = stream
        self._chunk_bytes = chunk_bytes
        self._are_returns_ends = False  # the line ends of the file are carriage returns
        self._foreign: list[int] = [0, 0]  # first line, number of lines
        self._nul: list[int] = [0, 0]  # first line, number of NULs

    def __iter__(self) -> Iterator[str]:
        line = 1
        for data in self.raw():
            yield self.mend(data, line).decode()
            line += data.count(b"\n")

    def raw(self) -> Iterator[bytes]:
        """Yield the chunks as bytes; pieces that have NULs or are not UTF-8 need `mend`."""
        head = self._read()
        while _has_only_returns(head) and len(head) < _LONGEST_LINE and (more := self._read()):
            head += more
        self._are_returns_ends = _has_only_returns(head)
        if self._are_returns_ends:
            head = _with_newlines(head)
        if head[:2] in _UTF16_MARKS:
            yield from map(_with_plain_ends, self._utf16(head))
            return
        if head.startswith(codecs.BOM_UTF8):
            self.encoding, head = "utf-8-sig", head[3:]
        yield from map(_with_plain_ends, self._whole_lines(head))

    def mend(self, data: bytes, line: int) -> bytes:
        """Return valid UTF-8 without NULs, possibly `data` itself; it starts on `line`, for the findings."""
        if not is_utf8(data):
            data = b"\n".join(self._mended_lines(data, line))
        if b"\x00" in data:
            self._nul[0] = self._nul[0] or line + data.count(b"\n", 0, data.index(b"\x00"))
            self._nul[1] += data.count(b"\x00")
            data = data.replace(b"\x00", "\ufffd".encode())
        return data

    def _mended_lines(self, data: bytes, first: int) -> Iterator[bytes]:
        for number, line in enumerate(data.split(b"\n"), start=first):
            if is_utf8(line):
                yield line
                continue
            self.encoding = "windows-1252"
            self._foreign[0] = self._foreign[0] or number
            self._foreign[1] += 1
            yield _western(line).encode()

    @property
    def findings(self) -> list[Finding]:
        """Return the findings about the encoding; they are complete after the last chunk."""
        found = []
        if self._foreign[1]:
            detail = f"{self._foreign[1]} lines from here on are not UTF-8 and were read as Windows-1252"
            found.append(Finding(self._foreign[0], "encoding_assumed", "warning", detail))
        if self._nul[1]:
            detail = f"{self._nul[1]} NUL characters from here on became U+FFFD"
            found.append(Finding(self._nul[0], "nul_character", "warning", detail))
        return found

    def _read(self) -> bytes:
        """Return the next full chunk. Only the last is shorter, although a pipe may return less per read."""
        data = self._stream.read(self._chunk_bytes)
        while 0 < len(data) < self._chunk_bytes and (
            more := self._stream.read(self._chunk_bytes - len(data))
        ):
            data += more
        return _with_newlines(data) if self._are_returns_ends else data

    def _whole_lines(self, chunk: bytes) -> Iterator[bytes]:
        """Cut the stream after line ends; `chunk` was read before."""
        rest = b""  # the bytes before the chunk, without a line end
        while chunk and (more := self._read()):
            if end := chunk.rfind(b"\n") + 1:
                # Copied once and not kept, because it may be large.
                whole = [b"".join((rest, memoryview(chunk)[:end]))]
                rest, chunk = chunk[end:], more
                del more
                yield whole.pop()
                continue
            rest, chunk = rest + chunk, more
            if len(rest) > _LONGEST_LINE:
                end = _character_start(rest)
                yield rest[:end]
                rest = rest[end:]
        if rest or chunk:
            yield rest + chunk

    def _utf16(self, head: bytes) -> Iterator[bytes]:
        self.encoding = _UTF16_MARKS[head[:2]]
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        text, data = "", head[2:]
        has_only_returns: bool | None = None
        while data:
            text += decoder.decode(data)
            if has_only_returns is None:
                has_only_returns = "\n" not in text and "\r" in text[:-1]
            if has_only_returns:
                text = text.replace("\r", "\n")
            end = text.rfind("\n") + 1
            if not end and len(text) > _LONGEST_LINE:
                end = len(text) - 1
            if end:
                yield text[:end].encode()
                text = text[end:]
            data = self._read()
        text += decoder.decode(b"", True)
        if text:
            yield text.encode()


def _has_only_returns(head: bytes) -> bool:
    """Return whether the only line ends at the start of a file are carriage returns."""
    return head[:2] not in _UTF16_MARKS and b"\n" not in head and b"\r" in head[:-1]


def _with_newlines(data: bytes) -> bytes:
    """Replace carriage returns by line ends."""
    return data.replace(b"\r", b"\n")


def _western(line: bytes) -> str:
    try:
        return line.decode("windows-1252")
    except UnicodeDecodeError:  # Windows-1252 does not define five bytes
        return line.decode("latin-1")


def _character_start(data: bytes) -> int:
    """Return the last place near the end of `data` where a character starts, but not inside `\\r\\n`."""
    end = len(data) - 1
    while end > len(data) - 4 and data[end] & 0xC0 == 0x80:
        end -= 1
    return end


def _with_plain_ends(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n") if b"\r" in data else data


def lenient(data: bytes) -> str:
    """Decode bytes without recording which of them are not UTF-8."""
    if is_utf8(data):
        return data.decode()
    return "\n".join(line.decode() if is_utf8(line) else _western(line) for line in data.split(b"\n"))


def is_utf8(data: bytes) -> bool:
    """Return whether bytes are valid UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def line_count(text: bytes) -> int:
    r"""Count the lines of a text: one per `\n`, and one for text after the last."""
    return text.count(b"\n") + (text[-1:] not in (b"\n", b""))


def with_last(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield each chunk and whether it is the last; no reference to a yielded chunk is kept."""
    waiting: list[bytes] = []
    for chunk in chunks:
        if waiting:
            yield waiting.pop(), False
        waiting.append(chunk)
        del chunk
    if waiting:
        yield waiting.pop(), True
