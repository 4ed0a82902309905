"""The upper bound for telling orders apart: sessions judged jointly, with knowledge of the generator.

    python -m bench.link.order_ceiling [--customers 500] [--sweeps 150]

The oracle of orders.py judges each session alone. This one samples all of a customer's sessions together
(Gibbs sampling): an order has at most one opening, one closing and one question afterwards. It knows every
probability of `left_together` and how much each customer writes about no order, which no program that reads
a client's data can know. So its F1 is the ceiling of that simulation.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter, defaultdict

from bench.link.orders import LEVELS
from bench.report import Row, measured, write
from whatsapp_pipeline.domain.matching.orders import Order, SessionToLink
from whatsapp_pipeline_tests.truth.order_answers import Found, by_model, figures, measure
from whatsapp_pipeline_tests.truth.order_oracle import (
    device_chance,
    number_chance,
    small_talk_chance,
    stage_chance,
)
from whatsapp_pipeline_tests.truth.order_simulation import DAYS, Clues, Task, left_together

# An order (a position in the customer's list, -1 for none) and what about it: n(othing), o(pening),
# b(etween), c(losing), a(fterwards).
Slot = tuple[int, str]
ONCE = "oca"  # an order has at most one of each
OPENING = {0: 4 / 7, -1: 2 / 7, -2: 1 / 7}
CLOSING = {0: 4 / 7, 1: 1 / 7, 2: 1 / 7, -1: 1 / 7}


def slots(session: SessionToLink, orders: list[Order], clues: Clues, talk: float) -> dict[Slot, float]:
    """Return what the session may be about, each with its odds against an empty slot."""
    found = {(-1, "n"): talk * small_talk_chance(session, clues)}
    for at, order in enumerate(orders):
        assert order.opened is not None  # every simulated order was opened
        day = (session.first_day - order.opened).days
        said = device_chance(session, order, clues) * number_chance(session, order, clues)
        ends = [(order.closed - order.opened).days] if order.closed else list(range(3, 30))
        share = 1 / len(ends)
        opening, closing, other = (stage_chance(session, s, clues) for s in ("opening", "closing", None))
        between = sum(share / (end - 1) for end in ends if end > 2 and 1 <= day < end)
        found[at, "o"] = 0.85 / 0.15 * OPENING.get(day, 0.0) * opening * said
        found[at, "c"] = 0.8 / 0.2 * sum(share * CLOSING.get(day - end, 0.0) for end in ends) * closing * said
        found[at, "b"] = 2.0 * between * other * said
        found[at, "a"] = 0.1 / 0.9 * sum(share / 6 for end in ends if 2 <= day - end <= 7) * other * said
    return {slot: odds for slot, odds in found.items() if odds > 0} or {(-1, "n"): 1.0}


def sample(rng: random.Random, options: list[dict[Slot, float]], sweeps: int) -> list[Counter[int]]:
    """Return, for each session of a customer, how often each order was drawn."""
    state = [max(option, key=lambda slot: option[slot]) for option in options]
    state = [
        slot if state.index(slot) == at or slot[1] not in ONCE else (-1, "n") for at, slot in enumerate(state)
    ]
    taken = {slot for slot in state if slot[1] in ONCE}
    drawn: list[Counter[int]] = [Counter() for _ in options]
    for sweep in range(sweeps):
        for at, option in enumerate(options):
            taken.discard(state[at])
            free = [slot for slot in option if slot not in taken] or [(-1, "n")]
            state[at] = rng.choices(free, [option.get(slot, 1e-9) for slot in free])[0]
            if state[at][1] in ONCE:
                taken.add(state[at])
        for _ in range(len(options) // 2):
            _swap(rng, options, state)
        if sweep >= sweeps // 5:
            for at, slot in enumerate(state):
                drawn[at][slot[0]] += 1
    return drawn


def _swap(rng: random.Random, options: list[dict[Slot, float]], state: list[Slot]) -> None:
    """Let two sessions change places, as often as the odds allow: two openings hold each other otherwise."""
    one, other = rng.randrange(len(options)), rng.randrange(len(options))
    after = options[one].get(state[other], 0.0) * options[other].get(state[one], 0.0)
    before = options[one].get(state[one], 1e-9) * options[other].get(state[other], 1e-9)
    if rng.random() * before < after:
        state[one], state[other] = state[other], state[one]


def answers(task: Task, clues: Clues, sweeps: int) -> list[Found]:
    """Answer every session of the task."""
    rng = random.Random(1)
    of_contact: defaultdict[int, list[int]] = defaultdict(list)
    for at, session in enumerate(task.sessions):
        of_contact[session.id_contato or 0].append(at)
    found: dict[int, Found] = {}
    for contact, places in of_contact.items():
        orders = task.orders[contact]
        talk = sum(task.truth[at] is not None for at in places) * clues.unrelated / DAYS
        options = [slots(task.sessions[at], orders, clues, talk) for at in places]
        for at, drawn in zip(places, sample(rng, options, sweeps), strict=True):
            best = max(range(len(orders)), key=lambda order: drawn[order])
            p, id_ = drawn[best] / drawn.total(), orders[best].id
            found[at] = (id_ if drawn[best] >= drawn[-1] else None, p, id_)
    return [found[at] for at in range(len(task.sessions))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=500)
    parser.add_argument("--sweeps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=2025)
    arguments = parser.parse_args()
    rows: list[Row] = []
    for label, clues in LEVELS.items():
        task = left_together(arguments.seed, arguments.customers, clues)
        ceiling = figures(task, answers(task, clues, arguments.sweeps), 0.0, calibrated=True)
        model = measure(task, by_model, calibrated=True)
        for name, got in (("model", model), ("ceiling", ceiling)):
            note = f"P {got.precision:.3f}, R {got.recall:.3f}, calibration error {got.calibration:.3f}"
            rows.append(measured(f"left together, {label}: {name}", "% F1", [100 * got.f1], note=note))
            print(rows[-1].name, round(rows[-1].median, 2), note, flush=True)
    command = f"python -m bench.link.order_ceiling --customers {arguments.customers}"
    print(write("link_order_ceiling", "Orders left together, and the ceiling", rows, command=command))


if __name__ == "__main__":
    main()
