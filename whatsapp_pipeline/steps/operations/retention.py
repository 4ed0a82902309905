"""Retention by age: chats of months that are older than RETENTION_MONTHS leave the database.

The archive's files stay. Backfills leave such months out; a run that names one brings it back until the next
time this runs.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date

from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import privacy


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """What left the database."""

    chats_deleted: int

    def counts(self) -> dict[str, int]:
        """Return the counts, ready to show."""
        return {"chats_deleted": self.chats_deleted}


def first_month_kept(months: int | None, today: date) -> str | None:
    """Return the oldest month that stays, `YYYY-MM`; None where everything does.

    With 12, December 2025 keeps January 2025 and everything after.
    """
    if months is None:
        return None
    index = today.year * 12 + today.month - months
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def delete_old(conn: Connection, months: int, *, today: date, log: logging.Logger) -> RetentionReport:
    """Delete the chats of months before the oldest that stays, with their messages; on record."""
    first = first_month_kept(months, today)
    assert first is not None  # noqa: S101  # months is a number
    with conn.transaction():
        deleted = privacy.delete_months_before(conn, first)
        if deleted:
            privacy.audit(conn, "retention", None, {"before": first, "chats": deleted})
    log.info(
        "retention: %d chats of months before %s deleted",
        deleted,
        first,
        extra=fields(month=first, counts={"chats_deleted": deleted}),
    )
    return RetentionReport(deleted)
