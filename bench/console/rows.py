"""Customers, orders and messages in a database, written by the server itself.

Every 500th customer has 1,000 messages, the others share the rest evenly. A word's share of the messages is
known: `comum` stands in a third of them, `bastante` in 1.4 %, `medio` in 1 %, `raro` in 0.1 %.
"""

from __future__ import annotations

from pathlib import Path

from whatsapp_pipeline.store.chats.search_words import add_new_words
from whatsapp_pipeline.store.connection import Connection

_FILL = Path(__file__).with_name("rows.sql").read_text(encoding="utf-8")


def fill(conn: Connection, *, messages: int, customers: int) -> None:
    """Write the given number of customers and about the given number of messages."""
    per_chat = max(1, round((messages - customers / 500 * 1000) / customers))
    statements = _FILL.replace(":customers", str(customers)).replace(":per_chat", str(per_chat))
    conn.execute(statements.encode())
    add_new_words(conn)
    conn.execute("VACUUM ANALYZE")
