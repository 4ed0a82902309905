"""The data of the console's home page: coverage by month, recent orders, failing checks.

What belongs here: statements that every level of access may run. They do not read messages, titles or phones.
What does not: comparing checks with tolerances and acceptances (domain/quality.py).
"""

from __future__ import annotations

from datetime import date
from typing import LiteralString, NamedTuple

from psycopg.rows import class_row

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection, one_row


class MonthOfChats(NamedTuple):
    """The number of chats of a month, and of those that are linked to a customer."""

    month: str
    chats: int
    linked: int


class RecentOrder(NamedTuple):
    """A service order in a list."""

    id: int
    numero: str | None
    situacao: str | None
    data_emissao: date | None
    id_contato: int | None
    nome: str | None


def recent_orders(conn: Connection, *, limit: int) -> list[RecentOrder]:
    """Return the `limit` orders that were opened last, newest first."""
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
    """The newest result of a check in a month, with failing rows."""

    check_name: str
    month: str | None
    failing: int
    examined: int
    severity: str
    run_id: str | None


_FAILING: LiteralString = """
    SELECT check_name, month, failing, examined, severity, run_id FROM qa_results WHERE failing > 0
     ORDER BY severity = 'error' DESC, month DESC NULLS LAST, failing DESC, check_name LIMIT %s
"""


class PipelineHealth(NamedTuple):
    """The number of unread files and of their findings, and of webhook deliveries that wait or failed."""

    unread_files: int
    unread_findings: int
    pending: int
    oldest_pending_seconds: int
    parked: int
    dead: int


_HEALTH: LiteralString = """
    SELECT coalesce(sum(u.files), 0)::bigint AS unread_files,
           coalesce(sum(u.findings), 0)::bigint AS unread_findings,
           w.pending, w.oldest_pending_seconds, w.parked, w.dead
      FROM webhook_health w LEFT JOIN unread_counts u ON true
     GROUP BY w.pending, w.oldest_pending_seconds, w.parked, w.dead
"""


def coverage_and_checks(
    conn: Connection, *, months: int, checks: int
) -> tuple[list[MonthOfChats], list[FailingCheck], PipelineHealth]:
    """Return the coverage of the newest months, check results with failing rows, and the pipeline's health.

    One statement reads all three. The coverage has up to `months` months, newest first, without groups and
    copies. There are up to `checks` results, errors first, then the newest months.
    """
    coverage = queries.load("operations/coverage_by_month")
    row = one_row(
        conn.execute(
            f"""
            SELECT (SELECT coalesce(jsonb_agg(to_jsonb(c)), '[]') FROM ({coverage}) c),
                   (SELECT coalesce(jsonb_agg(to_jsonb(k)), '[]') FROM ({_FAILING}) k),
                   (SELECT to_jsonb(h) FROM ({_HEALTH}) h)
            """,
            (months, checks),
        )
    )
    return (
        [MonthOfChats(**month) for month in row[0]],
        [FailingCheck(**check) for check in row[1]],
        PipelineHealth(**row[2]),
    )
