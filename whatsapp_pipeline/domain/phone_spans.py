"""Phone numbers inside free text, in whatever spelling: with any dash, slash or bracket, or glued to a word.

What belongs here: finding the places, and which numbers a place may hold. What does not: the rules of numbers
(phones.py), which decide what each piece is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from whatsapp_pipeline.domain.phones import AREA_CODES, parse_phones

# What people and programs put between the digits of one number: spaces of any width, dashes of any length,
# dots, brackets, slashes, and marks that take no room.
_BETWEEN = (
    r"[\s().\-/\\_~*·•‐-―−⁃﹘﹣－／．（）"
    "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe0f\u20e3\ufeff]"
)
_RUN = re.compile(rf"[+＋]?[(（]?\d(?:{_BETWEEN}{{0,4}}\d){{7,}}")
_DATE = re.compile(r"\d{4}[-/.]\d\d[-/.]\d\d|\d\d[-/.]\d\d[-/.]\d{4}")
_SHORTEST, _WITH_AREA, _LONGEST = 8, 10, 15


class PhoneSpan(NamedTuple):
    """A place in a text that may hold numbers: its bounds, and the keys (phones.py) it may be read as."""

    start: int
    end: int
    keys: frozenset[str]


def find_phone_spans(text: str) -> Iterator[PhoneSpan]:
    """Yield each run of at least eight digits with all keys that it may be read as.

    A run may hold several numbers, or a number beside other digits; every reading counts, because the caller
    looks for known numbers or hides all of them.
    """
    for match in _RUN.finditer(text):
        yield PhoneSpan(match.start(), match.end(), frozenset(_keys(match.group())))


def hide_phones(text: str, word: str) -> str:
    """Replace each phone in a text by `word`; dates, prices and other short numbers stay."""
    return _RUN.sub(lambda match: word if _holds_phone(match.group()) else match.group(), text)


def _holds_phone(run: str) -> bool:
    """Return whether a run of digits is a phone as written, or with the marks between its digits left out."""
    digits = _digits(run)
    if _DATE.fullmatch(run):
        return False
    # Eight or nine digits with slashes between them may be a date; with an area code they are a phone.
    return bool(parse_phones(run)) or (len(digits) >= _WITH_AREA and bool(parse_phones(digits)))


def _keys(run: str) -> Iterator[str]:
    digits = _digits(run)
    spellings = [run, digits] if len(digits) <= _LONGEST else [run]
    if len(digits) <= _LONGEST:
        spellings.append("+" + digits)
    for spelling in spellings:
        yield from (phone.key for phone in parse_phones(spelling) if phone.key is not None)
    if len(digits) in (_SHORTEST, _SHORTEST + 1):
        yield "xx" + digits[-_SHORTEST:]
    # A number may be glued to other digits: every area code with eight digits, or nine, behind it.
    for start in range(len(digits) - 9):
        area = digits[start : start + 2]
        if area in AREA_CODES:
            yield area + digits[start + 2 : start + 10]
            if digits[start + 2] == "9" and len(digits) >= start + 11:
                yield area + digits[start + 3 : start + 11]


def _digits(run: str) -> str:
    return "".join(str(unicodedata.digit(char)) for char in run if char.isdigit())
