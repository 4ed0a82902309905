"""Backups: taking, verifying, listing, restoring and deleting them.

What belongs here: the files of backups and their retention. What does not: the commands of PostgreSQL
(store/operations/dumps.py). A backup is `<database>-<UTC time>.dump` (pg_dump's custom format) with a `.json`
that describes it. There is no other record of backups. So they can be listed without the database and, in an
object store, from any host. Both files are readable only by their owner.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from whatsapp_pipeline import clock
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.shared_folder import LocalFolder, StoreFolder
from whatsapp_pipeline.steps.progress import Progress
from whatsapp_pipeline.store.connection import connect, describe
from whatsapp_pipeline.store.operations import dumps
from whatsapp_pipeline.store.pg_tools import Programs, find_programs

FIRST_WRITE = "first write"


@dataclass(frozen=True, slots=True)
class Backup:
    """The description of a dump.

    `tables` has the exact number of rows by table. `verified` is "restored" if the dump was restored into a
    scratch database and compared, or "listed" if only its table of contents was read. `taken_at` is an ISO
    time.
    """

    file: str
    database: str
    reason: str
    taken_at: str
    seconds: float
    size_bytes: int
    server_version: int
    verified: str
    tables: dict[str, int]

    @property
    def time(self) -> datetime:
        """Time of the backup, UTC."""
        return datetime.fromisoformat(self.taken_at)

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return {"size_bytes": self.size_bytes, "tables": len(self.tables), "rows": sum(self.tables.values())}


@dataclass(frozen=True, slots=True)
class BackupOptions:
    """Folder and retention of backups.

    `scratch_url` returns the URL of a server on which a dump is verified if the database's own server does
    not allow a scratch database. With `store`, backups are kept there, and `folder` on this host has a dump
    only while it is made or read. `register` is called with the URL of the database after backups were made,
    rewritten or deleted.
    """

    folder: Path
    keep_daily: int = 7
    keep_monthly: int = 12
    bin_dir: Path | None = None
    scratch_url: Callable[[], str] | None = None
    store: StoreFolder | None = None
    register: Callable[[str], None] = lambda url: None

    @property
    def place(self) -> StoreFolder | Path:
        """The store or folder in which backups are kept."""
        return self.store or self.folder


def take(url: str, options: BackupOptions, *, reason: str, log: logging.Logger) -> Backup:
    """Back up the database at `url`, verify the dump, and delete old backups.

    Raises PipelineError if the dump can't be written or differs from the database. No file of the new backup
    is then left.
    """
    started = time.monotonic()
    with connect(url) as conn:
        version = conn.info.server_version
    programs = find_programs(version // 10000, options.bin_dir)
    now = clock.now()
    database = str(conninfo_to_dict(url).get("dbname") or "postgres")
    path = _private_folder(options.folder) / f"{database}-{now:%Y%m%dT%H%M%S%fZ}.dump"
    partial = path.with_suffix(".partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        tables = dumps.dump(url, programs, partial, progress=_row_progress(log, "backup"))
        verified = _verify(url, programs, partial, tables, options, log)
        seconds, size = round(time.monotonic() - started, 2), partial.stat().st_size
        backup = Backup(
            path.name, database, reason, now.isoformat(), seconds, size, version, verified, tables
        )
        _store_new_backup(options, backup, partial)
    except OSError as error:
        raise PipelineError(
            f"the backup could not be written to {options.folder.name}/ ({error.strerror}); "
            "free space there, or set BACKUP_DIR"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    _log_taken(backup, log)
    delete_old_backups(options, database, log=log)
    options.register(url)
    return backup


def _log_taken(backup: Backup, log: logging.Logger) -> None:
    log.info(
        "backup %s: %.1f MB, %s rows in %d tables, %s, %.1f s",
        backup.file,
        backup.size_bytes / 1e6,
        f"{sum(backup.tables.values()):,}",
        len(backup.tables),
        backup.verified,
        backup.seconds,
        extra=fields(
            file=backup.file,
            reason=backup.reason,
            verified=backup.verified,
            seconds=backup.seconds,
            counts=backup.counts(),
        ),
    )


def _verify(
    url: str,
    programs: Programs,
    path: Path,
    tables: dict[str, int],
    options: BackupOptions,
    log: logging.Logger,
) -> str:
    """Read the dump's table of contents, and restore it into a scratch database if that is allowed.

    Return "restored" or "listed".
    """
    if (listed := dumps.listed_tables(programs, path)) < len(tables):
        raise PipelineError(f"the backup lists {listed} tables, not {len(tables)}; it was not kept")
    try:
        _restore_and_compare(url, programs, path, tables, log)
    except psycopg.errors.InsufficientPrivilege:
        if options.scratch_url is None:
            log.warning("the backup was listed but not restored: this role may not create a scratch database")
            return "listed"
        _restore_and_compare(options.scratch_url(), programs, path, tables, log)
    return "restored"


def _row_progress(log: logging.Logger, what: str) -> dumps.RowProgress:
    """Return a function that reports the progress of writing or loading the rows of a dump."""
    return lambda total: Progress(log, what, total, "rows").advance


def _restore_and_compare(
    url: str, programs: Programs, path: Path, tables: dict[str, int], log: logging.Logger
) -> None:
    advance = _row_progress(log, "backup, restored to verify it")(sum(tables.values()))
    with dumps.scratch_database(url) as scratch:
        dumps.load_dump(scratch, programs, path, clean=False, advance=advance)
        with connect(scratch) as conn:
            found = dumps.count_dumped(conn)
    if wrong := dumps.count_differences(tables, found):
        raise PipelineError(
            f"the restored backup differs from the database ({wrong[0]}); the backup was not kept"
        )


def _store_backup(options: BackupOptions, backup: Backup, partial: Path, *, replaces: bool) -> None:
    """Move a complete dump to the place of backups, and write its description. A backup needs both files.

    A dump that replaces another is moved before its description is written. Otherwise a failed upload would
    leave the old rows with the new counts. For a new backup, the description is written first, so that a
    killed process leaves no dump that `delete_old_backups` does not know.
    """
    place = options.store or LocalFolder(options.folder)

    def write_description() -> None:
        place.write(Path(backup.file).with_suffix(".json").name, json.dumps(asdict(backup), indent=1))

    def move_dump() -> None:
        if options.store is None:
            partial.replace(options.folder / backup.file)
        else:
            options.store.upload(partial, backup.file)

    for write in (move_dump, write_description) if replaces else (write_description, move_dump):
        write()


def _store_new_backup(options: BackupOptions, backup: Backup, partial: Path) -> None:
    """Store a new backup. If that fails, delete the part of it that was stored."""
    try:
        _store_backup(options, backup, partial, replaces=False)
    except BaseException:
        with contextlib.suppress(OSError, PipelineError):  # the first error is the one to report
            _delete_backup(options, backup.file)
        raise


def _delete_backup(options: BackupOptions, file: str) -> None:
    """Delete a dump and its description, if they exist."""
    place = options.store or LocalFolder(options.folder)
    place.delete(file)
    place.delete(Path(file).with_suffix(".json").name)


@contextlib.contextmanager
def _on_this_host(options: BackupOptions, backup: Backup) -> Iterator[Path]:
    """Yield the path of a dump on this host. A dump in a store is downloaded, and deleted after the block."""
    path = options.folder / backup.file
    if options.store is None:
        yield path
        return
    fetched = _private_folder(options.folder) / f"{path.stem}.fetched.partial"
    try:
        options.store.download(backup.file, fetched)
        yield fetched
    finally:
        fetched.unlink(missing_ok=True)


def kept_backups(place: StoreFolder | Path, database: str | None = None) -> list[Backup]:
    """Return the backups in a folder, newest first; other files are ignored."""
    backups = []
    for text in _descriptions(place):
        try:
            backup = Backup(**json.loads(text))
        except (TypeError, ValueError):
            continue
        if database is None or backup.database == database:
            backups.append(backup)
    return sorted(backups, key=lambda backup: backup.taken_at, reverse=True)


def _descriptions(place: StoreFolder | Path) -> Iterator[bytes]:
    """Yield the descriptions of complete backups."""
    if isinstance(place, Path):
        for path in place.glob("*.json") if place.is_dir() else ():
            if path.with_suffix(".dump").exists():
                yield path.read_bytes()
        return
    names = set(place.names())
    for name in sorted(names):
        stem, dot, suffix = name.rpartition(".")
        if dot and suffix == "json" and f"{stem}.dump" in names and "/" not in name:
            with contextlib.suppress(FileNotFoundError):  # deleted since it was listed
                yield place.read(name)


def backups_to_delete(backups: Iterable[Backup], *, daily: int, monthly: int) -> list[Backup]:
    """Return the backups to delete: all but the newest of each of the last `daily` days and `monthly` months.

    Only days and months with a backup count. A backup from before the first write is never deleted, because
    only it has the user's original data. Backups of the 24 hours before the newest one are kept, too, because
    a person may need them.
    """
    newest_first = sorted(backups, key=lambda backup: backup.taken_at, reverse=True)
    keep: set[str] = set()
    for form, limit in (("%Y-%m-%d", daily), ("%Y-%m", monthly)):
        periods: dict[str, str] = {}
        for backup in newest_first:
            periods.setdefault(backup.time.strftime(form), backup.file)
        keep |= set(list(periods.values())[:limit])
    return [
        backup
        for backup in newest_first
        if backup.file not in keep
        and backup.reason != FIRST_WRITE
        and newest_first[0].time - backup.time > timedelta(days=1)
    ]


def delete_old_backups(options: BackupOptions, database: str, *, log: logging.Logger) -> int:
    """Delete the old backups of `database`; return their number."""
    old = backups_to_delete(
        kept_backups(options.place, database), daily=options.keep_daily, monthly=options.keep_monthly
    )
    for leftover in options.folder.glob(f"{database}-*.partial"):
        if time.time() - leftover.stat().st_mtime > 24 * 3600:  # left by a killed process
            leftover.unlink(missing_ok=True)
    for backup in old:
        _delete_backup(options, backup.file)
        log.info("backup %s removed: newer ones are kept", backup.file, extra=fields(file=backup.file))
    return len(old)


def restore(
    url: str, backup: Backup, options: BackupOptions, *, overwrite: bool, log: logging.Logger
) -> dict[str, int]:
    """Load a backup into the database at `url` and compare the counts; return the rows of each table.

    Raises PipelineError for a database with tables unless `overwrite` is set. With `overwrite`, the tables of
    the backup are replaced, and other tables stay. Raises PipelineError, too, if the backup can't be loaded
    (nothing is changed then) or if the loaded rows differ from its counts.
    """
    with connect(url) as conn:
        empty, version = dumps.has_no_tables(conn), conn.info.server_version
    if not empty and not overwrite:
        raise PipelineError(
            f"{describe(url)} is not empty, nothing was changed; name an empty database, or add --overwrite"
        )
    programs = find_programs(max(version, backup.server_version) // 10000, options.bin_dir)
    with _on_this_host(options, backup) as path:
        advance = _row_progress(log, f"restore {backup.file}")(sum(backup.tables.values()))
        dumps.load_dump(url, programs, path, clean=not empty, advance=advance)
    found, wrong = _compare(url, backup)
    if wrong:
        raise PipelineError(f"the restored database differs from the backup: {wrong[0]}")
    log.info(
        "%s restored into %s",
        backup.file,
        describe(url),
        extra=fields(file=backup.file, database=describe(url), counts=backup.counts()),
    )
    return found


def _compare(url: str, backup: Backup) -> tuple[dict[str, int], list[str]]:
    """Return the rows of each table of a restored database, and the differences from the backup's counts."""
    with connect(url) as conn:
        found = dumps.count_dumped(conn)
    return found, dumps.count_differences(
        backup.tables, {table: rows for table, rows in found.items() if table in backup.tables}
    )


def rewrite(
    url: str,
    backup: Backup,
    options: BackupOptions,
    change: Callable[[str], bool],
    *,
    log: logging.Logger,
) -> bool:
    """Restore a backup into a scratch database on the server of `url`, change it, and dump it again.

    `change` gets the URL of the scratch database and returns whether to replace the backup. A backup whose
    counts are wrong, because an earlier rewrite ended between dump and description, is replaced in any case.
    The file keeps its name and reason. Returns whether it was replaced. Raises PipelineError if a step fails;
    the dump is then either unchanged or replaced completely.
    """
    with connect(url) as conn:
        version = conn.info.server_version
    programs = find_programs(max(version, backup.server_version) // 10000, options.bin_dir)
    partial = (options.folder / backup.file).with_suffix(".partial")
    try:
        with dumps.scratch_database(url) as scratch:
            with _on_this_host(options, backup) as path:
                advance = _row_progress(log, f"{backup.file}, read")(sum(backup.tables.values()))
                dumps.load_dump(scratch, programs, path, clean=False, advance=advance)
            _, wrong = _compare(scratch, backup)
            if not change(scratch) and not wrong:
                return False
            os.close(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
            tables = dumps.dump(
                scratch, programs, partial, progress=_row_progress(log, f"{backup.file}, written")
            )
        rewritten = replace(backup, size_bytes=partial.stat().st_size, tables=tables, verified="listed")
        if dumps.listed_tables(programs, partial) < len(tables):
            raise PipelineError(f"the new {backup.file} does not list its tables; the old file is kept")
        _store_backup(options, rewritten, partial, replaces=True)
    finally:
        partial.unlink(missing_ok=True)
    options.register(url)
    log.info("backup %s rewritten", backup.file, extra=fields(file=backup.file, counts=rewritten.counts()))
    return True


def has_foreign_rows(url: str) -> bool:
    """Return whether the database has rows in tables of the user and none in tables of the pipeline."""
    with connect(url) as conn:
        filled = {table.split(".")[-1] for table, rows in dumps.count_tables(conn).items() if rows}
    users, ours = {"contatos", "ordens_servico"}, {"erp_passes", "chat_files", "contact_phones"}
    return bool(filled & users) and not filled & ours


def before_migration(url: str, options: BackupOptions, *, log: logging.Logger) -> Backup | None:
    """Back up a database with rows before a migration; return None if no table has rows."""
    with connect(url) as conn:
        if not any(dumps.count_tables(conn).values()):
            return None
    # The first migration changes the user's database, so the backup before it is the one before the first
    # write.
    return take(url, options, reason=FIRST_WRITE if has_foreign_rows(url) else "migration", log=log)


def before_first_write(url: str, options: BackupOptions, *, log: logging.Logger) -> Backup | None:
    """Back up a database with rows of the user before the pipeline's first write.

    Return None if there are no such rows, or if the backup exists already.
    """
    database = str(conninfo_to_dict(url).get("dbname") or "postgres")
    taken = any(backup.reason == FIRST_WRITE for backup in kept_backups(options.place, database))
    if taken or not has_foreign_rows(url):
        return None
    return take(url, options, reason=FIRST_WRITE, log=log)


def _private_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise PipelineError(f"BACKUP_DIR {folder} can't be used: {error.strerror}") from error
    return folder
