"""Erasures on this host: its copies of erased people are removed, and the database learns that it is done.

What belongs here: who this host is, and applying the queue to its disk. What does not: the files
(local_copies.py) and erasing from the tables (privacy.py).

A host applies the whole list each time, so the order of erasures does not matter, and a host that is killed
before it confirms does it again. Its number is in `.local/host.id`, beside the copies: two containers that
share the folder are one host, whatever they are called. SHARED_DIR counts as a host of its own. Any
host erases there and confirms for it. A volume has its number in a file, too: a host on which it is not
mounted finds an empty folder there, which is another host, and confirms nothing for the volume.
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
from whatsapp_pipeline.steps.operations.data_files import forget_missing_files
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.locks import named_lock
from whatsapp_pipeline.store.operations import erasure_queue, suppression
from whatsapp_pipeline.webhook import privacy as webhooks
from whatsapp_pipeline.webhook.spool import spool_directory

HOST_FILE = "host.id"
INTERVAL_SECONDS = 15.0
"""Seconds between two looks of a running receiver or worker at the queue."""


class AppliedErasures(NamedTuple):
    """How many erasures this host has confirmed now, and how many files it changed or deleted by kind."""

    erasures: int
    removed: dict[str, int]


def apply_erasures(
    conn: Connection, settings: Settings, *, register: bool, log: logging.Logger
) -> AppliedErasures:
    """Remove erased people from the files of this host and of SHARED_DIR, and confirm the erasures that wait.

    A host is registered as soon as it keeps copies; `register` is for a receiver, whose spool is empty at
    first. A pod or container whose disk ends with it keeps none where SHARED_DIR is set, so nobody waits for
    it. Raises PipelineError when the spool can't be drained or SHARED_DIR does not answer; the erasure then
    waits.
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
    """Erase if an erasure waits, confirm it, and add the counts to `done`; return how many erasures waited.

    The lock keeps a process with an older list from writing a page back that another has cleaned.
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
    """Return the number of SHARED_DIR: for an object store from its address, for a folder from its file."""
    return uuid5(NAMESPACE_URL, address) if "://" in address else _host_id(Path(address))


def keep_applying(
    url: str, settings: Settings, *, register: bool, stop: threading.Event, log: logging.Logger
) -> None:
    """Apply erasures until `stop` is set; a problem is logged once until it is over, and tried again."""
    problem: str | None = None
    while True:
        try:
            with connect(url, application_name="whatsapp-pipeline erasures") as conn:
                apply_erasures(conn, settings, register=register, log=log)
            problem = None
        except (psycopg.Error, PipelineError, OSError) as error:
            words = str(error) if isinstance(error, PipelineError) else type(error).__name__
            if words != problem:
                log.warning(
                    "erasures can't be applied on this host now (%s); it is tried again",
                    words,
                    extra=fields(reason=words),
                )
            problem = words
        if stop.wait(INTERVAL_SECONDS):
            return


def _host_id(folder: Path) -> UUID | None:
    """Read the number of a host's folder; None before it is registered.

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
            f"{folder.name}/{HOST_FILE} holds no number of a host; delete the file, and the host gets "
            "a new one (then `whatsapp-pipeline privacy forget-host` removes the old one)"
        ) from None


def _make_host_id(folder: Path) -> UUID:
    """Write a number for this folder, unless another process has just done it; return the number.

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
        raise PipelineError(f"{folder.name}/{HOST_FILE} was deleted while it was made; try again")
    return made


def _link_once(complete: Path, path: Path) -> None:
    """Let `path` have the content of `complete`, unless it exists: the first process wins."""
    try:
        os.link(complete, path)  # all of the file or none
    except FileExistsError:
        return
    except OSError:  # a volume without hard links, such as SMB
        with contextlib.suppress(FileExistsError), path.open("x", encoding="ascii") as file:
            file.write(complete.read_text(encoding="ascii"))
