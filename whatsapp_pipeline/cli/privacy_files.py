"""`privacy files|delete-exports`: the registered files with people's data, on all hosts.

What belongs here: listing these files and deleting outdated exports of this host and of SHARED_DIR. What does
not: erasing a person (privacy.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say, say_json
from whatsapp_pipeline.errors import PipelineError

if TYPE_CHECKING:
    from whatsapp_pipeline.store.connection import Connection
    from whatsapp_pipeline.store.operations.data_files import DataFile

DELETE_EXPORTS = "delete them, write them again, or run `privacy delete-exports` on their host"
"""The instruction for outdated exports."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def privacy_files_command(as_json: bool) -> None:
    """List the registered files with people's data: backups, QA reports and exports of every host.

    Copies of these files are not known to the pipeline.
    """
    with open_database(settings.load_settings()) as conn:
        files = present_files(conn)
    if as_json:
        say_json({"files": [file._asdict() for file in files]}, default=str)
        return
    for file in files:
        say(file_line(file))
    if not files:
        say("no file is registered")


@click.command()
@click.option("--yes", is_flag=True, help="Don't ask.")
def delete_exports_command(yes: bool) -> None:
    """Delete the exports that may contain erased people, or months that retention deleted.

    The command deletes the exports of this host and of SHARED_DIR. A file that was changed after its export
    is kept and listed.
    """
    from whatsapp_pipeline.steps.operations.data_files import delete_export, outdated_exports

    configured = settings.load_settings()
    with open_database(configured) as conn:
        files = outdated_exports(conn, configured)
        for file in files:
            say(file_line(file))
        if not files:
            say(f"{configured.host}: no export is outdated")
            return
        if not yes:
            click.confirm(f"Delete {len(files)} file(s)?", abort=True)
        kept = []
        for file in files:
            try:
                deleted = delete_export(conn, file)
            except OSError as error:
                raise PipelineError(f"cannot delete {file.place.path}: {error.strerror}") from error
            if not deleted:
                kept.append(file)
    say(f"{len(files) - len(kept)} file(s) deleted")
    if kept:
        paths = ", ".join(file.place.path for file in kept)
        raise PipelineError(
            f"these files were changed after their export, so they are kept: {paths}; "
            f"check and delete them yourself"
        )


def present_files(conn: Connection) -> list[DataFile]:
    """Return the registered files, without files of this host that no longer exist."""
    from whatsapp_pipeline.steps.operations.data_files import forget_missing_files
    from whatsapp_pipeline.store.operations.data_files import registered_files

    forget_missing_files(conn, settings.load_settings(), ("export", "person", "report"))
    return registered_files(conn)


def file_line(file: DataFile) -> str:
    """Describe a file on one line."""
    size = "not complete" if file.bytes is None else f"{file.bytes / 1e6:,.1f} MB"
    since = f", outdated by {file.outdated_by} since {file.outdated_at:%Y-%m-%d}" if file.outdated_at else ""
    return (
        f"{file.host}: {file.place.path} ({file.kind} of {file.begun_at:%Y-%m-%d %H:%M}, {size}, "
        f"by {file.written_by}{since})"
    )
