"""`report`: the QA report as one HTML page.

What belongs here: the command. What does not: the report (steps/operations/qa_report.py).
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from whatsapp_pipeline import clock, settings
from whatsapp_pipeline.cli.backup import cli_log
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say
from whatsapp_pipeline.cli.params import MONTH
from whatsapp_pipeline.cli.qa import shown_rules
from whatsapp_pipeline.errors import PipelineError


@click.command()
@click.option("--month", type=MONTH, help="One month.")
@click.option("--all", "every", is_flag=True, help="All months.")
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write.  [default: reports/qa-MONTH.html in SHARED_DIR or .local]",
)
@click.option("--names", is_flag=True, help="Show names and titles. Otherwise they are masked.")
def report(month: str | None, every: bool, html: Path | None, names: bool) -> None:
    """Write the QA report: links, orders, findings, checks, runs, and a sample of links to review."""
    if bool(month) == every:
        raise click.UsageError("give either --month YYYY-MM or --all")
    os.environ.setdefault("DAGSTER_HOME", str(settings.PROJECT_ROOT))
    # Imported here because these modules are slow to import and only this command needs them.
    from whatsapp_pipeline.assets.history import run_history
    from whatsapp_pipeline.automation.headless import open_instance
    from whatsapp_pipeline.shared_folder import LocalFolder
    from whatsapp_pipeline.steps.operations.data_files import place_in, registered
    from whatsapp_pipeline.steps.operations.local_copies import report_folder
    from whatsapp_pipeline.steps.operations.qa_report import make, write_report
    from whatsapp_pipeline.store.operations import status
    from whatsapp_pipeline.store.operations.data_files import NewFile

    configured = settings.load_settings()
    folder = LocalFolder(html.parent) if html else report_folder(configured)
    name = html.name if html else f"qa-{month or 'all'}.html"
    # With --html, the file is registered as an export. An erasure lists outdated exports, but deletes
    # reports.
    new = NewFile("export" if html else "report", place_in(configured, folder, name), first_month=month)
    with (
        open_database(configured) as conn,
        open_instance(ephemeral=False) as instance,
        registered(conn, new, log=cli_log()) as written,
    ):
        known = [str(row["month"]) for row in status.months(conn)]
        if month is not None and month not in known:
            held = f"it has chats of {known[0]} to {known[-1]}" if known else "it has no chats yet"
            raise PipelineError(f"the database has no chats of {month}; {held}")
        rules = shown_rules(conn)
        made = make(
            conn,
            [month] if month else known,
            run_history(instance, rules),
            rules,
            made_at=clock.now(),
            show_names=names,
        )
        path = write_report(folder, name, made.html)
        written.size = made.counts()["bytes"]  # used for an object store, where the size is not read
    say(
        f"{month or 'all months'}: {made.chats:,} chats, {made.linked:,} linked; a person reviewed "
        f"{made.reviewed} of {made.sampled} sampled chats. Report: {path}"
    )
