"""Two hundred spellings of invented numbers by kind, read by our rule and by libphonenumber alone.

What belongs here: how right the rule is on each kind, and that no foreign number passes for a Brazilian one.
What does not: single hard cases (test_phones.py).

Brazilian numbers come from the project's generator, foreign ones from libphonenumber's examples.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

import phonenumbers
import pytest

from whatsapp_pipeline.domain.phones import AREA_CODES, PhoneKind, parse_phones
from whatsapp_pipeline.sandbox import numbers

PER_SHAPE = 6


class Spelling(NamedTuple):
    """A text, the kind it stands for, and the keys that it must give ([]: no number to match by)."""

    kind: str
    text: str
    keys: list[str]


def _key(national: str) -> str:
    """Return area code and last eight digits of a generated number."""
    return national[:2] + national[-8:]


# How each kind writes a national number, given its area code, the first digits and the last four.
MOBILES: dict[str, Callable[[str, str, str], str]] = {
    "as WhatsApp writes it": lambda area, first, last: f"+55 {area} {first}-{last}",
    "in brackets": lambda area, first, last: f"({area}) {first}-{last}",
    "with a trunk zero": lambda area, first, last: f"(0{area}) {first}-{last}",
    "with a carrier": lambda area, first, last: f"0 15 {area} {first}-{last}",
    "with 00 55": lambda area, first, last: f"00 55 {area} {first}{last}",
    "digits only": lambda area, first, last: f"{area}{first}{last}",
    "digits with country code": lambda area, first, last: f"55{area}{first}{last}",
    "with dots": lambda area, first, last: f"{area}.{first}.{last}",
    "with a typographic hyphen": lambda area, first, last: f"+55 {area} {first}\u2011{last}",
    "between bidi marks": lambda area, first, last: f"\u202a+55 {area} {first}-{last}\u202c",
    "with no-break spaces": lambda area, first, last: f"+55\u00a0{area}\u00a0{first}-{last}",
    "with a word behind": lambda area, first, last: f"({area}) {first}-{last} (esposa)",
    "with a word before": lambda area, first, last: f"zap {area} {first}-{last}",
    "ninth digit apart": lambda area, first, last: f"({area}) 9 {first[1:]}-{last}",
    "without the ninth digit": lambda area, first, last: f"({area}) {first[1:]}-{last}",
    "header without the ninth digit": lambda area, first, last: f"+55{area}{first[1:]}{last}",
    "as a WhatsApp address": lambda area, first, last: f"55{area}{first}{last}@s.whatsapp.net",
}
LANDLINES: dict[str, Callable[[str, str, str], str]] = {
    "landline": lambda area, first, last: f"({area}) {first}-{last}",
    "landline, as WhatsApp writes it": lambda area, first, last: f"+55 {area} {first}-{last}",
    "landline with a trunk zero": lambda area, first, last: f"0{area} {first}-{last}",
    "landline with an extension": lambda area, first, last: f"({area}) {first}-{last} ramal 212",
    "landline, digits only": lambda area, first, last: f"{area}{first}{last}",
}
NOBODYS = {
    "placeholder": ["(41) 99999-9999", "(41) 00000-0000", "41 11111111", "(11) 1234-5678"],
    "service": ["0800 600 0101", "4004-0101", "0300 789 0101", "4020-1234"],
    "no number": ["", "não tem", "---", "12/05"],
    "document": ["123.456.789-09", "11.444.777/0001-61", "CPF 123.456.789-09", "80010-010"],
    "LID": ["98765432109876@lid", "246998877665544", "98765432109876", "123456789012345@lid"],
}


def _spellings() -> Iterator[Spelling]:
    rng = random.Random(20250105)
    for shapes, draw, digits in ((MOBILES, numbers.mobile, 11), (LANDLINES, numbers.landline, 10)):
        for kind, write in shapes.items():
            for _ in range(PER_SHAPE):
                national = draw(rng)
                yield Spelling(
                    kind, write(national[:2], national[2 : digits - 4], national[-4:]), [_key(national)]
                )
    for _ in range(PER_SHAPE * 2):
        one, other = numbers.mobile(rng, 41), numbers.mobile(rng, 41)
        text = f"({one[:2]}) {one[2:7]}-{one[7:]} / {other[2:7]}-{other[7:]}"
        yield Spelling("two numbers, one area code", text, [_key(one), _key(other)])
        yield Spelling("area code unknown", f"(xx) {one[2:7]}-{one[7:]}", [f"xx{one[-8:]}"])
    for kind, texts in NOBODYS.items():
        yield from (Spelling(kind, text, []) for text in texts)
    for country in (
        "US",
        "GB",
        "RU",
        "AR",
        "MX",
        "PT",
        "PY",
        "UY",
        "DE",
        "JP",
        "AO",
        "CL",
        "ES",
        "IT",
        "FR",
        "BO",
    ):
        example = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
        assert example is not None
        text = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
        e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        # Mexico's and Argentina's mobile prefix is part of some spellings of the same number.
        e164 = "+54" + e164[4:] if e164.startswith("+549") else e164
        yield Spelling("foreign", text, [e164])
        yield Spelling("foreign, digits only", "+" + "".join(char for char in text if char.isdigit()), [e164])


SPELLINGS = list(_spellings())


def ours(text: str) -> list[str]:
    """Return the keys that our rule gives."""
    return [
        phone.key for phone in parse_phones(text) if phone.key is not None and phone.kind is not PhoneKind.LID
    ]


def libphonenumber(text: str) -> list[str]:
    """Return the keys that libphonenumber alone gives."""
    try:
        number = phonenumbers.parse(text, "BR")
    except phonenumbers.NumberParseException:
        return []
    if not phonenumbers.is_valid_number(number):
        return []
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return [e164[3:5] + e164[-8:]] if e164.startswith("+55") else [e164]


def test_the_list_is_long_and_of_many_kinds() -> None:
    assert len(SPELLINGS) >= 200
    assert len({spelling.kind for spelling in SPELLINGS}) >= 25


@pytest.mark.parametrize("kind", sorted({spelling.kind for spelling in SPELLINGS}))
def test_our_rule_reads_each_kind_at_least_as_well_as_libphonenumber(kind: str) -> None:
    of_kind = [spelling for spelling in SPELLINGS if spelling.kind == kind]
    right = sum(ours(spelling.text) == spelling.keys for spelling in of_kind)
    theirs = sum(libphonenumber(spelling.text) == spelling.keys for spelling in of_kind)
    assert right >= theirs, [(s.text, ours(s.text), s.keys) for s in of_kind]


def test_nearly_every_spelling_is_read_right() -> None:
    wrong = [(s.kind, s.text, ours(s.text), s.keys) for s in SPELLINGS if ours(s.text) != s.keys]
    assert len(wrong) <= 0.04 * len(SPELLINGS), wrong


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS - {"BR"}))
def test_no_foreign_number_passes_for_a_brazilian_one(region: str) -> None:
    """In every country's own spelling, as WhatsApp shows it: +1 (415) … is no number of area 41."""
    examples = [
        phonenumbers.example_number_for_type(region, kind)
        for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    ]
    for example in filter(None, examples):
        shown = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
        for text in (shown, shown.replace("-", "\u2011"), shown.replace(" ", "\u00a0")):
            for phone in parse_phones(text):
                assert phone.kind in (PhoneKind.FOREIGN, PhoneKind.LID, PhoneKind.SERVICE), (text, phone)
                assert phone.key is None or phone.key[:2] not in AREA_CODES or not phone.key.isdigit()
