"""Hiding phones, e-mail addresses and document numbers in free text.

What belongs here: finding phones, e-mail addresses, CPFs, CNPJs and RGs in a text, and replacing each by a
word. What does not: the written forms of numbers and documents (phone_texts.py), the rules for phones
(phones.py), masks that keep the form of a value (masking.py), and names, which no rule can find.

Postcodes, dates, prices, order numbers and serial numbers stay, because readers of the text need them. A
number that is written in words is not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from whatsapp_pipeline.domain.phone_texts import (
    RARE_SEPARATORS,
    SEPARATORS,
    is_cnpj,
    is_cpf,
    plain_phone_text,
    read_plainly,
)
from whatsapp_pipeline.domain.phones import Phone, PhoneKind, parse_phones

PHONE, EMAIL, CPF, CNPJ, RG = "[telefone]", "[e-mail]", "[CPF]", "[CNPJ]", "[RG]"

Found: TypeAlias = tuple[int, int, str]
"""The bounds of a hidden value in the plain text, and the word that replaces it."""

# The characters that people write between the digits of a number. Rare marks and newlines also occur between
# different numbers. So digits with one of them are hidden only if they are a mobile number without a carrier
# code. A number without an area code contains no newline.
_MARK: Final = rf"[ \t{SEPARATORS}]"
_ANY_MARK: Final = rf"[ \t{SEPARATORS}{RARE_SEPARATORS}]"
_MARK_OR_LINE: Final = rf"[\s{SEPARATORS}{RARE_SEPARATORS}]"
_RARE_MARK: Final = re.compile(rf"(?![{SEPARATORS}])[\n\r{RARE_SEPARATORS}]")
_JID: Final = re.compile(r"\+?\d{6,20}(?:[.:_]\d+)*@(?:s\.whatsapp\.net|c\.us|(?:hosted\.)?lid|hosted)\b")
_EMAIL: Final = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_CNPJ: Final = re.compile(
    r"(?<![\w.])[A-Z\d]{2}\.?[A-Z\d]{3}\.?[A-Z\d]{3}/[A-Z\d]{4}[- ]?\d{2}(?!\w)"
    r"|(?<!\d)\d{12}-?\d{2}(?!\d)",
    re.ASCII,
)
_CPF: Final = re.compile(
    r"(?<![\d.])(?:\d{3}\.\d{3}\.\d{3}[-./ ]?\d{2}|\d{9}-\d{2})(?!\d)"
    r"|(?<!\d)\d{3} ?\d{3} ?\d{3}[- ]?\d{2}(?!\d)",
    re.ASCII,
)
_RG: Final = re.compile(r"(?<![\d.])\d{1,2}\.\d{3}\.\d{3}-[\dXx](?!\w)", re.ASCII)
_NAMED: Final = re.compile(r"\b(cpf|cnpj|rg)\b([\s:.nº°#-]{0,6})(\d[\d./ -]{4,18}\d)(?!\d)", re.IGNORECASE)

# A number with an area code: [+55] [0][carrier] (41) [9] NNNN NNNN, with or without marks between the parts.
_WITH_AREA: Final = re.compile(
    rf"(?<!\d)(?<!\d[:,])(?:(?:\+ ?|00 ?)?55{_ANY_MARK}{{0,3}})?\(?0?(?:[xX]{{2}} ?)?"
    rf"(?:(?<![a-zA-Zà-ú])\d\d{_MARK}{{1,2}})??"
    rf"[1-9][1-9]{_MARK_OR_LINE}{{0,3}}(?:9{_MARK_OR_LINE}{{0,3}})?\d{{4}}{_MARK_OR_LINE}{{0,3}}\d{{4}}(?!\d)"
)
_ABROAD: Final = re.compile(
    rf"(?:\+|(?<!\d)(?<!\d[ .\-/])00){_MARK}{{0,2}}\d(?:{_MARK}{{0,3}}\d){{7,14}}(?!\d)"
)
# A run of digit groups with any marks between them, as in `4 1 9 9 …`. Some groups may form one number.
_RUN: Final = re.compile(rf"\d(?:{_MARK_OR_LINE}{{0,3}}\d){{9,}}")
_GROUP: Final = re.compile(r"\d+")
_MOST = 15
# The forms that a mobile number can have. They are checked first, because a message full of single digits has
# thousands of candidates and reading each one would be slow.
_MOBILE_SHAPE: Final = re.compile(r"(?:00)?(?:55)?0?(?:\d\d)?[1-9][1-9]9\d{8}")
_PLAIN_MOBILE_SHAPE: Final = re.compile(r"(?:55)?[1-9][1-9]9\d{8}")
# A number without an area code: 9NNNN-NNNN or NNNN-NNNN, in the usual groups of digits.
_WITHOUT_AREA: Final = re.compile(
    rf"(?<!\d)(?<!\d[.,/])(?:(?:\([xX]{{2}}\) ?)?9[ .]?\d{{4}}{_ANY_MARK}{{0,3}}\d{{4}}|[2-9]\d{{3}}-\d{{4}}"
    r"|(?<!\d )[2-9]\d{3}[ .]?\d{4}(?![ .-]?\d))(?!\d)(?!,\d\d(?!\d))"
)
# A landline without an area code after an order number or a serial number: `OS 30123 3333 0000`.
_BEHIND_AN_ORDER: Final = re.compile(
    r"((?<![a-zà-ú])(?:(?:os|o\.s\.|ordem|pedido|or[çc]amento|nota|protocolo)\W{0,3}(?:n[º°o.]{0,2}\W{0,2})?\d{1,7}"
    r"|(?:s[ée]rie|serial|s/n|modelo)\W{1,3}(?=\w*[a-z])\w{2,15})[ ,;:]{1,3})"
    r"([2-5]\d{3}[ .]?\d{4})(?![ .,]?\d)",
    re.IGNORECASE,
)
# After an area code in brackets the digits are a landline, with any marks between them.
_BRACKETED: Final = re.compile(
    rf"\(0?[1-9][1-9]\){_ANY_MARK}{{0,3}}[2-5]\d{{3}}{_ANY_MARK}{{0,3}}\d{{4}}(?!\d)"
)
# After such a word, in a WhatsApp link and in a mention, every number of this length is a phone.
_AFTER_A_WORD: Final = re.compile(
    rf"((?:\b|_)(?:tel|telefone|fone|phone|cel|celular|whats|whatsapp|wpp|zap|wa_?id)"
    r"(?:[ :.=_-]{0,4}|(?=[(\d]))|\bwa\.me/(?:c/)?|(?<![\w.])@(?=\d{10}))"
    rf"(\(?\d(?:{_MARK}{{0,3}}\d){{7,14}})(?!\d)",
    re.IGNORECASE,
)
_ORDER: Final = r"(?:pedido|os|o\.s\.|ordem|or[çc]amento)"
_THING: Final = (
    r"(?:s[ée]rie|serial|[sn][./]?[ns]|imei|tag|protocolo|nf-?e?|nota|chave|c[óo]d(?:igo)?|patrim[ôo]nio|lote|modelo|ref"
    r"|boleto|cep|r\$)"
)
_NUMBER_SIGN: Final = r"\W{0,3}(?:n[º°o.]{0,2}\W{0,2})?$"
_ORDER_BEFORE: Final = re.compile(rf"(?<![a-zà-ú]){_ORDER}{_NUMBER_SIGN}", re.IGNORECASE)
_THING_BEFORE: Final = re.compile(rf"(?<![a-zà-ú]){_THING}{_NUMBER_SIGN}", re.IGNORECASE)
_LONGEST_ORDER_NUMBER: Final = 8  # digits, as in titles
_BETWEEN_DIGITS: Final = re.compile(r"(?<=\d)[ ().\-/]+(?=\d)")
_ODD_MARK: Final = re.compile(r"[^\dxX ().\-]")
_NUMBER_OF_A_YEAR: Final = re.compile(r"\d+/(?:19|20)\d\d")
_YEARS: Final = re.compile(r"(?:19|20)\d\d[ .-](?:19|20)\d\d")
# Dates, times and prices. None of their digits belongs to a phone.
_NO_PHONE: Final = re.compile(
    r"(?<![\d./-])(?:0?[1-9]|[12]\d|3[01])([./-])(?:0?[1-9]|1[0-2])\1(?:19|20)\d\d(?![./-]?\d)"
    r"|(?<![\d./-])(?:19|20)\d\d([./-])(?:0[1-9]|1[0-2])\2(?:0[1-9]|[12]\d|3[01])(?!\d)"
    r"|(?<![\d:])(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?![\d:])"
    r"|(?<![\d.,])\d{1,3}(?:\.\d{3})*,\d\d(?![\d,])"
)
# Replacements for these digits, so that no rule matches them. No text contains the replacement characters.
_HIDE_DIGITS: Final = {ord("0") + digit: 0xFDD0 + digit for digit in range(10)}
_SHOW_DIGITS: Final = {hidden: digit for digit, hidden in _HIDE_DIGITS.items()}
_DAY: Final = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")


# A text without these characters and with fewer digits than the shortest document has nothing to hide.
_MAY_BE_HIDDEN: Final = re.compile("[@/&%＠﹫／]")
_FEWEST_DIGITS: Final = 6
_FOUND: Final = "\ufdda"  # replaces each character of a found value, so that no later rule matches it


def hide_personal(text: str, *, keep: str = "") -> str:
    """Return the text with each phone, e-mail address, CPF, CNPJ and RG replaced by a word for its kind.

    Values that are also in `keep`, such as the shop's own number, stay. The rest of the text does not change.
    """
    if _MAY_BE_HIDDEN.search(text) is None and sum(map(str.isdigit, text)) < _FEWEST_DIGITS:
        return text
    plain = read_plainly(text)
    known = _BETWEEN_DIGITS.sub("", plain_phone_text(keep)).lower()
    shown, done = "", 0
    for start, end, word in sorted(_find(plain.text.translate(_SHOW_DIGITS), known)):
        begin, stop = plain.original(start, end)
        shown, done = shown + text[done:begin] + word, stop
    return shown + text[done:]


def _find(plain: str, known: str) -> list[Found]:
    """Apply the rules in order; a rule does not see what an earlier rule found."""
    left = _NO_PHONE.sub(lambda match: match[0].translate(_HIDE_DIGITS), plain)
    found: list[Found] = []
    for pattern, rule in _RULES:
        new = [one for match in pattern.finditer(left) if not _is_in(match[0], known) for one in rule(match)]
        for start, end, _ in new:
            left = left[:start] + _FOUND * (end - start) + left[end:]
        found += new
    return found


def _is_in(found: str, known: str) -> bool:
    """Return whether `known` contains an address, or the last eight digits of a number."""
    if not known:
        return False
    digits = _digits(found)
    return found.lower() in known if "@" in found else len(digits) >= 8 and digits[-8:] in known


def _is_cnpj(match: re.Match[str]) -> bool:
    return "/" in match[0] or is_cnpj(_digits(match[0]))


def _is_cpf(match: re.Match[str]) -> bool:
    written = match[0]
    digits = _digits(written)
    formatted = "." in written or re.fullmatch(r"\d{9}-\d{2}", written) is not None
    # Eleven digits without marks that are also a mobile number are left to the rule for phones.
    return formatted or (is_cpf(digits) and not any(map(_is_mobile, parse_phones(digits))))


def _is_with_area(match: re.Match[str]) -> bool:
    """Return whether a number with an area code is a phone.

    A mobile always is. A landline is, unless the text around it shows another kind of number.
    """
    phones = parse_phones(match[0]) + parse_phones(_digits(match[0]))
    if any(_is_mobile(phone) for phone in phones):
        return True
    if _RARE_MARK.search(match[0]):
        return False
    if match.string[max(0, match.start() - 1) : match.start()].isalpha():
        return False  # the area code ends another number, such as `X12`; later rules check the rest alone
    kinds = {phone.kind for phone in phones if phone.key}
    return bool(kinds & {PhoneKind.FIXED, PhoneKind.MOBILE}) and not _is_something_else(match)


def _has_country_code(match: re.Match[str]) -> bool:
    """Return whether a number is Brazilian with its country code. `_ABROAD` would find only a part of it."""
    return match[0].startswith(("+", "00")) and _is_with_area(match)


def _is_abroad(match: re.Match[str]) -> bool:
    return match[0].startswith("+") or any(phone.key for phone in parse_phones(match[0]))


def _find_spread(match: re.Match[str]) -> Iterator[Found]:
    """Yield the mobile numbers with an area code that neighbouring groups of a run form together."""
    run, begin = match[0], match.start()
    groups = [(group.start(), group.end()) for group in _GROUP.finditer(run)]
    first = 0
    while first < len(groups):
        last = _end_of_mobile(run, groups, first)
        if last is not None:
            yield begin + groups[first][0], begin + groups[last][1], PHONE
        first = first + 1 if last is None else last + 1


def _end_of_mobile(run: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """Return the index of the last group if the groups from `first` to it are one mobile number, or None."""
    digits = ""
    for last in range(first, len(groups)):
        digits += run[slice(*groups[last])]
        if len(digits) > _MOST:
            return None
        written = run[groups[first][0] : groups[last][1]]
        shape = _PLAIN_MOBILE_SHAPE if _RARE_MARK.search(written) else _MOBILE_SHAPE
        if shape.fullmatch(digits) and any(_is_mobile(phone) for phone in parse_phones(digits)):
            return last
    return None


def _is_without_area(match: re.Match[str]) -> bool:
    written = match[0]
    if any(one.fullmatch(written) for one in (_YEARS, _DAY, _NUMBER_OF_A_YEAR)):
        return False
    number = _digits(written) if _ODD_MARK.search(written) else written
    if not any(phone.key for phone in parse_phones(number)):
        return False
    return not _is_something_else(match)


def _is_mobile(phone: Phone) -> bool:
    return phone.kind is PhoneKind.MOBILE and phone.had_ninth_digit is True


def _is_something_else(match: re.Match[str]) -> bool:
    """Return whether letters touch a number, or a word for an order, a serial or a price precedes it."""
    text, start, end = match.string, match.start(), match.end()
    before, after = text[max(0, start - 30) : start], text[end : end + 1]
    is_named = _THING_BEFORE.search(before) is not None
    if not match[0].isdecimal():
        # Two groups of four digits may also be a serial number. An area code or a ninth digit shows a phone.
        return is_named and len(_digits(match[0])) == _LONGEST_ORDER_NUMBER
    if before[-1:].isalpha() or after.isalpha() or is_named:
        return True
    return len(match[0]) <= _LONGEST_ORDER_NUMBER and _ORDER_BEFORE.search(before) is not None


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdecimal())


def _part(
    word: str | None = PHONE, *, group: int = 0, where: Callable[[re.Match[str]], bool] = lambda _: True
) -> Callable[[re.Match[str]], Iterable[Found]]:
    """Return the rule that hides one group of each match.

    With `word` None the replacement is the word in the text, such as `[CPF]` for `cpf`.
    """

    def rule(match: re.Match[str]) -> Iterator[Found]:
        if where(match):
            yield *match.span(group), word or f"[{match[1].upper()}]"

    return rule


_RULES: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Iterable[Found]]], ...]] = (
    (_JID, _part()),
    (_EMAIL, _part(EMAIL)),
    (_NAMED, _part(None, group=3)),
    (_CNPJ, _part(CNPJ, where=_is_cnpj)),
    (_CPF, _part(CPF, where=_is_cpf)),
    (_RG, _part(RG)),
    (_BRACKETED, _part()),
    (_WITH_AREA, _part(where=_has_country_code)),
    (_ABROAD, _part(where=_is_abroad)),
    (_WITH_AREA, _part(where=_is_with_area)),
    (_RUN, _find_spread),
    (_AFTER_A_WORD, _part(group=2)),
    (_BEHIND_AN_ORDER, _part(group=2)),
    (_WITHOUT_AREA, _part(where=_is_without_area)),
)
