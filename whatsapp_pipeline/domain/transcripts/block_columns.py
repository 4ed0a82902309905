r"""Blocks field by field: times, senders, bodies of a chunk at a time.

What belongs here: taking apart many plain blocks at once, as bytes as long as that is cheaper. What does not:
where blocks begin, and those that are not plain (`block.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from .block_header import WhoCache, parse_times
from .bodies import REPLY_MARK
from .columns import Sender

_REPLY_BYTES = REPLY_MARK.encode()


class Columns(NamedTuple):
    """Blocks field by field."""

    times: list[datetime]
    headers: list[str]
    """What follows the times in the header lines."""
    senders: list[Sender]
    bodies: list[str]
    data: list[bytes]
    """The bodies before decoding."""
    has_replies: bool
    """Whether any of them may hold a quote; whether any may hold a size in bytes."""
    has_bytes: bool


def columns_of(pieces: Sequence[bytes], whole: bytes, label: bytes | None, who: WhoCache) -> Columns | None:
    """Take apart blocks that were cut out of a whole; None when one is no plain block with that label.

    `label` is None where blocks have none.
    """
    try:
        if label is None:
            heads, found = zip(*[piece.split(b"\n", 1) for piece in pieces], strict=True)
        else:
            labels, heads, found = zip(*[piece.split(b"\n", 2) for piece in pieces], strict=True)
            if labels.count(label) != len(labels):
                return None
        headers = b"\n".join(heads).decode().split("\n")
        times = parse_times([header[:19] for header in headers])
        rests = [header[19:] for header in headers]
        senders = list(map(who.__getitem__, rests))
        data = [body.strip(b"\n") for body in found]
        bodies = list(map(bytes.decode, data))
    except (ValueError, KeyError):  # a UnicodeDecodeError is a ValueError
        return None
    return Columns(times, rests, senders, bodies, data, _REPLY_BYTES in whole, b" bytes" in whole)
