"""The data beside a customer's conversation: summary, orders, months, the pinned note.

What belongs here: the statement that reads all of this, and writing the note. What does not: messages
(store/conversations/message_stream.py).
"""

from __future__ import annotations

from typing import Any

from psycopg.rows import dict_row

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection

MOST_ORDERS = 100
"""Maximum number of orders that a customer's page shows."""
_PHONES = ("fantasia", "telefone", "celular", "email")
_HIDDEN = ", ".join(f"NULL AS {name}" for name in _PHONES)


def customer_head(conn: Connection, id_contato: int, *, with_phones: bool) -> dict[str, Any] | None:
    """Return a contact with its summary, orders (newest first), messages by month, and pinned note.

    If the contact has more than MOST_ORDERS orders, one more than MOST_ORDERS is returned.

    Args:
        conn: A connection of the level that the page is for.
        id_contato: The id in contatos.
        with_phones: Whether the level may read phones, e-mail and trade name. If not, they are None.
    """
    shown = ", ".join(f"c.{name}::text" for name in _PHONES) if with_phones else _HIDDEN
    statement = queries.load("summaries/customer_head").replace("{phones}", shown)
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement.encode(), {"id": id_contato, "orders": MOST_ORDERS + 1}).fetchone()


def set_note(conn: Connection, id_contato: int, note: str, made_by: str) -> None:
    """Replace the note of a customer. An empty text deletes the note."""
    if note.strip():
        conn.execute(
            """
            INSERT INTO customer_notes (id_contato, note, made_by) VALUES (%s, %s, %s)
            ON CONFLICT (id_contato) DO UPDATE
               SET note = EXCLUDED.note, made_by = EXCLUDED.made_by, made_at = now()
            """,
            (id_contato, note.strip(), made_by),
        )
    else:
        conn.execute("DELETE FROM customer_notes WHERE id_contato = %s", (id_contato,))
