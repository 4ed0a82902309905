"""Patterns over all customers: hours of conversations, returning devices, and silence after a quote.

What belongs here: computing them from summaries, commitments and orders. What does not: showing them
(cli/patterns.py).
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from psycopg.rows import class_row

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.queries import load


class ContactHour(NamedTuple):
    """The number of conversations that customers opened in one hour of one weekday (1 is Monday)."""

    weekday: int
    hour: int
    conversations: int


class ReturningDevice(NamedTuple):
    """A customer's device with several orders. `nome` is personal data."""

    id_contato: int
    nome: str | None
    device: str
    orders: int
    last_opened: date | None


class SilentCustomer(NamedTuple):
    """A customer who wrote nothing after a quote.

    `nome` is personal data. `days` is the number of days since the quote.
    """

    id_contato: int
    nome: str | None
    amount: Decimal
    said_at: datetime
    days: int


def contact_hours(conn: Connection) -> list[ContactHour]:
    """Return the number of conversations that customers opened, by weekday and hour.

    Hours without conversations are left out.
    """
    with conn.cursor(row_factory=class_row(ContactHour)) as cursor:
        return cursor.execute(load("summaries/patterns_hours")).fetchall()


def returning_devices(conn: Connection, *, limit: int) -> list[ReturningDevice]:
    """Return up to `limit` devices with more than one order of the same customer, most orders first."""
    with conn.cursor(row_factory=class_row(ReturningDevice)) as cursor:
        return cursor.execute(load("summaries/patterns_returning"), {"limit": limit}).fetchall()


def silent_after_quote(conn: Connection, *, today: date, days: int, limit: int) -> list[SilentCustomer]:
    """Return up to `limit` customers who wrote nothing after a quote of at least `days` days ago."""
    with conn.cursor(row_factory=class_row(SilentCustomer)) as cursor:
        return cursor.execute(
            load("summaries/patterns_silent"), {"today": today, "days": days, "limit": limit}
        ).fetchall()
