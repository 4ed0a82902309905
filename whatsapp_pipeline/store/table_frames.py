"""Reading the rows of a table, a view or a query as polars frames, in chunks, with the right column types.

What belongs here: the polars type for each PostgreSQL type, and the condition for rows of a month. What does
not: pandas (resources/table_frames.py) and files (steps/operations/export.py).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import polars as pl
from psycopg import ClientCursor, errors, sql

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection, one_row
from whatsapp_pipeline.store.readable import readable_columns

CHUNK_BYTES = 16 * 2**20
"""Approximate size of COPY's text for one chunk."""

# SQL conditions for the rows of `months`, for the tables that the monthly assets fill.
_IN_MONTHS = {
    "chat_files": "month = ANY(%(months)s)",
    "chat_sessions": "id_chat_file IN (SELECT id FROM chat_files WHERE month = ANY(%(months)s))",
    "chat_messages": "id_chat_file IN (SELECT id FROM chat_files WHERE month = ANY(%(months)s))",
}

_MICROSECONDS = "CASE WHEN isfinite({0}) THEN (extract(epoch FROM {0}) * 1000000)::bigint END"


@dataclass(frozen=True, slots=True)
class _TypeRule:
    """How values of a PostgreSQL type get into a frame.

    `written` is the SQL expression of the value in COPY's text. `read_as` is the type with which polars
    parses it. `finish` converts the column to its final type.
    """

    written: str
    read_as: pl.DataType
    finish: Callable[[pl.Expr], pl.Expr] = lambda column: column


def _whole(polars_type: pl.DataType) -> _TypeRule:
    return _TypeRule("{0}", polars_type)


def _array(inner: type[pl.DataType]) -> _TypeRule:
    return _TypeRule(
        "array_to_json({0})::text", pl.String(), lambda column: column.str.json_decode(pl.List(inner))
    )


_TEXT = _TypeRule("{0}::text", pl.String())
_RULES = {
    "bool": _TypeRule("{0}::integer", pl.Int8(), lambda column: column.cast(pl.Boolean)),
    "int2": _whole(pl.Int16()),
    "int4": _whole(pl.Int32()),
    "int8": _whole(pl.Int64()),
    "float4": _whole(pl.Float64()),
    "float8": _whole(pl.Float64()),
    "numeric": _whole(pl.Float64()),
    "date": _TypeRule(
        "CASE WHEN isfinite({0}) THEN {0} - DATE '1970-01-01' END",
        pl.Int32(),
        lambda column: column.cast(pl.Date),
    ),
    "time": _TypeRule(
        "(extract(epoch FROM {0}) * 1000000000)::bigint", pl.Int64(), lambda column: column.cast(pl.Time)
    ),
    "timestamp": _TypeRule(_MICROSECONDS, pl.Int64(), lambda column: column.cast(pl.Datetime("us"))),
    "timestamptz": _TypeRule(_MICROSECONDS, pl.Int64(), lambda column: column.cast(pl.Datetime("us", "UTC"))),
    "bytea": _TypeRule("encode({0}, 'hex')", pl.String(), lambda column: column.str.decode("hex")),
    "_int2": _array(pl.Int64),
    "_int4": _array(pl.Int64),
    "_int8": _array(pl.Int64),
    "_text": _array(pl.String),
    "_varchar": _array(pl.String),
}


def is_monthly(table: str) -> bool:
    """Return whether the rows of `table` belong to months."""
    return table in _IN_MONTHS


def read_table(
    conn: Connection,
    table: str,
    *,
    columns: Sequence[str] | None = None,
    months: Sequence[str] | None = None,
    zone: str,
) -> pl.DataFrame:
    """Return rows of a table as one frame.

    Args:
        conn: An open connection.
        table: A table or view of the pipeline.
        columns: The columns to return, in this order. With None, all columns except those of the full-text
            search.
        months: Return only rows of these months (`YYYY-MM`). `is_monthly` must be true for the table.
        zone: The time zone in which instants are shown, such as `America/Sao_Paulo`.

    Returns:
        One row per row of the table, in the order of the primary key if there is one. Instants have the time
        zone `zone`, and local times have none. Arrays are lists, `numeric` is a double, and JSON is text.

    Raises:
        PipelineError: The table or a column does not exist, the role may not read it, or `months` is given
            for a table whose rows do not belong to months.
    """
    try:
        chunks = list(read_chunks(conn, table, columns=columns, months=months, zone=zone))
    except errors.InsufficientPrivilege as error:
        raise PipelineError(_unreadable(conn, table)) from error
    return pl.concat(chunks, rechunk=False)


def _unreadable(conn: Connection, table: str) -> str:
    """Return the error message for a role that may not read every column of a table."""
    (role,) = one_row(conn.execute("SELECT current_user"))
    allowed = readable_columns(conn, table, _columns(conn, table, None))
    choice = f"choose columns of these: {', '.join(allowed)}; or " if allowed else ""
    return (
        f"the database role {role} may not read all of {table}; {choice}use a login in whatsapp_analyst "
        "(docs/security.md)"
    )


def read_chunks(
    conn: Connection,
    table: str,
    *,
    columns: Sequence[str] | None = None,
    months: Sequence[str] | None = None,
    zone: str,
) -> Iterator[pl.DataFrame]:
    """Return the rows of `read_table` in chunks of about CHUNK_BYTES.

    There is at least one chunk, which may be empty.
    """
    query = _table_query(conn, table, columns, months)
    parameters = {} if months is None else {"months": list(months)}
    return read_query(conn, query, parameters, zone=zone)


def read_query(
    conn: Connection, query: sql.Composed, parameters: Mapping[str, object], *, zone: str
) -> Iterator[pl.DataFrame]:
    """Return the rows of any SELECT as `read_chunks` returns those of a table."""
    rules = _rules_of(conn, query, parameters)
    null = f"null-{uuid4().hex}"  # a random text, which no value equals
    statement = sql.SQL(
        "COPY (SELECT {} FROM ({}) AS q) TO STDOUT (FORMAT csv, ENCODING 'UTF8', NULL {})"
    ).format(
        sql.SQL(", ").join(
            sql.SQL(rule.written).format(sql.Identifier("q", name)) for name, rule in rules.items()
        ),
        query,
        sql.Literal(null),
    )
    block = io.BytesIO()
    is_first = True
    # COPY accepts no parameters on the server, so this cursor inserts them as literals.
    with ClientCursor(conn) as cursor, cursor.copy(statement, parameters) as copy:
        for row in copy:
            block.write(row)
            if block.tell() >= CHUNK_BYTES:
                yield _parse(block, rules, null, zone)
                block, is_first = io.BytesIO(), False
    if is_first or block.tell():
        yield _parse(block, rules, null, zone)


def _rules_of(
    conn: Connection, query: sql.Composed, parameters: Mapping[str, object]
) -> dict[str, _TypeRule]:
    with ClientCursor(conn) as cursor:
        cursor.execute(sql.SQL("SELECT * FROM ({}) AS q LIMIT 0").format(query), parameters)
        described = [(column.name, column.type_code) for column in cursor.description or ()]
        names = dict(
            cursor.execute(
                "SELECT oid::bigint, typname FROM pg_type WHERE oid = ANY(%s)",
                ([code for _, code in described],),
            )
        )
    return {name: _RULES.get(names[code], _TEXT) for name, code in described}


def _table_query(
    conn: Connection, table: str, columns: Sequence[str] | None, months: Sequence[str] | None
) -> sql.Composed:
    if months is not None and not is_monthly(table):
        raise PipelineError(f"the rows of {table} do not belong to months; read the whole table")
    where = sql.SQL("" if months is None else f" WHERE {_IN_MONTHS[table]}")
    return sql.SQL("SELECT {} FROM {}{} {}").format(
        sql.SQL(", ").join(map(sql.Identifier, _columns(conn, table, columns))),
        sql.Identifier(table),
        where,
        _order(conn, table),
    )


def _columns(conn: Connection, table: str, wanted: Sequence[str] | None) -> list[str]:
    rows = conn.execute(
        """
        SELECT a.attname, a.atttypid = 'tsvector'::regtype FROM pg_attribute a
         WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
        """,
        (table,),
    ).fetchall()
    if not rows:
        raise PipelineError(f"the database has no table {table}; run `whatsapp-pipeline migrate`")
    if wanted is None:
        return [name for name, is_search in rows if not is_search]
    names = [name for name, _ in rows]
    if unknown := [name for name in wanted if name not in names]:
        raise PipelineError(f"{table} has no column {unknown[0]!r}; it has {', '.join(names)}")
    return list(dict.fromkeys(wanted))  # a frame can have each column only once


def _order(conn: Connection, table: str) -> sql.Composable:
    rows = conn.execute(
        """
        SELECT a.attname FROM pg_index i
          CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
          JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
         WHERE i.indrelid = to_regclass(%s) AND i.indisprimary ORDER BY k.place
        """,
        (table,),
    ).fetchall()
    if not rows:
        return sql.SQL("")
    return sql.SQL("ORDER BY ") + sql.SQL(", ").join(sql.Identifier(row[0]) for row in rows)


def _parse(block: io.BytesIO, rules: dict[str, _TypeRule], null: str, zone: str) -> pl.DataFrame:
    schema: dict[str, Any] = {name: rule.read_as for name, rule in rules.items()}
    if block.tell():
        block.seek(0)
        frame = pl.read_csv(
            block, has_header=False, schema=schema, null_values=[null], empty_string_is_null=False
        )
    else:
        frame = pl.DataFrame(schema=schema)
    finished = frame.select(rule.finish(pl.col(name)).alias(name) for name, rule in rules.items())
    return finished.with_columns(pl.selectors.datetime(time_zone="*").dt.convert_time_zone(zone))
