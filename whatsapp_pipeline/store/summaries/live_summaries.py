"""Customers of live conversations whose summaries are out of date.

What belongs here: finding them, and storing in `conversations` that they were summarised. What does not:
computing summaries (summary_work.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from whatsapp_pipeline.store.connection import Connection, one_row
from whatsapp_pipeline.store.queries import load


def quiet_and_stale(conn: Connection, *, quiet: timedelta, limit: int) -> list[tuple[int, datetime]]:
    """Return (contact, last change) of up to `limit` customers to summarise, longest waiting first.

    Their live conversations changed after the last summary, and no message arrived within the time `quiet`.
    """
    return conn.execute(load("summaries/live_stale"), {"quiet": quiet, "limit": limit}).fetchall()


def server_time(conn: Connection) -> datetime:
    """Return the time of the database's clock, with which changes are stored."""
    row = one_row(conn.execute("SELECT clock_timestamp()"))
    moment: datetime = row[0]
    return moment


def note_summarized(conn: Connection, started: datetime, contacts: Sequence[int] | None) -> None:
    """Store that the summaries of `contacts` (None: all contacts) include all messages before `started`."""
    conn.execute(
        load("summaries/live_mark"),
        {"started": started, "contacts": None if contacts is None else list(contacts)},
    )
