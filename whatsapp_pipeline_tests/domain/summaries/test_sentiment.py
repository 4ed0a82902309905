"""Sentiment: the rules one by one, and the bar on sentences written before them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_pipeline.domain.summaries.lexicon import default_lexicon, parse_lexicon
from whatsapp_pipeline.domain.summaries.sentiment import SentimentReader, sentiment_label
from whatsapp_pipeline_tests.truth.text_accuracy import HELDOUT_SENTIMENT, sentiment_report

READER = SentimentReader()


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("gostei", "positive"),
        ("não gostei", "negative"),
        ("ñ gostei", "negative"),
        ("n funcionou", "negative"),
        ("não é ruim", "positive"),
        ("sem problemas até hoje, muito bom", "positive"),
        ("o carro não chegou", "negative"),
        ("o carro chegou", "neutral"),
        ("tá ótimo", "positive"),
        ("ÓTIMOOOO", "positive"),
        ("vlw", "neutral"),
        ("obrigado", "neutral"),
        ("obrigado, mas o celular continua sem carregar", "negative"),
        ("é bonito mas não funciona", "negative"),
        ("apesar da demora, ficou perfeito", "positive"),
        ("nunca mais volto", "negative"),
        ("super recomendo", "positive"),
        ("não recomendo", "negative"),
        ("até agora nada", "negative"),
        ("chegou antes do prazo", "positive"),
        ("👏👏", "positive"),
        ("😡", "negative"),
        ("bom dia", "neutral"),
        ("tudo bem?", "neutral"),
        ("", "neutral"),
        ("kkkk", "neutral"),
    ],
)
def test_rules(text: str, label: str) -> None:
    assert sentiment_label(READER.read(text).score) == label


def test_intensity_and_order_of_strength() -> None:
    scores = [READER.read(text).score for text in ("péssimo", "ruim", "demorou", "bom", "muito bom")]
    assert scores == sorted(scores)


def test_evidence_is_the_phrase_in_the_original_text() -> None:
    text = "Então, NÃO GOSTEI da tela"
    found = READER.read(text)
    assert text[slice(found.start, found.end)] == "NÃO GOSTEI"


def test_decomposed_accents_are_the_same_words() -> None:
    assert READER.read("na\u0303o gostei").score == READER.read("não gostei").score


@given(st.text(max_size=300))
def test_any_text_has_a_score_and_a_place(text: str) -> None:
    found = READER.read(text)
    assert -1 <= found.score <= 1
    if found.start is not None:
        assert found.end is not None
        assert 0 <= found.start < found.end <= len(text)


def test_the_bar_on_sentences_written_before_the_lexicon() -> None:
    figures = sentiment_report(HELDOUT_SENTIMENT)
    assert figures["auc"] >= 0.97
    assert figures["two_class_accuracy"] >= 0.95


def test_lexicon_is_broad_and_refuses_a_contradiction() -> None:
    lexicon = default_lexicon()
    assert sum(e.value != 0 for e in (*lexicon.exact.values(), *lexicon.stems.values())) > 600
    text = (
        '[words]\n"2" = "bom"\n"-2" = "bom*"\n[expected]\nwords = ""\n[negators]\nwords = "nao"\nweak = ""\n'
        '[intensifiers]\n[contrast]\nwords = "mas"\nphrases = ""\nconcession = ""\n[phrases]\n'
        '[emoji]\npositive = ""\nnegative = ""\ncourtesy = ""\n[closing]\nwords = "ok"\n'
    )
    parse_lexicon(text)
    with pytest.raises(ValueError, match="twice"):
        parse_lexicon(text.replace("bom*", "mas"))
