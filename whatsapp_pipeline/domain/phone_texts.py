"""The written form of phone numbers: marks, dashes and spaces, and documents that look like phones.

What belongs here: the plain form of a number and of a text with numbers, and documents (CPF, CNPJ, CEP, RG)
that look like a phone. Both the erasure (phone_spans.py) and the mask (personal_text.py) read a text in its
plain form, so that they recognise the same variants. What does not: the meaning of a number, and whether it
is a phone (phones.py).
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

# Unicode's dashes (category Pd) also become plain hyphens. NFKC converts the full-width and small forms.
_DASHES_AND_SLASHES = {
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\u02d7"), "-"),
    **dict.fromkeys(map(ord, "\u2044\u2215\u29f8\u2571"), "/"),
}

SEPARATORS = r".\-/\\_~*·•()\ufe0f\u20e3"
"""The characters besides spaces that people write between the digits of a number, as a class for `re`.

The last two are part of keycap digits.
"""
RARE_SEPARATORS = (
    r"\x00-\x08\x0e-\x1b!-&'*+,:-@\[\]^`{-}\x7f-\x84\x86-\x9f\u00a1-\u00bf\u00d7\u00f7\u0300-\u036f\u060c\u061b\u115f\u1160\u2010-\u2027\u2030-\u205e"
    r"\u2190-\u2bff\u3001-\u303f\u30fb\ufe00-\ufe0e\U0001f000-\U0001faff"
)
"""All other marks, including pictures and invisible characters, as a class for `re`.

They also occur between numbers that are no phones: times, prices, lists.
"""

_FORMATTED = re.compile(
    r"(?<![\w.])(?:"
    r"\d{3}\.\d{3}\.\d{3}[-./ ]?\d{2}|\d{9}-\d{2}"  # CPF
    r"|[A-Z\d]{2}\.?[A-Z\d]{3}\.?[A-Z\d]{3}/[A-Z\d]{4}[- ]?\d{2}"  # CNPJ, also the new form with letters
    r"|(?i:\b(?:cpf|cnpj|rg|i\.?e\.?|cep|pis)\b[\s:.nº°#-]*\d[\d./-]*)"
    r")(?!\w)",
    re.ASCII,
)
_BARE = re.compile(
    r"(?<![\d+@.])(?:\d{3}[ ]?\d{3}[ ]?\d{3}[- ]?\d{2}|(?P<cnpj>\d{12}-?\d{2}))(?![\d@])", re.ASCII
)
_POSTCODE = re.compile(r"\s*\d{2}\.?\d{3}-\d{3}\s*", re.ASCII)
_CPF_WEIGHTS = (11, 10, 9, 8, 7, 6, 5, 4, 3, 2)
_CNPJ_WEIGHTS = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
_MOD = 11


def plain_phone_text(text: str) -> str:
    """Return the text with plain digits, hyphens and spaces, and without invisible characters."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKC", text).translate(_DASHES_AND_SLASHES)
    return "".join(_plain_character(char) for char in plain)


def _plain_character(char: str) -> str:
    if char.isascii():
        return char
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    if category == "Zs":
        return " "
    if category == "Pd":
        return "-"
    digit = unicodedata.digit(char, None) if category in {"Nd", "No"} else None  # No: digits in circles
    return char if digit is None else str(digit)


class PlainText(NamedTuple):
    """A text in the form that the phone rules read, with the position of each character in the original.

    Attributes:
        text: without markup; digits, dashes and spaces are plain, and a run of marks between two digits has
            at most three of them.
        starts, ends: the bounds in the original of each character of `text`.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the bounds in the original of a piece of `text` that has at least one character."""
        return self.starts[start], self.ends[end - 1]


# A mark as an HTML entity.
_ENTITY = (
    r"&(?:amp;)?(?:#0{0,9}\d{1,6}|#[xX]0{0,9}[0-9a-fA-F]{1,5}|[a-zA-Z]{2,24});|&(?:nbsp|shy)(?![a-zA-Z;])"
)
# An HTML tag or comment. With at most seven digits, as in `size="2"`, it contains no number and is replaced.
_TAG = r"</?[a-zA-Z](?:[^<>\d@]{0,60}\d){0,7}[^<>\d@]{0,60}>|<!--[^<>\d@]{0,60}-->"
# A percent-encoded mark: `%20`, `%2D`, `%C2%A0`. Its digits belong to no number.
_ESCAPED = (
    r"%(?:25)?(?:0[9AaDd]|2[0-9A-Fa-f]|3[AaBb]|5[BbDdFf]|7[CcEe])"
    r"|%[C-Fc-f][0-9A-Fa-f](?:%[89ABab][0-9A-Fa-f]){1,3}"
)
_MARKUP = re.compile(rf"{_ENTITY}|{_TAG}|{_ESCAPED}")
_NEW_LINE = re.compile(r"</?(?:br|p|div|li|tr|td|th)\b", re.IGNORECASE)
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# A `+` or a bracket at the start of a number belongs to the number and not to the marks before it.
_MANY_MARKS = re.compile(rf"(?<=\d)[\s{SEPARATORS}{RARE_SEPARATORS}]{{3,}}?(?=(?:\+ ?)?\(?\d)")
_SPACES = re.compile(r"[^\S\n]*\n\s*|[^\S\n]+")
_RARE_MARK = re.compile(rf"(?![{SEPARATORS}])[{RARE_SEPARATORS}]")
_MOST_MARKS = 3


def read_plainly(text: str) -> PlainText:
    """Return the text in plain form.

    HTML and percent encoding are decoded, unusual dashes, spaces and digits become plain ones, and runs of
    marks between digits are shortened.
    """
    plain = PlainText(text, range(len(text)), range(1, len(text) + 1))
    if "&" in text or "<" in text or "%" in text:
        plain = _replace(_MARKUP, _without_markup, plain)
    if not plain.text.isascii():
        plain = _replace(_NOT_ASCII, _plain_form, plain)
    return _replace(_MANY_MARKS, _fewer_marks, plain)


def _replace(pattern: re.Pattern[str], how: Callable[[str], str], plain: PlainText) -> PlainText:
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0

    def keep_until(end: int) -> None:
        parts.append(plain.text[done:end])
        starts.extend(plain.starts[done:end])
        ends.extend(plain.ends[done:end])

    for match in pattern.finditer(plain.text):
        written = how(match[0])
        if written == match[0]:
            continue
        keep_until(match.start())
        parts.append(written)
        starts.extend([plain.starts[match.start()]] * len(written))
        ends.extend([plain.ends[match.end() - 1]] * len(written))
        done = match.end()
    if not parts:
        return plain
    keep_until(len(plain.text))
    return PlainText("".join(parts), starts, ends)


def _without_markup(written: str) -> str:
    """Return the character that a piece of markup shows; for a tag, a space or a newline."""
    if written[0] == "<":
        return "\n" if _NEW_LINE.match(written) else " "
    if written[0] == "%":
        return unquote(unquote(written)) if written[1:3] == "25" else unquote(written)
    return html.unescape(html.unescape(written))


@lru_cache(maxsize=4096)
def _plain_form(char: str) -> str:
    return plain_phone_text(char)


def _fewer_marks(marks: str) -> str:
    """Shorten a run of marks: keep up to three, otherwise return the first rare mark, or one usual mark.

    A rare mark is the best evidence that the digits on both sides are not one number.
    """
    fewer = _SPACES.sub(lambda match: "\n" if "\n" in match[0] else " ", marks)
    if len(fewer) <= _MOST_MARKS:
        return fewer
    if rare := _RARE_MARK.search(fewer):
        return rare[0]
    return "\n" if "\n" in fewer else fewer.strip()[:1]


def without_documents(plain: str) -> str:
    """Return a plain text without the CPFs, CNPJs and postcodes in it.

    Digits without marks are a document if their check digits are right and they do not look like a mobile.
    """
    if _POSTCODE.fullmatch(plain):
        return ""
    return _BARE.sub(_without_bare, _FORMATTED.sub(" ", plain))


def _without_bare(match: re.Match[str]) -> str:
    digits = "".join(char for char in match.group() if char.isdigit())
    is_document = is_cnpj(digits) if match["cnpj"] else is_cpf(digits) and digits[2] != "9"
    return " " if is_document else match.group()


def is_cpf(digits: str) -> bool:
    """Return whether eleven digits are a CPF, whose last two digits are check digits."""
    return len(digits) == len(_CPF_WEIGHTS) + 1 and _has_check_digits(digits, _CPF_WEIGHTS)


def is_cnpj(digits: str) -> bool:
    """Return whether fourteen digits are a CNPJ, whose last two digits are check digits."""
    return len(digits) == len(_CNPJ_WEIGHTS) + 1 and _has_check_digits(digits, _CNPJ_WEIGHTS)


def _has_check_digits(digits: str, weights: tuple[int, ...]) -> bool:
    """Return whether the last two digits are right, and not all digits are the same."""
    for last in (len(weights) - 1, len(weights)):
        used = weights[len(weights) - last :]
        total = sum(int(digit) * weight for digit, weight in zip(digits[:last], used, strict=True))
        if int(digits[last]) != total * 10 % _MOD % 10:
            return False
    return len(set(digits)) > 1
