"""What a title says."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whatsapp_pipeline.domain.titles import (
    ORDER_EXPRESSION,
    FileName,
    find_order_numbers,
    parse_file_name,
    parse_title,
)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Maria Silva OS 30415", ["30415"]),
        ("OS:30123", ["30123"]),
        ("Os 30123", ["30123"]),
        ("OS#30123", ["30123"]),
        ("O.S. 30123", ["30123"]),
        ("os30123", ["30123"]),
        ("OS-4567 Bia", ["4567"]),
        ("OS nº 30.123", ["30123"]),
        ("ordem de serviço 030123", ["30123"]),
        ("#12345", ["12345"]),
        ("a OS 30123 e a OS 30415", ["30123", "30415"]),
        ("NOTEBOOKS 2024", []),
        ("CARLOS 123", []),
        ("ATENDIMENTOS 55", []),
        ("os 15 dias", []),
        ("todos os 2024 modelos", []),
        ("os 3000 reais", []),
        ("moro no lote #3", []),
        ("O número da sua OS é 31930", ["31930"]),
        ("OS nº 31930", ["31930"]),
        ("OS número 31930", ["31930"]),
        ("os de número 31930", ["31930"]),
        ("ordem de serviço 31930", ["31930"]),
        ("sua ordem de serviço é a 31930.", ["31930"]),
        ("numero da os eh 31930", ["31930"]),
        ("*OS nº:* 31930", ["31930"]),
        ("OS 30123-2024", ["30123"]),
        ("os 2 notebooks", []),
        ("os dados", []),
        ("os números 3000 e 4000", []),
        ("os números: 12345678", []),
        ("os de número 42 chegaram", []),
        ("os é 2024", []),
        ("os de 3000", []),
        ("os número 99999-0000", []),
        # A year, or three digits behind small letters, is passed over, and the next number counts.
        ("os 2024 e a OS 30123", ["30123"]),
        ("os 123 e a OS 30123", ["30123"]),
        ("OS 123", ["123"]),
        ("os 123", []),
        ("Os 123", []),
    ],
)
def test_order_numbers_are_explicit_references_only(text: str, numbers: list[str]) -> None:
    assert find_order_numbers(text) == numbers


MARKS = [
    "OS",
    "os",
    "Oſ",
    "o.s.",
    "O. S",
    "ordem de serviço",
    "ORDEM DE SERVIÇO",
    "ordem de servıço",
    "ordem",
    "#",
]
WORDS = [
    "é",
    "eh",
    "a",
    "o",
    "nº",
    "n°",
    "n",
    "ro",
    "número",
    "NÚMERO",
    "num",
    "de",
    ".",
    ":",
    "=",
    "-",
    "*",
    "z",
]
SPACES = [" ", " ", "", "\n", "\u00a0", "\x1c"]
NUMBERS = ["30123", "30.123", "042", "12", "4567-8901", "2025", "٣٤٥٦", "30123 reais", "x"]


@settings(max_examples=1000, deadline=None)
@given(
    st.sampled_from(MARKS),
    st.lists(st.tuples(st.sampled_from(SPACES), st.sampled_from(WORDS), st.sampled_from(SPACES)), max_size=4),
    st.sampled_from(NUMBERS),
    st.text(max_size=3),
)
@pytest.mark.slow
def test_a_text_with_an_order_number_holds_what_is_looked_for_first(
    mark: str, words: list[tuple[str, ...]], number: str, rest: str
) -> None:
    text = f"{rest} {mark}{''.join(map(''.join, words))}{number}{rest}"
    if find_order_numbers(text):
        assert pl.Series([text]).str.contains(ORDER_EXPRESSION).item()


@pytest.mark.parametrize(
    ("title", "key", "name", "order", "devices"),
    [
        ("+55 41 99999-0000", "4199990000", None, None, ()),
        ("Maria Silva OS 30415", None, "Maria Silva", "30415", ()),
        ("João notebook dell OS:30123", None, "João", "30123", ("notebook", "dell")),
        ("Ana iphone 11 📱 (2)", None, "Ana", None, ("iphone", "apple")),
        ("Maria 41 99999-0000", "4199990000", "Maria", None, ()),
        ("José Müller placa mãe", None, "José Müller", None, ()),
        ("📱🔧", None, None, None, ()),
        ("Maria \u202a+55 41 99999\u20110000\u202c", "4199990000", "Maria", None, ()),
        ("\u202a+55\u00a041\u00a099999\u22120000\u202c", "4199990000", None, None, ()),
        ("+1 (415) 555-2671", "+14155552671", None, None, ()),
        ("John +1 (415) 555-2671", "+14155552671", "John", None, ()),
        ("Ivan +7 (912) 345-67-89", "+79123456789", "Ivan", None, ()),
        ("João CPF 41999990000", None, "João", None, ()),
        ("João 123.456.789-09", None, "João", None, ()),
        ("5541999990000@s.whatsapp.net", "4199990000", None, None, ()),
        ("120363041234567890@g.us", None, None, None, ()),
        ("99999-0000", "xx99990000", None, None, ()),
        ("Maria Silva -_", None, "Maria Silva", None, ()),
        ("*Maria Silva*", None, "Maria Silva", None, ()),
        ("Ana 23 99999-0000", None, "Ana 23 99999-0000", None, ()),
        # What is no letter, number or mark stands between words.
        ("Ana📱Bia", None, "Ana Bia", None, ()),
        ("Ana🏽Bia", None, "Ana Bia", None, ()),
        ("Ana\u200dBia", None, "Ana Bia", None, ()),
        ("Ana\ud800Bia", None, "Ana Bia", None, ()),
        ("Ana\ue000Bia", None, "Ana Bia", None, ()),
        ("Ana\U0010fffeBia", None, "Ana Bia", None, ()),
        ("Ana\ufe0fBia", None, "Ana Bia", None, ()),
    ],
)
def test_titles(
    title: str, key: str | None, name: str | None, order: str | None, devices: tuple[str, ...]
) -> None:
    parsed = parse_title(title)
    found = parsed.phone.key if parsed.phone else None
    assert (found, parsed.name, parsed.order_reference, parsed.devices) == (key, name, order, devices)


@pytest.mark.parametrize(
    ("title", "is_cut", "name"),
    [
        ("Maria Aparecida Sous-", True, "Maria Aparecida Sous"),
        ("Maria Aparecida Sou-", False, "Maria Aparecida Sou"),
        ("Maria Aparecida Souza", False, "Maria Aparecida Souza"),
        ("Maria Aparecida So (2)-", True, "Maria Aparecida So"),
    ],
)
def test_a_long_label_that_ends_in_a_dash_was_cut(title: str, is_cut: bool, name: str) -> None:
    parsed = parse_title(title)
    assert (parsed.is_cut, parsed.name, parsed.raw) == (is_cut, name, title)


def test_a_phone_that_is_the_title_keeps_its_spelling() -> None:
    written = "+55\u00a041\u00a099999\u22120000"
    phone = parse_title(f" {written} (2)").phone
    assert phone is not None
    assert (phone.raw, phone.key) == (written, "4199990000")


@pytest.mark.parametrize(
    "name", ["whatsapp - 2025-01-20 09 12 01 - Ana\nBia.TXT", "WhatsApp - 2025-01-20_09.12:01 - Ana\nBia"]
)
def test_a_file_name_in_other_letters_and_signs(name: str) -> None:
    assert parse_file_name(name) == FileName(datetime(2025, 1, 20, 9, 12, 1), "Ana\nBia")


def test_identifiers_are_neither_phones_nor_names() -> None:
    lids = ("123456789012345", "98765432109876", "+98765432109876", "98765432109876@lid")
    for identifier in (*lids, "aB3xYz09GIAA="):
        parsed = parse_title(identifier)
        assert (parsed.phone, parsed.name, parsed.order_reference) == (None, None, None)
        assert not parsed.is_cut


def test_file_names() -> None:
    name = "WhatsApp - 2025-01-20 09 12 01 - Maria - Silva.txt"
    assert parse_file_name(name) == FileName(datetime(2025, 1, 20, 9, 12, 1), "Maria - Silva")
    assert parse_file_name("WhatsApp - 844 sesiones de chat.txt") is None
    assert parse_file_name("WhatsApp - 2025-13-20 09 12 01 - Maria.txt") is None
