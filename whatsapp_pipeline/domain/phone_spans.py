"""Finding known phone numbers in free text, in any written form.

What belongs here: the places in a text where a number may be, and the keys that each place may have. What
does not: the written forms of a number (phone_texts.py), the rules for numbers (phones.py), and finding
phones when the caller knows no number (personal_text.py).
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
# The prefixes of a number: country code, trunk zero and carrier. The longest is tried first.
_PREFIXES = (r"00550?", r"550?", r"0\d\d", r"0", r"")


class PhoneSpan(NamedTuple):
    """A place in a text that may contain numbers: its bounds in the plain text and its possible keys."""

    plain: PlainText
    start: int
    end: int
    keys: frozenset[str]

    def places(self, key: str) -> list[tuple[int, int]]:
        """Return the bounds in the original of each number that may have `key`; if none, those of the span.

        A span may also contain a time, a price or other numbers. A number without an area code counts as a
        match for the key.
        """
        text = self.plain.text
        at = [place for place in range(self.start, self.end) if text[place].isdigit()]
        digits = _digits(text[self.start : self.end])
        # A foreign number of nine digits, such as `+200000001`, is as long as a Brazilian key.
        is_brazilian = len(key) == 10 and key[0] != "+"
        area, number = (key[:2], key[2:]) if is_brazilian else ("", key.lstrip("+lid:"))
        found = []
        for match in re.finditer(number, digits):
            start = _start_of_number(digits, match.start(), area.strip("x"), at)
            found.append((_with_marks(text, at[start]), at[match.end() - 1] + 1))
        return [self.plain.original(*bounds) for bounds in found or [(self.start, self.end)]]


def _start_of_number(digits: str, tail: int, area: str, at: list[int]) -> int:
    """Return the index of a number's first digit; its last eight digits begin at index `tail`.

    `at` gives the position of each digit in the text.
    """
    for prefix in _PREFIXES:
        before = re.search(rf"{prefix}{area}9?$", digits[:tail])
        # A prefix must be the start of a group of digits, so it has no digit directly before it.
        if before and before[0] and (not prefix or before.start() == 0 or _is_apart(at, before.start())):
            return before.start()
    ninth = tail - 1
    return ninth if ninth >= 0 and digits[ninth] == "9" else tail


def _is_apart(at: list[int], place: int) -> bool:
    return at[place] - at[place - 1] > 1


def _with_marks(text: str, start: int) -> int:
    """Return the start of a number, including its plus sign and opening bracket."""
    while start and text[start - 1] in "+(":
        start -= 1
    return start


def find_phone_spans(text: str) -> Iterator[PhoneSpan]:
    """Yield each run of at least eight digits with all its possible keys.

    A run may contain several numbers, or a number beside other digits. All readings are returned, because the
    caller looks only for known numbers.
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
    variants = [run, digits, "+" + digits] if len(digits) <= _LONGEST else [run]
    for variant in variants:
        yield from (phone.key for phone in parse_phones(variant) if phone.key is not None)
    if len(digits) in (_SHORTEST, _SHORTEST + 1):
        yield "xx" + digits[-_SHORTEST:]
    # Other digits may surround a number directly, so every area code with 8 or 9 digits after it counts.
    for start in range(len(digits) - 9):
        area = digits[start : start + 2]
        if area in AREA_CODES:
            yield area + digits[start + 2 : start + 10]
            if digits[start + 2] == "9" and len(digits) >= start + 11:
                yield area + digits[start + 3 : start + 11]


def _digits(run: str) -> str:
    return "".join(char for char in run if char.isdigit())
