"""Writing the ERP's rows to `contatos` and `ordens_servico`, fitted to the columns of these tables.

What belongs here: fitting values, and statements that write only differences. What does not: reading the ERP.

The tables may be the user's own, with other widths and types and without a primary key. A value that does not
fit does not fail its page. It is truncated or left out, and reported.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Final, TypeAlias

import psycopg
from psycopg import sql

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection, one_row
from whatsapp_pipeline.store.operations.adoption import UserColumn

Value: TypeAlias = str | int | Decimal | date | datetime | None
_INTEGER_BITS: Final = {"int2": 15, "int4": 31, "int8": 63}


@dataclass(frozen=True, slots=True)
class Misfit:
    """A value that its column can't store completely. `detail` does not contain the value.

    `kind` is `truncated`, `unfit` (the wrong type or range), or `odd_value` (the ERP sent an object or a list
    instead of a value).
    """

    id: int
    column: str
    kind: str
    detail: str


@dataclass(slots=True)
class Fitted:
    """Rows to write, by id, with values as text by column, and the values that do not fit."""

    rows: dict[int, dict[str, str | None]] = field(default_factory=dict)
    misfits: list[Misfit] = field(default_factory=list)

    def cut_columns(self, row_id: int) -> list[str]:
        """Return the columns of a row whose value is not stored completely.

        Columns with an odd value are not among them.
        """
        return [m.column for m in self.misfits if m.id == row_id and m.kind != "odd_value"]


@dataclass(frozen=True, slots=True)
class WrittenRows:
    """The number of inserted rows, and of updated rows."""

    inserted: int
    updated: int


class _UnfitError(ValueError):
    """A value that a column can't store. The text states the reason."""


def fit_values(
    columns: Mapping[str, UserColumn],
    rows: Iterable[tuple[int, Mapping[str, Value]]],
    odd: Mapping[int, Mapping[str, str]] | None = None,
) -> Fitted:
    """Fit the values of each row to `columns`. A value without a column is left out.

    `odd` has, by row and column, the type that the ERP sent instead of a value. Such a column is not changed.
    """
    fitted = Fitted()
    for row_id, values in rows:
        out: dict[str, str | None] = {"id": str(row_id)}
        try:
            _fit_integer(columns["id"], row_id)
        except _UnfitError as reason:
            fitted.misfits.append(Misfit(row_id, "id", "unfit", f"id: {reason}; the row was left out"))
            continue
        for name, shape in (odd or {}).get(row_id, {}).items():
            detail = f"{name}: the ERP sent {shape} instead of a value; the column was not changed"
            fitted.misfits.append(Misfit(row_id, name, "odd_value", detail))
        for name, value in values.items():
            column = columns.get(name)
            if column is None:
                continue
            try:
                out[name], cut = _fit_value(column, value)
            except _UnfitError as reason:
                fitted.misfits.append(
                    Misfit(row_id, name, "unfit", f"{name}: {reason}; the column was not changed")
                )
                continue
            if cut:
                fitted.misfits.append(Misfit(row_id, name, "truncated", f"{name}: {cut}"))
        fitted.rows[row_id] = out
    return fitted


def _fit_value(column: UserColumn, value: Value) -> tuple[str | None, str | None]:
    """Return (the value as text, a description of its truncation).

    The text is None for NULL. The description is None if the whole value fits.
    """
    if value is None or value == "":
        if column.required and column.family != "text":
            raise _UnfitError(f"{column.type} takes no null")
        return ("" if column.required else None), None
    text, cut = str(value), None
    if column.family == "text":
        if column.length is not None and len(text) > column.length:
            cut = f"{len(text)} characters, the column holds {column.length}"
            text = text[: column.length]
    elif column.family == "integer":
        text = str(_fit_integer(column, _as_number(column, value)))
    elif column.family == "number":
        text = str(_fit_number(column, _as_number(column, value)))
    elif column.family in {"date", "time"} and isinstance(value, date):
        text = value.isoformat()
    elif column.family == "flag" and value in {"S", "N"}:
        text = str(value == "S").lower()
    else:
        raise _UnfitError(f"{type(value).__name__} does not fit {column.type}")
    return text, cut


def _as_number(column: UserColumn, value: Value) -> Decimal:
    try:
        return Decimal(str(value))
    except ArithmeticError:
        raise _UnfitError(f"{type(value).__name__} does not fit {column.type}") from None


def _fit_integer(column: UserColumn, value: int | Decimal) -> int:
    bits = _INTEGER_BITS.get(column.type_name)
    if bits is None:
        raise _UnfitError(f"{column.type} is no integer")
    if value != int(value) or abs(int(value)) >= 2**bits:
        raise _UnfitError(f"the number does not fit {column.type}")
    return int(value)


def _fit_number(column: UserColumn, value: Decimal) -> Decimal:
    if column.precision is not None and column.scale is not None:
        try:
            value = round(value, column.scale)
        except ArithmeticError:  # too many digits for `round`
            raise _UnfitError(f"the number does not fit {column.type}") from None
        if abs(value) >= Decimal(10) ** (column.precision - column.scale):
            raise _UnfitError(f"the number does not fit {column.type}")
    return value


def upsert(conn: Connection, table: str, columns: Mapping[str, UserColumn], fitted: Fitted) -> WrittenRows:
    """Update the rows that differ and insert the missing ones.

    No unique key is needed. Empty text and NULL are treated as equal. Raises PipelineError if a constraint of
    the user's table refuses the rows.
    """
    by_columns: defaultdict[tuple[str, ...], list[dict[str, str | None]]] = defaultdict(list)
    for row in fitted.rows.values():
        by_columns[tuple(row)].append(row)  # only the columns that a row has are written
    inserted = updated = 0
    try:
        for names, rows in by_columns.items():
            found = one_row(conn.execute(_statement(table, columns, names), (json.dumps(rows),)))
            inserted, updated = inserted + found[0], updated + found[1]
    except psycopg.IntegrityError as error:
        rule = error.diag.column_name or error.diag.constraint_name or "a constraint"
        raise PipelineError(
            f"the table {table} refuses rows of the ERP because of {rule}; "
            "give that column a default or relax the rule"
        ) from None
    return WrittenRows(inserted, updated)


def _statement(table: str, columns: Mapping[str, UserColumn], names: Sequence[str]) -> sql.Composed:
    """Return the statement that writes rows with the same columns, one of which is `id`."""
    others = [name for name in names if name != "id"]
    targets: list[sql.Composable] = [sql.Identifier(name) for name in names]
    changes: list[sql.Composable] = [sql.SQL("{0} = r.{0}").format(sql.Identifier(name)) for name in others]
    new: list[sql.Composable] = [sql.SQL("r.{}").format(name) for name in targets]
    if columns.get("data_extracao") and columns["data_extracao"].family == "time":
        changes.append(sql.SQL("data_extracao = localtimestamp(0)"))
        targets.append(sql.Identifier("data_extracao"))
        new.append(sql.SQL("localtimestamp(0)"))
    differences = [_differs(columns[name]) for name in others]
    comma = sql.SQL(", ")
    # ON CONFLICT without a target needs no key. It has an effect only if another program inserts the same row
    # at the same time.
    return sql.SQL(
        """WITH r AS MATERIALIZED (
               SELECT {values} FROM json_to_recordset(%s::json) AS i ({texts})
           ), updated AS (
               UPDATE {table} t SET {changes} FROM r WHERE t.id = r.id AND ({differences}) RETURNING 1
           ), inserted AS (
               INSERT INTO {table} ({targets}) SELECT {new} FROM r
               WHERE NOT EXISTS (SELECT FROM {table} t WHERE t.id = r.id)
               ON CONFLICT DO NOTHING RETURNING 1
           )
           SELECT (SELECT count(*) FROM inserted), (SELECT count(*) FROM updated)"""
    ).format(
        values=comma.join(_typed(columns[name]) for name in names),
        texts=comma.join(sql.SQL("{} text").format(sql.Identifier(name)) for name in names),
        table=sql.Identifier(table),
        changes=comma.join(changes) if changes else sql.SQL("id = r.id"),
        differences=sql.SQL(" OR ").join(differences) if others else sql.SQL("false"),
        targets=comma.join(targets),
        new=comma.join(new),
    )


def _typed(column: UserColumn) -> sql.Composed:
    """Return the expression of a column's value in an incoming row, with the column's type."""
    return sql.SQL("{0}::{1} AS {0}").format(sql.Identifier(column.name), sql.SQL(column.type))


def _differs(column: UserColumn) -> sql.Composed:
    name = sql.Identifier(column.name)
    if column.family == "text":
        return sql.SQL("coalesce(t.{0}, '') <> coalesce(r.{0}, '')").format(name)
    return sql.SQL("t.{0} IS DISTINCT FROM r.{0}").format(name)
