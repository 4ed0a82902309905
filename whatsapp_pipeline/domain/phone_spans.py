"""Phone numbers inside free text, in whatever spelling, for a caller who knows which number to look for.

What belongs here: finding the places, and which numbers a place may hold. What does not: how a number may be
written (phone_texts.py), the rules of numbers (phones.py), which decide what each piece is, and which numbers
of a text are phones when no number is known (personal_text.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from whatsapp_pipeline.domain.phone_texts import RARE_SEPARATORS, SEPARATORS, PlainText, read_plainly
from whatsapp_pipeline.domain.phones import AREA_CODES, parse_phones

_USUAL_RUN, _RUN = (
    re.compile(rf"\+?\(?\d(?:[{between}]{{0,3}}\d){{7,}}")
    for between in (rf"\s{SEPARATORS}", rf"\s{SEPARATORS}{RARE_SEPARATORS}")
)
_SHORTEST, _LONGEST = 8, 15
# What may stand before a number: country code, trunk zero and carrier; the longest is tried first.
_PREFIXES = (r"00550?", r"550?", r"0\d\d", r"0", r"")


class PhoneSpan(NamedTuple):
    """A place in a text that may hold numbers: its bounds in the plain text, and the keys (phones.py) it may
    be read as.
    """

    plain: PlainText
    start: int
    end: int
    keys: frozenset[str]

    def places(self, key: str) -> list[tuple[int, int]]:
        """Return the bounds in the original of each number that `key` may be, or of the whole span.

        A span may hold a time, a price or other numbers too. A number without an area counts as the key's.
        """
        text = self.plain.text
        at = [place for place in range(self.start, self.end) if text[place].isdigit()]
        digits = _digits(text[self.start : self.end])
        # Another country's number of nine digits, `+200000001`, is as long as a Brazilian key.
        is_brazilian = len(key) == 10 and key[0] != "+"
        area, number = (key[:2], key[2:]) if is_brazilian else ("", key.lstrip("+lid:"))
        found = []
        for match in re.finditer(number, digits):
            start = _start_of_number(digits, match.start(), area.strip("x"), at)
            found.append((_with_marks(text, at[start]), at[match.end() - 1] + 1))
        return [self.plain.original(*bounds) for bounds in found or [(self.start, self.end)]]


def _start_of_number(digits: str, tail: int, area: str, at: list[int]) -> int:
    """Return which digit begins the number whose last eight begin at `tail`; `at` are the digits' places."""
    for prefix in _PREFIXES:
        before = re.search(rf"{prefix}{area}9?$", digits[:tail])
        # A prefix begins a group of digits; what is glued to other digits is none.
        if before and before[0] and (not prefix or before.start() == 0 or _is_apart(at, before.start())):
            return before.start()
    ninth = tail - 1
    return ninth if ninth >= 0 and digits[ninth] == "9" else tail


def _is_apart(at: list[int], place: int) -> bool:
    return at[place] - at[place - 1] > 1


def _with_marks(text: str, start: int) -> int:
    """Return where a number begins, its plus sign and opening bracket included."""
    while start and text[start - 1] in "+(":
        start -= 1
    return start


def find_phone_spans(text: str) -> Iterator[PhoneSpan]:
    """Yield each run of at least eight digits with all keys that it may be read as.

    A run may hold several numbers, or a number beside other digits; every reading counts, because the caller
    looks for known numbers.
    """
    if sum(map(str.isdigit, text)) < _SHORTEST:
        return
    plain = read_plainly(text)
    for match in _RUN.finditer(plain.text):
        keys = set(_keys(match.group()))
        for part in _USUAL_RUN.findall(match.group()):
            keys.update(_keys(part))
        yield PhoneSpan(plain, match.start(), match.end(), frozenset(keys))


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
    return "".join(char for char in run if char.isdigit())
