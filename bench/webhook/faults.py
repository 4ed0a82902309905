"""The fault drill: break everything under load, then count what was lost and what was doubled.

`python -m bench.webhook.faults` runs every phase against a PostgreSQL and a receiver of its own;
`--messages 50` makes it short. A sender posts each body until it is answered 200, as Meta does, so in the end
every message has to be in the tables, once.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import logging
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import requests

from bench.report import machine
from bench.webhook import bodies
from bench.webhook.machine import Postgres, ReceiverProcess, postgres, workshop
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.conversations.process_webhooks import ProcessOptions, process_due
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.conversations import inbox
from whatsapp_pipeline.webhook.receiver import PATH
from whatsapp_pipeline.webhook.spool import segments

LOG = logging.getLogger("drill")
OPTIONS = ProcessOptions(chunk=200, lease_seconds=2)


@dataclass
class Drill:
    """The machinery of a run and what it has sent so far."""

    directory: Path
    server: Postgres
    receiver: ReceiverProcess
    messages: int
    rng: random.Random
    sent: int = 0
    statuses: dict[int, str] = field(default_factory=dict)
    people: list[str] = field(default_factory=list)

    def next_bodies(self) -> list[bytes]:
        """Make new messages with statuses, each two to five times, shuffled and re-batched."""
        items: list[dict[str, Any]] = []
        now = int(time.time())
        for _ in range(self.messages):
            number, sender = self.sent, self.rng.choice(self.people)
            self.sent += 1
            items.append(bodies.message(number, sender, now - self.rng.randint(0, 600)))
            reached = self.rng.randint(0, len(bodies.STATUSES))
            for name in bodies.STATUSES[:reached]:
                items.append(bodies.status(number, sender, now, name))
                self.statuses[number] = name
        return bodies.regrouped(self.rng, items)

    def connect(self) -> contextlib.AbstractContextManager[Connection]:
        return connect(self.server.url, application_name="drill")


def post_until_taken(drill: Drill, body: bytes, *, give_up_after: float = 60) -> None:
    """Post as Meta does: again and again, until the answer is 200."""
    deadline = time.monotonic() + give_up_after
    headers = {"X-Hub-Signature-256": bodies.sign(body)}
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.RequestException):
            answer = requests.post(drill.receiver.base + PATH, data=body, headers=headers, timeout=10)
            if answer.status_code == 200:
                return
            if answer.status_code != 503:
                raise AssertionError(f"HTTP {answer.status_code}")
        threading.Event().wait(0.05)
    raise AssertionError("a body was never taken")


@contextlib.contextmanager
def load(drill: Drill) -> Iterator[threading.Event]:
    """Post new bodies from eight senders; yields an event set half-way, and waits for all at the end."""
    pending = drill.next_bodies()
    half = threading.Event()
    done = 0

    def post(body: bytes) -> None:
        nonlocal done
        post_until_taken(drill, body)
        done += 1
        if done * 2 >= len(pending):
            half.set()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(post, body) for body in pending]
        yield half
        for future in futures:
            future.result()


@contextlib.contextmanager
def workers(drill: Drill, count: int = 2) -> Iterator[None]:
    """Process the inbox all the while, whatever the database does meanwhile."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            with contextlib.suppress(psycopg.Error, PipelineError), drill.connect() as conn:
                while not stop.is_set():
                    process_due(conn, OPTIONS, log=LOG)
                    stop.wait(0.1)
            stop.wait(0.1)

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def settle(drill: Drill, *, give_up_after: float = 60) -> None:
    """Wait for the spool to drain, then process until nothing is pending."""
    deadline = time.monotonic() + give_up_after
    while time.monotonic() < deadline:
        with contextlib.suppress(psycopg.Error, PipelineError), drill.connect() as conn:
            process_due(conn, OPTIONS, log=LOG)
            if not segments(drill.directory / "spool") and inbox.count_deliveries(conn).pending == 0:
                return
        threading.Event().wait(0.2)
    raise AssertionError("the spool or the inbox did not empty")


def receiver_killed(drill: Drill) -> None:
    with workers(drill), load(drill) as half:
        half.wait(30)
        for _ in range(2):
            drill.receiver.kill()
            drill.receiver.start()


def database_stopped_hard(drill: Drill) -> None:
    with workers(drill), load(drill) as half:
        half.wait(30)
        drill.server.stop("immediate")
        threading.Event().wait(1)
        drill.server.start()


def database_down_all_along(drill: Drill) -> None:
    drill.server.stop("immediate")
    try:
        with load(drill):
            pass
        drill.receiver.kill()  # and what it had spooled survives it
    finally:
        drill.server.start()
    drill.receiver.start()


def database_paused(drill: Drill) -> None:
    with workers(drill), load(drill) as half:
        half.wait(30)
        drill.server.pause()
        threading.Event().wait(1)
        drill.server.resume()


def database_read_only(drill: Drill) -> None:
    with workers(drill), load(drill) as half:
        half.wait(30)
        drill.server.set("default_transaction_read_only", "on")
        threading.Event().wait(1)
        drill.server.set("default_transaction_read_only", "off")


def out_of_connections(drill: Drill) -> None:
    with load(drill):
        held: list[Connection] = []
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                held.append(psycopg.connect(drill.server.url))
        threading.Event().wait(1)
        for conn in held:
            conn.close()


def workers_killed_between_lease_and_commit(drill: Drill) -> None:
    with load(drill):
        pass
    wait_for_spool(drill)
    for _ in range(2):
        # Holding the account's lock stops a worker after its lease and before its commit, every time.
        with drill.connect() as conn, conn.transaction():
            conn.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
                (f"whatsapp-pipeline:account:{bodies.ACCOUNT}",),
            )
            worker = subprocess.Popen(
                [sys.executable, "-m", "bench.webhook.faults", "--work", drill.server.url]
            )
            wait_until(lambda: waiting_for_lock(drill) > 0)
            worker.kill()
            worker.wait()
        threading.Event().wait(OPTIONS.lease_seconds + 0.2)


def eight_workers_on_one_conversation(drill: Drill) -> None:
    everybody, drill.people = drill.people, drill.people[:1]
    try:
        with load(drill):
            pass
    finally:
        drill.people = everybody
    wait_for_spool(drill)
    with workers(drill, count=8):
        wait_until(lambda: not pending(drill))


def poison_among_999(drill: Drill) -> None:
    """One item that the database refuses, in a delivery with 999 good ones."""
    now = int(time.time())
    good = [bodies.message(drill.sent + n, drill.people[0], now) for n in range(999)]
    poison = bodies.message(10**8, drill.people[0], now, text="poison")
    drill.sent += 999
    with drill.connect() as conn:
        conn.execute("ALTER TABLE conversation_messages ADD CONSTRAINT drill_poison CHECK (text <> 'poison')")
    post_until_taken(drill, bodies.delivery([*good[:500], poison, *good[500:]]))
    wait_for_spool(drill)
    options = ProcessOptions(max_attempts=1)
    with drill.connect() as conn:
        report = process_due(conn, options, log=LOG)
        if report.dead != 1 or report.messages != 999:
            raise AssertionError(f"the poison cost its siblings: {report}")
        conn.execute("ALTER TABLE conversation_messages DROP CONSTRAINT drill_poison")
        if inbox.replay(conn, dead=True) != 1:
            raise AssertionError("the dead letter could not be replayed")
        process_due(conn, options, log=LOG)
        conn.execute("DELETE FROM conversation_messages WHERE text = 'poison'")


PHASES: list[Callable[[Drill], None]] = [
    receiver_killed,
    database_stopped_hard,
    database_down_all_along,
    database_paused,
    database_read_only,
    out_of_connections,
    workers_killed_between_lease_and_commit,
    eight_workers_on_one_conversation,
    poison_among_999,
]


def pending(drill: Drill) -> int:
    with drill.connect() as conn:
        return inbox.count_deliveries(conn).pending


def waiting_for_lock(drill: Drill) -> int:
    with drill.connect() as conn:
        return _number(conn, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'")


def wait_for_spool(drill: Drill) -> None:
    wait_until(lambda: not segments(drill.directory / "spool"))


def wait_until(true: Callable[[], bool], *, give_up_after: float = 30) -> None:
    deadline = time.monotonic() + give_up_after
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain")
        threading.Event().wait(0.1)


def audit(drill: Drill) -> tuple[int, int]:
    """Return (lost, doubled) and raise if any other invariant is broken."""
    with drill.connect() as conn:
        rows = conn.execute("SELECT provider_id, status FROM conversation_messages").fetchall()
        stored = [provider_id for provider_id, _ in rows]
        expected = {f"wamid.{number:09d}" for number in range(drill.sent)}
        lost, doubled = len(expected - set(stored)), len(stored) - len(set(stored))
        wrong = [
            number for number, name in drill.statuses.items() if dict(rows).get(f"wamid.{number:09d}") != name
        ]
        if wrong:
            raise AssertionError(f"{len(wrong)} messages have not the highest status that was sent")
        conversations = _number(conn, "SELECT count(*) FROM conversations")
        writers = _number(conn, "SELECT count(DISTINCT canonical) FROM conversation_identities")
        leads = _number(conn, "SELECT count(*) FROM leads")
        if not conversations == writers == leads:
            raise AssertionError(f"{writers} people, {conversations} conversations, {leads} leads")
        if dead := inbox.count_deliveries(conn).dead:
            raise AssertionError(f"{dead} dead letters, and nothing was wrong with them")
        if set(stored) - expected:
            raise AssertionError("messages that nobody sent")
    return lost, doubled


def _number(conn: Connection, statement: str) -> int:
    row = conn.execute(statement).fetchone()
    return int(row[0]) if row else 0


def run(messages: int, phases: list[Callable[[Drill], None]], say: Callable[[str], None]) -> tuple[int, int]:
    """Run phases one after another on one database; return the (lost, doubled) of all of them."""
    lost = doubled = 0
    with workshop() as directory, postgres(directory / "pg", max_connections=30) as server:
        receiver = ReceiverProcess(server.url, directory / "spool")
        rng = random.Random(2025)
        drill = Drill(directory, server, receiver, messages, rng, people=bodies.senders(rng, 20))
        receiver.start()
        try:
            for phase in phases:
                began = time.monotonic()
                phase(drill)
                settle(drill)
                lost, doubled = audit(drill)
                say(
                    f"{phase.__name__.replace('_', ' '):45} {drill.sent:6} messages so far, "
                    f"lost {lost}, doubled {doubled}   ({time.monotonic() - began:.1f} s)"
                )
                if lost or doubled:
                    break
        finally:
            receiver.stop()
    return lost, doubled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1000, help="messages a phase")
    parser.add_argument("--work", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        with connect(arguments.work) as conn:
            process_due(conn, OPTIONS, log=LOG)
        return
    print(machine())
    lost, doubled = run(arguments.messages, PHASES, print)
    print(f"lost {lost}, doubled {doubled}")
    sys.exit(1 if lost or doubled else 0)


if __name__ == "__main__":
    main()
