"""Reading phone numbers as people type them. All variants of one number get the same key.

What belongs here: every rule about numbers: whether a text is a number, area codes, the ninth digit, trunk
and carrier prefixes, several numbers in a field, service numbers, placeholders, foreign numbers, WhatsApp's
LIDs (privacy identifiers). What does not: dashes, marks and documents (phone_texts.py), storing numbers, and
match weights.

The rules for Brazilian numbers are written here; `phonenumbers` is imported only for a foreign number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from whatsapp_pipeline.domain.phone_texts import is_cpf, plain_phone_text, without_documents


class PhoneKind(StrEnum):
    """The kind of a number; `unknown_area` is a Brazilian number written without a usable area code."""

    MOBILE = "mobile"
    FIXED = "fixed"
    SERVICE = "service"
    FOREIGN = "foreign"
    LID = "lid"
    UNKNOWN_AREA = "unknown_area"


@dataclass(frozen=True, slots=True)
class Phone:
    """One number of a field.

    `key` is the same for all variants of a number. It is area code + last 8 digits for Brazil (`4199990000`),
    `xx99990000` without an area code, E.164 for foreign numbers (`+14155550100`), and `lid:…` for LIDs. It is
    None for a number that must match nobody: service numbers, and placeholders such as 99999-9999.

    `e164` is for display and is None if no area code was written. `had_ninth_digit` is None for a number that
    can't have a ninth digit. With a default area code, a number without one gets a full key but keeps the
    kind `unknown_area`, because an assumed area code is weaker evidence than a written one.
    """

    raw: str
    key: str | None
    kind: PhoneKind
    e164: str | None
    had_ninth_digit: bool | None


_AREAS = """
    11 12 13 14 15 16 17 18 19 21 22 24 27 28 31 32 33 34 35 37 38 41 42 43 44 45 46 47 48 49 51 53 54 55
    61 62 63 64 65 66 67 68 69 71 73 74 75 77 79 81 82 83 84 85 86 87 88 89 91 92 93 94 95 96 97 98 99
"""
AREA_CODES = frozenset(_AREAS.split())

# The form of nearly all numbers: [+55] (area) [9]NNNN-NNNN, with a trunk zero and any separators.
_COMMON = re.compile(
    r"\s*(?:(?:\+\s?|00\s?)?55[\s.-]*)?\(?\s?0?([1-9][1-9])\s?\)?[\s.-]*"
    r"(?:(9)[\s.-]?(\d{4})|([2-9]\d{3}))\s?[.-]?\s?(\d{4})\s*",
    re.ASCII,
)
# The next most frequent form: the same without an area code, or with `(xx)` in place of it.
_AREALESS = re.compile(
    r"\s*(?:\(\s?[xX]{2}\s?\)|[xX]{2})?[\s.-]*(?:(9)[\s.-]?(\d{4})|([2-9]\d{3}))\s?[.-]?\s?(\d{4})\s*",
    re.ASCII,
)
_PLACEHOLDERS = frozenset([digit * 8 for digit in "0123456789"] + ["12345678"])
# Prefixes of nationwide service numbers in the numbering plan; area codes 80, 30, 50 and 90 do not exist.
_SERVICE_AREAS = ("800", "300", "303", "500", "900")
# Prefixes of eight-digit numbers that are the same number in every area. A number with a prefix of the second
# list is nationwide even if an area code is written before it.
_NATIONAL_PREFIXES = ("400", "300", "4020", "4370", "4864")
_NATIONAL_IN_ANY_AREA = ("400", "4020")
_LID_DIGITS = 14  # E.164 allows 15 digits, but no country has more than 13 in the phone numbers of people

_MOBILE, _FIXED = PhoneKind.MOBILE, PhoneKind.FIXED


def parse_phones(text: str, *, default_area_code: str | None = None) -> list[Phone]:
    """Read every number of a field, in order; `[]` when there is none. Never raises.

    A number without an area code gets the area code of the number before it in the same field. If there is
    none, it gets `default_area_code` (two digits, such as `"41"`). Without that its area stays unknown.
    """
    common = _COMMON.fullmatch(text)
    if common is not None:
        area, ninth, after_ninth, eight, tail = common.groups()
        if area in AREA_CODES and not (text[0] == "0" and is_cpf(text.strip())):
            return [_brazilian(text, area, ninth is not None, (after_ninth or eight) + tail)]
    arealess = _AREALESS.fullmatch(text)
    if arealess is not None:
        ninth, after_ninth, eight, tail = arealess.groups()
        phone = _without_area(text, (ninth or "") + (after_ninth or eight) + tail, None, default_area_code)
        return [phone] if phone is not None else []
    return _parse_uncommon(text, default_area_code)


_MOST_LOCAL_DIGITS = 11


def local_digits(phone: Phone) -> str | None:
    """Return the last digits of a number, at most 11; None for a LID, and if there are none.

    A Brazilian number is returned without its country code, without an assumed area code, and with the ninth
    digit only if that was written. A number of another country is returned with its country code. A number
    without a key is returned as it was written.
    """
    if phone.kind is PhoneKind.LID:
        return None
    if phone.key is None or phone.kind is PhoneKind.FOREIGN:
        return re.sub(r"\D", "", phone.key or phone.raw).lstrip("0")[-_MOST_LOCAL_DIGITS:] or None
    area = "" if phone.kind is PhoneKind.UNKNOWN_AREA else phone.key[:2]
    return area + ("9" if phone.had_ninth_digit else "") + phone.key[2:]


def parse_phone(text: str, *, default_area_code: str | None = None) -> Phone | None:
    """Read the first number of a field; None when there is none."""
    phones = parse_phones(text, default_area_code=default_area_code)
    return phones[0] if phones else None


# The shape of one number, with an area or country code or without.
_ONE_NUMBER = re.compile(r"(?:\(?\+|00)? ?\(?\d[\d ().\-/]*", re.ASCII)
_SHORTEST, _LONGEST = 8, 13


def is_phone(text: str) -> bool:
    """Return whether the whole text is one phone number, and not a LID, a CPF or a CNPJ."""
    plain = plain_phone_text(text).strip()
    common = _COMMON.fullmatch(plain)  # nearly every number
    if common is not None and common[1] in AREA_CODES and plain[0] != "0":
        return True
    if _ONE_NUMBER.fullmatch(plain) is None:
        return False
    digits = _digits(plain)
    if plain[0] == "+" and not digits.startswith("55"):
        return _SHORTEST <= len(digits) <= _LONGEST
    phones = parse_phones(plain)
    return len(phones) == 1 and phones[0].kind is not PhoneKind.LID


def is_lid(text: str) -> bool:
    """Return whether the whole text is one LID, with or without its server name."""
    plain = plain_phone_text(text).strip()
    if len(plain) < _LID_DIGITS:
        return False
    match = _JID.fullmatch(plain)
    if match is not None:
        return match[2].endswith("lid")
    if _ONE_NUMBER.fullmatch(plain) is None or len(_digits(plain)) < _LID_DIGITS:
        return False
    return [phone.kind for phone in parse_phones(plain)] == [PhoneKind.LID]


def without_mobile_prefix(digits: str) -> str:
    """Return international digits without a mobile prefix: Mexico's 521 becomes 52, Argentina's 549 54."""
    return digits[:2] + digits[3:] if len(digits) == 13 and digits.startswith(("521", "549")) else digits


def _digits(text: str) -> str:
    return "".join(char for char in text if "0" <= char <= "9")


def _brazilian(raw: str, area: str, had_ninth: bool, last8: str) -> Phone:
    """Build a number whose area code is valid."""
    if last8 in _PLACEHOLDERS:
        return Phone(raw, None, _MOBILE if had_ninth or last8[0] > "5" else _FIXED, None, None)
    if had_ninth:
        return Phone(raw, area + last8, _MOBILE, f"+55{area}9{last8}", True)
    if last8[0] > "5":
        return Phone(raw, area + last8, _MOBILE, f"+55{area}9{last8}", False)
    if last8.startswith(_NATIONAL_IN_ANY_AREA):
        return Phone(raw, None, PhoneKind.SERVICE, None, None)
    return Phone(raw, area + last8, _FIXED, f"+55{area}{last8}", None)


# From here on: fields with several numbers, words, missing area codes or foreign numbers.

_EXTENSION = re.compile(r"\b(?:ramal|ram|ext|extens[aã]o|r)\b\s*[.:]?\s*\d{1,5}\b", re.IGNORECASE)
_JID = re.compile(r"\+?(\d{6,20})(?:[.:_]\d+)*@((?:hosted\.)?lid|hosted|s\.whatsapp\.net|c\.us)\b", re.ASCII)
_OTHER_JID = re.compile(r"[\w.-]@(?:g\.us|broadcast|newsletter|bot|call)\b")
# In `(0xx11)` the xx stands for a carrier and the area code follows. In `(xx) 9…` the area code is unknown.
_CARRIER_XX = re.compile(r"0\s?[xX*]{2}\s?(?=\d\d(?:\D|9?\d{8}))|\([xX]{2}\s?(?=\d\d\s?\))")
_UNKNOWN_AREA = re.compile(r"\(\s*(?:[xX?*_#-]{1,3}|000?|)\s*\)|(?<![A-Za-z])[xX]{2}(?=[\s.-]*\d)")
# A bracket begins another number only after the last four digits of a number: `+1 (415) …` is one number.
_SEPARATOR = re.compile(
    r"[/;,|&\n\t]|\s(?:e|ou|or|and)\s|(?<=\d)\s*(?=\+)|(?<=\d{4})(?<!\+\d{4})(?<!0055)\s*(?=\(\s*0?\d\d)"
)
# A part that is only a country code, or a country code and an area code; the next part belongs to it.
_COUNTRY_CODE = re.compile(r"[^\d+]*(?:\+|00)\s?\(?(?:\d[\s().-]*){1,6}", re.ASCII)
_CHUNK = re.compile(r"[+(]{0,2}\s?~?\d[\d\s().\-~]*\d|\d")
# Several numbers with only spaces between them.
_SEVERAL = re.compile(
    r"(?:\+?55[\s.-]*)?(?:\(?0?[1-9]{2}\)?[\s.-]*)?(?<!\d\d\d)(?:9[\s.-]?\d{4}|[2-9]\d{3})[\s.-]?\d{4}(?!\d)"
)
_UNKNOWN_MARK = "~"
# The form of the United States and Canada without the country code; no Brazilian area code has three digits.
_NORTH_AMERICAN = re.compile(r"\([2-9]\d\d\)[\s.-]?\d{3}[\s.-]\d{4}", re.ASCII)


def _parse_uncommon(text: str, default_area_code: str | None) -> list[Phone]:
    if not any(char.isdigit() for char in text):
        return []
    clean = plain_phone_text(text)
    if jid := _JID.search(clean):
        digits, server = jid.groups()
        found = [_lid(text, digits)] if server.endswith("lid") else parse_phones("+" + digits)
        return [replace(phone, raw=text) for phone in found]
    if _OTHER_JID.search(clean):
        return []
    clean = _EXTENSION.sub(" ", without_documents(clean))
    clean = _CARRIER_XX.sub("0", clean)
    clean = _UNKNOWN_AREA.sub(_UNKNOWN_MARK, clean)
    phones: list[Phone] = []
    inherited: str | None = None
    for part in _parts(clean):
        for chunk in _chunks(part):
            phone = _shorthand(chunk, phones) or _parse_chunk(chunk, inherited, default_area_code)
            if phone is None:
                continue
            phones.append(phone)
            if phone.kind in (_MOBILE, _FIXED) and phone.key is not None:
                inherited = phone.key[:2]
    # `raw` is the whole field if it has only one number, otherwise the chunk that the number was read from.
    return [replace(phones[0], raw=text)] if len(phones) == 1 else phones


def _parts(clean: str) -> list[str]:
    """Split a field at the separators between numbers, but not after a country code."""
    parts: list[str] = []
    for part in _SEPARATOR.split(clean):
        joined = f"{parts[-1]} {part}" if parts and _COUNTRY_CODE.fullmatch(parts[-1]) else ""
        if joined and len(_digits(joined)) <= _LONGEST:
            parts[-1] = joined
        else:
            parts.append(part)
    return parts


def _chunks(part: str) -> list[str]:
    """Split a part into chunks with one number each."""
    chunks = [match.group().strip() for match in _CHUNK.finditer(part)]
    out: list[str] = []
    for chunk in chunks:
        if sum(char.isdigit() for char in chunk) >= 16:
            out += [match.group().strip() for match in _SEVERAL.finditer(chunk)] or [chunk]
        else:
            out.append(chunk)
    return out


def _shorthand(chunk: str, before: list[Phone]) -> Phone | None:
    """Read four digits that replace the last four of the number before them, as in `3333-4444/5555`."""
    if not before or len(chunk) != 4 or not chunk.isdigit():
        return None
    model = before[-1]
    if model.kind not in (_MOBILE, _FIXED) or model.key is None:
        return None
    return _brazilian(chunk, model.key[:2], bool(model.had_ninth_digit), model.key[2:6] + chunk)


def _parse_chunk(chunk: str, inherited: str | None, default_area_code: str | None) -> Phone | None:
    """Parse one number; None if the chunk is not a number.

    `inherited` is the area code of the number before it in the field.
    """
    digits = _digits(chunk)
    if len(digits) < 8:
        return None
    if len(set(digits)) == 1 or _NORTH_AMERICAN.fullmatch(chunk):
        return Phone(chunk, None, PhoneKind.UNKNOWN_AREA, None, None)
    plus = chunk.lstrip("( ").startswith("+")
    if not plus and digits.startswith("00") and _is_dialled_abroad(digits):
        plus, digits = True, digits[2:]
    if plus and not digits.startswith("55"):
        return _foreign(chunk, digits, certain=True)
    return _brazilian_or_unusual(chunk, digits, plus, inherited, default_area_code)


def _brazilian_or_unusual(
    chunk: str, digits: str, plus: bool, inherited: str | None, default_area_code: str | None
) -> Phone | None:
    """Parse a number that is not certainly foreign."""
    national = _national(digits, plus)
    if len(national) in (9, 10) and national.startswith(_SERVICE_AREAS) and _UNKNOWN_MARK not in chunk:
        return Phone(chunk, None, PhoneKind.SERVICE, None, None)
    if _UNKNOWN_MARK not in chunk and (phone := _with_area(chunk, national)) is not None:
        return phone
    if len(national) in (8, 9):
        return _without_area(chunk, national, inherited, default_area_code)
    return _unusual(chunk, digits, national, plus)


def _unusual(chunk: str, digits: str, national: str, plus: bool) -> Phone | None:
    """Read a number that does not have the form of a Brazilian number."""
    if len(digits) >= _LID_DIGITS:
        return _lid(chunk, digits)
    if len(national) in (10, 11) and (plus or len(digits) < 11):
        # A Brazilian number whose area code does not exist; its last digits may still be right.
        return _without_area(chunk, national[-9:] if len(national) == 11 else national[-8:], None, None)
    return None if plus else _foreign(chunk, digits, certain=False)


def _is_dialled_abroad(digits: str) -> bool:
    """Return whether a leading `00` is the international prefix, and not a missing area code."""
    return not (len(digits) in (10, 11) and digits[2] in "23456789") or digits.startswith("0055")


def _national(digits: str, plus: bool) -> str:
    """Return the area code and number, without country, trunk and carrier prefixes."""
    if digits.startswith("55") and (plus or len(digits) in (12, 13) or digits.startswith("550")):
        digits = digits[2:]
    if not digits.startswith("0"):
        return digits
    rest = digits.lstrip("0")
    # 0 + carrier + area + number. The carrier is removed only after a trunk zero, so no plain number is cut.
    return rest[2:] if len(rest) in (12, 13) and rest[2:4] in AREA_CODES else rest


def _with_area(chunk: str, national: str) -> Phone | None:
    area, number = national[:2], national[2:]
    if area not in AREA_CODES or len(number) not in (8, 9):
        return None
    if len(number) == 9:
        return _brazilian(chunk, area, True, number[1:]) if number[0] == "9" else None
    return _brazilian(chunk, area, False, number) if number[0] >= "2" else None


def _without_area(chunk: str, number: str, inherited: str | None, default: str | None) -> Phone | None:
    if len(number) == 9 and number[0] not in "9":
        return None
    last8, had_ninth = number[-8:], len(number) == 9
    if last8 in _PLACEHOLDERS or (not had_ninth and last8[0] in "01"):
        return Phone(chunk, None, PhoneKind.UNKNOWN_AREA, None, None)
    if not had_ninth and last8.startswith(_NATIONAL_PREFIXES):
        return Phone(chunk, None, PhoneKind.SERVICE, None, None)
    if inherited is not None:
        return _brazilian(chunk, inherited, had_ninth, last8)
    ninth = had_ninth if had_ninth or last8[0] > "5" else None
    return Phone(chunk, (default or "xx") + last8, PhoneKind.UNKNOWN_AREA, None, ninth)


def _lid(raw: str, digits: str) -> Phone:
    return Phone(raw, f"lid:{digits}", PhoneKind.LID, None, None)


def _foreign(raw: str, digits: str, *, certain: bool) -> Phone | None:
    """Read a number of another country; `certain` when it was written with its country code."""
    import phonenumbers

    is_grouped = re.search(r"\d[^\d]+\d", raw) is not None  # a LID is always written without separators
    if len(digits) > _LID_DIGITS or (len(digits) == _LID_DIGITS and not is_grouped):
        return _lid(raw, digits)
    certain = certain and len(digits) < _LID_DIGITS
    try:
        number = phonenumbers.parse("+" + without_mobile_prefix(digits), None)
    except phonenumbers.NumberParseException:
        number = None
    if number is not None and len(set(digits[-8:])) > 1:
        is_right = phonenumbers.is_possible_number if certain else phonenumbers.is_valid_number
        if is_right(number):
            written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            e164 = "+" + without_mobile_prefix(written[1:])
            return Phone(raw, e164, PhoneKind.FOREIGN, e164, None)
    if len(digits) == _LID_DIGITS:
        return _lid(raw, digits)
    return Phone(raw, None, PhoneKind.FOREIGN, None, None) if certain else None
