"""`make cluster`: start every role as processes of this machine, load 12 months, print the QA table, stop.

    python -m bench.cluster.show [--workers 2] [--files 600] [--months 12] [--plain] [--stay]

It generates an archive, uploads it to the object store, launches a run per month through the webserver, and
follows the runs. `--stay` keeps the cluster until Ctrl-C. `--plain` makes no namespaces.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from bench.cluster.hosts import ClusterError
from bench.cluster.isolation import Isolation
from bench.cluster.program import run_in_cluster
from bench.cluster.roles import PREFIX, ClusterOptions, RunningCluster, running_cluster
from whatsapp_pipeline.sandbox.archive import write_sample
from whatsapp_pipeline.sandbox.plan import SampleOptions, month_keys
from whatsapp_pipeline_tests.archive.object_server import BUCKET

_SUMMARY_SECONDS = 300


def write_months(folder: Path, *, files: int, months: Sequence[str], seed: int = 1) -> Path:
    """Generate an archive with its ERP in `folder`; return the archive's root."""
    folder.mkdir()
    contacts = max(20, files * 2 // 3, files * 2 // len(months))
    write_sample(folder, SampleOptions(seed, contacts, files, tuple(months)))
    return folder / PREFIX


def year_months(count: int) -> tuple[str, ...]:
    """Return `count` months from 2025-01 on."""
    year, month = divmod(count - 1, 12)
    return month_keys("2025-01", f"{2025 + year}-{month + 1:02d}")


def load_contacts(cluster: RunningCluster) -> None:
    """Read contacts and orders from the ERP in a run of the cluster; raises ClusterError if it fails."""
    from whatsapp_pipeline.automation.launching import Task

    with cluster.instance() as instance:
        runs = cluster.runs(instance)
        runs.launch([Task("contacts", "")])
        [ended] = runs.follow()
    if not ended.ok:
        raise ClusterError(
            f"the run of contacts ended with {ended.status.value}: {runs.address(ended.run_id)}"
        )


def _summarise(cluster: RunningCluster) -> None:
    """Write the summaries in a run, and print the rest of the QA table: contacts and summaries."""
    from whatsapp_pipeline.automation.headless import outcome_of_launched
    from whatsapp_pipeline.automation.launching import Task
    from whatsapp_pipeline.cli.qa_table import show

    with cluster.instance() as instance:
        runs = cluster.runs(instance)
        runs.launch([Task("contacts", ""), Task("summaries", "")])
        ended = [one.run_id for one in runs.follow()]
        # `make up` would open the Dagster and the database of this machine, which this cluster never uses.
        outcome = outcome_of_launched(instance, ended, months=[])
        show(outcome, dry_run=False, dagster="`python -m bench.cluster.show --stay`, its Dagster")


def _print(line: str) -> None:
    print(line, flush=True)


def _show(options: argparse.Namespace) -> None:
    began = time.monotonic()

    def say(words: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {words}", flush=True)

    isolation = Isolation.of_this_process()
    months = year_months(options.months)
    root = write_months(isolation.folder / "sample", files=options.files, months=months)
    say(f"an archive of {options.months} months and {options.files} files")
    cluster_options = ClusterOptions(months[0], isolation.folder / "sample" / "erp", workers=options.workers)
    with running_cluster(cluster_options) as cluster:
        kind = "in namespaces of its own" if isolation.namespaces else "a plain process"
        say(f"{len(cluster.network.hosts)} hosts, each {kind}: {', '.join(cluster.network.hosts)}")
        cluster.store.open().upload(root, PREFIX)
        say(f"uploaded to s3://{BUCKET}/{PREFIX} in the object store")
        load_contacts(cluster)
        say("contacts and orders read from the ERP, in a run of the cluster")
        cluster.command("backfill", "--launch", "months", seconds=3600, on_line=_print)
        say("all months loaded")
        _summarise(cluster)
        say("summaries written")
        if options.stay:
            say(f"Dagster: {cluster.web}; Ctrl-C stops everything")
            threading.Event().wait()
        started = sum(1 for _ in cluster.network.processes())
        killed = cluster.stop()
        say(
            f"stopped {started} programs"
            + (f"; these had to be killed: {', '.join(killed)}" if killed else "")
        )


def main() -> None:
    """Read the options, and run the work in namespaces."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--files", type=int, default=600)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--plain", action="store_true", help="no namespaces, even where they are permitted")
    parser.add_argument("--stay", action="store_true", help="keep the cluster running until Ctrl-C")
    options = parser.parse_args()
    raise SystemExit(run_in_cluster("bench.cluster.show", lambda: _show(options), plain=options.plain))


if __name__ == "__main__":
    main()
