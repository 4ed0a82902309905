"""The name model: its weights, the posteriors that follow from them, and their JSON.

What belongs here: one conditional logit over a title's candidates and "none of these". What does not: the
examples it is fitted on (simulation.py, fitting.py).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import minimize

from whatsapp_pipeline.domain.matching.link_types import ReliabilityBand
from whatsapp_pipeline.domain.matching.names.features import CANDIDATE_FEATURES, N_CANDIDATE, Comparison
from whatsapp_pipeline.domain.matching.names.index import Floats
from whatsapp_pipeline.domain.matching.names.nobody import NONE_FEATURES

Doubles = npt.NDArray[np.float64]

MODEL_VERSION = 5
DEFAULT_PRIOR_NONE = 0.2
WEIGHT_SPREAD = 3.0
# Bounds of weights, in log odds. A surname usually comes with the same particle, so an equal particle is
# weaker evidence than in the simulation, where each person has particles by chance.
WEIGHT_BOUNDS: dict[str, tuple[float | None, float | None]] = {
    "particles_same": (None, 0.6),
    "particles_changed": (-0.2, None),
}


@dataclass(frozen=True)
class NameModel:
    """Fitted weights by feature, and the data and calibration of the fit.

    `prior_none`: the share of chats without a contact that the weights assume. `contacts`: the size of the
    table that they were fitted on; for a table of another size they are badly calibrated and must be fitted
    again. `calibration_error`: mean distance between posterior and share of right answers, over titles that
    were held out if there were enough of them.
    """

    weights: dict[str, float]
    none_weights: dict[str, float]
    prior_none: float
    contacts: int
    seed: int
    examples: int
    calibration_error: float
    reliability: tuple[ReliabilityBand, ...]
    version: int = MODEL_VERSION

    @cached_property
    def candidate_vector(self) -> Doubles:
        """Weights in the order of `CANDIDATE_FEATURES`."""
        return np.array([self.weights.get(name, 0.0) for name in CANDIDATE_FEATURES])

    @cached_property
    def none_vector(self) -> Doubles:
        """Weights in the order of `NONE_FEATURES`."""
        return np.array([self.none_weights.get(name, 0.0) for name in NONE_FEATURES])

    def to_json(self) -> str:
        """Return the model as JSON text; `from_json` reads it back to an equal model."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> NameModel:
        """Read the JSON of `to_json`; raises ValueError for another version."""
        data = json.loads(text)
        if data.get("version") != MODEL_VERSION:
            raise ValueError(
                f"name model of version {data.get('version')}, expected {MODEL_VERSION}: refit it"
            )
        data["reliability"] = tuple(ReliabilityBand(**band) for band in data["reliability"])
        return cls(**data)


@dataclass(frozen=True, slots=True)
class Posteriors:
    """The probabilities of the pairs of a Comparison, and of "none" for each title, with their scores.

    `candidate[p]` and `score[p]` belong to pair p, `none[t]` and `none_score[t]` to title t. For each title,
    the probabilities of its pairs and of "none" add up to 1.
    """

    candidate: Doubles
    none: Doubles
    score: Doubles
    none_score: Doubles


def prior_shift(prior_none: float, fitted_at: float) -> float:
    """Return the log odds to add to "none" when the share of chats without a contact is `prior_none`."""
    low, high = 1e-4, 1 - 1e-4
    given, old = min(max(prior_none, low), high), min(max(fitted_at, low), high)
    return float(np.log(given / (1 - given)) - np.log(old / (1 - old)))


def posteriors(
    comparison: Comparison, candidate_weights: Doubles, none_weights: Doubles, shift: float = 0.0
) -> Posteriors:
    """Return the softmax over each title's candidates and "none"; `shift` is added to the score of "none"."""
    # einsum and not @: on a busy machine the threads of BLAS wait for each other and are several times
    # slower.
    score = np.einsum("pf,f->p", comparison.values, candidate_weights)
    none_score = np.einsum("tf,f->t", comparison.none_values, none_weights) + shift
    return _softmax(comparison.start, score, none_score)


def _softmax(start: npt.NDArray[np.int64], score: Doubles, none_score: Doubles) -> Posteriors:
    counts = np.diff(start)
    has = counts > 0
    top = none_score.copy()
    if has.any():
        top[has] = np.maximum(top[has], np.maximum.reduceat(score, start[:-1][has]))
    weight = np.exp(score - np.repeat(top, counts))
    none_weight = np.exp(none_score - top)
    total = none_weight.copy()
    if has.any():
        total[has] += np.add.reduceat(weight, start[:-1][has])
    return Posteriors(weight / np.repeat(total, counts), none_weight / total, score, none_score)


def _spread(values: Floats) -> Floats:
    """Return each column's standard deviation, a few columns at a time because `std` copies its input."""
    parts = [values[:, first : first + 8].std(axis=0) for first in range(0, values.shape[1], 8)]
    return np.concatenate(parts)


def _sparse(values: Floats, scale: Doubles) -> sparse.csr_matrix:
    """Return `values / scale` as a sparse matrix: two thirds are zeros, and products use no threads."""
    rows = range(0, max(len(values), 1), 10_000)
    return sparse.vstack([sparse.csr_matrix(values[row : row + 10_000] / scale) for row in rows], "csr")


def _scaled_bounds(scale: Doubles) -> list[tuple[float | None, float | None]]:
    """Return `WEIGHT_BOUNDS` for standardised weights, in the order of `CANDIDATE_FEATURES`."""
    found = []
    for name, by in zip(CANDIDATE_FEATURES, scale.tolist(), strict=True):
        low, high = WEIGHT_BOUNDS.get(name, (None, None))
        found.append((None if low is None else low * by, None if high is None else high * by))
    return found


def fit_weights(
    comparison: Comparison,
    truth: npt.NDArray[np.int64],
    importance: Doubles,
    ridge: float = 0.3,
    spread: float = WEIGHT_SPREAD,
    iterations: int = 200,
) -> tuple[Doubles, Doubles]:
    """Fit the logit by maximum likelihood with two normal priors on the weights.

    `ridge` is the precision of the prior on the standardised weights. `spread` is the standard deviation, in
    log odds, of the prior on the weights themselves. Without it, the weight of a feature that the right
    candidate never has would grow until that feature alone excludes a candidate.

    `truth[t]` is the position of the right pair of title t, -1 for "none"; `importance[t]` is its weight.
    """
    start, counts = comparison.start, np.diff(comparison.start)
    scale = np.maximum(_spread(comparison.values), 1e-3).astype(np.float64)
    none_scale = np.maximum(np.abs(comparison.none_values).max(axis=0) / 3, 1e-3).astype(np.float64)
    values, none_values = _sparse(comparison.values, scale), _sparse(comparison.none_values, none_scale)
    by_feature, none_by_feature = values.T, none_values.T
    pair_importance = np.repeat(importance, counts)
    is_none = truth < 0
    right = truth[~is_none]

    penalty = ridge + 1 / (np.concatenate([scale, none_scale]) * spread) ** 2

    def loss(packed: Doubles) -> tuple[float, Doubles]:
        weights, none_weights = packed[:N_CANDIDATE], packed[N_CANDIDATE:]
        result = _softmax(start, values @ weights, none_values @ none_weights)
        chosen = np.where(is_none, result.none, 0.0)
        chosen[~is_none] = result.candidate[right]
        value = -(importance * np.log(np.maximum(chosen, 1e-300))).sum() + 0.5 * (penalty * packed**2).sum()
        residual = result.candidate * pair_importance
        residual[right] -= importance[~is_none]
        none_residual = (result.none - is_none) * importance
        gradient = np.concatenate([by_feature @ residual, none_by_feature @ none_residual])
        return float(value), gradient + penalty * packed

    start_at = np.zeros(N_CANDIDATE + none_values.shape[1])
    bounds = _scaled_bounds(scale) + [(None, None)] * none_values.shape[1]
    options = {"maxiter": iterations, "ftol": 1e-8}
    found = minimize(loss, start_at, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return found.x[:N_CANDIDATE] / scale, found.x[N_CANDIDATE:] / none_scale
