"""The best anybody could do on `visits`: Bayes' rule with the generator's own probabilities.

It knows how likely each day, device and word is under each order and under small talk, which no program
that reads a client's data can know. Its F1 is the ceiling beside which the others are read.
"""

from __future__ import annotations

from datetime import timedelta

from bench.link.order_simulation import DAYS, DEVICES, Clues, Task
from whatsapp_pipeline.domain.matching.orders import Order, SessionToLink

_BEFORE = {0: 4 / 7, 1: 2 / 7, 2: 1 / 7}
_CLOSING = {0: 4 / 7, 1: 1 / 7, 2: 1 / 7, -1: 1 / 7}


def answers(task: Task, clues: Clues) -> list[tuple[int | None, float]]:
    """Return the likeliest order, or None, and the likelihood of the best order, for each session."""
    related: dict[int, int] = {}
    for session, truth in zip(task.sessions, task.truth, strict=True):
        if truth is not None:
            related[session.id_contato or 0] = related.get(session.id_contato or 0, 0) + 1
    out = []
    for session in task.sessions:
        contact = session.id_contato or 0
        none = related[contact] * clues.unrelated / DAYS * _small_talk(session, clues)
        scores = {order.id: _likelihood(session, order, clues) for order in task.orders[contact]}
        total = none + sum(scores.values())
        best = max(scores, key=lambda id_: (scores[id_], -id_))
        p = scores[best] / total if total else 0.0
        out.append((best if p > none / max(total, 1e-300) else None, p))
    return out


def _small_talk(session: SessionToLink, clues: Clues) -> float:
    device = clues.other_device / len(DEVICES) if session.devices else 1 - clues.other_device
    if session.devices:  # the first word of a device, shared by some
        device = clues.other_device * sum(d[:1] == session.devices[:1] for d in DEVICES) / len(DEVICES)
        device *= len(session.devices) == 1
    stage = clues.other_stage / 2 if session.stages else 1 - clues.other_stage
    return device * stage * (not session.numbers)


def _likelihood(session: SessionToLink, order: Order, clues: Clues) -> float:
    """Expected sessions of this order on this day that say what this one says."""
    opened = order.opened
    assert opened is not None
    ends = (
        [(order.closed, 1.0)]
        if order.closed is not None
        else [(opened + timedelta(days=d), 1 / 27) for d in range(3, 30)]
    )
    day, total = session.first_day, 0.0
    total += 0.85 * _BEFORE.get((opened - day).days, 0.0) * _stage(session, "opening", clues)
    for end, weight in ends:
        length = (end - opened).days
        if length > 2 and 1 <= (day - opened).days < length:
            total += weight * 0.8 / (length - 1) * _stage(session, None, clues)
        after = (day - end).days
        total += weight * 0.8 * _CLOSING.get(after, 0.0) * _stage(session, "closing", clues)
        if 2 <= after <= 7:
            total += weight * 0.08 / 6 * _stage(session, None, clues)
    return total * _device(session, order, clues) * _number(session, order, clues)


def _stage(session: SessionToLink, stage: str | None, clues: Clues) -> float:
    said = session.stages[0] if session.stages else None
    own = clues.stage if stage is not None else 0.0
    if said is None:
        return (1 - own) * (1 - clues.other_stage)
    return own * (said == stage) + (1 - own) * clues.other_stage / 2


def _device(session: SessionToLink, order: Order, clues: Clues) -> float:
    if not order.devices:
        return float(not session.devices)
    if not session.devices:
        return 1 - clues.device
    if session.devices != order.devices[: len(session.devices)]:
        return 0.0
    return clues.device * (1.0 if len(order.devices) == 1 else 0.5)


def _number(session: SessionToLink, order: Order, clues: Clues) -> float:
    if not session.numbers:
        return 1 - clues.number
    return clues.number * (order.number in session.numbers)
