"""A part of a number, as somebody types it into the search, finds the keys that may contain it."""

from __future__ import annotations

import pytest

from whatsapp_pipeline.domain.phone_parts import phone_key_parts
from whatsapp_pipeline.domain.phones import parse_phones


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("4444", ["4444"]),
        ("444", []),
        ("123456789012345", ["123456789012345"]),
        ("1234567890123456", []),
        ("(41) 3333-44", ["41333344"]),
        ("+41/3333.44", ["41333344"]),
        ("4444x", []),
        ("Ana 4444", []),
        ("tel: 4444", ["4444"]),
        ("Telefone 3333-44", ["333344"]),
        ("telha 4444", []),
        ("https://wa.me/5541999990000", ["4199990000"]),
        ("wa.me/", []),
        ("0xx41 99999-0000", ["4199990000"]),
        ("(0xx41) 3333-4444", ["4133334444"]),
        ("", []),
        # The country code goes with a whole number only: 55 is an area too.
        ("554133334444", ["4133334444"]),
        ("55413333444", ["55413333444"]),
        ("5541999990000", ["4199990000"]),
        ("04133334444", ["4133334444"]),
        ("0413333444", ["0413333444", "413333444"]),
        ("0413333", ["0413333", "413333"]),
        ("0999", ["0999"]),
        ("09999", ["09999", "9999"]),
        ("041999990000", ["4199990000"]),
        # A nine may be the ninth digit, which no key has, or a digit of the number.
        ("99999", ["9999", "99999"]),
        ("9999", ["9999"]),
        ("999990000", ["99990000", "999990000"]),
        ("41999", ["41999"]),
        ("419999", ["41999", "419999"]),
        ("4199999", ["419999", "4199999"]),
        ("418888", ["418888"]),
        ("41999990000", ["4199990000"]),
        ("41899990000", ["41899990000"]),
        ("+1 415 555 01", ["141555501"]),
    ],
)
def test_what_a_part_of_a_number_may_be_in_a_key(text: str, parts: list[str]) -> None:
    assert phone_key_parts(text) == parts


@pytest.mark.parametrize("written", ["(41) 99999-0000", "41 9999-0000", "+55 41 99999-0000", "4133334444"])
def test_every_beginning_of_a_number_with_its_area_finds_it(written: str) -> None:
    (phone,) = parse_phones(written)
    assert phone.key is not None
    for end in range(len(written)):
        parts = phone_key_parts(written[: end + 1])
        if parts and not written.startswith("+55"):
            assert any(part in phone.key for part in parts), written[: end + 1]
    # The third digit of a number without its ninth digit may be a nine itself.
    assert phone.key in phone_key_parts(written)
