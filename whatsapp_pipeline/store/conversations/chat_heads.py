"""The head of a conversation's page: the customer and the confidence of the link.

What belongs here: reading the head. What does not: the messages (message_stream.py), and linking
(steps/links/).
"""

from __future__ import annotations

from typing import LiteralString, NamedTuple

from psycopg.rows import class_row

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations.message_stream import StreamScope


class ChatHead(NamedTuple):
    """A chat of the archive or a live conversation, with the customer to whom it is linked now."""

    id: int
    name: str | None
    """The file name of the export, or the name in the customer's profile."""
    id_contato: int | None
    nome: str | None
    match_status: str
    match_confidence: float | None
    duplicate_of: int | None
    """The chat that contains all messages of this one."""
    messages_elsewhere: int
    """The number of messages that another export contains, too. They are shown there."""
    month: str | None
    """The month of the export, or None for a live conversation."""
    processing_status: str | None
    """The processing status of the export, or None for a live conversation."""


_HEADS: dict[str, LiteralString] = {
    "chat": """
        SELECT f.id, f.filename AS name, c.id AS id_contato, c.nome::text, f.match_status,
               f.match_confidence, f.duplicate_of,
               (SELECT count(*) FROM chat_messages m
                 WHERE m.id_chat_file = f.id AND m.duplicate_of IS NOT NULL) AS messages_elsewhere,
               f.month, f.processing_status
          FROM chat_files f
          LEFT JOIN contatos c ON c.id = f.id_contato AND f.match_status IN ('linked', 'manual')
         WHERE f.id = %s
        """,
    "webhook": """
        SELECT v.id, v.profile_name AS name, c.id AS id_contato, c.nome::text, v.match_status,
               v.match_confidence, NULL::bigint AS duplicate_of, 0::bigint AS messages_elsewhere,
               NULL AS month, NULL AS processing_status
          FROM conversations v
          LEFT JOIN contatos c ON c.id = v.id_contato AND v.match_status IN ('linked', 'manual')
         WHERE v.id = %s
        """,
}


def chat_head(conn: Connection, scope: StreamScope) -> ChatHead | None:
    """Return the head of a scope of kind `chat` or `webhook`, or None if the chat does not exist."""
    with conn.cursor(row_factory=class_row(ChatHead)) as cursor:
        return cursor.execute(_HEADS[scope.kind], (scope.id,)).fetchone()
