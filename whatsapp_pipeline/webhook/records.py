"""The record format of spool and quarantine files.

A record consists of: magic (8 bytes), length of the body (4), CRC-32 (4), time received in microseconds (8),
delivery id (16), body. The CRC-32 is computed over time, delivery id and body, with the length as its start
value. Numbers are big-endian.

What belongs here: writing records, and reading the complete ones from damaged files. What does not: the
files and their folders (spool.py, quarantine.py).
"""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeAlias
from uuid import UUID, uuid4

MAGIC = b"WHSPOOL1"
MAX_BODY_BYTES = 4 * 2**20
_HEADER = struct.Struct(">8sIIQ16s")
_CHECKED_FROM = 16  # offset of the first byte after the checksum: time, id and body
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Ending: TypeAlias = Literal["end", "torn", "corrupt"]
Record: TypeAlias = tuple[UUID, datetime, bytes]


def encode_record(
    body: bytes, *, delivery_id: UUID | None = None, received_at: datetime | None = None
) -> bytes:
    """Return one body as a record. The defaults are a new delivery id and the current time."""
    micros = (
        time.time_ns() // 1000 if received_at is None else (received_at - _EPOCH) // timedelta(microseconds=1)
    )
    rest = struct.pack(">Q16s", micros, (delivery_id or uuid4()).bytes)
    checksum = zlib.crc32(body, zlib.crc32(rest, len(body)))  # the second argument is the start value
    return b"".join((MAGIC, struct.pack(">II", len(body), checksum), rest, body))


@dataclass(frozen=True, slots=True)
class Scan:
    """The complete records at the start of some data, the place of the next one, and how the data ends."""

    records: list[Record]
    next_offset: int
    ending: Ending


def scan(data: bytes, *, final: bool) -> Scan:
    """Read records from the start of `data`; `final` means that no writer appends to the file any more.

    The ending is `end` when no data is left. It is `torn` when the data may end in an incomplete record,
    because its writer is still writing or has crashed. In a final file, an end of only zeros is `torn` too.
    Otherwise the ending is `corrupt`.
    """
    records: list[Record] = []
    offset = 0
    while offset < len(data):
        found = _record_at(data, offset)
        if isinstance(found, str):
            # After a crash the file may end in zeros that the file system added. They are no damaged record.
            if found == "corrupt" and final and not data[offset:].strip(b"\0"):
                found = "torn"
            # A record with a damaged length looks incomplete, but other records follow it.
            elif found == "torn" and final and data.find(MAGIC, offset + 1) >= 0:
                found = "corrupt"
            return Scan(records, offset, found)
        records.append(found)
        offset += _HEADER.size + len(found[2])
    return Scan(records, offset, "end")


def _record_at(data: bytes, offset: int) -> Record | Literal["torn", "corrupt"]:
    if offset + _HEADER.size > len(data):
        tail = data[offset : offset + len(MAGIC)]
        return "torn" if MAGIC.startswith(tail) else "corrupt"
    magic, length, checksum, micros, delivery_id = _HEADER.unpack_from(data, offset)
    if magic != MAGIC or length > MAX_BODY_BYTES:
        return "corrupt"
    start = offset + _HEADER.size
    body = data[start : start + length]
    if len(body) < length:
        return "torn"
    rest = data[offset + _CHECKED_FROM : start]
    if zlib.crc32(body, zlib.crc32(rest, length)) != checksum:
        return "corrupt"
    return UUID(bytes=delivery_id), _EPOCH + timedelta(microseconds=micros), body


def salvage(data: bytes) -> list[Record]:
    """Read every complete record of a damaged file, at any offset."""
    records: list[Record] = []
    offset = data.find(MAGIC)
    while offset >= 0:
        found = _record_at(data, offset)
        if isinstance(found, str):
            offset = data.find(MAGIC, offset + 1)
        else:
            records.append(found)
            offset = data.find(MAGIC, offset + _HEADER.size + len(found[2]))
    return records


def read_file(path: Path) -> Iterator[Record]:
    """Read every complete record of a file; yield nothing if the file was deleted meanwhile."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    yield from salvage(data)
