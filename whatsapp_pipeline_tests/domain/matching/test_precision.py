"""The guaranteed precision: valid however often one looks, and tight enough to be of use."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from whatsapp_pipeline.domain.matching.precision import (
    LinkDraw,
    LinkPopulation,
    log_capitals,
    most_wrong_links,
    precision_bound,
)

RUNS = 2000


class _World:
    """Links with known truth, drawn as the view `rule_links` draws: -ln(u) / weight, the least first."""

    def __init__(
        self, rng: np.random.Generator, links: int, doubtful: float, sure_wrong: float, wrong: float
    ) -> None:
        is_doubtful = rng.random(links) < doubtful
        self.is_wrong = rng.random(links) < np.where(is_doubtful, wrong, sure_wrong)
        self.weights = np.where(is_doubtful, 2.0, 1.0)
        self.order = np.argsort(-np.log(rng.random(links)) / self.weights)
        self.population = LinkPopulation(links, float(self.weights.sum()), float(self.weights.min()))

    def draws(self, count: int, *, removed: bool = False) -> list[LinkDraw]:
        return [
            LinkDraw(float(self.weights[i]), bool(self.is_wrong[i]), removed and bool(self.is_wrong[i]))
            for i in self.order[:count]
        ]


def _capital(draws: list[LinkDraw], population: LinkPopulation, counts: list[int]) -> np.ndarray:
    """Return the logarithm of the capital after each draw (rows), against each number (columns)."""
    return np.stack([running for _, running in log_capitals(draws, population, np.array(counts))])


# Links, share of doubtful ones, share wrong among sure and among doubtful ones, verdicts.
WORLDS = [
    (120, 0.3, 0.02, 0.20, 120),
    (400, 0.2, 0.01, 0.10, 100),
    (400, 0.5, 0.30, 0.05, 60),  # the weights mislead: sure links are the wrong ones
    (5000, 0.1, 0.05, 0.05, 80),
]


@pytest.mark.slow
def test_looking_after_every_verdict_misses_the_truth_in_at_most_5_percent_of_runs() -> None:
    """The truth is ruled out at some look exactly when the capital against it reaches 20 at some draw."""
    missed = 0
    for run in range(RUNS):
        links, doubtful, sure_wrong, wrong, verdicts = WORLDS[run % len(WORLDS)]
        world = _World(np.random.default_rng(run), links, doubtful, sure_wrong, wrong)
        capital = _capital(world.draws(verdicts), world.population, [int(world.is_wrong.sum())])
        missed += bool(capital.max() >= math.log(20))
    assert missed <= 0.05 * RUNS
    assert missed >= 0.001 * RUNS  # a bound that never misses is no 95 % bound: something is too timid


@pytest.mark.parametrize("seed", range(6))
def test_the_bound_after_each_verdict_is_what_the_capital_says(seed: int) -> None:
    world = _World(np.random.default_rng(seed), 90, 0.3, 0.1, 0.3)
    truth = int(world.is_wrong.sum())
    capital = _capital(world.draws(90), world.population, [truth])[:, 0]
    for looked in range(1, 91):
        worst = most_wrong_links(world.draws(looked), world.population)
        assert worst >= int(world.is_wrong[world.order[:looked]].sum())
        if capital[:looked].max() < math.log(20):
            assert worst >= truth
    assert most_wrong_links(world.draws(90), world.population) == truth  # all looked at: nothing is unknown


@pytest.mark.parametrize("seed", range(4))
def test_the_bound_is_the_largest_number_that_no_draw_excludes(seed: int) -> None:
    """Numbers are given up on the way; the answer is the one of all numbers after all draws."""
    world = _World(np.random.default_rng(seed), 90, 0.3, 0.1, 0.3)
    draws = world.draws(60)
    largest = _capital(draws, world.population, list(range(91))).max(axis=0)
    seen = int(world.is_wrong[world.order[:60]].sum())
    possible = [count for count in range(seen, seen + 31) if largest[count] < math.log(20)]
    assert most_wrong_links(draws, world.population) == possible[-1]


def test_each_verdict_of_right_raises_the_bound_and_one_of_wrong_lowers_it() -> None:
    population = LinkPopulation(1000, 1000.0, 1.0)
    right = [precision_bound([LinkDraw(1.0, False)] * n, population).share for n in (0, 20, 60, 200)]
    assert right[0] == 0.0
    assert all(later > earlier for earlier, later in pairwise(right))
    assert 0.94 <= right[2] <= 1 - 3 / 60  # no bound can be better than the rule of three
    mixed = precision_bound([*[LinkDraw(1.0, False)] * 59, LinkDraw(1.0, True)], population)
    assert mixed.share < right[2]
    assert (mixed.verdicts, mixed.wrong, mixed.links) == (60, 1, 1000)


def test_a_wrong_link_that_was_removed_does_not_make_the_others_look_better() -> None:
    """Without it the sample would be all right, and the bound would promise what nobody checked."""
    misses = 0
    for seed in range(300):
        world = _World(np.random.default_rng(seed), 1000, 0.2, 0.05, 0.10)
        draws = world.draws(60, removed=True)
        bound = precision_bound(draws, world.population)
        removed = sum(draw.is_removed for draw in draws)
        truth = 1 - (world.is_wrong.sum() - removed) / (1000 - removed)
        misses += bool(bound.share > truth)
        assert bound.links == 1000 - removed
    assert misses <= 0.05 * 300


def test_doubtful_links_tighten_the_bound_when_they_weigh_double() -> None:
    """Half of the wrong links are among the few doubtful ones: finding them costs less of the bound."""
    shares: dict[float, list[float]] = {1.0: [], 2.0: []}
    for seed in range(60):
        for weight, found in shares.items():
            rng = np.random.default_rng(seed)
            is_doubtful = rng.random(2000) < 0.1
            is_wrong = rng.random(2000) < np.where(is_doubtful, 0.05, 0.002)
            weights = np.where(is_doubtful, weight, 1.0)
            order = np.argsort(-np.log(rng.random(2000)) / weights)[:150]
            draws = [LinkDraw(float(weights[i]), bool(is_wrong[i])) for i in order]
            found.append(precision_bound(draws, LinkPopulation(2000, float(weights.sum()), 1.0)).share)
    assert np.quantile(shares[2.0], 0.1) > np.quantile(shares[1.0], 0.1)
    assert np.mean(shares[2.0]) > np.mean(shares[1.0]) - 0.005


def test_a_large_population_is_bounded_on_the_safe_side() -> None:
    draws = [LinkDraw(1.0, False)] * 100
    small = precision_bound(draws, LinkPopulation(4000, 4000.0, 1.0)).share
    large = precision_bound(draws, LinkPopulation(3_000_000, 3_000_000.0, 1.0)).share
    assert small - 0.005 < large <= small
