"""Registering files with people's data, and deleting exports that are outdated.

What belongs here: where a file is, seen from the register, and what happens to it on its disk. What does not:
the statements (store/operations/data_files.py), and the copies that every host erases by itself
(local_copies.py).

A file is known by the name of its host and its path. So a file counts as deleted only where its folder exists
and the file does not: another container of the same name may not have the folder.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from whatsapp_pipeline import privacy_key
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.shared_folder import FileFolder, LocalFolder, StoreFolder
from whatsapp_pipeline.steps.operations import backup
from whatsapp_pipeline.steps.operations.export_folder import leftovers, remove_leftovers
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.operations import data_files, suppression
from whatsapp_pipeline.store.operations.data_files import DataFile, FilePlace, KeptBackup, Kind, NewFile

# A file that is not complete after this time was not written: its process was killed.
_LONGEST_EXPORT = timedelta(days=1)
_REFUSED = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.ReadOnlySqlTransaction,  # a copy of the database that only reads
)


def place_in(settings: Settings, folder: FileFolder, name: str) -> FilePlace:
    """Return the place of a file in a folder of this host or of SHARED_DIR."""
    shared, address = settings.shared_dir, folder.address
    if shared is not None and (address == shared or address.startswith(f"{shared.rstrip('/')}/")):
        return FilePlace(shared, address, name)
    return FilePlace(settings.host, str(Path(address).absolute()), name)


@dataclass(slots=True)
class WrittenFile:
    """What the block that writes a file reports: its size, where the file is in a store."""

    size: int | None = None


@contextmanager
def registered(conn: Connection, new: NewFile, *, log: logging.Logger) -> Iterator[WrittenFile]:
    """Register a file for which the block reads rows, and which it writes.

    A pipe or device such as /dev/stdout is not registered. A login that may not register goes on with a
    warning, because it may read the rows without us as well.
    """
    written = WrittenFile()
    path = None if "://" in new.place.folder else Path(new.place.path)
    if path is not None and path.exists() and not path.is_file():
        yield written
        return
    try:
        file = data_files.register_file(conn, new)
    except _REFUSED:
        log.warning(
            "this login can't register the file, so an erasure will not name it; "
            "after `whatsapp-pipeline grants` it can"
        )
        yield written
        return
    try:
        yield written
    except BaseException:
        with suppress(psycopg.Error):  # the error of the block is the one to report
            data_files.finish_file(conn, file, None, None)
        raise
    found = path.stat() if path is not None else None
    size, modified_ns = (found.st_size, found.st_mtime_ns) if found else (written.size or 0, None)
    data_files.finish_file(conn, file, size, modified_ns)


def contact_hash(id_contato: int) -> bytes | None:
    """Return the keyed hash by which the register knows a contact; None without a privacy key."""
    with suppress(PipelineError):
        key = privacy_key.find_key()
        return None if key is None else suppression.hash_of(key, "contact", str(id_contato))
    return None


def register_backups(
    url: str, settings: Settings, options: backup.BackupOptions, *, log: logging.Logger
) -> None:
    """Make the register equal to the backups that are in the folder of the settings.

    A backup is good without it, so a database that refuses causes a warning only.
    """
    folder = options.store or LocalFolder(options.folder)
    place = place_in(settings, folder, "")
    kept = [KeptBackup(item.file, item.size_bytes, item.time) for item in backup.kept(options.place)]
    try:
        with connect(url, application_name="whatsapp-pipeline register") as conn:
            if data_files.has_register(conn):
                data_files.sync_backups(conn, place.host, place.folder, kept)
    except (psycopg.Error, PipelineError) as error:
        log.warning(
            "the backups could not be registered (%s)",
            type(error).__name__,
            extra=fields(error=type(error).__name__),
        )


def mark_backups_clean(
    conn: Connection,
    settings: Settings,
    options: backup.BackupOptions,
    names: Sequence[str],
    cleaned_at: datetime,
) -> None:
    """Remove the flag of backups that hold nobody any more who was erased before `cleaned_at`."""
    if data_files.has_register(conn):
        place = place_in(settings, options.store or LocalFolder(options.folder), "")
        data_files.unflag_backups(conn, place.host, place.folder, names, cleaned_at)


def forget_missing_files(conn: Connection, settings: Settings, kinds: Collection[Kind]) -> None:
    """Take files of these kinds off the register that are no longer on this host or in SHARED_DIR."""
    if not data_files.has_register(conn):  # restored from an old backup
        return
    now = data_files.flagging_time(conn)
    listed: dict[str, list[str]] = {}

    def is_deleted(file: DataFile) -> bool:
        if file.host not in (settings.host, settings.shared_dir):
            return False
        if "://" not in file.folder:
            path = Path(file.place.path)
            is_written = now - file.begun_at < _LONGEST_EXPORT
            is_there = path.exists() if file.bytes is not None else is_written
            return path.parent.is_dir() and not is_there and not leftovers(path)
        if file.folder not in listed:
            listed[file.folder] = StoreFolder(file.folder).names()
        return file.name not in listed[file.folder]

    missing = [
        file.id for file in data_files.registered_files(conn) if file.kind in kinds and is_deleted(file)
    ]
    data_files.delete_registrations(conn, missing)


def outdated_exports(conn: Connection, settings: Settings) -> list[DataFile]:
    """Return the exports on this host's disks that may hold what was erased or deleted from the database."""
    here = (settings.host, settings.shared_dir)
    return [
        file
        for file in data_files.registered_files(conn)
        if file.kind in ("export", "person") and file.outdated_at and file.host in here
    ]


def delete_export(conn: Connection, file: DataFile) -> bool:
    """Delete an export, and what a killed export left beside it.

    Returns False for a file that is not as the export left it: it may be somebody's own by now.
    """
    path = Path(file.place.path)
    with suppress(FileNotFoundError):
        found = path.stat()
        if file.bytes is not None and (found.st_size, found.st_mtime_ns) != (file.bytes, file.modified_ns):
            return False
        if file.bytes is not None:
            path.unlink()
    remove_leftovers(path)
    data_files.delete_registrations(conn, [file.id])
    return True
