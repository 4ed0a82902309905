"""Estimated mood of one customer message towards the shop, by lexicon and rules.

What belongs here: contrast, irony, and distinguishing complaints about the shop from the customer's own
matter. What does not: single opinions with their negation (mood_scan.py), the words (`lexicon.toml`), and the
mood of a conversation (the store's SQL).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal, NamedTuple

from whatsapp_pipeline.domain.summaries.lexicon import (
    Lexicon,
    Others,
    default_lexicon,
)
from whatsapp_pipeline.domain.summaries.mood_scan import (
    ADDRESSED,
    PAUSES,
    Hit,
    LexiconLookup,
    MoodScan,
    is_question,
)
from whatsapp_pipeline.domain.summaries.patterns import SENTENCE_END, place, tokenize

Label = Literal["positive", "neutral", "negative"]

# A score at least this far from 0 is an opinion.
OPINION = 0.2
_SPREAD = 5.0  # the larger this number, the more evidence an extreme score needs
_BEFORE_CONTRAST = 0.5
_AFTER_CONTRAST = 1.3
_CONCEDED = 0.4
_IN_QUESTION = 0.15
_HINT = 0.36
# The factor for the words of a described defect. The result is less than an opinion, but not zero.
_MATTER = -0.35
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


_NO_MOOD = Mood(0.0, None, None, False)
_OF_A_BRAND = frozenset({"a", "da", "na", "pela"})  # "a samsung não quis cobrir", but "meu samsung"
_BLAME_REACH = 5  # words


class SentimentReader:
    """Scores messages with one lexicon, with a cache by word."""

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self.lexicon = lexicon or default_lexicon()
        self._words = LexiconLookup(self.lexicon)

    def read(self, text: str) -> Sentiment:
        """Score `text`."""
        mood = self.read_forms(tokenize(text))
        if mood.first is None or mood.last is None:
            return Sentiment(mood.score, None, None)
        return Sentiment(mood.score, *place(text, mood.first, mood.last))

    def read_forms(self, forms: list[str]) -> Mood:
        """Score the tokens of a message."""
        found = MoodScan(forms, self._words).run()
        if not found.hits:
            return _NO_MOOD
        hits = self._without_matters(forms, found.hits)
        hits = _weigh(forms, hits, self.lexicon, found.contrast_at, found.conceded)
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

    def _without_matters(self, forms: list[str], hits: list[Hit]) -> list[Hit]:
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
                shop = self.lexicon.shop - ADDRESSED
                if hit.value < 0 and is_question(forms, hit.last) and shop.isdisjoint(forms):
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

    def _names_device(self, forms: list[str], hit: Hit) -> bool:
        """Return whether the sentence of a hit names a device or part, and not the shop."""
        start, stop = hit.first, hit.last + 1
        while start > 0 and forms[start - 1] not in SENTENCE_END:
            start -= 1
        while stop < len(forms) and forms[stop] not in SENTENCE_END:
            stop += 1
        words = set(forms[start:stop])
        shop = (
            self.lexicon.shop - ADDRESSED if stop < len(forms) and forms[stop] == "?" else self.lexicon.shop
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
    person = not others.people.isdisjoint(forms) and ADDRESSED.isdisjoint(forms)
    return another_shop or brand or person


def _blames_another(forms: list[str], hit: Hit, others: Others) -> bool:
    """Return whether the subject of a hit is another company, and the shop is addressed only later."""
    before = forms[max(0, hit.first - _BLAME_REACH) : hit.first + 1]
    named = [at for at, form in enumerate(before) if form in others.firms]
    return bool(named) and ADDRESSED.isdisjoint(before[named[-1] :])


def _weigh(
    forms: list[str],
    hits: list[Hit],
    lexicon: Lexicon,
    contrast_at: int | None,
    conceded: list[tuple[int, int]],
) -> list[Hit]:
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
        if hit.value > 0 and (hopes or is_question(forms, hit.last + 1, PAUSES)):
            factor *= _IN_QUESTION
        out.append(hit._replace(value=hit.value * factor))
    return out


def _meant(forms: list[str], hits: list[Hit], scorn: frozenset[str]) -> list[Hit]:
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


def _total(hits: list[Hit]) -> float:
    """Add up the hits. All hints together count once, and a courtesy beside a complaint is no praise."""
    hints = [hit.value for hit in hits if abs(hit.value) <= _HINT]
    opinions = [hit.value for hit in hits if abs(hit.value) > _HINT]
    courtesy = 0.0 if any(value < 0 for value in opinions) else max((0.0, *hints))
    return sum(opinions) + courtesy + min((0.0, *hints))


def sentiment_label(score: float) -> Label:
    """Return the label of a score."""
    return "positive" if score >= OPINION else "negative" if score <= -OPINION else "neutral"
