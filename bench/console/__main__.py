"""`python -m bench.console`: pages of the console at a steady rate, and as many as it can give.

The requests of a working day are mixed: mostly customers, orders and messages, some searches.

The console runs as its own process, through its own command, on an embedded server; the client is here, on
the same machine. `--write` replaces the part of bench/console/RESULTS.md that the same kinds were written to,
and nothing that was written by hand.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import random
import shlex
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import psutil

from bench.console.decisions import measured_decisions
from bench.console.rows import fill
from bench.report import machine
from whatsapp_pipeline.console.access import new_token, token_hash
from whatsapp_pipeline.embedded import server_url
from whatsapp_pipeline.store.connection import connect, one_row
from whatsapp_pipeline.store.migrate import migrate
from whatsapp_pipeline.store.operations import console_access

PORT = 8091
# Kind of request → (its address, the most that p95 may be in ms, its share of the mix in %).
Requests = dict[str, tuple[Callable[[random.Random], str], int, int]]


def requests_of(customers: int, messages: int) -> Requests:
    """Return the kinds of requests to a database with customers and messages of the ids from 1 on."""

    def some(rng: random.Random) -> int:
        return rng.randint(1, customers)

    def large(rng: random.Random) -> int:
        return 500 * rng.randint(1, max(1, customers // 500))

    return {
        "home": (lambda _: "/", 50, 6),
        "order": (lambda rng: f"/orders/{30000 + some(rng)}", 50, 20),
        "customer": (lambda rng: f"/customers/{some(rng)}", 50, 20),
        "customer, 1,000 messages": (lambda rng: f"/customers/{large(rng)}", 50, 8),
        "message": (lambda rng: f"/messages/chat:{rng.randint(1, messages)}", 50, 12),
        "search, 0.1 %": (lambda _: "/search?q=raro", 100, 6),
        "search, 1 %": (lambda _: "/search?q=medio", 100, 2),
        "search, 1.4 %": (lambda _: "/search?q=bastante", 300, 1),
        "search, a third: too common": (lambda _: "/search?q=comum", 300, 1),
        "search, a third, newest first": (lambda _: "/search?q=comum&sort=date", 300, 1),
        "search, a third, of a month": (
            lambda _: "/search?q=comum&sort=date&since=2024-01-01&until=2024-01-31",
            300,
            1,
        ),
        "search in a customer of 1,000": (lambda rng: f"/search?q=comum&customer={large(rng)}", 50, 6),
        "find in a conversation of 1,000": (lambda rng: f"/customers/{large(rng)}?find=comum", 50, 4),
        "name": (lambda rng: f"/search?q=souza%20{some(rng)}", 100, 6),
        "part of a phone": (lambda rng: f"/search?q={80000000 + some(rng)}", 100, 6),
        "review: 6,000 items": (lambda _: "/review", 50, 3),
        "review: a chat": (lambda rng: f"/review/chat:{customers + rng.randint(1, 3000)}", 50, 3),
        "review: a session": (
            lambda rng: f"/review/chat:{25 * rng.randint(0, customers // 25 - 1) + 3}/1",
            50,
            2,
        ),
        "review: a live conversation": (lambda rng: f"/review/webhook:{rng.randint(1, 1000)}", 50, 1),
        "review: the next of the sample": (lambda _: "/review/sample", 50, 1),
        "review: the sample after a verdict": (lambda _: "/review/sample?judged=1", 50, 1),
    }


@contextmanager
def console(url: str, folder: Path) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """Run the console's own command; yield a logged-in client and the process."""
    token = new_token()
    with connect(url) as conn:
        console_access.add_user(conn, "bench", "reviewer")
        user = console_access.user_named(conn, "bench")
        assert user is not None
        console_access.begin_session(conn, user.id, token_hash(token))
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "whatsapp-pipeline"), "console", "--port", str(PORT)],
        env={**os.environ, "DATABASE_URL": url, "PIPELINE_LOCAL_DIR": str(folder / "local")},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield _client(token), psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _client(token: str) -> httpx.Client:
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{PORT}",
        cookies={"console": token},
        timeout=60,
        follow_redirects=True,
        limits=httpx.Limits(max_connections=64, max_keepalive_connections=64),
    )
    for _ in range(600):
        try:
            client.get("/health").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)  # the start of another process can only be asked for
        else:
            return client
    raise RuntimeError("the console did not start")


def steady(client: httpx.Client, wanted: list[tuple[str, str]], *, rate: float) -> dict[str, list[float]]:
    """Send requests, (kind, address), at a steady rate; return the ms that each took since it was due."""
    took: dict[str, list[float]] = {}
    threads = []
    begin = time.perf_counter() + 0.1

    def ask(due: float, kind: str, path: str) -> None:
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        took.setdefault(kind, []).append(1000 * (time.perf_counter() - due))

    for number, (kind, path) in enumerate(wanted):
        due = begin + number / rate
        time.sleep(max(0, due - time.perf_counter()))  # the steady rate itself
        thread = threading.Thread(target=ask, args=(due, kind, path))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    return took


def throughput(
    client: httpx.Client, address: Callable[[], str], *, connections: int, seconds: float
) -> float:
    """Return the pages per second that a number of connections get when they ask without a pause."""
    counted = [0] * connections
    end = time.perf_counter() + seconds

    def ask(place: int) -> None:
        while time.perf_counter() < end:
            client.get(address()).raise_for_status()
            counted[place] += 1

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counted) / seconds


def processor_ms(client: httpx.Client, watched: Callable[[], float], addresses: list[str]) -> float:
    """Return the processor time per request, of console and server: other work hardly changes it."""
    begin = watched()
    for address in addresses:
        client.get(address).raise_for_status()
    return 1000 * (watched() - begin) / len(addresses)


def processor_seconds(process: psutil.Process, folder: Path) -> float:
    """Return the processor time that the console and the database server behind it have used."""
    server = psutil.Process(int((folder / "postgres" / "postmaster.pid").read_text().split()[0]))
    used = [one.cpu_times() for one in (process, *server.children())]
    return sum(times.user + times.system for times in used)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=60, help="how long the mix is sent")
    parser.add_argument("--alone", type=float, default=10, help="how long each kind is sent alone")
    parser.add_argument("--folder", type=Path, help="keep the database here, and use it again")
    parser.add_argument("--only", help="measure the kinds that begin so")
    parser.add_argument(
        "--decisions", type=int, help="decide on this number of items in doubt, and measure nothing else"
    )
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bc-")))
        url = server_url(folder, "bench")
        migrate(url)
        with connect(url) as conn:
            if conn.execute("SELECT FROM contatos LIMIT 1").fetchone() is None:
                fill(conn, messages=options.messages, customers=options.customers)
            stored = one_row(conn.execute("SELECT max(id) FROM chat_messages"))[0]
        requests = requests_of(options.customers, stored)
        with console(url, folder) as (client, process):
            watched = partial(processor_seconds, process, folder)
            if options.decisions:
                text = _decisions(client, options, requests)
            else:
                text = _measure(client, process, options, requests, watched)
    print(text)
    if options.write:
        results = Path(__file__).with_name("RESULTS.md")
        before = results.read_text(encoding="utf-8") if results.exists() else "# The console\n"
        name = "decisions" if options.decisions else options.only or "all"
        results.write_text(with_measured(before, name, text), encoding="utf-8")


def with_measured(report: str, name: str, text: str) -> str:
    """Return a report with its measured part of this name replaced, or added at the end where it has none.

    A measured part stands between two comments; what is outside is written by hand and stays.
    """
    begin, end = f"<!-- measured: {name} -->", f"<!-- end of measured: {name} -->"
    part = f"{begin}\n{text.strip()}\n{end}\n"
    before, found, rest = report.partition(f"{begin}\n")
    if not found:
        return f"{report.rstrip()}\n\n{part}"
    _, closed, after = rest.partition(f"{end}\n")
    if not closed:
        raise ValueError(f"RESULTS.md has {begin} and no {end}; put it where the measured part ends")
    return f"{before}{part}{after}"


def _command(options: argparse.Namespace) -> str:
    """Return the command of this run, with the real-time priority under which it was started."""
    policy = os.sched_getscheduler(0)
    flag = {os.SCHED_RR: "-r", os.SCHED_FIFO: "-f"}.get(policy)
    prefix = f"chrt {flag} {os.sched_getparam(0).sched_priority} " if flag else ""
    only = f" --only {shlex.quote(options.only)}" if options.only else ""
    database = (
        f"{prefix}python -m bench.console --messages {options.messages} --customers {options.customers}"
    )
    if options.decisions:
        return f"{database} --decisions {options.decisions}"
    return f"{database} --rate {options.rate:g} --seconds {options.seconds:g} --alone {options.alone:g}{only}"


def _decisions(client: httpx.Client, options: argparse.Namespace, requests: Requests) -> str:
    rng = random.Random(2)
    kinds = [requests[f"review: a {kind}"][0] for kind in ("chat", "session", "live conversation")]
    addresses = sorted({kinds[n % 3](rng) for n in range(options.decisions)})
    load = f"load average {os.getloadavg()[0]:.1f} before the measurements"
    return measured_decisions(client, addresses, machine=f"`{_command(options)}` on {machine()}; {load}.")


def _measure(
    client: httpx.Client,
    process: psutil.Process,
    options: argparse.Namespace,
    requests: Requests,
    watched: Callable[[], float],
) -> str:
    rng = random.Random(1)
    at_rest = process.memory_info().rss / 2**20
    kinds = {kind: one for kind, one in requests.items() if kind.startswith(options.only or "")}
    weights = [share for _, _, share in kinds.values()]

    def mix(count: int) -> list[tuple[str, str]]:
        return [(kind, kinds[kind][0](rng)) for kind in rng.choices(list(kinds), weights, k=count)]

    def alone(kind: str) -> list[float]:
        """Return the latencies of requests of one kind without other load."""
        address = kinds[kind][0]
        wanted = [(kind, address(rng)) for _ in range(round(options.rate * options.alone))]
        return steady(client, wanted, rate=options.rate)[kind]

    sizes = {kind: len(client.get(address(rng)).content) / 1e3 for kind, (address, _, _) in kinds.items()}
    steady(client, mix(100), rate=20)  # warm up
    used = {
        kind: processor_ms(client, watched, [address(rng) for _ in range(40)])
        for kind, (address, _, _) in kinds.items()
    }
    load = os.getloadavg()[0]
    by_itself = {kind: alone(kind) for kind in kinds}
    mixed = steady(client, mix(round(options.rate * options.seconds)), rate=options.rate)
    pages = throughput(
        client, lambda: f"/customers/{rng.randint(1, options.customers)}", connections=32, seconds=10
    )
    lines = [
        f"`{_command(options)}` on {machine()};",
        f"load average {load:.1f} before the measurements (0 to 1 where nothing else runs on the machine).",
        "",
        f"Alone: {options.rate:g} requests/s of one kind for {options.alone:g} s, one kind after the other.",
        f"Mixed: {options.rate:g} requests/s of all kinds together for {options.seconds:g} s, each with its",
        "share. p50, p95: milliseconds from the moment a request was due until its whole answer was there.",
        "Processor: milliseconds of console and server together for one request; other work on the machine",
        "changes it little.",
        "",
        "| request | most that p95 may be | alone p50 | alone p95 | share of the mix | mixed p50 | mixed p95 "
        "| processor | page |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for kind, (_, most, share) in kinds.items():
        figures = [
            f"{figure:.0f}" if took else "–"  # a short mix may hold no request of a kind
            for took in (by_itself[kind], mixed.get(kind, []))
            for figure in (statistics.median(took or [0]), percentile(took or [0], 0.95))
        ]
        lines.append(
            f"| {kind} | {most} | {figures[0]} | {figures[1]} | {share} % | {figures[2]} | {figures[3]} "
            f"| {used[kind]:.0f} | {sizes[kind]:.1f} kB |"
        )
    lines += [
        "",
        f"32 connections without a pause: {pages:.0f} customer pages/s (wanted: 200).",
        f"Memory: {at_rest:.0f} MB at rest (wanted: at most 120), "
        f"{process.memory_info().rss / 2**20:.0f} MB after the measurements.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
