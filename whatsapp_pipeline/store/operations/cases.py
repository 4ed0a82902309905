"""Open cases, for the console's home page and the command line, and what people have taken care of.

What belongs here: statements over `open_cases` and `handled_cases` that every level may run; writing is an
analyst's. What does not: what makes a case open (sql/queries/summaries/summaries_open.sql) and when it counts
as handled (the view).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from psycopg.rows import class_row

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection


class OpenCase(NamedTuple):
    """A customer with something open; `until` to `made_at` are of the person who handled it.

    `stale_since`: a person changed the customer's links then, and the case is of the links before; None
    otherwise.
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
    """Return open cases, the longest open first.

    Args:
        conn: A connection of any level, in the archive's time zone.
        waiting: Only those with words of the customer that nobody answered.
        handled: Those that a person has taken care of, and not the others.
        limit: The most that are returned.
        after: When the last case of the page before was opened, and whose it is.
    """
    since, last = after or (None, None)
    values = {"waiting": waiting, "handled": handled, "limit": limit, "since": since, "last": last}
    with conn.cursor(row_factory=class_row(OpenCase)) as cursor:
        return cursor.execute(queries.load("operations/open_cases"), values).fetchall()


def handle_case(conn: Connection, id_contato: int, *, until: date, note: str, made_by: str) -> None:
    """Keep a customer's case out of the list until a day of the connection's time zone, the archive's."""
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
    """Bring a handled case back into the list."""
    conn.execute("DELETE FROM handled_cases WHERE id_contato = %s", (id_contato,))
