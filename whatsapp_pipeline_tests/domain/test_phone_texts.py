"""Numbers in other characters: what each becomes before a phone rule reads it."""

from __future__ import annotations

import pytest

from whatsapp_pipeline.domain.phone_texts import plain_phone_text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("(41) 99999-0001", "(41) 99999-0001"),
        ("\uff14\uff11", "41"),  # full width
        ("\u0664\u0661", "41"),  # Arabic
        ("\u2463\u2460", "41"),  # in circles
        ("\u24ff\u2776", "01"),  # in black circles, which compatible forms do not know
        ("\u2074\u00b9", "41"),  # raised
        ("41\u00a09", "41 9"),
        ("41\u20099", "41 9"),
        ("41\u16809", "41 9"),  # a space without a compatible form
        ("9\u20110", "9-0"),
        ("9\u20130", "9-0"),
        ("9\u30a00", "9-0"),  # a hyphen without a compatible form
        ("\u202a41\u200e9\u202c", "419"),  # invisible marks
        ("41\u00ad9", "419"),
        ("ção 41", "ção 41"),
        ("41\U0001f4de9", "41\U0001f4de9"),
    ],
)
def test_a_text_in_plain_characters(text: str, plain: str) -> None:
    assert plain_phone_text(text) == plain
