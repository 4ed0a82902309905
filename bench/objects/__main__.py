"""An archive in an object store whose requests take 30 ms longer, beside the same store without the delay.

    python -m bench.objects [--files 2000] [--delay 0.03] [--runs 3] [--write]

The store is SeaweedFS on this machine, behind a proxy that adds the delay to each request. It is compared
with the same store through the same proxy without the delay, with the local disk, with fsspec's own `open`
one file at a time (as this project did before it fetched ahead), and with fetching the same objects without
indexing them. The exit status is 1 if indexing with the delay is slower than the targets.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from bench.report import Row, markdown, measured, write
from whatsapp_pipeline.embedded import server_url
from whatsapp_pipeline.store.migrate import migrate
from whatsapp_pipeline_tests.archive.object_server import BUCKET, environment, object_server

MONTH = "2025-01"
# The least rate of indexing with the delay: as a share of that without it, and as a multiple of that of one
# file at a time.
_LEAST_SHARE, _LEAST_TIMES = 0.8, 6.0
_FETCH = """
import sys, time
from whatsapp_pipeline.archive.object_store import ObjectStore, open_store
root = open_store(sys.argv[1])
store = ObjectStore(root)
paths = sorted(store.list_recursive(root.path))
started = time.perf_counter()
with store.fetching(paths) as fetcher:
    for path in paths:
        fetcher.open(path).read()
print(len(paths) / (time.perf_counter() - started))
"""


@contextmanager
def _proxy(upstream: int, delay: float) -> Iterator[int]:
    command = [sys.executable, "-m", "whatsapp_pipeline_tests.archive.fault_proxy", str(upstream), str(delay)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


class _Contest:
    """Runs contestants on databases of one server and keeps their rates in files a second."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._template = f"bench_{uuid4().hex[:8]}"
        self._administrator = psycopg.connect(url, autocommit=True)
        self._administrator.execute(f'CREATE DATABASE "{self._template}"')
        migrate(self._of(self._template))
        self.rates: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.memory: dict[str, float] = {}

    def _of(self, name: str) -> str:
        return self._url.replace("/bench?", f"/{name}?")

    def run(self, name: str, root: str, variables: Mapping[str, str], *options: str) -> None:
        """Index and load the month of an archive into a database of its own."""
        database = f"bench_{uuid4().hex[:8]}"
        self._administrator.execute(f'CREATE DATABASE "{database}" TEMPLATE "{self._template}"')
        try:
            command = [sys.executable, "-m", "bench.objects.month", self._of(database), root, MONTH, *options]
            found: dict[str, Any] = json.loads(_output(command, variables))
        finally:
            self._administrator.execute(f'DROP DATABASE "{database}" WITH (FORCE)')
        for step in ("index", "load"):
            self.rates[step, name].append(found["files"] / found[step])
        self.memory[name] = max(found["memory"], self.memory.get(name, 0.0))

    def rate(self, step: str, name: str) -> float:
        """Return the median rate."""
        return statistics.median(self.rates[step, name])


def _output(command: list[str], variables: Mapping[str, str]) -> str:
    return subprocess.run(
        command, env={**os.environ, **variables}, check=True, capture_output=True, text=True
    ).stdout


def _write_archive(out: Path, files: int) -> Path:
    program = Path(sys.executable).parent / "whatsapp-pipeline"
    sample = ["sample", "--out", str(out), "--files", str(files), "--messages", "14", "--months"]
    subprocess.run([program, *sample, f"{MONTH}..{MONTH}"], check=True, stdout=subprocess.DEVNULL)
    return out / "organized_whatsapp_chats"


def main() -> None:
    """Run every contestant in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--delay", type=float, default=0.03, help="seconds added to each request")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="keep the table with those of the other benches")
    arguments = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="bo-") as name:
        folder = Path(name)
        root = _write_archive(folder / "a", arguments.files)
        contest = _Contest(server_url(folder / "l", "bench"))
        (folder / "weed").mkdir()
        with (
            object_server(folder / "weed") as server,
            _proxy(server.port, 0.0) as plain,
            _proxy(server.port, arguments.delay) as delayed,
        ):
            server.upload(root, "chats")
            rows, rates = _compare(contest, arguments, str(root), environment(plain), environment(delayed))
    title = f"An archive in an object store, {1000 * arguments.delay:g} ms added to each request"
    command = "python -m bench.objects"
    share, times = rates
    notes = [
        f"{arguments.files:,} files in one month. Indexing with the delay reaches {share:.0%} of the rate",
        f"without it (target ≥ {_LEAST_SHARE:.0%}) and {times:.1f} times that of one file at a time",
        f"(target ≥ {_LEAST_TIMES:g}).",
        "The ratio is to the store without the delay.",
    ]
    print(
        write("objects", title, rows, command=command, notes=notes)
        if arguments.write
        else markdown(title, rows, command=command, notes=notes)
    )
    print(f"took {time.perf_counter() - began:.0f} s")
    if missed := missed_targets(share, times):
        raise SystemExit(f"error: indexing with the delay is too slow: {' and '.join(missed)}")


def missed_targets(share: float, times: float) -> list[str]:
    """Return the targets that indexing with the delay misses, as text.

    `share` is its rate as a share of that without the delay, `times` as a multiple of that of one file at a
    time.
    """
    missed = []
    if share < _LEAST_SHARE:
        missed.append(f"{share:.1%} of the rate without it, and the target is {_LEAST_SHARE:.0%}")
    if times < _LEAST_TIMES:
        missed.append(f"{times:.2f} times the rate of one file at a time, and the target is {_LEAST_TIMES:g}")
    return missed


def _compare(
    contest: _Contest,
    arguments: argparse.Namespace,
    root: str,
    plain: Mapping[str, str],
    delayed: Mapping[str, str],
) -> tuple[list[Row], tuple[float, float]]:
    """Return the table, and the two rates that have a target (see `missed_targets`)."""
    url = f"s3://{BUCKET}/chats"
    contest.run("store, no delay", url, plain)  # the store and the disk are warm for everyone
    contest.rates.clear()
    fetched = []
    for _ in range(arguments.runs):
        contest.run("local disk", root, {})
        contest.run("store, no delay", url, plain)
        contest.run("store, delay", url, delayed)
        fetched.append(float(_output([sys.executable, "-c", _FETCH, url], delayed)))
    contest.run("one at a time, delay", url, delayed, "--one-at-a-time")
    rows = []
    for step in ("index", "load"):
        limit = contest.rate(step, "store, no delay")
        for name in ("local disk", "store, no delay", "store, delay", "one at a time, delay"):
            rates = contest.rates[step, name]
            memory = contest.memory[name]
            rows.append(measured(f"{step}: {name}", "files/s", rates, reference=limit, memory_mb=memory))
    rows.append(measured("fetch only: store, delay", "files/s", fetched))
    share = contest.rate("index", "store, delay") / contest.rate("index", "store, no delay")
    times = contest.rate("index", "store, delay") / contest.rate("index", "one at a time, delay")
    return rows, (share, times)


if __name__ == "__main__":
    main()
