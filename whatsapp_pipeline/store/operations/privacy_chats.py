"""One person in other people's chats: the person's messages in groups, and mentions of their number.

What belongs here: rewriting rows of `chat_messages`, and deleting rows about files whose path names the
person. What does not: the person's own chats (privacy.py), and finding identities in a text
(domain/redaction.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, LiteralString

from whatsapp_pipeline.domain.redaction import ERASED, NameTest, names_in_path, names_in_text, scrub_text
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.message_order import CHAT_ORDER
from whatsapp_pipeline.store.operations.privacy_webhooks import NON_PLAIN_DIGITS

_PAGE = 1000
_SELECT: LiteralString = """
    SELECT id, message_text, responding_to, sender_name, sender_phone, attachment_name
    FROM chat_messages
    WHERE id > %(last)s AND NOT id_chat_file = ANY(%(chats)s)
      AND (%(patterns)s::text[] IS NULL
           OR regexp_replace(
                  concat_ws(' ', message_text, responding_to, sender_name, sender_phone, attachment_name),
                  '[^0-9]', '', 'g') LIKE ANY(%(patterns)s)
           OR concat_ws(' ', message_text, responding_to, sender_name, sender_phone, attachment_name)
              ~ %(digits)s)
    ORDER BY id LIMIT %(page)s
"""
_UPDATE: LiteralString = """
    UPDATE chat_messages SET message_text = %s, responding_to = %s, sender_name = %s, sender_phone = %s,
                             attachment_name = %s
    WHERE id = %s
"""


def erase_mentions(
    conn: Connection, is_person: NameTest, patterns: list[str] | None, own_chats: Collection[int]
) -> int:
    """Erase the texts of the person's messages in others' chats, and the person's numbers in other messages.

    Only rows that match one of `patterns` (LIKE patterns of digits) or have digits in another form are read;
    None reads all rows. Return how many messages changed. The rows stay, so that a later load of the file
    finds them.
    """
    last, changed = 0, 0
    while rows := conn.execute(
        _SELECT,
        {
            "last": last,
            "chats": list(own_chats),
            "patterns": patterns,
            "page": _PAGE,
            "digits": NON_PLAIN_DIGITS,
        },
    ).fetchall():
        for row_id, *texts in rows:
            cleaned = cleaned_message(texts, is_person)
            if cleaned != texts:
                conn.execute(_UPDATE, (*cleaned, row_id))
                changed += 1
        last = rows[-1][0]
    return changed


def messages_in_others_chats(
    conn: Connection, is_person: NameTest, patterns: list[str], own_chats: Collection[int]
) -> list[dict[str, Any]]:
    """Return the person's messages in other people's chats (mostly groups) as JSON values."""
    rows = conn.execute(
        f"""
        SELECT to_jsonb(m) - '{{search,body_hash}}'::text[] || jsonb_build_object('chat', f.title)
        FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
        WHERE NOT m.id_chat_file = ANY(%(chats)s) AND m.direction IS DISTINCT FROM 'to'
          AND regexp_replace(concat_ws(' ', m.sender_name, m.sender_phone), '[^0-9]', '', 'g')
              LIKE ANY(%(patterns)s)
        ORDER BY {CHAT_ORDER}
        """,
        {"chats": list(own_chats), "patterns": patterns},
    ).fetchall()
    return [
        message
        for (message,) in rows
        if any(map(is_person, names_in_text(f"{message['sender_name']} / {message['sender_phone']}")))
    ]


def chats_of_named_files(
    conn: Connection, is_person: NameTest, patterns: list[str] | None, own_chats: Collection[int]
) -> list[tuple[str, int]]:
    """Return (path, chat number) of others' chats whose path contains the person's phone number."""
    rows = conn.execute(
        """
        SELECT file_path, chat_number FROM chat_files
        WHERE NOT id = ANY(%(chats)s)
          AND (%(patterns)s::text[] IS NULL OR file_path ~ %(digits)s
               OR regexp_replace(file_path, '[^0-9]', '', 'g') LIKE ANY(%(patterns)s))
        """,
        {"chats": list(own_chats), "patterns": patterns, "digits": NON_PLAIN_DIGITS},
    ).fetchall()
    return [(path, number) for path, number in rows if any(map(is_person, names_in_path(path)))]


def forget_paths(conn: Connection, is_person: NameTest, patterns: list[str] | None) -> int:
    """Delete findings and ignored files whose path or text names the person. Return how many."""
    return sum(
        _delete_rows_naming(conn, table, words, is_person, patterns)
        for table, words in (
            ("exceptions", "detail"),
            ("ignored_files", "reason"),
        )
    )


def _delete_rows_naming(
    conn: Connection,
    table: LiteralString,
    words: LiteralString,
    is_person: NameTest,
    patterns: list[str] | None,
) -> int:
    path_and_words: LiteralString = f"concat_ws(' ', file_path, {words})"
    rows = conn.execute(
        f"""SELECT ctid::text, coalesce(file_path, ''), coalesce({words}, '') FROM {table}
            WHERE %(patterns)s::text[] IS NULL OR {path_and_words} ~ %(digits)s
               OR regexp_replace({path_and_words}, '[^0-9]', '', 'g') LIKE ANY(%(patterns)s)""",
        {"patterns": patterns, "digits": NON_PLAIN_DIGITS},
    ).fetchall()
    named = [
        ctid
        for ctid, path, text in rows
        if any(map(is_person, names_in_path(path))) or any(map(is_person, names_in_text(text)))
    ]
    if named:
        conn.execute(f"DELETE FROM {table} WHERE ctid = ANY(%s::tid[])", (named,))
    return len(named)


def forget_phones(
    conn: Connection, suppressed_keys: Callable[[Connection, Collection[str]], Collection[str]]
) -> None:
    """Delete the rows of `chat_phones` whose keys are on the suppression list. Call this after a restore."""
    rows = conn.execute("SELECT DISTINCT key FROM chat_phones WHERE key IS NOT NULL").fetchall()
    listed = suppressed_keys(conn, [row[0] for row in rows])
    if listed:
        conn.execute("DELETE FROM chat_phones WHERE key = ANY(%s)", (sorted(listed),))


def cleaned_message(texts: list[str | None], is_person: NameTest) -> list[str | None]:
    """Return (text, quote, sender's name, sender's phone, attachment name) of a message without the person.

    If the person sent the message, its text and attachment name become `ERASED`.
    """
    text, quote, name, phone, attachment = texts
    if phone and any(is_person(found) for found in names_in_text(phone)):
        return [text and ERASED, None, None, None, attachment and ERASED]
    if name and any(is_person(found) for found in names_in_text(name)):
        return [text and ERASED, None, None, phone, attachment and ERASED]
    return [value and scrub_text(value, is_person) for value in (text, quote, name, phone, attachment)]
