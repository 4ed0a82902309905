"""Masks show the shape and never the content."""

from __future__ import annotations

import random

import pytest

from whatsapp_pipeline.domain.masking import mask_name, mask_path, mask_phone, mask_text, mask_title
from whatsapp_pipeline.sandbox.numbers import international, landline, mobile


def test_phone_keeps_area_code_and_end() -> None:
    assert mask_phone("+55 41 99999-0000") == "+55 41 9••••-••00"


@pytest.mark.parametrize("seed", range(20))
def test_no_generated_number_can_be_read_back(seed: int) -> None:
    rng = random.Random(seed)
    for number in (mobile(rng), landline(rng)):
        for written in (number, international(number), f"({number[:2]}) {number[2:]}"):
            hidden = mask_phone(written).count("•")
            assert hidden >= 4, mask_phone(written)


def test_names_keep_initials() -> None:
    assert mask_name("Maria da Silva 2") == "M•••• d•••• S•••• ••••"


def test_titles_are_masked_by_what_they_are() -> None:
    assert mask_title("+55 41 99999-0000") == "+55 41 9••••-••00"
    assert mask_title("Maria Silva OS 30415") == "M•••• S•••• O•••• ••••"


def test_paths_keep_folder_and_time() -> None:
    path = "2025/01/WhatsApp - 2025-01-20 09 12 01 - Maria Silva OS 30415.txt"
    assert mask_path(path) == "2025/01/WhatsApp - 2025-01-20 09 12 01 - M•••• S•••• O•••• ••••.txt"


@pytest.mark.parametrize(
    ("path", "masked"),
    [
        (
            "2025/01/2025-01-13 17 42 25 - +55 41 99999-0000/WhatsApp - 2025-01-01 15 00 58 - Ana - OS 1.txt",
            "2025/01/2025-01-13 17 42 25 - +55 41 9••••-••00/"
            "WhatsApp - 2025-01-01 15 00 58 - A•••• •••• O•••• ••••.txt",
        ),
        ("2025/2025-01/Maria Silva.zip/_chat.txt", "2025/2025-01/M•••• S••••.zip/••••.txt"),
        ("Conversa do WhatsApp com João.Silva", "C•••• d•••• W•••• c•••• J••••"),
    ],
)
def test_paths_show_no_title_wherever_it_stands(path: str, masked: str) -> None:
    assert mask_path(path) == masked


def test_text_shows_no_letter() -> None:
    masked = mask_text("Olá, meu número é 41 9!", limit=10)
    assert masked == "•••, ••• •…"


@pytest.mark.parametrize("mask", [mask_phone, mask_name, mask_title, mask_path, mask_text])
def test_nothing_is_nothing(mask: object) -> None:
    assert callable(mask)
    assert mask(None) == mask("") == ""
