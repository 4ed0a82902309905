"""Match weights from the number of other sessions about the same order in the same zone.

What belongs here: the expected number of other sessions, the distribution of their number, and the log odds
that follow from it. What does not: the mixture (order_model.py) and its fit (order_fitting.py).

These weights make the sessions of a contact depend on each other. An order is opened only once. So if another
session is about the opening, this session probably is not. It is then more likely about another order that
the contact opened at the same time.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from whatsapp_pipeline.domain.matching.order_data import (
    ZONE_OF_TIME,
    Doubles,
    Integers,
    OrderData,
    time_positions,
)
from whatsapp_pipeline.domain.matching.order_model import REPEATS, TIMES, ZONES, OrderModel

# Weight of the Poisson prior, in orders: the prior counts as much as 20 observed orders.
_PRIOR_ORDERS = 20.0
# Zones around the opening and the closing, which happen once per order. Repeats are fitted only for these
# zones. All other zones get the log odds 0.
_REPEAT_ZONES = ("arrival", "same_day", "leaving")
# Bounds of the log odds, because rare events are estimated from few orders.
_LOWEST, _HIGHEST = -3.0, 2.0


def other_sessions(data: OrderData, related: Doubles) -> Doubles:
    """Return, for each pair, the expected number of other sessions about its order in its zone.

    `related[p]` is the posterior probability of pair p.
    """
    key = data.pairs.order * len(ZONES) + data.pairs.zone
    total = np.bincount(key, related, len(data.pairs.lengths) * len(ZONES))
    return np.asarray(np.maximum(total[key] - related, 0.0), dtype=np.float64)


def repeat_log_odds(model: OrderModel, zone: Integers, others: Doubles) -> Doubles:
    """Return, for each pair, the log odds for its number of other sessions.

    They are interpolated between whole numbers. `_Reasons.repeats` in order_model.py computes the same for a
    single pair.
    """
    if not model.repeats:
        return np.zeros(len(others))
    table = np.array([model.repeats[name] for name in ZONES])
    capped = np.minimum(others, REPEATS - 1)
    low = np.floor(capped).astype(np.int64)
    fraction = capped - low
    high = np.minimum(low + 1, REPEATS - 1)
    return np.asarray(table[zone, low] * (1 - fraction) + table[zone, high] * fraction, dtype=np.float64)


def fit_repeats(data: OrderData, model: OrderModel, related: Doubles) -> dict[str, tuple[float, ...]]:
    """Return, by zone, the log odds of one more session when there are 0, 1, 2 … others.

    Let q(n) be the smoothed share of orders with n sessions in the zone. Let m be the mean number of sessions
    that the model's rates predict. Only orders that have days in the zone count. One more session beside n
    others is (n + 1) q(n + 1) / (q(n) m) times as likely as if sessions were independent.
    """
    counts = np.bincount(
        data.pairs.order * len(ZONES) + data.pairs.zone, related, len(data.pairs.lengths) * len(ZONES)
    ).reshape(-1, len(ZONES))
    expected = _expected_sessions(data, model)
    log_odds = {}
    for at, zone in enumerate(ZONES):
        has_zone = expected[:, at] > 1e-6  # an order without days in the zone expects 0 sessions
        if zone not in _REPEAT_ZONES or not has_zone.any():
            log_odds[zone] = (0.0,) * REPEATS
            continue
        mean = max(float(expected[has_zone, at].mean()), 1e-3)  # the logarithm needs a positive number
        share = _distribution(counts[has_zone, at], mean)
        odds = np.log(np.arange(1, REPEATS + 1) * share[1:] / share[:-1]) - math.log(mean)
        log_odds[zone] = tuple(np.clip(odds, _LOWEST, _HIGHEST).round(4).tolist())
    return log_odds


def _distribution(counts: Doubles, mean: float) -> Doubles:
    """Return the shares of orders with 0 … REPEATS sessions.

    A fractional count is divided between the two nearest whole numbers.
    """
    capped = np.minimum(counts, REPEATS - 1e-6)  # so that `low + 1` is at most REPEATS
    low = np.floor(capped).astype(np.int64)
    fraction = capped - low
    orders = np.bincount(low, 1 - fraction, REPEATS + 1) + np.bincount(low + 1, fraction, REPEATS + 1)
    prior = np.array([mean**n * math.exp(-mean) / math.factorial(n) for n in range(REPEATS + 1)])
    shares = orders + _PRIOR_ORDERS * prior + 1e-3  # no share is 0, because its logarithm is needed
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def _expected_sessions(data: OrderData, model: OrderModel) -> Doubles:
    """Return the expected number of sessions of each order in each zone: orders × zones."""
    rates = np.array([model.rates[name] for name in TIMES])

    @cache
    def sessions_by_zone(length: int | None) -> Doubles:
        times = time_positions(length)
        return np.bincount(ZONE_OF_TIME[times], rates[times], len(ZONES)).astype(np.float64)

    return np.array([sessions_by_zone(length) for length in data.pairs.lengths]).reshape(-1, len(ZONES))
