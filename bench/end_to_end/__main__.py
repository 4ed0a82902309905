"""The whole pipeline beside the database's limit and the naive way: `make bench-scale`.

    python -m bench.end_to_end [--files 20000] [--contacts 50000] [--messages 1000000] [--months 12]

Everything happens on an embedded server of the bench's own, on archives it generates and keeps under
.local/bench/.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from bench import report
from bench.end_to_end import copy_limit, naive
from whatsapp_pipeline import settings
from whatsapp_pipeline.embedded import PIPELINE_DATABASE, server_url
from whatsapp_pipeline.sandbox.archive import write_sample
from whatsapp_pipeline.sandbox.plan import SampleOptions, month_keys
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.migrate import migrate

WORK = settings.PROJECT_ROOT / ".local" / "bench"
LOADING = ("index", "link", "orders", "load")


@dataclass(frozen=True, slots=True)
class Run:
    """One chain: seconds by step, in all with the start of the process, and its peak memory in MB."""

    seconds: dict[str, float]
    total: float
    memory_mb: float


def archive(files: int, contacts: int, messages: int, months: int) -> tuple[Path, list[str]]:
    """Generate the archive of these sizes once, and keep it."""
    keys = list(month_keys("2025-01", f"2025-{months:02d}"))
    out = WORK / f"archive-{files}-{contacts}-{messages}-{months}"
    if not (out / "complete").exists():
        shutil.rmtree(out, ignore_errors=True)
        # The generator takes a median; the mean of its distribution is about 1.7 times that.
        median = messages / files / 1.72
        write_sample(
            out,
            SampleOptions(seed=1, contacts=contacts, files=files, months=tuple(keys), median_messages=median),
        )
        (out / "complete").touch()
    return out, keys


def fresh_database(url: str) -> None:
    """Drop and migrate the pipeline's database."""
    with psycopg.connect(url.replace(f"/{PIPELINE_DATABASE}?", "/postgres?"), autocommit=True) as conn:
        conn.execute(f"DROP DATABASE IF EXISTS {PIPELINE_DATABASE} WITH (FORCE)")
        conn.execute(f"CREATE DATABASE {PIPELINE_DATABASE} TEMPLATE template0")
    migrate(url)


def chain(root: Path, months: list[str], how: str, environment: dict[str, str]) -> Run:
    """Run the chain in a process of its own and watch the memory of its family, the server's left out."""
    command = [
        sys.executable, "-m", "bench.end_to_end.chain",
        str(root / "organized_whatsapp_chats"), str(root / "erp"), ",".join(months), how,
    ]  # fmt: skip
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _memory(process.pid))
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    assert process.stdout is not None
    output = process.stdout.read().strip().splitlines()
    if process.returncode != 0:
        raise SystemExit(f"the chain failed with status {process.returncode}")
    return Run(json.loads(output[-1])["seconds"], time.perf_counter() - started, peak)


def _memory(pid: int) -> float:
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
        return sum(p.memory_info().rss for p in family if "postgres" not in p.name()) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


def main() -> None:
    """Run the bench and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--contacts", type=int, default=50_000)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    root, months = archive(arguments.files, arguments.contacts, arguments.messages, arguments.months)
    local_dir = WORK / "server"
    url = server_url(local_dir, PIPELINE_DATABASE)
    environment = {
        **os.environ,
        "PIPELINE_LOCAL_DIR": str(local_dir),
        "DAGSTER_HOME": str(settings.PROJECT_ROOT),
    }
    environment.pop("DATABASE_URL", None)
    rows = _measure(root, months, url, environment, arguments.runs)
    command = "python -m bench.end_to_end " + " ".join(sys.argv[1:])
    print(report.write("end_to_end", "End to end", rows, command=command.strip()))


def _measure(
    root: Path, months: list[str], url: str, environment: dict[str, str], runs: int
) -> list[report.Row]:
    plain: list[Run] = []
    limits: list[float] = []
    again: list[Run] = []
    for _ in range(runs):
        fresh_database(url)
        plain.append(chain(root, months, "plain", environment))
        again.append(chain(root, months, "plain", environment))
        with connect(url) as conn:
            copy_limit.export(conn, WORK / "rows")
            cost = naive.measure(conn)
            files = conn.execute(
                "SELECT count(*) FILTER (WHERE phone_key IS NOT NULL),"
                " count(*) FILTER (WHERE phone_key IS NULL) FROM chat_files"
            ).fetchone()
            messages = conn.execute("SELECT count(*) FROM chat_messages").fetchone()
        fresh_database(url)
        with connect(url) as conn:
            conn.execute("SET session_replication_role = replica")  # the limit leaves foreign keys out
            limits.append(copy_limit.load(conn, WORK / "rows"))
    fresh_database(url)
    dagster = chain(root, months, "dagster", environment)
    assert files is not None
    assert messages is not None
    limit = statistics.median(limits)
    whole = statistics.median(run.total for run in plain)
    memory = max(run.memory_mb for run in plain)
    extrapolated = cost.total(phone_files=files[0], name_files=files[1], messages=messages[0])
    rows = [
        report.measured("COPY of the same rows, the limit", "s", limits, reference=limit),
        report.measured(
            "index + link + orders + load", "s",
            [sum(run.seconds[step] for step in LOADING) for run in plain], reference=limit, memory_mb=memory,
        ),
    ]  # fmt: skip
    rows += [
        report.measured(f"  {step}", "s", [run.seconds[step] for run in plain]) for step in plain[0].seconds
    ]
    rows += [
        report.measured(
            "everything, empty database to summaries", "s", [run.total for run in plain],
            reference=whole, memory_mb=memory,
        ),
        report.measured("again, nothing new", "s", [run.total for run in again], reference=whole),
        report.measured("everything through one ranged Dagster run", "s", [dagster.total], reference=whole,
                        memory_mb=dagster.memory_mb),
        report.measured(
            "the naive way, extrapolated", "s", [extrapolated], reference=whole,
            note=f"{files[0]:,} x {cost.phone_query * 1000:.1f} ms (LIKE)"
            f" + {files[1]:,} x {cost.name_match:.2f} s (difflib)"
            f" + {messages[0]:,} x {cost.insert * 1000:.2f} ms (INSERT)",
        ),
    ]  # fmt: skip
    return rows


if __name__ == "__main__":
    main()
