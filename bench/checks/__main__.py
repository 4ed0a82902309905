"""The job `all_checks` over 131 months, in processor seconds of the run and of the server.

    python -m bench.checks [--runs 3] [--files 3300] [--keep FOLDER]

Fills a database of the bench's own with 131 months of invented chats, then runs the job through Dagster on a
PostgreSQL instance, as the daemon does. The last rows are the dearest checks: each statement alone. `--keep`
names a folder where the database stays, so that a later run needs no filling.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psycopg

from bench import report
from bench.end_to_end.chain import plain
from bench.server import ServerClock
from whatsapp_pipeline.databases import sqlalchemy_url
from whatsapp_pipeline.embedded import server_url
from whatsapp_pipeline.sandbox.archive import CHATS_FOLDER, write_sample
from whatsapp_pipeline.sandbox.erp_server import serve_pages
from whatsapp_pipeline.sandbox.plan import SampleOptions
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.migrate import migrate

FIRST, MONTHS = (2016, 1), 131
DEAREST = 8


def _months() -> list[str]:
    start = FIRST[0] * 12 + FIRST[1] - 1
    return [f"{number // 12}-{number % 12 + 1:02d}" for number in range(start, start + MONTHS)]


def _filled(folder: Path, files: int) -> None:
    """Fill the bench's database where it is empty."""
    url = os.environ["DATABASE_URL"]
    with psycopg.connect(url) as conn:
        found = conn.execute("SELECT to_regclass('chat_messages')").fetchone()
    if found and found[0]:
        return
    migrate(url)
    sample = folder / "sample"
    sample.mkdir(exist_ok=True)
    options = SampleOptions(seed=5, contacts=files // 2, files=files, months=tuple(_months()))
    write_sample(sample, options)
    with serve_pages(sample / "erp") as erp:
        plain(str(sample / CHATS_FOLDER), erp, _months())


@contextmanager
def _database(folder: Path, files: int) -> Iterator[tuple[str, str]]:
    """Yield the URLs of the filled database and of Dagster's own."""
    url, dagster_url = (server_url(folder / "server", name) for name in ("checks", "dagster_checks"))
    os.environ |= {"DATABASE_URL": url, "FIRST_MONTH": _months()[0], "PIPELINE_LOCAL_DIR": str(folder)}
    _filled(folder, files)
    os.environ["CHAT_ARCHIVE"] = str(folder / "sample" / CHATS_FOLDER)
    yield url, dagster_url


def _run(url: str, dagster_url: str) -> tuple[float, float, float]:
    """Run the job once; return seconds on the wall, and of the processor for us and for the server."""
    from whatsapp_pipeline.definitions import build_defs

    job = build_defs(with_erp=False).resolve_job_def("all_checks")
    storage = {"storage": {"postgres": {"postgres_url": sqlalchemy_url(dagster_url)}}}
    with dg.instance_for_test(overrides=storage) as instance, connect(url) as conn:
        server = ServerClock(conn)
        wall, own, of_server = time.perf_counter(), time.process_time(), server.seconds()
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        spent = (time.perf_counter() - wall, time.process_time() - own, server.seconds() - of_server)
    unevaluated = len(list(job.asset_layer.asset_graph.asset_check_keys)) - len(
        result.get_asset_check_evaluations()
    )
    if unevaluated:
        raise SystemExit(f"{unevaluated} checks were not evaluated")
    return spent


def _dearest(url: str) -> list[tuple[str, float]]:
    """Return the checks whose statements cost the server and us most, with their processor seconds."""
    from whatsapp_pipeline.assets.partitions import MONTHS as PARTITIONS
    from whatsapp_pipeline.checks.qa import CheckScope
    from whatsapp_pipeline.definitions import chosen_checks
    from whatsapp_pipeline.resources.sources import Archive

    with connect(url) as conn:
        server = ServerClock(conn)
        scope = CheckScope(conn, list(PARTITIONS.get_partition_keys()), Archive())
        costs = []
        for check in chosen_checks(with_erp=False):
            own, of_server = time.process_time(), server.seconds()
            check.find(scope)
            costs.append((check.name, time.process_time() - own + server.seconds() - of_server))
    return sorted(costs, key=lambda cost: -cost[1])[:DEAREST]


def main() -> None:
    """Run the bench and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--files", type=int, default=3300)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bc-") as name:
        folder = options.keep or Path(name)
        folder.mkdir(exist_ok=True)
        with _database(folder, options.files) as (url, dagster_url):
            logging.disable(logging.CRITICAL)
            with connect(url) as conn:
                counted = conn.execute("SELECT count(*) FROM chat_messages").fetchone()
            runs = [_run(url, dagster_url) for _ in range(options.runs)]
            dearest = _dearest(url)
    sizes = f"{MONTHS} months, {counted[0] if counted else 0:,} messages"
    rows = [
        report.measured(
            "all checks, processor of both",
            "s",
            [own + server for _, own, server in runs],
            note=f"{sizes}; target ≤ 10 s",
        ),
        report.measured("  of that the run", "s", [own for _, own, _ in runs]),
        report.measured("  of that the server", "s", [server for _, _, server in runs]),
        report.measured("all checks, wall clock", "s", [wall for wall, _, _ in runs], note="target ≤ 30 s"),
        *(report.measured(f"  {check}", "s", [cost], note="statement alone") for check, cost in dearest),
    ]
    command = "python -m bench.checks " + " ".join(sys.argv[1:])
    print(report.write("checks", "Every check over ten years", rows, command=command.strip()))


if __name__ == "__main__":
    main()
