"""Orders by session: the logit against the nearest date and the fixed windows, in one run.

python -m bench.link.orders            measures on both simulations, many clues and few
python -m bench.link.orders --fit      fits the weights first and writes order_weights.json
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from bench.link.order_oracle import answers as oracle
from bench.link.order_simulation import FEW, Clues, Task, errands, some_clues, some_habits, visits
from bench.report import Row, measured, write
from whatsapp_pipeline.domain.matching import orders as domain
from whatsapp_pipeline.domain.matching.orders import (
    WORDS,
    Order,
    OrderPolicy,
    SessionToLink,
    feature_values,
    link_session,
)

WEIGHTS = Path(domain.__file__).parent / "order_weights.json"
NAMES = tuple(WORDS)
LEVELS = {
    "many, 1 unrelated : 2": Clues(unrelated=0.5),
    "many, 1 : 1": Clues(),
    "few, 3 : 2": replace(FEW, unrelated=1.5),
    "few, 3 : 1": FEW,
}
# Numbers and devices are near-certain where they are given; a prior keeps their weights from running away.
RIDGE = 0.5


@dataclass(frozen=True, slots=True)
class Figures:
    """Precision and recall of links, and the mean distance of confidence and share right."""

    precision: float
    recall: float
    f1: float
    calibration: float
    seconds: float


Answer = Callable[[SessionToLink, list[Order]], tuple[int | None, float]]
Doubles = npt.NDArray[np.float64]


def fit(tasks: list[Task]) -> dict[str, float]:
    """Fit the weights to sessions that name no number outright, since those never reach the model."""
    rows: list[list[float]] = []
    group: list[int] = []
    right: list[float] = []
    sessions = 0
    for task in tasks:
        for session, truth in zip(task.sessions, task.truth, strict=True):
            near = [o for o in task.orders[session.id_contato or 0] if domain._is_candidate(session, o)]
            if not near or session.numbers:
                continue
            for order in near:
                values = feature_values(session, order)
                rows.append([values.get(name, 0.0) for name in NAMES])
                group.append(sessions)
                right.append(float(order.id == truth))
            sessions += 1
    x, g, y = np.array(rows), np.array(group), np.array(right)
    none_right = 1.0 - np.bincount(g, weights=y, minlength=sessions)

    def loss(w: Doubles) -> tuple[float, Doubles]:
        score = np.clip(x @ w, -50, 50)
        e = np.exp(score)
        total = 1.0 + np.bincount(g, weights=e, minlength=sessions)
        p = e / total[g]
        value = -(y @ score - np.log(total).sum()) + RIDGE * (w @ w)
        del_w = -x.T @ (y - p) + 2 * RIDGE * w
        return float(value), del_w

    found = minimize(loss, np.zeros(len(NAMES)), jac=True, method="L-BFGS-B")
    print(f"fitted on {sessions} sessions, {none_right.mean():.2f} of them about no order")
    weights = dict(zip(NAMES, np.round(found.x, 4).tolist(), strict=True))
    # Numbers of sessions are explicit and a title's is not simulated: what they are worth is set, not fitted.
    given = {"number_same": 6.0, "number_other": -3.0, "title_same": 2.0, "title_other": -1.0}
    return weights | given


def by_model(session: SessionToLink, orders: list[Order]) -> tuple[int | None, float]:
    """The default method."""
    return _answer(session, orders, OrderPolicy())


def by_window_15d(session: SessionToLink, orders: list[Order]) -> tuple[int | None, float]:
    """The plan's ±15 days."""
    return _answer(session, orders, OrderPolicy(method="window_15d"))


def _answer(session: SessionToLink, orders: list[Order], policy: OrderPolicy) -> tuple[int | None, float]:
    named = [order for order in orders if order.number in session.numbers]
    decision = link_session(session, orders, named, policy)
    best = decision.candidates[0].id_ordem_servico if decision.candidates else None
    confidence = decision.confidence or 0.0
    return (best if confidence > 0.5 or decision.status == "linked" else None), confidence


def by_nearest(session: SessionToLink, orders: list[Order]) -> tuple[int | None, float]:
    """The order opened nearest to the session, whatever the distance up to 30 days."""
    near = [(abs(((o.opened or session.first_day) - session.first_day).days), o.id) for o in orders]
    days, id_ = min(near, default=(999, 0))
    return (id_ if days <= 30 else None), 1.0


def by_window(session: SessionToLink, orders: list[Order]) -> tuple[int | None, float]:
    """Within [opening − 3 days, closing + 7 days], a device as the tie-break."""
    inside = []
    for order in orders:
        assert order.opened is not None
        closed = order.closed or order.opened
        if (order.opened - session.last_day).days <= 3 and (session.first_day - closed).days <= 7:
            match = bool(set(session.devices) & set(order.devices))
            inside.append((not match, abs((order.opened - session.first_day).days), order.id))
    return (min(inside)[2] if inside else None), 1.0


def measure(task: Task, answer: Answer) -> Figures:
    """Ask `answer` about every session of the task."""
    started = time.process_time()
    found = [answer(session, task.orders[session.id_contato or 0]) for session in task.sessions]
    seconds = time.process_time() - started
    return figures(task, found, seconds, calibrated=answer is by_model)


def figures(
    task: Task, found: list[tuple[int | None, float]], seconds: float, *, calibrated: bool
) -> Figures:
    """Compare answers with the truth; the calibration error is over sessions that have a candidate."""
    tp = fp = fn = 0
    confidence: list[float] = []
    correct: list[float] = []
    for (answer, p), truth, session in zip(found, task.truth, task.sessions, strict=True):
        tp += answer is not None and answer == truth
        fp += answer is not None and answer != truth
        fn += truth is not None and answer != truth
        if calibrated and p > 0:
            best = answer
            if best is None:
                decision = link_session(session, task.orders[session.id_contato or 0], (), OrderPolicy())
                best = decision.candidates[0].id_ordem_servico
            confidence.append(p)
            correct.append(float(best == truth))
    precision, recall = tp / max(tp + fp, 1), tp / max(tp + fn, 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    error = calibration_error(np.array(confidence), np.array(correct))
    return Figures(precision, recall, f1, error, seconds)


def calibration_error(p: Doubles, y: Doubles, bands: int = 15) -> float:
    """Return the mean distance of predicted and observed shares, by bands of equal width."""
    if not len(p):
        return float("nan")
    band = np.minimum((p * bands).astype(int), bands - 1)
    return float(
        sum(abs(p[band == b].mean() - y[band == b].mean()) * (band == b).mean() for b in np.unique(band))
    )


def main() -> None:
    """Print the table; with --fit, write the weights first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--seed", type=int, default=2025)
    parser.add_argument("--customers", type=int, default=3000)
    arguments = parser.parse_args()
    if arguments.fit:
        rng = random.Random(11)
        train = [visits(n, 400, some_clues(rng), some_habits(rng)) for n in range(20)]
        WEIGHTS.write_text(json.dumps({"version": 1, "weights": fit(train)}, indent=1) + "\n")
        domain.default_weights.cache_clear()
    contestants: dict[str, Answer] = {
        "nearest opening date": by_nearest,
        "window [-3, +7]": by_window,
        "window_15d": by_window_15d,
        "model": by_model,
    }
    rows: list[Row] = []
    for name, simulate in (("visits", visits), ("errands", errands)):
        for label, clues in LEVELS.items():
            task = simulate(arguments.seed, arguments.customers, clues)
            found = {method: measure(task, answer) for method, answer in contestants.items()}
            if simulate is visits:
                found["(oracle)"] = figures(task, oracle(task, clues), float("nan"), calibrated=False)
            rows += [_row(f"{name}, {label}: {m}", got, found["model"].f1) for m, got in found.items()]
    command = f"python -m bench.link.orders --seed {arguments.seed} --customers {arguments.customers}"
    notes = [
        "`visits` is of the kind the weights were fitted on, `errands` of another; clues many or few, and",
        "unrelated sessions for related ones. The oracle knows the generator's own probabilities.",
    ]
    print(write("link_orders", "Orders by session", rows, command=command, notes=notes))


def _row(name: str, got: Figures, reference: float) -> Row:
    note = f"P {got.precision:.3f}, R {got.recall:.3f}"
    if not np.isnan(got.calibration):
        note += f", calibration error {got.calibration:.3f}"
    return measured(name, "% F1", [100 * got.f1], reference=100 * reference, note=note)


if __name__ == "__main__":
    main()
