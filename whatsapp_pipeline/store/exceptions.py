"""The table `exceptions`: one row per finding that something could not be read, stored or assigned.

What belongs here: writing and reading findings. What does not: finding them (steps/). The findings of a file
are replaced as a set: resolved findings are deleted, persisting ones keep their id and time, and new ones are
added.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from whatsapp_pipeline.store.connection import Connection


class ExceptionRow(NamedTuple):
    """One finding. `severity` is info, warning or error.

    `line` counts from 1. None means that the finding is about the whole file or chat.
    """

    stage: str
    file_path: str
    chat_number: int | None
    month: str | None
    line: int | None
    kind: str
    severity: str
    detail: str


_COLUMNS = ", ".join(ExceptionRow._fields)
_INCOMING = (
    "unnest(%s::text[], %s::text[], %s::int[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[])"
)
_CHOSEN = """(%(month)s::text IS NULL OR month = %(month)s) AND (%(kind)s::text IS NULL OR kind = %(kind)s)"""


def replace_for_files(
    conn: Connection, stage: str, paths: Sequence[str], rows: Iterable[ExceptionRow]
) -> int:
    """Replace the findings of `stage` about the files at `paths` by `rows`. Return how many distinct rows."""
    # The index has the hash of the path, because a path may be longer than a row of an index.
    scope = "e.stage = %s AND md5(e.file_path) = ANY(ARRAY(SELECT md5(p) FROM unnest(%s::text[]) AS p))"
    return _replace(conn, rows, scope, (stage, list(paths)))


def replace_for_kind(
    conn: Connection, stage: str, kind: str, month: str | None, rows: Iterable[ExceptionRow]
) -> int:
    """Replace the findings of `stage` and `kind` in `month` by `rows`.

    With `month` None, the findings without a month are replaced.
    """
    # "IS NOT DISTINCT FROM" would not use an index.
    if month is None:
        return _replace(conn, rows, "e.stage = %s AND e.kind = %s AND e.month IS NULL", (stage, kind))
    return _replace(conn, rows, "e.stage = %s AND e.kind = %s AND e.month = %s", (stage, kind, month))


def _replace(conn: Connection, rows: Iterable[ExceptionRow], scope: str, values: tuple[object, ...]) -> int:
    # One row per key: equal findings are stored once.
    unique = {(r.stage, r.file_path, r.chat_number, r.line, r.kind, r.detail): r for r in rows}
    if not unique:
        conn.execute(f"DELETE FROM exceptions e WHERE {scope}", values)
        return 0
    columns = [list(column) for column in zip(*unique.values(), strict=True)]
    conn.execute(
        f"""DELETE FROM exceptions e WHERE {scope} AND NOT EXISTS (
                SELECT FROM {_INCOMING} AS i ({_COLUMNS})
                WHERE (i.stage, i.file_path, i.kind, i.detail) = (e.stage, e.file_path, e.kind, e.detail)
                  AND i.chat_number IS NOT DISTINCT FROM e.chat_number AND i.line IS NOT DISTINCT FROM e.line
            )""",
        (*values, *columns),
    )
    conn.execute(
        f"""INSERT INTO exceptions AS e ({_COLUMNS}) SELECT {_COLUMNS} FROM {_INCOMING} AS i ({_COLUMNS})
            ON CONFLICT (stage, md5(file_path), chat_number, line, kind, md5(detail))
            DO UPDATE SET month = EXCLUDED.month, severity = EXCLUDED.severity
            WHERE (e.month, e.severity) IS DISTINCT FROM (EXCLUDED.month, EXCLUDED.severity)""",
        columns,
    )
    return len(unique)


def list_findings(conn: Connection, *, month: str | None, kind: str | None, limit: int) -> list[ExceptionRow]:
    """Return at most `limit` findings, the most severe first, then by month, file, chat and line."""
    rows = conn.execute(
        f"""SELECT {_COLUMNS} FROM exceptions
            WHERE {_CHOSEN}
            ORDER BY array_position(ARRAY['error', 'warning', 'info'], severity),
                     month, file_path, chat_number, line, id
            LIMIT %(limit)s""",
        {"month": month, "kind": kind, "limit": limit},
    )
    return [ExceptionRow(*row) for row in rows]


def details(conn: Connection, stage: str, path: str) -> list[str]:
    """Return the details of a stage's findings about `path` (a file or a row), the oldest first."""
    rows = conn.execute(
        "SELECT detail FROM exceptions WHERE stage = %s AND md5(file_path) = md5(%s) ORDER BY id",
        (stage, path),
    )
    return [row[0] for row in rows]


def kinds(conn: Connection, *, month: str | None) -> dict[str, int]:
    """Return the number of findings by kind, the most frequent kind first."""
    rows = conn.execute(
        "SELECT kind, count(*) FROM exceptions WHERE %(month)s::text IS NULL OR month = %(month)s"
        " GROUP BY kind ORDER BY count(*) DESC, kind",
        {"month": month},
    )
    return {str(kind): int(number) for kind, number in rows}


def count_findings(conn: Connection, *, month: str | None, kind: str | None) -> int:
    """Return the number of findings that `list_findings` would return without a limit."""
    row = conn.execute(
        f"SELECT count(*) FROM exceptions WHERE {_CHOSEN}",
        {"month": month, "kind": kind},
    ).fetchone()
    return int(row[0]) if row else 0


class UnreadFile(NamedTuple):
    """A file of the archive with warnings or errors.

    `findings` is their number, `lines` the number of those that name a line, `severity` the highest one, and
    `kinds` their kinds in alphabetical order.
    """

    file_path: str
    month: str | None
    findings: int
    lines: int
    severity: str
    kinds: list[str]


_OF_FILES = "stage IN ('chat_file_index', 'chat_messages') AND severity IN ('warning', 'error')"


def unread_files(conn: Connection, *, month: str | None, after: str | None, limit: int) -> list[UnreadFile]:
    """Return up to `limit` files that could not be read, completely or in part.

    They are sorted by path and begin after `after`.
    """
    rows = conn.execute(
        f"""
        SELECT file_path, min(month), count(*), count(line),
               CASE WHEN bool_or(severity = 'error') THEN 'error' ELSE 'warning' END,
               array_agg(DISTINCT kind ORDER BY kind)
          FROM exceptions
         WHERE {_OF_FILES} AND (%(month)s::text IS NULL OR month = %(month)s)
           AND (%(after)s::text IS NULL OR file_path > %(after)s)
         GROUP BY file_path ORDER BY file_path LIMIT %(limit)s
        """,
        {"month": month, "after": after, "limit": limit},
    ).fetchall()
    return [UnreadFile(*row) for row in rows]


def findings_of_file(conn: Connection, path: str, *, limit: int) -> list[ExceptionRow]:
    """Return up to `limit` warnings and errors about a file, those about the whole file first."""
    rows = conn.execute(
        f"""SELECT {_COLUMNS} FROM exceptions WHERE {_OF_FILES} AND file_path = %s
             ORDER BY line NULLS FIRST, chat_number, id LIMIT %s""",
        (path, limit),
    )
    return [ExceptionRow(*row) for row in rows]
