"""Scanning files for chat_file_index: their hashes, their chats, and the evidence in each chat.

What belongs here: converting files to plain rows. What does not: the database, and the choice of files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, NamedTuple

import polars as pl

from whatsapp_pipeline.archive import ArchiveFile, ChatArchive, UnreadableFileError
from whatsapp_pipeline.domain.chat_evidence import SESSION_SCHEMA, EvidenceCollector
from whatsapp_pipeline.domain.chat_names import chat_key, read_chat_name
from whatsapp_pipeline.domain.phones import Phone, PhoneKind, parse_phone
from whatsapp_pipeline.domain.titles import parse_title
from whatsapp_pipeline.domain.transcripts.chat_message import ChatSummary
from whatsapp_pipeline.steps.chats.chat_reading import (
    HASH_BYTES,
    FileRequest,
    FileWindow,
    ReadChat,
    ReadFile,
    ReadingOptions,
    read_files,
    reading_hash,
)
from whatsapp_pipeline.store.chats import chat_files
from whatsapp_pipeline.store.chats.chat_files import ChatRow
from whatsapp_pipeline.store.exceptions import ExceptionRow

STAGE = "chat_file_index"
# Increase it when the rules of evidence change. Every file is then scanned again.
EVIDENCE_VERSION = "5"

# Kinds of phones that identify a person, and so can identify the contact of a personal chat.
_PERSONAL = {PhoneKind.MOBILE, PhoneKind.FIXED, PhoneKind.FOREIGN, PhoneKind.LID}


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """Options of scanning; `default_area_code` completes phones without an area code."""

    reading: ReadingOptions
    default_area_code: str | None = None

    def hash_of(
        self, content_hash: bytes, path: str, remembered: Mapping[str, Any], archive_order: str | None = None
    ) -> bytes:
        """Return a hash of everything that the scan of this content depends on.

        If other files decided the order of its dates, `archive_order` is appended to the hash.
        """
        own = reading_hash(
            content_hash, path, self.reading, remembered, EVIDENCE_VERSION, self.default_area_code
        )
        return own + (archive_order or "").encode()


def archive_order_in(indexed_hash: bytes) -> str | None:
    """Return the order of dates appended to a hash of ScanOptions.hash_of; None if there is none."""
    return indexed_hash[HASH_BYTES:].decode() or None


@dataclass(slots=True)
class FileScan:
    """The rows of one file. `content_hash` is None if it could not be read."""

    path: str
    content_hash: bytes | None = None
    chats: list[ChatRow] = field(default_factory=list)
    findings: list[ExceptionRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scans:
    """The rows of several files, in order, with the evidence of all their chats.

    `sessions` and `phones` are frames of chat_files.SESSION_SCHEMA and PHONE_SCHEMA.
    """

    files: list[FileScan]
    sessions: pl.DataFrame
    phones: pl.DataFrame

    @staticmethod
    def joined(parts: Sequence[Scans]) -> Scans:
        """Join one or more scans into one."""
        return Scans(
            [file for part in parts for file in part.files],
            pl.concat([part.sessions for part in parts]),
            pl.concat([part.phones for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class ScanJob:
    """A file to scan, its month in the index, and a person's decision about reading it."""

    file: ArchiveFile
    month: str
    remembered: Mapping[str, Any]


class _FoundChat(NamedTuple):
    """A chat that was read completely."""

    chat: ReadChat
    summary: ChatSummary


class _FoundPhone(NamedTuple):
    """A phone in the headers of a chat, a row of PHONE_SCHEMA."""

    file_path: str
    chat_number: int
    raw: str
    key: str | None
    kind: str
    occurrences: int


def scan_files(archive: ChatArchive, jobs: Sequence[ScanJob], options: ScanOptions) -> Iterator[Scans]:
    """Read each file once, in order. An unreadable file is a finding in its scan; no error is raised."""
    scanner = _Scanner(jobs, options)
    requests = [FileRequest(job.file.path, job.remembered) for job in jobs]
    for window in read_files(archive, requests, options.reading):
        yield scanner.scans(window)


class _Scanner:
    """Converts the windows of `jobs` to scans. It keeps the data of unfinished files."""

    def __init__(self, jobs: Sequence[ScanJob], options: ScanOptions) -> None:
        self._jobs, self._options = jobs, options
        self._evidence = EvidenceCollector()
        self._open: dict[int, ReadChat] = {}
        self._found: dict[int, list[_FoundChat]] = {}
        self._sessions = pl.DataFrame(schema=SESSION_SCHEMA)

    def scans(self, window: FileWindow) -> Scans:
        """Add a window. Return the scans of the files that this window finishes."""
        self._open.update((chat.chat, chat) for chat in window.chats)
        failures = dict(window.failed)
        interrupted = [number for number, chat in self._open.items() if chat.file in failures]
        over = {*interrupted, *(number for number, _ in window.closed)}
        self._sessions.extend(self._evidence.add(window.frame, over))
        for number, summary in window.closed:
            chat = self._open[number]
            self._found.setdefault(chat.file, []).append(_FoundChat(chat, summary))
        for number in over:
            del self._open[number]
        sessions = self._sessions_of([file.file for file in window.read])
        phones: list[_FoundPhone] = []
        scans = {file.file: self._read(file, phones) for file in window.read}
        scans.update((file, self._failed(file, error)) for file, error in failures.items())
        waiting = [found.chat.chat for chats in self._found.values() for found in chats]
        self._sessions = self._sessions.filter(pl.col("chat").is_in(waiting))
        return Scans(
            [scans[file] for file in sorted(scans)],
            sessions,
            pl.DataFrame(phones, schema=chat_files.PHONE_SCHEMA, orient="row"),
        )

    def _sessions_of(self, files: Sequence[int]) -> pl.DataFrame:
        """Return the sessions of finished files, with the database's column names."""
        chats = [
            (chat.chat, self._jobs[file].file.path, chat.chat_number)
            for file in files
            for chat, _ in self._found[file]
        ]
        schema = {"chat": pl.Int64(), "file_path": pl.String(), "chat_number": pl.Int64()}
        return (
            self._sessions.join(pl.DataFrame(chats, schema=schema, orient="row"), on="chat")
            .rename({"start": "started_at", "end": "ended_at"})
            .select(*chat_files.SESSION_SCHEMA)
        )

    def _read(self, file: ReadFile, phones: list[_FoundPhone]) -> FileScan:
        job = self._jobs[file.file]
        found = sorted(self._found.pop(file.file), key=lambda chat: chat.chat.chat_number)
        scan = FileScan(job.file.path, file.content_hash)
        for kind, severity, detail in file.findings:
            _add_finding(scan, job, kind, severity, detail)
        _add_chats(scan, phones, job, found, self._options, file.archive_order)
        _add_file_findings(scan, job, found)
        return scan

    def _failed(self, file: int, error: UnreadableFileError) -> FileScan:
        self._found.pop(file, None)
        scan = FileScan(self._jobs[file].file.path, chats=[_blank_row(self._jobs[file])])
        _add_finding(scan, self._jobs[file], error.kind, "error", str(error))
        return scan


def _add_chats(
    scan: FileScan,
    phones: list[_FoundPhone],
    job: ScanJob,
    found: Sequence[_FoundChat],
    options: ScanOptions,
    archive_order: str | None,
) -> None:
    assert scan.content_hash is not None  # the caller has set it
    blank = _blank_row(job)._replace(
        content_hash=scan.content_hash,
        indexed_hash=options.hash_of(scan.content_hash, job.file.path, job.remembered, archive_order),
    )
    for chat, summary in found:
        number, name = chat.chat_number, chat.name
        of_chat = [
            (raw, parse_phone(raw, default_area_code=options.default_area_code), count)
            for raw, count in summary.header_phones.items()
        ]
        phones.extend(
            _FoundPhone(
                scan.path,
                number,
                raw,
                phone.key if phone else None,
                phone.kind if phone else "unknown",
                count,
            )
            for raw, phone, count in of_chat
        )
        # In a combined file only the label identifies the chat; otherwise the file name has more information.
        named = name.title if name.is_known and len(found) == 1 else None
        title = named or summary.label or name.title
        day, clock = _split_time(name.time)
        row = blank._replace(chat_number=number, file_date=day, file_time=clock)
        scan.chats.append(_describe(row, title, summary, of_chat, options))


def _split_time(moment: datetime | None) -> tuple[date, time] | tuple[None, None]:
    return (moment.date(), moment.time()) if moment else (None, None)


def _blank_row(job: ScanJob) -> ChatRow:
    """Return the row of a file that was not read: only its listing and its job are known."""
    day, clock = _split_time(read_chat_name(job.file.path).time)
    return ChatRow(
        filename=job.file.name,
        file_path=job.file.path,
        chat_number=1,
        month=job.month,
        file_date=day,
        file_time=clock,
        title=None,
        phone_number=None,
        phone_key=None,
        customer_name=None,
        reference_os=None,
        devices=[],
        chat_key=None,
        is_group=False,
        content_hash=None,
        indexed_hash=None,
        size_bytes=job.file.size,
        modified_at=job.file.modified_at,
        format=None,
        parse_options=json.dumps(dict(job.remembered)),
        first_message_at=None,
        last_message_at=None,
        line_count=None,
        message_count=None,
        processing_status="failed",
    )


def _describe(
    row: ChatRow,
    title: str | None,
    summary: ChatSummary,
    phones: list[tuple[str, Phone | None, int]],
    options: ScanOptions,
) -> ChatRow:
    """Return the row of a chat, with the fields from its title and its messages."""
    parts = parse_title(title or "", default_area_code=options.default_area_code)
    phone_key = parts.phone.key if parts.phone else None
    # One chat may be exported under its number, and later under a saved name. The headers have the same phone
    # in both.
    header_keys = {phone.key for _, phone, _ in phones if phone and phone.key and phone.kind in _PERSONAL}
    identity = phone_key or (header_keys.pop() if len(header_keys) == 1 else None)
    return row._replace(
        title=title,
        phone_number=parts.phone.raw if parts.phone else None,
        phone_key=phone_key,
        customer_name=parts.name,
        reference_os=parts.order_reference,
        devices=list(parts.devices),
        chat_key=chat_key(title, identity, is_group=summary.is_group),
        is_group=summary.is_group,
        format=summary.format,
        first_message_at=summary.first_time,
        last_message_at=summary.last_time,
        line_count=summary.line_count,
        message_count=summary.message_count,
        processing_status="pending" if summary.message_count else "failed",
    )


def _add_file_findings(scan: FileScan, job: ScanJob, found: Sequence[_FoundChat]) -> None:
    """Add findings about a readable file, such as no messages, or messages of another month."""
    name = read_chat_name(job.file.path)
    if not any(chat.summary.message_count for chat in found):
        _add_finding(scan, job, "no_messages", "error", "the file has no message of a known format")
        return
    if not (name.is_known or any(chat.chat.name.is_known for chat in found)):
        _add_finding(
            scan, job, "name_unknown", "info", "the file name has no known form; it was used as the title"
        )
    if job.file.folder_month is None:
        _add_finding(
            scan,
            job,
            "outside_months",
            "warning",
            f"the file is not in the folder of a month; the month {job.month} was assumed",
        )
    elif name.time is not None and _month(name.time) != job.month:
        detail = f"the name has {_month(name.time)}, the folder {job.month}; the folder was used"
        _add_finding(scan, job, "month_name_differs", "warning", detail)
    firsts = [chat.summary.first_time for chat in found if chat.summary.first_time]
    lasts = [chat.summary.last_time for chat in found if chat.summary.last_time]
    # `firsts` and `lasts` are not empty: the file has messages, and each message has a time.
    first, last = _month(min(firsts)), _month(max(lasts))
    if not first <= job.month <= last:
        detail = f"the messages are of {first} to {last}, none of {job.month}"
        _add_finding(scan, job, "month_messages_differ", "info", detail)


def _month(time: datetime) -> str:
    return time.isoformat()[:7]  # four times as fast as strftime


def _add_finding(scan: FileScan, job: ScanJob, kind: str, severity: str, detail: str) -> None:
    scan.findings.append(ExceptionRow(STAGE, job.file.path, None, job.month, None, kind, severity, detail))
