"""Erasures on this host: removing erased people from its files, and confirming this in the database.

What belongs here: the id of this host, and applying the queue of erasures to its disk. What does not: the
files (local_copies.py) and erasing from the tables (privacy.py).

A host applies the whole list each time, so the order of erasures does not matter. A host that is killed
before it confirms applies the list again. The id of a host is in `.local/host.id`, beside the copies. So two
containers that share the folder are one host, also if their names differ. SHARED_DIR counts as a host of its
own: any host erases there and confirms for it. A shared folder has its id in a file, too. If the volume is
not mounted on a host, that host finds an empty folder, which has no id or another one, and confirms nothing
for the volume.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import psycopg

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.steps.operations import local_copies
from whatsapp_pipeline.steps.operations.current_code import refuse_other_code
from whatsapp_pipeline.steps.operations.data_files import forget_missing_files
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.locks import named_lock
from whatsapp_pipeline.store.operations import erasure_queue, suppression
from whatsapp_pipeline.webhook import privacy as webhooks
from whatsapp_pipeline.webhook.spool import spool_directory

HOST_FILE = "host.id"
INTERVAL_SECONDS = 15.0
"""Seconds between two checks of the queue by a running receiver or worker."""


class AppliedErasures(NamedTuple):
    """Number of erasures that this call confirmed, and numbers of changed or deleted files by kind."""

    erasures: int
    removed: dict[str, int]


def apply_erasures(
    conn: Connection, settings: Settings, *, register: bool, log: logging.Logger
) -> AppliedErasures:
    """Remove erased people from the files of this host and of SHARED_DIR, and confirm the erasures that wait.

    A host is registered when it has copies of personal data. With `register`, it is registered in any case; a
    receiver needs this, because its spool is empty at first. With SHARED_DIR, a container without a permanent
    disk has no copies, so no erasure waits for it. Raises PipelineError if the spool can't be drained or
    SHARED_DIR does not answer; the erasure then stays in the queue.
    """

    def erase_own() -> dict[str, int]:
        webhooks.drain_spool(conn, spool_directory(settings))
        is_contact, is_name = suppression.contact_test(conn), suppression.identity_test(conn)
        return local_copies.erase_own_files(settings, is_contact, is_name)

    def erase_shared() -> dict[str, int]:
        return local_copies.erase_shared_files(settings, suppression.contact_test(conn))

    done: Counter[str] = Counter()
    most = 0
    host_id = _host_id(settings.local_dir)
    if host_id is None and (register or local_copies.has_copies(settings)):
        host_id = _make_host_id(settings.local_dir)
    if host_id is not None:
        most = _apply(conn, host_id, settings.host, erase_own, done)
    if settings.shared_dir is not None:
        shared_id = _shared_id(settings.shared_dir) or _make_host_id(Path(settings.shared_dir))
        most = max(most, _apply(conn, shared_id, settings.shared_dir, erase_shared, done))
    if most:
        forget_missing_files(conn, settings, ["report"])
        log.info(
            "%d erasure(s) applied to the files of %s",
            most,
            settings.host,
            extra=fields(counts={"erasures": most, **done}),
        )
    return AppliedErasures(most, dict(done))


def _apply(
    conn: Connection, host_id: UUID, name: str, erase: Callable[[], dict[str, int]], done: Counter[str]
) -> int:
    """Call `erase` if erasures wait, confirm them, and add the counts to `done`; return how many waited.

    The lock prevents that a process with an older list writes back a page that another process has cleaned.
    """
    with named_lock(conn, f"erasures:{host_id}"):
        erasure_queue.register_host(conn, host_id, name)
        waiting = erasure_queue.unconfirmed_erasures(conn, host_id)
        if waiting:
            done.update(erase())
            erasure_queue.confirm_erasures(conn, host_id, waiting)
    return len(waiting)


def other_hosts(conn: Connection, settings: Settings) -> list[str]:
    """Return the names of the hosts, besides this one and SHARED_DIR, that keep copies of personal data."""
    known = {
        _host_id(settings.local_dir),
        *([_shared_id(settings.shared_dir)] if settings.shared_dir else []),
    }
    return [host.name for host in erasure_queue.erasure_hosts(conn) if host.id not in known]


def _shared_id(address: str) -> UUID | None:
    """Return the id of SHARED_DIR: for an object store from its address, for a folder from its file."""
    return uuid5(NAMESPACE_URL, address) if "://" in address else _host_id(Path(address))


def keep_applying(
    url: str, settings: Settings, *, register: bool, stop: threading.Event, log: logging.Logger
) -> None:
    """Apply erasures every INTERVAL_SECONDS until `stop` is set.

    While the database has other code, nothing is applied or confirmed, because this code may not know all
    files. A failed attempt is logged if its reason differs from that of the previous attempt.
    """
    problem: str | None = None
    while True:
        try:
            refuse_other_code(url, settings)
            with connect(url, application_name="whatsapp-pipeline erasures") as conn:
                apply_erasures(conn, settings, register=register, log=log)
            problem = None
        except (psycopg.Error, PipelineError, OSError) as error:
            words = str(error) if isinstance(error, PipelineError) else type(error).__name__
            if words != problem:
                log.warning(
                    "erasures can't be applied on this host now (%s); the next attempt follows soon",
                    words,
                    extra=fields(reason=words),
                )
            problem = words
        if stop.wait(INTERVAL_SECONDS):
            return


def _host_id(folder: Path) -> UUID | None:
    """Read the host id in a folder; return None if there is none.

    Raises PipelineError for a damaged or unreadable file.
    """
    try:
        return UUID((folder / HOST_FILE).read_text(encoding="ascii").strip())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise PipelineError(
            f"{HOST_FILE} in {folder} can't be read ({error.strerror}); mount the folder, or let this user "
            "read it"
        ) from None
    except ValueError:
        raise PipelineError(
            f"{folder.name}/{HOST_FILE} has no valid host id; delete the file, and the host gets a new id "
            "(then `whatsapp-pipeline privacy forget-host` removes the old one)"
        ) from None


def _make_host_id(folder: Path) -> UUID:
    """Write a new host id to this folder, unless another process has just written one; return the id.

    Raises PipelineError when the folder can't be written.
    """
    number = uuid4()
    beside = folder / f".{HOST_FILE}.{number}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            beside.write_text(f"{number}\n", encoding="ascii")
            _link_once(beside, folder / HOST_FILE)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise PipelineError(
            f"the erasures of {folder} can't be applied, because {HOST_FILE} can't be written there "
            f"({error.strerror}); mount the folder, or let this user write to it"
        ) from None
    made = _host_id(folder)
    if made is None:
        raise PipelineError(f"{folder.name}/{HOST_FILE} was deleted while it was made; run the command again")
    return made


def _link_once(complete: Path, path: Path) -> None:
    """Make the complete file available as `path`, unless `path` exists. So the first process wins."""
    try:
        os.link(complete, path)  # atomic: other processes see the complete file or none
    except FileExistsError:
        return
    except OSError:  # a volume without hard links, such as SMB
        with contextlib.suppress(FileExistsError), path.open("x", encoding="ascii") as file:
            file.write(complete.read_text(encoding="ascii"))
