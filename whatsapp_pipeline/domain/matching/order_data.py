"""Sessions and orders as arrays, for fitting the order model and for estimating small talk.

What belongs here: pairing sessions with the orders near them, and counting the days of orders. What does not:
the model (order_model.py) and fitting it (order_fitting.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from whatsapp_pipeline.domain.matching.order_model import (
    DAYS_BEFORE,
    STAGES,
    TIMES,
    ZONE_OF,
    ZONES,
    Order,
    OrderModel,
    SessionToLink,
    chance_of,
    device_of,
    fixed_weights,
    length_of,
    stage_of,
    time_of,
    times_around_order,
)

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Span = tuple[date, date]

DEVICES = ("device_unsaid", "device_unknown", "device_same", "device_other")
_TIME_POSITIONS = {name: at for at, name in enumerate(TIMES)}
ZONE_OF_TIME: Integers = np.array([ZONES.index(ZONE_OF[name]) for name in TIMES])
"""For each position in TIMES, the position of its zone in ZONES."""


@dataclass(frozen=True)
class Calendar:
    """The days of a span and their months; both are numbered from 0."""

    first: date
    last: date
    month_of_day: Integers
    months: tuple[str, ...]
    """The month with each number, such as "2025-01"."""

    @property
    def days_of_month(self) -> Doubles:
        """Return the number of days of each month that are inside the span."""
        return np.bincount(self.month_of_day).astype(np.float64)


@dataclass(frozen=True)
class OrderPairs:
    """The pairs of a session and an order near it, and these orders.

    An array has one value per pair; `lengths` and `order_ids` have one value per order.
    """

    session: Integers
    """Position of the session in the arrays of OrderData."""
    order: Integers
    """Position of the order in `lengths` and `order_ids`."""
    time: Integers
    """Position in TIMES."""
    zone: Integers
    """Position in ZONES."""
    device: Integers
    """Position in DEVICES."""
    fixed: Doubles
    """Match weight of named numbers."""
    allowed: npt.NDArray[np.bool_]
    """False if the session names the number of another order near it, but not of this one."""
    lengths: tuple[int | None, ...]
    """Days from opening to closing; None if the order is not closed."""
    order_ids: Integers


@dataclass(frozen=True)
class OrderData:
    """Sessions of contacts that have orders, their pairs with orders near them, and the calendar.

    The arrays from `index` to `month` have one value per session. Contacts are numbered from 0.
    """

    index: Integers
    """Position of the session in the sequence that was given to `pair_sessions`."""
    contact: Integers
    stage: Integers
    """Position in STAGES."""
    chance: Doubles
    """Probability that an order has one of the named devices by chance."""
    says: npt.NDArray[np.bool_]
    """Whether the session names a device."""
    named: npt.NDArray[np.bool_]
    """Whether the session names the number of an order near it."""
    counts: Doubles
    """1 for a session inside the calendar, 0 for others."""
    day: Integers
    """Nearest day of the calendar."""
    month: Integers
    pairs: OrderPairs
    contacts: int
    calendar: Calendar
    exposure: Doubles
    """TIMES × months: the number of days of orders inside the calendar."""


def span_of(days: Sequence[date]) -> Span:
    """Return the first and last day of sessions.

    The few most extreme days are left out, because a wrong clock may have dated them.
    """
    ordered = sorted(days)
    few = len(ordered) // 1000
    return ordered[few], ordered[-1 - few]


def pair_sessions(
    sessions: Sequence[SessionToLink],
    orders: Mapping[int, Sequence[Order]],
    model: OrderModel,
    span: Span | None,
) -> OrderData | None:
    """Pair the sessions of contacts that have orders with the orders near them; None if there are none.

    `span` is the first and last day that count; without it, that of the sessions.
    """
    index = [i for i, s in enumerate(sessions) if s.id_contato is not None and orders.get(s.id_contato)]
    if not index:
        return None
    chosen = [sessions[i] for i in index]
    owners = [session.id_contato or 0 for session in chosen]
    contacts = {contact: number for number, contact in enumerate(dict.fromkeys(owners))}
    found = [
        list(_pairs(at, session, orders[owner]))
        for at, (session, owner) in enumerate(zip(chosen, owners, strict=True))
    ]
    named = np.array([any(pair.is_named for pair in pairs) for pairs in found])
    days = [session.first_day for session in chosen]
    calendar = _calendar(span or span_of(days))
    first, last = calendar.first, calendar.last
    day = _integers((min(max(day, first), last) - first).days for day in days)
    return OrderData(
        index=_integers(index),
        contact=_integers(contacts[owner] for owner in owners),
        stage=_integers(STAGES.index(stage_of(s)) for s in chosen),
        chance=np.array([chance_of(s.devices or s.title_devices, model) for s in chosen]),
        says=np.array([bool(s.devices or s.title_devices) for s in chosen]),
        named=named,
        counts=np.array([float(first <= day <= last) for day in days]),
        day=day,
        month=calendar.month_of_day[day],
        pairs=_as_arrays([pair for of_session in found for pair in of_session], named),
        contacts=len(contacts),
        calendar=calendar,
        exposure=_exposure([order for contact in contacts for order in orders[contact]], calendar),
    )


def _calendar(span: Span) -> Calendar:
    first, last = span
    begin, end = _month_number(first), _month_number(last)
    count = (last - first).days + 1
    return Calendar(
        first,
        last,
        _integers(_month_number(first + timedelta(days=n)) - begin for n in range(count)),
        tuple(f"{at // 12:04}-{at % 12 + 1:02}" for at in range(begin, end + 1)),
    )


class _Pair(NamedTuple):
    """A session, by its position, and an order near it."""

    session: int
    order: Order
    time: int
    device: int
    weight: float
    is_named: bool


def _as_arrays(pairs: Sequence[_Pair], named: npt.NDArray[np.bool_]) -> OrderPairs:
    """Return the pairs as arrays; `named` says for each session whether it names an order near it."""
    lengths = {pair.order.id: length_of(pair.order) for pair in pairs}
    order_at = {id_: number for number, id_ in enumerate(lengths)}
    session = _integers(pair.session for pair in pairs)
    time = _integers(pair.time for pair in pairs)
    return OrderPairs(
        session=session,
        order=_integers(order_at[pair.order.id] for pair in pairs),
        time=time,
        zone=ZONE_OF_TIME[time],
        device=_integers(pair.device for pair in pairs),
        fixed=np.array([pair.weight for pair in pairs], dtype=np.float64),
        allowed=np.array([pair.is_named for pair in pairs], dtype=np.bool_) | ~named[session],
        lengths=tuple(lengths.values()),
        order_ids=_integers(lengths),
    )


def _integers(values: Iterable[int]) -> Integers:
    return np.fromiter(values, dtype=np.int64)


def _pairs(at: int, session: SessionToLink, orders: Sequence[Order]) -> Iterator[_Pair]:
    """Yield the pairs of a session with the orders near it."""
    for order in orders:
        time = time_of(session, order)
        if time is not None:
            weight = math.fsum(fixed_weights(session, order).values())
            device = DEVICES.index(device_of(session, order))
            yield _Pair(at, order, _TIME_POSITIONS[time], device, weight, order.number in session.numbers)


def _month_number(day: date) -> int:
    """Return the number of months since January of year 0."""
    return day.year * 12 + day.month - 1


def _exposure(orders: Sequence[Order], calendar: Calendar) -> Doubles:
    """Count the days of orders inside the calendar, by time and month."""
    month_of_day = calendar.month_of_day
    shape = (len(TIMES), len(calendar.months))
    exposure = np.zeros(shape, dtype=np.int64)
    lists: list[Integers] = []
    for order in orders:
        if order.opened is None:
            continue
        times = time_positions(length_of(order))
        start = (order.opened - calendar.first).days - DAYS_BEFORE
        end = min(start + len(times), len(month_of_day))
        if end > max(start, 0):
            lists.append(times[max(-start, 0) : end - start] * shape[1] + month_of_day[max(start, 0) : end])
        if len(lists) >= 5000:
            exposure += np.bincount(np.concatenate(lists), minlength=exposure.size).reshape(shape)
            lists = []
    if lists:
        exposure += np.bincount(np.concatenate(lists), minlength=exposure.size).reshape(shape)
    return exposure.astype(np.float64)


@lru_cache(maxsize=4096)
def time_positions(length: int | None) -> Integers:
    """Return the time, as a position in TIMES, of each day of an order that was open for `length` days."""
    return np.array([_TIME_POSITIONS[time] for time in times_around_order(length)])
