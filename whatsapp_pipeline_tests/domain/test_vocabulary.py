"""Devices, brands and stage words."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whatsapp_pipeline.domain.vocabulary import (
    DEVICE_FINDER,
    STAGE_FINDER,
    Finder,
    find_devices,
    find_stages,
)


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


PHRASES = ["mac book", "macbook air", "tv", "ps4", "controle ps4", "video game", "moto g", "hp", "nitro 5"]
PHRASES += ["nao da video", "pronto", "ficou pronto", "pix", "troca de tela", "conserto", "consertar"]
PIECES = st.sampled_from([*PHRASES, " ", "-", "_", "\n", "\x1c", "\x00", ".", "1", "11", "s", "a", "Z"])


@pytest.mark.parametrize("finder", [DEVICE_FINDER, STAGE_FINDER])
@settings(max_examples=500, deadline=None)
@given(pieces=st.lists(st.one_of(PIECES, PIECES.map(str.upper), st.text(st.characters(max_codepoint=127)))))
@pytest.mark.slow
def test_words_cut_out_of_a_text_are_those_that_are_found_in_it(finder: Finder, pieces: list[str]) -> None:
    text = pl.Series(["".join(pieces)])
    [words] = text.str.extract_all(finder.expression)
    assert list(dict.fromkeys(key for word in words for key in finder.find(word))) == finder.find(text[0])
