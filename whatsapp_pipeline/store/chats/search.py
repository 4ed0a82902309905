"""Full-text search over messages: for a command, and page by page for the console.

What belongs here: statements that find messages by their words. What does not: finding customers and orders
(store/contacts/directory.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString, NamedTuple, TypeAlias

from psycopg.rows import class_row

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.message_order import MESSAGE_KEY, NEWEST_FIRST


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


SearchSort: TypeAlias = Literal["rank", "date"]


@dataclass(frozen=True, slots=True)
class MessageSearch:
    """What a page of hits is about. `words` as in SearchQuery; '' only with a customer or an order.

    `since` is inclusive, `until` exclusive, both local. `attachment` is a kind such as `image`. `after` is
    the last hit of the page before.
    """

    words: str
    sort: SearchSort = "rank"
    contact: int | None = None
    order: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    side: str | None = None
    attachment: str | None = None
    after: tuple[float, str, int] | None = None
    limit: int = 20

    @property
    def is_scoped(self) -> bool:
        """Whether only one customer's or one order's messages are searched."""
        return self.contact is not None or self.order is not None


class PageHit(NamedTuple):
    """A message that was found; `snippet` has what was found between MARK_START and MARK_END."""

    source: str
    message_id: int
    id_contato: int | None
    chat: int
    id_ordem_servico: int | None
    at: datetime
    side: str | None
    type: str
    score: float
    snippet: str
    nome: str | None


# Of the private use area: no message is expected to hold them, and a page shows them as nothing.
MARK_START, MARK_END = "\ue000", "\ue001"
_COLUMNS: LiteralString = (
    "source, message_id, id_contato, coalesce(id_chat_file, conversation_id) AS chat, id_ordem_servico, "
    "at, file, ordinal, side, type, text, search"
)


def estimated_hits(conn: Connection, words: str) -> int:
    """Return about how many messages hold the words, from the server's statistics; it reads no message."""
    row = conn.execute(
        "EXPLAIN (FORMAT JSON) SELECT FROM messages_all WHERE search @@ search_query(%s)", (words,)
    ).fetchone()
    return int(row[0][0]["Plan"]["Plan Rows"]) if row else 0


def find_messages(conn: Connection, search: MessageSearch) -> list[PageHit]:
    """Return one page of hits, best or newest first; one more than `limit` where there is a next page."""
    conditions, values = _conditions(search)
    mine: LiteralString = f"SELECT {_COLUMNS} FROM messages_all WHERE {' AND '.join(conditions)}"
    if search.is_scoped:
        # The scope's messages are read first and searched after: an index over everybody's words would be the
        # longer way. OFFSET 0 keeps the planner from it.
        mine += " OFFSET 0"
    has_words = bool(search.words)
    score: LiteralString = "ts_rank(search, query)::float8" if has_words else "0::float8"
    # The words are written into the condition and not joined, so that the index over words can be used.
    matches: LiteralString = "search @@ search_query(%(words)s) AND text IS NOT NULL" if has_words else "true"
    by_rank = search.sort == "rank" and has_words
    order: LiteralString = f"score DESC, {NEWEST_FIRST}" if by_rank else NEWEST_FIRST
    statement = queries.load("chats/search_page")
    for name, part in {
        "query": "search_query(%(words)s)" if has_words else "NULL::tsquery",
        "score": score, "mine": mine, "matches": matches, "order": order,
        "after": _after(search, by_rank=by_rank),
    }.items():  # fmt: skip
        statement = statement.replace(f"{{{name}}}", part)
    with conn.cursor(row_factory=class_row(PageHit)) as cursor:
        return cursor.execute(statement.encode(), values).fetchall()


def _conditions(search: MessageSearch) -> tuple[list[LiteralString], dict[str, Any]]:
    """Return the conditions of the filters that are given, and the values of the whole statement."""
    given: list[tuple[object, LiteralString]] = [
        (search.contact, "id_contato = %(contact)s"),
        (search.order, "id_ordem_servico = %(order)s"),
        (search.since, "at >= %(since)s"),
        (search.until, "at < %(until)s"),
        (search.side, "side = %(side)s"),
        (
            search.attachment,
            """(source = 'webhook' AND type = %(attachment)s OR source = 'chat' AND EXISTS (
                SELECT FROM chat_messages a WHERE a.id = message_id
                   AND a.attachment_kind = %(attachment)s))""",
        ),
    ]
    values: dict[str, Any] = {
        "words": search.words, "contact": search.contact, "order": search.order, "since": search.since,
        "until": search.until, "side": search.side, "attachment": search.attachment,
        "limit": search.limit + 1,
        "marks": f'StartSel="{MARK_START}", StopSel="{MARK_END}", MaxWords=30, MinWords=10',
    }  # fmt: skip
    if search.after is not None:
        score, source, message_id = search.after
        values |= {"after_score": score, "after_source": source, "after_id": message_id}
    return [condition for value, condition in given if value is not None] or ["true"], values


def _after(search: MessageSearch, *, by_rank: bool) -> LiteralString:
    """Return the condition that a hit comes after the last one of the page before."""
    if search.after is None:
        return "true"
    last: LiteralString = f"""(SELECT {MESSAGE_KEY[1:-1]} FROM messages_all
        WHERE source = %(after_source)s AND message_id = %(after_id)s)"""
    if not by_rank:
        return f"{MESSAGE_KEY} < {last}"
    return f"(score < %(after_score)s OR score = %(after_score)s AND {MESSAGE_KEY} < {last})"
