"""The statements behind the QA checks: which rows break a rule.

What belongs here: finding rows. What does not: what a rule is called, how bad it is and how it is mended
(checks/). Rows are masked here, where they leave the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, LiteralString

from psycopg import sql
from psycopg.rows import dict_row

from whatsapp_pipeline.domain.masking import mask_name, mask_path, mask_phone, mask_title
from whatsapp_pipeline.store.connection import Connection

SAMPLE_ROWS = 50
# Columns that hold personal data, and how each is shown.
_MASKS = {"title": mask_title, "file": mask_path, "phone": mask_phone, "nome": mask_name}


@dataclass(frozen=True, slots=True)
class Findings:
    """Rows that break a rule: the exact number, a sample of at most SAMPLE_ROWS, the number by month."""

    examined: int
    failing: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    by_month: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, examined: int, rows: list[dict[str, Any]], by_month: Mapping[str, int]) -> Findings:
        """Make findings of all failing rows, masked here."""
        return cls(examined, len(rows), [_shown(row) for row in rows[:SAMPLE_ROWS]], by_month)


def find(
    conn: Connection, examined: LiteralString, failing: LiteralString, params: Mapping[str, Any]
) -> Findings:
    """Run a rule: `examined` counts what it looks at, `failing` selects the rows that break it.

    `failing` has a `month` column where months make sense of it; `title` and `file` come out masked.
    """
    total = conn.execute(examined, params).fetchone()
    base = sql.SQL("WITH failing AS MATERIALIZED ({}) ").format(sql.SQL(failing))
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            base + sql.SQL("SELECT *, count(*) OVER () AS _total FROM failing LIMIT {}").format(SAMPLE_ROWS),
            params,
        ).fetchall()
        count = int(rows[0]["_total"]) if rows else 0
        by_month: dict[str, int] = {}
        if rows and "month" in rows[0]:
            grouped = cursor.execute(
                base + sql.SQL("SELECT month, count(*) AS n FROM failing GROUP BY month"), params
            )
            by_month = {str(row["month"]): int(row["n"]) for row in grouped}
    return Findings(int(total[0]) if total else 0, count, [_shown(row) for row in rows], by_month)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _MASKS[name](str(value)) if name in _MASKS and value else value
        for name, value in row.items()
        if not name.startswith("_")
    }


def indexed_paths(conn: Connection, month: str) -> set[str]:
    """Return the paths of a month's files that have a row, or an exception that says why not."""
    rows = conn.execute(
        """
        SELECT file_path FROM chat_files WHERE month = %(month)s
        UNION SELECT file_path FROM exceptions WHERE stage = 'chat_file_index' AND month = %(month)s
        """,
        {"month": month},
    )
    return {row[0] for row in rows}
