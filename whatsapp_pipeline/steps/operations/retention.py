"""Retention by age: deleting chats of months older than RETENTION_MONTHS from the database.

What belongs here: choosing the months and deleting their chats. What does not: the archive's files, which
are kept. Backfills omit such months. A run that names such a month loads it again, until the next retention
deletes it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date

from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import data_files, privacy


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """Counts of deleted rows."""

    chats_deleted: int

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return {"chats_deleted": self.chats_deleted}


def first_month_kept(months: int | None, today: date) -> str | None:
    """Return the oldest month to keep (`YYYY-MM`); None to keep all.

    With 12 months, in December 2025 the oldest one is January 2025.
    """
    if months is None:
        return None
    index = today.year * 12 + today.month - months
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def delete_old(conn: Connection, months: int, *, today: date, log: logging.Logger) -> RetentionReport:
    """Delete the chats of months before the oldest month to keep, with their messages.

    The audit log records the deletion. Exports that may contain such months are flagged, and `privacy
    delete-exports` deletes them.
    """
    first = first_month_kept(months, today)
    assert first is not None  # not None, because `months` is a number
    with conn.transaction():
        deleted = privacy.delete_months_before(conn, first)
        if deleted:
            data_files.flag_retained(conn, first)
            privacy.add_audit_row(conn, "retention", None, {"before": first, "chats": deleted})
    log.info(
        "retention: %d chats of months before %s deleted",
        deleted,
        first,
        extra=fields(month=first, counts={"chats_deleted": deleted}),
    )
    return RetentionReport(deleted)
