"""`python -m bench.exports`: a month as a DataFrame, a million messages as CSV and as Parquet.

Each measurement is a process of its own, so that its memory is its own. Time is counted from the call to its
end, without the imports. Memory is the most that the process held beyond what it held before the call. Writes
bench/exports/RESULTS.md with `--write`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.console.rows import fill
from bench.report import machine
from bench.server import ServerClock
from whatsapp_pipeline.embedded import server_url
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.migrate import migrate

MONTH = "2024-03"
# What → (most seconds, most memory in MB; None where the frame's size decides).
BARS: dict[str, tuple[float, float | None]] = {
    "frame": (1.5, None),
    "csv": (15, 200),
    "parquet": (10, None),
    "xlsx": (600, 200),
}


def _load_frame() -> dict[str, float]:
    import pandas  # as a notebook has it: imports are not part of the measurement
    import polars  # noqa: F401

    from whatsapp_pipeline.definitions import defs

    defs.load_asset_value("chat_messages", partition_key="2024-10")
    before, begin, used = psutil.Process().memory_info().rss, time.perf_counter(), time.process_time()
    frame = pandas.DataFrame(defs.load_asset_value("chat_messages", partition_key=MONTH))
    took = time.perf_counter() - begin
    return {
        "seconds": took,
        "processor": time.process_time() - used,
        "rows": len(frame),
        "memory": _peak() - before / 1e6,
        "frame": float(frame.memory_usage(deep=True).sum()) / 1e6,
    }


def _export(kind: str, folder: str) -> dict[str, float]:
    import polars  # noqa: F401

    from whatsapp_pipeline.cli import cli
    from whatsapp_pipeline.steps.operations import export  # noqa: F401
    from whatsapp_pipeline.store.operations import exports  # noqa: F401

    before, begin, used = psutil.Process().memory_info().rss, time.perf_counter(), time.process_time()
    cli.main(["export", "messages", "--format", kind, "--out", folder], standalone_mode=False)
    took = time.perf_counter() - begin
    size = Path(folder, f"messages.{kind}").stat().st_size
    used = time.process_time() - used
    memory = _peak() - before / 1e6
    return {"seconds": took, "processor": used, "memory": memory, "size": size / 1e6}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _measured(what: str, url: str, folder: Path) -> dict[str, float]:
    environment = {**os.environ, "DATABASE_URL": url, "FIRST_MONTH": "2024-01", "DAGSTER_HOME": ""}
    environment["PIPELINE_LOCAL_DIR"] = str(folder / "local")
    done = subprocess.run(
        [sys.executable, "-m", "bench.exports", "--measure", what, "--folder", str(folder / "out")],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--what", nargs="*", default=["frame", "csv", "parquet"], choices=list(BARS))
    parser.add_argument("--measure", choices=list(BARS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.measure:
        one = _load_frame() if options.measure == "frame" else _export(options.measure, options.folder)
        print(json.dumps(one))
        return
    with tempfile.TemporaryDirectory(prefix="be-") as name:
        url = server_url(Path(name), "bench")
        migrate(url)
        # One connection for all: the seconds of a backend that ends would appear at any later moment.
        with connect(url) as conn:
            fill(conn, messages=options.messages, customers=options.customers)
            clock, load = ServerClock(conn), os.getloadavg()[0]
            found: dict[str, dict[str, float]] = {}
            for what in options.what:
                before = clock.seconds()
                found[what] = _measured(what, url, Path(name))
                found[what]["server"] = clock.seconds() - before
    text = _document(options, found, load)
    print(text)
    if options.write:
        Path(__file__).with_name("RESULTS.md").write_text(text, encoding="utf-8")


def _document(options: argparse.Namespace, found: dict[str, dict[str, float]], load: float) -> str:
    lines = [
        "# Frames and exports",
        "",
        f"`python -m bench.exports --messages {options.messages} --customers {options.customers}` on",
        f"{machine()}; load average {load:.1f} before the measurements.",
        "",
        "Processor: seconds of our process and of PostgreSQL's processes, which other work on the machine",
        "changes little. Where the load average is far above the number of cores, the wall clock says more",
        "about that work than about this.",
        "",
        "| what | seconds | at most | processor: ours | PostgreSQL's | memory added | at most | size |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for what, figures in found.items():
        most_seconds, most_memory = BARS[what]
        if what == "frame":
            named = f"a month with {figures['rows']:,.0f} messages as a pandas DataFrame"
            most_memory, size = 2 * figures["frame"], figures["frame"]
        else:
            named, size = f"{options.messages:,} messages as {what.upper()}", figures["size"]
        memory = "" if most_memory is None else f"{most_memory:.0f} MB"
        lines.append(
            f"| {named} | {figures['seconds']:.1f} | {most_seconds:g} | {figures['processor']:.1f} "
            f"| {figures['server']:.1f} | {figures['memory']:.0f} MB | {memory} | {size:.0f} MB |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
