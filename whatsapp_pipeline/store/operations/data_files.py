"""The table `data_files`: the backups, QA reports and exports of every host, which contain people's data.

What belongs here: statements over `data_files`. What does not: writing and deleting files
(steps/operations/data_files.py) and the erasures that hosts confirm (erasure_queue.py).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias, cast
from uuid import UUID, uuid4

from psycopg.rows import class_row

from whatsapp_pipeline.store.connection import Connection, one_row

Kind: TypeAlias = Literal["backup", "report", "export", "person"]
"""An `export` has rows of many people, and a `person` file has rows of one person."""


class FilePlace(NamedTuple):
    """The place of a file: host (or the address of SHARED_DIR), path or URL of the folder, and name."""

    host: str
    folder: str
    name: str

    @property
    def path(self) -> str:
        """The path or URL of the file."""
        return f"{self.folder.rstrip('/')}/{self.name}"


class NewFile(NamedTuple):
    """A file that will be written.

    For a file of one person, `subject` is the keyed hash of the person, or None if there is no key.
    `first_month` is None for a file of all months. `written_by` is the id of a run. None stands for the
    database login.
    """

    kind: Kind
    place: FilePlace
    subject: bytes | None = None
    first_month: str | None = None
    written_by: str | None = None


class DataFile(NamedTuple):
    """A registered file. `bytes` is None until the file is complete."""

    id: UUID
    kind: Kind
    host: str
    folder: str
    name: str
    bytes: int | None
    modified_ns: int | None
    first_month: str | None
    written_by: str
    begun_at: datetime
    outdated_at: datetime | None
    outdated_by: Literal["erasure", "retention"] | None

    @property
    def place(self) -> FilePlace:
        """The place of the file."""
        return FilePlace(self.host, self.folder, self.name)


class KeptBackup(NamedTuple):
    """A backup in a folder, to compare with the list."""

    name: str
    bytes: int
    taken_at: datetime


def has_register(conn: Connection) -> bool:
    """Return whether the database has the table. A database from an old backup may lack it."""
    return one_row(conn.execute("SELECT to_regclass('data_files') IS NOT NULL"))[0] is True


def flagging_time(conn: Connection) -> datetime:
    """Return the server's time, with which files are flagged."""
    return cast("datetime", one_row(conn.execute("SELECT clock_timestamp()"))[0])


def register_file(conn: Connection, file: NewFile) -> UUID:
    """Store that a file will be written, before the first row for it is read. Return its id.

    A later erasure flags the file, because its rows may have been read before the erasure. The connection
    must be in autocommit mode.
    """
    number = uuid4()
    conn.execute(
        "SELECT register_data_file(%s, %s, %s, %s, %s, %s, %s, %s)",
        (number, file.kind, *file.place, file.subject, file.first_month, file.written_by),
    )
    return number


def finish_file(conn: Connection, file: UUID, size: int | None, modified_ns: int | None) -> None:
    """Store that a registered file is complete and has replaced an older one of its name.

    Without a size, the file was not written, and its row is deleted.
    """
    conn.execute("SELECT finish_data_file(%s, %s, %s)", (file, size, modified_ns))


def registered_files(conn: Connection) -> list[DataFile]:
    """Return all registered files, by host, kind and place."""
    with conn.cursor(row_factory=class_row(DataFile)) as cursor:
        return cursor.execute(
            """
            SELECT id, kind, host, folder, name, bytes, modified_ns, first_month, written_by, begun_at,
                   outdated_at, outdated_by
              FROM data_files ORDER BY host, kind, folder, name, begun_at
            """
        ).fetchall()


def delete_registrations(conn: Connection, files: Collection[UUID]) -> None:
    """Delete the rows of files that no longer exist."""
    conn.execute("DELETE FROM data_files WHERE id = ANY(%s)", (list(files),))


def forget_files_of(conn: Connection, host: str) -> int:
    """Delete the rows of the files of a host whose disk no longer exists. Return their number."""
    return conn.execute("DELETE FROM data_files WHERE host = %s", (host,)).rowcount


def flag_erased(conn: Connection, subject: bytes | None) -> None:
    """Flag the files that may contain erased people. Call it last in the transaction that erases.

    A file of one known person is flagged only if the person is `subject` or is on the list of erased people.
    A new file can be registered only after the transaction, so it does not contain the person.
    """
    conn.execute("LOCK TABLE data_files IN SHARE ROW EXCLUSIVE MODE")
    conn.execute(
        """
        UPDATE data_files SET outdated_at = clock_timestamp(), outdated_by = 'erasure'
         WHERE kind <> 'person' OR subject IS NULL OR subject = %s
            OR subject IN (SELECT key_hash FROM privacy_suppressions)
        """,
        (subject,),
    )


def flag_retained(conn: Connection, first_month: str) -> None:
    """Flag the exports that may contain months before `first_month`.

    Call it in the transaction that deletes these months.
    """
    conn.execute("LOCK TABLE data_files IN SHARE ROW EXCLUSIVE MODE")
    conn.execute(
        """
        UPDATE data_files SET outdated_at = clock_timestamp(), outdated_by = 'retention'
         WHERE outdated_at IS NULL AND kind IN ('export', 'person')
           AND coalesce(first_month, '') < %s
        """,
        (first_month,),
    )


def sync_backups(conn: Connection, host: str, folder: str, kept: Sequence[KeptBackup]) -> None:
    """Make the rows of a folder's backups equal to `kept`, the backups in the folder.

    A new backup is flagged if somebody was erased after it was taken.
    """
    names, sizes, times = ([item[column] for item in kept] for column in range(3))
    with conn.transaction():
        conn.execute(
            "DELETE FROM data_files WHERE kind = 'backup' AND host = %s AND folder = %s AND name <> ALL(%s)",
            (host, folder, names),
        )
        conn.execute(
            """
            INSERT INTO data_files AS f
                   (id, kind, host, folder, name, bytes, written_by, begun_at, outdated_at, outdated_by)
            SELECT gen_random_uuid(), 'backup', %(host)s, %(folder)s, k.name, k.bytes, session_user,
                   k.taken_at, e.erased_at, CASE WHEN e.erased_at IS NOT NULL THEN 'erasure' END
              FROM unnest(%(names)s::text[], %(sizes)s::bigint[], %(times)s::timestamptz[])
                   AS k (name, bytes, taken_at),
                   LATERAL (SELECT max(queued_at) AS erased_at FROM privacy_erasures
                             WHERE queued_at > k.taken_at) e
                ON CONFLICT (host, folder, name) WHERE kind = 'backup' DO UPDATE SET bytes = excluded.bytes
            """,
            {"names": names, "sizes": sizes, "times": times, "host": host, "folder": folder},
        )


def unflag_backups(
    conn: Connection, host: str, folder: str, names: Sequence[str], cleaned_at: datetime
) -> None:
    """Remove the flags of backups that were cleaned, unless somebody was erased after `cleaned_at`."""
    conn.execute(
        """
        UPDATE data_files SET outdated_at = NULL, outdated_by = NULL
         WHERE kind = 'backup' AND host = %s AND folder = %s AND name = ANY(%s) AND outdated_at < %s
        """,
        (host, folder, list(names), cleaned_at),
    )
