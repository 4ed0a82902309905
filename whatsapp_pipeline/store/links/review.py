"""Chats that wait for a person's decision, with the evidence to decide by."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection


class ChatInDoubt(NamedTuple):
    """An ambiguous or proposed chat; each candidate has id, names, phones, confidence, method, evidence."""

    id: int
    title: str
    file_path: str
    chat_number: int
    phone_key: str | None
    status: str
    flags: list[str]
    messages: int
    first_message_at: datetime | None
    last_message_at: datetime | None
    candidates: list[dict[str, Any]]


def queue(conn: Connection, month: str, limit: int | None = None) -> list[ChatInDoubt]:
    """Return the month's chats in doubt, the most valuable first."""
    rows = conn.execute(queries.load("links/review_queue"), {"month": month, "limit": limit})
    return [ChatInDoubt(*row) for row in rows]
