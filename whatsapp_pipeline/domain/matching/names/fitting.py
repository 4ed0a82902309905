"""Fitting the name model on the client's own contacts.

The training titles are simulated. Titles that people decided are added.

What belongs here: splitting contacts into known and unknown ones, fitting on titles of both, and measuring
the calibration. What does not: making the titles (simulation.py), and the logit (name_model.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import starmap
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from whatsapp_pipeline.domain.matching.link_types import ReliabilityBand
from whatsapp_pipeline.domain.matching.names.cleaning import clean_title
from whatsapp_pipeline.domain.matching.names.features import CANDIDATE_FEATURES, Comparison, compare_titles
from whatsapp_pipeline.domain.matching.names.index import ContactName, ContactTable
from whatsapp_pipeline.domain.matching.names.name_model import (
    DEFAULT_PRIOR_NONE,
    Doubles,
    NameModel,
    fit_weights,
    posteriors,
)
from whatsapp_pipeline.domain.matching.names.nobody import NONE_FEATURES
from whatsapp_pipeline.domain.matching.names.simulation import SimulatedTitle, simulate_titles
from whatsapp_pipeline.domain.matching.reliability import reliability_bands

# Share of the contacts that are left out of the table.
HIDDEN_SHARE = 0.15
TITLES_PER_FIT = 14000
HELD_OUT_SHARE = 0.2
# Weight in the fit of a title that a person decided; a simulated title has the weight 1.
EXAMPLE_IMPORTANCE = 5.0
_TITLES_PER_BATCH = 300
_PAIRS_TO_FIT = 40  # candidates per title
# Titles compared with their candidates, the index of each title's right pair (-1 for "none"), and the weight
# of each title in the fit.
_Batch: TypeAlias = tuple[Comparison, npt.NDArray[np.int64], Doubles]


def fit_name_model(
    contacts: Sequence[ContactName],
    *,
    seed: int = 0,
    examples: Sequence[tuple[str, int | None]] = (),
    titles: int = TITLES_PER_FIT,
) -> NameModel:
    """Fit a name model to `contacts`.

    Some contacts are left out of the table. Their titles teach the model when to answer "none". Every fifth
    batch of titles is held out, to measure the calibration. If there is only one batch, the calibration is
    measured on the training titles themselves. The same arguments give the same model. The model of an empty
    table always answers "none".

    Args:
        contacts: The client's contacts.
        seed: Seed of the random choices.
        examples: Pairs of a title and the id of the contact that a person chose; None if no contact fits.
        titles: Number of titles to simulate.
    """
    trained, held = _training_batches(contacts, examples, titles, seed)
    if not trained:
        return _empty_model(seed)
    joined = _join(trained)
    del trained  # features of a large table take 100 MB, so a second copy is not kept
    candidate, none = fit_weights(*joined)
    bands, error = _reliability(held, candidate, none)
    return NameModel(
        dict(zip(CANDIDATE_FEATURES, candidate.tolist(), strict=True)),
        dict(zip(NONE_FEATURES, none.tolist(), strict=True)),
        DEFAULT_PRIOR_NONE,
        len(contacts),
        seed,
        len(examples),
        error,
        bands,
    )


def _training_batches(
    contacts: Sequence[ContactName], examples: Sequence[tuple[str, int | None]], titles: int, seed: int
) -> tuple[list[_Batch], list[_Batch]]:
    """Return the batches of titles to fit on, and those to measure the calibration on.

    In each round, other contacts are left out of the table. A small table has up to four rounds.
    """
    rounds = max(1, min(4, 3000 // max(len(contacts), 1)))
    decided = [SimulatedTitle(title, id_contato) for title, id_contato in examples]
    batches: list[_Batch] = []
    for number in range(rounds):
        shown, hidden = _hide(contacts, titles // rounds, seed + number)
        if not shown:
            continue
        table = ContactTable(shown)
        simulated = simulate_titles(table, shown, hidden, titles // rounds, DEFAULT_PRIOR_NONE, seed + number)
        batches.extend(starmap(_trim, _compare_examples(table, simulated, 1.0)))
        batches.extend(starmap(_trim, _compare_examples(table, decided, EXAMPLE_IMPORTANCE / rounds)))
    step = round(1 / HELD_OUT_SHARE)
    held = batches[1::step] or batches  # if there is only one batch, nothing can be held out
    return [batch for i, batch in enumerate(batches) if i % step != 1], held


def _empty_model(seed: int) -> NameModel:
    none = dict.fromkeys(NONE_FEATURES, 0.0) | {"constant": 10.0}
    return NameModel(dict.fromkeys(CANDIDATE_FEATURES, 0.0), none, DEFAULT_PRIOR_NONE, 0, seed, 0, 0.0, ())


def _hide(
    contacts: Sequence[ContactName], titles: int, seed: int
) -> tuple[list[ContactName], list[ContactName]]:
    """Return the contacts of the table, and those left out: 15%, but at most one per two titles."""
    count = min(int(len(contacts) * HIDDEN_SHARE), max(titles // 2, 1))
    hidden = set(np.random.default_rng(seed).permutation(len(contacts))[:count].tolist())
    shown = [contact for i, contact in enumerate(contacts) if i not in hidden]
    return shown, [contacts[i] for i in sorted(hidden)]


def _compare_examples(
    table: ContactTable, examples: Sequence[SimulatedTitle], importance: float
) -> Iterator[_Batch]:
    """Yield the comparison of each batch of titles with their candidates, the right answers and the weights.

    A right contact that is not among the candidates counts as "none", because the model cannot choose it.
    """
    for first in range(0, len(examples), _TITLES_PER_BATCH):
        batch = examples[first : first + _TITLES_PER_BATCH]
        comparison = compare_titles(table, [clean_title(example.title) for example in batch])
        ids = table.ids[comparison.contact]
        truth = np.full(len(batch), -1, dtype=np.int64)
        for i, example in enumerate(batch):
            if example.id_contato is not None:
                start, end = comparison.start[i], comparison.start[i + 1]
                at = np.flatnonzero(ids[start:end] == example.id_contato)
                truth[i] = start + at[0] if len(at) else -1
        yield comparison, truth, np.full(len(batch), importance)


def _trim(comparison: Comparison, truth: npt.NDArray[np.int64], importance: Doubles) -> _Batch:
    """Keep the best `_PAIRS_TO_FIT` candidates per title by rough score, and always the right one."""
    counts = np.diff(comparison.start)
    title = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((-comparison.fit, title))  # by title, then the best candidates first
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - comparison.start[title[order]]
    keep = rank < _PAIRS_TO_FIT
    keep[truth[truth >= 0]] = True
    moved = np.cumsum(keep) - 1  # the new index of each pair that is kept
    start = np.concatenate([[0], np.cumsum(keep)])[comparison.start]
    trimmed = Comparison(
        start,
        comparison.contact[keep],
        comparison.values[keep],
        comparison.none_values,
        comparison.fit[keep],
    )
    return trimmed, np.where(truth >= 0, moved[np.maximum(truth, 0)] if len(moved) else -1, -1), importance


def _join(batches: Sequence[_Batch]) -> _Batch:
    """Join batches into one; the indexes of pairs are moved."""
    offsets = np.concatenate([[0], np.cumsum([len(batch[0].contact) for batch in batches])])
    starts = [batch[0].start[:-1] + offset for batch, offset in zip(batches, offsets[:-1], strict=True)]
    joined = Comparison(
        np.concatenate([*starts, offsets[-1:]]),
        np.concatenate([batch[0].contact for batch in batches]),
        np.concatenate([batch[0].values for batch in batches]),
        np.concatenate([batch[0].none_values for batch in batches]),
        np.concatenate([batch[0].fit for batch in batches]),
    )
    truth = np.concatenate(
        [
            np.where(batch[1] >= 0, batch[1] + offset, -1)
            for batch, offset in zip(batches, offsets[:-1], strict=True)
        ]
    )
    return joined, truth, np.concatenate([batch[2] for batch in batches])


def _reliability(
    batches: Sequence[_Batch], candidate: Doubles, none: Doubles
) -> tuple[tuple[ReliabilityBand, ...], float]:
    """Compare the posterior of each title's best candidate with how often the best candidate is right.

    Returns the comparison by bands of posteriors, and the mean absolute difference.
    """
    comparison, truth, _ = _join(batches)
    result = posteriors(comparison, candidate, none)
    top = np.zeros(len(truth))
    right = np.zeros(len(truth), dtype=bool)
    for title in range(len(truth)):
        start, end = comparison.start[title], comparison.start[title + 1]
        if end > start:
            best = start + int(result.candidate[start:end].argmax())
            top[title], right[title] = result.candidate[best], best == truth[title]
    return reliability_bands(top, lambda band: float(right[band].mean()))
