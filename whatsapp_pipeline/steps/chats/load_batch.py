"""Loading one batch of files into `chat_messages`, in the caller's transaction.

Messages of new files are inserted. Files that were loaded before are merged, so that messages keep their ids.
What belongs here: writing a batch. What does not: reading (load_reading.py), the sequence of batches and
retries (load_writers.py).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from whatsapp_pipeline.domain.masking import mask_path
from whatsapp_pipeline.domain.transcripts.chat_message import Finding
from whatsapp_pipeline.logs import detail_log, fields
from whatsapp_pipeline.steps.chats.erased_chats import without_erased_people
from whatsapp_pipeline.steps.chats.load_reading import ChatMessages, FileProblemError, FileToLoad, ReadAhead
from whatsapp_pipeline.store import exceptions
from whatsapp_pipeline.store.chats import chat_files, duplicates, messages
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.exceptions import ExceptionRow
from whatsapp_pipeline.store.operations import suppression

STAGE = "chat_messages"
# Maximum number of rows for findings of one kind and severity in a chat. One additional row has the number of
# the others.
_MAX_ROWS_PER_KIND = 500
# Minimum number of messages in a frame that is converted to text and sent to the server, except the last one.
# It is large, because each operation on a frame has a fixed cost. But the conversion must end while the
# server still writes the previous frame. The first frame is smaller, because the server has no work yet.
_MIN_FRAME_ROWS = 10_000
_MIN_FIRST_FRAME_ROWS = 1_000


class BatchLoader:
    """Loads batches of files of one month."""

    def __init__(self, conn: Connection, month: str, reader: ReadAhead) -> None:
        self._conn, self._month, self._reader = conn, month, reader
        self._is_erased = suppression.identity_test(conn)

    def load(self, files: Sequence[FileToLoad], problems: Sequence[FileProblemError]) -> Counter[str]:
        """Load `files` and store `problems` in the caller's transaction, and return counts.

        The keys of the counts are field names of LoadReport.

        A file that can't be loaded is omitted, and its problem is stored, too. Raises FileProblemError if
        the problem appears after messages of the file were sent. The caller must then roll back and load the
        other files.
        """
        counts: Counter[str] = Counter()
        batch = _Batch(self._reader, _Findings(self._month), list(problems))
        changed = [file for file in files if not file.is_new]
        if changed:
            # Take this lock before any row lock, because merging and flagging duplicates lock the same rows.
            duplicates.lock(self._conn)
        chats_with_replies = self._copy_new([file for file in files if file.is_new], batch, counts)
        chats_with_replies += self._merge(changed, batch, counts)
        # From here until the commit, only one batch runs at a time. Each batch sees the messages of earlier
        # batches. So, if batches share a chat, the last one finds all replies and duplicates.
        duplicates.lock(self._conn)
        self._store_findings(files, batch, counts)
        self._complete_files(batch.without_problems(files), chats_with_replies, counts)
        return counts

    def _copy_new(self, files: Sequence[FileToLoad], batch: _Batch, counts: Counter[str]) -> list[int]:
        """Copy the messages of new files; return the ids of chats with unresolved replies."""
        total = sum(file.message_count for file in files)
        if not total:
            return []
        offsets = _id_offsets(files, messages.reserve_ids(self._conn, total))
        chats_with_replies: set[int] = set()
        with messages.copy_new(self._conn) as write:
            for chats in self._without_erased(batch.messages(files)):
                base = _per_message(chats, [offsets[chat.id] for chat, _ in chats])
                frame = _concat_chats(chats).with_columns(
                    id=base + pl.col("ordinal"), reply_to_id=base + pl.col("reply_ordinal")
                )
                write(frame)
                is_open = pl.col("reply_timestamp").is_not_null() & pl.col("reply_ordinal").is_null()
                chats_with_replies.update(frame.filter(is_open)["id_chat_file"])
                counts["messages_inserted"] += frame.height
        return sorted(chats_with_replies)

    def _merge(self, files: Sequence[FileToLoad], batch: _Batch, counts: Counter[str]) -> list[int]:
        """Merge the messages of files that were loaded earlier; return the ids of their chats."""
        if not files:
            return []
        with messages.copy_changed(self._conn) as write:
            for chats in self._without_erased(batch.messages(files)):
                write(_concat_chats(chats))
        valid = batch.without_problems(files)
        ids = [chat.id for file in valid for chat in file.chats]
        merged = messages.merge_changed(self._conn, ids)
        counts["messages_inserted"] += merged.inserted
        counts["messages_updated"] += merged.updated
        for file in valid:
            for chat in file.chats:
                if deleted := merged.gone.get(chat.id):
                    counts["messages_gone"] += deleted
                    detail = (
                        f"{deleted} messages that were loaded earlier are no longer in the file, so they "
                        "were deleted"
                    )
                    batch.findings.add(
                        file.path, chat.chat_number, Finding(0, "messages_gone", "info", detail)
                    )
        return ids

    def _without_erased(self, parts: Iterator[list[ChatMessages]]) -> Iterator[list[ChatMessages]]:
        """Remove the texts that erased people sent, and their phones from other people's texts.

        All rows are kept.
        """
        if self._is_erased is None:
            yield from parts
            return
        for part in parts:
            yield [ChatMessages(chat, without_erased_people(rows, self._is_erased)) for chat, rows in part]

    def _store_findings(self, files: Sequence[FileToLoad], batch: _Batch, counts: Counter[str]) -> None:
        rows, problems = batch.findings.rows(), batch.problems
        rows += [
            ExceptionRow(
                STAGE,
                problem.path,
                None,
                self._month,
                None,
                problem.kind,
                "error" if problem.is_failure else "warning",
                str(problem),
            )
            for problem in problems
        ]
        paths = list({*(file.path for file in files), *(problem.path for problem in problems)})
        counts["findings"] += exceptions.replace_for_files(self._conn, STAGE, paths, rows)
        failed = [problem.path for problem in problems if problem.is_failure]
        if failed:
            chat_files.mark_failed(self._conn, failed)
        counts["failed"] += len(problems)

    def _complete_files(
        self, files: Sequence[FileToLoad], chats_with_replies: Sequence[int], counts: Counter[str]
    ) -> None:
        """Set the status of the batch to loaded, flag duplicates of other files, and resolve replies."""
        if not files:
            return
        chat_files.mark_loaded(self._conn, [pair for file in files for pair in file.hashes])
        counts["loaded"] += len(files)
        log = detail_log()
        if log.isEnabledFor(logging.DEBUG):
            for file in files:
                log.debug(
                    "file loaded",
                    extra=fields(
                        asset=STAGE,
                        month=self._month,
                        file=mask_path(file.path),
                        messages=file.message_count,
                        chats=len(file.chats),
                        is_new=file.is_new,
                    ),
                )
        keys = sorted({chat.chat_key for file in files for chat in file.chats if chat.chat_key})
        shared = duplicates.shared_keys(self._conn, keys)
        # If a changed file has no duplicates any more, its flags are removed.
        changed = {chat.chat_key for file in files if not file.is_new for chat in file.chats if chat.chat_key}
        counts["duplicates_marked"] += duplicates.mark(self._conn, sorted(changed.union(shared)))
        replies = messages.unresolved_replies(self._conn, chats_with_replies) if chats_with_replies else []
        replies += messages.replies_across_files(self._conn, keys, shared)
        counts["replies_resolved"] += messages.resolve_replies(self._conn, replies)


def _id_offsets(files: Sequence[FileToLoad], first_id: int) -> dict[int, int]:
    """Return the id offset of each chat, by chat id. The id of a message is this offset plus its ordinal.

    The ids of a chat's messages are consecutive.
    """
    offsets: dict[int, int] = {}
    base = first_id - 1
    for chat in (chat for file in files for chat in file.chats):
        offsets[chat.id] = base
        base += chat.message_count
    return offsets


def _concat_chats(chats: Sequence[ChatMessages]) -> pl.DataFrame:
    """Return the messages of several chats in one frame, with the chat id of each message."""
    frame = pl.concat([frame for _, frame in chats])
    return frame.with_columns(id_chat_file=_per_message(chats, [chat.id for chat, _ in chats]))


def _per_message(chats: Sequence[ChatMessages], values: Sequence[int]) -> pl.Series:
    """Return, for each message, the value that belongs to its chat."""
    return pl.Series(np.repeat(np.array(values), [frame.height for _, frame in chats]))


class _Batch:
    """A batch whose files are being read, and the findings and problems of the files that were read."""

    def __init__(self, reader: ReadAhead, findings: _Findings, problems: list[FileProblemError]) -> None:
        self._reader, self.findings, self.problems = reader, findings, problems

    def without_problems(self, files: Sequence[FileToLoad]) -> list[FileToLoad]:
        """Return the files without a problem so far."""
        bad = {problem.path for problem in self.problems}
        return [file for file in files if file.path not in bad]

    def messages(self, files: Sequence[FileToLoad]) -> Iterator[list[ChatMessages]]:
        """Yield lists of chats with their messages. One list may have the chats of many small files.

        Raises FileProblemError if a file's problem appears after its first segment was read. A problem that
        appears earlier is added to `problems`, and the file is skipped.
        """
        collected: list[ChatMessages] = []
        height, minimum = 0, _MIN_FIRST_FRAME_ROWS
        for file in files:
            has_begun = False
            try:
                for part in self._reader.read(file):
                    has_begun = True
                    for chat_number, finding in part.findings:
                        self.findings.add(file.path, chat_number, finding)
                    collected += part.messages
                    height += part.height
                    if height >= minimum:
                        yield collected
                        collected, height, minimum = [], 0, _MIN_FRAME_ROWS
            except FileProblemError as problem:
                if has_begun:
                    raise
                self.problems.append(problem)
        if collected:
            yield collected


class _Findings:
    """Collects the findings of a batch, with a limit for each chat, kind and severity."""

    def __init__(self, month: str) -> None:
        self._month = month
        self._rows: list[ExceptionRow] = []
        self._counts: Counter[tuple[str, int, str, str]] = Counter()

    def add(self, path: str, chat_number: int, finding: Finding) -> None:
        """Add a finding of a chat."""
        key = (path, chat_number, finding.kind, finding.severity)
        self._counts[key] += 1
        if self._counts[key] <= _MAX_ROWS_PER_KIND:
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
        """Return the rows, including those with the numbers of findings beyond the limit."""
        more = [
            ExceptionRow(
                STAGE,
                path,
                number,
                self._month,
                None,
                kind,
                severity,
                f"{count - _MAX_ROWS_PER_KIND} more of this kind",
            )
            for (path, number, kind, severity), count in self._counts.items()
            if count > _MAX_ROWS_PER_KIND
        ]
        return self._rows + more
