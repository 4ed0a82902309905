"""Fitting the order model to a client's own sessions, without labels.

What belongs here: expectation and maximization, and the small talk of each contact. What does not: the
meaning of the model (order_model.py) and reading tables.

The dates of orders are known, so sessions about them appear as an excess over the steady rate of small talk.
A session that names a number shows its order. With few sessions the numbers stay near those of the shipped
model, called the usual ones here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import numpy.typing as npt

from whatsapp_pipeline.domain.matching.link_types import ReliabilityBand
from whatsapp_pipeline.domain.matching.order_data import (
    DEVICES,
    Doubles,
    Integers,
    OrderData,
    Span,
    pair_sessions,
    span_of,
)
from whatsapp_pipeline.domain.matching.order_model import (
    STAGES,
    TIMES,
    ZONES,
    Order,
    OrderModel,
    SessionToLink,
    default_model,
    device_weights,
    month_factor,
)
from whatsapp_pipeline.domain.matching.order_repeats import fit_repeats, other_sessions, repeat_log_odds
from whatsapp_pipeline.domain.matching.reliability import reliability_bands

# Iterations that fit the model, and iterations that estimate only small talk or other sessions.
_ROUNDS = 40
_RATE_ROUNDS = 8
# Weight of the usual numbers: they count as much as this number of the client's own sessions.
_RATE_PRIOR = 3.0
_WORD_PRIOR = 10.0
_MONTH_PRIOR = 10.0
# Days before and after a session in which its contact's small talk is counted. Months of a period of
# `_spell_shape`.
_SPELL, _SPELL_MONTHS = 120, 4
_SAME, _OTHER = DEVICES.index("device_same"), DEVICES.index("device_other")
# With fewer sessions than this the usual numbers stay unchanged.
ENOUGH = 200


def fit_orders(
    sessions: Sequence[SessionToLink], orders: Mapping[int, Sequence[Order]], span: Span | None = None
) -> OrderModel:
    """Fit a model to `sessions` and the orders of their contacts (contact → orders).

    `span` is the first and last day of the period in which sessions were collected; without it, that of the
    sessions. The same arguments give the same model. Too few sessions give the usual one, with the shares of
    the devices in `orders`.
    """
    model = default_model()
    usual = replace(model, device_shares=_device_shares(orders) or model.device_shares)
    if len(sessions) < ENOUGH:
        return usual
    span = span or span_of([session.first_day for session in sessions])
    data = pair_sessions(sessions, orders, usual, span)
    if data is None or len(data.contact) < ENOUGH:
        return usual
    model = usual
    small_talk = _first_rates(data, model)
    for _ in range(_ROUNDS):
        related, none = _expect(data, model, small_talk)
        model = _maximize(data, usual, model, related, none)
        small_talk = _contact_rates(data, model, none)
    related, none = _expect(data, model, small_talk)
    for _ in range(_RATE_ROUNDS):
        model = replace(model, repeats=fit_repeats(data, model, related))
        related, none = _expect_together(data, model, small_talk, related)
    bands, error = _reliability(data, model, small_talk, related)
    days = (span[0].isoformat(), span[1].isoformat())
    return replace(model, span=days, sessions=len(sessions), reliability=bands, calibration_error=error)


def quarter_begin(today: date) -> date:
    """Return the first day of the quarter; models are fitted on the sessions before it.

    Otherwise every new session would change the model and make the links of all months stale.
    """
    return today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1)


def with_rates(
    sessions: Sequence[SessionToLink],
    orders: Mapping[int, Sequence[Order]],
    model: OrderModel,
    span: Span | None = None,
) -> list[SessionToLink]:
    """Return the sessions with `unrelated_rate` and `others`, estimated from the contact's other sessions.

    Callers pass the sessions of one month. Other months have no influence, whether they are indexed or not,
    so the links of a month do not depend on what was run before.

    Args:
        sessions: Sessions of any contacts.
        orders: By contact, the orders of those contacts.
        model: The model that links these sessions.
        span: First and last day of the period that `sessions` cover completely; without it, that of the
            sessions. The model's own span would be wrong for one month, because most of its days are in
            other months, so the estimated rates would be too low.
    """
    if not sessions:
        return []
    days = [day for session in sessions for day in (session.first_day, session.last_day)]
    data = pair_sessions(sessions, orders, model, span or span_of(days))
    rates = np.full(len(sessions), model.small_talk)
    others: list[Mapping[int, float]] = [{}] * len(sessions)
    if data is not None:
        small_talk = _first_rates(data, model)
        for _ in range(_RATE_ROUNDS):
            related, none = _expect(data, model, small_talk)
            small_talk = _contact_rates(data, model, none)
        rates[data.index] = small_talk
        if model.repeats:
            for _ in range(_RATE_ROUNDS):
                related, none = _expect_together(data, model, small_talk, related)
            others = _others_by_session(data, related, len(sessions))
    return [
        replace(session, unrelated_rate=rate, others=written)
        for session, rate, written in zip(sessions, rates.tolist(), others, strict=True)
    ]


def _others_by_session(data: OrderData, related: Doubles, size: int) -> list[Mapping[int, float]]:
    found: list[dict[int, float]] = [{} for _ in range(size)]
    places, orders = data.index[data.pairs.session].tolist(), data.pairs.order_ids[data.pairs.order].tolist()
    for place, order, count in zip(places, orders, other_sessions(data, related).tolist(), strict=True):
        found[place][order] = count
    return list(found)


def _device_shares(orders: Mapping[int, Sequence[Order]]) -> dict[str, float]:
    named = [set(order.devices) for own in orders.values() for order in own if order.devices]
    counts = Counter(device for devices in named for device in sorted(devices))
    # Half an order is added to each device, so that a device seen once does not identify an order.
    return {device: round((n + 0.5) / (len(named) + 10), 6) for device, n in sorted(counts.items())}


# Expectation.


def _expect(data: OrderData, model: OrderModel, small_talk: Doubles) -> tuple[Doubles, Doubles]:
    """Return the posterior of each pair, and of "none" for each session."""
    score = _scores(data, model, small_talk)
    return _posteriors(data, np.where(data.pairs.allowed, score, -np.inf), data.named)


def _expect_together(
    data: OrderData, model: OrderModel, small_talk: Doubles, related: Doubles
) -> tuple[Doubles, Doubles]:
    """Return the posteriors of pairs and of "none", given the contact's other sessions.

    A new posterior is the mean of the old one, `related`, and the one computed from it.
    """
    score = _scores(data, model, small_talk) + repeat_log_odds(
        model, data.pairs.zone, other_sessions(data, related)
    )
    found, _ = _posteriors(data, np.where(data.pairs.allowed, score, -np.inf), data.named)
    mixed = (found + related) / 2
    return mixed, 1 - _sums(data.pairs.session, mixed, len(data.contact))


def _scores(data: OrderData, model: OrderModel, small_talk: Doubles) -> Doubles:
    rates = np.log(np.array([model.rates[time] for time in TIMES]))
    stages = np.log(np.array([model.stages[zone] for zone in ZONES]))
    words = stages - np.log(np.array(model.stages["none"]))
    plain = device_weights(model, 0.5)
    devices = np.array([plain[name] for name in DEVICES])[data.pairs.device]
    chance = data.chance[data.pairs.session]
    # `plain` has the chance 0.5, which is replaced by the chance of the session's devices.
    devices -= np.where(data.pairs.device == _SAME, np.log(2 * chance), 0.0)
    devices -= np.where(data.pairs.device == _OTHER, np.log(2 * (1 - chance)), 0.0)
    found: Doubles = (
        rates[data.pairs.time]
        + words[data.pairs.zone, data.stage[data.pairs.session]]
        + devices
        + data.pairs.fixed
        + np.log(1 - model.named)
        + (np.log(_by_month(data, model.months)) - np.log(small_talk))[data.pairs.session]
    )
    return found


def _posteriors(data: OrderData, score: Doubles, certain: npt.NDArray[np.bool_]) -> tuple[Doubles, Doubles]:
    """Return the posteriors of each session's orders and of "none"; a `certain` session can't be "none"."""
    size = len(data.contact)
    top = np.full(size, -50.0)
    np.maximum.at(top, data.pairs.session, score)
    top = np.where(certain, top, np.maximum(top, 0.0))
    part = np.exp(score - top[data.pairs.session])
    none = np.where(certain, 0.0, np.exp(-top))
    total = _sums(data.pairs.session, part, size) + none
    return part / total[data.pairs.session], none / total


# Small talk of each contact.


def _first_rates(data: OrderData, model: OrderModel) -> Doubles:
    near = np.zeros(len(data.contact))
    near[data.pairs.session] = 1.0
    return _contact_rates(data, model, np.where(near > 0, 0.3, 1.0))


def _contact_rates(data: OrderData, model: OrderModel, none: Doubles) -> Doubles:
    """Return the rate of small talk at each session, estimated from the contact's other sessions."""
    shape = model.small_talk_shape
    counted = none * data.counts
    others = _sums(data.contact, counted, data.contacts)[data.contact] - counted
    seen = data.calendar.days_of_month @ _factors(data, model.quiet_months)
    usual = (shape + others) / (shape / model.small_talk + seen)
    near, days = _near(data, counted, _factors(data, model.quiet_months))
    rate: Doubles = (model.spell_shape + near) / (model.spell_shape / usual + days)
    return rate * _by_month(data, model.quiet_months)


def _near(data: OrderData, counted: Doubles, quiet_months: Doubles) -> tuple[Doubles, Doubles]:
    """Return the contact's sessions of small talk around each session, without this session.

    Also return the number of days in which they were counted. The rate of a contact changes over time, so the
    days around a session predict it best.
    """
    key = data.contact * (2 * len(data.calendar.month_of_day) + 2 * _SPELL) + data.day
    order = np.argsort(key, kind="stable")
    found = np.concatenate([[0.0], np.cumsum(counted[order])])
    ranked = key[order]
    near = (
        found[np.searchsorted(ranked, key + _SPELL, "right")] - found[np.searchsorted(ranked, key - _SPELL)]
    )
    days = np.concatenate([[0.0], np.cumsum(quiet_months[data.calendar.month_of_day])])
    end = np.minimum(data.day + _SPELL + 1, len(data.calendar.month_of_day))
    return np.maximum(near - counted, 0.0), days[end] - days[np.maximum(data.day - _SPELL, 0)]


def _by_month(data: OrderData, factors: Mapping[str, float]) -> Doubles:
    found: Doubles = _factors(data, factors)[data.month]
    return found


def _factors(data: OrderData, factors: Mapping[str, float]) -> Doubles:
    return np.array([month_factor(factors, month) for month in data.calendar.months])


# Maximization.


def _maximize(
    data: OrderData, usual: OrderModel, model: OrderModel, related: Doubles, none: Doubles
) -> OrderModel:
    every = _sums(data.pairs.session, related, len(data.contact))
    said, stage = data.says[data.pairs.session], data.stage[data.pairs.session]
    comparable = said & ((data.pairs.device == _SAME) | (data.pairs.device == _OTHER))
    rates, months = _rates(data, usual, model, related)
    quiet = _sums(data.month, none, len(data.calendar.months))
    quiet_months = _month_factors(
        quiet, data.calendar.days_of_month * none.sum() / data.calendar.days_of_month.sum()
    )
    seen = float(data.calendar.days_of_month @ quiet_months)
    mean, shape = _gamma(_sums(data.contact, none * data.counts, data.contacts), seen, usual)
    return replace(
        model,
        rates=rates,
        months=dict(zip(data.calendar.months, months.tolist(), strict=True)),
        quiet_months=dict(zip(data.calendar.months, quiet_months.tolist(), strict=True)),
        stages={
            zone: _shares(related * (data.pairs.zone == at), stage, usual.stages[zone])
            for at, zone in enumerate(ZONES)
        }
        | {"none": _shares(none, data.stage, usual.stages["none"])},
        device_said=_share(related * said, related, usual.device_said),
        device_same=_share(
            related * (comparable & (data.pairs.device == _SAME)), related * comparable, usual.device_same
        ),
        device_none=_share(none * data.says, none, usual.device_none),
        named=_share(every[data.named], every, usual.named),
        small_talk=mean,
        small_talk_shape=shape,
        spell_shape=_spell_shape(data, none * data.counts, quiet_months, (mean, shape), usual),
    )


def _rates(
    data: OrderData, usual: OrderModel, model: OrderModel, related: Doubles
) -> tuple[dict[str, float], Doubles]:
    """Return rates by time and factors by month, near the usual ones where there are few sessions."""
    count = _sums(data.pairs.time, related, len(TIMES))
    by_month = _sums(data.month[data.pairs.session], related, len(data.calendar.months))
    expected = np.array([model.rates[time] for time in TIMES]) @ data.exposure
    months = _month_factors(by_month, expected)
    days = data.exposure @ months
    prior = np.array([usual.rates[time] for time in TIMES])
    prior = prior * (count.sum() + 10.0) / (days @ prior + 10.0)
    fitted = np.maximum((_RATE_PRIOR + count) / (_RATE_PRIOR / prior + days), 1e-6)
    return dict(zip(TIMES, fitted.tolist(), strict=True)), months


def _month_factors(found: Doubles, expected: Doubles) -> Doubles:
    """Return the factor of each month relative to the usual rate; with few sessions it stays near 1."""
    factor: Doubles = (found + _MONTH_PRIOR) / (expected + _MONTH_PRIOR)
    return factor


def _sums(index: Integers, weight: Doubles, size: int) -> Doubles:
    """Return the sum of the weights of each index from 0 to `size` - 1."""
    return np.bincount(index, weight, size).astype(np.float64)


def _gamma(count: Doubles, days: float, usual: OrderModel) -> tuple[float, float]:
    """Return the mean rate and the shape of small talk over contacts, by the method of moments."""
    prior = 5.0
    mean = (count.sum() + prior) / (len(count) * days + prior / usual.small_talk)
    spread = float(count.var()) - float(count.mean())
    shape = float(count.mean()) ** 2 / spread if spread > 0 else 50.0
    # The logarithm of the shape is the mean of both logarithms; the usual shape counts as 50 contacts.
    weight = len(count) / (len(count) + 50)
    fitted, prior_shape = math.log(np.clip(shape, 0.05, 50)), math.log(usual.small_talk_shape)
    mixed = math.exp(weight * fitted + (1 - weight) * prior_shape)
    return float(mean), float(np.clip(mixed, 0.05, 50))


def _spell_shape(
    data: OrderData, counted: Doubles, quiet_months: Doubles, talk: tuple[float, float], usual: OrderModel
) -> float:
    """Return the shape of a contact's variation between thirds of a year, by the method of moments."""
    periods = -(-len(data.calendar.months) // _SPELL_MONTHS)
    if periods < 2:
        return usual.spell_shape
    at = np.arange(len(data.calendar.months)) // _SPELL_MONTHS
    days = _sums(at, data.calendar.days_of_month * quiet_months, periods)
    count = _sums(data.contact * periods + at[data.month], counted, data.contacts * periods)
    table = count.reshape(data.contacts, periods)
    mean, shape = talk
    rate = (shape + table.sum(axis=1)) / (shape / mean + days.sum())
    expected = rate[:, None] * days
    # The rate was estimated from the same counts, which reduces their variance to (periods - 1) / periods.
    spread = float(((table - expected) ** 2).sum()) * periods / (periods - 1) - float(table.sum())
    square = float((expected**2).sum())
    prior = 20.0
    return float(np.clip((square + prior) / (max(spread, 0.0) + prior / usual.spell_shape), 0.1, 50))


def _shares(weight: Doubles, outcome: Integers, usual: Sequence[float]) -> tuple[float, ...]:
    count = _sums(outcome, weight, len(STAGES)) + _WORD_PRIOR * np.array(usual)
    return tuple((count / count.sum()).tolist())


def _share(part: Doubles, whole: Doubles, usual: float) -> float:
    """Return the sum of `part` divided by the sum of `whole`; with few sessions it stays near `usual`."""
    share = (float(part.sum()) + _WORD_PRIOR * usual) / (float(whole.sum()) + _WORD_PRIOR)
    return min(max(share, 1e-3), 1 - 1e-3)


def _reliability(
    data: OrderData, model: OrderModel, small_talk: Doubles, together: Doubles
) -> tuple[tuple[ReliabilityBand, ...], float]:
    """Compare posteriors, computed without the named numbers, with the orders that those numbers name.

    A session about an order names its number with the probability `model.named`, in every band. So the right
    sessions of a band, divided by that probability, estimate how many of the band are right.
    """
    score = _scores(data, model, small_talk) + repeat_log_odds(
        model, data.pairs.zone, other_sessions(data, together)
    )
    related, _ = _posteriors(data, score, np.zeros(len(data.contact), bool))
    size = len(data.contact)
    best = np.zeros(size)
    np.maximum.at(best, data.pairs.session, related)
    right = np.zeros(size)
    mine = data.named[data.pairs.session] & data.pairs.allowed & (related == best[data.pairs.session])
    right[data.pairs.session[mine]] = 1.0
    named = max(model.named, 1e-3)
    some = best > 0
    return reliability_bands(best[some], lambda band: min(float(right[some][band].mean()) / named, 1.0))
