"""Devices, brands and stage words."""

from __future__ import annotations

import pytest

from whatsapp_pipeline.domain.vocabulary import find_devices, find_stages


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ("Meu NOTEBOOK Dell não liga", ["notebook", "dell"]),
        ("iphone11", ["iphone", "apple"]),
        ("Televisão LG 43", ["tv", "lg"]),
        ("hd externo da Ana", ["external_drive"]),
        ("notavel", []),
        ("", []),
    ],
)
def test_devices(text: str, devices: list[str]) -> None:
    assert find_devices(text) == devices


@pytest.mark.parametrize(
    ("text", "stages"),
    [
        ("Queria um ORÇAMENTO", ["opening"]),
        ("Seu aparelho está pronto, pode retirar", ["closing"]),
        ("aprovado! quando fica pronto?", ["opening", "closing"]),
        ("bom dia", []),
    ],
)
def test_stages(text: str, stages: list[str]) -> None:
    assert find_stages(text) == stages
