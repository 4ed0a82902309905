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
"""The form of a text that is compared with the words of a search; a longer text only by its beginning."""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A search: words as typed into a search box (`"a phrase"`, `or`, `-not`), and where.

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


def search_messages(conn: Connection, query: SearchQuery) -> list[SearchHit]:
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
    """The subject of a page of hits. `words` as in SearchQuery; '' only with a customer or an order.

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
        """Return whether the search is limited to one customer or one order."""
        return self.contact is not None or self.order is not None


class PageHit(NamedTuple):
    """A message that matches; in `snippet` the matches are between MARK_START and MARK_END."""

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


# Of the private use area: no message is expected to hold them, and a page shows them as nothing.
MARK_START, MARK_END = "\ue000", "\ue001"
_COLUMNS: LiteralString = (
    "source, message_id, id_contato, coalesce(id_chat_file, conversation_id) AS chat, at, file, ordinal, "
    "side, type, text, search"
)


class ParsedWords(NamedTuple):
    """The query that words mean, and the pattern that a hit must match besides."""

    query: str
    recheck: str | None
    unknown: list[str]
    """The words that no message holds as they are typed; others are found for them."""
    estimate: int | None
    """About how many messages hold the words, from the server's statistics, if the caller asked."""


def parse_words(conn: Connection, words: str, *, estimate: bool = False) -> ParsedWords:
    """Return what words mean, for `find_messages`; with `estimate` also how many messages hold them."""
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
    """Return one page of hits, best or newest first; one more than `limit` where there is a next page.

    `parsed` is what the search's words mean, where the caller has asked already.
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
    """Return a query with its parts put in; none of them is text of a user."""
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


# The text that a hit's words are compared with, by source.
_TEXTS: dict[str, str] = {
    "chats": "SELECT m.message_text AS text FROM chat_messages m WHERE m.id = found.message_id",
    "live": "SELECT w.text FROM conversation_messages w WHERE w.id = found.message_id",
}
_TIED = "UNION ALL SELECT source, message_id, score FROM ({} UNION ALL {}) tied"
# Most messages with the words fit. The planner expects one in 200 to fit a pattern, and would read all with a
# common word instead of the newest. It expects one CASE in two to be true.
_FITS = f"CASE WHEN {COMPARED} ~ %(recheck)s THEN true ELSE false END"


def _found_everywhere(
    conn: Connection, search: MessageSearch, parsed: ParsedWords, by_rank: bool
) -> dict[str, Any]:
    """Find messages of all customers; return their sources, ids and scores for search_located.sql."""
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

        Comparing a text with the pattern takes longer than ranking it. So hits are ranked first, and compared
        in that order until a page is full. By time, the server may follow the index over times instead.
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
    # A prepared statement could be planned once for all words and periods; only with the word itself does the
    # server know whether the index over words or the one over times is the shorter way.
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
    """Return the conditions of the filters that are given, over the columns that are named."""
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
    """Return the condition that a hit comes after the last one of the page before."""
    if search.after is None:
        return "true"
    last: LiteralString = f"""(SELECT {MESSAGE_KEY[1:-1]} FROM messages_all
        WHERE source = %(after_source)s AND message_id = %(after_id)s)"""
    if not by_rank:
        return f"{MESSAGE_KEY} < {last}"
    return f"(score < %(after_score)s OR score = %(after_score)s AND {MESSAGE_KEY} < {last})"
