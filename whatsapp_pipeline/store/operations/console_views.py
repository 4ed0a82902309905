"""The table `console_views`: who looked at whose messages in the console.

What belongs here: writing and reading this table. What does not: which pages show messages (console/).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from psycopg.rows import class_row

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations.suppression import hash_of

ViewAction: TypeAlias = Literal["view", "search", "print", "export", "note"]


def view_subject(key: bytes, id_contato: int | None, chat: str) -> bytes:
    """Return the keyed hash that identifies a customer in `console_views`.

    Without `id_contato`, it is the hash of the chat.
    """
    if id_contato is not None:
        return hash_of(key, "contact", str(id_contato))
    return hash_of(key, "chat", f"console:{chat}")


def record_views(conn: Connection, session: bytes, action: ViewAction, subjects: Iterable[bytes]) -> None:
    """Store that the user of the session sees messages of these subjects.

    Call it in the transaction that reads the messages. Raises
    psycopg.errors.InvalidAuthorizationSpecification if the session has ended or its user was disabled.
    """
    if wanted := list(subjects):
        conn.execute("SELECT console_record_views(%s, %s, %s)", (session, action, wanted))


class ViewRecord(NamedTuple):
    """The views of one subject by one user with one action, in a period of ten minutes.

    `pages` counts the pages with messages of the subject.
    """

    name: str
    action: str
    subject: bytes
    first_at: datetime
    last_at: datetime
    pages: int


def views(
    conn: Connection, *, subject: bytes | None, user: str | None, since: datetime | None, limit: int
) -> list[ViewRecord]:
    """Return up to `limit` records, newest first. A filter that is None is not applied."""
    with conn.cursor(row_factory=class_row(ViewRecord)) as cursor:
        return cursor.execute(
            """
            SELECT u.name, v.action, v.subject, v.first_at, v.last_at, v.pages
              FROM console_views v JOIN console_users u ON u.id = v.id_user
             WHERE (%(subject)s::bytea IS NULL OR v.subject = %(subject)s)
               AND (%(name)s::text IS NULL OR u.name = lower(%(name)s))
               AND (%(since)s::timestamptz IS NULL OR v.last_at >= %(since)s)
             ORDER BY v.last_at DESC, u.name, v.action LIMIT %(limit)s
            """,
            {"subject": subject, "name": user, "since": since, "limit": limit},
        ).fetchall()


def delete_views_older_than(conn: Connection, months: int) -> int:
    """Delete records that are older than `months` months. Return how many."""
    return conn.execute(
        "DELETE FROM console_views WHERE window_start < now() - make_interval(months => %s)", (months,)
    ).rowcount
