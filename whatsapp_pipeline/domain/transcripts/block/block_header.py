r"""The header line of the block format: `2025-01-05 10:00:00 from Maria (+554199990000) - Lida`.

What belongs here: parsing this line, and the times of many such lines at once. What does not: finding headers
(`block_reader.py`).
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache, lru_cache

import numpy as np

from whatsapp_pipeline.domain.phone_texts import plain_phone_text
from whatsapp_pipeline.domain.phones import is_lid, is_phone
from whatsapp_pipeline.domain.transcripts.columns import Sender
from whatsapp_pipeline.domain.transcripts.lines import Bytes, Flags, Ints, Lines
from whatsapp_pipeline.domain.transcripts.phrases import phrases, visible

# The bracket at the end. A number in it may contain brackets: `Ana (+1 (415) 555-2671)`.
_NAME_PHONE = re.compile(r"(.*?) ?\((\+? ?(?:\d|\(\d+\))(?:[^()]|\(\d+\))*)\)")
_OPAQUE_ID = re.compile(r"[A-Za-z0-9+/_-]{8,}={1,2}")
_HAS_DIGIT = re.compile(r"\d").search
_MOST_EXTRAS = 3  # pieces at the end of a header among which the status is searched

NOTIFICATION = Sender("notification", None, None, None, None, ("notification",))


def parse_who(text: str) -> Sender | None:
    """Parse `from Maria (+554199990000) - Lida`; None for any other text."""
    direction, _, rest = text.partition(" ")
    if direction == "notification" and not rest.strip():
        return NOTIFICATION
    if direction not in ("from", "to"):
        return None
    name, status = _without_status(rest.strip())
    name, number, is_private = _name_and_number(name)
    if number and _OPAQUE_ID.fullmatch(name):
        name = ""  # the backup program's identifier of an unsaved contact
    if direction == "to":
        return Sender("to", None, None, status, number, ("to",))
    phone = None if is_private else number
    shown = name.removeprefix("~").lstrip()  # before the name of somebody who is no contact
    return Sender("from", shown or None, phone, status, number, ("from", name, number))


def _without_status(text: str) -> tuple[str, str | None]:
    """Return the name and the status of a header, without pieces after the status (`- Lida - Editada`)."""
    head, dash, last = f" {text}".rpartition(" - ")
    if dash and _is_status(last):  # this is the usual case
        return head.strip(), last.strip()
    pieces = f" {text}".split(" - ")
    for at in range(len(pieces) - 2, max(len(pieces) - 1 - _MOST_EXTRAS, 0), -1):
        if _is_status(pieces[at]):
            return " - ".join(pieces[:at]).strip(), pieces[at].strip()
    # A status in an unknown language follows a number in brackets.
    for at in range(1, len(pieces)):
        if pieces[at - 1].endswith(")") and (at == len(pieces) - 1 or _has_number(pieces[at - 1])):
            return " - ".join(pieces[:at]).strip(), pieces[at].strip()
    return text, None


@lru_cache(1_024)
def _is_status(piece: str) -> bool:
    return visible(piece).strip().casefold() in phrases().statuses


def _has_number(text: str) -> bool:
    match = _NAME_PHONE.fullmatch(visible(text).strip())
    return match is not None and (is_phone(match[2]) or is_lid(match[2]))


def _name_and_number(written: str) -> tuple[str, str | None, bool]:
    """Return the name of a header, its number, and whether that is a LID.

    The number follows the name in brackets, or is there instead of a name.
    """
    shown = visible(written).strip()
    if not _HAS_DIGIT(shown):
        return written, None, False
    match = _NAME_PHONE.fullmatch(shown)
    name, number = (match[1], match[2]) if match else ("", shown)
    plain = plain_phone_text(number).strip()
    if is_phone(plain):
        return name, plain, False
    return (name, plain, True) if is_lid(plain) else (written, None, False)


# The characters between the numbers of `2025-01-05 10:00:00`: every third one from the fifth on.
_TIME_MARKS = "-- ::"


def parse_header_time(header: str) -> datetime | None:
    """Return the time at the start of a header line; None if there is none."""
    try:
        return datetime.fromisoformat(header[:19]) if header[4:17:3] == _TIME_MARKS else None
    except ValueError:
        return None


def is_header(line: str) -> bool:
    """Return whether a line is a complete block header."""
    return parse_header_time(line) is not None and line[19:20] == " " and parse_who(line[20:]) is not None


TIME_LENGTH = 19
# The lowest and the highest value of each byte of a time.
_LOWEST = np.frombuffer(b"0000-00-00 00:00:00", np.uint8)[:, None]
_HIGHEST = np.frombuffer(b"9999-99-99 29:59:59", np.uint8)[:, None]
_MONTHS = 10_000 * 12


def times_at(lines: Lines, places: Ints) -> tuple[Ints, Flags]:
    """Return the times at places in microseconds since 1970, and which of them are valid.

    They are the same as those of `parse_header_time`.
    """
    written = lines.bytes_at(places, TIME_LENGTH)
    found = _have_digits(written)
    digits = np.where(found, written - _LOWEST, 0).astype(np.int32)
    year = digits[0] * 1000 + digits[1] * 100 + digits[2] * 10 + digits[3]
    month, day, hour, minute, second = (digits[at] * 10 + digits[at + 1] for at in (5, 8, 11, 14, 17))
    number = np.clip(year * 12 + month - 1, 0, _MONTHS - 1)
    firsts = _first_days()
    found &= (year > 0) & (month > 0) & (month <= 12) & (hour < 24)
    found &= (day > 0) & (day <= firsts[number + 1] - firsts[number])
    hours = (firsts[number] + day - 1) * np.int64(24) + hour
    return ((hours * 60 + minute) * 60 + second) * 1_000_000, found


def like_times(lines: Lines, places: Ints) -> Flags:
    """Return which places have text in the shape of a time, even if its day does not exist."""
    return _have_digits(lines.bytes_at(places, TIME_LENGTH))


def _have_digits(written: Bytes) -> Flags:
    found: Flags = np.all((written >= _LOWEST) & (written <= _HIGHEST), axis=0)
    return found


@cache
def _first_days() -> Ints:
    """Return the days since 1970 of the first day of each month from year 0 to January 10000."""
    months = np.arange("0000-01", "10000-02", dtype="datetime64[M]")
    return months.astype("datetime64[D]").astype(np.int64)
