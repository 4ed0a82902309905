"""The table `customer_chat_summaries`: customer summaries.

What belongs here: the rows of this table, and writing them. What does not: the work tables of a run
(summary_work.py), and reports over the summaries (summary_reports.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg import sql
from psycopg.types.json import Jsonb

from whatsapp_pipeline import clock
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.summaries.summary_work import MeasuredBatch


class SummaryRow(NamedTuple):
    """One row of customer_chat_summaries, in the order of `_COLUMNS`."""

    id_contato: int
    first_interaction_date: datetime
    last_interaction_date: datetime
    communication_frequency: str
    common_topics: list[str]
    sentiment_analysis: str
    sentiment_score: float | None
    sentiment_change: float | None
    summary: str
    message_count: int
    customer_messages: int
    staff_messages: int
    other_messages: int
    conversation_count: int
    last_speaker: str | None
    first_response_median_s: int | None
    first_response_p90_s: int | None
    first_response_median_business_s: int | None
    first_response_p90_business_s: int | None
    reply_median_s: int | None
    reply_p90_s: int | None
    reply_median_business_s: int | None
    reply_p90_business_s: int | None
    open_since: datetime | None
    open_reasons: list[str]
    facts: Jsonb
    claims: Jsonb
    evidence_message_ids: list[int]
    evidence_webhook_ids: list[int]
    input_hash: str


_COLUMNS = SummaryRow._fields


def latest_message(conn: Connection, zone: str) -> datetime | None:
    """Return the local time of the latest message that is not in the future, or None."""
    row = conn.execute(
        """
        SELECT greatest(
            (SELECT max(message_timestamp) FROM chat_messages
              WHERE message_timestamp <= %(now)s::timestamptz AT TIME ZONE %(zone)s),
            (SELECT max(sent_at) AT TIME ZONE %(zone)s FROM conversation_messages WHERE sent_at <= %(now)s))
        """,
        {"zone": zone, "now": clock.now()},
    ).fetchone()
    return row[0] if row else None


def save_summaries(batch: MeasuredBatch, rows: Sequence[SummaryRow]) -> int:
    """Write the summaries that are new or differ. Return their number."""
    conn = batch.conn
    conn.execute("DROP TABLE IF EXISTS work_summaries")
    names = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
    conn.execute(
        sql.SQL("CREATE TEMP TABLE work_summaries AS SELECT {} FROM customer_chat_summaries LIMIT 0").format(
            names
        )
    )
    with conn.cursor().copy(sql.SQL("COPY work_summaries ({}) FROM STDIN").format(names)) as copy:
        for row in rows:
            copy.write_row(row)
    kept = sql.SQL(", ").join(sql.Identifier("kept", name) for name in _COLUMNS)
    new = sql.SQL(", ").join(sql.Identifier("excluded", name) for name in _COLUMNS)
    return conn.execute(
        sql.SQL(
            """
            INSERT INTO customer_chat_summaries AS kept ({names})
            SELECT {names} FROM work_summaries ORDER BY id_contato
            ON CONFLICT (id_contato) DO UPDATE SET ({names}, computed_at) = ROW({new}, now())
             WHERE ({kept}) IS DISTINCT FROM ({new})
            """
        ).format(names=names, kept=kept, new=new)
    ).rowcount
