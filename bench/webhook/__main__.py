"""`python -m bench.webhook`: the receiver and the processing, with their competitors, in one run.

Writes bench/webhook/RESULTS.md with `--write`. The load generator runs on the same machine.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from bench.report import machine
from bench.webhook.baselines import POOL
from bench.webhook.bodies import delivery, message, senders
from bench.webhook.client import Measured, load, requests_of
from bench.webhook.machine import Postgres, ReceiverProcess, postgres, workshop
from whatsapp_pipeline.steps.conversations.process_webhooks import ProcessOptions, process_due
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.conversations import inbox
from whatsapp_pipeline.webhook import records
from whatsapp_pipeline.webhook.spool import segments

CONNECTIONS = 64
BASELINE = [sys.executable, "-m", "bench.webhook.baselines"]


def bodies(count: int, seed: int) -> list[bytes]:
    rng = random.Random(seed)
    people = senders(rng, 500)
    start = int(time.time())
    return [delivery([message(seed * 10**6 + n, rng.choice(people), start)]) for n in range(count)]


def measure(server: Postgres, directory: Path, seconds: float, command: list[str] | None = None) -> Measured:
    receiver = ReceiverProcess(server.url, directory, command=command)
    receiver.start()
    try:
        requests = itertools.cycle(requests_of(bodies(5000, 1)))
        load(receiver.port, requests, connections=CONNECTIONS, seconds=0.5)  # warm up
        return load(receiver.port, requests, connections=CONNECTIONS, seconds=seconds)
    finally:
        receiver.stop()


def empty(server: Postgres) -> None:
    with connect(server.url) as conn:
        conn.execute("TRUNCATE webhook_inbox RESTART IDENTITY")


def write_backlog(spool: Path, count: int) -> None:
    """Lay a backlog of deliveries in the spool, as an outage leaves it."""
    spool.mkdir(parents=True, exist_ok=True)
    framed = [records.encode_record(body) for body in bodies(count, 2)]
    size = 25_000
    for n in range(0, count, size):
        (spool / f"{n:020d}-1.seg").write_bytes(b"".join(framed[n : n + size]))


def backlog(server: Postgres, directory: Path, count: int, seconds: float) -> tuple[Measured, float, bool]:
    """Drain a backlog under full load; return the load, the seconds it took, and whether order was kept."""
    write_backlog(directory, count)
    receiver = ReceiverProcess(server.url, directory)
    requests = requests_of(bodies(5000, 3))
    drained_at: list[float] = []
    began = time.perf_counter()

    def watch() -> None:
        with connect(server.url) as conn:
            while not drained_at and time.perf_counter() < began + 120:
                row = conn.execute("SELECT count(*) FROM webhook_inbox WHERE id <= %s", (count,)).fetchone()
                left = [path for path in segments(directory) if path.name.endswith("-1.seg")]
                if row and row[0] >= count and not left:  # the backlog's own rows come first
                    drained_at.append(time.perf_counter())
                threading.Event().wait(0.1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    receiver.start()
    try:
        measured = load(receiver.port, itertools.cycle(requests), connections=CONNECTIONS, seconds=seconds)
        watcher.join()
    finally:
        receiver.stop()
    with connect(server.url) as conn:
        row = conn.execute(
            "SELECT bool_and(received_at >= before) FROM (SELECT received_at,"
            " lag(received_at) OVER (ORDER BY id) AS before FROM webhook_inbox WHERE id <= %s) x"
            " WHERE before IS NOT NULL",
            (count,),
        ).fetchone()
    return measured, (drained_at[0] if drained_at else float("nan")) - began, bool(row and row[0])


def processing(server: Postgres, count: int) -> float:
    """Return messages a second from the inbox into the tables, one worker."""
    from uuid import uuid4

    with connect(server.url) as conn:
        conn.execute("TRUNCATE webhook_inbox, conversations, leads CASCADE")
        rows = [
            records.scan(records.encode_record(body, delivery_id=uuid4()), final=True).records[0]
            for body in bodies(count, 4)
        ]
        inbox.add_deliveries(conn, rows)
        began = time.perf_counter()
        report = process_due(conn, ProcessOptions(), log=logging.getLogger("bench"))
        if report.messages != count:
            raise RuntimeError(f"expected {count} messages: {report}")
        return count / (time.perf_counter() - began)


def compare(server: Postgres, directory: Path, seconds: float, rounds: int) -> Iterator[str]:
    """Measure every way in turn, several times, so that a busy moment hits none of them alone."""
    ways: dict[str, list[Measured]] = {}
    for n in range(rounds):
        for name, command in (
            ("nothing: no storage at all", [*BASELINE, "none"]),
            (f"bare INSERT + commit a request, over {POOL} connections", [*BASELINE, "insert"]),
            ("**spool with grouped fdatasync, drained meanwhile**", None),
        ):
            ways.setdefault(name, []).append(measure(server, directory / f"spool-{n}", seconds, command))
            empty(server)
        server.stop("fast")
        ways.setdefault("the same, database down", []).append(measure(server, directory / f"d-{n}", seconds))
        server.start()
    for name, measured in ways.items():
        middle = sorted(measured, key=lambda m: m.rate)[len(measured) // 2]
        spread = f"{min(m.rate for m in measured):,.0f} to {max(m.rate for m in measured):,.0f}"
        yield f"| {name} | {middle.row()} | {spread} |"


def lines(seconds: float, rounds: int, backlog_size: int, processed: int) -> Iterator[str]:
    yield "# Webhook: what it takes and what it keeps"
    yield ""
    yield f"`python -m bench.webhook --write`, {time.strftime('%Y-%m-%d')}, on {machine()};"
    yield f"load average {os.getloadavg()[0]:.1f} before the run: whatever else ran shared the cores with it."
    yield f"PostgreSQL with fsync and synchronous_commit on; the load generator ({CONNECTIONS} connections)"
    yield f"on the same machine; uvicorn with one process; every body signed and checked; {seconds:g} s each,"
    yield f"each way in turn, {rounds} rounds, the median is shown."
    yield ""
    yield "| what is done before the answer | requests/s | p50 ms | p99 ms | max ms | not 200 | all rounds |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    with workshop() as directory, postgres(directory / "pg") as server:
        yield from compare(server, directory, seconds, rounds)
        empty(server)
        loaded, took, ordered = backlog(server, directory / "backlog", backlog_size, seconds * 2)
        yield f"| the spool, while a backlog of {backlog_size:,} is drained | {loaded.row()} | - |"
        yield ""
        yield (
            f"The backlog was in the inbox {took:.1f} s after the start "
            f"({backlog_size / took:,.0f} deliveries/s), {'' if ordered else 'NOT '}in order of arrival."
        )
        yield ""
        rate = processing(server, processed)
        yield (
            f"Processing, one worker, {processed:,} deliveries of one message from 500 people, inbox to "
            f"tables: **{rate:,.0f} messages/s**."
        )
        yield ""
        yield "Targets: 2,000 requests/s and p99 120 ms, with the database up and down; 1,500 requests/s"
        yield "while a backlog of 100,000 is drained in order; 3,000 messages/s processed."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds of load a measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backlog", type=int, default=100_000)
    parser.add_argument("--processed", type=int, default=30_000)
    parser.add_argument("--write", action="store_true", help="write bench/webhook/RESULTS.md")
    arguments = parser.parse_args()
    found = []
    for line in lines(arguments.seconds, arguments.rounds, arguments.backlog, arguments.processed):
        print(line, flush=True)
        found.append(line)
    if arguments.write:
        Path(__file__).with_name("RESULTS.md").write_text("\n".join(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
