"""The set-based statements kept in `sql/queries/`, too long to read inside Python."""

from __future__ import annotations

from functools import cache
from typing import LiteralString

from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.message_order import CHAT_ORDER, MESSAGE_ORDER

QUERIES_DIR = PROJECT_ROOT / "sql" / "queries"


@cache
def load(name: str) -> LiteralString:
    """Return the statement in `sql/queries/<name>.sql` (psycopg placeholders, one statement a file).

    `{message_order}` stands for the one order of messages, `{chat_order}` for the same over chat_messages.
    """
    # The files are ours and take values only through placeholders, which is what LiteralString vouches for.
    text = (QUERIES_DIR / f"{name}.sql").read_text(encoding="utf-8")
    return text.replace("{message_order}", MESSAGE_ORDER).replace("{chat_order}", CHAT_ORDER)
