"""Estimated sentiment of one customer message, by lexicon and rules.

What belongs here: negation, intensity, contrast and what outweighs what. What does not: the words
themselves (`lexicon.toml`) and how messages add up to a conversation (the store's SQL).
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from whatsapp_pipeline.domain.summaries.lexicon import Lexicon, WordEntry, default_lexicon
from whatsapp_pipeline.domain.summaries.patterns import SENTENCE_END, place, tokenize

Label = Literal["positive", "neutral", "negative"]

# A score at least this far from 0 is an opinion.
OPINION = 0.2
_NEGATION_REACH = 5  # words
_SPREAD = 5.0  # how much evidence makes a score extreme
_DENIED_GOOD = -0.9
_DENIED_BAD = -0.6
_DENIED_EXPECTED = -1.8
_BARE_DENIAL = -0.35
_BEFORE_CONTRAST = 0.5
_AFTER_CONTRAST = 1.3
_CONCEDED = 0.4
_IN_QUESTION = 0.5
_HINT = 0.36


class Sentiment(NamedTuple):
    """`score` in [-1, 1]; `start`, `end` are the place in the text of the phrase that weighs most."""

    score: float
    start: int | None
    end: int | None


class _Hit(NamedTuple):
    value: float
    at: int
    first: int
    last: int


_NOTHING = WordEntry()


class SentimentReader:
    """Scores messages with one lexicon; what it learns of a word is remembered."""

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self.lexicon = lexicon or default_lexicon()
        self._memo: dict[str, WordEntry] = {}
        self._longest = max(map(len, self.lexicon.stems), default=0)

    def _entry(self, form: str) -> WordEntry:
        known = self._memo.get(form)
        if known is None:
            known = self.lexicon.exact.get(form)
            for size in range(min(len(form), self._longest), 2, -1):
                if known is not None:
                    break
                known = self.lexicon.stems.get(form[:size])
            known = known or _NOTHING
            if len(self._memo) < 300_000:
                self._memo[form] = known
        return known

    def read(self, text: str) -> Sentiment:
        """Score `text`."""
        score, first, last = self.read_forms(tokenize(text))
        if first is None or last is None:
            return Sentiment(score, None, None)
        return Sentiment(score, *place(text, first, last))

    def read_forms(self, forms: list[str]) -> tuple[float, int | None, int | None]:
        """Score a message cut into tokens; return its score, and the first and last token that weigh."""
        hits = _weigh(forms, self._hits(forms))
        if not hits:
            return 0.0, None, None
        total = _total(hits)
        strongest = max(hits, key=lambda hit: abs(hit.value) if hit.value * total > 0 else 0.0)
        score = round(total / math.sqrt(total * total + _SPREAD), 3)
        return score, strongest.first, strongest.last

    def _hits(self, forms: list[str]) -> tuple[list[_Hit], int | None, list[tuple[int, int]]]:  # noqa: C901, PLR0912, PLR0915  # one pass over the words; split, its state would travel through every part
        hits: list[_Hit] = []
        contrast_at: int | None = None
        conceded: list[tuple[int, int]] = []
        negator_at, negated_until, negator_weak = -1, -1, False
        intensity, intensity_until = 1.0, -1
        size, at = len(forms), 0

        def bare_denial() -> None:
            if negator_at >= 0 and not negator_weak and size >= 3 and "?" not in forms:
                hits.append(_Hit(_BARE_DENIAL, negator_at, negator_at, min(negator_at + 1, size - 1)))

        while at < size:
            form = forms[at]
            end, value, denies = self._phrase(forms, at)
            if end is not None and value is None:
                contrast_at, at, negator_at = at, end, -1
                continue
            if end is not None and value is not None:
                if negator_at >= 0 and at <= negated_until and not denies and value:
                    value *= _DENIED_GOOD if value > 0 else _DENIED_BAD
                    hits.append(_Hit(value, at, negator_at, end - 1))
                elif value:
                    strength = intensity if at <= intensity_until else 1.0
                    hits.append(_Hit(value * strength, at, at, end - 1))
                if denies or value:
                    negator_at = -1
                at, intensity = end, 1.0
                continue
            entry = self._entry(form)
            if form in SENTENCE_END or entry.contrast:
                bare_denial()
                negator_at, intensity = -1, 1.0
                if entry.contrast and hits:
                    contrast_at = at
            elif entry.concession:
                stop = next((i for i in range(at, size) if forms[i] in ",.;!?\n"), None)
                if stop is not None:
                    conceded.append((at, stop))
            elif entry.negator and not (form == "nada" and negator_at >= 0 and at + 1 == size):
                if negator_at < 0:
                    negator_at, negator_weak = at, entry.weak_negator
                negated_until = at + _NEGATION_REACH
            elif entry.intensity and (not entry.value or self._is_opinion(forms, at + 1)):
                intensity, intensity_until = entry.intensity, at + 3
            elif entry.value or entry.expected:
                negated = negator_at >= 0 and at <= negated_until
                first = negator_at if negated else at
                value = self._value(entry, negated)
                if value:
                    value *= intensity if at <= intensity_until else 1.0
                    if at + 1 < size and forms[at + 1] in {"demais", "muito", "bastante"}:
                        value *= 1.3
                    hits.append(_Hit(value, at, first, at))
                    negator_at, intensity = -1, 1.0
            at += 1
        bare_denial()
        return hits, contrast_at, conceded

    def _phrase(self, forms: list[str], at: int) -> tuple[int | None, float | None, bool]:
        """Return (end, value, denies) of the longest phrase at `at`; value None marks a contrast."""
        best: tuple[int | None, float | None, bool] = (None, None, False)
        following = forms[at + 1] if at + 1 < len(forms) else ""
        for pattern in self.lexicon.phrases.candidates(forms[at], following):
            end = at + 1 if len(pattern.elements) == 1 else pattern.match(forms, at)
            if end is not None and (best[0] is None or end > best[0]):
                number = pattern.payload
                value = (
                    None if number in self.lexicon.contrast_phrases else self.lexicon.phrase_values[number]
                )
                best = (end, value, self.lexicon.phrase_denies[number])
        return best

    def _is_opinion(self, forms: list[str], at: int) -> bool:
        return at < len(forms) and self._entry(forms[at]).value != 0

    @staticmethod
    def _value(entry: WordEntry, negated: bool) -> float:
        if not negated:
            return entry.value
        if entry.expected:
            return _DENIED_EXPECTED
        if 0 < entry.value < 0.5:
            return 0.0
        return entry.value * (_DENIED_GOOD if entry.value > 0 else _DENIED_BAD)


def _weigh(forms: list[str], found: tuple[list[_Hit], int | None, list[tuple[int, int]]]) -> list[_Hit]:
    """Apply what reaches over the whole message: contrast, concession, a question."""
    hits, contrast_at, conceded = found
    asks = "?" in forms[-2:]
    out = []
    for hit in hits:
        factor = 1.0
        if contrast_at is not None:
            factor = _BEFORE_CONTRAST if hit.at < contrast_at else _AFTER_CONTRAST
        if any(start <= hit.at < stop for start, stop in conceded):
            factor *= _CONCEDED
        if asks and hit.value > 0:
            factor *= _IN_QUESTION
        out.append(hit._replace(value=hit.value * factor))
    return out


def _total(hits: list[_Hit]) -> float:
    """Add up: hints count once however many, and a courtesy beside a complaint is no praise."""
    hints = [hit.value for hit in hits if abs(hit.value) <= _HINT]
    opinions = [hit.value for hit in hits if abs(hit.value) > _HINT]
    courtesy = 0.0 if any(value < 0 for value in opinions) else max((0.0, *hints))
    return sum(opinions) + courtesy + min((0.0, *hints))


def label_of(score: float) -> Label:
    """Name a score."""
    return "positive" if score >= OPINION else "negative" if score <= -OPINION else "neutral"
