"""Match weights from the number of other sessions about the same order in the same zone.

What belongs here: the expected number of other sessions, the distribution of their number, and the log odds
that follow. What does not: the mixture (order_model.py) and its fit (order_fitting.py).

These weights make the sessions of a contact depend on each other. An order is opened once: if another session
is about the opening, this one probably is not, and is more likely about an order left at the same time.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from whatsapp_pipeline.domain.matching.order_data import Doubles, Integers, OrderData, time_positions
from whatsapp_pipeline.domain.matching.order_model import REPEATS, TIMES, ZONE_OF, ZONES, OrderModel

# Weight of the prior, a Poisson distribution: it counts as much as this number of a client's own orders.
_PRIOR_ORDERS = 20.0
# Zones with the same few days for every order. The others grow with the length of the order.
_ONE_OFF = ("arrival", "same_day", "leaving")
# Bounds of the log odds, because rare events are estimated from few orders.
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
    """Return, by zone, the log odds of one more session when there are 0, 1, 2 … others.

    Let q(n) be the share of orders with n sessions in the zone, and m the mean number of sessions. One more
    session beside n others is (n + 1) q(n + 1) / (q(n) m) times as likely as if sessions were independent.
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
    """Return the shares of orders with 0 … REPEATS sessions.

    A fractional count is split between both sides.
    """
    capped = np.minimum(counts, REPEATS - 1e-6)
    low = np.floor(capped).astype(np.int64)
    part = capped - low
    seen = np.bincount(low, 1 - part, REPEATS + 1) + np.bincount(low + 1, part, REPEATS + 1)
    prior = np.array([mean**n * math.exp(-mean) / math.factorial(n) for n in range(REPEATS + 1)])
    shares = seen + _PRIOR_ORDERS * prior + 1e-3
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def _expected_sessions(data: OrderData, model: OrderModel) -> Doubles:
    """Return the expected number of sessions of each order in each zone: orders × zones."""
    rates = np.array([model.rates[name] for name in TIMES])

    @cache
    def of_length(length: int | None) -> Doubles:
        times = time_positions(length)
        return np.bincount(_ZONE_AT[times], rates[times], len(ZONES)).astype(np.float64)

    return np.array([of_length(length) for length in data.lengths]).reshape(-1, len(ZONES))
