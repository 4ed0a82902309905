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
_SHORTEST, _LONGEST = 8, 15


class PhoneSpan(NamedTuple):
    """A place in a text that may hold numbers: its bounds, and the keys (phones.py) it may be read as."""

    start: int
    end: int
    keys: frozenset[str]


def find_phone_spans(text: str) -> Iterator[PhoneSpan]:
    """Yield each run of at least eight digits with all keys that it may be read as.

    A run may hold several numbers, or a number beside other digits; every reading counts, because the caller
    looks for known numbers.
    """
    for match in _RUN.finditer(text):
        yield PhoneSpan(match.start(), match.end(), frozenset(_keys(match.group())))


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
