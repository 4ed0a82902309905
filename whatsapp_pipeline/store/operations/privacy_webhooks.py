"""Exporting and erasing one person's data in the webhook tables.

These are conversations and their identities, messages, statuses, events, the inbox, and leads.

What belongs here: statements that find, export and erase a person's rows. What does not: files
(webhook/privacy.py), and finding identities in a delivery (domain/redaction.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, LiteralString

from psycopg.rows import dict_row

from whatsapp_pipeline.domain.conversations import DeliveredMessage, read_delivery
from whatsapp_pipeline.domain.redaction import NameTest, name_of_key, scrub_text, without_person
from whatsapp_pipeline.domain.webhook_json import UnreadableBodyError, dumps, loads
from whatsapp_pipeline.domain.webhook_message_types import message_text
from whatsapp_pipeline.store.connection import Connection

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Person:
    """The person of an export or erasure: their conversations, canonical identities and phone keys.

    `phone_keys` are the keys of phones that no other contact has.
    """

    conversation_ids: tuple[int, ...]
    canonicals: frozenset[str]
    phone_keys: tuple[str, ...] = ()

    def has_identity(self, identity: str) -> bool:
        """Return whether a canonical identity is this person's."""
        return identity in self.canonicals

    def like_patterns(self) -> list[str]:
        """Return LIKE patterns: each user id, and the last eight digits of each number.

        Compare them with `_MAY_NAME_PERSON`, which also finds other written forms of a number.
        """
        patterns = set()
        for identity in self.canonicals:
            kind, _, value = identity.partition(":")
            patterns.add(f"%{value}%" if kind == "id" else f"%{value[-8:]}%")
        return sorted(patterns)


@dataclass(frozen=True, slots=True)
class Erased:
    """The number of erased rows, by kind."""

    conversations: int
    messages: int
    deliveries: int
    leads: int


def person_of_contact(conn: Connection, id_contato: int) -> Person:
    """Find the conversations and canonical identities of a contact.

    They include the other numbers of the contact's conversations, so that a changed number is found. Another
    contact may have the same number. A conversation with such a number belongs to this contact if it is
    linked to this contact or to nobody. If a conversation with the number is linked to another contact, the
    number's identity does not belong to this contact.
    """
    rows = conn.execute(
        """
        SELECT key, EXISTS (SELECT FROM contact_phones o WHERE o.key = p.key AND o.id_contato <> p.id_contato)
        FROM contact_phones p WHERE id_contato = %s AND key IS NOT NULL GROUP BY key, id_contato
        """,
        (id_contato,),
    ).fetchall()
    own = {key for key, is_shared in rows if not is_shared}
    shared = {key for key, is_shared in rows if is_shared}
    return _PersonSearch(conn, id_contato, keys=own, shared_keys=shared).person()


def person_of_phone(conn: Connection, key: str) -> Person:
    """Find the conversations and canonical identities for a phone key.

    The phone must belong to no contact.
    """
    return _PersonSearch(conn, keys={key}).person()


def person_of_conversation(conn: Connection, conversation_id: int) -> Person:
    """Find the person of a conversation without a contact.

    Return all conversations and canonical identities of this person.
    """
    return _PersonSearch(conn, ids={conversation_id}).person()


@dataclass(slots=True)
class _PersonSearch:
    """The phone keys, canonical identities and conversation ids of one person that were found so far.

    `keys` are phones that no other contact has. `shared_keys` are phones that another contact has, too.
    """

    conn: Connection
    id_contato: int | None = None
    keys: set[str] = field(default_factory=set)
    shared_keys: set[str] = field(default_factory=set)
    ids: set[int] = field(default_factory=set)
    identities: set[str] = field(default_factory=set)

    def person(self) -> Person:
        """Search the tables and the inbox until neither has another identity of the person."""
        self._search_tables()
        while further := self._identities_in_inbox():
            self.identities |= further
            self._search_tables()
        # A Brazilian number is often written without its area code. `xx` stands for the area code.
        without_area = {f"wa:xx{key[2:]}" for key in self.keys if key.isdigit()}
        return Person(
            tuple(sorted(self.ids)), frozenset(self.identities | without_area), tuple(sorted(self.keys))
        )

    def _search_tables(self) -> None:
        """Add conversations with the known identities, and the identities of these conversations.

        Repeat this until a round adds nothing.
        """
        size = -1
        while size != (size := len(self.ids) + len(self.keys) + len(self.identities)):
            self.ids |= self._conversations()
            rows = self.conn.execute(
                """
                SELECT i.canonical, i.phone_key, EXISTS (
                           SELECT FROM contact_phones p
                            WHERE p.key = i.phone_key AND p.id_contato IS DISTINCT FROM %(contact)s::bigint)
                  FROM conversation_identities i WHERE i.conversation_id = ANY(%(ids)s)
                """,
                {"contact": self.id_contato, "ids": sorted(self.ids)},
            ).fetchall()
            self.keys |= {key for _, key, is_others in rows if key is not None and not is_others}
            phones = {key for key in self.keys | self.shared_keys if not key.startswith("lid:")}
            self.identities |= {name_of_key(key) for key in phones}
            self.identities |= {canonical for canonical, _, _ in rows}
            self.identities -= self._linked_to_others(self.identities)

    def _conversations(self) -> set[int]:
        """Return the conversations of the contact, and those of nobody with a known phone or identity."""
        rows = self.conn.execute(
            """
            SELECT DISTINCT c.id
              FROM conversations c LEFT JOIN conversation_identities i ON i.conversation_id = c.id
             WHERE NOT c.is_group
               AND (c.id = ANY(%(ids)s) OR c.id_contato = %(contact)s
                    OR (c.id_contato IS NULL
                        AND (i.phone_key = ANY(%(keys)s) OR i.canonical = ANY(%(identities)s))))
            """,
            {
                "contact": self.id_contato,
                "ids": sorted(self.ids),
                "keys": sorted(self.keys | self.shared_keys),
                "identities": sorted(self.identities),
            },
        ).fetchall()
        return {row[0] for row in rows}

    def _linked_to_others(self, identities: set[str]) -> set[str]:
        """Return the identities of conversations that are linked to another contact.

        Numbers that only this person has are not among them.
        """
        rows = self.conn.execute(
            """
            SELECT DISTINCT i.canonical
              FROM conversation_identities i JOIN conversations c ON c.id = i.conversation_id
             WHERE NOT c.is_group AND i.canonical = ANY(%s)
               AND c.id_contato IS NOT NULL AND c.id_contato IS DISTINCT FROM %s::bigint
            """,
            (sorted(identities), self.id_contato),
        ).fetchall()
        return {canonical for (canonical,) in rows} - {name_of_key(key) for key in self.keys}

    def _identities_in_inbox(self) -> set[str]:
        """Return further canonical identities of the person from deliveries that are not processed yet."""
        found: set[str] = set()
        for _, received_at, body in _bodies(self.conn, "status <> 'done'"):
            try:
                items = list(read_delivery(loads(body), received_at))
            except UnreadableBodyError:
                continue
            for item in items:
                if isinstance(item, DeliveredMessage) and item.identities[0].kind != "group":
                    identities = {identity.canonical for identity in item.identities}
                    if identities & self.identities:
                        found |= identities
        found -= self.identities
        return found - self._linked_to_others(found)


def _bodies(conn: Connection, condition: LiteralString) -> Iterable[tuple[int, Any, bytes]]:
    """Yield (id, time of receipt, body) of the inbox, read page by page."""
    last = 0
    while rows := conn.execute(
        f"SELECT id, received_at, body FROM webhook_inbox WHERE body IS NOT NULL AND id > %s AND {condition}"
        " ORDER BY id LIMIT %s",
        (last, _PAGE),
    ).fetchall():
        yield from ((row[0], row[1], bytes(row[2])) for row in rows)
        last = rows[-1][0]


def export_webhook_data(conn: Connection, person: Person) -> dict[str, list[dict[str, Any]]]:
    """Return every row about the person, by table. Times are text. Raw JSON is text as it is stored."""
    by_conversation: dict[str, Any] = {"ids": list(person.conversation_ids)}
    by_identity: dict[str, Any] = {"identities": sorted(person.canonicals)}
    with conn.cursor(row_factory=dict_row) as cursor:

        def rows(statement: LiteralString, parameters: dict[str, Any]) -> list[dict[str, Any]]:
            return cursor.execute(statement, parameters).fetchall()

        return {
            "conversations": rows(
                "SELECT id, channel, external_id, phone_number_id, profile_name, id_contato,"
                " created_at::text FROM conversations WHERE id = ANY(%(ids)s) ORDER BY id",
                by_conversation,
            ),
            "conversation_identities": rows(
                "SELECT conversation_id, value, canonical, kind FROM conversation_identities"
                " WHERE conversation_id = ANY(%(ids)s) ORDER BY 1, 2",
                by_conversation,
            ),
            "conversation_messages": rows(
                "SELECT id, conversation_id, role, type, text, sent_at::text, status,"
                " raw_json::text AS raw_json FROM conversation_messages"
                " WHERE conversation_id = ANY(%(ids)s) OR sender_canonical = ANY(%(identities)s)"
                " ORDER BY conversation_id, sent_at, id",
                by_conversation | by_identity,
            ),
            "message_statuses": rows(
                "SELECT provider_id, status, status_time::text FROM message_statuses"
                " WHERE recipient = ANY(%(identities)s) OR participant = ANY(%(identities)s) ORDER BY 1, 3",
                by_identity,
            ),
            "leads": rows(
                "SELECT wa_id, profile_name, created_at::text FROM leads"
                " WHERE canonical = ANY(%(identities)s) ORDER BY id",
                by_identity,
            ),
            "webhook_inbox": _raw_items(conn, person.has_identity),
            "webhook_events": _event_items(conn, person.has_identity),
        }


def _raw_items(conn: Connection, is_person: NameTest) -> list[dict[str, Any]]:
    """Return the person's items in raw deliveries of every status.

    An unreadable body that names the person is returned whole.
    """
    return [
        {"inbox_id": inbox_id, "received_at": f"{received_at}", "raw_json": dumps(item)}
        for inbox_id, received_at, body in _bodies(conn, "true")
        for item in items_about(body, is_person)
    ]


def items_about(body: bytes, is_person: NameTest) -> list[object]:
    """Return the items of a raw body that are about the person.

    If the body can't be read and names the person, its whole text is the only item.
    """
    try:
        return without_person(loads(body), is_person).removed
    except UnreadableBodyError:
        text = text_of_body(body)
        return [text] if scrub_text(text, is_person) != text else []


def text_of_body(body: bytes) -> str:
    """Decode a body that is not JSON.

    Zero bytes are removed, so that digits in UTF-16 can be read. Escapes such as `\\u0031` are decoded.
    """
    text = body.decode("utf-8", "replace").replace("\0", "")
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
    # Join surrogate pairs: JSON writes one emoji as two escapes.
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return re.sub(r"\\[bfnrt]", " ", text)


def _event_items(conn: Connection, is_person: NameTest) -> list[dict[str, Any]]:
    rows = conn.execute("SELECT id, kind, raw_json::text FROM webhook_events ORDER BY id")
    return [
        {"event_id": event_id, "kind": kind, "raw_json": dumps(item)}
        for event_id, kind, raw in rows
        for item in without_person([loads(raw.encode())], is_person).removed
    ]


def erase_webhook_data(conn: Connection, person: Person) -> Erased:
    """Erase the person from every webhook table. The caller opens a transaction.

    Other people's items of the same deliveries stay. The person's leads are deleted, because the law requires
    it. Only `keep_one_lead` also deletes leads, namely duplicates of one person.
    """
    deliveries = _rewrite_bodies(conn, person.has_identity) + _rewrite_events(conn, person.has_identity)
    ids, identities = list(person.conversation_ids), sorted(person.canonicals)
    conn.execute(
        """
        DELETE FROM message_statuses s
         WHERE s.recipient = ANY(%(identities)s) OR s.participant = ANY(%(identities)s)
            OR (s.phone_number_id, s.provider_id) IN (
               SELECT phone_number_id, provider_id FROM conversation_messages
                WHERE conversation_id = ANY(%(ids)s))
        """,
        {"identities": identities, "ids": ids},
    )
    # This includes the person's messages in groups.
    messages = conn.execute(
        "DELETE FROM conversation_messages WHERE conversation_id = ANY(%s) OR sender_canonical = ANY(%s)",
        (ids, identities),
    ).rowcount
    _pseudonymise_decisions(conn, identities)
    leads = conn.execute("DELETE FROM leads WHERE canonical = ANY(%s)", (identities,)).rowcount
    conversations = conn.execute("DELETE FROM conversations WHERE id = ANY(%s)", (ids,)).rowcount
    patterns = person.like_patterns()
    messages += _rewrite_messages(conn, person.has_identity, patterns)
    _delete_statuses(conn, person.has_identity, patterns)
    _rewrite_profile_names(conn, person.has_identity)
    return Erased(conversations, messages, deliveries, leads)


def _combined_erased_people(conn: Connection, is_erased: NameTest) -> Person:
    """Return one Person with the conversations and identities of everybody for whom `is_erased` is true."""
    rows = conn.execute(
        """
        SELECT i.canonical, i.conversation_id FROM conversation_identities i
          JOIN conversations c ON c.id = i.conversation_id AND NOT c.is_group
        UNION SELECT canonical, NULL FROM leads
        UNION SELECT sender_canonical, NULL FROM conversation_messages WHERE sender_canonical IS NOT NULL
        UNION SELECT recipient, NULL FROM message_statuses WHERE recipient IS NOT NULL
        UNION SELECT participant, NULL FROM message_statuses WHERE participant IS NOT NULL
        """
    ).fetchall()
    found = [(identity, conversation) for identity, conversation in rows if is_erased(identity)]
    ids = {conversation for _, conversation in found if conversation is not None}
    return Person(tuple(sorted(ids)), frozenset(identity for identity, _ in found))


def _pseudonymise_decisions(conn: Connection, identities: list[str]) -> None:
    """Remove the person from the decisions about their conversations.

    privacy.py removes the person from decisions about phones, files and titles.
    """
    conn.execute(
        """
        UPDATE link_overrides o
        SET target_kind = 'title', target = 'erased:' || id, chat_number = NULL, reason = 'erased',
            removed_at = coalesce(removed_at, now()), removed_by = coalesce(removed_by, current_user),
            removed_reason = 'erased'
        WHERE target_kind = 'conversation'
          AND EXISTS (SELECT FROM unnest(%s::text[]) AS n(name)
                       WHERE right(o.target, length(n.name) + 1) = '/' || n.name)
        """,
        (identities,),
    )


def erase_listed_people(conn: Connection, is_erased: NameTest) -> Erased:
    """Erase everybody for whom `is_erased` is true from the webhook tables, for example after a restore.

    The caller opens a transaction.
    """
    person = _combined_erased_people(conn, is_erased)
    erased = erase_webhook_data(conn, person)
    # An erased person may occur only inside raw JSON or texts, where `_combined_erased_people` does not
    # search.
    deliveries = _rewrite_bodies(conn, is_erased) + _rewrite_events(conn, is_erased)
    messages = _rewrite_messages(conn, is_erased, None)
    _delete_statuses(conn, is_erased, None)
    _rewrite_profile_names(conn, is_erased)
    return Erased(
        erased.conversations, erased.messages + messages, erased.deliveries + deliveries, erased.leads
    )


def cleaned_body(body: bytes, is_person: NameTest) -> bytes | None:
    """Return a body without the person, or None if the body does not name the person.

    A body that can't be read and contains one of the person's numbers, in any written form, becomes `{}`,
    because its items can't be separated.
    """
    try:
        payload = loads(body)
    except UnreadableBodyError:
        text = text_of_body(body)
        return b"{}" if scrub_text(text, is_person) != text else None
    cleaned = without_person(payload, is_person)
    return dumps(cleaned.value).encode() if cleaned.changed else None


def _rewrite_bodies(conn: Connection, is_person: NameTest) -> int:
    """Remove the person from raw bodies of deliveries of every status. Return how many changed."""
    changed = 0
    for inbox_id, _, body in _bodies(conn, "true"):
        if (cleaned := cleaned_body(body, is_person)) is not None:
            conn.execute(
                "UPDATE webhook_inbox SET body = %s, redacted_at = now() WHERE id = %s", (cleaned, inbox_id)
            )
            changed += 1
    return changed


# Regular expression for digits that a pattern of plain digits misses: full-width, Arabic, mathematical,
# superscript, subscript and circled digits. It also finds `%20`, `&#45;` and tags, because their own digits
# can be inside a number.
NON_PLAIN_DIGITS: LiteralString = (
    r"[\uFF10-\uFF19\u0660-\u0669\u06F0-\u06F9\U0001D7CE-\U0001D7FF\u00B2\u00B3\u00B9\u2070-\u2089\u2460-\u249B"
    r"\u24F5-\u24FF\u2776-\u2793]|\u0025[0-9A-Fa-f][0-9A-Fa-f]|&(amp;)?#|</?[A-Za-z][^<>]*[0-9]"
)
# SQL condition for rows that may name the person: their digits match one of `patterns`, or they have digits
# in another form. `patterns` NULL selects every row. Python then checks each row.
_MAY_NAME_PERSON: LiteralString = r"""
    (%(patterns)s::text[] IS NULL OR raw_json::text LIKE ANY(%(patterns)s)
     OR concat_ws(' ', raw_json::text, {texts}) ~ '{digits}'
     OR raw_json::text ~* '\\u(ff1|066|06f|d835|0026|00b|20[78]|24[6-9f]|27[789])'
     OR regexp_replace(regexp_replace(coalesce(raw_json::text, ''), '\\u[0-9a-fA-F]{{4}}', '', 'g')
                       || ' ' || {texts}, '[^0-9]', '', 'g') LIKE ANY(%(patterns)s))
"""


def _rewrite_events(conn: Connection, is_person: NameTest) -> int:
    """Remove the person from `webhook_events` (errors, other webhook fields, unknown items).

    An event that is only about the person is deleted. Return how many rows changed.
    """
    changed = 0
    select: LiteralString = """
        SELECT id, raw_json::text FROM webhook_events WHERE id > %(last)s ORDER BY id LIMIT %(page)s"""
    for row_id, raw in _rows_by_page(conn, select, None):
        rest, is_changed = _cleaned_json(raw, is_person)
        if is_changed and rest is None:
            conn.execute("DELETE FROM webhook_events WHERE id = %s", (row_id,))
        elif is_changed:
            conn.execute("UPDATE webhook_events SET raw_json = %s::json WHERE id = %s", (rest, row_id))
        changed += is_changed
    return changed


def _rewrite_messages(conn: Connection, is_person: NameTest, patterns: list[str] | None) -> int:
    """Delete the person's messages in groups, and remove their numbers from other people's messages."""
    changed = 0
    texts_of_row: LiteralString = "concat_ws(' ', text, new_text, original_text, sender_name)"
    select = f"""
        SELECT id, type, raw_json::text, text, new_text, original_text, sender_name FROM conversation_messages
        WHERE id > %(last)s
          AND {_MAY_NAME_PERSON.format(digits=NON_PLAIN_DIGITS, texts=texts_of_row)}
        ORDER BY id LIMIT %(page)s"""
    for row_id, kind, raw, *texts in _rows_by_page(conn, select, patterns):
        rest, is_changed = _cleaned_json(raw, is_person)
        if is_changed and kind == "contacts" and rest is not None:  # a card that another person shared
            texts[0] = message_text(json.loads(rest), kind)
        scrubbed = [text and scrub_text(text, is_person) for text in texts]
        if raw is not None and rest is None:
            conn.execute("DELETE FROM conversation_messages WHERE id = %s", (row_id,))
        elif is_changed or scrubbed != texts:
            conn.execute(
                "UPDATE conversation_messages SET raw_json = %s::json, text = %s, new_text = %s,"
                " original_text = %s, sender_name = %s WHERE id = %s",
                (rest, *scrubbed, row_id),
            )
        else:
            continue
        changed += 1
    return changed


def _rewrite_profile_names(conn: Connection, is_person: NameTest) -> None:
    """Remove the person's numbers from other people's profile names."""
    tables: tuple[LiteralString, ...] = ("conversations", "leads")
    for table in tables:
        rows = conn.execute(f"SELECT id, profile_name FROM {table} WHERE profile_name ~ '\\d'").fetchall()
        for row_id, name in rows:
            if (scrubbed := scrub_text(name, is_person)) != name:
                conn.execute(f"UPDATE {table} SET profile_name = %s WHERE id = %s", (scrubbed, row_id))


def _delete_statuses(conn: Connection, is_person: NameTest, patterns: list[str] | None) -> None:
    """Delete statuses whose raw JSON names the person, such as statuses of messages in a group."""
    last = dict.fromkeys(("account", "message", "status", "participant"), "")
    columns: LiteralString = "phone_number_id, provider_id, status, participant"
    while rows := conn.execute(
        f"""SELECT {columns}, raw_json::text FROM message_statuses
            WHERE raw_json IS NOT NULL
              AND ({columns}) > (%(account)s, %(message)s, %(status)s, %(participant)s)
              AND {_MAY_NAME_PERSON.format(digits=NON_PLAIN_DIGITS, texts="''")}
            ORDER BY {columns} LIMIT %(page)s""",
        {**last, "page": _PAGE, "patterns": patterns},
    ).fetchall():
        for *key, raw in rows:
            if _cleaned_json(raw, is_person)[1]:
                conn.execute(f"DELETE FROM message_statuses WHERE ({columns}) = (%s, %s, %s, %s)", key)
        last = dict(zip(last, rows[-1][:4], strict=True))


def _rows_by_page(
    conn: Connection, select: LiteralString, patterns: list[str] | None
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a statement, read page by page.

    The statement must select the id first, filter by `id > %(last)s`, sort by id and have `LIMIT %(page)s`.
    """
    last = 0
    while rows := conn.execute(select, {"last": last, "page": _PAGE, "patterns": patterns}).fetchall():
        yield from rows
        last = rows[-1][0]


def _cleaned_json(raw: str | None, is_person: NameTest) -> tuple[str | None, bool]:
    """Return (JSON without the person, whether it changed).

    The JSON is None if all of it is about the person, or if `raw` is None.
    """
    if raw is None:
        return None, False
    cleaned = without_person([loads(raw.encode())], is_person)
    rest = cleaned.value[0] if isinstance(cleaned.value, list) else None
    return (None if rest is None else dumps(rest)), cleaned.changed
