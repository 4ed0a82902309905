"""Registering files with people's data, and deleting exports that are outdated.

What belongs here: the place of a file as the register stores it, and deleting files on their disk. What does
not: the statements (store/operations/data_files.py), and the copies that every host erases by itself
(local_copies.py).

The register identifies a file by the name of its host and its path. Another container may have the same name
but not the folder. So a file counts as deleted only if its folder exists and the file does not.
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

# If a file is not complete after this time, its process was killed.
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
    """The result of writing a file. The block that writes to a store sets `size`, in bytes."""

    size: int | None = None


@contextmanager
def registered(conn: Connection, new: NewFile, *, log: logging.Logger) -> Iterator[WrittenFile]:
    """Register a file with people's data, which the block then writes.

    A pipe or device such as /dev/stdout is not registered. If the login may not register files, a warning is
    logged and the block runs, because the login could read the rows without this program, too.
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
            "this database login can't register the file, so an erasure will not list it; "
            "run `whatsapp-pipeline grants`, which gives the login this right"
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
    """Return the keyed hash of a contact in the register; None without a privacy key."""
    with suppress(PipelineError):
        key = privacy_key.find_key()
        return None if key is None else suppression.hash_of(key, "contact", str(id_contato))
    return None


def register_backups(
    url: str, settings: Settings, options: backup.BackupOptions, *, log: logging.Logger
) -> None:
    """Make the register equal to the backups that are in the folder of the settings.

    If the database refuses, only a warning is logged, because backups are valid without the register.
    """
    folder = options.store or LocalFolder(options.folder)
    place = place_in(settings, folder, "")
    kept = [KeptBackup(item.file, item.size_bytes, item.time) for item in backup.kept_backups(options.place)]
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
    """Remove the outdated flag of backups that contain nobody who was erased before `cleaned_at`."""
    if data_files.has_register(conn):
        place = place_in(settings, options.store or LocalFolder(options.folder), "")
        data_files.unflag_backups(conn, place.host, place.folder, names, cleaned_at)


def forget_missing_files(conn: Connection, settings: Settings, kinds: Collection[Kind]) -> None:
    """Delete missing files of these kinds from the register, if they were on this host or in SHARED_DIR."""
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
    """Return the exports of this host and of SHARED_DIR that may have data that was erased or deleted."""
    here = (settings.host, settings.shared_dir)
    return [
        file
        for file in data_files.registered_files(conn)
        if file.kind in ("export", "person") and file.outdated_at and file.host in here
    ]


def delete_export(conn: Connection, file: DataFile) -> bool:
    """Delete an export, and temporary folders that a killed export left beside it. Return True.

    Return False and delete nothing if the file was changed after the export, because it may be another file.
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
