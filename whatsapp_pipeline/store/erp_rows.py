"""The ERP's rows in `contatos` and `ordens_servico`, fitted into the columns that are really there.

What belongs here: fitting values, and one set-based write a page that touches only what differs. What does
not: reading the ERP. The tables may be the user's own: of other widths and types, without a primary key. A
value that does not fit never fails a page: it is cut or left out, and reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Final, TypeAlias

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.adoption import Column
from whatsapp_pipeline.store.connection import Connection

Value: TypeAlias = str | int | Decimal | date | datetime | None
_INTEGER_BITS: Final = {"int2": 15, "int4": 31, "int8": 63}


@dataclass(frozen=True, slots=True)
class Misfit:
    """A value that its column does not hold whole. `kind`: truncated or unfit; `detail` holds no value."""

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
        """Name the columns of a row that do not hold their value whole."""
        return [misfit.column for misfit in self.misfits if misfit.id == row_id]


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows a write inserted and changed."""

    inserted: int
    updated: int


class _UnfitError(ValueError):
    """A value that a column cannot hold; the text says why."""


def fit(columns: Mapping[str, Column], rows: Iterable[tuple[int, Mapping[str, Value]]]) -> Fitted:
    """Fit each row's values into `columns`; a value for a column that is not there is left out."""
    fitted = Fitted()
    for row_id, values in rows:
        out: dict[str, str | None] = {"id": str(row_id)}
        try:
            _fit_integer(columns["id"], row_id)
        except _UnfitError as reason:
            fitted.misfits.append(Misfit(row_id, "id", "unfit", f"id: {reason}; the row was left out"))
            continue
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
        value = round(value, column.scale)
        if abs(value) >= Decimal(10) ** (column.precision - column.scale):
            raise _UnfitError(f"the number does not fit {column.type}")
    return value


def upsert(conn: Connection, table: str, columns: Mapping[str, Column], fitted: Fitted) -> Written:
    """Write the fitted rows: change what differs, insert what is missing, touch nothing else.

    No unique key is needed; empty text and null count as the same. Raises PipelineError when a rule of the
    user's own table refuses the rows.
    """
    if not fitted.rows:
        return Written(0, 0)
    rows = Jsonb(list(fitted.rows.values()))
    names = sorted({name for row in fitted.rows.values() for name in row} - {"id"})
    try:
        updated = conn.execute(_update(table, columns, names), (rows,)).rowcount if names else 0
        inserted = conn.execute(_insert(table, columns, names), (rows,)).rowcount
    except psycopg.IntegrityError as error:
        rule = error.diag.column_name or error.diag.constraint_name or "a constraint"
        raise PipelineError(
            f"the table {table} refuses rows of the ERP because of {rule}; "
            "give that column a default or relax the rule"
        ) from None
    return Written(inserted, updated)


def _incoming(columns: Mapping[str, Column], column: str) -> sql.Composable:
    """The value of a column in an incoming row, in the column's own type."""
    return sql.SQL("(r.item ->> {})::{}").format(sql.Literal(column), sql.SQL(columns[column].type))


def _update(table: str, columns: Mapping[str, Column], names: Sequence[str]) -> sql.Composed:
    settings: list[sql.Composable] = []
    differences: list[sql.Composable] = []
    for name in names:
        new, old, given = (
            _incoming(columns, name),
            sql.SQL("t.{}").format(sql.Identifier(name)),
            sql.Literal(name),
        )
        settings.append(
            sql.SQL("{} = CASE WHEN r.item ? {} THEN {} ELSE {} END").format(
                sql.Identifier(name), given, new, old
            )
        )
        if columns[name].family == "text":
            differs = sql.SQL("coalesce({}, '') <> coalesce({}, '')").format(old, new)
        else:
            differs = sql.SQL("{} IS DISTINCT FROM {}").format(old, new)
        differences.append(sql.SQL("(r.item ? {} AND {})").format(given, differs))
    if columns.get("data_extracao") and columns["data_extracao"].family == "time":
        settings.append(sql.SQL("data_extracao = localtimestamp(0)"))
    return sql.SQL(
        "UPDATE {table} t SET {settings} FROM jsonb_array_elements(%s::jsonb) AS r(item) "
        "WHERE t.id = {id} AND ({differences})"
    ).format(
        table=sql.Identifier(table), settings=sql.SQL(", ").join(settings), id=_incoming(columns, "id"),
        differences=sql.SQL(" OR ").join(differences),
    )  # fmt: skip


def _insert(table: str, columns: Mapping[str, Column], names: Sequence[str]) -> sql.Composed:
    targets: list[sql.Composable] = [sql.Identifier(name) for name in ("id", *names)]
    values: list[sql.Composable] = [_incoming(columns, name) for name in ("id", *names)]
    if columns.get("data_extracao") and columns["data_extracao"].family == "time":
        targets.append(sql.Identifier("data_extracao"))
        values.append(sql.SQL("localtimestamp(0)"))
    # ON CONFLICT without a target needs no key; it only matters when another program inserts meanwhile.
    return sql.SQL(
        "INSERT INTO {table} ({targets}) SELECT {values} FROM jsonb_array_elements(%s::jsonb) AS r(item) "
        "WHERE NOT EXISTS (SELECT FROM {table} t WHERE t.id = {id}) ON CONFLICT DO NOTHING"
    ).format(
        table=sql.Identifier(table), targets=sql.SQL(", ").join(targets), values=sql.SQL(", ").join(values),
        id=_incoming(columns, "id"),
    )  # fmt: skip
