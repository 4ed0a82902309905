"""Which given names are the two genders' forms of one name."""

from __future__ import annotations

import pytest

from whatsapp_pipeline.domain.matching.names.gender import differs_in_gender


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("fabio", "fabia"),
        ("daniel", "daniela"),
        ("luis", "luisa"),
        ("luiz", "luisa"),
        ("marcos", "marca"),
        ("carlos", "carla"),
        ("luciano", "luciane"),
        ("sebastiao", "sebastiana"),
        ("joao", "joa"),
        ("andre", "andrea"),
        ("andre", "andreia"),
        ("thiago", "tiaga"),
        ("fabio", "fabinha"),
        ("marcia", "marcinho"),
        ("marcelo", "marcella"),
    ],
)
def test_pairs(one: str, other: str) -> None:
    assert differs_in_gender(one, other)
    assert differs_in_gender(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("fabio", "fabio"),
        ("fabio", "fabyo"),
        ("daniela", "daniele"),
        ("aline", "alini"),
        ("felipe", "filipe"),
        ("maria", "mario a"),
        ("ana", "aninha"),
        ("joao", "joaozinho"),
        ("jose", "ze"),
        ("ro", "ra"),
        ("marcela", "marina"),
    ],
)
def test_no_pairs(one: str, other: str) -> None:
    assert not differs_in_gender(one, other)
    assert not differs_in_gender(other, one)
