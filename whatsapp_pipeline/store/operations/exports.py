"""The kinds of export, as queries whose rows are read in chunks.

What belongs here: the rows and columns of each export, which columns are personal, and which a role may read.
What does not: files and masks (steps/operations/export.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import LiteralString

import polars as pl
from psycopg import errors, sql

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection, one_row
from whatsapp_pipeline.store.readable import may_read, readable_columns
from whatsapp_pipeline.store.table_frames import read_query


@dataclass(frozen=True, slots=True)
class PrivateColumn:
    """A column of an export that is empty for a role that may not read it.

    Attributes:
        table: The table of the value.
        column: The column of that table which the role must be able to read.
        value: The value as SQL, for `{name}` in the query, where `name` is the column's name in the export.
        kind: The type of the value.
    """

    table: str
    column: str
    value: LiteralString
    kind: LiteralString = "text"


@dataclass(frozen=True, slots=True)
class Export:
    """One kind of export: its query, its description, and its personal columns by the mask that they need."""

    query: str
    about: str
    names: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    private: Mapping[str, PrivateColumn] = field(default_factory=dict)


EXPORTS: Mapping[str, Export] = {
    "messages": Export(
        "messages", "every message, with its customer and order", names=("nome",), texts=("text",)
    ),
    "customers": Export("customers", "customers with their summaries", names=("nome",), texts=("summary",)),
    "orders": Export("orders", "service orders with their sessions", names=("nome",), texts=("equipamento",)),
    "links": Export("links", "every chat with its link and the confidence of the link", names=("nome",)),
    "unmatched": Export(
        "unmatched",
        "chats without a customer: unmatched, ambiguous or proposed",
        titles=("title",),
        paths=("file_path",),
        private={
            "title": PrivateColumn("chat_files", "title", "f.title"),
            "file_path": PrivateColumn("chat_files", "file_path", "f.file_path"),
            "candidates": PrivateColumn(
                "match_candidates",
                "id_contato",
                "(SELECT array_agg(c.id_contato ORDER BY c.rank)"
                " FROM match_candidates c WHERE c.id_chat_file = f.id)",
                "bigint[]",
            ),
        },
    ),
    "unlinked-sessions": Export("unlinked_sessions", "sessions without a service order", names=("nome",)),
    "qa": Export("qa", "the result of each check by month"),
}


_MONTH = r"(?:19|20)\d\d-(?:0[1-9]|1[0-2])"


@dataclass(frozen=True, slots=True)
class Months:
    """The months of an export, from the first to the last, both `YYYY-MM`."""

    first: str
    last: str

    def __post_init__(self) -> None:
        for month in (self.first, self.last):
            if re.fullmatch(_MONTH, month) is None:
                raise PipelineError(f"{month!r} is no month; write it as 2025-01")
        if self.first > self.last:
            raise PipelineError(f"{self.first} is after {self.last}; name the first month first")

    def keys(self) -> list[str]:
        """Return every month from first to last."""
        year, month = map(int, self.first.split("-"))
        found = []
        while (key := f"{year:04d}-{month:02d}") <= self.last:
            found.append(key)
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        return found

    def since(self) -> date:
        """Return the first day of the first month."""
        return date.fromisoformat(f"{self.first}-01")

    def until(self) -> date:
        """Return the first day after the last month."""
        year, month = map(int, self.last.split("-"))
        return date(year + month // 12, month % 12 + 1, 1)


def count_rows(conn: Connection, export: Export, months: Months | None) -> int:
    """Return the number of rows of an export. The rows are not sorted."""
    query, parameters = _query(conn, export, months, is_sorted=False)
    row = conn.execute(sql.SQL("SELECT count(*) FROM ({}) AS q").format(query), parameters).fetchone()
    return int(row[0]) if row else 0


def chunks(conn: Connection, export: Export, months: Months | None, *, zone: str) -> Iterator[pl.DataFrame]:
    """Return the rows of an export in chunks. Times are shown in the time zone `zone`."""
    query, parameters = _query(conn, export, months)
    return read_query(conn, query, parameters, zone=zone)


def may_see_names(conn: Connection) -> bool:
    """Return whether the role may read customers' names together with their messages, as analysts may."""
    return may_read(conn, "contatos") and may_read(conn, "chat_messages")


def unreadable_columns(conn: Connection, export: Export) -> list[str]:
    """Return the columns of an export that are empty because the role may not read them."""
    return [
        name
        for name, private in export.private.items()
        if not readable_columns(conn, private.table, (private.column,))
    ]


def require_exportable(conn: Connection, kind: str) -> None:
    """Raise PipelineError if the role may not read the rows of an export.

    The error lists the exports that it may read.
    """
    if _is_exportable(conn, EXPORTS[kind]):
        return
    allowed = [other for other, export in EXPORTS.items() if _is_exportable(conn, export)]
    (role,) = one_row(conn.execute("SELECT current_user"))
    raise PipelineError(
        f"the database role {role} may not export {kind}; a login in whatsapp_analyst may "
        f"(docs/security.md). This role may export {', '.join(allowed) or 'nothing'}"
    )


def _is_exportable(conn: Connection, export: Export) -> bool:
    query, parameters = _query(conn, export, None)
    try:
        with conn.transaction():
            conn.execute(sql.SQL("SELECT FROM ({}) AS q LIMIT 0").format(query), parameters)
    except errors.InsufficientPrivilege:
        return False
    return True


def _query(
    conn: Connection, export: Export, months: Months | None, *, is_sorted: bool = True
) -> tuple[sql.Composed, dict[str, Sequence[str] | date | None]]:
    text = queries.load(f"operations/export_{export.query}")
    if not is_sorted:
        text = text.rpartition("\n ORDER BY ")[0]  # the last line of each of these files
    unreadable = unreadable_columns(conn, export)
    values = {
        name: sql.SQL(f"NULL::{private.kind}" if name in unreadable else private.value)
        for name, private in export.private.items()
    }
    return sql.Composed([sql.SQL(text).format(**values)]), {
        "months": months.keys() if months else None,
        "since": months.since() if months else None,
        "until": months.until() if months else None,
    }
