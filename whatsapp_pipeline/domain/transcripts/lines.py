r"""Text as bytes: the starts of its lines, and the bytes at thousands of places at once.

What belongs here: finding lines and cutting texts out of bytes. What does not: the meaning of a line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

Ints: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Words: TypeAlias = npt.NDArray[np.uint64]

# Number of bytes that can be read from any place of a text, also from its end.
_AHEAD = 64
WORD_BYTES = 8


_CUT = pl.col("text").bin.slice(pl.col("at"), pl.col("length")).cast(pl.String)


@dataclass(eq=False)
class Lines:
    """The lines of a UTF-8 text: the first `length` bytes of `data`.

    Places are byte offsets, lines are counted from 0. The bytes after the last line end are a line, which may
    be empty.
    """

    data: bytes
    length: int
    starts: Ints = field(init=False)
    ends: Ints = field(init=False)

    def __post_init__(self) -> None:
        if len(self.data) < self.length + _AHEAD:
            self.data = self.data[: self.length] + bytes(_AHEAD)
        breaks = np.flatnonzero(np.frombuffer(self.data, np.uint8, self.length) == ord("\n"))
        self.starts = np.zeros(len(breaks) + 1, np.int64)
        np.add(breaks, 1, out=self.starts[1:])
        self.ends = np.append(breaks, self.length)

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def lengths(self) -> Ints:
        """Return the number of bytes of each line."""
        return self.ends - self.starts

    @cached_property
    def _filled(self) -> tuple[Ints, Ints]:
        """Return the lines that are not empty followed by -1, and the number of them before each line."""
        is_filled = self.lengths > 0
        counts = np.zeros(len(self) + 1, np.int64)
        np.cumsum(is_filled, out=counts[1:])
        return np.append(np.flatnonzero(is_filled), -1), counts

    def filled_from(self, lines: Ints) -> Ints:
        """Return the first line from each line on that is not empty; -1 if there is none."""
        filled, before = self._filled
        return filled[before[lines]]

    def filled_to(self, lines: Ints) -> Ints:
        """Return the last line up to each line that is not empty; -1 if there is none."""
        filled, before = self._filled
        return filled[before[lines + 1] - 1]

    @cached_property
    def _bytes(self) -> Bytes:
        return np.frombuffer(self.data, np.uint8)

    @cached_property
    def _words(self) -> Words:
        return np.ndarray(len(self.data) - WORD_BYTES + 1, "<u8", self.data, strides=(1,))

    def words(self, places: Ints) -> Words:
        """Return the eight bytes from each place on as a little-endian number."""
        found: Words = self._words[places]
        return found

    def begin_with(self, word: bytes, places: Ints) -> Flags:
        """Return whether each place has this word of at most eight bytes."""
        mask = np.uint64((1 << 8 * len(word)) - 1)
        found: Flags = (self.words(places) & mask) == np.uint64(int.from_bytes(word, "little"))
        return found

    def places_of(self, byte: int) -> Ints:
        """Return all places of a byte."""
        return np.flatnonzero(self._bytes[: self.length] == byte)

    def line_of(self, places: Ints) -> Ints:
        """Return the line of each place."""
        return np.searchsorted(self.starts, places, side="right") - 1

    def byte(self, places: Ints) -> Bytes:
        """Return the byte at each place."""
        return self._bytes[places]

    def bytes_at(self, places: Ints, count: int) -> Bytes:
        """Return the `count` bytes (at most 64) from each place on; row i has the i-th byte of each."""
        rows = sliding_window_view(self._bytes, count)[places]
        return np.ascontiguousarray(rows.T)

    @cached_property
    def _text(self) -> pl.Series:
        return pl.Series([self.data], dtype=pl.Binary)

    @property
    def is_utf8(self) -> bool:
        """Return whether all of the data is valid UTF-8."""
        try:
            self._text.cast(pl.String)
        except pl.exceptions.PolarsError:
            return False
        return True

    def texts(self, starts: Ints, ends: Ints) -> pl.Series:
        """Return the texts between places, each of which is the first byte of a character."""
        whole = self._text.new_from_index(0, len(starts)).alias("text")
        return (
            pl.DataFrame([whole, pl.Series("at", starts), pl.Series("length", ends - starts)])
            .select_seq(_CUT)
            .to_series()
        )
