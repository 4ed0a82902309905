"""Keeping the stored review queue equal to the links, in cases that triggers do not cover.

What belongs here: refreshing a month's rows once instead of after each statement, and repairing rows that
differ. What does not: reading the queue (review_pages.py), and the triggers (sql/migrations/).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from whatsapp_pipeline.store.connection import Connection, one_row

_SETTING = "whatsapp_pipeline.review_queue"


@contextmanager
def refresh_month_at_end(conn: Connection, month: str) -> Iterator[None]:
    """Disable the queue's triggers in the block, and refresh the rows of the month's chats after it.

    Call it inside a transaction. The setting that disables the triggers ends with the transaction, so nothing
    remains of a killed run. The block must not change links of another month or of a live conversation.
    """
    conn.execute("SELECT set_config(%s, 'deferred', true)", (_SETTING,))
    yield
    conn.execute("SELECT set_config(%s, '', true)", (_SETTING,))
    conn.execute(
        "SELECT refresh_review_queue('chat', ARRAY(SELECT id FROM chat_files WHERE month = %s))", (month,)
    )


def repair_month(conn: Connection, month: str) -> int:
    """Refresh the queue's rows of the month's chats that differ from the tables.

    Return the number of chats.
    """
    return int(one_row(conn.execute("SELECT repair_review_queue('chat', %s)", (month,)))[0])


def repair_live(conn: Connection) -> int:
    """Refresh the queue's rows of live conversations that differ from the tables. Return their number."""
    return int(one_row(conn.execute("SELECT repair_review_queue('webhook', NULL)"))[0])
