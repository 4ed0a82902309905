"""Counts that only the QA report needs: exceptions by kind, messages out of order, orders with sessions.

What belongs here: these counts. What does not: links (store/links/link_report.py) and rows (status.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from whatsapp_pipeline.store.connection import Connection


class ExceptionCount(NamedTuple):
    """The number of findings of one kind and stage."""

    stage: str
    kind: str
    severity: str
    files: int
    findings: int


def exceptions_by_kind(conn: Connection, months: Sequence[str]) -> list[ExceptionCount]:
    """Return the number of findings of `months` and without a month, by kind, the most severe first."""
    rows = conn.execute(
        """
        SELECT stage, kind, severity, count(DISTINCT file_path), count(*) FROM exceptions
        WHERE month = ANY(%s) OR month IS NULL GROUP BY 1, 2, 3
        ORDER BY array_position(ARRAY['error', 'warning', 'info'], severity), 5 DESC, 1, 2
        """,
        (list(months),),
    )
    return [ExceptionCount(*row) for row in rows]


def order_faults(conn: Connection, months: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return (month, faults between people's messages, faults beside a notice) by month.

    A fault is a message whose time is before that of the previous message in the chat.
    """
    return conn.execute(
        """
        SELECT month, count(*) FILTER (WHERE time < before AND NOT explained),
               count(*) FILTER (WHERE time < before AND explained)
        FROM (
            SELECT f.month, m.message_timestamp AS time,
                   lag(m.message_timestamp) OVER chat AS before,
                   'notification' IN (coalesce(m.direction, ''), lag(coalesce(m.direction, '')) OVER chat)
                       AS explained
            FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file WHERE f.month = ANY(%s)
            WINDOW chat AS (PARTITION BY f.id ORDER BY m.ordinal)
        ) ordered GROUP BY month ORDER BY month
        """,
        (list(months),),
    ).fetchall()


def month_coverage(conn: Connection, months: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return (month of issue, number of orders, number of orders with a linked session) by month."""
    return conn.execute(
        """
        SELECT to_char(o.data_emissao::date, 'YYYY-MM') AS month, count(*),
               count(*) FILTER (WHERE EXISTS (SELECT FROM chat_sessions s WHERE s.id_ordem_servico = o.id))
        FROM ordens_servico o WHERE to_char(o.data_emissao::date, 'YYYY-MM') = ANY(%s) GROUP BY 1 ORDER BY 1
        """,
        (list(months),),
    ).fetchall()
