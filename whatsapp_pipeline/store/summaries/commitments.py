"""Commitments: keeping what messages promise, and the lists of what is due, overdue or unanswered.

What belongs here: SQL on the table commitments and on the mentions in message_readings. What does not:
reading texts and following commitments (domain/commitments).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, LiteralString, NamedTuple, TypeAlias

from psycopg import sql
from psycopg.rows import class_row

from whatsapp_pipeline.domain.commitments.rules import Mention
from whatsapp_pipeline.domain.commitments.status import Commitment, Said
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.queries import load

CommitmentList: TypeAlias = Literal["due", "overdue", "broken", "quotes", "open", "all"]

_COLUMNS = (
    "source", "message_id", "number", "id_contato", "kind", "side", "said_at", "amount", "length", "due_on",
    "due_time",
    "id_ordem_servico", "evidence_start", "evidence_end", "outcome", "outcome_source", "outcome_id",
)  # fmt: skip


class CommitmentLine(NamedTuple):
    """One commitment to show; `nome` is personal data. `days` since it was due, or since a quote was made."""

    id_contato: int
    nome: str | None
    kind: str
    side: str
    status: str
    said_at: datetime
    amount: Decimal | None
    length: str | None
    due_on: date | None
    due_time: time | None
    id_ordem_servico: int | None
    numero_ordem_servico: str | None
    source: str
    message_id: int
    outcome_source: str | None
    outcome_id: int | None


def encode(mentions: Sequence[Mention]) -> list[list[Any]]:
    """Return mentions as they are stored in message_readings."""
    return [
        [m.kind, m.side, m.start, m.end, None if m.amount is None else str(m.amount), m.due, m.length]
        for m in mentions
    ]


def _decode(stored: list[Any]) -> Mention:
    kind, side, start, end, amount, due, length = stored
    return Mention(kind, side, start, end, None if amount is None else Decimal(amount), due, length)


def mentions_of_part(conn: Connection) -> Iterator[tuple[int, list[Said]]]:
    """Yield each contact of the staged part that has mentions, with these in the order they were said."""
    contact, said = None, list[Said]()
    for number, ref, at, direction, stored, order in conn.execute(load("summaries/commitments_mentions")):
        if number != contact:
            if contact is not None:
                yield contact, said
            contact, said = number, []
        side = "customer" if direction == "from" else "staff"
        for mention in map(_decode, stored):
            if mention.side == side:
                said.append(Said(ref, at, mention, order))
    if contact is not None:
        yield contact, said


def orders_closed(conn: Connection) -> dict[int, date]:
    """Return the closing dates of the staged part's orders that are finished."""
    return dict(
        conn.execute(
            """
            SELECT id, data_conclusao::date FROM ordens_servico
             WHERE id IN (SELECT id_ordem_servico FROM work_sessions) AND data_conclusao IS NOT NULL
               AND situacao::text IN ('2', '3')
            """
        ).fetchall()
    )


def save_commitments(conn: Connection, part: int, found: Iterator[tuple[int, Commitment]]) -> int:
    """Make the commitments of the part's contacts these; return how many rows were written or removed."""
    conn.execute("DROP TABLE IF EXISTS work_commitments")
    names = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
    conn.execute(
        sql.SQL("CREATE TEMP TABLE work_commitments AS SELECT {} FROM commitments LIMIT 0").format(names)
    )
    with conn.cursor().copy(sql.SQL("COPY work_commitments ({}) FROM STDIN").format(names)) as copy:
        for contact, commitment in found:
            copy.write_row(_row(contact, commitment))
    conn.execute("CREATE INDEX ON work_commitments (source, message_id, number)")
    conn.execute("ANALYZE work_commitments")
    removed = conn.execute(
        """
        DELETE FROM commitments k USING work_contacts c
         WHERE c.part = %(part)s AND k.id_contato = c.id_contato
           AND NOT EXISTS (SELECT FROM work_commitments w
                            WHERE (w.source, w.message_id, w.number) = (k.source, k.message_id, k.number))
        """,
        {"part": part},
    ).rowcount
    kept = sql.SQL(", ").join(sql.Identifier("kept", name) for name in _COLUMNS)
    new = sql.SQL(", ").join(sql.Identifier("excluded", name) for name in _COLUMNS)
    written = conn.execute(
        sql.SQL(
            """
            INSERT INTO commitments AS kept ({names}) SELECT {names} FROM work_commitments
            ON CONFLICT (source, message_id, number) DO UPDATE SET ({names}) = ROW({new})
             WHERE ({kept}) IS DISTINCT FROM ({new})
            """
        ).format(names=names, kept=kept, new=new)
    ).rowcount
    return removed + written


def _row(contact: int, commitment: Commitment) -> tuple[object, ...]:
    said, mention = commitment.said, commitment.said.mention
    source, _, number = said.ref.partition(":")
    shown_in: tuple[str | None, int | None] = (None, None)
    if commitment.outcome_ref is not None:
        kind, _, message = commitment.outcome_ref.partition(":")
        shown_in = (kind, int(message))
    elif commitment.outcome_order is not None:
        shown_in = ("order", commitment.outcome_order)
    return (
        source, int(number), commitment.number, contact, mention.kind, mention.side, said.at, mention.amount,
        mention.length, commitment.due_on, commitment.due_time, said.order, mention.start, mention.end,
        commitment.outcome, *shown_in,
    )  # fmt: skip


# A quote or a promise that is this old waits for nobody any more.
FORGOTTEN = timedelta(days=90)

_CONDITIONS: dict[CommitmentList, LiteralString] = {
    "due": "status = 'due'",
    "overdue": "status = 'overdue'",
    "broken": "status = 'broken'",
    "quotes": "kind = 'price_quoted' AND status = 'open' "
    "AND said_at::date <= %(today)s - %(quiet_days)s::int",
    "open": "status IN ('open', 'due', 'overdue')",
    "all": "true",
}


def commitment_lines(
    conn: Connection,
    which: CommitmentList,
    *,
    today: date,
    contact: int | None = None,
    quiet_days: int = 0,
    limit: int = 100,
) -> list[CommitmentLine]:
    """Return commitments of one list, what is due first at the top.

    Args:
        conn: The connection.
        which: `due` today, `overdue`, `broken`, `quotes` without an answer, all that are `open`, or `all`.
        today: The day that due and overdue are about.
        contact: Only this customer's; None: everybody's, and nothing said more than 90 days before `today`.
        quiet_days: How many days a quote has had no answer.
        limit: How many rows at most.
    """
    statement = load("summaries/commitments_list").replace("{condition}", _CONDITIONS[which])
    with conn.cursor(row_factory=class_row(CommitmentLine)) as cursor:
        return cursor.execute(
            statement.encode(),
            {
                "today": today, "contact": contact, "quiet_days": quiet_days, "limit": limit,
                "since": None if contact is not None else datetime.combine(today - FORGOTTEN, time()),
            },
        ).fetchall()  # fmt: skip


def commitment_counts(conn: Connection, *, today: date) -> dict[str, int]:
    """Count what is due today, overdue, broken and quoted without an answer, of the last 90 days."""
    row = conn.execute(
        """
        SELECT count(*) FILTER (WHERE status = 'due'), count(*) FILTER (WHERE status = 'overdue'),
               count(*) FILTER (WHERE status = 'broken'),
               count(*) FILTER (WHERE status = 'open' AND kind = 'price_quoted')
          FROM (SELECT kind, commitment_status(kind, outcome, due_on, %(today)s) AS status FROM commitments
                 WHERE said_at >= %(since)s) c
        """,
        {"today": today, "since": datetime.combine(today - FORGOTTEN, time())},
    ).fetchone()
    names = ("due_today", "overdue", "broken", "quotes_without_answer")
    return dict(zip(names, row or (0, 0, 0, 0), strict=True))
