"""The best that can be told of each session alone: Bayes' rule with the generator's own probabilities.

It draws from the generator itself how likely each day and stage is for an order of each length, and it knows
how much every contact writes about no order, which no program that reads a client's data can know. Its F1 is
the ceiling beside which the others are read. (It takes small talk for evenly spread, as it is but in
`errands`, and sessions for independent of each other.)
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

from whatsapp_pipeline.domain.matching.orders import Order, SessionToLink
from whatsapp_pipeline_tests.truth.order_simulation import DAYS, DEVICES, Clues, SpokenDays, Task

_DRAWS = 4000
Spoken = Mapping[tuple[int, str | None], float]


def answers(task: Task, clues: Clues, days: SpokenDays) -> list[tuple[int | None, float]]:
    """Return the best order, or None where "none" is likelier, and that order's posterior, by session."""
    related: Counter[int] = Counter()
    for session, truth in zip(task.sessions, task.truth, strict=True):
        related[session.id_contato or 0] += truth is not None
    spoken: dict[int | None, Spoken] = {}
    out: list[tuple[int | None, float]] = []
    for session in task.sessions:
        contact = session.id_contato or 0
        none = related[contact] * clues.unrelated / DAYS * small_talk_chance(session, clues)
        scores: dict[int, float] = {}
        for order in task.orders[contact]:
            assert order.opened is not None  # every simulated order was opened
            length = (order.closed - order.opened).days if order.closed is not None else None
            if length not in spoken:
                spoken[length] = _spoken(days, length)
            scores[order.id] = _likelihood(session, order, spoken[length], clues)
        total = none + sum(scores.values())
        best = max(scores, key=lambda id_: (scores[id_], -id_))
        p = scores[best] / total if total else 0.0
        out.append((best if scores[best] > none else None, p))
    return out


def _spoken(days: SpokenDays, length: int | None) -> Spoken:
    rng = random.Random(length)
    drawn = Counter(spoken for _ in range(_DRAWS) for spoken in days(rng, length))
    return {spoken: count / _DRAWS for spoken, count in drawn.items()}


def small_talk_chance(session: SessionToLink, clues: Clues) -> float:
    """Return how likely small talk says what the session says."""
    device = 1 - clues.other_device
    if session.devices:  # the first word of a device, shared by some
        device = clues.other_device * sum(d[:1] == session.devices[:1] for d in DEVICES) / len(DEVICES)
        device *= len(session.devices) == 1
    stage = clues.other_stage / 2 if session.stages else 1 - clues.other_stage
    return device * stage * (not session.numbers)


def _likelihood(session: SessionToLink, order: Order, spoken: Spoken, clues: Clues) -> float:
    """Expected sessions of this order on this day that say what this one says."""
    assert order.opened is not None  # every simulated order was opened
    day = (session.first_day - order.opened).days
    total = sum(
        spoken.get((day, stage), 0.0) * stage_chance(session, stage, clues)
        for stage in (None, "opening", "closing")
    )
    return total * device_chance(session, order, clues) * number_chance(session, order, clues)


def stage_chance(session: SessionToLink, stage: str | None, clues: Clues) -> float:
    """Return how likely a session at this stage of an order has the session's words."""
    said = session.stages[0] if session.stages else None
    own = clues.stage if stage is not None else 0.0
    if said is None:
        return (1 - own) * (1 - clues.other_stage)
    return own * (said == stage) + (1 - own) * clues.other_stage / 2


def device_chance(session: SessionToLink, order: Order, clues: Clues) -> float:
    """Return how likely a session about the order names the session's devices."""
    if not order.devices:
        return float(not session.devices)
    if not session.devices:
        return 1 - clues.device
    if session.devices != order.devices[: len(session.devices)]:
        return 0.0
    return clues.device * (1.0 if len(order.devices) == 1 else 0.5)


def number_chance(session: SessionToLink, order: Order, clues: Clues) -> float:
    """Return how likely a session about the order names the session's numbers."""
    if not session.numbers:
        return 1 - clues.number
    return clues.number * (order.number in session.numbers)
