"""Open cases, for the console's home page and the command line, and cases that people marked as handled.

What belongs here: statements over `open_cases` and `handled_cases`. What does not: the rules for open cases
(sql/queries/summaries/summaries_open.sql) and for handled ones (the view).

Every level may read these tables, and analysts and reviewers may write `handled_cases`.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from psycopg.rows import class_row

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection


class OpenCase(NamedTuple):
    """A customer with an open case. The fields from `until` to `made_at` come from the person who handled it.

    `stale_since` is the time when a person changed the customer's links, or None. The case was computed
    before that time.
    """

    id_contato: int
    nome: str | None
    open_since: datetime
    open_reasons: list[str]
    last_at: datetime | None
    until: date | None
    note: str | None
    made_by: str | None
    made_at: datetime | None
    stale_since: datetime | None


def open_cases(
    conn: Connection,
    *,
    waiting: bool,
    handled: bool,
    limit: int,
    after: tuple[datetime, int] | None = None,
) -> list[OpenCase]:
    """Return open cases. Those that have been open longest come first.

    Args:
        conn: A connection of any level, in the archive's time zone.
        waiting: Return only cases with an unanswered message of the customer.
        handled: Return the cases that a person marked as handled, instead of the others.
        limit: Maximum number of cases.
        after: (time since when it is open, customer) of the last case of the previous page.
    """
    since, last = after or (None, None)
    values = {"waiting": waiting, "handled": handled, "limit": limit, "since": since, "last": last}
    with conn.cursor(row_factory=class_row(OpenCase)) as cursor:
        return cursor.execute(queries.load("operations/open_cases"), values).fetchall()


def handle_case(conn: Connection, id_contato: int, *, until: date, note: str, made_by: str) -> None:
    """Hide a customer's case from the list until a day, in the time zone of the connection."""
    conn.execute(
        """
        INSERT INTO handled_cases (id_contato, until, note, made_by) VALUES (%s, %s, %s, %s)
        ON CONFLICT (id_contato) DO UPDATE
           SET until = EXCLUDED.until, note = EXCLUDED.note, made_by = EXCLUDED.made_by, made_at = now(),
               time_zone = EXCLUDED.time_zone
        """,
        (id_contato, until, note, made_by),
    )


def reopen_case(conn: Connection, id_contato: int) -> None:
    """Show a handled case in the list again."""
    conn.execute("DELETE FROM handled_cases WHERE id_contato = %s", (id_contato,))
