"""Invented customers with orders and chat sessions whose true order is known.

Two generators that share no code for what matters (when people write, and what they mention): `visits` is
what the weights are fitted on, `errands` is only ever measured with.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import date, timedelta

from whatsapp_pipeline.domain.matching.orders import Order, SessionToLink, with_rates

START, DAYS = date(2022, 1, 1), 3 * 365
DEVICES = (
    ("notebook", "dell"), ("notebook", "acer"), ("notebook", "lenovo"), ("iphone", "apple"),
    ("smartphone", "samsung"), ("smartphone", "motorola"), ("tv", "lg"), ("tv", "samsung"),
    ("printer", "epson"), ("console", "sony"), ("desktop",), ("tablet", "samsung"), ("macbook", "apple"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clues:
    """How often people say what helps: shares of sessions. `unrelated`: unrelated chats a related one."""

    device: float = 0.5
    number: float = 0.12
    stage: float = 0.5
    other_device: float = 0.06
    other_stage: float = 0.10
    unrelated: float = 1.0


FEW = Clues(device=0.15, number=0.03, stage=0.2, other_device=0.03, other_stage=0.05, unrelated=3.0)


@dataclass(frozen=True, slots=True)
class Habits:
    """When people write about an order in `visits`: shares of orders, and sessions between, on average."""

    opening: float = 0.85
    between: float = 0.8
    closing: float = 0.8
    afterwards: float = 0.08


def some_clues(rng: random.Random) -> Clues:
    """Draw how much people say and how much small talk there is: no shop is like another."""
    talk = rng.uniform(0.1, 0.6)
    return Clues(
        device=talk, number=talk / 5, stage=rng.uniform(0.15, 0.6), other_device=talk * rng.uniform(0.1, 0.3),
        other_stage=rng.uniform(0.03, 0.15), unrelated=2 ** rng.uniform(-1.5, 2),
    )  # fmt: skip


def some_habits(rng: random.Random) -> Habits:
    """Draw when people write."""
    return Habits(
        rng.uniform(0.6, 0.95), rng.uniform(0.3, 3.0), rng.uniform(0.6, 0.9), rng.uniform(0.05, 0.4)
    )


@dataclass(frozen=True, slots=True)
class Task:
    """Sessions with the true order of each (None: about no order), and every contact's orders."""

    sessions: list[SessionToLink]
    truth: list[int | None]
    orders: dict[int, list[Order]]


def visits(
    seed: int, customers: int = 3000, clues: Clues | None = None, habits: Habits | None = None
) -> Task:
    """A customer asks, brings a device, is told it is ready, fetches it, and sometimes asks afterwards."""
    clues, habits = clues or Clues(), habits or Habits()
    rng = random.Random(seed)
    task = Task([], [], {})
    for contact in range(1, customers + 1):
        orders: list[Order] = []
        for _ in range(min(1 + int(rng.expovariate(1 / 1.2)), 12)):
            opened = START + timedelta(days=rng.randrange(DAYS))
            length = min(int(rng.lognormvariate(1.7, 0.9)), 90)
            closed = opened + timedelta(days=length) if rng.random() < 0.93 else None
            orders.append(_order(rng, contact, len(orders), opened, closed))
        task.orders[contact] = orders
        related = 0
        for order in orders:
            for day, stage in _visit_days(rng, order, habits):
                _say(rng, task, contact, day, order, stage, clues)
                related += 1
        for _ in range(_poisson(rng, related * clues.unrelated)):
            _say(rng, task, contact, START + timedelta(days=rng.randrange(DAYS)), None, None, clues)
    return _rated(task)


def _visit_days(rng: random.Random, order: Order, habits: Habits) -> list[tuple[date, str | None]]:
    assert order.opened is not None
    end = order.closed or order.opened + timedelta(days=rng.randrange(3, 30))
    days: list[tuple[date, str | None]] = []
    if rng.random() < habits.opening:
        days.append((order.opened - timedelta(days=rng.choice((0, 0, 0, 0, 1, 1, 2))), "opening"))
    length = (end - order.opened).days
    between = _poisson(rng, habits.between) if length > 2 else 0
    days += [(order.opened + timedelta(days=rng.randrange(1, length)), None) for _ in range(between)]
    if rng.random() < habits.closing:
        days.append((end + timedelta(days=rng.choice((0, 0, 0, 0, 1, 2, -1))), "closing"))
    if rng.random() < habits.afterwards:
        days.append((end + timedelta(days=rng.randrange(2, 8)), None))
    return days or [(order.opened, "opening")]


def errands(seed: int, customers: int = 3000, clues: Clues | None = None) -> Task:
    """Regulars and one-off customers; talk thins out around each order, small talk comes in spells."""
    clues = clues or Clues()
    rng = random.Random(seed ^ 0x5EED)
    task = Task([], [], {})
    for contact in range(1, customers + 1):
        regular = rng.random() < 0.15
        orders: list[Order] = []
        day = START + timedelta(days=rng.randrange(400))
        for _ in range(rng.randrange(3, 14) if regular else rng.choice((1, 1, 2))):
            length = rng.choice((0, 1, 1, 2, 3, 4, 5, 6, 8, 10, 14, 20, 35))
            closed = day + timedelta(days=length) if rng.random() < 0.9 else None
            orders.append(_order(rng, contact, len(orders), day, closed))
            day += timedelta(days=int(rng.gammavariate(1.5, 60 if regular else 180)) + 1)
        task.orders[contact] = orders
        related = 0
        for order in orders:
            assert order.opened is not None
            end = order.closed or order.opened + timedelta(days=21)
            when = order.opened - timedelta(days=_geometric(rng, 0.7) if rng.random() < 0.5 else 0)
            stage: str | None = "opening"
            while when <= end + timedelta(days=10):
                _say(rng, task, contact, when, order, stage, clues)
                related += 1
                if when >= end and rng.random() < 0.85:
                    break
                gap = 1 + _geometric(rng, 0.35)
                when = min(when + timedelta(days=gap), end) if when < end else when + timedelta(days=gap)
                stage = "closing" if when >= end else None
        left = _poisson(rng, related * clues.unrelated)
        while left > 0:
            spell = START + timedelta(days=rng.randrange(DAYS))
            for _ in range(min(left, 1 + _geometric(rng, 0.6))):
                _say(rng, task, contact, spell, None, None, clues)
                spell += timedelta(days=1 + _geometric(rng, 0.3))
                left -= 1
    return _rated(task)


def _rated(task: Task) -> Task:
    return Task(with_rates(task.sessions, task.orders, len(task.orders)), task.truth, task.orders)


def _order(rng: random.Random, contact: int, number: int, opened: date, closed: date | None) -> Order:
    devices = rng.choice(DEVICES) if rng.random() < 0.9 else ()
    id_ = contact * 100 + number
    return Order(id_, str(20000 + id_), contact, opened, closed, devices)


def _say(
    rng: random.Random,
    task: Task,
    contact: int,
    day: date,
    order: Order | None,
    stage: str | None,
    clues: Clues,
) -> None:
    session = SessionToLink(len(task.sessions) + 1, contact, day, day)
    if order is not None:
        if order.devices and rng.random() < clues.device:
            session = replace(session, devices=order.devices[: rng.randint(1, 2)])
        if rng.random() < clues.number:
            session = replace(session, numbers=(order.number,))
        if stage is not None and rng.random() < clues.stage:
            session = replace(session, stages=(stage,))
        elif rng.random() < clues.other_stage:
            session = replace(session, stages=(rng.choice(("opening", "closing")),))
    else:
        if rng.random() < clues.other_device:
            session = replace(session, devices=rng.choice(DEVICES)[:1])
        if rng.random() < clues.other_stage:
            session = replace(session, stages=(rng.choice(("opening", "closing")),))
    task.sessions.append(session)
    task.truth.append(order.id if order else None)


def _geometric(rng: random.Random, p: float) -> int:
    count = 0
    while rng.random() > p and count < 60:
        count += 1
    return count


def _poisson(rng: random.Random, mean: float) -> int:
    if mean <= 0:
        return 0
    count, total = 0, rng.expovariate(1)
    while total < mean:
        count += 1
        total += rng.expovariate(1)
    return count
