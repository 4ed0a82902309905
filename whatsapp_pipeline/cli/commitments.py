"""`commitments`: what customers and staff promised each other, and what is still open."""

from __future__ import annotations

from datetime import date, datetime

import click

from whatsapp_pipeline import clock, settings
from whatsapp_pipeline.cli.choices import choose_customer
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say, say_json, say_lines, shortened
from whatsapp_pipeline.store.connection import use_time_zone
from whatsapp_pipeline.store.summaries.commitment_lists import CommitmentLine, CommitmentList


@click.command()
@click.option("--due", metavar="today|YYYY-MM-DD", help="List commitments that are due on this day.")
@click.option("--overdue", "which", flag_value="overdue", help="List commitments whose due date has passed.")
@click.option(
    "--broken",
    "which",
    flag_value="broken",
    help="List commitments that messages or orders show to be broken: kept too late, or not at all.",
)
@click.option(
    "--quotes-without-answer",
    "quiet_days",
    type=click.IntRange(0),
    metavar="DAYS",
    help="List quotes that the customer has not answered for this number of days.",
)
@click.option(
    "--contact",
    metavar="ID|PHONE|NAME",
    help="List only commitments of this customer, without the limit of 90 days.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="Largest number of commitments to list.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def commitments(
    due: str | None,
    which: CommitmentList | None,
    quiet_days: int | None,
    contact: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List prices quoted, deadlines, decisions, pick-ups, payments and warranties found in the messages.

    Without an option: all open commitments of the last 90 days, sorted by due date. A chat without a linked
    customer is listed by the chat's number.
    """
    from whatsapp_pipeline.steps.summaries.commitment_words import commitment_line, whose_commitment
    from whatsapp_pipeline.store.summaries.commitment_lists import commitment_lines

    if sum(given is not None for given in (due, which, quiet_days)) > 1:
        raise click.UsageError("give one of --due, --overdue, --broken and --quotes-without-answer")
    today = clock.today() if due is None else _due_day(due)
    if due is not None:
        which = "due"
    elif quiet_days is not None:
        which = "quotes"
    chosen: CommitmentList = which or ("all" if contact else "open")
    configured = settings.load_settings()
    with open_database(configured) as conn:
        use_time_zone(conn, configured.zone)
        number = (
            choose_customer(conn, contact, default_area_code=configured.default_area_code)
            if contact
            else None
        )
        lines = commitment_lines(
            conn, chosen, today=today, contact=number, quiet_days=quiet_days or 0, limit=limit
        )
    if as_json:
        for line in lines:
            say_json(_as_json(line))
        return
    say_lines(
        f"{line.id_contato or '':>8}  {shortened(whose_commitment(line), 28):<28}  {commitment_line(line)}"
        for line in lines
    )
    if not lines:
        say(
            "nothing found"
            if contact or due
            else "nothing found in the last 90 days; --contact lists all of one customer",
            err=True,
        )


def _due_day(text: str) -> date:
    """Return the day of --due. Any text other than `today` or a day is a usage error."""
    if text == "today":
        return clock.today()
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError as error:
        raise click.UsageError(f"--due {text}: expected `today` or a day as YYYY-MM-DD") from error


def _as_json(line: CommitmentLine) -> dict[str, object]:
    shown = line._asdict()
    for name in ("said_at", "due_on", "due_time"):
        shown[name] = shown[name].isoformat() if shown[name] else None
    shown["amount"] = None if line.amount is None else str(line.amount)
    return shown
