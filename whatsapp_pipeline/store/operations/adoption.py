"""Comparing the user's own tables with the tables that the pipeline expects.

What belongs here: reading columns and keys of `contatos` and `ordens_servico`, and a report of differences.
What does not: changing them. A migration adds missing columns and alters nothing. The expected columns are
read from that migration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.migrate import MIGRATIONS_DIR

TABLES: Final = ("contatos", "ordens_servico")
_UNGUARDED: Final = "deleting a row does not clear the links to it"
_INTEGERS: Final = frozenset({"int2", "int4", "int8"})
_FAMILIES: Final[dict[str, str]] = {
    "varchar": "text",
    "bpchar": "text",
    "text": "text",
    "citext": "text",
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "numeric": "number",
    "float4": "number",
    "float8": "number",
    "date": "date",
    "timestamp": "time",
    "timestamptz": "time",
    "bool": "flag",
}
_EXPECTED_LINE: Final = re.compile(
    r"^\s+ADD COLUMN IF NOT EXISTS (\w+) ([\w ]+(?:\([\d, ]+\))?)[,;]", re.MULTILINE
)
# Returns whether `id` has a unique index of its own, and whether a foreign key refers to the table.
_LINKS_QUERY: Final = """
    SELECT EXISTS (
        SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = to_regclass(%s) AND i.indisunique AND i.indimmediate AND i.indisvalid
          AND i.indnkeyatts = 1 AND i.indpred IS NULL AND i.indexprs IS NULL AND a.attname = 'id'
    ), EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = to_regclass(%s))
"""


@dataclass(frozen=True, slots=True)
class UserColumn:
    """A column of the user's table. `length` is in characters, or None without a limit."""

    name: str
    type: str
    type_name: str
    length: int | None
    precision: int | None
    scale: int | None
    required: bool
    has_default: bool

    @property
    def family(self) -> str:
        """The kind of the column's values: text, integer, number, date, time, flag or other."""
        return _FAMILIES.get(self.type_name, "other")


@dataclass(frozen=True, slots=True)
class TableFinding:
    """One difference.

    `problem` is `narrow`, `other_type`, `required`, `no_unique_id` or `no_foreign_keys`.
    """

    table: str
    column: str
    problem: str
    found: str
    expected: str
    consequence: str

    @property
    def needs_erp(self) -> bool:
        """Whether the difference matters only if the ERP's values or rows are written to the table."""
        return self.problem in {"narrow", "required"} or (
            self.problem == "other_type" and self.column != "id"
        )

    def __str__(self) -> str:
        return f"{self.table}.{self.column} is {self.found}, expected {self.expected}: {self.consequence}"


def columns_by_name(conn: Connection, table: str) -> dict[str, UserColumn]:
    """Return the columns of `table` by name. The result is empty if there is no such table."""
    rows = conn.execute(
        """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod), t.typname,
               CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN a.atttypmod - 4 END,
               CASE WHEN t.typname = 'numeric' AND a.atttypmod > 4 THEN (a.atttypmod - 4) >> 16 END,
               CASE WHEN t.typname = 'numeric' AND a.atttypmod > 4 THEN (a.atttypmod - 4) & 2047 END,
               a.attnotnull, a.atthasdef OR a.attidentity <> ''
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
        """,
        (table,),
    )
    return {row[0]: UserColumn(*row) for row in rows}


@cache
def expected(table: str) -> dict[str, str]:
    """Return the expected type of each column of `table`, as the migration writes it."""
    text = (MIGRATIONS_DIR / "0001_base.sql").read_text(encoding="utf-8")
    body = text[text.index(f"ALTER TABLE {table}\n") :]
    body = body[: body.index(";") + 1]
    return dict(_EXPECTED_LINE.findall(body))


def compare_user_tables(conn: Connection, *, with_erp: bool = True) -> list[TableFinding]:
    """Return the differences of both tables from the expected ones.

    Without an ERP, nothing is written to these columns, so their types and widths do not matter.
    """
    findings: list[TableFinding] = []
    for table in TABLES:
        real = columns_by_name(conn, table)
        if real:
            findings += _key_findings(conn, table, real)
            for name, type_ in expected(table).items():
                findings += _column_findings(table, real[name], type_)
            findings += _required_findings(table, real)
    return [finding for finding in findings if with_erp or not finding.needs_erp]


def _key_findings(conn: Connection, table: str, real: dict[str, UserColumn]) -> list[TableFinding]:
    if real["id"].type_name not in _INTEGERS:
        return [
            TableFinding(
                table,
                "id",
                "other_type",
                real["id"].type,
                "integer or bigint",
                f"rows of the ERP cannot be kept in this table, and {_UNGUARDED}",
            )
        ]
    row = conn.execute(_LINKS_QUERY, (table, table)).fetchone()
    unique, linked = row if row else (False, False)
    if not unique:
        return [
            TableFinding(
                table,
                "id",
                "no_unique_id",
                "no primary key",
                "a key on id",
                f"{_UNGUARDED}; run ALTER TABLE {table} ADD PRIMARY KEY (id), then SELECT link_to_adopted(…) "
                "as the migrations do",
            )
        ]
    if not linked:
        return [
            TableFinding(
                table,
                "id",
                "no_foreign_keys",
                "a key added after the migration",
                "foreign keys to it",
                f"{_UNGUARDED}; run SELECT link_to_adopted(…) as the migrations do",
            )
        ]
    return []


def _column_findings(table: str, real: UserColumn, type_: str) -> list[TableFinding]:
    family, length, precision = _read_type(type_)
    if real.family != family and not (
        real.family == "text"
        or {real.family, family} <= {"integer", "number"}
        or (real.family, family) == ("time", "date")
    ):
        consequence = "values of the ERP that do not fit this type are left out, a row each in exceptions"
        return [TableFinding(table, real.name, "other_type", real.type, type_, consequence)]
    if real.family == "text" and real.length is not None and (length is None or real.length < length):
        if family != "text" and real.length >= 19:
            return []  # dates and amounts are also read from text
        consequence = "longer values of the ERP are cut to fit, a row each in exceptions"
        return [TableFinding(table, real.name, "narrow", real.type, type_, consequence)]
    if real.family == "number" and precision and real.precision and real.precision < precision:
        consequence = "larger amounts of the ERP are left out, a row each in exceptions"
        return [TableFinding(table, real.name, "narrow", real.type, type_, consequence)]
    return []


def _required_findings(table: str, real: dict[str, UserColumn]) -> list[TableFinding]:
    ours = {"id", *expected(table)}
    return [
        TableFinding(
            table,
            name,
            "required",
            f"{column.type} not null",
            "a default, or null allowed",
            "new rows of the ERP cannot be inserted into this table",
        )
        for name, column in real.items()
        if column.required and not column.has_default and name not in ours
    ]


def _read_type(type_: str) -> tuple[str, int | None, int | None]:
    """Read `varchar(255)` or `numeric(10, 2)`: (family, length, precision)."""
    base, _, rest = type_.partition("(")
    number = int(rest.split(",")[0].rstrip(")")) if rest else None
    names = {"char": "bpchar", "bigint": "int8", "integer": "int4"}
    family = _FAMILIES[names.get(base.strip(), base.strip())]
    return family, number if family == "text" else None, number if family == "number" else None
