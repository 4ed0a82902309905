"""The faults. Each scenario returns the URL of its database and a text about the fault.

The end state is compared with the undisturbed run's, or with that of the database a scenario names besides.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import requests
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bench.drill.world import LONGEST_RUN, World, end_family, kill, no_room_for_files
from whatsapp_pipeline.sandbox.archive import write_sample
from whatsapp_pipeline.sandbox.erp_server import ErpSandbox, Fault, serving
from whatsapp_pipeline.sandbox.plan import SampleOptions
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.webhook.receiver import PATH

Scenario = Callable[[World], tuple[str, str] | tuple[str, str, str]]

_BIN = Path(sys.executable).parent
_YEAR_NS = 365 * 86_400 * 10**9
# What the clock wrote: every column that defaults to now.
_OUR_STAMPS = """
    SELECT format('UPDATE %I SET %I = %2$I + make_interval(years => 1)', table_name, column_name)
    FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND column_default LIKE '%now()%'
"""
_HALF_LOADED = "SELECT count(*) > 0 FROM chat_messages"
_SOME_INDEXED = "SELECT count(*) > 0 FROM chat_files"


def killed_at_random(world: World, kills: int) -> tuple[str, str]:
    """Kill the run at random moments until it was hit `kills` times, then let it finish."""
    url = world.database()
    hits, furthest = 0, 0
    while hits < kills:
        process = world.start(url)
        # Most of a run's time is its start: half of the moments lie where it writes.
        time.sleep(world.rng.uniform(0.2, 1.0) * world.usual_seconds)  # chooses when to kill
        was_hit = kill(process)
        hits += was_hit
        with connect(url) as conn:
            row = conn.execute("SELECT count(*) FROM chat_messages").fetchone()
            furthest = max(furthest, row[0] if row else 0)
            # Start over where it got to the end, and now and then: a finished run leaves little to disturb.
            if not was_hit or (hits % 5 == 0 and hits < kills):
                conn.execute("TRUNCATE chat_files CASCADE")
    world.finish(url)
    return url, f"{hits} × kill -9, up to {furthest:,} messages in"


def server_stopped(world: World) -> tuple[str, str]:
    """Stop PostgreSQL with kill -9 while messages are loaded."""
    url = world.database()
    process = world.start(url)
    world.wait_for_rows(url, _SOME_INDEXED, process)
    world.stop_server_hard()
    printed, _ = process.communicate(timeout=600)
    words = f"postmaster killed, the run ended with {process.returncode}"
    if "Traceback" in printed:
        words += " (with a traceback)"
    world.finish(url)
    return url, words


def disk_full(world: World) -> tuple[str, str]:
    """Fill the disk on the backup's path."""
    url = world.database()
    world.finish(url)
    folder = world.folder / "backups"
    status, printed = world.run(
        url, "backup", "now", before=no_room_for_files, environment={"BACKUP_DIR": str(folder)}
    )
    left = sorted(path.name for path in folder.glob("*")) if folder.exists() else []
    if status == 0 or left:
        raise SystemExit(f"a backup without room ended with {status} and left {left}")
    return url, f"exit {status}, nothing left behind: {printed.strip().rpartition(': ')[2]}"


def files_vanish(world: World) -> tuple[str, str]:
    """Take every third file away while the run reads, change others, and put all back as it was."""
    url = world.database()
    files = sorted(path for path in world.archive.rglob("*") if path.is_file())
    away, touched = files[::3], files[1::3]
    times = {path: (path.stat().st_atime_ns, path.stat().st_mtime_ns) for path in files}
    contents = {path: path.read_bytes() for path in touched}
    process = world.start(url)
    world.wait_for_rows(url, _SOME_INDEXED, process)
    for path in away:
        path.rename(path.with_name(path.name + ".away"))
    for path in touched:
        path.write_bytes(contents[path] + b"\ncut off in the midd")
    process.communicate(timeout=600)
    world.run(url)  # and once more while they are gone
    for path in away:
        path.with_name(path.name + ".away").rename(path)
    for path in touched:
        path.write_bytes(contents[path])
    for path, stamp in times.items():
        os.utime(path, ns=stamp)
    world.finish(url)
    return url, f"{len(away)} files vanished, {len(touched)} changed, all came back"


def erp_fails(world: World) -> tuple[str, str, str]:
    """Let the ERP break off in the middle of a pass, in every way the sandbox knows."""
    url, undisturbed = world.database(), world.database()
    with serving(ErpSandbox.of_folder(world.pages)) as address:
        world.run(undisturbed, erp=address)
    sandbox = ErpSandbox.of_folder(world.pages)
    faults = [
        Fault("drop", path="contatos", after=1, times=2),
        Fault("status", path="contatos", status=503, body="<html>busy</html>", times=2),
        Fault("unauthorized", path="contatos", after=1),
    ]
    with serving(sandbox) as address:
        sandbox.faults = faults
        first, _ = world.run(url, erp=address)
        sandbox.faults = [Fault("drop", times=10_000)]  # gone for good
        second = _break_off(world, url, address)
        sandbox.faults = []
        third, printed = world.run(url, erp=address)
    if third != 0:
        raise SystemExit(f"the run after the ERP's return failed:\n{printed[-3000:]}")
    return url, f"drops, 503, 401: exit {first}; gone: {second}; back: exit 0", undisturbed


def _break_off(world: World, url: str, address: str) -> str:
    process = world.start(url, erp=address)
    time.sleep(8)  # chooses when to kill; the kill is valid wherever it hits
    return "killed in its retries" if kill(process) else f"exit {process.returncode}"


def two_at_once(world: World) -> tuple[str, str]:
    """Run everything twice at the same time."""
    url = world.database()
    both = [world.start(url) for _ in range(2)]
    statuses = []
    for process in both:
        printed, _ = process.communicate(timeout=1200)
        statuses.append(process.returncode)
        if process.returncode:
            raise SystemExit(f"one of two runs at once failed:\n{printed[-3000:]}")
    return url, f"two whole runs beside each other: exit {statuses[0]} and {statuses[1]}"


def two_daemons(world: World) -> tuple[str, str]:
    """Let two of Dagster's daemons take the runs of one queued backfill."""
    url = world.database()
    archive = ("run", "--archive", str(world.archive), "--erp", str(world.pages))
    world.run(url, *archive, "--months", world.months[0])  # contacts and orders, which a backfill needs
    workspace = str(PROJECT_ROOT / "workspace.yaml")
    queue = [f"{_BIN}/dagster", "job", "backfill", "-w", workspace, "-j", "monthly_chats", "--noprompt"]
    queueing = world.start_program([*queue, "--partitions", ",".join(world.months)], url)
    printed, _ = queueing.communicate(timeout=LONGEST_RUN)
    if queueing.returncode:
        raise SystemExit(f"the backfill could not be queued:\n{printed[-3000:]}")
    # What they print is of no use here, and a full pipe would hold them up.
    quiet = ["sh", "-c", f'exec "{_BIN}/dagster-daemon" run -w "{workspace}" >/dev/null 2>&1']
    daemons = [world.start_program(quiet, url) for _ in range(2)]
    try:
        ended = _wait_for_runs(url, len(world.months), daemons)
    finally:
        for daemon in daemons:
            end_family(daemon)
    world.finish(url)
    return url, f"two daemons, {len(world.months)} queued runs: {ended}"


def _wait_for_runs(url: str, queued: int, daemons: list[subprocess.Popen[str]]) -> str:
    """Wait until the backfill's runs have ended; return how, in words."""
    own = make_conninfo(url, dbname=f"{conninfo_to_dict(url)['dbname']}_dagster")
    deadline = time.monotonic() + LONGEST_RUN
    statement = (
        """SELECT r.status FROM runs r JOIN run_tags t USING (run_id) WHERE t.key = 'dagster/backfill'"""
    )
    statuses: Counter[str] = Counter()
    with connect(own) as conn:
        while time.monotonic() < deadline and all(daemon.poll() is None for daemon in daemons):
            statuses = Counter(row[0] for row in conn.execute(statement))
            if statuses["SUCCESS"] + statuses["FAILURE"] + statuses["CANCELED"] >= queued:
                return ", ".join(f"{n} {status.lower()}" for status, n in sorted(statuses.items()))
            time.sleep(0.5)  # the daemons' progress can only be looked at
    raise SystemExit(f"the queued runs did not end: {dict(statuses)}")


def clock_set_back(world: World) -> tuple[str, str]:
    """Leave the files and rows that a clock one year ahead writes, in the middle of a run; continue."""
    url = world.database()
    files = [path for path in world.archive.rglob("*") if path.is_file()]
    times = {path: (path.stat().st_atime_ns, path.stat().st_mtime_ns) for path in files}
    for path, (read, written) in times.items():
        os.utime(path, ns=(read + _YEAR_NS, written + _YEAR_NS))
    process = world.start(url)
    world.wait_for_rows(url, _HALF_LOADED, process)
    kill(process)
    with connect(url) as conn:
        stamps = conn.execute(_OUR_STAMPS).fetchall()
        for (statement,) in stamps:
            conn.execute(statement.encode())
    for path, stamp in times.items():
        os.utime(path, ns=stamp)
    world.finish(url)
    return url, f"killed a year ahead: {len(files)} files, {len(stamps)} columns of times"


def contacts_changed(world: World) -> tuple[str, str]:
    """Give contacts other phones, run, give them back, run."""
    url = world.database()
    world.finish(url)
    with connect(url) as conn:
        conn.execute("CREATE TABLE kept AS SELECT id, celular FROM contatos")
        conn.execute("UPDATE contatos SET celular = '(41) 90000-0' || lpad((id % 1000)::text, 3, '0')")
        conn.execute("UPDATE contact_sources SET celular = NULL")
    arguments = ("run", "--archive", str(world.archive))
    world.run(url, *arguments)
    with connect(url) as conn:
        moved = conn.execute("SELECT count(*) FROM chat_files WHERE match_status <> 'linked'").fetchone()
        conn.execute("UPDATE contatos c SET celular = k.celular FROM kept k WHERE k.id = c.id")
        conn.execute("DROP TABLE kept")
        conn.execute("DELETE FROM contact_sources")  # the ERP's own record is read again below
    world.finish(url)
    return url, f"all phones changed ({moved[0] if moved else 0} chats unlinked), and changed back"


def wrong_archive(world: World) -> tuple[str, str]:
    """Run on another shop's archive of the same months: it has to stop before it writes."""
    url = world.finished_database()
    other = world.folder / "other"
    other.mkdir(exist_ok=True)
    write_sample(other, SampleOptions(7, 200, 60, world.months))
    status, printed = world.run(url, "run", "--archive", str(other / "organized_whatsapp_chats"))
    if status != 1 or "are not in the archive" not in printed:
        raise SystemExit(f"a run on a wrong archive ended with {status}:\n{printed[-3000:]}")
    return url, f"exit {status}: {printed[printed.index('error: ') :].splitlines()[0][:60]}…"


def spool_disk_full(world: World) -> tuple[str, str]:
    """Fill the disk of the webhook spool; refused deliveries are sent again when there is space."""
    url = world.finished_database()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve = ("webhook", "serve", "--insecure", "--port", str(port))
    bodies = [_big_delivery(number) for number in range(40)]
    full = world.start(url, *serve, before=no_room_for_files)
    try:
        refused = [body for body in bodies if _post(port, body) != 200]
    finally:
        kill(full)
    roomy = world.start(url, *serve)
    try:
        again = [_post(port, body) for body in refused]
    finally:
        kill(roomy)
    for command in ("drain", "process"):
        world.run(url, "webhook", command)
    with connect(url) as conn:
        row = conn.execute(
            "SELECT count(*), count(DISTINCT provider_id) FROM conversation_messages"
        ).fetchone()
    if len(refused) != len(bodies) or set(again) != {200} or row != (len(bodies), len(bodies)):
        raise SystemExit(f"{len(refused)} refused, then {Counter(again)}; stored {row} of {len(bodies)}")
    return url, f"{len(refused)} of {len(bodies)} answered 503 and sent again: each stored once"


def _big_delivery(number: int) -> bytes:
    message = {
        "from": "5541999990909",
        "id": f"drill-{number}",
        "timestamp": "1767225600",
        "type": "text",
        "text": {"body": "x" * 70_000},  # more than no_room_for_files lets any file hold
    }
    value = {"metadata": {"phone_number_id": "1"}, "messages": [message]}
    return json.dumps({"entry": [{"changes": [{"field": "messages", "value": value}]}]}).encode()


def _post(port: int, body: bytes) -> int:
    """Post a delivery, once the receiver listens; return the status of its answer."""
    deadline = time.monotonic() + LONGEST_RUN
    while True:
        try:
            return requests.post(f"http://127.0.0.1:{port}{PATH}", data=body, timeout=30).status_code
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)  # it starts, which only polling shows


def frozen(world: World) -> tuple[str, str]:
    """Freeze a run for 75 s in the middle, as a laptop does when its lid is closed."""
    url = world.database()
    process = world.start(url)
    world.wait_for_rows(url, _HALF_LOADED, process)
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(75)  # the freeze itself
    os.killpg(process.pid, signal.SIGCONT)
    printed, _ = process.communicate(timeout=LONGEST_RUN)
    if process.returncode:
        raise SystemExit(f"the run failed after its freeze:\n{printed[-3000:]}")
    return url, "75 s without a processor, then exit 0"


# Tables that an erasure writes to one after the other: it is killed while it waits for each.
_ERASED_TABLES = (
    "conversations",
    "exceptions",
    "chat_messages",
    "link_overrides",
    "chat_files",
    "contatos",
    "audit_log",
)


def erased(world: World, tables: Sequence[str] = _ERASED_TABLES) -> tuple[str, str, str]:
    """Erase a customer, killed in its transaction again and again; compare with an undisturbed erasure."""
    url, undisturbed = world.finished_database(), world.finished_database()
    # A `.local` each: the list of erased people in it is read by every run. One key, so that hashes agree.
    environments = {
        each: {"PIPELINE_LOCAL_DIR": str(world.folder / f"local-{number}"), "PRIVACY_KEY": "k" * 32}
        for number, each in enumerate((url, undisturbed))
    }
    with connect(url) as conn:
        row = conn.execute(
            "SELECT id_contato FROM chat_files WHERE id_contato IS NOT NULL"
            " GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
        ).fetchone()
    contact = str(row[0]) if row else ""
    erase = ("privacy", "erase", "--contact", contact, "--yes")
    for table in tables:
        _kill_at(table, url, lambda: world.start(url, *erase, environment=environments[url]))
    for each in (undisturbed, url):
        status, printed = world.run(each, *erase, environment=environments[each])
        if status:
            raise SystemExit(f"the erasure failed:\n{printed[-3000:]}")
        world.finish(each, environment=environments[each])  # the next run brings nothing back
    with connect(url) as conn:
        left = conn.execute("SELECT count(*) FROM chat_files WHERE id_contato = %s", (contact,)).fetchone()
    if left != (0,):
        raise SystemExit(f"the next run brought {left} chats of an erased customer back")
    return url, f"{len(tables)} × kill -9 in its transaction; the next run brings nothing back", undisturbed


def _kill_at(table: str, url: str, start: Callable[[], subprocess.Popen[str]]) -> None:
    """Start a program and kill it while it waits to write to a table; raises if it never waits."""
    with connect(url) as conn, connect(url) as onlooker, conn.transaction():
        conn.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE".encode())
        waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid)))"
        process = start()
        while onlooker.execute(waits, (conn.info.backend_pid,)).fetchone() != (True,):
            if process.poll() is not None:
                printed, _ = process.communicate()
                raise SystemExit(f"the program ended before it wrote to {table}:\n{printed[-3000:]}")
            time.sleep(0.05)  # the other process's progress can only be looked at
        kill(process)


def scenarios(*, kills: int, short: bool) -> dict[str, Scenario]:
    """Return the scenarios by name; the short form leaves out those that need several whole runs."""
    every: dict[str, Scenario] = {
        "killed at random": lambda world: killed_at_random(world, kills),
        "PostgreSQL stopped hard": server_stopped,
        "disk full on the backup path": disk_full,
        "files vanish and change": files_vanish,
        "ERP fails mid-pass": erp_fails,
        "two runs at once": two_at_once,
        "two daemons": two_daemons,
        "clock set back a year": clock_set_back,
        "contacts changed, month re-run": contacts_changed,
        "wrong archive": wrong_archive,
        "spool disk full": spool_disk_full,
        "frozen for 75 s": frozen,
        "a customer erased": erased,
    }
    if not short:
        return every
    in_seconds = ("killed at random", "PostgreSQL stopped hard", "wrong archive", "spool disk full")
    erased_twice = {"a customer erased": lambda world: erased(world, ("chat_messages", "audit_log"))}
    return {name: every[name] for name in in_seconds} | erased_twice
