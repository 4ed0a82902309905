"""Sessions and orders as arrays, for fitting and for judging how much a contact writes.

What belongs here: pairing sessions with the orders near them, and counting the days on which orders could
have been written about. What does not: the model (order_model.py) and fitting it (order_fitting.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

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
    times_of,
)

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Span = tuple[date, date]

DEVICES = ("device_unsaid", "device_unknown", "device_same", "device_other")
_TIME_AT = {name: at for at, name in enumerate(TIMES)}


@dataclass(frozen=True)
class OrderData:
    """Sessions of contacts that have orders, and their pairs with orders near, as arrays."""

    index: Integers  # of each session in the sequence it came from
    contact: Integers
    stage: Integers
    chance: Doubles
    says: npt.NDArray[np.bool_]
    named: npt.NDArray[np.bool_]
    session: Integers  # of each pair
    order: Integers  # of each pair, a position in `lengths`
    lengths: tuple[int | None, ...]  # days that each order near a session was open
    order_ids: Integers  # of each order in `lengths`
    time: Integers
    zone: Integers
    device: Integers
    fixed: Doubles
    allowed: npt.NDArray[np.bool_]
    contacts: int
    counts: Doubles  # of each session: 1, or 0 outside the days that count
    day: Integers  # of each session, from 0, the nearest day that counts
    month: Integers  # of each session, from 0
    months: tuple[str, ...]
    calendar: Integers  # the month of each day
    month_days: Doubles  # how many days of each month were seen
    exposure: Doubles  # (TIMES, months): days of orders at each time and month, within what was seen


def span_of(days: Sequence[date]) -> Span:
    """Return the days between which sessions were seen, without the few that a wrong clock may have dated."""
    ordered = sorted(days)
    few = len(ordered) // 1000
    return ordered[few], ordered[-1 - few]


def gather(
    sessions: Sequence[SessionToLink],
    orders: Mapping[int, Sequence[Order]],
    model: OrderModel,
    given: Span | None,
) -> OrderData | None:
    """Pair the sessions of contacts that have orders with the orders near them; None when there are none.

    `given`: the first and the last day that count, if not those of the sessions.
    """
    index = [i for i, s in enumerate(sessions) if s.id_contato is not None and orders.get(s.id_contato)]
    if not index:
        return None
    contacts: dict[int, int] = {}
    pairs: list[tuple[int, int, int, float, bool, int]] = []
    near: dict[int, tuple[int, int | None]] = {}
    named = []
    for at, i in enumerate(index):
        session = sessions[i]
        assert session.id_contato is not None  # noqa: S101  # so chosen above
        contacts.setdefault(session.id_contato, len(contacts))
        found = _pairs(session, orders[session.id_contato])
        named.append(any(pair[3] for pair in found))
        for time_at, device, weight, is_named, order in found:
            number, _ = near.setdefault(order.id, (len(near), length_of(order)))
            pairs.append((at, time_at, device, weight, is_named or not named[-1], number))
    chosen = [sessions[i] for i in index]
    days = [session.first_day for session in chosen]
    first, last = given or span_of(days)
    calendar = np.array([_month_at(first + timedelta(days=n), first) for n in range((last - first).days + 1)])
    day = np.array([(min(max(day, first), last) - first).days for day in days])
    columns = list(zip(*pairs, strict=True)) or [(), (), (), (), (), ()]
    time = np.array(columns[1], dtype=np.int64)
    zones = np.array([ZONES.index(ZONE_OF[name]) for name in TIMES])
    return OrderData(
        np.array(index),
        np.array([contacts[s.id_contato or 0] for s in chosen]),
        np.array([STAGES.index(stage_of(s)) for s in chosen]),
        np.array([chance_of(s.devices or s.title_devices, model) for s in chosen]),
        np.array([bool(s.devices or s.title_devices) for s in chosen]),
        np.array(named),
        np.array(columns[0], dtype=np.int64),
        np.array(columns[5], dtype=np.int64),
        tuple(length for _, length in near.values()),
        np.array(list(near), dtype=np.int64),
        time,
        zones[time],
        np.array(columns[2], dtype=np.int64),
        np.array(columns[3], dtype=np.float64),
        np.array(columns[4], dtype=np.bool_),
        len(contacts),
        np.array([float(first <= day <= last) for day in days]),
        day,
        calendar[day],
        tuple(f"{at // 12:04}-{at % 12 + 1:02}" for at in range(_month(first), _month(last) + 1)),
        calendar,
        np.bincount(calendar).astype(np.float64),
        _exposure([order for contact in contacts for order in orders[contact]], first, last, calendar),
    )


def _pairs(session: SessionToLink, orders: Sequence[Order]) -> list[tuple[int, int, float, bool, Order]]:
    """Return time, device and fixed weight of each order near, whether it is named, and the order."""
    found = []
    for order in orders:
        time = time_of(session, order)
        if time is not None:
            weight = math.fsum(fixed_weights(session, order).values())
            device = DEVICES.index(device_of(session, order))
            found.append((_TIME_AT[time], device, weight, order.number in session.numbers, order))
    return found


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


def _month_at(day: date, first: date) -> int:
    return _month(day) - _month(first)


def _exposure(orders: Sequence[Order], first: date, last: date, calendar: Integers) -> Doubles:
    """Count the days of orders by time and month, those from `first` to `last`."""
    shape = (len(TIMES), int(calendar[-1]) + 1)
    exposure = np.zeros(shape, dtype=np.int64)
    lists: list[Integers] = []
    for order in orders:
        if order.opened is None:
            continue
        times = times_at(length_of(order))
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
def times_at(length: int | None) -> Integers:
    """Return the number of the time (TIMES) of each day of an order that was open for `length` days."""
    return np.array([_TIME_AT[time] for time in times_of(length)])
