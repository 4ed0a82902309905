"""The entry point of name matching: titles are matched with an index of contacts.

What belongs here: batches, threads, and the answer with its explanation. What does not: comparing
(features.py) and posteriors (name_model.py).
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
from whatsapp_pipeline.domain.matching.names.features import CANDIDATE_FEATURES, Comparison, compare_titles
from whatsapp_pipeline.domain.matching.names.index import ContactName, ContactTable, Floats
from whatsapp_pipeline.domain.matching.names.name_model import NameModel, Posteriors, posteriors, prior_shift

TOP = 5
_BATCH = 300
# A batch takes one byte for each pair of a word of its titles and a word of the table.
_LIKENESS_BYTES = 64_000_000
# Of the chats whose title may name only a relative of a contact, the share that belongs to this contact.
OWN_SHARE = 0.6
_GENDER = list(CANDIDATE_FEATURES).index("gender_differs")


class NameFeature(NamedTuple):
    """One feature of a candidate; `value * weight` is added to its score."""

    name: str
    value: float
    weight: float
    words: str


@dataclass(frozen=True, slots=True)
class NameCandidate:
    """A contact that the title may name; `posterior` is the probability that it does."""

    id_contato: int
    posterior: float
    score: float
    values: Floats
    model: NameModel

    @property
    def features(self) -> tuple[NameFeature, ...]:
        """The features, largest effect first; `value * weight` adds up to `score`."""
        weights = self.model.weights
        found = [
            NameFeature(name, value, weights[name], _explain(words, value))
            for (name, words), value in zip(CANDIDATE_FEATURES.items(), self.values.tolist(), strict=True)
            if value
        ]
        return tuple(sorted(found, key=lambda feature: -abs(feature.value * feature.weight)))


@lru_cache(maxsize=16_384)
def _explain(words: str, value: float) -> str:
    """Return the explanation of a feature with its value; most values are small counts, so it is cached."""
    return words.format(v=value)


@dataclass(frozen=True, slots=True)
class NameMatch:
    """The answer for a title: up to five candidates, most likely first, and the probability of nobody.

    The posteriors of all candidates and `p_none` sum to 1; those of the five may sum to less. `none_score` is
    the score of "none of these", comparable with the candidates' scores. `relation` is the word by which the
    title names the person as a relative or friend of a contact, or "".
    """

    p_none: float
    candidates: tuple[NameCandidate, ...]
    none_score: float
    relation: str = ""


def _doubt_relatives(comparison: Comparison, titles: Sequence[CleanName], found: Posteriors) -> Posteriors:
    """Lower the posterior of candidates whom the title may name only as a relative.

    "Mãe do Marcos" and "Fábia" (for Fábio) often mean another person, and nothing in the text shows this.
    Such a candidate keeps `OWN_SHARE` of its posterior, so it can be proposed but never linked.
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
    """An index of contacts that titles are matched with. Building it takes about 15 µs per contact."""

    def __init__(self, contacts: Sequence[ContactName], model: NameModel) -> None:
        self._table = ContactTable(contacts)
        self._model = model

    def match(self, titles: Sequence[str], *, prior_none: float | None = None) -> list[NameMatch]:
        """Return one match per title, in order. `prior_none` is the share of chats without a contact.

        Only the answer grows with the number of titles, not the memory of the comparison.
        """
        distinct = list(dict.fromkeys(titles))
        shift = 0.0 if prior_none is None else prior_shift(prior_none, self._model.prior_none)
        words_per_title = 4
        size = max(
            16, min(_BATCH, _LIKENESS_BYTES // (words_per_title * max(len(self._table.vocabulary.words), 1)))
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
        comparison = compare_titles(self._table, cleaned)
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
