"""12 months on 1, 2 and 4 Celery workers, from the disk and from an object store with a delay.

    python -m bench.cluster [--files 2400] [--months 12] [--workers 1 2 4] [--delay 0.03] [--write]

Each month is a run of its own, on a worker in namespaces of its own (bench/cluster/). It is compared with the
same months as one run in one process. The seconds of the server's processor say when the database is the
limit. All hosts share this machine's cores, so the speed-up ends where they are busy.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import psutil
import requests

from bench.cluster.hosts import ClusterError
from bench.cluster.isolation import Isolation
from bench.cluster.program import run_in_cluster
from bench.cluster.roles import PREFIX, ClusterOptions, RunningCluster, running_cluster
from bench.cluster.show import load_contacts, write_months, year_months
from bench.report import Row, markdown, measured, write
from whatsapp_pipeline.store.connection import connect

if TYPE_CHECKING:
    import dagster as dg

_SENSOR = """
{sensorOrError(sensorSelector: {repositoryName: "__repository__", sensorName: "summaries_after_months",
 repositoryLocationName: "whatsapp_pipeline"}) {... on Sensor {sensorState {id}}}}
"""


@dataclass(frozen=True, slots=True)
class Load:
    """The months of one archive on some workers.

    Attributes:
        seconds: From the first launch to the end of the last run.
        overheads: For each run the seconds from its launch to its end that no step worked.
        work: For each run the seconds of its steps.
        server: Seconds of the database server's processors.
        busy: The share of this machine's cores that was busy, 0 to 1.
    """

    seconds: float
    overheads: list[float]
    work: list[float]
    server: float
    busy: float


def _forget_months(cluster: RunningCluster) -> None:
    with connect(cluster.url) as conn:
        conn.execute("TRUNCATE chat_files CASCADE")
        conn.execute("CHECKPOINT")  # the next load does not pay for the previous one's pages


def _hold_summaries(cluster: RunningCluster) -> None:
    """Stop the sensor that would put runs of its own between the measured ones."""
    found = requests.post(f"{cluster.web}/graphql", json={"query": _SENSOR}, timeout=60).json()
    state = found["data"]["sensorOrError"]["sensorState"]["id"]
    mutation = f'mutation {{stopSensor(id: "{state}") {{... on StopSensorMutationResult {{__typename}}}}}}'
    requests.post(f"{cluster.web}/graphql", json={"query": mutation}, timeout=60).raise_for_status()


@contextmanager
def _workers(cluster: RunningCluster, count: int, variables: Mapping[str, str]) -> Iterator[None]:
    names = [f"worker{number}" for number in range(1, count + 1)]
    for name in names:
        cluster.start_worker(name, variables)
    try:
        cluster.await_workers()
        yield
    finally:
        for name in names:
            cluster.workers.pop(name).kill()


def most_at_once(spans: Iterable[tuple[float, float]]) -> int:
    """Return the largest number of spans, as (begin, end), that overlap at one time."""
    changes = sorted(change for begin, end in spans for change in ((end, -1), (begin, 1)))
    return max(accumulate((by for _, by in changes), initial=0))


def _load(cluster: RunningCluster, instance: dg.DagsterInstance, months: Sequence[str], workers: int) -> Load:
    """Load every month in a run of its own on the workers, and measure.

    Raises ClusterError if more runs than workers were launched at once. One of them would have waited in
    Celery's queue, and the wait would count as overhead.
    """
    from whatsapp_pipeline.automation.launching import Task
    from whatsapp_pipeline.run_tags import PARTITION

    runs = cluster.runs(instance)
    server = cluster.database.cpu_seconds()
    psutil.cpu_percent()  # the next call gives the share since this one
    began = time.monotonic()
    runs.launch([Task("monthly_chats", month, {PARTITION: month}) for month in months])
    ended = list(runs.follow())
    seconds = time.monotonic() - began
    busy = psutil.cpu_percent() / 100
    if failed := [one.task.months for one in ended if not one.ok]:
        raise ClusterError(f"these months failed: {', '.join(failed)}")
    overheads, work = [], []
    spans = []
    for one in ended:
        stats = instance.get_run_stats(one.run_id)
        steps = instance.get_run_step_stats(one.run_id)
        worked = sum(step.end_time - step.start_time for step in steps if step.end_time and step.start_time)
        assert stats.end_time is not None
        assert stats.launch_time is not None
        spans.append((stats.launch_time, stats.end_time))
        overheads.append(stats.end_time - stats.launch_time - worked)
        work.append(worked)
    if (most := most_at_once(spans)) > workers:
        raise ClusterError(f"{most} runs were launched at once for {workers} workers, so one waited")
    return Load(seconds, overheads, work, cluster.database.cpu_seconds() - server, busy)


def _one_process(cluster: RunningCluster, instance: dg.DagsterInstance, archive: str) -> float:
    """Load every month in one process and one range, and return the seconds of its runs."""
    _forget_months(cluster)
    before = {run.run_id for run in instance.get_runs()}
    cluster.command("backfill", "--archive", archive)
    records = [one for one in instance.get_run_records() if one.dagster_run.run_id not in before]
    monthly = [one for one in records if one.dagster_run.job_name.startswith("monthly_")]
    return sum((one.end_time or 0.0) - (one.start_time or 0.0) for one in monthly)


def _compare(
    cluster: RunningCluster, instance: dg.DagsterInstance, options: argparse.Namespace, disk: str
) -> list[Row]:
    months = year_months(options.months)
    rows = [measured("disk: one process, one run", "s", [_one_process(cluster, instance, disk)])]
    port = cluster.store.start_proxy(options.delay)
    delayed = {"AWS_ENDPOINT_URL": f"http://{cluster.store.host.address}:{port}"}
    for name, variables in (("disk", {"CHAT_ARCHIVE": disk}), ("store, delayed", delayed)):
        first: float | None = None
        for count in options.workers:
            _forget_months(cluster)
            cluster.limit_runs(count)
            with _workers(cluster, count, variables):
                load = _load(cluster, instance, months, count)
            first = first or load.seconds
            words = f"{name}: {count} {'worker' if count == 1 else 'workers'}"
            note = f"cores {load.busy:.0%} busy"
            rows.append(measured(words, "s", [load.seconds], reference=first, note=note))
            rows.append(measured(f"{words}, a run's steps", "s", load.work))
            rows.append(measured(f"{words}, a run's overhead", "s", load.overheads))
            server = load.server / len(months)
            limit = statistics.median(load.work) / server
            note = f"one core of the server for {limit:.0f} workers whose steps never pause"
            rows.append(measured(f"{words}, the server's processor for a run", "s", [server], note=note))
            print(f"{words}: {load.seconds:.0f} s", flush=True)
    return rows


def _bench(options: argparse.Namespace) -> None:
    months = year_months(options.months)
    folder = Isolation.of_this_process().folder
    root = write_months(folder / "sample", files=options.files, months=months)
    pages = folder / "sample" / "erp"
    cluster_options = ClusterOptions(months[0], pages, workers=0, most_runs=1, serves=())
    with running_cluster(cluster_options) as cluster, cluster.instance() as instance:
        cluster.store.open().upload(root, PREFIX)
        with _workers(cluster, 1, {}):
            load_contacts(cluster)
        _hold_summaries(cluster)
        rows = _compare(cluster, instance, options, str(root))
        cluster.stop()
    notes = [
        f"{options.files:,} files in {options.months} months; the delay of the store is "
        f"{1000 * options.delay:g} ms for each request. The ratio is to one worker with the same archive.",
        "A run's overhead is the time from its launch to its end in which no step works: starting Python,",
        "loading the definitions, and Dagster's own writing. No more runs than workers are launched at once,",
        "so it contains no wait for a worker.",
        f"All hosts share {psutil.cpu_count()} cores, with the store, the broker and the server. So this",
        "shows what a run costs and what the server pays for it. It can't show what 4 hosts with cores of",
        "their own do, nor the server's disk when several of them write at once.",
    ]
    command = "python -m bench.cluster"
    title = f"{options.months} months on Celery workers, a run a month"
    print(
        write("cluster", title, rows, command=command, notes=notes)
        if options.write
        else markdown(title, rows, command=command, notes=notes)
    )


def main() -> None:
    """Read the options, and run the work in namespaces."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", type=int, default=2400)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--delay", type=float, default=0.03, help="seconds added to each request")
    parser.add_argument("--plain", action="store_true", help="no namespaces, even where they are permitted")
    parser.add_argument("--write", action="store_true", help="keep the table with those of the other benches")
    options = parser.parse_args()
    raise SystemExit(run_in_cluster("bench.cluster", lambda: _bench(options), plain=options.plain))


if __name__ == "__main__":
    main()
