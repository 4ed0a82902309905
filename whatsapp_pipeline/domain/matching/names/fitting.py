"""Fitting the name model on the client's own table of contacts, without labels.

What belongs here: hiding contacts, simulating titles, fitting, and measuring calibration on held-out titles.
What does not: how titles are written (simulation.py), and the logit (name_model.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import starmap

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

HIDDEN_SHARE = 0.15
TITLES_PER_FIT = 14000
HELD_OUT_SHARE = 0.2
# Number of simulated titles that one decision of a person counts as much as.
EXAMPLE_IMPORTANCE = 5.0
_BATCH = 300
_PAIRS_TO_FIT = 40


def fit_name_model(
    contacts: Sequence[ContactName],
    *,
    seed: int = 0,
    examples: Sequence[tuple[str, int | None]] = (),
    titles: int = TITLES_PER_FIT,
) -> NameModel:
    """Fit a model to `contacts`: hide some, simulate titles of hidden and shown ones, learn to distinguish
    them.

    `examples` are titles that a person decided: (title, id of the contact, or None for nobody in the table).
    The same arguments give the same model. The model of an empty table always answers "none".
    """
    rounds = max(1, min(4, 3000 // max(len(contacts), 1)))
    batches: list[tuple[Comparison, npt.NDArray[np.int64], Doubles]] = []
    for number in range(rounds):
        shown, hidden = _hide(contacts, titles // rounds, seed + number)
        if not shown:
            continue
        table = ContactTable(shown)
        simulated = simulate_titles(table, shown, hidden, titles // rounds, DEFAULT_PRIOR_NONE, seed + number)
        batches.extend(starmap(_trim, _compare_examples(table, simulated, 1.0)))
        decided = [SimulatedTitle(title, id_contato) for title, id_contato in examples]
        batches.extend(starmap(_trim, _compare_examples(table, decided, EXAMPLE_IMPORTANCE / rounds)))
    if not batches:
        return _empty_model(seed)
    held = batches[1 :: round(1 / HELD_OUT_SHARE)] or batches
    trained = [batch for i, batch in enumerate(batches) if i % round(1 / HELD_OUT_SHARE) != 1]
    del batches
    together = _join(trained)
    del trained  # features of a large table take 100 MB, so a second copy is not kept
    candidate, none = fit_weights(*together)
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


def _empty_model(seed: int) -> NameModel:
    none = dict.fromkeys(NONE_FEATURES, 0.0) | {"constant": 10.0}
    return NameModel(dict.fromkeys(CANDIDATE_FEATURES, 0.0), none, DEFAULT_PRIOR_NONE, 0, seed, 0, 0.0, ())


def _hide(
    contacts: Sequence[ContactName], titles: int, seed: int
) -> tuple[list[ContactName], list[ContactName]]:
    """Return the contacts that the table shows, and those hidden from it, as many as the titles need."""
    count = min(int(len(contacts) * HIDDEN_SHARE), max(titles // 2, 1))
    hidden = set(np.random.default_rng(seed).permutation(len(contacts))[:count].tolist())
    shown = [contact for i, contact in enumerate(contacts) if i not in hidden]
    return shown, [contacts[i] for i in sorted(hidden)]


def _compare_examples(
    table: ContactTable, examples: Sequence[SimulatedTitle], importance: float
) -> Iterator[tuple[Comparison, npt.NDArray[np.int64], Doubles]]:
    for first in range(0, len(examples), _BATCH):
        batch = examples[first : first + _BATCH]
        comparison = compare_titles(table, [clean_title(example.title) for example in batch])
        ids = table.ids[comparison.contact]
        truth = np.full(len(batch), -1, dtype=np.int64)
        for i, example in enumerate(batch):
            if example.id_contato is not None:
                start, end = comparison.start[i], comparison.start[i + 1]
                at = np.flatnonzero(ids[start:end] == example.id_contato)
                truth[i] = start + at[0] if len(at) else -1
        yield comparison, truth, np.full(len(batch), importance)


def _trim(
    comparison: Comparison, truth: npt.NDArray[np.int64], importance: Doubles
) -> tuple[Comparison, npt.NDArray[np.int64], Doubles]:
    """Keep only the candidates that influence the fit: the best by rough score, and the right one."""
    counts = np.diff(comparison.start)
    title = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((-comparison.fit, title))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - comparison.start[title[order]]
    keep = rank < _PAIRS_TO_FIT
    keep[truth[truth >= 0]] = True
    moved = np.cumsum(keep) - 1
    start = np.concatenate([[0], np.cumsum(keep)])[comparison.start]
    trimmed = Comparison(
        start,
        comparison.contact[keep],
        comparison.values[keep],
        comparison.none_values,
        comparison.fit[keep],
    )
    return trimmed, np.where(truth >= 0, moved[np.maximum(truth, 0)] if len(moved) else -1, -1), importance


def _join(
    parts: Sequence[tuple[Comparison, npt.NDArray[np.int64], Doubles]],
) -> tuple[Comparison, npt.NDArray[np.int64], Doubles]:
    offsets = np.concatenate([[0], np.cumsum([len(part[0].contact) for part in parts])])
    starts = [part[0].start[:-1] + offset for part, offset in zip(parts, offsets[:-1], strict=True)]
    joined = Comparison(
        np.concatenate([*starts, offsets[-1:]]),
        np.concatenate([part[0].contact for part in parts]),
        np.concatenate([part[0].values for part in parts]),
        np.concatenate([part[0].none_values for part in parts]),
        np.concatenate([part[0].fit for part in parts]),
    )
    truth = np.concatenate(
        [
            np.where(part[1] >= 0, part[1] + offset, -1)
            for part, offset in zip(parts, offsets[:-1], strict=True)
        ]
    )
    return joined, truth, np.concatenate([part[2] for part in parts])


def _reliability(
    parts: Sequence[tuple[Comparison, npt.NDArray[np.int64], Doubles]], candidate: Doubles, none: Doubles
) -> tuple[tuple[ReliabilityBand, ...], float]:
    """Return the bands of the best candidate's posterior over held-out titles, and their mean error."""
    comparison, truth, _ = _join(parts)
    result = posteriors(comparison, candidate, none)
    top = np.zeros(len(truth))
    right = np.zeros(len(truth), dtype=bool)
    for title in range(len(truth)):
        start, end = comparison.start[title], comparison.start[title + 1]
        if end > start:
            best = start + int(result.candidate[start:end].argmax())
            top[title], right[title] = result.candidate[best], best == truth[title]
    return reliability_bands(top, lambda band: float(right[band].mean()))
