"""The QA report: one page that says how months turned out, and what a person should look at.

What belongs here: gathering the numbers and laying out the page. What does not: Dagster's record of runs and
checks, which the caller hands over, and markup (domain/page.py). Titles and names are masked unless asked
for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from whatsapp_pipeline import private_files
from whatsapp_pipeline.domain import page
from whatsapp_pipeline.domain.masking import mask_name, mask_path, mask_title
from whatsapp_pipeline.domain.page import Html
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import link_report, verdicts
from whatsapp_pipeline.store.links.verdicts import SampleRow
from whatsapp_pipeline.store.operations import report_numbers, status

_LINKS = ("linked", "proposed", "ambiguous", "unmatched", "groups", "pending")
_LISTED = 100


@dataclass(frozen=True, slots=True)
class CheckLine:
    """What a check said last, as Dagster records it."""

    asset: str
    name: str
    passed: bool
    severity: str
    words: str
    trend: str


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run, as Dagster records it."""

    started: datetime
    job: str
    months: str
    status: str
    seconds: float


@dataclass(frozen=True, slots=True)
class History:
    """What the caller knows of checks and runs; empty where there is no instance."""

    checks: Sequence[CheckLine] = field(default=())
    runs: Sequence[RunLine] = field(default=())


@dataclass(frozen=True, slots=True)
class QaReport:
    """The page, and the counts that an asset shows of it."""

    html: str
    months: int
    chats: int
    linked: int
    sampled: int
    reviewed: int

    def counts(self) -> dict[str, int]:
        """Return the counts, ready to show."""
        return {
            "months": self.months, "chats": self.chats, "linked": self.linked, "sampled": self.sampled,
            "reviewed": self.reviewed, "bytes": len(self.html.encode()),
        }  # fmt: skip


def make(
    conn: Connection, months: Sequence[str], history: History, *, made_at: datetime, show_names: bool = False
) -> QaReport:
    """Gather the numbers of `months` and lay out the page."""
    rows = [row for row in status.months(conn) if row["month"] in set(months)]
    samples = {row["month"]: verdicts.sample(conn, row["month"]) for row in rows}
    agreements = {month: verdicts.agreement_of(sample) for month, sample in samples.items()}
    chats = sum(row["files"] for row in rows)
    linked = sum(row["linked"] for row in rows)
    span = months[0] if len(months) == 1 else f"{months[0]} to {months[-1]}" if months else "no month"
    html = page.document(
        f"QA report: {span}",
        page.paragraph(
            f"Made {made_at:%Y-%m-%d %H:%M %Z}. "
            + ("It shows names: keep it as you keep the chats." if show_names else "Names are masked."),
            css="note",
        ),
        page.tiles(_summary(conn, rows, agreements)),
        _links(conn, rows),
        _waiting(conn, rows),
        _orders(conn, rows),
        _messages(conn, rows),
        _checks(history),
        _runs(history),
        _sample(samples, agreements, show_names=show_names),
    )
    return QaReport(
        html, len(rows), chats, linked,
        sum(a.sampled for a in agreements.values()), sum(a.reviewed for a in agreements.values()),
    )  # fmt: skip


def write(path: Path, html: str) -> Path:
    """Write the page in one step, readable by its owner alone; return where it is."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    private_files.write(path, html)
    return path


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _summary(
    conn: Connection, rows: list[dict[str, int]], agreements: dict[str, verdicts.Agreement]
) -> dict[str, page.Cell]:
    total = {name: sum(row[name] for row in rows) for name in ("files", "linked", "messages", "exceptions")}
    covered = link_report.coverage(conn)
    right = sum(a.right for a in agreements.values())
    decided = right + sum(a.wrong for a in agreements.values())
    return {
        "chats": total["files"],
        "linked to a contact": _share(total["linked"], total["files"]),
        "messages": total["messages"],
        "findings": total["exceptions"],
        "of all contacts have a chat": _share(covered.contacts_with_chat, covered.contacts),
        "of all orders have a session": _share(covered.orders_with_session, covered.orders),
        "reviewers agree": _share(right, decided),
    }


def _links(conn: Connection, rows: list[dict[str, int]]) -> Html:
    bars = {str(row["month"]): {name: row[name] for name in _LINKS} for row in rows}
    bands = [
        (report.month, band.status, band.method, band.band or "–", band.chats)
        for report in (link_report.match_report(conn, str(row["month"]), waiting=0) for row in rows)
        for band in report.methods
    ]
    return page.section(
        "Links to contacts",
        page.stacked_bars("Chats by month and link status", bars, _LINKS),
        page.table(["month", "status", "method", "confidence", "chats"], bands),
        note="How each chat found its contact, and how sure that is.",
    )


def _waiting(conn: Connection, rows: list[dict[str, int]]) -> Html:
    waiting = [
        (str(row["month"]), chat)
        for row in rows
        for chat in link_report.match_report(conn, str(row["month"]), waiting=_LISTED).waiting
    ][:_LISTED]
    lines = [
        (month, chat.id_chat_file, chat.title, chat.status, _sure(chat.confidence), len(chat.candidates),
         ", ".join(chat.flags))
        for month, chat in waiting
    ]  # fmt: skip
    total = sum(row["ambiguous"] + row["proposed"] + row["unmatched"] for row in rows)
    return page.section(
        "Chats in doubt or without a contact",
        page.table(["month", "chat", "title", "status", "confidence", "candidates", "flags"], lines),
        note=f"{len(lines):,} of {total:,}, the likeliest first; "
        "`whatsapp-pipeline review --month MONTH` steps through them.",
    )


def _orders(conn: Connection, rows: list[dict[str, int]]) -> Html:
    months = [str(row["month"]) for row in rows]
    methods = status.order_methods(conn, months)
    bars: dict[str, dict[str, int]] = {month: {} for month in months}
    for month, _, method, count in methods:
        bars[month][method] = bars[month].get(method, 0) + count
    names = sorted({method for _, _, method, _ in methods}, key=lambda name: (name == "none", name))
    covered = [
        (month, issued, talked, _share(talked, issued))
        for month, issued, talked in report_numbers.month_coverage(conn, months)
    ]
    return page.section(
        "Links to service orders",
        page.stacked_bars("Sessions by month and order method", bars, names),
        page.table(["month", "status", "method", "sessions"], methods),
        page.table(["month", "orders issued", "with a session", "share"], covered),
        note="By session: a chat that goes on for years is about many orders.",
    )


def _messages(conn: Connection, rows: list[dict[str, int]]) -> Html:
    months = [str(row["month"]) for row in rows]
    bars = {str(row["month"]): {"messages": row["messages"]} for row in rows}
    kinds = report_numbers.exceptions_by_kind(conn, months)
    faults = [
        (month, people + notifications, notifications)
        for month, people, notifications in report_numbers.order_faults(conn, months)
    ]
    return page.section(
        "Messages and findings",
        page.stacked_bars("Messages by month", bars, ["messages"]),
        page.table(["found by", "kind", "severity", "files", "findings"], kinds, empty="no findings"),
        page.table(["month", "messages older than the one before", "of which around notifications"], faults),
        note="Notifications out of order are the exporter's habit; people's messages out of order are not.",
    )


def _checks(history: History) -> Html:
    lines = [(check.asset, check.name, _result(check), check.words, check.trend) for check in history.checks]
    headings = ["asset", "check", "last result", "found", "failing rows before"]
    return page.section(
        "Checks",
        page.table(headings, lines, empty="no check has run yet"),
        note="The rows that failed and how to mend them are in the asset's Checks tab (`make up`).",
    )


def _result(check: CheckLine) -> Html:
    return page.verdict(check.passed, "passed" if check.passed else check.severity.lower())


def _runs(history: History) -> Html:
    lines = [
        (f"{run.started:%Y-%m-%d %H:%M}", run.job, run.months,
         page.verdict(run.status == "SUCCESS", run.status.lower()), round(run.seconds, 1))
        for run in history.runs
    ]  # fmt: skip
    return page.section(
        "Run history",
        page.table(["started", "job", "months", "status", "seconds"], lines, empty="no run yet"),
    )


def _sample(
    samples: dict[str, list[SampleRow]], agreements: dict[str, verdicts.Agreement], *, show_names: bool
) -> Html:
    parts: list[Html] = []
    for month, sample in samples.items():
        agreed = agreements[month]
        rate = "" if agreed.rate is None else f", {agreed.rate:.1%} agreement"
        parts.append(
            page.paragraph(f"{month}: {agreed.sampled} chats, {agreed.reviewed} with a verdict{rate}")
        )
        parts.append(
            page.table(
                ["chat", "file" if show_names else "file (masked)", "kind", "messages", "linked to", "how",
                 "confidence", "order", "warnings", "verdict"],
                [_sample_line(row, show_names=show_names) for row in sample],
            )
        )  # fmt: skip
    return page.section(
        "Manual review sample",
        *parts,
        note="10 % of each month's chats or 20, whichever is more, of every kind of title, and every chat "
        "with warnings; the same each time. Record a verdict with "
        "`whatsapp-pipeline review record CHAT right|wrong|unsure`.",
    )


def _sure(confidence: float | None) -> str | None:
    """Show a confidence to three places, and none as certain that is not."""
    return None if confidence is None else f"{min(confidence, 0.999) if confidence < 1 else 1:.3f}"


def _sample_line(row: SampleRow, *, show_names: bool) -> tuple[page.Cell, ...]:
    name = row.contact_name if show_names else mask_name(row.contact_name)
    contact = f"{row.id_contato} {name or ''}".strip() if row.id_contato else row.match_status
    shown = row.file_path if show_names else mask_path(row.file_path)
    if not show_names and row.title and row.title not in row.file_path:
        shown += f" · {mask_title(row.title)}"
    return (
        row.id_chat_file, shown, row.stratum, row.messages, contact, row.match_method,
        _sure(row.match_confidence), str(row.id_ordem_servico or ""), ", ".join(row.warnings),
        page.boxes(("right", "wrong", "unsure"), row.verdict),
    )  # fmt: skip
