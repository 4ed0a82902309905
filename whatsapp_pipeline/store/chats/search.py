"""Full-text search over messages, through the database's own search_messages function."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from whatsapp_pipeline.store.connection import Connection


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What to find: words as typed into a search box (`"a phrase"`, `or`, `-not`), and where.

    `since` is inclusive, `until` exclusive, both local; `direction` is `from` (the customer), `to` or None.
    """

    words: str
    contact: int | None = None
    order: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    direction: str | None = None
    limit: int = 20
    mark_start: str = "«"
    mark_end: str = "»"


class SearchHit(NamedTuple):
    """One message found; `snippet` has the words found between the query's marks."""

    source: str
    message_id: int
    id_contato: int | None
    chat_id: int
    sent_at: datetime
    side: str | None
    rank: float
    snippet: str


def search(conn: Connection, query: SearchQuery) -> list[SearchHit]:
    """Return the best matches, most relevant first and newest first among equals."""
    with conn.cursor(row_factory=class_row(SearchHit)) as cursor:
        return cursor.execute(
            """
            SELECT * FROM search_messages(
                %(words)s, %(contact)s::bigint, %(service_order)s::bigint, %(since)s::timestamp,
                %(until)s::timestamp, %(direction)s::text, %(max_results)s::integer,
                %(mark_start)s, %(mark_end)s)
            """,
            {
                "words": query.words, "contact": query.contact, "service_order": query.order,
                "since": query.since, "until": query.until, "direction": query.direction,
                "max_results": query.limit, "mark_start": query.mark_start, "mark_end": query.mark_end,
            },
        ).fetchall()  # fmt: skip
