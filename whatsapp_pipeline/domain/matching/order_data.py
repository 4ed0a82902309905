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
_TIME_AT = {name: at for at, name in enumerate(TIMES)}
_ZONE_AT: Integers = np.array([ZONES.index(ZONE_OF[name]) for name in TIMES])


@dataclass(frozen=True)
class OrderData:
    """Sessions of contacts that have orders, their pairs with orders near them, and the calendar.

    Numbers of sessions, contacts, days and months start from 0.
    """

    # One value per session:
    index: Integers  # position in the sequence that the session came from
    contact: Integers
    stage: Integers  # position in STAGES
    chance: Doubles  # probability that the named devices are an order's by chance
    says: npt.NDArray[np.bool_]  # the session names a device
    named: npt.NDArray[np.bool_]  # the session names the number of an order near it
    counts: Doubles  # 1, or 0 outside the span
    day: Integers  # nearest day of the span
    month: Integers
    # One value per pair of a session and an order near it:
    session: Integers
    order: Integers  # position in `lengths`
    time: Integers  # position in TIMES
    zone: Integers  # position in ZONES
    device: Integers  # position in DEVICES
    fixed: Doubles  # match weight of named numbers
    allowed: npt.NDArray[np.bool_]  # False if the session names the number of another order
    # One value per order near a session:
    lengths: tuple[int | None, ...]  # days from opening to closing
    order_ids: Integers
    # The whole:
    contacts: int
    months: tuple[str, ...]
    calendar: Integers  # month of each day
    month_days: Doubles  # days of each month that are inside the span
    exposure: Doubles  # (TIMES, months): days of orders inside the span


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
    found = [list(_pairs(at, session, orders[session.id_contato or 0])) for at, session in enumerate(chosen)]
    named = np.array([any(pair.is_named for pair in pairs) for pairs in found])
    pairs = [pair for of_session in found for pair in of_session]
    lengths = {pair.order.id: length_of(pair.order) for pair in pairs}
    order_at = {id_: number for number, id_ in enumerate(lengths)}
    session_of = _integers(pair.session for pair in pairs)
    time = _integers(pair.time for pair in pairs)
    days = [session.first_day for session in chosen]
    first, last = span or span_of(days)
    day = _integers((min(max(day, first), last) - first).days for day in days)
    calendar = _integers(
        _month(first + timedelta(days=n)) - _month(first) for n in range((last - first).days + 1)
    )
    return OrderData(
        index=_integers(index),
        contact=_integers(contacts[owner] for owner in owners),
        stage=_integers(STAGES.index(stage_of(s)) for s in chosen),
        chance=np.array([chance_of(s.devices or s.title_devices, model) for s in chosen]),
        says=np.array([bool(s.devices or s.title_devices) for s in chosen]),
        named=named,
        counts=np.array([float(first <= day <= last) for day in days]),
        day=day,
        month=calendar[day],
        session=session_of,
        order=_integers(order_at[pair.order.id] for pair in pairs),
        time=time,
        zone=_ZONE_AT[time],
        device=_integers(pair.device for pair in pairs),
        fixed=np.array([pair.weight for pair in pairs], dtype=np.float64),
        allowed=np.array([pair.is_named for pair in pairs], dtype=np.bool_) | ~named[session_of],
        lengths=tuple(lengths.values()),
        order_ids=_integers(lengths),
        contacts=len(contacts),
        months=tuple(f"{at // 12:04}-{at % 12 + 1:02}" for at in range(_month(first), _month(last) + 1)),
        calendar=calendar,
        month_days=np.bincount(calendar).astype(np.float64),
        exposure=_exposure(
            [order for contact in contacts for order in orders[contact]], first, last, calendar
        ),
    )


class _Pair(NamedTuple):
    """A session, by its position, and an order near it."""

    session: int
    order: Order
    time: int
    device: int
    weight: float
    is_named: bool


def _integers(values: Iterable[int]) -> Integers:
    return np.fromiter(values, dtype=np.int64)


def _pairs(at: int, session: SessionToLink, orders: Sequence[Order]) -> Iterator[_Pair]:
    """Yield the pairs of a session with the orders near it."""
    for order in orders:
        time = time_of(session, order)
        if time is not None:
            weight = math.fsum(fixed_weights(session, order).values())
            device = DEVICES.index(device_of(session, order))
            yield _Pair(at, order, _TIME_AT[time], device, weight, order.number in session.numbers)


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


def _exposure(orders: Sequence[Order], first: date, last: date, calendar: Integers) -> Doubles:
    """Count the days of orders from `first` to `last` by time and month."""
    shape = (len(TIMES), int(calendar[-1]) + 1)
    exposure = np.zeros(shape, dtype=np.int64)
    lists: list[Integers] = []
    for order in orders:
        if order.opened is None:
            continue
        times = time_positions(length_of(order))
        start = (order.opened - first).days - DAYS_BEFORE
        end = min(start + len(times), len(calendar))
        if end > max(start, 0):
            lists.append(times[max(-start, 0) : end - start] * shape[1] + calendar[max(start, 0) : end])
        if len(lists) >= 5000:
            exposure += np.bincount(np.concatenate(lists), minlength=exposure.size).reshape(shape)
            lists = []
    if lists:
        exposure += np.bincount(np.concatenate(lists), minlength=exposure.size).reshape(shape)
    return exposure.astype(np.float64)


@lru_cache(maxsize=4096)
def time_positions(length: int | None) -> Integers:
    """Return the time, as a position in TIMES, of each day of an order that was open for `length` days."""
    return np.array([_TIME_AT[time] for time in times_around_order(length)])
