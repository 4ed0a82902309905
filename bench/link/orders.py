"""Orders by session: the mixture against the nearest date and the fixed windows, in one run.

python -m bench.link.orders            measures on all simulations, many clues and few
python -m bench.link.orders --fit      finds the usual numbers first and writes order_weights.json
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np

from bench.report import Row, measured, write
from whatsapp_pipeline.domain.matching import order_model as domain
from whatsapp_pipeline.domain.matching.order_fitting import fit_orders, with_rates
from whatsapp_pipeline.domain.matching.orders import (
    Order,
    OrderModel,
    OrderPolicy,
    SessionToLink,
)
from whatsapp_pipeline_tests.truth.order_answers import (
    Figures,
    Found,
    answer_of,
    by_model,
    by_window,
    each,
    figures,
    judged_by_month,
    measure,
)
from whatsapp_pipeline_tests.truth.order_oracle import answers as oracle
from whatsapp_pipeline_tests.truth.order_simulation import (
    FEW,
    Clues,
    Habits,
    SpokenDays,
    Task,
    errand_days,
    errands,
    left_together,
    long_repair_days,
    reference,
    reference_days,
    some_clues,
    some_habits,
    visit_days,
    visits,
)

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
    "left together": (left_together, long_repair_days),
}


def usual(shops: int = 24, customers: int = 400) -> OrderModel:
    """Average the results of many different invented shops, for clients with few data."""
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


def by_usual(task: Task) -> list[Found]:
    """The same with the numbers that are shipped."""
    policy = OrderPolicy()
    rated = with_rates(task.sessions, task.orders, policy.model)
    return [answer_of(session, task.orders[session.id_contato or 0], policy) for session in rated]


def by_month(task: Task, *, refitted: bool) -> list[Found]:
    """Results over the database: each month judged by its own chats, with shipped or refitted numbers."""
    model = fit_orders(task.sessions, task.orders) if refitted else domain.default_model()
    return judged_by_month(task, model)


def by_temporal_match(session: SessionToLink, orders: list[Order]) -> Found:
    """The plan's ±15 days."""
    return answer_of(session, orders, OrderPolicy(method="temporal_match"))


def by_nearest(session: SessionToLink, orders: list[Order]) -> Found:
    """The order opened nearest to the session, whatever the distance."""
    _, id_ = min((abs(((o.opened or session.first_day) - session.first_day).days), o.id) for o in orders)
    return id_, 1.0, id_


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
        "temporal_match": each(by_temporal_match),
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
