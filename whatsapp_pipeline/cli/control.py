"""`pause`, `resume` and `checkpoint`: pausing the pipeline, and waiving checkpoints."""

from __future__ import annotations

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say
from whatsapp_pipeline.cli.params import MONTH, Group
from whatsapp_pipeline.store.operations import gates

_CHECKPOINTS = click.Choice(["contacts_complete", "files_indexed", "links_reviewed"])


@click.command()
@click.option("--reason", default="", help="Reason, shown to everybody who finds the pipeline paused.")
def pause_command(reason: str) -> None:
    """Stop schedules, and stop runs after their current batch. Committed work stays."""
    with open_database(settings.load_settings()) as conn:
        began = gates.pause(conn, reason)
    say("paused; `whatsapp-pipeline resume` ends the pause" if began else "the pipeline was already paused")


@click.command()
def resume_command() -> None:
    """Let schedules and runs continue. To continue a run that was stopped, run it again."""
    with open_database(settings.load_settings()) as conn:
        ended = gates.resume(conn)
    say("resumed" if ended else "the pipeline was not paused")


@click.group(cls=Group)
def checkpoint() -> None:
    """List and waive checkpoints between phases."""


@checkpoint.command("list")
def checkpoint_list() -> None:
    """Show which checkpoints are enabled, whether each is met, and the waivers."""
    from whatsapp_pipeline.steps.operations.gates import unmet

    configured = settings.load_settings()
    with open_database(configured) as conn:
        months = gates.loaded_months(conn)
        for name in _CHECKPOINTS.choices:
            reason = unmet(conn, name, months)
            state = "enabled" if name in configured.checkpoints else "off"
            say(f"{name:<18} {state:<7} {'met' if reason is None else reason}")
        for waiver in gates.waivers(conn):
            say(
                f"waived: {waiver.checkpoint} {waiver.month or 'all months'} by {waiver.made_by} "
                f"on {waiver.made_at:%Y-%m-%d}: {waiver.reason}"
            )


@checkpoint.command("waive")
@click.argument("name", type=_CHECKPOINTS, metavar="CHECKPOINT")
@click.option("--month", type=MONTH, help="Only for this month.")
@click.option("--reason", required=True, help="Reason; it is stored with the waiver.")
def checkpoint_waive(name: str, month: str | None, reason: str) -> None:
    """Waive CHECKPOINT with a reason: contacts_complete, files_indexed or links_reviewed."""
    with open_database(settings.load_settings()) as conn:
        gates.waive(conn, name, month, reason)
    say(f"{name} is waived for {month or 'all months'}")
