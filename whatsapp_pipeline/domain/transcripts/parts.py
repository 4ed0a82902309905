"""The interface of format readers: parts of a transcript that are read in one window.

What belongs here: the interface. What does not: its implementations (`block/`, `native/`, `unread.py`), and
making windows (`windows.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar


class Reader(Protocol):
    """Cuts one transcript into parts; a function of the format reads the parts of many together."""

    def parts(self, chunks: Iterator[bytes]) -> Iterator[Part[Any]]:
        """Yield parts made of `chunks`; each part has been read before the next one is requested."""


R = TypeVar("R", bound=Reader)


@dataclass(frozen=True, slots=True)
class Part(Generic[R]):
    """A part of a transcript; it begins with the data that waited in earlier parts."""

    reader: R
    data: bytes
    is_last: bool
