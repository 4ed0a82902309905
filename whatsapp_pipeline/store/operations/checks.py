"""Reading the rows that break the rule of a check, for many months in one statement.

What belongs here: running a check's statements, and the type of their result. What does not: the statements
(sql/queries/<subject>/check_<name>.sql), and the name, severity and remedy of a rule (checks/). Personal data
in the rows is masked here, directly after reading.

The file of a check has two statements, each after a line `-- name: …`. `examined` counts the rows that the
check looks at. `failing` selects those that break the rule, in the order of display. Both have a column
`month` if the check is by month.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, LiteralString, TypeAlias, cast

from psycopg import sql

from whatsapp_pipeline.domain.masking import mask_name, mask_path, mask_phone, mask_title
from whatsapp_pipeline.domain.quality import Month
from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection

SAMPLE_ROWS = 50
# The function that masks a column with personal data, by column.
_MASKS = {"title": mask_title, "file": mask_path, "phone": mask_phone, "nome": mask_name}


Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MonthFindings:
    """The result of a check in one month: exact numbers, and a sample of at most SAMPLE_ROWS failing rows."""

    examined: int = 0
    failing: int = 0
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Findings:
    """The results of a check by month. In a month without a result, there was nothing to examine."""

    months: Mapping[Month, MonthFindings]

    @classmethod
    def of(cls, examined: int | Mapping[Month, int], rows: Iterable[Row]) -> Findings:
        """Return the results for failing rows, each in the month of its column `month`."""
        counts: Mapping[Month, int] = {None: examined} if isinstance(examined, int) else examined
        by_month: dict[Month, list[Row]] = {month: [] for month in counts}
        for row in rows:
            by_month.setdefault(row.get("month"), []).append(row)
        return cls(
            {
                month: MonthFindings(
                    counts.get(month, 0), len(found), [mask_row(row) for row in found[:SAMPLE_ROWS]]
                )
                for month, found in by_month.items()
            }
        )

    @property
    def examined(self) -> int:
        """The number of examined rows, over all months."""
        return sum(month.examined for month in self.months.values())

    @property
    def failing(self) -> int:
        """The number of failing rows, over all months."""
        return sum(month.failing for month in self.months.values())

    @property
    def rows(self) -> list[Row]:
        """A sample of the failing rows of all months, in order of months."""
        return [row for month in self.months.values() for row in month.rows][:SAMPLE_ROWS]

    @property
    def by_month(self) -> dict[str, int]:
        """The number of failing rows by month, for months that have any."""
        return {month: found.failing for month, found in self.months.items() if month and found.failing}


def run_check_query(conn: Connection, name: str, params: Mapping[str, Any], *, monthly: bool) -> Findings:
    """Run both statements of `sql/queries/<name>.sql` as one, for any number of months."""
    examined, failing = _statements(name)
    rows = conn.execute(
        sql.SQL(queries.load("operations/check_by_month")).format(
            examined=sql.SQL(examined),
            failing=sql.SQL(failing),
            # The statements of a check that is not by month have no such column.
            examined_month=sql.SQL("month" if monthly else "NULL::text AS month"),
            failing_month=sql.SQL("" if monthly else "NULL::text AS month,"),
        ),
        {**params, "sample_rows": SAMPLE_ROWS},
    )
    return Findings(
        {
            month: MonthFindings(
                int(seen), int(broken), [mask_row(row, monthly=monthly) for row in sample or ()]
            )
            for month, seen, broken, sample in rows
        }
    )


@cache
def _statements(name: str) -> tuple[LiteralString, LiteralString]:
    """Return the statements `examined` and `failing` of a check's file."""
    parts = re.split(r"^-- name: (\w+)$", queries.load(name), flags=re.MULTILINE)
    named = dict(zip(parts[1::2], parts[2::2], strict=True))
    # The text comes from a file of the project, so it is trusted.
    return cast("LiteralString", named["examined"]), cast("LiteralString", named["failing"])


def mask_row(row: Row, *, monthly: bool = True) -> Row:
    """Return the row with masked personal data, and without the columns that are only used for counting."""
    return {
        name: _MASKS[name](str(value)) if name in _MASKS and value else value
        for name, value in row.items()
        if not name.startswith("_") and (monthly or name != "month")
    }


def indexed_paths(conn: Connection, month: str) -> set[str]:
    """Return the paths of a month's files that have a row, or an exception that explains its absence."""
    rows = conn.execute(
        """
        SELECT file_path FROM chat_files WHERE month = %(month)s
        UNION SELECT file_path FROM exceptions WHERE stage = 'chat_file_index' AND month = %(month)s
        """,
        {"month": month},
    )
    return {row[0] for row in rows}
