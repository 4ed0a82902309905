"""`export`: rows as a file for a spreadsheet, a notebook or another program.

What belongs here: the command. What does not: the rows (store/operations/exports.py), and writing the file
(steps/operations/export.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say
from whatsapp_pipeline.errors import PipelineError

if TYPE_CHECKING:
    from whatsapp_pipeline.store.operations.exports import Months

# A copy of the keys of EXPORTS (store/operations/exports.py): importing that module would slow down `--help`.
KINDS = ("messages", "customers", "orders", "links", "unmatched", "unlinked-sessions", "qa")
FORMATS = ("csv", "xlsx", "parquet")


@click.command()
@click.argument("what", type=click.Choice(KINDS))
@click.option("--month", "months", metavar="YYYY-MM[..YYYY-MM]", help="One month or a range.  [default: all]")
@click.option("--format", "file_format", type=click.Choice(FORMATS), default="csv", show_default=True)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the file. It is created if it does not exist.",
)
@click.option(
    "--decimal-comma",
    is_flag=True,
    help="CSV: write decimals with a comma (1,5), which Excel in Brazil expects.",
)
@click.option(
    "--masked",
    is_flag=True,
    help="Mask names, titles, paths, and the phones, e-mail addresses and document numbers in texts.",
)
def export(
    what: str, months: str | None, file_format: str, out: Path, decimal_comma: bool, masked: bool
) -> None:
    """Write messages, customers, orders, links or reports to a file.

    CSV opens in Excel by a double click (semicolons, UTF-8). XLSX starts another sheet after 1,048,575 rows.
    Names are masked for a database role that may not read messages, such as whatsapp_reader. Such a role
    exports everything but messages; in `unmatched` its titles, paths and candidates are empty.

    Only your user can read the file (mode 0600). The pipeline registers the file. After a person is erased,
    `privacy status` lists the file until you delete it or export it again.
    """
    if decimal_comma and file_format != "csv":
        raise click.UsageError("--decimal-comma goes with --format csv")
    # These imports are slow, and only this command needs them.
    from whatsapp_pipeline.cli.backup import cli_log
    from whatsapp_pipeline.shared_folder import LocalFolder
    from whatsapp_pipeline.steps.operations import export as steps
    from whatsapp_pipeline.steps.operations.data_files import place_in, registered
    from whatsapp_pipeline.steps.progress import Progress
    from whatsapp_pipeline.store.operations import exports
    from whatsapp_pipeline.store.operations.data_files import NewFile

    configured = settings.load_settings()
    chosen, span = exports.EXPORTS[what], _months(months)
    name = f"{what}-{months.replace('..', '_')}" if months else what
    path = out / f"{name}.{file_format}"
    place = place_in(configured, LocalFolder(out), path.name)
    new = NewFile("export", place, first_month=span.first if span else None)
    with open_database(configured) as conn, registered(conn, new, log=cli_log()):
        exports.require_exportable(conn, what)
        empty = exports.unreadable_columns(conn, chosen)
        rows = exports.chunks(conn, chosen, span, zone=configured.zone)
        if masked or not exports.may_see_names(conn):
            rows = steps.masked(rows, chosen)
        progress = Progress(cli_log(), f"export {what}", exports.count_rows(conn, chosen, span), "rows")
        try:
            out.mkdir(parents=True, exist_ok=True)
            written = steps.write_export(path, rows, decimal_comma=decimal_comma, advance=progress.advance)
        except OSError as error:
            raise PipelineError(f"cannot write {path}: {error.strerror or error}") from error
    say(f"{written.rows:,} rows → {path}")
    if empty:
        say(f"{', '.join(empty)} are empty, because this database role may not read them (docs/security.md)")
    if written.cut_texts:
        say(
            f"{written.cut_texts:,} texts were cut and end with …, because a cell of Excel holds at most "
            "32,767 characters; export to CSV to get the whole texts"
        )


def _months(text: str | None) -> Months | None:
    from whatsapp_pipeline.store.operations.exports import Months

    if text is None:
        return None
    first, dots, last = text.partition("..")
    try:
        return Months(first, last if dots else first)
    except PipelineError as error:
        words = f"{error} (a range is 2025-01..2025-03)"
        raise click.BadParameter(words, param_hint="--month") from error
