"""How phone numbers are written: marks, dashes and spaces, and numbers that are documents instead.

What belongs here: the plain form of a written number, and documents (CPF, CNPJ, CEP, RG) that look like one.
What does not: what a number means and whether it is a phone (phones.py).
"""

from __future__ import annotations

import re
import unicodedata

# U+2010 to U+2015 and the minus sign; NFKC makes the full-width and small forms plain hyphens.
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-")

SEPARATORS = r".\-/\\_~*·•()\ufe0f\u20e3"
"""What people put between the digits of one number, beside spaces: the inside of a character class of `re`.

The last two make keycap digits.
"""
RARE_SEPARATORS = (
    r"!-&'*+,:-@\[\]^`{-}\u00a1-\u00bf\u00d7\u00f7\u0300-\u036f\u060c\u061b\u2010-\u2027\u2030-\u205e"
    r"\u2190-\u2bff\u3001-\u303f\u30fb\U0001f000-\U0001faff"
)
"""All other marks, pictures included. They stand between other numbers as well: times, prices, lists."""

_FORMATTED = re.compile(
    r"(?<![\w.])(?:"
    r"\d{3}\.\d{3}\.\d{3}[-./ ]?\d{2}|\d{9}-\d{2}"  # CPF
    r"|[A-Z\d]{2}\.?[A-Z\d]{3}\.?[A-Z\d]{3}/[A-Z\d]{4}[- ]?\d{2}"  # CNPJ, the one with letters too
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
    """Return the text with plain digits, hyphens and spaces, and without marks that show nothing."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKC", text).translate(_DASHES)
    return "".join(_plain_character(char) for char in plain)


def _plain_character(char: str) -> str:
    if char.isascii():
        return char
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    if category == "Zs":
        return " "
    return str(unicodedata.decimal(char)) if category == "Nd" else char


def without_documents(plain: str) -> str:
    """Return a plain text without the CPFs, CNPJs and postcodes in it.

    Digits alone are a document when their check digits are right and they are not written as a mobile number.
    """
    if _POSTCODE.fullmatch(plain):
        return ""
    return _BARE.sub(_without_bare, _FORMATTED.sub(" ", plain))


def _without_bare(match: re.Match[str]) -> str:
    digits = "".join(char for char in match.group() if char.isdigit())
    is_document = is_cnpj(digits) if match["cnpj"] else is_cpf(digits) and digits[2] != "9"
    return " " if is_document else match.group()


def is_cpf(digits: str) -> bool:
    """Whether eleven digits are a CPF: the last two check the others."""
    return len(digits) == len(_CPF_WEIGHTS) + 1 and _checks(digits, _CPF_WEIGHTS)


def is_cnpj(digits: str) -> bool:
    """Whether fourteen digits are a CNPJ: the last two check the others."""
    return len(digits) == len(_CNPJ_WEIGHTS) + 1 and _checks(digits, _CNPJ_WEIGHTS)


def _checks(digits: str, weights: tuple[int, ...]) -> bool:
    for last in (len(weights) - 1, len(weights)):
        used = weights[len(weights) - last :]
        total = sum(int(digit) * weight for digit, weight in zip(digits[:last], used, strict=True))
        if int(digits[last]) != total * 10 % _MOD % 10:
            return False
    return len(set(digits)) > 1
