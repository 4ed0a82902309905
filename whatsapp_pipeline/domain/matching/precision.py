"""A guaranteed lower bound for the share of right links, which is valid after every verdict.

What belongs here: the sampling weights and the confidence sequence. What does not: the links and the verdicts
of reviewers (store/links/precision_sample.py).

Links are drawn one after the other without replacement. Each draw takes a link with a probability
proportional to its weight among those that are left.

For each possible number of wrong links, a gambler bets that there are fewer. If that number is true, the
importance-weighted verdict of a draw has a known mean, and the gambler's capital is a martingale. By Ville's
inequality, the probability that it ever reaches 1 / (1 - confidence) is at most 1 - confidence. The numbers
against which the capital was never that large are the confidence set. Its largest member bounds the wrong
links.

The method is betting with weighted sampling without replacement (Waudby-Smith and Ramdas, "Estimating means
of bounded random variables by betting"; Shekhar et al., "Risk-limiting financial audits via weighted sampling
without replacement").
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
ENOUGH_VERDICTS = 20
"""Number of verdicts on a method's links from which the report states a bound for that method."""

# The first bets assume that wrong links are rare. If that is false, the bound is lower but still valid.
_PRIOR_WRONG, _PRIOR_DRAWS = 0.1, 5.0
# At most this many numbers of wrong links are tested. In larger populations some numbers are not tested, and
# the bound is rounded to the safe side.
_TESTED = 4000

_Doubles = npt.NDArray[np.float64]
_Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LinkDraw:
    """One link of the sample, in the order of the draws.

    `is_wrong`: a person called it wrong. `is_removed`: it is no longer in force because of that verdict.
    """

    weight: float
    is_wrong: bool
    is_removed: bool = False


@dataclass(frozen=True, slots=True)
class LinkPopulation:
    """The links that the sample is drawn from: their number, the sum and the minimum of their weights."""

    links: int
    total_weight: float
    least_weight: float


@dataclass(frozen=True, slots=True)
class PrecisionBound:
    """The share of right links is at least `share`.

    `confidence` is the probability that this is true after every verdict.
    """

    share: float
    links: int
    verdicts: int
    wrong: int
    confidence: float


def precision_bound(
    draws: Sequence[LinkDraw], population: LinkPopulation, *, confidence: float = CONFIDENCE
) -> PrecisionBound:
    """Bound the share of right links among those in force.

    `draws` are the first links of the sample, without gaps. A wrong link that its verdict removed belonged to
    the population when it was drawn. It counts there and is subtracted from the bound afterwards.
    """
    worst = most_wrong_links(draws, population, confidence=confidence)
    removed = sum(draw.is_removed for draw in draws)
    in_force = population.links - removed
    share = 1 - (worst - removed) / in_force if in_force > 0 else 0.0
    wrong = sum(draw.is_wrong for draw in draws)
    return PrecisionBound(min(max(share, 0.0), 1.0), in_force, len(draws), wrong, confidence)


def most_wrong_links(
    draws: Sequence[LinkDraw], population: LinkPopulation, *, confidence: float = CONFIDENCE
) -> int:
    """Return the largest number of wrong links in the population that the verdicts do not exclude."""
    if not draws:
        return population.links
    tested = kept = _tested_counts(population.links)
    for counts, _ in log_capitals(draws, population, tested, excluded_at=-math.log(1 - confidence)):
        kept = counts
    seen = sum(draw.is_wrong for draw in draws)
    possible = kept[(kept >= seen) & (kept <= seen + population.links - len(draws))]
    if not len(possible):
        return seen
    last = int(np.searchsorted(tested, possible[-1]))
    # Between two tested numbers, the safe answer is one less than the next tested number, which is excluded.
    return int(tested[last + 1]) - 1 if last + 1 < len(tested) else int(tested[last])


def log_capitals(
    draws: Sequence[LinkDraw],
    population: LinkPopulation,
    wrong_links: _Counts,
    *,
    excluded_at: float | None = None,
) -> Iterator[tuple[_Counts, _Doubles]]:
    """Yield after each draw the numbers of wrong links, and the logarithm of the capital against each.

    A number is left out from the draw on at which the capital against it reaches `excluded_at`.
    """
    counts, running = wrong_links, np.zeros(len(wrong_links))
    left, seen, estimate = population.total_weight, 0, _PRIOR_WRONG
    for number, draw in enumerate(draws):
        # Values are shares of the largest importance-weighted verdict that is possible at this draw.
        largest = left / population.least_weight
        mean = (counts - seen) / largest
        value = (left / draw.weight) / largest if draw.is_wrong else 0.0
        with np.errstate(invalid="ignore"):  # -inf plus inf: fewer wrong links than were found
            running = running + _log_growth(mean, value, estimate / (number + _PRIOR_DRAWS))
        if excluded_at is not None:
            is_kept = ~(running >= excluded_at)
            counts, running = counts[is_kept], running[is_kept]
        yield counts, running
        left = max(left - draw.weight, population.least_weight)
        seen += draw.is_wrong
        estimate += value


def _log_growth(mean: _Doubles, value: float, expected: float) -> _Doubles:
    """Return the logarithm of the factor by which a bet changes the capital when the verdict is `value`.

    The odds are fair if `mean` is true. The stake is Kelly's for an expected verdict of `expected`.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        stake = np.clip(1 - expected / mean, 0.0, 1.0)
        growth = 1 + stake * (mean - value) / (1 - mean)
        grown = np.log(growth)
    # Fewer wrong links than were found, or more than remain, are impossible.
    grown = np.where(mean < 0, -np.inf, grown)
    return np.where(mean >= 1, np.inf if value < 1 else 0.0, grown)


def _tested_counts(links: int) -> _Counts:
    if links <= _TESTED:
        return np.arange(links + 1)
    return np.unique(np.concatenate([np.linspace(0, links, _TESTED), np.arange(1000)]).astype(np.int64))
