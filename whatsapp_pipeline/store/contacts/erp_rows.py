"""The ERP's rows in `contatos` and `ordens_servico`, fitted into the columns that are really there.

What belongs here: fitting values, and one set-based write a page that touches only what differs. What does
not: reading the ERP. The tables may be the user's own: of other widths and types, without a primary key. A
value that does not fit never fails a page: it is cut or left out, and reported.
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
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations.adoption import Column

Value: TypeAlias = str | int | Decimal | date | datetime | None
_INTEGER_BITS: Final = {"int2": 15, "int4": 31, "int8": 63}


@dataclass(frozen=True, slots=True)
class Misfit:
    """A value that its column does not hold whole; `detail` holds no value.

    `kind`: truncated, unfit (of another type), or odd_value (the ERP sent an object or a list in its place).
    """

    id: int
    column: str
    kind: str
    detail: str


@dataclass(slots=True)
class Fitted:
    """Rows ready to be written, as text by column, and what did not fit."""

    rows: dict[int, dict[str, str | None]] = field(default_factory=dict)
    misfits: list[Misfit] = field(default_factory=list)

    def cut_columns(self, row_id: int) -> list[str]:
        """Name the columns of a row that do not hold their value whole; an odd value is none to hold."""
        return [m.column for m in self.misfits if m.id == row_id and m.kind != "odd_value"]


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows a write inserted and changed."""

    inserted: int
    updated: int


class _UnfitError(ValueError):
    """A value that a column cannot hold; the text says why."""


def fit(
    columns: Mapping[str, Column],
    rows: Iterable[tuple[int, Mapping[str, Value]]],
    odd: Mapping[int, Mapping[str, str]] | None = None,
) -> Fitted:
    """Fit each row's values into `columns`; a value for a column that is not there is left out.

    `odd` names by row and column what the ERP sent where a value belongs; such a column stays as it was.
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
            detail = f"{name}: {shape} where a value belongs; left as it was"
            fitted.misfits.append(Misfit(row_id, name, "odd_value", detail))
        for name, value in values.items():
            column = columns.get(name)
            if column is None:
                continue
            try:
                out[name], cut = _fit_value(column, value)
            except _UnfitError as reason:
                fitted.misfits.append(Misfit(row_id, name, "unfit", f"{name}: {reason}; left as it was"))
                continue
            if cut:
                fitted.misfits.append(Misfit(row_id, name, "truncated", f"{name}: {cut}"))
        fitted.rows[row_id] = out
    return fitted


def _fit_value(column: Column, value: Value) -> tuple[str | None, str | None]:
    """Return the value as text that casts to the column's type, and what was cut, if anything."""
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


def _as_number(column: Column, value: Value) -> Decimal:
    try:
        return Decimal(str(value))
    except ArithmeticError:
        raise _UnfitError(f"{type(value).__name__} does not fit {column.type}") from None


def _fit_integer(column: Column, value: int | Decimal) -> int:
    bits = _INTEGER_BITS.get(column.type_name)
    if bits is None:
        raise _UnfitError(f"{column.type} is no integer")
    if value != int(value) or abs(int(value)) >= 2**bits:
        raise _UnfitError(f"the number does not fit {column.type}")
    return int(value)


def _fit_number(column: Column, value: Decimal) -> Decimal:
    if column.precision is not None and column.scale is not None:
        try:
            value = round(value, column.scale)
        except ArithmeticError:  # more digits than a Decimal rounds
            raise _UnfitError(f"the number does not fit {column.type}") from None
        if abs(value) >= Decimal(10) ** (column.precision - column.scale):
            raise _UnfitError(f"the number does not fit {column.type}")
    return value


def upsert(conn: Connection, table: str, columns: Mapping[str, Column], fitted: Fitted) -> Written:
    """Write the fitted rows: change what differs, insert what is missing, touch nothing else.

    No unique key is needed; empty text and null count as the same. Raises PipelineError when a rule of the
    user's own table refuses the rows.
    """
    alike: defaultdict[tuple[str, ...], list[dict[str, str | None]]] = defaultdict(list)
    for row in fitted.rows.values():
        alike[tuple(row)].append(row)  # a column that a row does not name stays as it is
    inserted = updated = 0
    try:
        for names, rows in alike.items():
            found = conn.execute(_statement(table, columns, names), (json.dumps(rows),)).fetchone()
            assert found is not None  # noqa: S101  # counts always come
            inserted, updated = inserted + found[0], updated + found[1]
    except psycopg.IntegrityError as error:
        rule = error.diag.column_name or error.diag.constraint_name or "a constraint"
        raise PipelineError(
            f"the table {table} refuses rows of the ERP because of {rule}; "
            "give that column a default or relax the rule"
        ) from None
    return Written(inserted, updated)


def _statement(table: str, columns: Mapping[str, Column], names: Sequence[str]) -> sql.Composed:
    """Compose the write of rows that name the same columns, of which `id` is one."""
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
    # ON CONFLICT without a target needs no key; it only matters when another program inserts meanwhile.
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


def _typed(column: Column) -> sql.Composed:
    """The value of a column in an incoming row, in the column's own type."""
    return sql.SQL("{0}::{1} AS {0}").format(sql.Identifier(column.name), sql.SQL(column.type))


def _differs(column: Column) -> sql.Composed:
    name = sql.Identifier(column.name)
    if column.family == "text":
        return sql.SQL("coalesce(t.{0}, '') <> coalesce(r.{0}, '')").format(name)
    return sql.SQL("t.{0} IS DISTINCT FROM r.{0}").format(name)
