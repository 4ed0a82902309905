"""The parts of a chat's title: a phone, a name, an order, a device.

What belongs here: reading file names and titles. What does not: cleaning a name for comparison
(domain/matching/names/) and what numbers mean (domain/phones.py).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime

from whatsapp_pipeline.domain.phone_texts import plain_phone_text, without_documents
from whatsapp_pipeline.domain.phones import Phone, is_lid, parse_phone
from whatsapp_pipeline.domain.vocabulary import find_devices, find_title_words, fold_ascii


@dataclass(frozen=True, slots=True)
class FileName:
    """The parts of `WhatsApp - 2025-01-05 10 00 00 - <title>.txt`; the time is not that of a message."""

    time: datetime
    title: str


@dataclass(frozen=True, slots=True)
class Title:
    """A title's parts. `name` is the rest, which names a person or company, as written; None if it is empty.

    WhatsApp's own identifiers (a privacy identifier, or the base64 identifier of an unsaved contact) are
    neither a phone nor a name: such a title has only its raw text. `is_cut`: the label was long, and the
    export cut it.
    """

    raw: str
    phone: Phone | None
    name: str | None
    order_reference: str | None
    devices: tuple[str, ...]
    is_cut: bool = False


_FILE_NAME = re.compile(
    r"WhatsApp\s+-\s+(\d{4})-(\d\d)-(\d\d)[ T_]+(\d\d)[ ._:-](\d\d)[ ._:-](\d\d)\s+-\s+(.*?)"
    r"(?:\.(?:txt|zip))?",
    re.IGNORECASE | re.DOTALL,
)

# "OS 30123" in all its forms. After a clear label (O.S., OS:, OS#, nº, ordem de serviço) short numbers are
# accepted, too. A bare "os" is also Portuguese for "the", so at least four digits that are not a year must
# follow. The same holds for words such as "sua OS é 31930" and "os de número 31930". The expression begins
# with a letter, and the look-behind follows it. So the search is as fast as finding an "o", which matters
# because every message is searched.
_ORDER = re.compile(
    r"""(?-i:[oO]) (?<![^\W_].) (?:
        (?: \.\s?s\.? | rdem(?:\s+de\s+servi[cç]o)?
          | s (?= \s?[:\#=] | \s?-\s?\d | \s+n[uú]?m?(?:ero)?[ºo°.] ) )
        \s* [:\#=.-]* \s* (?: n (?: [uú]m(?:ero)? | [ºo°] )? [.:º°]* \s* )? [:\#]? \s*
        (\d{1,3}\.\d{3}|\d{2,8})
      | s \s? (\d{4,8})
      | s \s (\d{3})
      | (?: s | \.\s?s\.? | rdem\s+de\s+servi[cç]o ) (?: [\s:*-]+
          (?: (?:é|eh) (?:\s+[ao])? (?:\s+n[uú]mero)?
            | (?:de\s+)? n (?: [uú]m(?:ero)? | ro? | [ºo°] )? (?:\s+(?:é|eh))? )
        | \* ) [\s.:º°*]* (\d{4,8})
      ) (?![\d]|[.,]\d|-(?!20\d\d\b)\d{4}\b|[^\W\d_]|\s?(?:%|reais|real|dias|horas|anos|mil\b))
      | \# (?<![\w&].) \s? (\d{4,8}) (?!\w)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
ORDER_EXPRESSION = (
    r"(?i)(?:^|[^a-z0-9])o(?:\.?[\s\x1c-\x1f]?s|rdem)[\s\x1c-\x1f:\#=.*º°\-a-zúéçıİſ]*(?:\d\d|\d\.\d)"
    r"|\#[\s\x1c-\x1f]?\d{4}"
)
"""An expression for polars (Rust's regex) that every text with an order number matches."""
_YEAR = re.compile(r"(?:19|20)\d\d")

_OPAQUE = re.compile(r"[A-Za-z0-9+/]{8,}={1,2}")
_PHONE_ONLY = re.compile(r"[+\d\s().xX\-~]+", re.ASCII)
# The address of any chat in WhatsApp: a person's phone or LID, a group, a channel, a list.
_ADDRESS = re.compile(
    r"[+\w.:-]+@(?:(?:hosted\.)?lid|hosted|s\.whatsapp\.net|c\.us|g\.us|broadcast|newsletter|bot|call)"
)
# A number among words. It must have an area code or a country code, because otherwise it may be a price or a
# document.
_PHONE_INSIDE = re.compile(
    r"(?<![\w.])(?:\+\d[\d\s().\-]{8,}\d|(?:55[\s.-]?)?\(?0?[1-9]{2}\)?[\s.-]*9?[\s.-]?\d{4}[\s.-]?\d{4})(?![\w])"
)
_COPY_SUFFIX = re.compile(r"\s*\(\d{1,3}\)\s*$")
_EDGE = re.compile(r"^[\s\-–—_,.;:#/|*]+|[\s\-–—_,.;:#/|*]+$")


def parse_file_name(name: str) -> FileName | None:
    """Parse the name of an archive file.

    None if the name does not have the archive's form, or its time does not exist.
    """
    match = _FILE_NAME.fullmatch(unicodedata.normalize("NFC", name).strip())
    if match is None:
        return None
    *numbers, title = match.groups()
    try:
        time = datetime(*map(int, numbers))  # type: ignore[arg-type]  # six integers, which mypy can't count
    except ValueError:
        return None
    return FileName(time, title.strip())


def parse_title(title: str, *, default_area_code: str | None = None) -> Title:
    """Parse a chat's title. It never raises. A title without recognised parts has only its raw text."""
    text = unicodedata.normalize("NFC", title).strip()
    if _OPAQUE.fullmatch(text):
        return Title(title, None, None, None, ())
    is_cut = text.endswith("-") and len(text) > 20
    text = _COPY_SUFFIX.sub("", text.removesuffix("-").rstrip() if is_cut else text)
    plain = plain_phone_text(text).strip()
    if is_lid(plain):
        return Title(title, None, None, None, (), is_cut=is_cut)
    is_address = _ADDRESS.fullmatch(plain) is not None
    if is_address or _PHONE_ONLY.fullmatch(plain):
        phone = parse_phone(plain, default_area_code=default_area_code)
        if is_address or phone is not None:
            phone = phone if phone is None else replace(phone, raw=text)
            return Title(title, phone, None, None, (), is_cut=is_cut)
    orders = find_order_numbers(text)
    rest = _ORDER.sub(" ", text) if orders else text
    phone, rest = _phone_inside(rest, default_area_code)
    return Title(
        title, phone, _name(rest), orders[0] if orders else None, tuple(find_devices(rest)), is_cut=is_cut
    )


def _phone_inside(text: str, default_area_code: str | None) -> tuple[Phone | None, str]:
    """Return the phone among a title's words, and the title without it."""
    plain = plain_phone_text(text)
    rest = without_documents(plain)
    inside = _PHONE_INSIDE.search(rest)
    phone = parse_phone(inside.group(), default_area_code=default_area_code) if inside else None
    if inside is None or phone is None:
        return None, text if rest == plain else rest
    return phone, f"{rest[: inside.start()]} {rest[inside.end() :]}"


def find_order_numbers(text: str) -> list[str]:
    """Return the order numbers that `text` has explicitly (`OS 30123` → `["30123"]`), each once.

    The numbers consist of digits, without leading zeros and without thousands separators.
    """
    found: dict[str, None] = {}
    for match in _ORDER.finditer(text):
        strong, bare, capital, worded, sharp = match.groups()
        number = (strong or bare or capital or worded or sharp).replace(".", "").lstrip("0")
        if _YEAR.fullmatch(bare or worded or ""):
            continue
        if capital is not None and not match.group().lstrip().startswith("OS"):
            continue
        if number:
            found[number] = None
    return list(found)


def _name(text: str) -> str | None:
    """Return a title without words of devices and work, and without ornaments; None if no letter is left."""
    plain = "".join(
        " " if unicodedata.category(char) in ("So", "Sk", "Cf", "Cs", "Co", "Cn") or char in "️" else char
        for char in text
    )
    folded = fold_ascii(plain)
    if len(folded) == len(plain):  # spans are valid in both texts only if folding kept every character
        for start, end in reversed(find_title_words(folded)):
            plain = plain[:start] + " " + plain[end:]
    name = _EDGE.sub("", " ".join(plain.split()))
    name = re.sub(r"\s+\d{1,3}$", "", name)  # remove the rest of a model number: "Ana iphone 11"
    return name if any(char.isalpha() for char in name) else None
