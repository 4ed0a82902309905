"""How often people write about one order in one stretch of its life, and what that says of a session.

What belongs here: the expected number of other sessions about the same order in the same zone, how their
number is distributed, and the log odds that follow. What does not: the mixture itself (order_model.py) and
its fit (order_fitting.py).

Sessions of a contact are decided together this way. An order is opened once: where another session is about
the opening already, this one is rarely about it too, and more likely about the order that was left beside it.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from whatsapp_pipeline.domain.matching.order_data import Doubles, Integers, OrderData, times_at
from whatsapp_pipeline.domain.matching.order_model import REPEATS, TIMES, ZONE_OF, ZONES, OrderModel

# Orders that the Poisson distribution, which says nothing, counts for beside a client's own.
_PRIOR_ORDERS = 20.0
# Zones of the same few days for every order. The others, and their sessions, grow with the order's length.
_ONE_OFF = ("arrival", "same_day", "leaving")
# Bounds of the log odds: few orders say little of what hardly ever happens.
_LOWEST, _HIGHEST = -3.0, 2.0
_ZONE_AT: Integers = np.array([ZONES.index(ZONE_OF[name]) for name in TIMES])


def other_sessions(data: OrderData, related: Doubles) -> Doubles:
    """Return, for each pair, the expected number of other sessions about its order in its zone.

    `related[p]` is the posterior of pair p.
    """
    key = data.order * len(ZONES) + data.zone
    total = np.bincount(key, related, len(data.lengths) * len(ZONES))
    return np.asarray(np.maximum(total[key] - related, 0.0), dtype=np.float64)


def repeat_scores(model: OrderModel, zone: Integers, others: Doubles) -> Doubles:
    """Return the log odds of each pair that follow from the number of `others`, interpolated."""
    if not model.repeats:
        return np.zeros(len(others))
    table = np.array([model.repeats[name] for name in ZONES])
    capped = np.minimum(others, REPEATS - 1)
    low = np.floor(capped).astype(np.int64)
    part = capped - low
    high = np.minimum(low + 1, REPEATS - 1)
    return np.asarray(table[zone, low] * (1 - part) + table[zone, high] * part, dtype=np.float64)


def fit_repeats(data: OrderData, model: OrderModel, related: Doubles) -> dict[str, tuple[float, ...]]:
    """Return, by zone, the log odds that a further session adds when there are 0, 1, 2 … already.

    With q(n) the share of orders that have n sessions in the zone, and m how many one expects, one more
    beside n others is (n + 1) q(n + 1) / (q(n) m) times as likely as if sessions knew nothing of each other.
    """
    counts = np.bincount(
        data.order * len(ZONES) + data.zone, related, len(data.lengths) * len(ZONES)
    ).reshape(-1, len(ZONES))
    expected = _expected_sessions(data, model)
    found = {}
    for at, zone in enumerate(ZONES):
        has_zone = expected[:, at] > 1e-6
        if zone not in _ONE_OFF or not has_zone.any():
            found[zone] = (0.0,) * REPEATS
            continue
        mean = max(float(expected[has_zone, at].mean()), 1e-3)
        share = _distribution(counts[has_zone, at], mean)
        odds = np.log(np.arange(1, REPEATS + 1) * share[1:] / share[:-1]) - math.log(mean)
        found[zone] = tuple(np.clip(odds, _LOWEST, _HIGHEST).round(4).tolist())
    return found


def _distribution(counts: Doubles, mean: float) -> Doubles:
    """Return the shares of orders with 0 … REPEATS sessions; a count between two numbers counts for both."""
    capped = np.minimum(counts, REPEATS - 1e-6)
    low = np.floor(capped).astype(np.int64)
    part = capped - low
    seen = np.bincount(low, 1 - part, REPEATS + 1) + np.bincount(low + 1, part, REPEATS + 1)
    prior = np.array([mean**n * math.exp(-mean) / math.factorial(n) for n in range(REPEATS + 1)])
    shares = seen + _PRIOR_ORDERS * prior + 1e-3
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def _expected_sessions(data: OrderData, model: OrderModel) -> Doubles:
    """Return how many sessions one expects of each order in each zone: orders × zones."""
    rates = np.array([model.rates[name] for name in TIMES])

    @cache
    def of_length(length: int | None) -> Doubles:
        times = times_at(length)
        return np.bincount(_ZONE_AT[times], rates[times], len(ZONES)).astype(np.float64)

    return np.array([of_length(length) for length in data.lengths]).reshape(-1, len(ZONES))
