"""Removing one person's numbers from free texts: reasons, notes, evidence, and other people's summaries.

What belongs here: removing a number from a text whose row stays. What does not: rows about the person
(privacy.py), messages (privacy_chats.py, privacy_webhooks.py), and finding identities in a text
(domain/redaction.py).
"""

from __future__ import annotations

import json
from typing import LiteralString

from psycopg import sql

from whatsapp_pipeline.domain.chat_names import chat_key
from whatsapp_pipeline.domain.redaction import (
    ERASED,
    NameTest,
    name_of_key,
    names_in_text,
    scrub_text,
    scrub_value,
)
from whatsapp_pipeline.domain.titles import parse_title
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations.privacy_webhooks import NON_PLAIN_DIGITS

# Columns with text or JSON that people, steps or servers wrote. The rows stay; only the number is removed.
_TEXTS: dict[LiteralString, tuple[LiteralString, ...]] = {
    "assistant_replies": ("reason",),
    "chat_rereads": ("options",),
    "checkpoint_waivers": ("reason",),
    "conversation_candidates": ("evidence",),
    "customer_chat_summaries": (
        "summary",
        "sentiment_analysis",
        "open_reasons",
        "facts",
        "claims",
        "common_topics",
    ),
    "customer_conversations": ("sentiment", "topics"),
    "customer_notes": ("note",),
    "handled_cases": ("note",),
    "match_candidates": ("evidence",),
    "message_readings": ("parts", "topics", "equipment", "symptoms", "commitments"),
    "message_statuses": ("reason",),
    "order_candidates": ("evidence",),
    "pauses": ("reason",),
    "qa_acceptances": ("reason",),
    "review_verdicts": ("note",),
    "webhook_inbox": ("error",),
}


def erase_from_texts(conn: Connection, is_person: NameTest, patterns: list[str] | None) -> int:
    """Remove the person's numbers from free texts. Return how many values changed.

    The caller opens a transaction. Only rows that match one of `patterns` (LIKE patterns of digits) or have
    digits in another form are read. With None, every row with at least eight digits is read.
    """
    values = sum(
        _scrub_column(conn, table, column, is_person, patterns)
        for table, columns in _TEXTS.items()
        for column in columns
    )
    return values + _scrub_decisions(conn, is_person, patterns) + _scrub_titles(conn, is_person, patterns)


def _scrub_column(
    conn: Connection,
    table: LiteralString,
    column: LiteralString,
    is_person: NameTest,
    patterns: list[str] | None,
) -> int:
    rows = conn.execute(
        sql.SQL("SELECT ctid::text, to_json({column})::text FROM {table} WHERE {holds}").format(
            column=sql.Identifier(column), table=sql.Identifier(table), holds=_holds(f"{column}::text")
        ),
        {"patterns": patterns, "digits": NON_PLAIN_DIGITS},
    ).fetchall()
    changed = 0
    for ctid, text in rows:
        value = json.loads(text)
        if (scrubbed := scrub_value(value, is_person)) != value:
            conn.execute(
                sql.SQL(
                    "UPDATE {table} SET {column} = (jsonb_populate_record(NULL::{table}, %s)).{column}"
                    " WHERE ctid = %s::tid"
                ).format(table=sql.Identifier(table), column=sql.Identifier(column)),
                (json.dumps({column: scrubbed}), ctid),
            )
            changed += 1
    return changed


def _holds(words: LiteralString) -> sql.SQL:
    """Return the SQL condition for texts that match a pattern or have digits in another form.

    Without patterns, every text with at least eight digits matches.
    """
    return sql.SQL(
        f"""({words} ~ %(digits)s OR regexp_replace({words}, '[^0-9]', '', 'g')
             LIKE ANY(coalesce(%(patterns)s::text[], ARRAY[repeat('_', 8) || '%%'])))"""
    )


def _scrub_decisions(conn: Connection, is_person: NameTest, patterns: list[str] | None) -> int:
    """Remove the numbers from decisions about other people: from the reasons and the target titles."""
    rows = conn.execute(
        sql.SQL("SELECT id, target_kind, target, reason, removed_reason FROM link_overrides WHERE {}").format(
            _holds("concat_ws(' ', target, reason, removed_reason)")
        ),
        {"patterns": patterns, "digits": NON_PLAIN_DIGITS},
    ).fetchall()
    changed = 0
    for row_id, kind, *texts in rows:
        scrubbed = [text and scrub_text(text, is_person) for text in texts]
        if scrubbed == texts:
            continue
        changed += 1
        # Only the target of a title stays a valid target without the number, and only one decision can have
        # it.
        if scrubbed[0] != texts[0] and (kind != "title" or _is_decided(conn, scrubbed[0])):
            pseudonymise_decisions(conn, [row_id])
        else:
            conn.execute(
                "UPDATE link_overrides SET target = %s, reason = %s, removed_reason = %s WHERE id = %s",
                (*scrubbed, row_id),
            )
    return changed


def _is_decided(conn: Connection, title: str | None) -> bool:
    """Return whether a decision already has this title as its target."""
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM link_overrides WHERE target_kind = 'title' AND target = %s)", (title,)
    ).fetchone()
    return row == (True,)


def pseudonymise_decisions(conn: Connection, ids: list[int]) -> None:
    """Replace the target and reason of decisions about the person by `erased`.

    The rows are kept as an audit trail. The trigger of the table allows this change.
    """
    conn.execute(
        """
        UPDATE link_overrides
        SET target_kind = 'title', target = 'erased:' || id, chat_number = NULL, reason = 'erased',
            removed_at = coalesce(removed_at, now()), removed_by = coalesce(removed_by, current_user),
            removed_reason = 'erased'
        WHERE id = ANY(%s)
        """,
        (ids,),
    )


def _scrub_titles(conn: Connection, is_person: NameTest, patterns: list[str] | None) -> int:
    """Remove the numbers from other people's chats: from the title, name, phone, phone key and chat key."""
    rows = conn.execute(
        sql.SQL(
            "SELECT id, title, customer_name, phone_number, phone_key, chat_key, is_group FROM chat_files"
            " WHERE {}"
        ).format(_holds("concat_ws(' ', title, customer_name, phone_number, phone_key, chat_key)")),
        {"patterns": patterns, "digits": NON_PLAIN_DIGITS},
    ).fetchall()
    changed = 0
    for row_id, *known, is_group in rows:
        cleaned = cleaned_title(known, is_person, is_group=is_group)
        if cleaned != known:
            conn.execute(
                "UPDATE chat_files SET title = %s, customer_name = %s, phone_number = %s, phone_key = %s,"
                " chat_key = %s WHERE id = %s",
                (*cleaned, row_id),
            )
            changed += 1
    return changed


def cleaned_title(known: list[str | None], is_person: NameTest, *, is_group: bool) -> list[str | None]:
    """Return (title, name, phone, phone key, chat key) of another person's chat without the erased person."""
    title, name, phone, phone_key, key = known
    scrubbed = title and scrub_text(title, is_person)
    is_phone = phone_key is not None and is_person(name_of_key(phone_key))
    is_key = key is not None and any(map(is_person, [*names_in_text(key), name_of_key(key)]))
    if scrubbed == title and not is_phone and not is_key:
        return known
    if is_phone:
        phone = phone_key = None
    if is_key or scrubbed != title:
        key = chat_key(scrubbed, phone_key, is_group=is_group)
    if scrubbed != title:
        name = parse_title((scrubbed or "").replace(ERASED, " ")).name
    return [scrubbed, name, phone, phone_key, key]
