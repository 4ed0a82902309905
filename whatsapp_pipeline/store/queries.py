"""Loader of the long statements in `sql/queries/`."""

from __future__ import annotations

from functools import cache
from typing import LiteralString

from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.message_order import CHAT_ORDER, MESSAGE_ORDER

QUERIES_DIR = PROJECT_ROOT / "sql" / "queries"


@cache
def load(name: str) -> LiteralString:
    """Return the statement in `sql/queries/<name>.sql`, which has psycopg placeholders.

    `{message_order}` and `{chat_order}` are replaced by the sort keys MESSAGE_ORDER and CHAT_ORDER.
    """
    # The files belong to the project, and values come only through placeholders, so LiteralString is right.
    text = (QUERIES_DIR / f"{name}.sql").read_text(encoding="utf-8")
    return text.replace("{message_order}", MESSAGE_ORDER).replace("{chat_order}", CHAT_ORDER)
