"""The table `ignored_files`: files of the archive that a person excluded because they are not chats.

What belongs here: the list of these files, and deleting their rows. What does not: leaving them out of a run
(steps/chats/index_chats.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from whatsapp_pipeline.store.connection import Connection


class IgnoredFile(NamedTuple):
    """An excluded file, and the reason."""

    file_path: str
    reason: str
    made_by: str
    made_at: datetime


def ignored_files(conn: Connection) -> list[IgnoredFile]:
    """Return the ignored files, by path."""
    rows = conn.execute("SELECT file_path, reason, made_by, made_at FROM ignored_files ORDER BY file_path")
    return [IgnoredFile(*row) for row in rows]


def ignored_paths(conn: Connection) -> set[str]:
    """Return the paths of the ignored files."""
    return {row[0] for row in conn.execute("SELECT file_path FROM ignored_files")}


def loaded_messages(conn: Connection, path: str) -> int:
    """Return the number of messages that were loaded from a file."""
    row = conn.execute(
        "SELECT count(*) FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file"
        " WHERE f.file_path = %s",
        (path,),
    ).fetchone()
    return int(row[0]) if row else 0


def is_known(conn: Connection, path: str) -> bool:
    """Return whether a file has a row in `chat_files` or a finding."""
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM chat_files WHERE file_path = %(path)s)"
        " OR EXISTS (SELECT FROM exceptions WHERE file_path = %(path)s)",
        {"path": path},
    ).fetchone()
    return row == (True,)


def ignore_file(conn: Connection, path: str, *, reason: str, made_by: str) -> None:
    """Ignore a file from now on, and delete its rows and its findings.

    The caller makes sure that no message of the file is loaded.
    """
    with conn.transaction():
        conn.execute(
            """
            INSERT INTO ignored_files (file_path, reason, made_by) VALUES (%s, %s, %s)
            ON CONFLICT (md5(file_path)) DO UPDATE
            SET reason = excluded.reason, made_by = excluded.made_by, made_at = now()
            """,
            (path, reason, made_by),
        )
        conn.execute("DELETE FROM chat_files WHERE file_path = %s", (path,))
        conn.execute("DELETE FROM exceptions WHERE file_path = %s", (path,))


def stop_ignoring(conn: Connection, path: str) -> bool:
    """Stop ignoring a file. Return whether it was ignored."""
    return conn.execute("DELETE FROM ignored_files WHERE file_path = %s", (path,)).rowcount == 1
