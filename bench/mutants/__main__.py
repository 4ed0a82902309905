"""Draw small changes by a seed, try each against the tests of its area, and list those that no test notices.

    python -m bench.mutants --seed N [--count 100] [--area NAME ...] [--list]
    python -m bench.mutants --named

The sample is drawn from every change to the areas' Python and SQL; at least a third of it are constants,
comparisons and clauses of SQL. The result is in bench/results/mutants.md. Ends with 1 when more than a tenth
survives. `--list` draws and prints, and tries nothing. Takes an hour for 100.
"""

from __future__ import annotations

import argparse
import importlib
import random
import sys
import tempfile
from pathlib import Path

from bench.mutants.areas import AREAS
from bench.mutants.named import named
from bench.mutants.python_mutants import SMALL, Mutant, all_mutants
from bench.mutants.trials import Trial, Workshop, area_of

SURVIVORS = 0.1
SMALL_SHARE = 1 / 3


def draw(names: list[str], seed: int) -> list[tuple[str, Mutant]]:
    """Return every change to the areas in the order in which the seed draws them."""
    root = Path()
    found = [
        (area.name, mutant)
        for area in AREAS
        if area.name in names
        for path in area.files(root)
        for mutant in all_mutants(str(path), path.read_text(encoding="utf-8"))
    ]
    random.Random(seed).shuffle(found)
    return found


def sample(drawn: list[tuple[str, Mutant]], count: int) -> list[tuple[str, Mutant]]:
    """Return the first `count`, with constants, comparisons and clauses for a third of them at least."""
    small = [item for item in drawn if item[1].kind in SMALL][: -int(-count * SMALL_SHARE // 1)]
    rest = [item for item in drawn if item not in set(small)]
    return [*small, *rest][:count]


def try_all(drawn: list[tuple[str, Mutant]], count: int, work: Workshop) -> list[Trial]:
    """Try changes in the drawn order until `count` have been tried that the server and Python can read."""
    trials: list[Trial] = []
    # The quick ones first: modules of the domain, then areas whose tests were recorded before.
    queue = sorted(
        sample(drawn, count),
        key=lambda item: (not work.is_recorded(area_of(item[0])), "/domain/" not in item[1].path, item[0]),
    )
    chosen = set(queue)
    spare = iter([item for item in drawn if item not in chosen])
    while queue:
        name, mutant = queue.pop(0)
        trial = work.run_or_recall(area_of(name), mutant)
        print(f"{trial.state:9} {trial.seconds:5.0f} s  {mutant.kind:10} {mutant}  {trial.test}", flush=True)
        if trial.state == "invalid" and (item := next(spare, None)):
            queue.append(item)
        elif trial.state != "invalid":
            trials.append(trial)
    return trials


def report(trials: list[Trial], seed: int, total: int) -> str:
    """Return the result as Markdown."""
    survived = [trial for trial in trials if trial.state == "survived"]
    small = sum(trial.mutant.kind in SMALL for trial in trials)
    lines = [
        f"Seed {seed}: {len(trials)} of {total:,} changes, {small} of them constants, comparisons, clauses; "
        f"{len(survived)} survived.",
        "",
        "| area | tried | survived |",
        "| --- | --- | --- |",
    ]
    for area in AREAS:
        of_area = [trial for trial in trials if trial.area == area.name]
        lines.append(f"| {area.name} | {len(of_area)} | {sum(t.state == 'survived' for t in of_area)} |")
    lines += ["", *(f"- `{trial.mutant}`" for trial in survived)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the arguments, try the changes and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int)
    parser.add_argument("--named", action="store_true", help="Try the changes of named.py; none may survive.")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--area", action="append", choices=[area.name for area in AREAS])
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.named:
        _try_named()
    if options.seed is None:
        parser.error("--seed or --named is needed")
    names = options.area or [area.name for area in AREAS]
    drawn = draw(names, options.seed)
    print(f"seed {options.seed}: {options.count} of {len(drawn):,} changes", flush=True)
    if options.list:
        for area, mutant in sample(drawn, options.count):
            print(f"{area:14} {mutant.kind:10} {mutant}")
        return
    _load_packages()
    # A short path: socket names have a length limit.
    with tempfile.TemporaryDirectory(prefix="wm-") as folder, Workshop(Path(folder)) as work:
        trials = try_all(drawn, options.count, work)
    text = report(trials, options.seed, len(drawn))
    target = Path("bench/results/mutants.md")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    print(text)
    sys.exit(sum(trial.state == "survived" for trial in trials) > SURVIVORS * len(trials))


def _try_named() -> None:
    """Try the changes by hand, and end with 1 when one survives."""
    _load_packages()
    survived = 0
    with tempfile.TemporaryDirectory(prefix="wm-") as folder, Workshop(Path(folder)) as work:
        for area, mutant in named(Path()):
            work.require_green(area)
            trial = work.run(area, mutant)
            survived += trial.state != "killed"
            print(f"{trial.state:9} {trial.seconds:5.0f} s  {mutant}  {trial.test}", flush=True)
    sys.exit(survived > 0)


def _load_packages() -> None:
    """Import what every trial needs, once; nothing of the project, which is what changes."""
    for name in ("dagster", "numpy", "polars", "psycopg", "pytest", "scipy.optimize"):
        importlib.import_module(name)


if __name__ == "__main__":
    main()
