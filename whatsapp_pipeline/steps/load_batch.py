"""One batch of files into `chat_messages`, within the caller's transaction.

New files go straight into the table; files that were loaded before are merged, so that messages keep their
ids. What belongs here: what becomes of a batch in the database. What does not: reading (load_reading.py),
batches and retries (load_messages.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from whatsapp_pipeline.domain.transcripts.model import Finding
from whatsapp_pipeline.steps.load_reading import FileProblemError, FileToLoad, ReadAhead, ReadMessages
from whatsapp_pipeline.store import chat_files, duplicates, exceptions, messages
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.exceptions import ExceptionRow

STAGE = "chat_messages"
# Findings of one kind that a file may have a row each for; the rest are counted in one more row.
_ROWS_A_KIND = 500
_REPLY = messages.REPLY_FIELD


@dataclass
class BatchResult:
    """What a batch did; `alone_keys` are chats that no other file was seen to share messages with."""

    counts: Counter[str] = field(default_factory=Counter)
    alone_keys: list[str] = field(default_factory=list)


class BatchLoader:
    """Loads batches of one month's files."""

    def __init__(self, conn: Connection, month: str, reader: ReadAhead) -> None:
        self._conn, self._month, self._reader = conn, month, reader

    def load(self, files: Sequence[FileToLoad], problems: Sequence[FileProblemError]) -> BatchResult:
        """Load `files` and record `problems`; call it inside a transaction.

        Raises FileProblemError for the first file that can't be loaded; the transaction is then to be rolled
        back and the rest tried without it.
        """
        result = BatchResult()
        findings = _Findings(self._month)
        new = [file for file in files if file.is_new]
        changed = [file for file in files if not file.is_new]
        if changed:
            duplicates.lock(self._conn)  # before any row lock: merging and marking touch the same rows
        open_replies = self._copy_new(new, findings, result) + self._merge(changed, findings, result)
        self._record(files, problems, findings, result)
        self._finish(files, open_replies, result)
        return result

    def _copy_new(self, files: Sequence[FileToLoad], findings: _Findings, result: BatchResult) -> list[int]:
        """Copy files not loaded before; return the ids of chats with replies that reading left open."""
        total = sum(file.message_count for file in files)
        if not total:
            return []
        bases = _bases(files, messages.reserve_ids(self._conn, total))
        open_replies: dict[int, None] = {}
        with messages.copy_new(self._conn) as copy:
            write = copy.write_row
            for file in files:
                for chat, batch in self._messages(file, findings):
                    base = bases[chat.id]
                    for message in batch:
                        reply = message.reply_ordinal
                        if reply is not None:
                            row = (*message[:_REPLY], base + reply, *message[_REPLY + 1 :])
                            write((base + message.ordinal, chat.id, *row))
                            continue
                        if message.reply_timestamp is not None:
                            open_replies[chat.id] = None
                        write((base + message.ordinal, chat.id, *message))
        result.counts["messages_inserted"] += total
        return list(open_replies)

    def _merge(self, files: Sequence[FileToLoad], findings: _Findings, result: BatchResult) -> list[int]:
        """Merge files that were loaded before; return the ids of their chats."""
        if not files:
            return []
        with messages.copy_changed(self._conn) as copy:
            for file in files:
                for chat, batch in self._messages(file, findings):
                    for message in batch:
                        copy.write_row((chat.id, *message))
        ids = [chat.id for file in files for chat in file.chats]
        merged = messages.merge_changed(self._conn, ids)
        result.counts["messages_inserted"] += merged.inserted
        result.counts["messages_updated"] += merged.updated
        for file in files:
            for chat in file.chats:
                if gone := merged.gone.get(chat.id):
                    result.counts["messages_gone"] += gone
                    detail = f"{gone} messages loaded before are no longer in the file"
                    findings.add(file.path, chat.chat_number, Finding(0, "messages_gone", "info", detail))
        return ids

    def _messages(self, file: FileToLoad, findings: _Findings) -> Iterator[ReadMessages]:
        """Yield a file's messages and put its findings aside; raises FileProblemError."""
        for item in self._reader.read(file):
            if isinstance(item, ReadMessages):
                yield item
            else:
                findings.add(file.path, item.chat_number, item.finding)

    def _record(
        self,
        files: Sequence[FileToLoad],
        problems: Sequence[FileProblemError],
        findings: _Findings,
        result: BatchResult,
    ) -> None:
        rows = findings.rows()
        rows += [
            ExceptionRow(
                STAGE, problem.path, None, self._month, None, problem.kind,
                "error" if problem.is_failure else "warning", str(problem),
            )
            for problem in problems
        ]  # fmt: skip
        paths = [*(file.path for file in files), *(problem.path for problem in problems)]
        result.counts["findings"] += exceptions.replace_for_files(self._conn, STAGE, paths, rows)
        failed = [problem.path for problem in problems if problem.is_failure]
        if failed:
            chat_files.mark_failed(self._conn, failed)
        result.counts["failed"] += len(problems)

    def _finish(self, files: Sequence[FileToLoad], open_replies: Sequence[int], result: BatchResult) -> None:
        """Note the batch as loaded, mark what other files hold too, and resolve what replies are open."""
        if not files:
            return
        chat_files.mark_loaded(self._conn, [pair for file in files for pair in file.hashes])
        result.counts["loaded"] += len(files)
        keys = sorted({chat.chat_key for file in files for chat in file.chats if chat.chat_key})
        shared = set(duplicates.shared_keys(self._conn, keys))
        result.alone_keys = sorted(set(keys) - shared)
        # A changed file may share nothing any more, and has marks to lose.
        shared.update(
            chat.chat_key for file in files if not file.is_new for chat in file.chats if chat.chat_key
        )
        if shared:
            duplicates.lock(self._conn)
            result.counts["duplicates_marked"] += duplicates.mark(self._conn, sorted(shared))
        if open_replies:
            found = messages.unresolved_replies(self._conn, open_replies)
            result.counts["replies_resolved"] += messages.resolve_replies(self._conn, found)


def _bases(files: Sequence[FileToLoad], first_id: int) -> dict[int, int]:
    """Share out consecutive ids: what to add to a message's ordinal to get its id, by chat."""
    bases: dict[int, int] = {}
    base = first_id - 1
    for chat in (chat for file in files for chat in file.chats):
        bases[chat.id] = base
        base += chat.message_count
    return bases


class _Findings:
    """Collects the findings of a batch's files, at most so many of one kind a file."""

    def __init__(self, month: str) -> None:
        self._month = month
        self._rows: list[ExceptionRow] = []
        self._counts: Counter[tuple[str, int, str, str]] = Counter()

    def add(self, path: str, chat_number: int, finding: Finding) -> None:
        """Take a finding of a chat."""
        key = (path, chat_number, finding.kind, finding.severity)
        self._counts[key] += 1
        if self._counts[key] <= _ROWS_A_KIND:
            line = finding.line or None
            self._rows.append(
                ExceptionRow(
                    STAGE,
                    path,
                    chat_number,
                    self._month,
                    line,
                    finding.kind,
                    finding.severity,
                    finding.detail,
                )
            )

    def rows(self) -> list[ExceptionRow]:
        """Return the rows, those that stand for many included."""
        more = [
            ExceptionRow(
                STAGE,
                path,
                number,
                self._month,
                None,
                kind,
                severity,
                f"{count - _ROWS_A_KIND} more of this kind",
            )
            for (path, number, kind, severity), count in self._counts.items()
            if count > _ROWS_A_KIND
        ]
        return self._rows + more
