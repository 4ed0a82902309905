"""Orders by session: the mixture against the nearest date and the fixed windows, in one run.

python -m bench.link.orders            measures on all simulations, many clues and few
python -m bench.link.orders --fit      finds the usual numbers first and writes order_weights.json
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.link.order_oracle import answers as oracle
from bench.link.order_simulation import (
    FEW,
    Clues,
    Habits,
    SpokenDays,
    Task,
    errand_days,
    errands,
    reference,
    reference_days,
    some_clues,
    some_habits,
    visit_days,
    visits,
)
from bench.report import Row, measured, write
from whatsapp_pipeline.domain.matching import order_model as domain
from whatsapp_pipeline.domain.matching.order_fitting import fit_orders, with_rates
from whatsapp_pipeline.domain.matching.orders import (
    Order,
    OrderModel,
    OrderPolicy,
    SessionToLink,
    link_session,
)
from whatsapp_pipeline.steps.links.order_evidence import rated

WEIGHTS = Path(domain.__file__).parent / "order_weights.json"
LEVELS = {
    "many, 1 unrelated : 10": Clues(unrelated=0.1),
    "many, 1 : 1": Clues(),
    "few, 3 : 10": replace(FEW, unrelated=0.3),
    "few, 3 : 1": FEW,
}
Simulation = Callable[[int, int, Clues], Task]
SIMULATIONS: dict[str, tuple[Simulation, SpokenDays]] = {
    "reference": (reference, reference_days),
    "visits": (visits, partial(visit_days, habits=Habits())),
    "errands": (errands, errand_days),
}


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


def usual(shops: int = 24, customers: int = 400) -> OrderModel:
    """Average what is found for many invented shops, no two alike: where a client's own data are few."""
    rng = random.Random(11)
    fitted = []
    for number in range(shops):
        task = visits(number, customers, some_clues(rng), some_habits(rng))
        fitted.append(fit_orders(task.sessions, task.orders))
    # Nothing is impossible: what no invented shop has, both words at once or a late return, a real one may.
    rates = {time: max(_mean([model.rates[time] for model in fitted]), 5e-4) for time in domain.TIMES}
    stages = {}
    for zone in (*domain.ZONES, "none"):
        chances = [
            max(_mean([model.stages[zone][at] for model in fitted]), 0.005)
            for at in range(len(domain.STAGES))
        ]
        stages[zone] = tuple(round(chance / sum(chances), 6) for chance in chances)
    return OrderModel(
        rates,
        stages,
        device_said=_mean([model.device_said for model in fitted]),
        device_same=_mean([model.device_same for model in fitted]),
        device_none=_mean([model.device_none for model in fitted]),
        named=_mean([model.named for model in fitted]),
        small_talk=_mean([model.small_talk for model in fitted]),
        small_talk_shape=_mean([model.small_talk_shape for model in fitted]),
    )


def _mean(values: Sequence[float]) -> float:
    """The geometric mean: all of these are compared as ratios."""
    return round(float(np.exp(np.mean(np.log(values)))), 6)


def by_model(task: Task) -> list[Found]:
    """The default method: fit to the task's own sessions, then decide each."""
    policy = OrderPolicy(model=fit_orders(task.sessions, task.orders))
    rated = with_rates(task.sessions, task.orders, policy.model)
    return [_answer(session, task.orders[session.id_contato or 0], policy) for session in rated]


def by_usual(task: Task) -> list[Found]:
    """The same with the numbers that are shipped."""
    policy = OrderPolicy()
    rated = with_rates(task.sessions, task.orders, policy.model)
    return [_answer(session, task.orders[session.id_contato or 0], policy) for session in rated]


def by_month(task: Task, *, refitted: bool) -> list[Found]:
    """What the database gives: each month judged by its own chats, with the shipped numbers or refitted."""
    model = fit_orders(task.sessions, task.orders) if refitted else domain.default_model()
    return judged_by_month(task, model)


def judged_by_month(task: Task, model: OrderModel) -> list[Found]:
    """Decide each month's sessions by themselves, as `order_links` does with its model."""
    policy = OrderPolicy(model=model)
    months: defaultdict[str, list[int]] = defaultdict(list)
    for at, session in enumerate(task.sessions):
        months[f"{session.first_day:%Y-%m}"].append(at)
    found: dict[int, Found] = {}
    for places in months.values():
        sessions = rated([task.sessions[at] for at in places], task.orders, model)
        for at, session in zip(places, sessions, strict=True):
            found[at] = _answer(session, task.orders[session.id_contato or 0], policy)
    return [found[at] for at in range(len(task.sessions))]


def by_window_15d(session: SessionToLink, orders: list[Order]) -> Found:
    """The plan's ±15 days."""
    return _answer(session, orders, OrderPolicy(method="window_15d"))


def _answer(session: SessionToLink, orders: list[Order], policy: OrderPolicy) -> Found:
    named = [order for order in orders if order.number in session.numbers]
    decision = link_session(session, orders, named, policy)
    best = decision.candidates[0].id_ordem_servico if decision.candidates else None
    confidence = decision.confidence or 0.0
    none = 1 - sum(candidate.confidence for candidate in decision.candidates)
    return (best if confidence >= none or decision.status == "linked" else None), confidence, best


def by_nearest(session: SessionToLink, orders: list[Order]) -> Found:
    """The order opened nearest to the session, whatever the distance."""
    _, id_ = min((abs(((o.opened or session.first_day) - session.first_day).days), o.id) for o in orders)
    return id_, 1.0, id_


def by_window(session: SessionToLink, orders: list[Order]) -> Found:
    """Within [opening − 3 days, closing + 7 days], a device as the tie-break."""
    inside = []
    for order in orders:
        assert order.opened is not None
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


def main() -> None:
    """Print the table; with --fit, write the weights first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--seed", type=int, default=2025)
    parser.add_argument("--customers", type=int, default=3000)
    arguments = parser.parse_args()
    if arguments.fit:
        WEIGHTS.write_text(json.dumps(asdict(usual()), indent=1) + "\n", encoding="utf-8")
        domain.default_model.cache_clear()
    contestants: dict[str, Callable[[Task], list[Found]]] = {
        "nearest opening date": each(by_nearest),
        "window [-3, +7]": each(by_window),
        "window_15d": each(by_window_15d),
        "model, usual numbers": by_usual,
        "model, as the database has it": partial(by_month, refitted=False),
        "model, as the database has it after a refit": partial(by_month, refitted=True),
        "model": by_model,
    }
    rows: list[Row] = []
    for name, (simulate, days) in SIMULATIONS.items():
        for label, clues in LEVELS.items():
            task = simulate(arguments.seed, arguments.customers, clues)
            found = {
                method: measure(task, answer, calibrated=method.startswith("model"))
                for method, answer in contestants.items()
            }
            ideal = [(answer, p, answer) for answer, p in oracle(task, clues, days)]
            found["(oracle)"] = figures(task, ideal, float("nan"), calibrated=False)
            rows += [_row(f"{name}, {label}: {m}", got, found["model"].f1) for m, got in found.items()]
    command = f"python -m bench.link.orders --seed {arguments.seed} --customers {arguments.customers}"
    notes = [
        "`visits` is of the kind the usual numbers come from, `reference` and `errands` are of others; clues",
        "many or few, and unrelated sessions for related ones. The oracle knows the generator's own",
        "probabilities and judges each session by itself. The database judges each month by its own chats,",
        "with the usual numbers until it is asked to fit its own.",
    ]
    print(write("link_orders", "Orders by session", rows, command=command, notes=notes))


def _row(name: str, got: Figures, reference: float) -> Row:
    note = f"P {got.precision:.3f}, R {got.recall:.3f}"
    if not np.isnan(got.calibration):
        note += f", calibration error {got.calibration:.3f}, {got.seconds:.1f} s"
    return measured(name, "% F1", [100 * got.f1], reference=100 * reference, note=note)


if __name__ == "__main__":
    main()
