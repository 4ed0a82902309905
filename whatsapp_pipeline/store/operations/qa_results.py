"""The results of checks by month, and faults that people accepted.

What belongs here: the tables qa_results and qa_acceptances. What does not: finding failing rows
(store/operations/checks.py) and comparing counts with tolerances (domain/quality.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime

from whatsapp_pipeline.domain.quality import Acceptance, Month, MonthResult
from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.locks import named_lock
from whatsapp_pipeline.store.operations.checks import Findings, MonthFindings


def evaluation_lock(conn: Connection, check: str) -> AbstractContextManager[None]:
    """Hold the lock of one check, so that only one run at a time evaluates and writes it."""
    return named_lock(conn, f"qa:{check}")


def record_results(
    conn: Connection,
    check: str,
    severity: str,
    findings: Findings,
    months: Sequence[str],
    *,
    run_id: str | None,
    at: datetime,
    every_month: bool,
) -> None:
    """Write the results of a check in `months`, and its result without a month.

    A month without findings gets a result with nothing examined. With `every_month`, the rows of other months
    are deleted, because these months no longer exist.
    """
    found: dict[Month, MonthFindings] = {month: MonthFindings() for month in months}
    found.update(findings.months)
    conn.execute(
        queries.load("operations/qa_results_upsert"),
        {
            "check": check,
            "severity": severity,
            "run_id": run_id,
            "at": at,
            "every_month": every_month,
            "months": list(found),
            "examined": [month.examined for month in found.values()],
            "failing": [month.failing for month in found.values()],
            "samples": [json.dumps(month.rows, default=str) for month in found.values()],
        },
    )


def results(conn: Connection, check: str | None = None) -> list[MonthResult]:
    """Return the results of one check, or of all, by check and month."""
    rows = conn.execute(
        """
        SELECT check_name, month, examined, failing, sample, evaluated_at FROM qa_results
        WHERE %(check)s::text IS NULL OR check_name = %(check)s ORDER BY check_name, month NULLS FIRST
        """,
        {"check": check},
    )
    return [MonthResult(*row) for row in rows]


def acceptances(conn: Connection, check: str | None = None) -> list[Acceptance]:
    """Return the acceptances in force of one check, or of all, by check and month."""
    rows = conn.execute(
        """
        SELECT check_name, month, failing, reason, made_by, made_at, until FROM qa_acceptances
        WHERE removed_at IS NULL AND (%(check)s::text IS NULL OR check_name = %(check)s)
        ORDER BY check_name, month NULLS FIRST
        """,
        {"check": check},
    )
    return [Acceptance(*row) for row in rows]


def accept_failing(
    conn: Connection,
    check: str,
    month: Month,
    *,
    failing: int,
    reason: str,
    until: date,
    made_by: str | None = None,
) -> None:
    """Accept a month's failing rows. An acceptance in force is replaced."""
    with conn.transaction():
        withdraw_acceptance(conn, check, month)
        conn.execute(
            """
            INSERT INTO qa_acceptances (check_name, month, failing, reason, until, made_by)
            VALUES (%s, %s, %s, %s, %s, coalesce(%s, current_user))
            """,
            (check, month, failing, reason, until, made_by),
        )


def withdraw_acceptance(conn: Connection, check: str, month: Month) -> bool:
    """End the acceptance of a check in a month. Return whether there was one."""
    return (
        conn.execute(
            "UPDATE qa_acceptances SET removed_at = now()"
            " WHERE check_name = %s AND month IS NOT DISTINCT FROM %s AND removed_at IS NULL",
            (check, month),
        ).rowcount
        == 1
    )


def forget_samples(conn: Connection) -> None:
    """Delete the samples of failing rows, which may name an erased person.

    The next evaluation stores new samples.
    """
    conn.execute("UPDATE qa_results SET sample = '[]' WHERE sample::text <> '[]'")


def forget_months_before(conn: Connection, month: str) -> None:
    """Delete the results of the months before `month`, whose chats were deleted."""
    conn.execute("DELETE FROM qa_results WHERE month < %s", (month,))
