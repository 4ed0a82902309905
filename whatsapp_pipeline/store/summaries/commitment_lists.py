"""Lists of commitments that are due, overdue or broken, and of quotes without an answer.

What belongs here: queries of commands and pages on the table commitments. What does not: filling it
(store/summaries/commitments.py), and wording.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal, LiteralString, NamedTuple, TypeAlias

from psycopg.rows import class_row

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.queries import load

CommitmentList: TypeAlias = Literal["due", "overdue", "waiting", "broken", "quotes", "open", "all"]


class CommitmentLine(NamedTuple):
    """One commitment to show. `nome` is personal data.

    If `id_contato` is None, the customer is not known, and `id_chat_file` or `conversation_id` is set.
    """

    id_contato: int | None
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
    id_chat_file: int | None = None
    conversation_id: int | None = None
    number: int = 1

    def place(self, which: CommitmentList) -> CommitmentPlace:
        """Return the place of the commitment in a list."""
        return CommitmentPlace(
            which == "waiting" and self.status != "due",
            self.due_on or self.said_at.date(),
            self.due_time,
            self.said_at,
            self.source,
            self.message_id,
            self.number,
        )


class CommitmentPlace(NamedTuple):
    """A place in a list: the values by which lists are sorted, in that order.

    `is_after_due` is true only in the list `waiting`, for commitments that are not due today. `number` is the
    running number among the commitments of one message.
    """

    is_after_due: bool
    day: date
    due_time: time | None
    said_at: datetime
    source: str
    message_id: int
    number: int


# Lists over all customers leave out commitments that are older.
FORGOTTEN = timedelta(days=90)

_CONDITIONS: dict[CommitmentList, LiteralString] = {
    "due": "status = 'due'",
    "overdue": "status = 'overdue'",
    "waiting": "status IN ('due', 'overdue')",
    "broken": "status = 'broken'",
    "quotes": "kind = 'price_quoted' AND status = 'open' "
    "AND said_at::date <= %(today)s - %(quiet_days)s::int",
    "open": "status IN ('open', 'due', 'overdue')",
    "all": "true",
}
# The values of a CommitmentPlace. No message has the time 24:00, so a commitment without a time is sorted as
# the last of its day.
_ORDER: LiteralString = (
    "coalesce(due_on, said_at::date), coalesce(due_time, '24:00'), said_at, source, message_id, number"
)
_DUE_FIRST: LiteralString = "status <> 'due'"
_ANY_FIRST: LiteralString = "status IS NULL"  # false for each row
_AFTER: LiteralString = (
    "%(is_after_due)s::boolean, %(day)s::date, coalesce(%(due_time)s::time, '24:00'), "
    "%(said_at)s::timestamp, %(source)s::text, %(message_id)s::bigint, %(number)s::int"
)


def commitment_lines(
    conn: Connection,
    which: CommitmentList,
    *,
    today: date,
    contact: int | None = None,
    quiet_days: int = 0,
    limit: int = 100,
    after: CommitmentPlace | None = None,
) -> list[CommitmentLine]:
    """Return the commitments of one list, sorted by due date, or by the day of the message without one.

    Args:
        conn: The connection.
        which: The list: `due` today, `overdue`, `waiting` (both, due today first), `broken`, `quotes` without
            an answer, `open`, or `all`.
        today: The day with which due dates are compared.
        contact: Return only commitments of this customer. With None, those of all customers in the 90 days
            before `today`.
        quiet_days: Minimum age in days of a quote without an answer.
        limit: Maximum number of rows.
        after: Return only commitments after this place of the list.
    """
    order = f"{_DUE_FIRST if which == 'waiting' else _ANY_FIRST}, {_ORDER}"
    follows = "" if after is None else f" AND ({order}) > ({_AFTER})"
    statement = load("summaries/commitments_list").replace("{condition}", f"{_CONDITIONS[which]}{follows}")
    statement = statement.replace("{order}", order)
    with conn.cursor(row_factory=class_row(CommitmentLine)) as cursor:
        return cursor.execute(
            statement.encode(),
            {
                "today": today,
                "contact": contact,
                "quiet_days": quiet_days,
                "limit": limit,
                **(after._asdict() if after else {}),
                "since": None if contact is not None else datetime.combine(today - FORGOTTEN, time()),
            },
        ).fetchall()


def commitment_counts(conn: Connection, *, today: date) -> dict[str, int]:
    """Return how many commitments of the last 90 days are due today, overdue, broken, or open quotes."""
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
