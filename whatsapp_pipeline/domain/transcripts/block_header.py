r"""The header line of the block format: `2025-01-05 10:00:00 from Maria (+554199990000) - Lida`.

What belongs here: reading that one line. What does not: where it may stand (`block.py`).
"""

from __future__ import annotations

import re
from datetime import datetime

from .columns import Sender
from .phrases import phrases, visible

_NAME_PHONE = re.compile(r"(.*?) ?\((\+?\d[\d ().-]{5,24})\)", re.ASCII)
_PHONE = re.compile(r"\+?\d[\d ().-]{6,24}", re.ASCII)
_OPAQUE_ID = re.compile(r"[A-Za-z0-9+/_-]{8,}={1,2}")


NOTIFICATION = Sender("notification", None, None, None, None, ("notification",))


def parse_who(text: str) -> Sender | None:
    """Read `from Maria (+554199990000) - Lida`; None when it is no such thing."""
    direction, _, rest = text.partition(" ")
    if direction == "notification" and not rest.strip():
        return NOTIFICATION
    if direction not in ("from", "to"):
        return None
    name, status = rest.strip(), None
    head, dash, tail = f" {name}".rpartition(" - ")
    if dash and (visible(tail).strip().casefold() in phrases().statuses or head.endswith(")")):
        name, status = head.strip(), tail.strip()
    phone = None
    shown = visible(name).strip()
    if match := _NAME_PHONE.fullmatch(shown):
        name, phone = match[1], match[2]
    elif _PHONE.fullmatch(shown):
        name, phone = "", shown
    if phone and _OPAQUE_ID.fullmatch(name):
        name = ""  # an identifier of the program's, not a name
    if direction == "to":
        return Sender("to", None, None, status, phone, ("to",))
    return Sender("from", name or None, phone, status, phone, ("from", name, phone))


# What stands between the numbers of `2025-01-05 10:00:00`: every third character from the fifth on.
_TIME_MARKS = "-- ::"


def parse_time(header: str) -> datetime | None:
    """The time a header line starts with, None when it starts with none."""
    try:
        return datetime.fromisoformat(header[:19]) if header[4:17:3] == _TIME_MARKS else None
    except ValueError:
        return None


def is_header(line: str) -> bool:
    """Whether a line is a complete block header."""
    return parse_time(line) is not None and line[19:20] == " " and parse_who(line[20:]) is not None
