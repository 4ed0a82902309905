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
from whatsapp_pipeline.store.chats.search_words import UNKNOWN_WORDS
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.message_order import MESSAGE_KEY, NEWEST_FIRST

COMPARED: LiteralString = "plain_text(left({text}, 5000))"
"""The form of a text that is compared with the words of a search.

Only the beginning of a long text is compared.
"""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A search: words as typed into a search box (`"a phrase"`, `or`, `-not`), and filters.

    `since` is inclusive, `until` exclusive, and both are local times. `direction` is `from` (the customer),
    `to` or None (both).
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
    """One message that was found. In `snippet` the matching words are between the marks of the query."""

    source: str
    message_id: int
    id_contato: int | None
    chat_id: int
    sent_at: datetime
    side: str | None
    rank: float
    snippet: str


def search_messages(conn: Connection, query: SearchQuery) -> list[SearchHit]:
    """Return up to `query.limit` messages, the most relevant first.

    Among equally relevant messages, the newest are first.
    """
    with conn.cursor(row_factory=class_row(SearchHit)) as cursor:
        return cursor.execute(
            """
            SELECT * FROM search_messages(
                %(words)s, %(contact)s::bigint, %(service_order)s::bigint, %(since)s::timestamp,
                %(until)s::timestamp, %(direction)s::text, %(max_results)s::integer,
                %(mark_start)s, %(mark_end)s)
            """,
            {
                "words": query.words,
                "contact": query.contact,
                "service_order": query.order,
                "since": query.since,
                "until": query.until,
                "direction": query.direction,
                "max_results": query.limit,
                "mark_start": query.mark_start,
                "mark_end": query.mark_end,
            },
        ).fetchall()


SearchSort: TypeAlias = Literal["rank", "date"]


@dataclass(frozen=True, slots=True)
class MessageSearch:
    """The words and filters of a page of hits.

    `words` are as in SearchQuery. They may be '' only with a customer or an order. `since` is inclusive,
    `until` exclusive, and both are local times. `attachment` is a kind such as `image`. `after` is (score,
    source, message id) of the last hit of the previous page.
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
        """Return whether the search is limited to one customer or one order."""
        return self.contact is not None or self.order is not None


class PageHit(NamedTuple):
    """A message that matches. In `snippet` the matching words are between MARK_START and MARK_END."""

    source: str
    message_id: int
    id_contato: int | None
    chat: int
    at: datetime
    side: str | None
    type: str
    score: float
    snippet: str
    nome: str | None


# Characters of Unicode's private use area. No message is expected to contain them, and a page that does not
# replace them shows nothing for them.
MARK_START, MARK_END = "\ue000", "\ue001"
_COLUMNS: LiteralString = (
    "source, message_id, id_contato, coalesce(id_chat_file, conversation_id) AS chat, at, file, ordinal, "
    "side, type, text, search"
)


class ParsedWords(NamedTuple):
    """A full-text query for the words, and a pattern (`recheck`) that each hit must match, too."""

    query: str
    recheck: str | None
    unknown: list[str]
    """The typed words that no message contains. Similar words are searched instead."""
    estimate: int | None
    """Estimated number of messages with the words, from the server's statistics.

    None if the caller did not ask.
    """


def parse_words(conn: Connection, words: str, *, estimate: bool = False) -> ParsedWords:
    """Parse words for `find_messages`. With `estimate`, also estimate how many messages contain them."""
    row = conn.execute(
        f"""
        SELECT q.query::text, search_recheck(%(w)s), ARRAY({UNKNOWN_WORDS}),
               CASE WHEN %(estimate)s THEN search_estimate(q.query) END
          FROM (SELECT search_query(%(w)s) AS query OFFSET 0) q
        """,
        {"w": words, "estimate": estimate},
    ).fetchone()
    return ParsedWords(*row) if row else ParsedWords("", None, [], None)


def find_messages(
    conn: Connection, search: MessageSearch, parsed: ParsedWords | None = None
) -> list[PageHit]:
    """Return one page of hits, best or newest first.

    If there is a next page, the result has one hit more than `limit`. `parsed` is the result of
    `parse_words`, if the caller already has it.
    """
    parsed = parsed or parse_words(conn, search.words)
    has_words = bool(search.words)
    by_rank = search.sort == "rank" and has_words
    values = _values(search, parsed)
    if search.is_scoped:
        found = _found_in_scope(search, by_rank)
    else:
        found = _filled("chats/search_located", columns=_COLUMNS)
        values |= _found_everywhere(conn, search, parsed, by_rank)
    statement = _filled(
        "chats/search_page",
        query="%(query)s::tsquery" if has_words else "NULL::tsquery",
        found=found,
        order=f"score DESC, {NEWEST_FIRST}" if by_rank else NEWEST_FIRST,
        after=_after(search, by_rank=by_rank),
    )
    with conn.cursor(row_factory=class_row(PageHit)) as cursor:
        return cursor.execute(statement.encode(), values).fetchall()


def _filled(name: str, **parts: str) -> str:
    """Return a statement of sql/queries with its parts filled in. No part may be a text of a user."""
    statement: str = queries.load(name)
    for part, text in parts.items():
        statement = statement.replace(f"{{{part}}}", text)
    return statement


def _found_in_scope(search: MessageSearch, by_rank: bool) -> str:
    attachment = """(source = 'webhook' AND type = %(attachment)s OR source = 'chat' AND EXISTS (
        SELECT FROM chat_messages a WHERE a.id = message_id AND a.attachment_kind = %(attachment)s))"""
    conditions = [
        condition
        for value, condition in (
            (search.contact, "id_contato = %(contact)s"),
            (search.order, "id_ordem_servico = %(order)s"),
        )
        if value is not None
    ] + _filters(search, at="at", side="side", attachment=attachment)
    return _filled(
        "chats/search_in_scope",
        columns=_COLUMNS,
        conditions=" AND ".join(conditions),
        score="ts_rank(m.search, wanted.query)::float8" if by_rank else "0::float8",
        matches=f"""m.search @@ wanted.query AND m.text IS NOT NULL
            AND (%(recheck)s::text IS NULL OR {COMPARED.format(text="m.text")} ~ %(recheck)s)"""
        if search.words
        else "true",
    )


# The text that is compared with the words, by source.
_TEXTS: dict[str, str] = {
    "chats": "SELECT m.message_text AS text FROM chat_messages m WHERE m.id = found.message_id",
    "live": "SELECT w.text FROM conversation_messages w WHERE w.id = found.message_id",
}
_TIED = "UNION ALL SELECT source, message_id, score FROM ({} UNION ALL {}) tied"
# Most messages with the words match the pattern. For a plain comparison, the planner would expect that one in
# 200 matches. It would then read all messages with a common word instead of the newest ones. For a CASE, it
# expects that one in two is true.
_FITS = f"CASE WHEN {COMPARED} ~ %(recheck)s THEN true ELSE false END"


def _found_everywhere(
    conn: Connection, search: MessageSearch, parsed: ParsedWords, by_rank: bool
) -> dict[str, Any]:
    """Find messages of all customers. Return their sources, ids and scores for search_located.sql."""
    order = "score DESC, at DESC" if by_rank else "at DESC"
    last = "(SELECT at FROM messages_all WHERE source = %(after_source)s AND message_id = %(after_id)s)"
    beyond, tied = "true", ""
    if search.after is not None and by_rank:
        beyond = f"(score < %(after_score)s OR score = %(after_score)s AND at < {last})"
        tied = f"score = %(after_score)s AND at = {last}"
    elif search.after is not None:
        beyond, tied = f"at < {last}", f"at = {last}"

    def matching(source: str, condition: str, order: str) -> str:
        """Return the statement that finds the messages of a source that meet a condition, in an order.

        Comparing a text with the pattern takes longer than ranking it. So hits are ranked first, and then
        compared in that order until a page is full. If the order is by time, the server may use the index
        over times instead.
        """
        compares_last = by_rank and parsed.recheck is not None
        text = "m.message_text" if source == "chats" else "w.text"
        statement = _filled(
            f"chats/search_matching_{source}",
            score=f"ts_rank({text[0]}.search, (SELECT query FROM wanted))::float8"
            if by_rank
            else "0::float8",
            conditions=" AND ".join(_filters_of(source, search) or ["true"]),
            recheck="true" if compares_last or parsed.recheck is None else _FITS.replace("{text}", text),
        )
        statement = f"SELECT * FROM ({statement}) matching WHERE {condition}"
        if not compares_last:
            return statement
        fits = _FITS.replace("{text}", f"({_TEXTS[source]})")
        return f"SELECT * FROM ({statement} {order} OFFSET 0) found WHERE {fits}"

    statement = _filled(
        "chats/search_everywhere",
        chats=matching("chats", beyond, f"ORDER BY {order}"),
        live=matching("live", beyond, f"ORDER BY {order}"),
        tied=""
        if search.after is None
        else _TIED.format(matching("chats", tied, ""), matching("live", tied, "")),
        order=order,
    )
    # The statement is not prepared, because one plan would be used for all words and periods. Only with the
    # actual words does the server know whether the index over words or the index over times is faster.
    found = conn.execute(statement.encode(), _values(search, parsed), prepare=False).fetchall()
    return {
        "sources": [source for source, _, _ in found],
        "ids": [number for _, number, _ in found],
        "scores": [score for _, _, score in found],
    }


def _filters_of(source: str, search: MessageSearch) -> list[str]:
    """Return the conditions of the filters on the messages of a source."""
    if source == "chats":
        attachment = "m.attachment_kind = %(attachment)s"
        return _filters(search, at="m.message_timestamp", side="m.direction", attachment=attachment)
    return _filters(search, at="w.local_time", side="w.direction", attachment="w.type = %(attachment)s")


def _filters(search: MessageSearch, *, at: str, side: str, attachment: str) -> list[str]:
    """Return the conditions of the given filters, over the given columns."""
    given = (
        (search.since, f"{at} >= %(since)s"),
        (search.until, f"{at} < %(until)s"),
        (search.side, f"{side} = %(side)s"),
        (search.attachment, attachment),
    )
    return [condition for value, condition in given if value is not None]


def _values(search: MessageSearch, parsed: ParsedWords) -> dict[str, Any]:
    values: dict[str, Any] = {
        "query": parsed.query,
        "recheck": parsed.recheck,
        "contact": search.contact,
        "order": search.order,
        "since": search.since,
        "until": search.until,
        "side": search.side,
        "attachment": search.attachment,
        "limit": search.limit + 1,
        "marks": f'StartSel="{MARK_START}", StopSel="{MARK_END}", MaxWords=30, MinWords=10',
    }
    if search.after is not None:
        score, source, message_id = search.after
        values |= {"after_score": score, "after_source": source, "after_id": message_id}
    return values


def _after(search: MessageSearch, *, by_rank: bool) -> LiteralString:
    """Return the condition that a hit comes after the last hit of the previous page."""
    if search.after is None:
        return "true"
    last: LiteralString = f"""(SELECT {MESSAGE_KEY[1:-1]} FROM messages_all
        WHERE source = %(after_source)s AND message_id = %(after_id)s)"""
    if not by_rank:
        return f"{MESSAGE_KEY} < {last}"
    return f"(score < %(after_score)s OR score = %(after_score)s AND {MESSAGE_KEY} < {last})"
