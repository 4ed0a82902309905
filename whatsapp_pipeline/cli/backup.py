"""`backup now|list` and `restore`: take, list and restore backups of the database.

What belongs here: the commands and the logger of the command line. What does not: the steps
(steps/operations/backup.py, steps/operations/privacy.py).
"""

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
    """Take and list backups of the database.

    They are kept in BACKUP_DIR, otherwise in SHARED_DIR, otherwise in .local/backups.
    """


@backup.command("now")
@click.option("--reason", default="by hand", show_default=True, help="Reason, shown by `backup list`.")
def backup_now(reason: str) -> None:
    """Back up the database, and verify the backup by restoring it into a scratch database."""
    configured = settings.load_settings()
    taken = step.take(pipeline_url(configured), backup_options(configured), reason=reason, log=cli_log())
    say(f"{taken.file}: {taken.size_bytes / 1e6:.1f} MB, {_verification(taken)}, {taken.seconds:.1f} s")


@backup.command("list")
def backup_list() -> None:
    """List the backups that are kept, newest first."""
    found = step.kept_backups(backup_options(settings.load_settings()).place)
    if not found:
        say("no backups yet; `whatsapp-pipeline backup now` takes one")
    for item in found:
        say(
            f"{item.file}  {item.size_bytes / 1e6:8.1f} MB  {sum(item.tables.values()):>10,} rows  "
            f"{_verification(item)}  ({item.reason})"
        )


def _verification(backup: step.Backup) -> str:
    return f"verified by {'a trial restore' if backup.verified == 'restored' else 'its table list only'}"


@click.command()
@click.option(
    "--into",
    "into",
    help="URL of the database to restore into; one that has tables needs --overwrite.  "
    "[default: the pipeline's own]",
)
@click.option("--file", "name", help="File name of the backup, as listed.  [default: the newest]")
@click.option(
    "--overwrite",
    is_flag=True,
    help="Also restore into a database that has tables: replace the tables of the backup, keep the others.",
)
def restore_command(into: str | None, name: str | None, overwrite: bool) -> None:
    """Load a backup into a database, in one transaction.

    A second transaction then erases the people whose data was erased since the backup. If it fails, the
    command fails: run the command again with --overwrite.
    """
    from whatsapp_pipeline.steps.operations.privacy import reapply_erasures

    configured = settings.load_settings()
    options = backup_options(configured)
    chosen = _choose(step.kept_backups(options.place), name, options)
    own = pipeline_url(configured)  # this starts the embedded server: `--into` may be one of its databases
    url = into or own
    rows = step.restore(url, chosen, options, overwrite=overwrite, log=cli_log())
    erased = reapply_erasures(url, configured, log=cli_log(), here=url == own)
    if url == own:
        options.register(url)  # the restored list of data files is as old as the backup: update it
    say(f"{chosen.file}: {sum(rows.values()):,} rows in {len(rows)} tables restored")
    if erased:
        say(f"people erased since that backup were erased again ({erased} rows changed)")


def _choose(found: list[step.Backup], name: str | None, options: step.BackupOptions) -> step.Backup:
    if not found:
        place = options.store.address if options.store else options.folder
        raise PipelineError(f"there are no backups in {place}; set BACKUP_DIR to the folder that has them")
    if name is None:
        return found[0]
    for item in found:
        if item.file == Path(name).name:
            return item
    raise PipelineError(f"there is no backup {name!r}; `whatsapp-pipeline backup list` shows them")
