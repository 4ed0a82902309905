"""Matching titles with an index of contacts: the entry point, and what it answers.

What belongs here: batches, threads and the answer with its explanation. What does not: the comparison
(features.py) and the posterior (name_model.py).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from whatsapp_pipeline.domain.matching.names.cleaning import CleanName, clean_title
from whatsapp_pipeline.domain.matching.names.features import CANDIDATE_FEATURES, Comparison, compare
from whatsapp_pipeline.domain.matching.names.index import ContactName, ContactTable, Floats
from whatsapp_pipeline.domain.matching.names.name_model import NameModel, Posteriors, posteriors, prior_shift

TOP = 5
_BATCH = 300
# A batch holds one byte for each of its words against each word of the table.
_LIKENESS_BYTES = 64_000_000
# The share of chats titled with a relative's words that are nevertheless the contact's own.
OWN_SHARE = 0.6
_GENDER = list(CANDIDATE_FEATURES).index("gender_differs")


class NameFeature(NamedTuple):
    """One piece of evidence; `value * weight` is what it adds to the candidate's score."""

    name: str
    value: float
    weight: float
    words: str


@dataclass(frozen=True, slots=True)
class NameCandidate:
    """A contact that the title may name. `posterior` is the probability that it does."""

    id_contato: int
    posterior: float
    score: float
    values: Floats
    model: NameModel

    @property
    def features(self) -> tuple[NameFeature, ...]:
        """The evidence, the weightiest first; `value * weight` adds up to `score`."""
        weights = self.model.weights
        found = [
            NameFeature(name, value, weights[name], _in_words(words, value))
            for (name, words), value in zip(CANDIDATE_FEATURES.items(), self.values.tolist(), strict=True)
            if value
        ]
        return tuple(sorted(found, key=lambda feature: -abs(feature.value * feature.weight)))


@lru_cache(maxsize=16_384)
def _in_words(words: str, value: float) -> str:
    """Say a feature's value; most values are small counts."""
    return words.format(v=value)


@dataclass(frozen=True, slots=True)
class NameMatch:
    """What a title says: up to five candidates, the likeliest first, and the probability of nobody.

    The posteriors of all candidates and `p_none` sum to 1; the five shown may sum to less.
    `none_score` is the score of "none of these", on the scale of the candidates' scores. `relation` is the
    word by which the title names the candidates as somebody's relative or friend, or "".
    """

    p_none: float
    candidates: tuple[NameCandidate, ...]
    none_score: float
    relation: str = ""


def _doubt_relatives(comparison: Comparison, titles: Sequence[CleanName], found: Posteriors) -> Posteriors:
    """Take a share of the posterior from candidates whom the title may name only as a relative.

    "Mãe do Marcos" and "Fábia" (for Fábio) name another person more often than any text can show. Such a
    candidate keeps `OWN_SHARE` of its posterior, so that it can be proposed and is never linked.
    """
    counts = np.diff(comparison.start)
    related = np.repeat(np.array([bool(title.relation) for title in titles]), counts)
    doubtful = related | (comparison.values[:, _GENDER] > 0)
    candidate = np.where(doubtful, found.candidate * OWN_SHARE, found.candidate)
    lost = np.bincount(
        np.repeat(np.arange(len(counts)), counts), weights=found.candidate - candidate, minlength=len(counts)
    )
    return replace(found, candidate=candidate, none=found.none + lost)


class NameIndex:
    """Contacts ready to be matched with titles. Building it takes about 15 µs a contact."""

    def __init__(self, contacts: Sequence[ContactName], model: NameModel) -> None:
        self._table = ContactTable(contacts)
        self._model = model

    def match(self, titles: Sequence[str], *, prior_none: float | None = None) -> list[NameMatch]:
        """Return one match a title, in order. `prior_none`: the share of chats that have no contact.

        Memory does not grow with the number of titles, but for the answer.
        """
        distinct = list(dict.fromkeys(titles))
        shift = 0.0 if prior_none is None else prior_shift(prior_none, self._model.prior_none)
        words_a_title = 4
        size = max(
            16, min(_BATCH, _LIKENESS_BYTES // (words_a_title * max(len(self._table.vocabulary.words), 1)))
        )
        batches = [distinct[i : i + size] for i in range(0, len(distinct), size)]
        with ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
            matches = [
                match for batch in pool.map(lambda b: self._match(b, shift), batches) for match in batch
            ]
        by_title = dict(zip(distinct, matches, strict=True))
        return [by_title[title] for title in titles]

    def _match(self, titles: Sequence[str], shift: float) -> list[NameMatch]:
        model = self._model
        if not self._table.size:
            return [NameMatch(1.0, (), 0.0) for _ in titles]
        cleaned = [clean_title(title) for title in titles]
        comparison = compare(self._table, cleaned)
        result = _doubt_relatives(
            comparison, cleaned, posteriors(comparison, model.candidate_vector, model.none_vector, shift)
        )
        matches = []
        for i in range(len(titles)):
            start, end = int(comparison.start[i]), int(comparison.start[i + 1])
            ids = self._table.ids[comparison.contact[start:end]]
            order = np.lexsort((ids, -result.candidate[start:end]))[:TOP]
            candidates = tuple(
                NameCandidate(
                    int(ids[at]),
                    float(result.candidate[start + at]),
                    float(result.score[start + at]),
                    comparison.values[start + at],
                    model,
                )
                for at in order
            )
            none, none_score = float(result.none[i]), float(result.none_score[i])
            matches.append(NameMatch(none, candidates, none_score, cleaned[i].relation))
        return matches
