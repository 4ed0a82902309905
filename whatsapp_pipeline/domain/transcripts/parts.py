"""What the reader of a format gives and takes: parts of a transcript that are read in one window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar


class Reader(Protocol):
    """Reads one transcript; its format's function reads the parts of many together."""

    def parts(self, chunks: Iterator[bytes]) -> Iterator[Part[Any]]:
        """Yield parts made of `chunks`; by the time the next is asked for, the one before has been read."""


R = TypeVar("R", bound=Reader)


@dataclass(frozen=True, slots=True)
class Part(Generic[R]):
    """A part of a transcript, with what was held back of the parts before it in front."""

    reader: R
    data: bytes
    is_last: bool
