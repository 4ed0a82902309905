"""The table `chat_rereads`: files for which a person chose other reading options.

What belongs here: storing the choices, listing those that wait, and recording what index and load have done.
What does not: reading files (steps/chats/) and the options alone (parse_options.py), which `reparse` stores,
too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg.rows import class_row

from whatsapp_pipeline.store.chats.parse_options import set_parse_options
from whatsapp_pipeline.store.connection import Connection


class Reread(NamedTuple):
    """The last choice for a file. `read_at` is the time when a run used it, or None if it still waits.

    `can_be_read` is False if the file is missing from the archive, or could not be opened or loaded.
    """

    options: dict[str, Any]
    requested_by: str
    requested_at: datetime
    read_at: datetime | None
    can_be_read: bool


class WaitingReread(NamedTuple):
    """One waiting choice. A later choice for the same chat has another `requested_at`."""

    id_chat_file: int
    requested_at: datetime


class WaitingMonth(NamedTuple):
    """A month with files that wait to be read again, and the time of the last request."""

    month: str
    files: int
    requested_at: datetime


def request_reread(conn: Connection, path: str, options: Mapping[str, Any], *, requested_by: str) -> bool:
    """Store reading options for a file, and that the file waits to be read with them.

    An option that is None is removed, so that the reader decides again. Return False, and change nothing, if
    no chat of the file is indexed.
    """
    with conn.transaction():
        if not set_parse_options(conn, options, path=path, month=None):
            return False
        conn.execute(
            """
            INSERT INTO chat_rereads (id_chat_file, options, requested_by)
            SELECT id, %(options)s, %(by)s FROM chat_files
             WHERE file_path = %(path)s AND processing_status <> 'vanished'
            ON CONFLICT (id_chat_file) DO UPDATE
               SET options = EXCLUDED.options, requested_by = EXCLUDED.requested_by, requested_at = now(),
                   indexed_at = NULL, read_at = NULL
            """,
            {"path": path, "options": json.dumps(dict(options)), "by": requested_by},
        )
    return True


def reread_of_file(conn: Connection, path: str) -> Reread | None:
    """Return the last choice for a file, or None if nobody made one."""
    with conn.cursor(row_factory=class_row(Reread)) as cursor:
        return cursor.execute(
            """
            SELECT r.options, r.requested_by, r.requested_at, r.read_at,
                   f.processing_status NOT IN ('failed', 'vanished') AS can_be_read
              FROM chat_files f JOIN chat_rereads r ON r.id_chat_file = f.id
             WHERE f.file_path = %s ORDER BY r.requested_at DESC, f.processing_status = 'vanished' LIMIT 1
            """,
            (path,),
        ).fetchone()


def waiting_files(conn: Connection, limit: int) -> list[str]:
    """Return the paths of up to `limit` files that wait to be read again, those that wait longest first."""
    rows = conn.execute(
        """
        SELECT f.file_path FROM chat_rereads r JOIN chat_files f ON f.id = r.id_chat_file
         WHERE r.read_at IS NULL GROUP BY f.file_path ORDER BY min(r.requested_at), f.file_path LIMIT %s
        """,
        (limit,),
    )
    return [row[0] for row in rows]


def waiting_choices(conn: Connection, *, after: str | None, limit: int) -> list[tuple[str, Reread]]:
    """Return (path, last choice) of up to `limit` files that wait to be read again.

    They are sorted by path and begin after `after`.
    """
    rows = conn.execute(
        """
        SELECT DISTINCT ON (f.file_path) f.file_path, r.options, r.requested_by, r.requested_at, r.read_at,
               f.processing_status NOT IN ('failed', 'vanished') AS can_be_read
          FROM chat_rereads r JOIN chat_files f ON f.id = r.id_chat_file
         WHERE r.read_at IS NULL AND (%(after)s::text IS NULL OR f.file_path > %(after)s)
         ORDER BY f.file_path, r.requested_at DESC LIMIT %(limit)s
        """,
        {"after": after, "limit": limit},
    )
    return [(row[0], Reread(*row[1:])) for row in rows]


def waiting_months(conn: Connection) -> list[WaitingMonth]:
    """Return the months with files that wait to be read again, in order."""
    with conn.cursor(row_factory=class_row(WaitingMonth)) as cursor:
        return cursor.execute(
            """
            SELECT f.month, count(DISTINCT f.file_path) AS files, max(r.requested_at) AS requested_at
              FROM chat_rereads r JOIN chat_files f ON f.id = r.id_chat_file
             WHERE r.read_at IS NULL GROUP BY f.month ORDER BY f.month
            """
        ).fetchall()


def waiting_rereads(conn: Connection, month: str) -> list[WaitingReread]:
    """Return the waiting choices of the month. A run calls this before it reads the options."""
    rows = conn.execute(
        """
        SELECT r.id_chat_file, r.requested_at FROM chat_rereads r JOIN chat_files f ON f.id = r.id_chat_file
         WHERE f.month = %s AND r.read_at IS NULL
        """,
        (month,),
    )
    return [WaitingReread(*row) for row in rows]


def record_indexed(conn: Connection, seen: Sequence[WaitingReread]) -> None:
    """Store that a run with these choices has indexed their files.

    A file that is missing, could not be opened or has no message no longer waits, because loading skips it.
    """
    conn.execute(
        """
        UPDATE chat_rereads r SET indexed_at = now(),
               read_at = CASE WHEN coalesce(f.message_count, 0) = 0
                                   OR f.processing_status IN ('failed', 'vanished') THEN now() END
          FROM chat_files f, unnest(%s::bigint[], %s::timestamptz[]) AS seen (id, requested_at)
         WHERE f.id = r.id_chat_file AND r.id_chat_file = seen.id AND r.requested_at = seen.requested_at
           AND r.read_at IS NULL
        """,
        _columns(seen),
    )


def record_read(conn: Connection, seen: Sequence[WaitingReread]) -> None:
    """Store that a load with these choices has read their files.

    A file that was not indexed after the choice still waits, because its sessions and evidence come from the
    previous reading.
    """
    conn.execute(
        """
        UPDATE chat_rereads r SET read_at = now()
          FROM unnest(%s::bigint[], %s::timestamptz[]) AS seen (id, requested_at)
         WHERE r.id_chat_file = seen.id AND r.requested_at = seen.requested_at
           AND r.read_at IS NULL AND r.indexed_at IS NOT NULL
        """,
        _columns(seen),
    )


def _columns(seen: Sequence[WaitingReread]) -> tuple[list[int], list[datetime]]:
    return [choice.id_chat_file for choice in seen], [choice.requested_at for choice in seen]
