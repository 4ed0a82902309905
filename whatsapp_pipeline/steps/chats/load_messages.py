"""chat_messages: every message of a month's chats.

What belongs here: loading a month from its lock to its report, and the sequence of months. What does not: the
choice of files and writers (load_plan.py), batches and retries (load_writers.py), writing a batch
(load_batch.py), and the statements (store/chats/messages.py).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from types import TracebackType

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.steps.chats.chat_reading import ReadingOptions
from whatsapp_pipeline.steps.chats.load_batch import STAGE
from whatsapp_pipeline.steps.chats.load_plan import LoadOptions, MonthPlan
from whatsapp_pipeline.steps.chats.load_writers import Writers
from whatsapp_pipeline.steps.progress import Progress
from whatsapp_pipeline.store.chats import chat_files, messages, rereads
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.locks import await_writers, month_lock

__all__ = ["LoadOptions", "LoadReport", "MessageLoading", "load_month"]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Counts of loading a month. `stopped` is 1 if `should_stop` ended the loading early."""

    files: int = 0
    loaded: int = 0
    unchanged: int = 0
    failed: int = 0
    messages_inserted: int = 0
    messages_updated: int = 0
    messages_gone: int = 0
    duplicates_marked: int = 0
    replies_resolved: int = 0
    findings: int = 0
    batches: int = 0
    stopped: int = 0

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


def load_month(
    conn: Connection, archive: ChatArchive, month: str, options: LoadOptions, *, log: logging.Logger
) -> LoadReport:
    """Load one month (`YYYY-MM`). Use `MessageLoading` for several months."""
    with MessageLoading(archive, [month], options, log=log) as loading:
        return loading.load(conn, month)


class MessageLoading:
    """Loads `months` one after the other; a context manager.

    While the server writes the last files of a month, the first files of the next one are read.
    """

    def __init__(
        self, archive: ChatArchive, months: Sequence[str], options: LoadOptions, *, log: logging.Logger
    ) -> None:
        self._archive, self._options, self._log = archive, options, log
        self._reading = ReadingOptions(options.zone, options.owner, options.locale)
        self._following = dict(pairwise(months))
        self._ahead: MonthPlan | None = None

    def __enter__(self) -> MessageLoading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ahead is not None:
            self._ahead.end()

    def load(self, conn: Connection, month: str) -> LoadReport:
        """Write the messages of the files indexed for `month` (`YYYY-MM`) to `chat_messages`.

        Only files whose content or options changed after they were loaded are read. After a killed run, the
        next run loads the files that were not committed. A file that can't be loaded gets the status `failed`
        and a row in `exceptions`, and the next run tries it again. The method waits while another run loads
        the same month. Raises PipelineError if the database refuses a batch.
        """
        with month_lock(
            conn,
            STAGE,
            month,
            on_wait=lambda: self._log.info(
                "another run loads %s; waiting for it", month, extra=fields(month=month)
            ),
        ):
            await_writers(
                conn,
                STAGE,
                month,
                on_wait=lambda: self._log.info(
                    "waiting for the server, which still executes a statement of a killed run of %s",
                    month,
                    extra=fields(month=month),
                ),
            )
            # Reading options that a person chooses after this are used by the next load.
            requested = rereads.waiting_rereads(conn, month)
            plan = self._plan(conn, month)
            try:
                # Deleted links and restored files do not change rows of messages, so replies must be resolved
                # again.
                if unsettled := [pair for file in plan.files if file.is_unsettled for pair in file.hashes]:
                    chat_files.mark_loaded(conn, unsettled)
                progress = Progress(self._log, f"chat_messages {month}", len(plan.todo), "files")
                writers = Writers(conn, month, self._options, progress, self._log)
                counts = writers.load(plan.shares, meanwhile=lambda: self._read_following(conn, month))
                if plan.todo:
                    messages.refresh_statistics(conn)
            finally:
                plan.end()
            counts["stopped"] = min(1, counts["stopped"])
            if requested and not counts["stopped"]:
                rereads.record_read(conn, requested)
            return LoadReport(files=len(plan.files), unchanged=len(plan.files) - len(plan.todo), **counts)

    def _plan(self, conn: Connection, month: str) -> MonthPlan:
        """Return the plan of the month, whose files are already being read.

        The plan that `_read_following` made is used if it is still correct.
        """
        plan = MonthPlan.make(conn, month, self._reading)
        ahead, self._ahead = self._ahead, None
        if ahead is None or not plan.take_over(ahead):
            plan.begin(conn, self._archive, self._reading, self._options)
        return plan

    def _read_following(self, conn: Connection, month: str) -> None:
        """Start to read the next month.

        That month is not locked yet, so `_plan` compares the plan with the database again.
        """
        if (following := self._following.get(month)) is not None:
            self._ahead = MonthPlan.make(conn, following, self._reading)
            self._ahead.begin(conn, self._archive, self._reading, self._options)
