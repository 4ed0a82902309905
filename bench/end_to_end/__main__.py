"""The whole pipeline beside the database's limit and the naive way: `make bench-scale`.

    python -m bench.end_to_end [--files 20000] [--contacts 50000] [--messages 1000000] [--months 12]

Everything happens on an embedded server of the bench's own, on archives it generates and keeps under
.local/bench/.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from bench import report
from bench.end_to_end import copy_limit, naive
from whatsapp_pipeline import settings
from whatsapp_pipeline.embedded import PIPELINE_DATABASE, server_url
from whatsapp_pipeline.sandbox.archive import write_sample
from whatsapp_pipeline.sandbox.numbers import mobile
from whatsapp_pipeline.sandbox.plan import SampleOptions, month_keys
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.migrate import migrate

WORK = settings.PROJECT_ROOT / ".local" / "bench"
LOADING = ("index", "link", "orders", "load")


@dataclass(frozen=True, slots=True)
class Run:
    """One chain: seconds by step, in all with the start of the process, and its peak memory in MB.

    `cpu`: the processor's seconds of a step, ours and the server's, which others on the machine change less;
    `own_cpu`: ours in all, from the start of the process.
    """

    seconds: dict[str, float]
    cpu: dict[str, list[float]]
    total: float
    own_cpu: float
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
        conn.execute("CHECKPOINT")  # what the run before left unwritten is not the next one's to write
    migrate(url)


def chain(root: Path, months: list[str], how: str, environment: dict[str, str]) -> Run:
    """Run the chain in a process of its own and watch the memory of its family, the server's left out."""
    command = [
        sys.executable,
        "-m",
        "bench.end_to_end.chain",
        str(root / "organized_whatsapp_chats"),
        str(root / "erp"),
        ",".join(months),
        how,
    ]
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
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
    told = json.loads(output[-1])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(told["seconds"], told["cpu"], time.perf_counter() - started, own, peak)


def _memory(pid: int) -> float:
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
        # A page that several of them share counts once.
        return sum(p.memory_full_info().pss for p in family if "postgres" not in p.name()) / 2**20
    except (psutil.NoSuchProcess, psutil.AccessDenied):
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


@dataclass
class _Measured:
    """The results of the runs."""

    plain: list[Run] = field(default_factory=list)
    again: list[Run] = field(default_factory=list)
    one_more: list[Run] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)
    unchecked: list[float] = field(default_factory=list)


def _measure(
    root: Path, months: list[str], url: str, environment: dict[str, str], runs: int
) -> list[report.Row]:
    found = _Measured()
    for _ in range(runs):
        fresh_database(url)
        found.plain.append(chain(root, months, "plain", environment))
        found.again.append(chain(root, months, "plain", environment))
        with _one_more_file(root, months[-1]):
            found.one_more.append(chain(root, months, "plain", environment))
        with connect(url) as conn:
            copy_limit.export(conn, WORK / "rows")
            cost = naive.measure(conn)
            files = conn.execute(
                "SELECT count(*) FILTER (WHERE phone_key IS NOT NULL),"
                " count(*) FILTER (WHERE phone_key IS NULL) FROM chat_files"
            ).fetchone()
            messages = conn.execute("SELECT count(*) FROM chat_messages").fetchone()
        for seconds, role in ((found.limits, "origin"), (found.unchecked, "replica")):
            fresh_database(url)
            with connect(url) as conn:
                conn.execute(f"SET session_replication_role = {role}")
                seconds.append(copy_limit.load(conn, WORK / "rows"))
    fresh_database(url)
    dagster = chain(root, months, "dagster", environment)
    assert files is not None
    assert messages is not None
    whole = statistics.median(run.total for run in found.plain)
    extrapolated = cost.total(phone_files=files[0], name_files=files[1], messages=messages[0])
    return [
        *_loading_rows(found),
        *_step_rows(found),
        *_whole_rows(found, whole, dagster),
        report.measured(
            "the naive way, extrapolated",
            "s",
            [extrapolated],
            reference=whole,
            note=f"{files[0]:,} x {cost.phone_query * 1000:.1f} ms (LIKE)"
            f" + {files[1]:,} x {cost.name_match:.2f} s (difflib)"
            f" + {messages[0]:,} x {cost.insert * 1000:.2f} ms (INSERT)",
        ),
    ]


def _loading_rows(found: _Measured) -> list[report.Row]:
    limit = statistics.median(found.limits)
    return [
        report.measured(
            "COPY of the same rows into the same tables, the limit", "s", found.limits, reference=limit
        ),
        report.measured("the same without checking foreign keys", "s", found.unchecked, reference=limit),
        report.measured(
            "index + link + orders + load",
            "s",
            [sum(run.seconds[step] for step in LOADING) for run in found.plain],
            reference=limit,
            note=_cpu_note(found, LOADING) + "; the fitting of weights aside",
        ),
    ]


def _step_rows(found: _Measured) -> list[report.Row]:
    return [
        report.measured(
            f"  {step}", "s", [run.seconds[step] for run in found.plain], note=_cpu_note(found, (step,))
        )
        for step in found.plain[0].seconds
    ]


def _whole_rows(found: _Measured, whole: float, dagster: Run) -> list[report.Row]:
    def without_erp(run: Run) -> float:
        return sum(run.seconds.values()) - run.seconds["erp"]

    return [
        report.measured(
            "everything, empty database to summaries",
            "s",
            [run.total for run in found.plain],
            reference=whole,
            memory_mb=max(run.memory_mb for run in found.plain),
            note=f"processor: {statistics.median(run.own_cpu for run in found.plain):.1f} s ours",
        ),
        report.measured(
            "again, nothing new",
            "s",
            [run.total for run in found.again],
            reference=whole,
            note="with the start of the process",
        ),
        report.measured(
            "again, nothing new, the chats alone", "s", map(without_erp, found.again), reference=whole
        ),
        report.measured(
            "one file more, the chats alone", "s", map(without_erp, found.one_more), reference=whole
        ),
        report.measured(
            "everything through one ranged Dagster run",
            "s",
            [dagster.total],
            reference=whole,
            memory_mb=dagster.memory_mb,
            note=f"processor: {dagster.own_cpu:.1f} s ours",
        ),
    ]


def _cpu_note(found: _Measured, steps: Iterable[str]) -> str:
    spent = [[run.cpu.get(step, [0.0, 0.0]) for step in steps] for run in found.plain]
    own, server = (statistics.median(sum(pair[side] for pair in run) for run in spent) for side in (0, 1))
    return f"processor: {own:.1f} s ours, {server:.1f} s the server's" if own + server else ""


@contextmanager
def _one_more_file(root: Path, month: str) -> Iterator[None]:
    """Put one more chat into the last month's folder, and take it away again."""
    folder = root / "organized_whatsapp_chats" / month.replace("-", "/")
    model = min(folder.glob("*.txt"))
    extra = folder / f"WhatsApp - {month}-28 10 00 00 - {mobile(random.Random(7))}.txt"
    extra.write_bytes(model.read_bytes())
    try:
        yield
    finally:
        extra.unlink()


if __name__ == "__main__":
    main()
