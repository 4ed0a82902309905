"""Every reason that linking can store has a Portuguese sentence."""

from __future__ import annotations

import re
import string

import pytest

from whatsapp_pipeline.console.evidence_words import _SENTENCES, evidence_sentence
from whatsapp_pipeline.domain.matching import contacts, order_model
from whatsapp_pipeline.domain.matching.link_types import Feature
from whatsapp_pipeline.domain.matching.names.features import CANDIDATE_FEATURES
from whatsapp_pipeline.domain.matching.order_model import WORDS, times_around_order
from whatsapp_pipeline.settings import PROJECT_ROOT

_MATCHING = PROJECT_ROOT / "whatsapp_pipeline" / "domain" / "matching"


def _stored_names() -> dict[str, str]:
    """The names of features with their English words, from the tables of the domain and its literals."""
    found = {**CANDIDATE_FEATURES, **WORDS}
    found |= {name: words for name, (_, words) in contacts._PHONE.items()}
    for value in vars(contacts).values():
        if isinstance(value, Feature):
            found[value.name] = value.words
        elif isinstance(value, tuple) and [type(part) for part in value] == [str, float, str]:
            found[value[0]] = value[2]
    for path in _MATCHING.rglob("*.py"):
        for name, words in re.findall(r'\bFeature\(\s*"(\w+)"(?:,[^"]*"([^"]*)")?', path.read_text("utf-8")):
            found.setdefault(name, words)
    return found


def test_every_reason_has_a_sentence() -> None:
    names = _stored_names()
    assert len(names) > 75
    assert set(names) - {"override"} <= set(_SENTENCES)
    for name, words in names.items():
        if words and name not in {"words_agree", "words_missed", "override"}:
            english, portuguese = (
                [field for _, field, _, _ in string.Formatter().parse(text) if field]
                for text in (words, _SENTENCES[name])
            )
            assert english == portuguese, name


@pytest.mark.parametrize("length", [None, 0, 1, 3, 5, 20, 80])
def test_every_time_has_a_sentence(length: int | None) -> None:
    for time in {*times_around_order(length), None}:
        english = order_model._time_words(time)
        portuguese = evidence_sentence("when", 0.1, english)
        assert portuguese.startswith(("o atendimento é ", "a OS é ")), english
        assert not re.search(r"\b(the|days|to|of)\b", portuguese), portuguese
        assert re.findall(r"\d+", english) == re.findall(r"\d+", portuguese)


def test_figures_are_written_as_in_portuguese() -> None:
    assert evidence_sentence("exact_words", 2.0, "x") == "2 palavra(s) iguais"
    assert evidence_sentence("exact_information", 7.25, "x") == "raridade das palavras iguais (7,2)"
    assert evidence_sentence("override", 1, "decided by rita: pela <b>voz: sim") == (
        "decidido por rita: pela <b>voz: sim"
    )
    assert evidence_sentence("new_reason", 1, "what is not known yet") == "what is not known yet"
