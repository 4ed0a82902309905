"""What goes wrong. Each scenario returns its database's URL and, in words, what was done to it.

The end state is compared with the undisturbed run's, or with that of the database a scenario names besides.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from bench.drill.world import World, kill, no_room_for_files
from whatsapp_pipeline.sandbox.erp_server import ErpSandbox, Fault, serving
from whatsapp_pipeline.store.connection import connect

Scenario = Callable[[World], tuple[str, str] | tuple[str, str, str]]

_HALF_LOADED = "SELECT count(*) > 0 FROM chat_messages"
_SOME_INDEXED = "SELECT count(*) > 0 FROM chat_files"


def killed_at_random(world: World, kills: int) -> tuple[str, str]:
    """Kill the run at random moments until it was hit `kills` times, then let it finish."""
    url = world.database()
    hits, furthest = 0, 0
    while hits < kills:
        process = world.start(url)
        # Most of a run's time is its start: half of the moments lie where it writes.
        time.sleep(world.rng.uniform(0.2, 1.0) * world.usual_seconds)
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
    time.sleep(8)  # into its retries
    return "killed in its retries" if kill(process) else f"exit {process.returncode}"


def two_at_once(world: World) -> tuple[str, str]:
    """Run everything twice at the same time, as two daemons would."""
    url = world.database()
    both = [world.start(url) for _ in range(2)]
    statuses = []
    for process in both:
        printed, _ = process.communicate(timeout=1200)
        statuses.append(process.returncode)
        if process.returncode:
            raise SystemExit(f"one of two runs at once failed:\n{printed[-3000:]}")
    return url, f"two whole runs beside each other: exit {statuses[0]} and {statuses[1]}"


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
        conn.execute("DELETE FROM contact_sources")  # the ERP's own record is read anew below
    world.finish(url)
    return url, f"all phones changed ({moved[0] if moved else 0} chats unlinked), and changed back"


def scenarios(*, kills: int, short: bool) -> dict[str, Scenario]:
    """Return the scenarios by name; the short form leaves out those that need several whole runs."""
    every: dict[str, Scenario] = {
        "killed at random": lambda world: killed_at_random(world, kills),
        "PostgreSQL stopped hard": server_stopped,
        "disk full on the backup path": disk_full,
        "files vanish and change": files_vanish,
        "ERP fails mid-pass": erp_fails,
        "two runs at once": two_at_once,
        "contacts changed, month re-run": contacts_changed,
    }
    if short:
        return {name: every[name] for name in ("killed at random", "PostgreSQL stopped hard")}
    return every
