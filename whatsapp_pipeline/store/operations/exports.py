"""The kinds of export, as queries whose rows are read in chunks.

What belongs here: which rows and columns each export has, and which of them are personal. What does not:
files and masks (steps/operations/export.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl
from psycopg import sql

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.readable import may_read
from whatsapp_pipeline.store.table_frames import read_query


@dataclass(frozen=True, slots=True)
class Export:
    """One kind of export: its query, its content, and how each of its personal columns is masked."""

    query: str
    about: str
    names: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


EXPORTS: Mapping[str, Export] = {
    "messages": Export(
        "messages", "every message, with its customer and order", names=("nome",), texts=("text",)
    ),
    "customers": Export("customers", "customers with their summaries", names=("nome",), texts=("summary",)),
    "orders": Export("orders", "service orders with their sessions", names=("nome",), texts=("equipamento",)),
    "links": Export("links", "every chat with its link and how sure that is", names=("nome",)),
    "unmatched": Export(
        "unmatched",
        "chats without a customer: unmatched, ambiguous or proposed",
        titles=("title",),
        paths=("file_path",),
    ),
    "unlinked-sessions": Export("unlinked_sessions", "sessions without a service order", names=("nome",)),
    "qa": Export("qa", "the result of each check by month"),
}


@dataclass(frozen=True, slots=True)
class Months:
    """The months of an export, from the first to the last, both `YYYY-MM`."""

    first: str
    last: str

    def keys(self) -> list[str]:
        """Return every month from first to last."""
        year, month = map(int, self.first.split("-"))
        found = []
        while (key := f"{year:04d}-{month:02d}") <= self.last:
            found.append(key)
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        return found

    def since(self) -> date:
        """Return the first day."""
        return date.fromisoformat(f"{self.first}-01")

    def until(self) -> date:
        """Return the first day after the last month."""
        year, month = map(int, self.last.split("-"))
        return date(year + month // 12, month % 12 + 1, 1)


def count_rows(conn: Connection, export: Export, months: Months | None) -> int:
    """Count the rows of an export, without sorting them."""
    query, parameters = _query(export, months, is_sorted=False)
    row = conn.execute(sql.SQL("SELECT count(*) FROM ({}) AS q").format(query), parameters).fetchone()
    return int(row[0]) if row else 0


def chunks(conn: Connection, export: Export, months: Months | None, *, zone: str) -> Iterator[pl.DataFrame]:
    """Return the rows of an export in chunks; instants are shown in `zone`."""
    query, parameters = _query(export, months)
    return read_query(conn, query, parameters, zone=zone)


def may_see_names(conn: Connection) -> bool:
    """Say whether the role may read customers' names together with what they wrote, as analysts may."""
    return may_read(conn, "contatos") and may_read(conn, "chat_messages")


def _query(
    export: Export, months: Months | None, *, is_sorted: bool = True
) -> tuple[sql.Composed, dict[str, Sequence[str] | date | None]]:
    text = queries.load(f"operations/export_{export.query}")
    if not is_sorted:
        text = text.rpartition("\n ORDER BY ")[0]  # the last line of each of these files
    return sql.Composed([sql.SQL(text)]), {
        "months": months.keys() if months else None,
        "since": months.since() if months else None,
        "until": months.until() if months else None,
    }
