"""`make drill-cluster`: disturb a cluster in every way, and compare its end with a run on one machine.

    python -m bench.drill.cluster [--short | --smallest] [--only WORD …] [--plain]

The cluster has every role on a host of its own (bench/cluster/). Each fault hits the run of a month of its
own. In the end every month must be materialized, no run may be under way, and every table must equal that of
one machine on the same files. `--smallest` is one month, two workers and one killed worker.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bench.cluster.hosts import ClusterError
from bench.cluster.isolation import Isolation
from bench.cluster.program import run_in_cluster
from bench.cluster.roles import DATABASE, PREFIX, ClusterOptions, running_cluster
from bench.cluster.show import load_contacts, write_months, year_months
from bench.drill.cluster_faults import FAULTS, SHORT, SMALLEST, ClusterDrill, Seen
from bench.drill.world import end_state

_WIDTHS = (38, 78, 9, 6)


def _print_row(*cells: str) -> None:
    padded = [cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False)]
    print("  ".join([*padded, *cells[len(padded) :]]).rstrip(), flush=True)


def _disturb(drill: ClusterDrill, faults: dict[str, Callable[[ClusterDrill], Seen]]) -> int:
    """Let every fault happen and print its row; return how many had a wrong end."""
    wrong = 0
    for name, fault in faults.items():
        began = time.monotonic()
        try:
            seen = fault(drill)
        except (ClusterError, AssertionError) as error:
            seen = Seen(f"{type(error).__name__}: {error}"[:1500], 0.0, "FAILED")
        wrong += seen.state not in {"ok", "left out"}
        whole = f"{time.monotonic() - began:.0f} s"
        _print_row(name, seen.words, f"{seen.seconds:.0f} s" if seen.seconds else "", whole, seen.state)
    return wrong


def _compare(drill: ClusterDrill, reference: str) -> int:
    """Print how the end of the cluster differs from that of one machine; return how many faults it has."""
    wrong = 0
    *reasons, behind = drill.cluster.command("backfill", "--dry-run").strip().splitlines()
    wrong += behind != "no month is missing, failed or stale"
    _print_row("every month materialized", behind)
    for reason in reasons:
        _print_row("", reason)
    hanging = drill.hanging()
    wrong += bool(hanging)
    _print_row("no run hangs", ", ".join(hanging) or "none is under way")
    found, wanted = end_state(drill.cluster.url), end_state(reference)
    differ = [
        f"{table} {found[table][0]} for {wanted[table][0]}"
        for table in wanted
        if wanted[table] != found[table]
    ]
    wrong += bool(differ)
    rows = sum(count for count, _ in wanted.values())
    words = (
        f"DIFFERS in rows or content: {', '.join(differ)}"
        if differ
        else f"{len(wanted)} tables, {rows:,} rows"
    )
    _print_row("equal to one machine", words)
    return wrong


def _drill(options: argparse.Namespace) -> int:
    began = time.monotonic()
    faults = {
        name: fault
        for name, fault in (SMALLEST if options.smallest else SHORT if options.short else FAULTS).items()
        if not options.only or any(word in name for word in options.only)
    }
    months = year_months(1 if options.smallest else 7 if options.short else 12)
    files = options.files or (
        12 if options.smallest else 20 * len(months) if options.short else 60 * len(months)
    )
    folder = Isolation.of_this_process().folder
    root = write_months(folder / "sample", files=files, months=months, seed=20)
    cluster_options = ClusterOptions(
        months[0],
        folder / "sample" / "erp",
        workers=2 if options.smallest else 3,
        poll_seconds=3 if options.short or options.smallest else None,
        lost_host_seconds=15 if options.short else None,
        serves=() if options.smallest else ("receiver",),
    )
    with running_cluster(cluster_options) as cluster:
        store = cluster.store.open()
        store.upload(root, PREFIX)
        load_contacts(cluster)
        print(f"the cluster works after {time.monotonic() - began:.0f} s: {', '.join(cluster.network.hosts)}")
        _print_row("fault", "what was seen", "recovered", "whole", "state")
        with cluster.instance() as instance, ThreadPoolExecutor(1) as pool:
            drill = ClusterDrill(cluster, instance, store, root, iter(months))
            reference = cluster.database.make(f"{DATABASE}_reference")
            # While the cluster waits for outages to be over, this machine has time.
            loading = pool.submit(drill.load_on_one_machine, reference)
            wrong = _disturb(drill, faults)
            loading.result()
            following = pool.submit(drill.follow_on_one_machine, reference)
            drill.finish(is_loaded=options.smallest)
            following.result()
            wrong += _compare(drill, reference)
        killed = cluster.stop()
        print(
            f"{time.monotonic() - began:.0f} s in all; {wrong} wrong; killed at the end: {killed or 'none'}"
        )
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--short",
        action="store_true",
        help="few files; lost runs are looked for every 3 s, lost hosts are given up after 15 s",
    )
    parser.add_argument("--smallest", action="store_true", help="one month, two workers, one killed worker")
    parser.add_argument("--only", nargs="+", help="some faults, by words of their names")
    parser.add_argument("--files", type=int, help="how many chat files")
    parser.add_argument("--plain", action="store_true", help="no namespaces, even where they are permitted")
    options = parser.parse_args()
    raise SystemExit(run_in_cluster("bench.drill.cluster", lambda: _drill(options), plain=options.plain))


if __name__ == "__main__":
    main()
