"""Reading the sessions of a month and the orders near them, and writing their links.

What belongs here: set-based statements. What does not: deciding (domain/matching/orders.py).

Most functions work on the temporary table `order_linking`, which `stage_month_sessions` or
`stage_chat_sessions` fills. So call them inside one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import LiteralString, NamedTuple

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import decisions
from whatsapp_pipeline.store.links.decisions import CandidateRow, DecisionRow, DecisionTables, Tally


class SessionRow(NamedTuple):
    """One staged session. Days are local. `contact_confidence` is below 1 for a proposed contact."""

    id: int
    id_chat_file: int
    number: int
    first_day: date
    last_day: date
    order_numbers: list[str]
    devices: list[str]
    stages: list[str]
    id_contato: int | None
    contact_confidence: float | None
    title_number: str | None
    title_devices: list[str]


class OrderRow(NamedTuple):
    """A service order. `number` has no leading zeros, and is "" for an order without a number."""

    id: int
    number: str
    id_contato: int | None
    opened: date | None
    closed: date | None
    equipment: str


_TABLES = DecisionTables(
    "chat_sessions", "order_match_status", "id_ordem_servico", "order_candidates", "id_chat_session"
)


def stage_month_sessions(conn: Connection, month: str) -> list[SessionRow]:
    """Stage the sessions of the month's chats, and return them by id."""
    return _stage(conn, queries.load("links/order_sessions"), {"month": month})


def stage_chat_sessions(conn: Connection, chats: Sequence[int]) -> list[SessionRow]:
    """Stage the sessions of these chats, and return them by id."""
    of_chats = queries.load("links/order_sessions").replace("f.month = %(month)s", "f.id = ANY(%(chats)s)")
    return _stage(conn, of_chats, {"chats": list(chats)})


def _stage(conn: Connection, sessions: LiteralString, values: Mapping[str, object]) -> list[SessionRow]:
    conn.execute("DROP TABLE IF EXISTS pg_temp.order_linking")
    conn.execute(f"CREATE TEMP TABLE order_linking ON COMMIT DROP AS {sessions}", values)
    conn.execute("ANALYZE order_linking (id, id_chat_file, id_contato, title_number, contact_confidence)")
    columns = ", ".join(SessionRow._fields)
    return [SessionRow(*row) for row in conn.execute(f"SELECT {columns} FROM order_linking ORDER BY id")]


def candidate_orders(conn: Connection) -> list[OrderRow]:
    """Return the orders of the staged sessions' contacts, and the orders that the sessions name, by id."""
    return [OrderRow(*row) for row in conn.execute(queries.load("links/order_of_contacts"))]


def orders_about(conn: Connection, contact: int | None, numbers: Sequence[str]) -> list[OrderRow]:
    """Return the orders of a contact, and those whose number or id is in `numbers`, by id."""
    ids = [int(number) for number in numbers if number.isdigit() and len(number) < 10]
    values = {"contact": contact, "numbers": list(numbers), "ids": ids}
    return [OrderRow(*row) for row in conn.execute(queries.load("links/order_about"), values)]


def past_sessions(conn: Connection, *, every: int, before: date) -> list[SessionRow]:
    """Return the sessions before a day, of every `every`-th contact with an order.

    Sessions in duplicate files are left out.
    """
    columns = ", ".join(f"found.{column}" for column in SessionRow._fields)
    query = f"SELECT {columns} FROM ({queries.load('links/order_history')}) found ORDER BY found.id"
    return [SessionRow(*row) for row in conn.execute(query, {"every": every, "before": before})]


def orders_of(conn: Connection, contacts: Collection[int]) -> list[OrderRow]:
    """Return the orders of `contacts`, by id."""
    rows = conn.execute(queries.load("links/order_of_list"), {"contacts": sorted(contacts)})
    return [OrderRow(*row) for row in rows]


def linked_sessions(conn: Connection, *, before: date) -> int:
    """Return the number of sessions before a day in chats whose contact has an order."""
    row = conn.execute(
        """SELECT count(*) FROM chat_files f JOIN chat_sessions s ON s.id_chat_file = f.id
           WHERE f.processing_status <> 'vanished' AND s.started_at < %s
             AND f.id_contato IN (SELECT id_contato FROM ordens_servico WHERE data_emissao IS NOT NULL)""",
        (before,),
    ).fetchone()
    return int(row[0]) if row else 0


def has_unlinked_chats(conn: Connection) -> bool:
    """Return whether linking has not decided about some indexed chat yet."""
    row = conn.execute(
        """SELECT EXISTS (
               SELECT FROM chat_files
               WHERE match_status = 'pending' AND processing_status NOT IN ('vanished', 'failed'))"""
    ).fetchone()
    return bool(row and row[0])


def span(conn: Connection, *, before: date) -> tuple[date, date] | None:
    """Return the first and last day of sessions before `before`, or None."""
    row = conn.execute(queries.load("links/order_span"), {"before": before}).fetchone()
    return (row[0], row[1]) if row and row[0] is not None else None


def tally_sessions(conn: Connection, month: str) -> list[Tally]:
    """Return the counts of the current links of the month's sessions."""
    rows = conn.execute(
        """SELECT s.order_match_status, s.order_match_method, s.id_ordem_servico IS NOT NULL, s.order_flags,
                  count(*)
           FROM chat_files f JOIN chat_sessions s ON s.id_chat_file = f.id
           WHERE f.month = %s AND f.processing_status <> 'vanished'
           GROUP BY 1, 2, 3, 4""",
        (month,),
    )
    return [Tally(*row) for row in rows]


def write_session_links(
    conn: Connection, rows: Iterable[DecisionRow], candidates: Iterable[CandidateRow]
) -> dict[str, int]:
    """Write decisions on sessions, their candidates and chats. Return the numbers of changed rows."""
    sessions, changed = decisions.write_decisions(conn, _TABLES, "links/orders_update", rows, candidates)
    return {"sessions": sessions, "candidates": changed, "files": _write_orders_of_chats(conn)}


def write_chat_orders(conn: Connection, chats: Sequence[int]) -> int:
    """Write the orders of chats that follow from the current links of their sessions.

    Return the number of changed chats. Linking a month does the same for all chats of the month. A chat with
    a pending session has no order.
    """
    stage_chat_sessions(conn, chats)
    conn.execute("DROP TABLE IF EXISTS pg_temp.decided, pg_temp.candidates")
    conn.execute(
        """CREATE TEMP TABLE decided ON COMMIT DROP AS
           SELECT s.id, s.order_match_status AS status, s.order_match_method AS method,
                  s.order_match_confidence AS confidence, s.id_ordem_servico AS target
           FROM order_linking l JOIN chat_sessions s USING (id)"""
    )
    conn.execute(
        """CREATE TEMP TABLE candidates ON COMMIT DROP AS
           SELECT c.id_chat_session AS id, c.id_ordem_servico AS target
           FROM order_linking l JOIN order_candidates c ON c.id_chat_session = l.id"""
    )
    return _write_orders_of_chats(conn)


def _write_orders_of_chats(conn: Connection) -> int:
    # As in decisions.write_decisions, the trigger must not assume that the order of a decided chat was
    # deleted.
    conn.execute(
        """UPDATE chat_files f SET order_match_method = NULL
           WHERE order_match_method = 'override' AND id_ordem_servico IS NOT NULL
             AND EXISTS (
                 SELECT FROM order_linking l JOIN decided d USING (id) WHERE l.id_chat_file = f.id
                 HAVING count(DISTINCT d.target) <> 1
                    AND bool_or(d.status = 'manual' AND d.target IS NULL))"""
    )
    return conn.execute(queries.load("links/orders_update_files")).rowcount
