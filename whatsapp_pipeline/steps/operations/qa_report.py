"""The QA report: one page with the results of several months, and the items that a person should check.

What belongs here: the figures of each section. What does not: Dagster's record of runs and checks, which the
caller passes, and the texts and markup of the page (templates/qa_report.html). Titles and names are masked
unless the caller requests them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from whatsapp_pipeline import settings
from whatsapp_pipeline.domain.masking import mask_name, mask_path, mask_title
from whatsapp_pipeline.domain.quality import Rule, state_of
from whatsapp_pipeline.shared_folder import FileFolder
from whatsapp_pipeline.steps.operations.quality import standings
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import link_report, verdicts
from whatsapp_pipeline.store.links.verdicts import SampleRow
from whatsapp_pipeline.store.operations import report_numbers, status
from whatsapp_pipeline.store.operations.improvements import improvements
from whatsapp_pipeline.templates.render import render

_LINKS = ("linked", "proposed", "ambiguous", "unmatched", "groups", "pending")
_MAX_WAITING = 100  # chats
_MAX_FAILING_ROWS = 20  # per check; Dagster's Checks tab has more


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in Dagster's record."""

    started: datetime
    job: str
    months: str
    status: str
    seconds: float


@dataclass(frozen=True, slots=True)
class History:
    """Dagster's record of checks and runs; empty without a Dagster instance.

    `trends` has, for each check, the counts of failing rows over all months, newest evaluation first.
    """

    trends: Mapping[str, Sequence[int]] = field(default_factory=dict)
    runs: Sequence[RunLine] = field(default=())


@dataclass(frozen=True, slots=True)
class QaReport:
    """The page, and the counts that the asset shows as metadata."""

    html: str
    months: int
    chats: int
    linked: int
    sampled: int
    reviewed: int

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return {
            "months": self.months,
            "chats": self.chats,
            "linked": self.linked,
            "sampled": self.sampled,
            "reviewed": self.reviewed,
            "bytes": len(self.html.encode()),
        }


def make(
    conn: Connection,
    months: Sequence[str],
    history: History,
    rules: Sequence[Rule],
    *,
    made_at: datetime,
    show_names: bool = False,
) -> QaReport:
    """Read the figures of `months` and the results of `rules`, and render the page."""
    rows = [row for row in status.months(conn) if row["month"] in set(months)]
    found = [str(row["month"]) for row in rows]
    samples = {month: verdicts.review_sample(conn, month) for month in found}
    agreements = {month: verdicts.agreement_of(sample) for month, sample in samples.items()}
    waiting = _waiting(conn, found, show_names=show_names)
    waiting_ids = {line["chat"].id_chat_file for line in waiting}
    html = render(
        "qa_report.html",
        months=list(months),
        console=settings.load_settings().console_url,
        made_at=made_at,
        show_names=show_names,
        totals=_totals(conn, rows, agreements),
        links=_links(conn, rows),
        precision=_precision(conn, found),
        waiting=waiting,
        waiting_ids=waiting_ids,
        listed=waiting_ids | {row.id_chat_file for sample in samples.values() for row in sample},
        orders=_orders(conn, found),
        messages=_messages(conn, rows),
        history=history,
        checks=_checks(conn, months, history, rules),
        improvements=improvements(conn, months),
        samples=[
            {
                "month": month,
                "agreement": agreements[month],
                "rows": [_sample_line(row, show_names=show_names) for row in sample],
            }
            for month, sample in samples.items()
        ],
    )
    return QaReport(
        html,
        months=len(rows),
        chats=sum(row["files"] for row in rows),
        linked=sum(row["linked"] for row in rows),
        sampled=sum(agreement.sampled for agreement in agreements.values()),
        reviewed=sum(agreement.reviewed for agreement in agreements.values()),
    )


def write_report(folder: FileFolder, name: str, html: str) -> str:
    """Write the page atomically and return its path or URL. Only its owner can read a file on a disk."""
    folder.write(name, html)
    return f"{folder.address}/{name}"


def _totals(
    conn: Connection, rows: list[dict[str, Any]], agreements: dict[str, verdicts.Agreement]
) -> dict[str, Any]:
    """Return the totals over all months of the page."""
    right = sum(agreement.right for agreement in agreements.values())
    wrong = sum(agreement.wrong for agreement in agreements.values())
    waiting = sum(row["ambiguous"] + row["proposed"] + row["unmatched"] for row in rows)
    sums = {name: sum(row[name] for row in rows) for name in ("files", "linked", "messages", "exceptions")}
    return {
        **sums,
        "waiting": waiting,
        "right": right,
        "decided": right + wrong,
        "coverage": link_report.coverage(conn),
    }


def _links(conn: Connection, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the chats of each month by link status, and by method and band of confidence."""
    reports = [link_report.match_report(conn, str(row["month"]), waiting=0) for row in rows]
    bands = [(report.month, band) for report in reports for band in report.methods]
    return {"bars": {str(row["month"]): {name: row[name] for name in _LINKS} for row in rows}, "bands": bands}


def _precision(conn: Connection, months: list[str]) -> list[dict[str, Any]]:
    """Return the guaranteed precision of links: first for all methods together, then by method.

    The bounds are rounded down.
    """
    from whatsapp_pipeline.steps.links.guaranteed_precision import guaranteed_precision  # loads numpy

    found = guaranteed_precision(conn, months)
    bounds = [(None, found.overall), *found.by_method.items()]
    return [
        {"method": method, "bound": bound, "least": math.floor(bound.share * 1000) / 1000}
        for method, bound in bounds
        if bound is not None
    ]


def _waiting(conn: Connection, months: list[str], *, show_names: bool) -> list[dict[str, Any]]:
    """Return the chats that wait for a person, by month. In each month, the most likely link is first."""
    reports = (
        link_report.match_report(conn, month, waiting=_MAX_WAITING, show_names=show_names) for month in months
    )
    return [
        {"month": report.month, "chat": chat, "confidence": _confidence(chat.confidence)}
        for report in reports
        for chat in report.waiting
    ][:_MAX_WAITING]


def _orders(conn: Connection, months: list[str]) -> dict[str, Any]:
    """Return the sessions of each month by order method, and the number of orders that have a session."""
    methods = status.order_methods(conn, months)
    bars: dict[str, dict[str, int]] = {month: {} for month in months}
    for month, _, method, count in methods:
        bars[month][method] = bars[month].get(method, 0) + count
    names = sorted({method for _, _, method, _ in methods}, key=lambda name: (name == "none", name))
    return {
        "bars": bars,
        "series": names,
        "methods": methods,
        "covered": report_numbers.month_coverage(conn, months),
    }


def _messages(conn: Connection, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the messages of each month, the findings by kind, and the messages out of order."""
    months = [str(row["month"]) for row in rows]
    return {
        "bars": {str(row["month"]): {"messages": row["messages"]} for row in rows},
        "kinds": report_numbers.exceptions_by_kind(conn, months),
        "order_faults": report_numbers.order_faults(conn, months),
    }


def _checks(
    conn: Connection, months: Sequence[str], history: History, rules: Sequence[Rule]
) -> list[dict[str, Any]]:
    """Return the results of the checks in the months of the page: red checks first, then accepted ones."""
    found = [standing.in_months([None, *months]) for standing in standings(conn, rules)]
    lines = [
        {
            "standing": standing,
            "state": state_of(standing),
            "trend": list(history.trends.get(standing.rule.name, ()))[1:],
            "rows": [
                {"month": verdict.month, **row}
                for verdict in standing.of("red", "accepted")
                for row in verdict.result.sample
            ][:_MAX_FAILING_ROWS],
        }
        for standing in found
    ]
    order = ("red", "accepted", "passed", "empty", "unknown")
    return sorted(lines, key=lambda line: order.index(str(line["state"])))


def _confidence(value: float | None) -> str:
    """Return a confidence with three places. Only a confidence of exactly 1 is shown as 1."""
    if value is None:
        return ""
    return "1" if value >= 1 else f"{min(value, 0.999):.3f}".replace(".", ",")


def _sample_line(row: SampleRow, *, show_names: bool) -> dict[str, Any]:
    """Return the fields of a chat of the review sample."""
    shown = row.file_path if show_names else mask_path(row.file_path)
    if not show_names and row.title and row.title not in row.file_path:
        shown += f" · {mask_title(row.title)}"
    return {
        "chat": row,
        "file": shown,
        "contact_name": (row.contact_name if show_names else mask_name(row.contact_name)) or "",
        "confidence": _confidence(row.match_confidence),
    }
