"""`open`: the customers who wait for an answer."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import click

from whatsapp_pipeline import clock, settings
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say, say_json, say_lines, shortened
from whatsapp_pipeline.console import words
from whatsapp_pipeline.domain.summaries.metrics import business_hours_between
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import use_time_zone
from whatsapp_pipeline.store.operations.cases import OpenCase, open_cases
from whatsapp_pipeline.store.readable import may_read
from whatsapp_pipeline.templates.render import counted


@click.command("open")
@click.option("--all", "with_orders", is_flag=True, help="Also list customers with an order in progress.")
@click.option(
    "--handled", is_flag=True, help="List the cases that a person marked as handled in the console instead."
)
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000),
    default=50,
    show_default=True,
    help="Largest number of customers to list.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def open_(with_orders: bool, handled: bool, limit: int, as_json: bool) -> None:
    """List the customers who wait for an answer; those who have waited longest come first.

    The console's first page and the view v_open_cases have the same list. A case that a person marked as
    handled comes back after the day that the person chose, or when the customer writes again. A case marked
    "será recalculado na próxima execução" was computed before a person's latest decision on its links.
    """
    configured = settings.load_settings()
    with open_database(configured) as conn:
        use_time_zone(conn, configured.zone)
        if not may_read(conn, "open_cases"):
            raise PipelineError(
                "this role may not read open_cases; an administrator can run `whatsapp-pipeline grants`"
            )
        found = open_cases(conn, waiting=not with_orders, handled=handled, limit=limit + 1)
    now = clock.now().astimezone(ZoneInfo(configured.zone)).replace(tzinfo=None)
    cases = found[:limit]
    if as_json:
        for case in cases:
            say_json(_as_json(case, now))
        return
    say_lines(_case_line(case, now) for case in cases)
    if len(found) > limit:
        say(f"only the {limit} that have waited longest are listed; --limit shows more", err=True)
    if not cases:
        say("no case is marked as handled" if handled else "no customer waits for an answer", err=True)


def _case_line(case: OpenCase, now: datetime) -> str:
    reasons = ", ".join(words.OPEN_REASONS.get(reason, reason) for reason in case.open_reasons)
    hours = business_hours_between(case.open_since, now)
    line = (
        f"{case.id_contato:>8}  {shortened(case.nome or words.NO_NAME, 28):<28}  {words.SINCE_MOMENT} "
        f"{case.open_since:%d/%m/%Y %H:%M}  {counted(hours, words.BUSINESS_HOURS):>18}  {reasons}"
    )
    if case.stale_since is not None:
        line += f"; {words.STALE}"
    if case.until is None:
        return line
    note = f": {case.note}" if case.note else ""
    return f"{line}; {words.HANDLED_BY} {case.made_by} {words.UNTIL.lower()} {case.until:%d/%m/%Y}{note}"


def _as_json(case: OpenCase, now: datetime) -> dict[str, object]:
    moments = {
        name: None if value is None else value.isoformat()
        for name, value in (
            ("open_since", case.open_since),
            ("last_at", case.last_at),
            ("until", case.until),
            ("made_at", case.made_at),
            ("stale_since", case.stale_since),
        )
    }
    return {**case._asdict(), **moments, "business_hours": business_hours_between(case.open_since, now)}
