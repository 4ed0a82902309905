"""Abstracts beside the summaries: who wants one, what it is written from, and keeping it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from whatsapp_pipeline.domain.summaries.abstract import Sentence
from whatsapp_pipeline.store.connection import Connection


def wanting(conn: Connection, *, limit: int) -> list[dict[str, Any]]:
    """Return summaries without an abstract of their present inputs: open issues first, then the latest."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            SELECT s.id_contato, s.input_hash, s.summary, c.nome, c.fantasia
              FROM customer_chat_summaries s
              JOIN contatos c ON c.id = s.id_contato
             WHERE s.abstract_hash IS DISTINCT FROM s.input_hash AND s.conversation_count > 0
             ORDER BY s.open_since IS NULL, s.last_interaction_date DESC, s.id_contato
             LIMIT %s
            """,
            (limit,),
        ).fetchall()


def messages(conn: Connection, contact: int, *, limit: int) -> list[dict[str, Any]]:
    """Return the contact's last messages that have text, oldest first: ref, direction, text."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            SELECT ref, direction, text FROM (
                SELECT 'chat:' || m.id AS ref, m.direction, m.message_text AS text,
                       coalesce(m.timestamp_utc, m.message_timestamp::timestamptz) AS at, m.ordinal
                  FROM chat_files f
                  JOIN chat_messages m ON m.id_chat_file = f.id
                 WHERE f.id_contato = %(contact)s AND f.match_status IN ('linked', 'manual')
                   AND f.duplicate_of IS NULL AND m.duplicate_of IS NULL
                   AND m.direction IN ('from', 'to') AND m.type <> 'deleted' AND m.message_text <> ''
                UNION ALL
                SELECT 'webhook:' || w.message_id, w.direction, w.text, w.sent_at, 0
                  FROM conversation_only_messages w
                 WHERE w.id_contato = %(contact)s AND w.match_status IN ('linked', 'manual')
                   AND w.direction IN ('from', 'to') AND w.text IS NOT NULL
                 ORDER BY at DESC, ordinal DESC LIMIT %(limit)s
            ) latest ORDER BY at, ordinal
            """,
            {"contact": contact, "limit": limit},
        ).fetchall()


def save(conn: Connection, contact: int, input_hash: str, sentences: Sequence[Sentence] | None) -> None:
    """Keep an abstract written from `input_hash` (None: the answer was not to be believed)."""
    conn.execute(
        """
        UPDATE customer_chat_summaries
           SET abstract = %(text)s, abstract_claims = %(claims)s, abstract_hash = %(hash)s
         WHERE id_contato = %(contact)s AND input_hash = %(hash)s
        """,
        {
            "text": None if sentences is None else " ".join(sentence.text for sentence in sentences),
            "claims": None if sentences is None else Jsonb([sentence._asdict() for sentence in sentences]),
            "hash": input_hash,
            "contact": contact,
        },
    )
