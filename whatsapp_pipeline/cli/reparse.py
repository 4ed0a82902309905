"""`reparse`: read a file or month with other options, and store these options."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say
from whatsapp_pipeline.cli.params import MONTH
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection

if TYPE_CHECKING:
    from whatsapp_pipeline.archive import ChatArchive


@click.command()
@click.option("--file", "path", help="Path of the file in the archive, as `exceptions list` shows it.")
@click.option("--month", type=MONTH, help="All files of a month, instead of one file.")
@click.option(
    "--format", "form", type=click.Choice(["auto", "block", "android", "ios"]), help="Export format."
)
@click.option(
    "--date-order",
    type=click.Choice(["auto", "dmy", "mdy", "ymd"]),
    help="Order of day and month in WhatsApp's own exports.",
)
@click.option("--owner", multiple=True, help="Name or number of the staff side. Can be given several times.")
@click.option("--reset", is_flag=True, help="Delete the stored options first, then apply the other options.")
@click.option("--archive", "root", help="Folder or URL of the chats; default: CHAT_ARCHIVE.")
def reparse(
    path: str | None,
    month: str | None,
    form: str | None,
    date_order: str | None,
    owner: tuple[str, ...],
    reset: bool,
    root: str | None,
) -> None:
    """Read a file or a month with these options, now and in every later run.

    Messages that are still the same keep their ids. `auto` deletes a stored option.
    """
    if (path is None) == (month is None):
        raise click.UsageError("give either --file or --month")
    options: dict[str, object] = dict.fromkeys(("format", "date_order", "owner")) if reset else {}
    for name, value in (("format", form), ("date_order", date_order)):
        if value is not None:
            options[name] = None if value == "auto" else value
    if owner:
        options["owner"] = list(owner)
    if not options:
        raise click.UsageError("give at least one of --format, --date-order, --owner and --reset")
    from whatsapp_pipeline.resources.sources import Archive

    configured = settings.load_settings()
    with open_database(configured) as conn:
        months, files = _store_options(conn, options, path, month)
        counts = _read_again(conn, months, Archive(root=root).open(), configured)
    say(
        f"stored for {files} file(s) of {', '.join(months)}; "
        + (
            ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in counts.items())
            or "no message changed"
        )
    )
    say(f"to link these months again, run `whatsapp-pipeline run --months {','.join(months)} …`")


def _store_options(
    conn: Connection, options: dict[str, object], path: str | None, month: str | None
) -> tuple[list[str], int]:
    from whatsapp_pipeline.store.chats.parse_options import set_parse_options

    chosen = set_parse_options(conn, options, path=path, month=month)
    if not chosen:
        what = "no indexed file has that path" if path else f"no file of {month} is indexed"
        raise PipelineError(
            f"{what}; index first, and give paths as `whatsapp-pipeline exceptions list` shows them"
        )
    return sorted({found for found, _ in chosen}), len(chosen)


def _read_again(
    conn: Connection, months: list[str], archive: ChatArchive, configured: settings.Settings
) -> dict[str, int]:
    from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
    from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, load_month
    from whatsapp_pipeline.steps.chats.missing_files import refuse_wrong_archive

    log = logging.getLogger("whatsapp_pipeline.reparse")
    index = IndexOptions(
        zone=configured.zone,
        owner=configured.owner,
        locale=configured.locale,
        default_area_code=configured.default_area_code,
    )
    load = LoadOptions(zone=configured.zone, owner=configured.owner, locale=configured.locale)
    total: dict[str, int] = {}
    refuse_wrong_archive(conn, archive, months, max_missing_share=configured.max_missing_share)
    for month in months:
        index_month(conn, archive, month, index, log=log)
        for name, value in load_month(conn, archive, month, load, log=log).counts().items():
            if value and name.startswith(("messages_", "failed")):
                total[name] = total.get(name, 0) + value
    return total
