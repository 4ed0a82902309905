"""chat_file_index: the chats of a month's folder, with the evidence for linking.

What belongs here: choosing the files to read, setting the status of all other files, and writing in batches.
What does not: scanning a file (scan.py) and the statements (store/chats/chat_files.py).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b

from whatsapp_pipeline.archive import ArchiveFile, ChatArchive, MonthListing
from whatsapp_pipeline.domain.chat_names import read_chat_name
from whatsapp_pipeline.domain.gc_disabled import gc_disabled
from whatsapp_pipeline.domain.masking import mask_path
from whatsapp_pipeline.domain.titles import parse_title
from whatsapp_pipeline.logs import detail_log, fields
from whatsapp_pipeline.steps.chats.chat_reading import ReadingOptions
from whatsapp_pipeline.steps.chats.erased_chats import path_test, without_erased_chats
from whatsapp_pipeline.steps.chats.scan import (
    STAGE,
    FileScan,
    ScanJob,
    ScanOptions,
    Scans,
    archive_order_in,
)
from whatsapp_pipeline.steps.chats.scan_pool import scan_in_parallel
from whatsapp_pipeline.steps.progress import Progress
from whatsapp_pipeline.store import exceptions
from whatsapp_pipeline.store.chats import chat_files, duplicates, rereads
from whatsapp_pipeline.store.chats.chat_files import KnownFile
from whatsapp_pipeline.store.chats.ignored import ignored_paths
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.exceptions import ExceptionRow
from whatsapp_pipeline.store.locks import month_lock

# Minimum number of files per transaction, except the last one. With fewer files, the transactions would cost
# too much time. With more, a killed run would lose too much work.
_MIN_FILES_PER_BATCH = 400


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """Options of indexing a month.

    `sample` is the number of files to take, stratified by the kind of title; `seed` decides which files. With
    `verify_hashes`, files with unchanged size and time are read, too. `workers` is the number of processes
    that read in parallel. With 0, the number depends on the cores and on the amount of text.
    """

    sample: int | None = None
    seed: int = 0
    verify_hashes: bool = False
    zone: str = "America/Sao_Paulo"
    locale: str | None = None
    owner: tuple[str, ...] = ()
    default_area_code: str | None = None
    workers: int = 0


@dataclass(frozen=True, slots=True)
class IndexReport:
    """Counts of files; `files` counts those on disk or in the sample.

    Other units: `chats_written` and `suppressed` count chats, and `findings` counts rows of `exceptions`.
    """

    files: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    moved: int = 0
    returned: int = 0
    vanished: int = 0
    failed: int = 0
    chats_written: int = 0
    findings: int = 0
    suppressed: int = 0
    bytes_read: int = 0

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


def index_month(
    conn: Connection, archive: ChatArchive, month: str, options: IndexOptions, *, log: logging.Logger
) -> IndexReport:
    """Write the archive's chats of `month` (`YYYY-MM`) and their evidence to the index.

    A file that can't be read gets the status `failed` and a row in `exceptions`, and the other files are
    indexed. The function waits while another run indexes the same month. Raises PipelineError if there is no
    archive.
    """
    with month_lock(
        conn,
        STAGE,
        month,
        on_wait=lambda: log.info("another run indexes %s; waiting for it", month, extra=fields(month=month)),
    ):
        return _MonthIndex(conn, archive, month, options, log).run(archive.listing(month))


class _MonthIndex:
    """Indexes one month once."""

    def __init__(
        self, conn: Connection, archive: ChatArchive, month: str, options: IndexOptions, log: logging.Logger
    ) -> None:
        self._conn, self._archive, self._month, self._options, self._log = conn, archive, month, options, log
        self._scan = ScanOptions(
            ReadingOptions(options.zone, options.owner, options.locale), options.default_area_code
        )
        self._known: dict[str, KnownFile] = {}
        self._counts: dict[str, int] = defaultdict(int)
        self._detail = detail_log()
        self._ignored: set[str] = set()

    def run(self, listing: MonthListing) -> IndexReport:
        """Index the month and return the counts."""
        self._ignored = ignored_paths(self._conn)
        listing = replace(listing, files=[file for file in listing.files if file.path not in self._ignored])
        outside = [file.path for file in listing.files if file.folder_month is None]
        # Reading options that a person chooses after this are used by the next run.
        requested = rereads.waiting_rereads(self._conn, self._month)
        self._known = chat_files.known_files(self._conn, self._month, outside)
        too_long = [file for file in listing.files if _is_too_long(file)]
        kept = [file for file in listing.files if not _is_too_long(file)]
        files = _sample(kept, self._options) if self._options.sample else kept
        missing = self._missing(listing)
        jobs = [job for file in files if (job := self._job(file)) is not None]
        self._counts["files"] = len(files) + len(too_long)
        self._counts["failed"] = len(too_long)
        self._counts["unchanged"] = len(files) - len(jobs)
        progress = Progress(self._log, f"chat_file_index {self._month}", len(jobs), "files")
        with gc_disabled():
            scans = scan_in_parallel(self._archive, jobs, self._scan, workers=self._options.workers)
            for batch in _batches(scans):
                with self._conn.transaction():
                    self._write(batch, missing)
                progress.advance(len(batch.files))
        with self._conn.transaction():
            self._mark_vanished(sorted(missing))
            self._store_listing_findings(listing, too_long)
            if requested and not self._options.sample:
                rereads.record_indexed(self._conn, requested)
        return IndexReport(**self._counts)

    def _missing(self, listing: MonthListing) -> set[str]:
        """Return the paths of this month that the database has and the archive no longer has."""
        listed = {file.path for file in listing.files}
        return {
            path
            for path, known in self._known.items()
            if path not in listed and known.month == self._month and known.processing_status != "vanished"
        }

    def _job(self, file: ArchiveFile) -> ScanJob | None:
        """Return the job to read a file; None if it is unchanged."""
        known = self._known.get(file.path)
        if known is None:
            return ScanJob(file, self._month, {})
        is_same = (
            (known.size_bytes, known.modified_at, known.month) == (file.size, file.modified_at, self._month)
            and known.processing_status != "vanished"
            and known.content_hash is not None
            and self._would_read_same(known, known.content_hash, file.path)
        )
        if is_same and not self._options.verify_hashes:
            return None
        return ScanJob(file, self._month, known.parse_options)

    def _would_read_same(self, known: KnownFile, content_hash: bytes, path: str) -> bool:
        """Return whether reading the file again would give the same result.

        The result also depends on other files, if they decide the order of day and month.
        """
        indexed = known.indexed_hash or b""
        order = archive_order_in(indexed)
        if order is not None:
            order = self._archive.date_order_near(path) or "none"
        return indexed == self._scan.hash_of(content_hash, path, known.parse_options, order)

    def _write(self, scans: Scans, missing: set[str]) -> None:
        """Write a batch of scans. The rows of a moved file get the new path."""
        scans, suppressed = without_erased_chats(self._conn, scans)
        self._counts["suppressed"] += suppressed
        paths = [scan.path for scan in scans.files]
        if any(path in self._known for path in paths):
            # Take this lock before any row lock, as chat_messages does; otherwise the two could deadlock.
            duplicates.lock(self._conn)
        moves = self._moves(scans.files, missing)
        self._counts["moved"] += len(moves)
        chat_files.move(self._conn, moves)
        missing.difference_update(old for old, _ in moves)
        moved = {new for _, new in moves}
        counts = chat_files.write_index(
            self._conn,
            [chat for scan in scans.files for chat in scan.chats],
            scans.sessions,
            scans.phones,
        )
        findings = [finding for scan in scans.files for finding in scan.findings]
        old_paths = [old for old, _ in moves]
        self._counts["findings"] += exceptions.replace_for_files(
            self._conn, STAGE, [*paths, *old_paths], findings
        )
        duplicates.mark(self._conn, counts.chat_keys)
        self._counts["chats_written"] += counts.inserted + counts.updated
        for scan in scans.files:
            self._count(scan, is_moved=scan.path in moved)

    def _count(self, scan: FileScan, *, is_moved: bool) -> None:
        known = self._known.get(scan.path)
        self._detail.debug(
            "file indexed",
            extra=fields(
                asset=STAGE,
                month=self._month,
                file=mask_path(scan.path),
                chats=len(scan.chats),
                findings=len(scan.findings),
                is_new=known is None,
                is_moved=is_moved,
            ),
        )
        self._counts["bytes_read"] += scan.chats[0].size_bytes if scan.chats else 0
        if scan.content_hash is None or all(chat.processing_status == "failed" for chat in scan.chats):
            self._counts["failed"] += 1
        elif known is None:
            self._counts["new"] += not is_moved
        elif known.processing_status == "vanished":
            self._counts["returned"] += 1
        elif known.content_hash == scan.content_hash and known.indexed_hash == scan.chats[0].indexed_hash:
            self._counts["unchanged"] += 1
        else:
            self._counts["changed"] += 1

    def _moves(self, scans: Sequence[FileScan], missing: set[str]) -> list[tuple[str, str]]:
        """Return (old path, new path) of new files whose content was at a path that is missing now."""
        new = {
            scan.content_hash: scan.path
            for scan in scans
            if scan.path not in self._known and scan.content_hash
        }
        if not new:
            return []
        moves: dict[bytes, tuple[str, str]] = {}
        taken = set(self._known) - missing
        for content_hash, old in chat_files.paths_with_content(self._conn, list(new)):
            path = new[content_hash]
            is_missing = old in missing or (
                old not in taken and old != path and not self._archive.exists(old)
            )
            if content_hash not in moves and is_missing:
                moves[content_hash] = (old, path)
        return list(moves.values())

    def _mark_vanished(self, paths: Sequence[str]) -> None:
        if not paths:
            return
        duplicates.lock(self._conn)
        keys = chat_files.mark_vanished(self._conn, self._month, paths)
        duplicates.mark(self._conn, keys)
        detail = "the file is no longer in the archive; what was read from it is kept"
        exceptions.replace_for_files(
            self._conn,
            STAGE,
            paths,
            [
                ExceptionRow(STAGE, path, None, self._month, None, "vanished", "warning", detail)
                for path in paths
            ],
        )
        self._counts["vanished"] = len(paths)
        self._counts["findings"] += len(paths)

    def _store_listing_findings(self, listing: MonthListing, too_long: Sequence[ArchiveFile]) -> None:
        """Store findings about files that are not chats, can't be stored, or have no month.

        They replace the findings of earlier runs. Ignored files and files of erased people have none.
        """
        is_erased = path_test(self._conn)
        for kind, month, rows in (
            ("link_outside", self._month, _outside_links(listing.links_outside, self._month)),
            ("link_outside", None, _outside_links(self._archive.links_outside(), None)),
            ("other_files", self._month, _other_files(listing, self._month)),
            ("name_unreadable", self._month, _unreadable_names(listing, self._month)),
            ("path_too_long", self._month, _long_paths(too_long, self._month)),
            ("no_month", None, _files_without_month(self._archive)),
        ):
            kept = [
                row for row in rows if row.file_path not in self._ignored and not is_erased(row.file_path)
            ]
            self._counts["findings"] += exceptions.replace_for_kind(self._conn, STAGE, kind, month, kept)


def _finding(path: str, month: str | None, kind: str, severity: str, detail: str) -> ExceptionRow:
    return ExceptionRow(STAGE, path, None, month, None, kind, severity, detail)


def _other_files(listing: MonthListing, month: str) -> list[ExceptionRow]:
    """Return one finding for all files that are not chats, counted by suffix."""
    if not listing.other_suffixes:
        return []
    others = ", ".join(f"{count} {suffix}" for suffix, count in sorted(listing.other_suffixes.items()))
    detail = f"these files are no chats: {others}"
    return [_finding(month.replace("-", "/"), month, "other_files", "info", detail)]


def _unreadable_names(listing: MonthListing, month: str) -> list[ExceptionRow]:
    detail = "the name is not valid UTF-8, so the file can't be addressed; rename it"
    return [_finding(path, month, "name_unreadable", "error", detail) for path in listing.unreadable_names]


def _long_paths(files: Sequence[ArchiveFile], month: str) -> list[ExceptionRow]:
    rows = []
    for file in files:
        size, limit = len(file.path.encode()), chat_files.LONGEST_PATH
        detail = (
            f"the path has {size:,} bytes, but at most {limit:,} can be stored; move the file or rename its "
            "folders"
        )
        rows.append(_finding(file.path, month, "path_too_long", "error", detail))
    return rows


def _files_without_month(archive: ChatArchive) -> list[ExceptionRow]:
    detail = (
        "the month of the file is not known from its folder, its name or a message; move the file to a "
        "month's folder"
    )
    return [
        _finding(file.path, None, "no_month", "error", detail)
        for file in archive.outside()
        if archive.month_of(file) is None
    ]


def _outside_links(paths: Sequence[str], month: str | None) -> list[ExceptionRow]:
    detail = "a symbolic link leads out of the archive and is not followed; copy the files here"
    return [_finding(path, month, "link_outside", "warning", detail) for path in paths]


def _is_too_long(file: ArchiveFile) -> bool:
    return len(file.path.encode()) > chat_files.LONGEST_PATH


def _batches(scans: Iterable[Scans]) -> Iterator[Scans]:
    """Join scans until they have enough files for a transaction."""
    waiting: list[Scans] = []
    for scan in scans:
        waiting.append(scan)
        if sum(len(part.files) for part in waiting) >= _MIN_FILES_PER_BATCH:
            yield Scans.joined(waiting)
            waiting = []
    if waiting:
        yield Scans.joined(waiting)


def _sample(files: Sequence[ArchiveFile], options: IndexOptions) -> list[ArchiveFile]:
    """Return `options.sample` files. Each kind of title has a proportional share.

    Each kind has at least one file if the sample is large enough. The same seed returns the same files.
    """
    strata: dict[str, list[ArchiveFile]] = defaultdict(list)
    for file in files:
        strata[_stratum(file)].append(file)
    for stratum in strata.values():
        stratum.sort(key=lambda file: blake2b(f"{options.seed}:{file.path}".encode()).digest())
    wanted = min(options.sample or 0, len(files))
    # Take the first file of each stratum, and start with the smallest stratum. Then take the other files by
    # their relative position in their stratum.
    ranked = sorted(
        (place and (place + 0.5) / len(stratum), len(stratum), file)
        for stratum in strata.values()
        for place, file in enumerate(stratum)
    )
    return sorted(file for _, _, file in ranked[:wanted])


def _stratum(file: ArchiveFile) -> str:
    parts = parse_title(read_chat_name(file.path).title or "")
    if parts.order_reference:
        return "order"
    return "phone" if parts.phone else "name"
