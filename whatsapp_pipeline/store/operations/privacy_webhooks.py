"""Exporting and erasing one contact in the webhook's tables: conversations, inbox, dead letters, leads.

What belongs here: the database's part. What does not: files (webhook/privacy), which call this.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg.rows import dict_row

from whatsapp_pipeline.domain.message_text import message_text
from whatsapp_pipeline.domain.redaction import without_person
from whatsapp_pipeline.domain.webhook_json import UnreadableBodyError, dumps, loads
from whatsapp_pipeline.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Person:
    """Whom an export or an erasure is about: conversations and every canonical identity."""

    conversation_ids: tuple[int, ...]
    canonicals: frozenset[str]


@dataclass(frozen=True, slots=True)
class Erased:
    """How much was erased."""

    conversations: int
    messages: int
    deliveries: int
    leads: int


def person_of_contact(conn: Connection, id_contato: int) -> Person:
    """Find the conversations of a contact: those linked to it, and those with one of its numbers.

    A number shared with another contact, whose conversation links to neither, counts as this one's.
    """
    rows = conn.execute(
        """
        SELECT DISTINCT c.id
          FROM conversations c LEFT JOIN conversation_identities i ON i.conversation_id = c.id
         WHERE NOT c.is_group
           AND (c.id_contato = %(contact)s
                OR (c.id_contato IS NULL
                    AND i.phone_key IN (SELECT key FROM contact_phones WHERE id_contato = %(contact)s)))
        """,
        {"contact": id_contato},
    ).fetchall()
    ids = tuple(sorted(row[0] for row in rows))
    # A contact whose messages are all dead or parked has no conversation yet: its numbers name it too.
    names = conn.execute(
        "SELECT canonical FROM conversation_identities WHERE conversation_id = ANY(%s)"
        " UNION SELECT 'wa:' || CASE WHEN key LIKE '+%%' THEN substr(key, 2) ELSE '55' || key END"
        " FROM contact_phones WHERE id_contato = %s AND key ~ '^[+0-9]'",
        (list(ids), id_contato),
    ).fetchall()
    return Person(ids, frozenset(name for (name,) in names))


def export_person(conn: Connection, person: Person) -> dict[str, list[dict[str, Any]]]:
    """Return every row about the person, by table; times as text, raw JSON as it is stored."""
    by_conversation: dict[str, Any] = {"ids": list(person.conversation_ids)}
    by_name: dict[str, Any] = {"names": sorted(person.canonicals)}
    with conn.cursor(row_factory=dict_row) as cursor:

        def rows(statement: LiteralString, parameters: dict[str, Any]) -> list[dict[str, Any]]:
            return cursor.execute(statement, parameters).fetchall()

        return {
            "conversations": rows(
                "SELECT id, channel, external_id, phone_number_id, profile_name, id_contato,"
                " created_at::text FROM conversations WHERE id = ANY(%(ids)s) ORDER BY id",
                by_conversation,
            ),
            "conversation_messages": rows(
                "SELECT id, conversation_id, role, type, text, sent_at::text, status,"
                " raw_json::text AS raw_json FROM conversation_messages"
                " WHERE conversation_id = ANY(%(ids)s) ORDER BY conversation_id, sent_at, id",
                by_conversation,
            ),
            "message_statuses": rows(
                "SELECT provider_id, status, status_time::text FROM message_statuses"
                " WHERE recipient = ANY(%(names)s) ORDER BY 1, 3",
                by_name,
            ),
            "leads": rows(
                "SELECT wa_id, profile_name, created_at::text FROM leads"
                " WHERE canonical = ANY(%(names)s) ORDER BY id",
                by_name,
            ),
            "webhook_inbox": _unprocessed(conn, person.canonicals),
        }


def _unprocessed(conn: Connection, canonicals: frozenset[str]) -> list[dict[str, Any]]:
    """Return the person's items of deliveries that are not in the other tables: pending, parked, dead."""
    rows = conn.execute(
        "SELECT id, status, body FROM webhook_inbox WHERE status <> 'done' AND body IS NOT NULL ORDER BY id"
    ).fetchall()
    found: list[dict[str, Any]] = []
    for inbox_id, status, body in rows:
        try:
            items = without_person(loads(bytes(body)), canonicals)[1]
        except UnreadableBodyError:
            items = []
        found += [{"inbox_id": inbox_id, "status": status, "raw_json": dumps(item)} for item in items]
    return found


def erase_person(conn: Connection, person: Person) -> Erased:
    """Erase the person from every webhook table; wrap it in a transaction.

    Other people's items of the same deliveries stay. Leads, which nothing else ever deletes, go too: the
    law asks for it.
    """
    ids, names = list(person.conversation_ids), sorted(person.canonicals)
    deliveries = _rewrite_bodies(conn, person.canonicals) + _erase_events(conn, person.canonicals)
    conn.execute(
        """
        DELETE FROM message_statuses s
         WHERE s.recipient = ANY(%(names)s) OR s.participant = ANY(%(names)s)
            OR (s.phone_number_id, s.provider_id) IN (
               SELECT phone_number_id, provider_id FROM conversation_messages
                WHERE conversation_id = ANY(%(ids)s))
        """,
        {"names": names, "ids": ids},
    )
    # What they wrote in groups, too.
    messages = conn.execute(
        "DELETE FROM conversation_messages WHERE conversation_id = ANY(%s) OR sender_canonical = ANY(%s)",
        (ids, names),
    ).rowcount
    _erase_cards(conn, person.canonicals)
    leads = conn.execute("DELETE FROM leads WHERE canonical = ANY(%s)", (names,)).rowcount
    conversations = conn.execute("DELETE FROM conversations WHERE id = ANY(%s)", (ids,)).rowcount
    return Erased(conversations, messages, deliveries, leads)


def _erase_cards(conn: Connection, canonicals: frozenset[str]) -> None:
    """Take the person's cards out of messages in which others shared them."""
    last = 0
    while rows := conn.execute(
        "SELECT id, convert_to(raw_json::text, 'UTF8') FROM conversation_messages"
        " WHERE type = 'contacts' AND raw_json IS NOT NULL AND id > %s ORDER BY id LIMIT 500",
        (last,),
    ).fetchall():
        for row_id, raw in rows:
            message, removed = without_person(loads(bytes(raw)), canonicals)
            if removed and isinstance(message, dict):
                conn.execute(
                    "UPDATE conversation_messages SET text = %s, raw_json = %s::json WHERE id = %s",
                    (message_text(message, "contacts"), dumps(message), row_id),
                )
        last = rows[-1][0]


def cleaned_body(body: bytes, canonicals: Collection[str]) -> bytes | None:
    """Return a body without the person, None when nothing in it names them.

    A body that can't be read but holds one of their names is emptied: nothing finer can be told apart.
    """
    try:
        payload = loads(body)
    except UnreadableBodyError:
        found = any(canonical.partition(":")[2].encode() in body for canonical in canonicals)
        return b"{}" if found else None
    rest, removed = without_person(payload, canonicals)
    return dumps(rest).encode() if removed else None


def _rewrite_bodies(conn: Connection, canonicals: frozenset[str]) -> int:
    """Take the person out of raw bodies, whatever state their deliveries are in."""
    return _rewrite(
        conn, canonicals,
        select="SELECT id, body FROM webhook_inbox WHERE body IS NOT NULL AND id > %s ORDER BY id LIMIT 500",
        change=lambda row_id, body: conn.execute(
            "UPDATE webhook_inbox SET body = %s, redacted_at = now() WHERE id = %s", (body, row_id)
        ),
    )  # fmt: skip


def _erase_events(conn: Connection, canonicals: frozenset[str]) -> int:
    return _rewrite(
        conn, canonicals,
        select="SELECT id, convert_to('[' || raw_json::text || ']', 'UTF8') FROM webhook_events"
        " WHERE id > %s ORDER BY id LIMIT 500",
        change=lambda row_id, _: conn.execute("DELETE FROM webhook_events WHERE id = %s", (row_id,)),
    )  # fmt: skip


def _rewrite(
    conn: Connection,
    canonicals: frozenset[str],
    *,
    select: LiteralString,
    change: Callable[[int, bytes], object],
) -> int:
    """Walk a table by id, a page at a time, and change the rows that name the person; return how many."""
    last, changed = 0, 0
    while rows := conn.execute(select, (last,)).fetchall():
        for row_id, body in rows:
            cleaned = cleaned_body(bytes(body), canonicals)
            if cleaned is not None:
                change(row_id, cleaned)
                changed += 1
        last = rows[-1][0]
    return changed
