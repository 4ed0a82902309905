"""Precision and recall of `linked`, pooled over seeds: how often a link that nobody confirms is wrong.

    python -m bench.link.linked [--contacts 500 5000 50000] [--seeds 1 2 3] [--links 5000]

Every noise model is drawn with every seed, with as many titles as give about `--links` links in all. A title
counts as linked when the whole cascade says so, with the thresholds that are shipped. `names.py` measures
the posteriors by themselves and beside competitors.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from bench.link import noise_a, noise_b, noise_shop
from bench.link.task import Task
from bench.report import Row, measured, write
from whatsapp_pipeline.domain.matching.link_types import Policy
from whatsapp_pipeline.domain.matching.names import fit_name_model
from whatsapp_pipeline.domain.matching.offline import ContactRow, Tables, TitleRow, link_titles

NOISES: dict[str, Callable[[int, int, int], Task]] = {
    "noise A": noise_a.make,
    "noise B": noise_b.make,
    "phone book of a shop": noise_shop.make,
}
# Links per title that a table of each size gives at least; more titles are drawn where fewer are linked.
USUAL_SHARE = {500: 0.5, 5000: 0.33, 50000: 0.2}


def counts(task: Task, seed: int) -> tuple[int, int, int]:
    """Return how many titles are linked, how many of these rightly, and how many name a listed contact."""
    tables = Tables([ContactRow(c.id, c.nome, c.fantasia, "", "") for c in task.contacts])
    rows = [TitleRow(title, None) for title in task.titles]
    decisions = link_titles(tables, rows, policy=Policy(), model=fit_name_model(task.contacts, seed=seed))
    linked = [
        (decision.contact.id_contato, truth)
        for decision, truth in zip(decisions, task.truth, strict=True)
        if decision.contact.status == "linked"
    ]
    right = sum(found == truth for found, truth in linked)
    return len(linked), right, sum(truth is not None for truth in task.truth)


def measure(name: str, contacts: int, seeds: list[int], links: int) -> list[Row]:
    """Pool the seeds of one noise model at one size."""
    titles = int(links / USUAL_SHARE.get(contacts, 0.3) / len(seeds))
    runs = [counts(NOISES[name](seed, contacts, titles), seed) for seed in seeds]
    linked, right, known = (sum(column) for column in zip(*runs, strict=True))
    label, note = f"{name}, {contacts:,}", f"{linked:,} links of {titles * len(seeds):,} titles"
    return [
        measured(f"{label}: precision of linked", "%", [100 * right / max(linked, 1)], note=note),
        measured(f"{label}: recall of linked", "%", [100 * right / max(known, 1)]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, nargs="+", default=[500, 5000, 50000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--links", type=int, default=5000)
    arguments = parser.parse_args()
    rows: list[Row] = []
    for contacts in arguments.contacts:
        for name in NOISES:
            rows += measure(name, contacts, arguments.seeds, arguments.links)
            for row in rows[-2:]:
                print(f"{row.name}: {row.median:.2f} {row.unit} {row.note}", flush=True)
    sizes, seeds = (" ".join(map(str, values)) for values in (arguments.contacts, arguments.seeds))
    command = f"python -m bench.link.linked --contacts {sizes} --seeds {seeds} --links {arguments.links}"
    notes = ["Pooled over all seeds; one title in five names nobody in the table. Recall is of the others."]
    print(write("link_linked", "Links by name", rows, command=command, notes=notes))


if __name__ == "__main__":
    main()
