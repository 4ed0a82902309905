"""Reading pages of messages around any place in a conversation.

What belongs here: finding the place of a message, and reading the messages before and after it. What does
not: rights, and search (store/chats/search.py).

A *scope* selects messages: those of a customer, of an order, of one chat or of one live conversation. A
*place* is a message's sort key (store/message_order.py). A page begins at a place, not at an offset. So every
page takes the same time, and its content does not change when messages are added before it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString, NamedTuple, TypeAlias

from psycopg.rows import class_row

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.chats.search import COMPARED
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.message_order import MESSAGE_KEY, MESSAGE_ORDER, NEWEST_FIRST

ScopeKind: TypeAlias = Literal["customer", "order", "chat", "webhook"]
_SCOPES: dict[ScopeKind, LiteralString] = {
    "customer": "id_contato = %(scope)s",
    "order": "id_ordem_servico = %(scope)s",
    "chat": "source = 'chat' AND id_chat_file = %(scope)s",
    "webhook": "source = 'webhook' AND conversation_id = %(scope)s",
}


@dataclass(frozen=True, slots=True)
class StreamScope:
    """A selection of messages. `id` is the id of the customer, order, chat or live conversation."""

    kind: ScopeKind
    id: int


class Place(NamedTuple):
    """A place in the order of messages: a message's sort key, or the first place at a given time.

    `file` is None for a live message, which comes after the messages of files at the same time. The file ""
    comes before all files, so `Place(at)` is the first place at that time.
    """

    at: datetime
    file: str | None = ""
    ordinal: int = 0


END = Place(datetime(9999, 12, 31), None, sys.maxsize)
"""The place after every message."""


class LocatedMessage(NamedTuple):
    """A message's place, and the ids of its customer, chat and conversation."""

    source: str
    message_id: int
    id_contato: int | None
    id_chat_file: int | None
    conversation_id: int | None
    at: datetime
    file: str | None
    ordinal: int

    @property
    def place(self) -> Place:
        """The message's place."""
        return Place(self.at, self.file, self.ordinal)


_LOCATION_COLUMNS: LiteralString = (
    "source, message_id, id_contato, id_chat_file, conversation_id, at, file, ordinal"
)
_LOCATION_QUERIES: dict[str, LiteralString] = {
    # If the message is a duplicate, return its original, which is in an earlier export of the same chat.
    "chat": f"""SELECT {_LOCATION_COLUMNS} FROM messages_all WHERE source = 'chat'
        AND message_id = (SELECT coalesce(duplicate_of, id) FROM chat_messages WHERE id = %(id)s)""",
    # If an export now contains a live message, the place of the message in that export is returned.
    "webhook": f"""
        SELECT {_LOCATION_COLUMNS} FROM messages_all WHERE source = 'webhook' AND message_id = %(id)s
        UNION ALL
        SELECT {_LOCATION_COLUMNS} FROM messages_all WHERE source = 'chat' AND message_id = (
            SELECT coalesce(a.duplicate_of, a.id) FROM conversation_contact_messages w
              JOIN conversation_identities i ON i.conversation_id = w.conversation_id
              JOIN chat_files f ON f.phone_key = i.phone_key
              JOIN chat_messages a ON a.id_chat_file = f.id
             WHERE w.message_id = %(id)s AND a.message_timestamp::date = w.local_time::date
               AND is_same_message(w.role, w.first_type, w.words, w.first_words, w.is_revoked, w.local_time,
                                   a.direction, a.type, a.message_text, a.attachment_kind,
                                   a.message_timestamp)
             ORDER BY a.duplicate_of IS NOT NULL, f.duplicate_of IS NOT NULL, a.id LIMIT 1)""",
}


def locate_message(conn: Connection, source: str, message_id: int) -> LocatedMessage | None:
    """Return the place and the ids of a message, or None if `messages_all` does not have the message."""
    with conn.cursor(row_factory=class_row(LocatedMessage)) as cursor:
        return cursor.execute(_LOCATION_QUERIES[source], {"id": message_id}).fetchone()


class StreamMessage(NamedTuple):
    """A message with all fields that a page shows."""

    is_before: bool
    source: str
    message_id: int
    at: datetime
    side: str | None
    origin: str
    type: str
    text: str | None
    id_contato: int | None
    id_chat_session: int | None
    id_ordem_servico: int | None
    chat: int
    sender: str | None
    attachment_kind: str | None
    attachment_name: str | None
    attachment_size: int | None
    attachment_paths: list[str] | None
    """The files of the archive that contain the message. The attachment is beside or inside one of them."""
    quote: str | None
    quote_source: str | None
    quote_id: int | None
    status: str | None
    status_reason: str | None
    """The reason of a failure, in the provider's words."""
    edited_at: datetime | None
    first_text: str | None
    file: str | None
    ordinal: int

    @property
    def ref(self) -> str:
        """The message's reference in URLs and commands: `chat:12` or `webhook:7`."""
        return f"{self.source}:{self.message_id}"


_PAGE_COLUMNS: LiteralString = (
    "source, message_id, at, file, ordinal, side, origin, type, text, id_contato, id_chat_session, "
    "id_ordem_servico, id_chat_file, conversation_id"
)
_DETAIL_QUERY: LiteralString = queries.load("conversations/stream_detail")


# U+10FFFF stands for the missing file of a live message, as in MESSAGE_KEY.
_PLACE_KEY: LiteralString = (
    "(%(at)s::timestamp, coalesce(%(file)s::text, E'\\U0010FFFF' COLLATE \"C\"), %(ordinal)s::bigint)"
)


def messages_around(
    conn: Connection, scope: StreamScope, place: Place, *, before: int, after: int, exclusive: bool = False
) -> list[StreamMessage]:
    """Return up to `before` messages before a place, and up to `after` messages from the place on, in order.

    With `exclusive` the message at the place itself is left out. The comparisons of `at` alone follow from
    those of the keys. They are there because an index can serve them.
    """
    at_place: LiteralString = ">" if exclusive else ">="
    statement: LiteralString = f"""
        WITH picked AS (
            (SELECT true AS is_before, {_PAGE_COLUMNS} FROM messages_all
              WHERE {_SCOPES[scope.kind]} AND at <= %(at)s
                AND {MESSAGE_KEY} < {_PLACE_KEY}
              ORDER BY {NEWEST_FIRST} LIMIT %(before)s)
            UNION ALL
            (SELECT false, {_PAGE_COLUMNS} FROM messages_all
              WHERE {_SCOPES[scope.kind]} AND at >= %(at)s AND {MESSAGE_KEY} {at_place}
                    {_PLACE_KEY}
              ORDER BY {MESSAGE_ORDER} LIMIT %(after)s)
        )
        {_DETAIL_QUERY}
    """
    values = {
        "scope": scope.id,
        "at": place.at,
        "file": place.file,
        "ordinal": place.ordinal,
        "before": before,
        "after": after,
    }
    with conn.cursor(row_factory=class_row(StreamMessage)) as cursor:
        return cursor.execute(statement, values).fetchall()


def messages_between(
    conn: Connection, scope: StreamScope, since: datetime | None, until: datetime | None, *, limit: int
) -> list[StreamMessage]:
    """Return up to `limit` messages of a period, oldest first, for printing and for export."""
    statement: LiteralString = f"""
        WITH picked AS (
            SELECT false AS is_before, {_PAGE_COLUMNS} FROM messages_all
             WHERE {_SCOPES[scope.kind]} AND at >= coalesce(%(since)s, '-infinity'::timestamp)
               AND at < coalesce(%(until)s, 'infinity'::timestamp)
             ORDER BY {MESSAGE_ORDER} LIMIT %(limit)s
        )
        {_DETAIL_QUERY}
    """
    values = {"scope": scope.id, "since": since, "until": until, "limit": limit}
    with conn.cursor(row_factory=class_row(StreamMessage)) as cursor:
        return cursor.execute(statement, values).fetchall()


class NamedAttachment(NamedTuple):
    """The file name of an attachment, and the chat files of its message.

    The attachment is in the folder or in the zip of one of these files.
    """

    name: str
    paths: list[str]
    id_contato: int | None
    id_chat_file: int


def attachment_of(conn: Connection, message_id: int) -> NamedAttachment | None:
    """Return the attachment of a message of the archive, or None if the message names none."""
    with conn.cursor(row_factory=class_row(NamedAttachment)) as cursor:
        return cursor.execute(
            """
            SELECT a.attachment_name AS name,
                   ARRAY(SELECT g.file_path FROM chat_messages b JOIN chat_files g ON g.id = b.id_chat_file
                          WHERE b.id = a.id OR b.duplicate_of = a.id ORDER BY g.file_path) AS paths,
                   m.id_contato, m.id_chat_file
              FROM messages_all m JOIN chat_messages a ON a.id = m.message_id
             WHERE m.source = 'chat' AND m.message_id = %s AND a.attachment_name IS NOT NULL
               AND a.type <> 'deleted'
            """,
            (message_id,),
        ).fetchone()


class WordHit(NamedTuple):
    """A message that contains the searched words, with the parts of its place."""

    source: str
    message_id: int
    at: datetime
    file: str | None
    ordinal: int

    @property
    def place(self) -> Place:
        """The message's place."""
        return Place(self.at, self.file, self.ordinal)


def word_hits(conn: Connection, scope: StreamScope, words: str, *, limit: int) -> list[WordHit]:
    """Return the newest `limit` messages of a scope that contain the words, oldest first.

    The query first reads the messages of the scope and then searches them, because the index over the words
    of all customers would be slower. OFFSET 0 prevents the planner from using that index. The subqueries
    parse the words once instead of once per message. A message with only a different word of the same stem
    ("Célia" for "cel") is not a hit, as in store/chats/search.py.
    """
    statement: LiteralString = f"""
        SELECT source, message_id, at, file, ordinal FROM (
            SELECT source, message_id, at, file, ordinal FROM (
                SELECT source, message_id, at, file, ordinal, search, text FROM messages_all
                 WHERE {_SCOPES[scope.kind]} OFFSET 0
            ) mine
            WHERE search @@ (SELECT search_query(%(words)s)) AND text IS NOT NULL
              AND coalesce({COMPARED.format(text="text")} ~ (SELECT search_recheck(%(words)s)), true)
            ORDER BY {NEWEST_FIRST} LIMIT %(limit)s
        ) newest ORDER BY {MESSAGE_ORDER}
    """
    with conn.cursor(row_factory=class_row(WordHit)) as cursor:
        return cursor.execute(statement, {"scope": scope.id, "words": words, "limit": limit}).fetchall()
