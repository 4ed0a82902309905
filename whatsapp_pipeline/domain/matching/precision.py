"""A guaranteed lower bound for the share of right links, valid however often one looks.

What belongs here: the sampling weights, the confidence sequence, and nothing of tables. What does not: which
links there are and what reviewers said of them (store/links/precision_sample.py).

Links are drawn one after the other without replacement; each draw takes a link with a probability
proportional to its weight among those that are left. For each possible number of wrong links a gambler bets
that there are fewer: the importance-weighted verdict of a draw has a known mean if that number is true, so
the gambler's capital is a martingale that reaches 1 / (1 - confidence) with a probability of at most
1 - confidence, ever (Ville's inequality). The numbers against which the capital was never that large are the
confidence set; its largest member bounds the wrong links. The method is betting with weighted sampling
without replacement (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting";
Shekhar et al., "Risk-limiting financial audits via weighted sampling without replacement").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
ENOUGH_VERDICTS = 20
"""From so many verdicts on a method's links on the report states the method's own bound."""

# What a bet assumes before the first verdict: wrong links are rare. Where that is false the bound is looser,
# and as valid.
_PRIOR_WRONG, _PRIOR_DRAWS = 0.1, 5.0
# Numbers of wrong links that are tested at most. Of larger populations only some are, and the bound is
# rounded to the safe side.
_TESTED = 4000

_Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LinkDraw:
    """One link of the sample in the order of the draws: its weight, and whether a person called it wrong.

    `is_removed`: the link is no longer in force, because that verdict took it away.
    """

    weight: float
    is_wrong: bool
    is_removed: bool = False


@dataclass(frozen=True, slots=True)
class LinkPopulation:
    """What is drawn from: how many links, the sum of their weights, and the least weight."""

    links: int
    total_weight: float
    least_weight: float


@dataclass(frozen=True, slots=True)
class PrecisionBound:
    """The share of right links is at least `share`, with this confidence at all looks together."""

    share: float
    links: int
    verdicts: int
    wrong: int
    confidence: float


def precision_bound(
    draws: Sequence[LinkDraw], population: LinkPopulation, *, confidence: float = CONFIDENCE
) -> PrecisionBound:
    """Bound the share of right links among those in force.

    `draws` are the first links of the sample, without a gap. A wrong link that its verdict removed was part
    of the population it was drawn from: it counts there, and is taken off the bound afterwards.
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
    """Return the largest number of wrong links in the population that the verdicts don't rule out."""
    if not draws:
        return population.links
    tested = _tested_counts(population.links)
    largest = log_capital(draws, population, tested).max(axis=0)
    seen = sum(draw.is_wrong for draw in draws)
    is_possible = (tested >= seen) & (tested <= seen + population.links - len(draws))
    kept = np.flatnonzero((largest < -np.log(1 - confidence)) & is_possible)
    if not len(kept):
        return seen
    last = int(kept[-1])
    # Between two tested numbers the next one, which is ruled out, is the safe answer.
    return int(tested[last + 1]) - 1 if last + 1 < len(tested) else int(tested[last])


def log_capital(
    draws: Sequence[LinkDraw], population: LinkPopulation, wrong_links: npt.NDArray[np.int64]
) -> _Doubles:
    """Return the logarithm of the gambler's capital after each draw, against each number of wrong links."""
    capital = np.zeros((len(draws), len(wrong_links)))
    running = np.zeros(len(wrong_links))
    left, seen, estimate = population.total_weight, 0, _PRIOR_WRONG
    for number, draw in enumerate(draws):
        # All in shares of the largest value that an importance-weighted verdict can take at this draw.
        largest = left / population.least_weight
        mean = (wrong_links - seen) / largest
        value = (left / draw.weight) / largest if draw.is_wrong else 0.0
        with np.errstate(invalid="ignore"):  # ruled out before, and impossible now: it stays ruled out
            running = running + _log_growth(mean, value, estimate / (number + _PRIOR_DRAWS))
        capital[number] = running
        left = max(left - draw.weight, population.least_weight)
        seen += draw.is_wrong
        estimate += value
    return capital


def _log_growth(mean: _Doubles, value: float, expected: float) -> _Doubles:
    """Return the logarithm of what a bet at fair odds makes of the capital, when the verdict is `value`.

    The stake is Kelly's for a verdict that is expected to be `expected` where `mean` would be true.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        stake = np.clip(1 - expected / mean, 0.0, 1.0)
        growth = 1 + stake * (mean - value) / (1 - mean)
        grown = np.log(growth)
    # Fewer wrong links than were seen, or more than are left: both are impossible.
    grown = np.where(mean < 0, -np.inf, grown)
    return np.where(mean >= 1, np.inf if value < 1 else 0.0, grown)


def _tested_counts(links: int) -> npt.NDArray[np.int64]:
    if links <= _TESTED:
        return np.arange(links + 1)
    return np.unique(np.concatenate([np.linspace(0, links, _TESTED), np.arange(1000)]).astype(np.int64))
