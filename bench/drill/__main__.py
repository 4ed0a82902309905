"""`python -m bench.drill`: disturb a backfill in every way and compare its end with an undisturbed one."""

from __future__ import annotations

import argparse
import time

from bench.drill.scenarios import scenarios
from bench.drill.world import end_state, world

MONTHS = ("2025-01", "2025-02", "2025-03")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="few kills on few files, for the gate")
    parser.add_argument("--kills", type=int, help="how often the run is killed")
    parser.add_argument("--only", help="one scenario, by a word of its name")
    parser.add_argument("--files", type=int, help="how many chat files")
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()
    kills = options.kills or (2 if options.short else 20)
    wrong = 0
    with world(
        files=options.files or (60 if options.short else 400), months=MONTHS, seed=options.seed
    ) as here:
        started = time.monotonic()
        reference = here.database()
        here.finish(reference)
        here.usual_seconds = time.monotonic() - started
        here.finished = reference
        expected = end_state(reference)
        rows = sum(count for count, _ in expected.values())
        print(f"undisturbed: {rows:,} rows in {len(expected)} tables, {time.monotonic() - started:.0f} s")
        print(f"{'scenario':<32} {'what happened':<62} {'end state':<26} s")
        for name, scenario in scenarios(kills=kills, short=options.short).items():
            if options.only and options.only not in name:
                continue
            started = time.monotonic()
            url, words, *other = scenario(here)
            found, wanted = end_state(url), end_state(other[0]) if other else expected
            differ = [table for table in wanted if wanted[table] != found[table]]
            wrong += bool(differ)
            verdict = f"DIFFERS: {', '.join(differ)}" if differ else f"equal, {len(expected)} tables"
            print(f"{name:<32} {words:<62} {verdict:<26} {time.monotonic() - started:.0f}", flush=True)
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
