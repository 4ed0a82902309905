"""Keeping the stored review queue equal to what the tables say, where triggers alone do not.

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
    """Let the block change links of the month's chats without triggers; refresh the queue once after it.

    Call it inside a transaction: the setting ends with it, so a run that is killed leaves neither the links
    nor the setting. The block must change no link of another month or of a live conversation.
    """
    conn.execute("SELECT set_config(%s, 'deferred', true)", (_SETTING,))
    yield
    conn.execute("SELECT set_config(%s, '', true)", (_SETTING,))
    conn.execute(
        "SELECT refresh_review_queue('chat', ARRAY(SELECT id FROM chat_files WHERE month = %s))", (month,)
    )


def repair_month(conn: Connection, month: str) -> int:
    """Refresh the month's chats whose rows of the queue differ from the tables; return how many did."""
    return int(one_row(conn.execute("SELECT repair_review_queue('chat', %s)", (month,)))[0])


def repair_live(conn: Connection) -> int:
    """Refresh the live conversations whose rows of the queue differ from the tables; return how many did."""
    return int(one_row(conn.execute("SELECT repair_review_queue('webhook', NULL)"))[0])
