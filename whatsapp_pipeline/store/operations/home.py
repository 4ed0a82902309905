"""What the console's home page shows: coverage by month, recent orders, failing checks.

What belongs here: statements that every level of access may run, so none reads a message, a title or a phone.
What does not: how a failing check is judged with tolerances and acceptances (domain/quality.py).
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from psycopg.rows import class_row

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection


class MonthOfChats(NamedTuple):
    """How many chats of a month have a customer."""

    month: str
    chats: int
    linked: int


def coverage_by_month(conn: Connection, *, limit: int) -> list[MonthOfChats]:
    """Count the chats of the newest months, groups and copies left out; newest month first."""
    with conn.cursor(row_factory=class_row(MonthOfChats)) as cursor:
        return cursor.execute(
            queries.load("operations/coverage_by_month"),
            (limit,),
        ).fetchall()


class RecentOrder(NamedTuple):
    """A service order in a list."""

    id: int
    numero: str | None
    situacao: str | None
    data_emissao: date | None
    id_contato: int | None
    nome: str | None


def recent_orders(conn: Connection, *, limit: int) -> list[RecentOrder]:
    """Return the orders opened last."""
    with conn.cursor(row_factory=class_row(RecentOrder)) as cursor:
        return cursor.execute(
            """
            SELECT o.id, o.numero_ordem_servico::text AS numero, o.situacao::text, o.data_emissao::date,
                   o.id_contato, c.nome::text
              FROM (SELECT id, numero_ordem_servico, situacao, data_emissao, id_contato FROM ordens_servico
                     ORDER BY data_emissao DESC NULLS LAST, id DESC LIMIT %s) o
              LEFT JOIN contatos c ON c.id = o.id_contato
             ORDER BY o.data_emissao DESC NULLS LAST, o.id DESC
            """,
            (limit,),
        ).fetchall()


class FailingCheck(NamedTuple):
    """What the newest evaluation of a check found in a month."""

    check_name: str
    month: str | None
    failing: int
    examined: int
    severity: str
    run_id: str | None


def failing_checks(conn: Connection, *, limit: int) -> list[FailingCheck]:
    """Return the results with failing rows, errors first, newest month first."""
    with conn.cursor(row_factory=class_row(FailingCheck)) as cursor:
        return cursor.execute(
            """
            SELECT check_name, month, failing, examined, severity, run_id FROM qa_results WHERE failing > 0
             ORDER BY severity = 'error' DESC, month DESC NULLS LAST, failing DESC, check_name LIMIT %s
            """,
            (limit,),
        ).fetchall()
