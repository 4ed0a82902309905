"""Answers to the simulated tasks, and how right they are: what benches publish and tests hold to.

What belongs here: deciding every session of a task, and comparing with the truth. What does not: inventing
tasks (order_simulation.py) and contestants that only a bench needs.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from whatsapp_pipeline.domain.matching.order_fitting import fit_orders, with_rates
from whatsapp_pipeline.domain.matching.orders import (
    Order,
    OrderModel,
    OrderPolicy,
    SessionToLink,
    link_session,
)
from whatsapp_pipeline_tests.truth.order_simulation import Task


@dataclass(frozen=True, slots=True)
class Figures:
    """Precision and recall of links, and the mean distance of confidence and share right."""

    precision: float
    recall: float
    f1: float
    calibration: float
    seconds: float


Found = tuple[int | None, float, int | None]
"""The answer, or None; the best order's posterior; and that order, whether it is the answer or not."""
Answer = Callable[[SessionToLink, list[Order]], Found]
Doubles = npt.NDArray[np.float64]


def by_model(task: Task) -> list[Found]:
    """The default method: fit to the task's own sessions, then decide each."""
    policy = OrderPolicy(model=fit_orders(task.sessions, task.orders))
    rated = with_rates(task.sessions, task.orders, policy.model)
    return [answer_of(session, task.orders[session.id_contato or 0], policy) for session in rated]


def judged_by_month(task: Task, model: OrderModel) -> list[Found]:
    """Decide each month's sessions by themselves, as `order_links` does with its model."""
    policy = OrderPolicy(model=model)
    months: defaultdict[str, list[int]] = defaultdict(list)
    for at, session in enumerate(task.sessions):
        months[f"{session.first_day:%Y-%m}"].append(at)
    found: dict[int, Found] = {}
    for places in months.values():
        sessions = with_rates([task.sessions[at] for at in places], task.orders, model)
        for at, session in zip(places, sessions, strict=True):
            found[at] = answer_of(session, task.orders[session.id_contato or 0], policy)
    return [found[at] for at in range(len(task.sessions))]


def answer_of(session: SessionToLink, orders: list[Order], policy: OrderPolicy) -> Found:
    """Return what the linker says of a session."""
    named = [order for order in orders if order.number in session.numbers]
    decision = link_session(session, orders, named, policy)
    best = decision.candidates[0].id_ordem_servico if decision.candidates else None
    confidence = decision.confidence or 0.0
    none = 1 - sum(candidate.confidence for candidate in decision.candidates)
    return (best if confidence >= none or decision.status == "linked" else None), confidence, best


def by_window(session: SessionToLink, orders: list[Order]) -> Found:
    """Within [opening − 3 days, closing + 7 days], a device as the tie-break."""
    inside = []
    for order in orders:
        assert order.opened is not None  # every simulated order was opened
        closed = order.closed or order.opened
        if (order.opened - session.last_day).days <= 3 and (session.first_day - closed).days <= 7:
            match = bool(set(session.devices) & set(order.devices))
            inside.append((not match, abs((order.opened - session.first_day).days), order.id))
    best = min(inside)[2] if inside else None
    return best, 1.0, best


def each(answer: Answer) -> Callable[[Task], list[Found]]:
    """Turn a rule for one session into one for a task."""
    return lambda task: [answer(session, task.orders[session.id_contato or 0]) for session in task.sessions]


def measure(task: Task, answer: Callable[[Task], list[Found]], *, calibrated: bool = False) -> Figures:
    """Ask `answer` about every session of the task."""
    started = time.process_time()
    found = answer(task)
    return figures(task, found, time.process_time() - started, calibrated=calibrated)


def figures(task: Task, found: Sequence[Found], seconds: float, *, calibrated: bool) -> Figures:
    """Compare answers with the truth; the calibration error is over sessions that have a candidate."""
    pairs = list(zip(found, task.truth, strict=True))
    tp = sum(answer is not None and answer == truth for (answer, _, _), truth in pairs)
    fp = sum(answer is not None and answer != truth for (answer, _, _), truth in pairs)
    fn = sum(truth is not None and answer != truth for (answer, _, _), truth in pairs)
    near = [(p, float(best == truth)) for (_, p, best), truth in pairs if p > 0] if calibrated else []
    error = calibration_error(np.array([p for p, _ in near]), np.array([right for _, right in near]))
    precision, recall = tp / max(tp + fp, 1), tp / max(tp + fn, 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return Figures(precision, recall, f1, error, seconds)


def calibration_error(p: Doubles, y: Doubles, bands: int = 15) -> float:
    """Return the mean distance of predicted and observed shares, by bands of equal width."""
    if not len(p):
        return float("nan")
    band = np.minimum((p * bands).astype(int), bands - 1)
    return float(
        sum(abs(p[band == b].mean() - y[band == b].mean()) * (band == b).mean() for b in np.unique(band))
    )
