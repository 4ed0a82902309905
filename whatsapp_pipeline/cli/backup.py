"""`backup now|list` and `restore`: backups of the database, and restoring one."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.backups import backup_options
from whatsapp_pipeline.cli.output import say
from whatsapp_pipeline.cli.params import Group
from whatsapp_pipeline.databases import pipeline_url
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import PipelineHandler
from whatsapp_pipeline.steps.operations import backup as step


def cli_log() -> logging.Logger:
    """Return a logger that writes to standard error, like the log of a run."""
    log = logging.getLogger("whatsapp_pipeline.cli")
    if not log.handlers:
        log.addHandler(PipelineHandler())
        log.setLevel(logging.INFO)
        log.propagate = False
    return log


@click.group(cls=Group)
def backup() -> None:
    """Take and list backups of the database (BACKUP_DIR, SHARED_DIR or .local/backups)."""


@backup.command("now")
@click.option("--reason", default="by hand", show_default=True, help="What the list shall say.")
def backup_now(reason: str) -> None:
    """Back up the database, and verify the backup by restoring it into a scratch database."""
    configured = settings.load_settings()
    taken = step.take(pipeline_url(configured), backup_options(configured), reason=reason, log=cli_log())
    say(f"{taken.file}: {taken.size_bytes / 1e6:.1f} MB, {taken.verified}, {taken.seconds:.1f} s")


@backup.command("list")
def backup_list() -> None:
    """List the backups that are kept, newest first."""
    found = step.kept(backup_options(settings.load_settings()).place)
    if not found:
        say("no backups yet; `whatsapp-pipeline backup now` takes one")
    for item in found:
        say(
            f"{item.file}  {item.size_bytes / 1e6:8.1f} MB  {sum(item.tables.values()):>10,} rows  "
            f"{item.verified}  ({item.reason})"
        )


@click.command()
@click.option(
    "--into", "into", help="URL of the database to restore into.  [default: the pipeline's own, if empty]"
)
@click.option("--file", "name", help="File name of the backup, as listed.  [default: the newest]")
@click.option("--overwrite", is_flag=True, help="Replace what is in a database that is not empty.")
def restore_command(into: str | None, name: str | None, overwrite: bool) -> None:
    """Restore a backup into a database, in one transaction.

    People whose data was erased since the backup are erased from the restored database too.
    """
    from whatsapp_pipeline.steps.operations.privacy import reapply_erasures

    configured = settings.load_settings()
    options = backup_options(configured)
    chosen = _choose(step.kept(options.place), name)
    own = pipeline_url(configured)  # starts the embedded server, because `--into` may be one of its databases
    url = into or own
    rows = step.restore(url, chosen, options, overwrite=overwrite, log=cli_log())
    erased = reapply_erasures(url, configured, log=cli_log(), here=url == own)
    if url == own:
        options.register(url)  # the restored register is as old as the backup
    say(f"{chosen.file}: {sum(rows.values()):,} rows in {len(rows)} tables restored")
    if erased:
        say(f"people erased since that backup were erased again ({erased} changes)")


def _choose(found: list[step.Backup], name: str | None) -> step.Backup:
    if not found:
        raise PipelineError("there are no backups; BACKUP_DIR names the folder they are in")
    if name is None:
        return found[0]
    for item in found:
        if item.file == Path(name).name:
            return item
    raise PipelineError(f"there is no backup {name!r}; `whatsapp-pipeline backup list` shows them")
