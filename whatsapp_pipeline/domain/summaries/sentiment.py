"""Estimated mood of one customer message towards the shop, by lexicon and rules.

What belongs here: negation, intensity, contrast, irony, and distinguishing complaints about the shop from the
customer's own matter. What does not: the words (`lexicon.toml`), and the mood of a conversation (the store's
SQL).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal, NamedTuple

from whatsapp_pipeline.domain.summaries.lexicon import (
    About,
    Lexicon,
    Others,
    WordEntry,
    default_lexicon,
)
from whatsapp_pipeline.domain.summaries.patterns import SENTENCE_END, place, tokenize

Label = Literal["positive", "neutral", "negative"]

# A score at least this far from 0 is an opinion.
OPINION = 0.2
_NEGATION_REACH = 5  # words
_WEAK_REACH = 3  # for "sem" and "nem"
_INFINITIVE = ("ar", "er", "ir")
# Verbs that "sem" skips: in "sem dar problema" it denies "problema".
_LIGHT_VERBS = frozenset({"dar", "ter", "haver", "causar"})
_SPREAD = 5.0  # the larger this number, the more evidence an extreme score needs
_DENIED_GOOD = -0.9
_DENIED_BAD = -0.6
_DENIED_EXPECTED = -1.8
_BARE_DENIAL = -0.35
_BEFORE_CONTRAST = 0.5
_AFTER_CONTRAST = 1.3
_CONCEDED = 0.4
_IN_QUESTION = 0.15
_HINT = 0.36
# The factor for the words of a described defect. The result is less than an opinion, but not zero.
_MATTER = -0.35
_DENIED_MATTER = 0.3
_PRAISE = 1.0
_SINCERE = 1.9  # praise of this value or more beside mild irony is sincere


class Sentiment(NamedTuple):
    """The mood of a text: `score` in [-1, 1]. `start` and `end` are the position of the strongest phrase."""

    score: float
    start: int | None
    end: int | None


class Mood(NamedTuple):
    """The mood of a message of tokens. `first` and `last` are the tokens of the strongest phrase.

    `problem`: the message describes a defect of, or a worry about, a device that it names.
    """

    score: float
    first: int | None
    last: int | None
    problem: bool


class _Hit(NamedTuple):
    value: float
    at: int
    first: int
    last: int
    about: About = "shop"
    irony: Literal["", "certain", "mild"] = ""


class _Phrase(NamedTuple):
    """A phrase that was found. `number` is its index in the lexicon."""

    end: int
    number: int


_NOTHING = WordEntry()
_NO_MOOD = Mood(0.0, None, None, False)
_PAUSES = frozenset(".,!?;\n")
# Verbs after which "vocês" is not blamed: "vocês consertam tela quebrada?".
_ADDRESSED = frozenset({"voces"})
_OF_A_BRAND = frozenset({"a", "da", "na", "pela"})  # "a samsung não quis cobrir", but "meu samsung"
_BLAME_REACH = 5  # words


class SentimentReader:
    """Scores messages with one lexicon, with a cache by word."""

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
        mood = self.read_forms(tokenize(text))
        if mood.first is None or mood.last is None:
            return Sentiment(mood.score, None, None)
        return Sentiment(mood.score, *place(text, mood.first, mood.last))

    def read_forms(self, forms: list[str]) -> Mood:
        """Score the tokens of a message."""
        found = self._hits(forms)
        if not found[0]:
            return _NO_MOOD
        hits = _weigh(forms, self._without_matters(forms, found[0]), self.lexicon, *found[1:])
        total = _total(hits)
        if not hits:
            return _NO_MOOD
        strongest = max(hits, key=lambda hit: abs(hit.value) if hit.value * total > 0 else 0.0)
        score = round(total / math.sqrt(total * total + _SPREAD), 3)
        problem = any(hit.about == "matter" for hit in hits) and not self.lexicon.devices.isdisjoint(forms)
        return Mood(score, strongest.first, strongest.last, problem)

    def is_urgent(self, forms: list[str]) -> bool:
        """Return whether the customer needs the device soon."""
        if next(self.lexicon.urgency.find(forms), None) is None:
            return False
        return next(self.lexicon.calm.find(forms), None) is None

    def _hits(self, forms: list[str]) -> tuple[list[_Hit], int | None, list[tuple[int, int]]]:  # noqa: C901, PLR0912, PLR0915  # one pass over the words; split, its state would travel through every part
        lexicon, can_start = self.lexicon, self.lexicon.phrases.can_start
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
            phrase = self._phrase(forms, at) if can_start(form) else None
            if phrase is not None:
                end, number = phrase
                value, denies = lexicon.phrase_values[number], lexicon.phrase_denies[number]
                about = lexicon.phrase_about[number]
                if number in lexicon.contrast_phrases:
                    contrast_at, at, negator_at = at, end, -1
                    continue
                if number in lexicon.irony:
                    hits.append(_Hit(value, at, at, end - 1, "shop", "certain"))
                elif number in lexicon.mild_irony:
                    hits.append(_Hit(value, at, at, end - 1, "shop", "mild"))
                elif negator_at >= 0 and at <= negated_until and not denies and value:
                    value *= _DENIED_GOOD if value > 0 else _DENIED_BAD
                    hits.append(_Hit(value, at, negator_at, end - 1, about))
                elif value:
                    strength = intensity if at <= intensity_until else 1.0
                    hits.append(_Hit(value * strength, at, at, end - 1, about))
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
            elif form == ",":
                # The text after a comma is another clause: "não, adorei".
                bare_denial()
                negator_at = -1
            elif form == "e" and at + 1 < size and forms[at + 1] in _ADDRESSED:
                bare_denial()  # "não ligava e vocês consertaram"
                negator_at = -1
            elif entry.concession:
                stop = next((i for i in range(at, size) if forms[i] in ",.;!?\n"), None)
                if stop is not None:
                    conceded.append((at, stop))
            elif entry.negator and (denied := self._denied_before(forms, at, hits)) is not None:
                hits[:] = denied
                negator_at = -1
            elif entry.negator and _answers(forms, at):
                at += 1
                continue
            elif entry.negator and _is_comparison(forms, at):
                negator_at, intensity, intensity_until = -1, 1.3, at + 6
            elif entry.negator and not (form == "nada" and negator_at >= 0 and at + 1 == size):
                if negator_at < 0:
                    negator_at, negator_weak = at, entry.weak_negator
                negated_until = at + (_weak_reach(forms, at) if negator_weak else _NEGATION_REACH)
            elif entry.intensity and (not entry.value or self._is_opinion(forms, at + 1)):
                intensity, intensity_until = max(entry.intensity, intensity), max(at + 3, intensity_until)
            elif entry.value or entry.expected:
                negated = negator_at >= 0 and at <= negated_until
                first = negator_at if negated else at
                value = self._value(entry, negated)
                if value:
                    value *= intensity if at <= intensity_until else 1.0
                    if at + 1 < size and forms[at + 1] in {"demais", "muito", "bastante"}:
                        value *= 1.3
                    about = entry.about
                    if negated and about == "matter" and entry.value < 0:
                        value = _DENIED_MATTER
                    if negated and forms[negator_at] == "ninguem":
                        about = "shop"
                    elif negated and entry.expected and not entry.owed and _asks(forms, at):
                        about = "matter"
                    hits.append(_Hit(value, at, first, at, about))
                    negator_at, intensity = -1, 1.0
            at += 1
        bare_denial()
        return hits, contrast_at, conceded

    def _phrase(self, forms: list[str], at: int) -> _Phrase | None:
        """Return the longest phrase at `at`."""
        best: _Phrase | None = None
        following = forms[at + 1] if at + 1 < len(forms) else ""
        for pattern in self.lexicon.phrases.candidates(forms[at], following):
            end = at + 1 if len(pattern.elements) == 1 else pattern.match(forms, at)
            if end is not None and (best is None or end > best.end):
                best = _Phrase(end, pattern.payload)
        return best

    def _denied_before(self, forms: list[str], at: int, hits: list[_Hit]) -> list[_Hit] | None:
        """Return the hits after a denial that follows its word ("gostei não"). None without such a denial."""
        following = forms[at + 1] if at + 1 < len(forms) else "."
        ends = following in self.lexicon.fillers or (following in _PAUSES and following != "?")
        if forms[at] != "nao" or not ends or at == 0:
            return None
        last = hits[-1] if hits else None
        if last is not None and last.last < at - 1 and self._entry(forms[at - 1]).negator:
            return list(hits)  # "não resolveram nada não"
        if last is not None and last.last == at - 1:
            if last.first != last.at or self._entry(forms[last.first]).negator:
                return list(hits)  # "não gostei não" denies once
            value = last.value * (_DENIED_GOOD if last.value > 0 else _DENIED_BAD)
            return [*hits[:-1], last._replace(value=value, last=at)]
        entry = self._entry(forms[at - 1])
        if not entry.expected:
            return None
        return [*hits, _Hit(_DENIED_EXPECTED, at - 1, at - 1, at, entry.about)]

    def _is_opinion(self, forms: list[str], at: int) -> bool:
        return at < len(forms) and self._entry(forms[at]).value != 0

    @staticmethod
    def _value(entry: WordEntry, negated: bool) -> float:
        if not negated:
            return entry.value
        if entry.expected and not entry.value:
            return _DENIED_EXPECTED
        if 0 < entry.value < 0.5:
            return 0.0
        return entry.value * (_DENIED_GOOD if entry.value > 0 else _DENIED_BAD)

    def _without_matters(self, forms: list[str], hits: list[_Hit]) -> list[_Hit]:
        """Reduce the value of hits about the customer's own matter, and decide the subject of hits that may
        be about either.

        Beside praise ("bonito, mas não funciona") a defect keeps its value, unless the message is a question.
        """
        praised = "?" not in forms and any(hit.value >= _PRAISE and hit.about == "shop" for hit in hits)
        out = []
        for hit in hits:
            about = hit.about
            if about == "either":
                about = "matter" if self._names_device(forms, hit) else "shop"
                shop = self.lexicon.shop - _ADDRESSED
                if hit.value < 0 and _asks(forms, hit.last) and shop.isdisjoint(forms):
                    about = "matter"  # "é ruim usar peça paralela?", "vocês demoram para responder?"
            if about == "shop" and hit.value < 0 and not self.lexicon.others.named.isdisjoint(forms):
                others = self.lexicon.others
                blamed = _names_a_third_party(forms, others) or _blames_another(forms, hit, others)
                about = "matter" if blamed else "shop"
            if about == "shop":
                out.append(hit._replace(about="shop"))
            elif hit.value < 0:
                value = hit.value if praised else max(hit.value, _MATTER)
                out.append(hit._replace(value=value, about="matter"))
            else:
                out.append(hit._replace(value=min(hit.value, -_MATTER), about="shop"))
        return out

    def _names_device(self, forms: list[str], hit: _Hit) -> bool:
        """Return whether the sentence of a hit names a device or part, and not the shop."""
        start, stop = hit.first, hit.last + 1
        while start > 0 and forms[start - 1] not in SENTENCE_END:
            start -= 1
        while stop < len(forms) and forms[stop] not in SENTENCE_END:
            stop += 1
        words = set(forms[start:stop])
        shop = (
            self.lexicon.shop - _ADDRESSED if stop < len(forms) and forms[stop] == "?" else self.lexicon.shop
        )
        return not words.isdisjoint(self.lexicon.devices) and words.isdisjoint(shop)


def _names_a_third_party(forms: list[str], others: Others) -> bool:
    """Return whether the message is about another shop or another person, and not about this shop."""
    pairs = list(pairwise(forms))
    another_shop = any(
        ((a in others.other and b in others.shops) or (a in others.shops and b == "antigo"))
        and others.leaving.isdisjoint(forms[max(0, at - 3) : at])
        for at, (a, b) in enumerate(pairs)
    )
    brand = any(a in _OF_A_BRAND and b in others.brands for a, b in pairs)
    person = not others.people.isdisjoint(forms) and _ADDRESSED.isdisjoint(forms)
    return another_shop or brand or person


def _blames_another(forms: list[str], hit: _Hit, others: Others) -> bool:
    """Return whether the subject of a hit is another company, and the shop is addressed only later."""
    before = forms[max(0, hit.first - _BLAME_REACH) : hit.first + 1]
    named = [at for at, form in enumerate(before) if form in others.firms]
    return bool(named) and _ADDRESSED.isdisjoint(before[named[-1] :])


def _answers(forms: list[str], at: int) -> bool:
    """Return whether a "não" is a complete answer: it begins a sentence, and a pause follows."""
    if forms[at] != "nao" or (at > 0 and forms[at - 1] not in _PAUSES and forms[at - 1] != "nao"):
        return False
    following = forms[at + 1] if at + 1 < len(forms) else ""
    return following in _PAUSES or (following == "nao" and at + 2 < len(forms) and forms[at + 2] in _PAUSES)


def _weak_reach(forms: list[str], at: int) -> int:
    """Return the number of words after a "sem" that it denies.

    In "fiquei sem trabalhar por essa demora" the number is one.
    """
    following = forms[at + 1] if at + 1 < len(forms) else ""
    return 1 if following.endswith(_INFINITIVE) and following not in _LIGHT_VERBS else _WEAK_REACH


def _is_comparison(forms: list[str], at: int) -> bool:
    """Return whether "nunca" is part of a comparison and no denial.

    Examples: "nunca fui tão bem atendida", "nunca vi melhor".
    """
    if forms[at] not in {"nunca", "jamais"}:
        return False
    reach = forms[at + 1 : at + 6]
    return "mais" not in reach[:1] and not {"tao", "tanto", "tanta", "melhor", "pior"}.isdisjoint(reach)


def _asks(forms: list[str], at: int, ends: frozenset[str] = SENTENCE_END) -> bool:
    """Return whether the sentence (or what `ends` cuts) that holds token `at` is a question."""
    return next((form for form in forms[at:] if form in ends), "") == "?"


def _weigh(
    forms: list[str],
    hits: list[_Hit],
    lexicon: Lexicon,
    contrast_at: int | None,
    conceded: list[tuple[int, int]],
) -> list[_Hit]:
    """Apply the effects on the whole message: irony, contrast, concession, a question."""
    hits = _meant(forms, hits, lexicon.scorn)
    hopes = any(a == "se" and b in lexicon.hopes for a, b in pairwise(forms))
    out = []
    for hit in hits:
        factor = 1.0
        if contrast_at is not None:
            factor = _BEFORE_CONTRAST if hit.at < contrast_at else _AFTER_CONTRAST
        if any(start <= hit.at < stop for start, stop in conceded):
            factor *= _CONCEDED
        if hit.value > 0 and (hopes or _asks(forms, hit.last + 1, _PAUSES)):
            factor *= _IN_QUESTION
        out.append(hit._replace(value=hit.value * factor))
    return out


def _meant(forms: list[str], hits: list[_Hit], scorn: frozenset[str]) -> list[_Hit]:
    """Drop ironic praise, and mild irony beside sincere praise."""
    words = [hit for hit in hits if forms[hit.first][0].isalnum()]
    if not scorn.isdisjoint(forms) and any(hit.value > 0 for hit in words):
        return [hit for hit in hits if hit.irony or hit.value < 0]  # "serviço de primeira 🙄"
    kinds = {hit.irony for hit in hits}
    if kinds == {""}:
        return hits
    # Only words show that praise is sincere. An emoji such as 👏 beside irony is part of the irony.
    if "certain" not in kinds and any(not hit.irony and hit.value >= _SINCERE for hit in words):
        return [hit for hit in hits if not hit.irony]
    return [hit for hit in hits if hit.irony or hit.value < 0]


def _total(hits: list[_Hit]) -> float:
    """Add up the hits. All hints together count once, and a courtesy beside a complaint is no praise."""
    hints = [hit.value for hit in hits if abs(hit.value) <= _HINT]
    opinions = [hit.value for hit in hits if abs(hit.value) > _HINT]
    courtesy = 0.0 if any(value < 0 for value in opinions) else max((0.0, *hints))
    return sum(opinions) + courtesy + min((0.0, *hints))


def sentiment_label(score: float) -> Label:
    """Return the label of a score."""
    return "positive" if score >= OPINION else "negative" if score <= -OPINION else "neutral"
