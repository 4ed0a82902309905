"""Invented customers with orders and chat sessions whose true order is known.

Generators of different habits: `visits` is what the usual numbers are fitted on; `reference` is set so that
simple rules score on it what they did where this model was first compared; `errands` and `left_together` are
only measured with.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

from whatsapp_pipeline.domain.matching.orders import Order, SessionToLink

START, DAYS = date(2022, 1, 1), 3 * 365
DEVICES = (
    ("notebook", "dell"),
    ("notebook", "acer"),
    ("notebook", "lenovo"),
    ("iphone", "apple"),
    ("smartphone", "samsung"),
    ("smartphone", "motorola"),
    ("tv", "lg"),
    ("tv", "samsung"),
    ("printer", "epson"),
    ("console", "sony"),
    ("desktop",),
    ("tablet", "samsung"),
    ("macbook", "apple"),
)


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
        device=talk,
        number=talk / 5,
        stage=rng.uniform(0.15, 0.6),
        other_device=talk * rng.uniform(0.1, 0.3),
        other_stage=rng.uniform(0.03, 0.15),
        unrelated=2 ** rng.uniform(-1.5, 2),
    )


def some_habits(rng: random.Random) -> Habits:
    """Draw when people write."""
    return Habits(
        rng.uniform(0.6, 0.95), rng.uniform(0.3, 3.0), rng.uniform(0.6, 0.9), rng.uniform(0.05, 0.4)
    )


# A day after the opening, and the stage that its session is at; what draws them for an order of some length.
Spoken = tuple[int, str | None]
SpokenDays = Callable[[random.Random, int | None], list[Spoken]]


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
        for _ in range(min(1 + int(rng.expovariate(1 / 1.2)), 12)):
            opened = START + timedelta(days=rng.randrange(DAYS))
            length = min(int(rng.lognormvariate(1.7, 0.9)), 90)
            _add_order(rng, task, contact, opened, length if rng.random() < 0.93 else None)
        related = _talk(rng, task, contact, clues, lambda rng, length: visit_days(rng, length, habits))
        _small_talk(rng, task, contact, _poisson(rng, related * clues.unrelated), clues)
    return task


def visit_days(rng: random.Random, length: int | None, habits: Habits) -> list[Spoken]:
    """Draw the days after the opening on which people write about an order, and what stage they are at."""
    end = length if length is not None else rng.randrange(3, 30)
    days: list[Spoken] = []
    if rng.random() < habits.opening:
        days.append((-rng.choice((0, 0, 0, 0, 1, 1, 2)), "opening"))
    between = _poisson(rng, habits.between) if end > 2 else 0
    days += [(rng.randrange(1, end), None) for _ in range(between)]
    if rng.random() < habits.closing:
        days.append((end + rng.choice((0, 0, 0, 0, 1, 2, -1)), "closing"))
    if rng.random() < habits.afterwards:
        days.append((end + rng.randrange(2, 8), None))
    return days or [(0, "opening")]


def reference(seed: int, customers: int = 3000, clues: Clues | None = None) -> Task:
    """Three orders a customer and four sessions an order: 40,000 sessions of 3,000 customers in 3 years."""
    clues = clues or Clues(unrelated=0.1)
    rng = random.Random(seed ^ 0x4EF)
    task = Task([], [], {})
    for contact in range(1, customers + 1):
        for _ in range(rng.choice((1, 2, 2, 3, 3, 4, 5, 6))):
            opened = START + timedelta(days=rng.randrange(DAYS))
            length = 1 + int(rng.gammavariate(1.6, 4.5))
            _add_order(rng, task, contact, opened, length if rng.random() < 0.97 else None)
        related = _talk(rng, task, contact, clues, reference_days)
        _small_talk(rng, task, contact, _poisson(rng, related * clues.unrelated), clues)
    return task


def reference_days(rng: random.Random, length: int | None) -> list[Spoken]:
    """Draw days as in `visit_days`: at the opening, a few while it lasts, and some long after the closing."""
    end = length if length is not None else 12
    days: list[Spoken] = [(min(1, int(rng.gauss(-0.3, 0.9))), "opening")]
    days += [(rng.randint(0, end), None) for _ in range(rng.choice((0, 1, 1, 2, 2)))]
    days.append((end + int(rng.expovariate(1 / 1.0)), "closing"))
    if rng.random() < 0.55:
        days.append((end + 1 + int(rng.expovariate(1 / 5.0)), None))
    return days


def errands(seed: int, customers: int = 3000, clues: Clues | None = None) -> Task:
    """Regulars and one-off customers; talk thins out around each order, small talk comes in spells."""
    clues = clues or Clues()
    rng = random.Random(seed ^ 0x5EED)
    task = Task([], [], {})
    for contact in range(1, customers + 1):
        regular = rng.random() < 0.15
        day = START + timedelta(days=rng.randrange(400))
        for _ in range(rng.randrange(3, 14) if regular else rng.choice((1, 1, 2))):
            length = rng.choice((0, 1, 1, 2, 3, 4, 5, 6, 8, 10, 14, 20, 35))
            _add_order(rng, task, contact, day, length if rng.random() < 0.9 else None)
            day += timedelta(days=int(rng.gammavariate(1.5, 60 if regular else 180)) + 1)
        related = _talk(rng, task, contact, clues, errand_days)
        left = _poisson(rng, related * clues.unrelated)
        while left > 0:
            spell = START + timedelta(days=rng.randrange(DAYS))
            for _ in range(min(left, 1 + _geometric(rng, 0.6))):
                _say(rng, task, contact, spell, None, None, clues)
                spell += timedelta(days=1 + _geometric(rng, 0.3))
                left -= 1
    return task


def errand_days(rng: random.Random, length: int | None) -> list[Spoken]:
    """Draw days as in `visit_days`: one talk after the other until the order is closed."""
    end = length if length is not None else 21
    when = -_geometric(rng, 0.7) if rng.random() < 0.5 else 0
    stage: str | None = "opening"
    days: list[Spoken] = []
    while when <= end + 10:
        days.append((when, stage))
        if when >= end and rng.random() < 0.85:
            break
        gap = 1 + _geometric(rng, 0.35)
        when = min(when + gap, end) if when < end else when + gap
        stage = "closing" if when >= end else None
    return days


def left_together(seed: int, customers: int = 3000, clues: Clues | None = None) -> Task:
    """Every second visit brings two devices, an order each; repairs take weeks, and people ask in between."""
    clues = clues or Clues()
    rng = random.Random(seed ^ 0x2DE7)
    task = Task([], [], {})
    for contact in range(1, customers + 1):
        for _ in range(min(1 + int(rng.expovariate(1)), 8)):
            opened = START + timedelta(days=rng.randrange(DAYS))
            for _ in range(rng.choice((1, 2))):
                length = 3 + int(rng.gammavariate(1.8, 14))
                _add_order(rng, task, contact, opened, length if rng.random() < 0.93 else None)
        related = _talk(rng, task, contact, clues, long_repair_days)
        _small_talk(rng, task, contact, _poisson(rng, related * clues.unrelated), clues)
    return task


def long_repair_days(rng: random.Random, length: int | None) -> list[Spoken]:
    """Draw days as in `visit_days`, with two questions on average while the repair lasts."""
    return visit_days(rng, length, Habits(between=2.0, afterwards=0.1))


def _add_order(rng: random.Random, task: Task, contact: int, opened: date, length: int | None) -> None:
    closed = opened + timedelta(days=length) if length is not None else None
    orders = task.orders.setdefault(contact, [])
    devices = rng.choice(DEVICES) if rng.random() < 0.9 else ()
    id_ = contact * 100 + len(orders)
    orders.append(Order(id_, str(20000 + id_), contact, opened, closed, devices))


def _talk(rng: random.Random, task: Task, contact: int, clues: Clues, days: SpokenDays) -> int:
    related = 0
    for order in task.orders[contact]:
        assert order.opened is not None  # every simulated order was opened
        length = (order.closed - order.opened).days if order.closed is not None else None
        for day, stage in days(rng, length):
            _say(rng, task, contact, order.opened + timedelta(days=day), order, stage, clues)
            related += 1
    return related


def _small_talk(rng: random.Random, task: Task, contact: int, count: int, clues: Clues) -> None:
    for _ in range(count):
        _say(rng, task, contact, START + timedelta(days=rng.randrange(DAYS)), None, None, clues)


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
