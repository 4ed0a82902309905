"""`run` and `demo`: run all jobs from the command line, through Dagster."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.load_options import AssetConfig, load_options
from whatsapp_pipeline.cli.output import say, say_json
from whatsapp_pipeline.errors import PipelineError

if TYPE_CHECKING:
    from whatsapp_pipeline.archive import ChatArchive
    from whatsapp_pipeline.automation.headless import Outcome


def _sample_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --sample and --seed to a command, below `load_options`. They are stored in its `config`."""

    @click.option(
        "--sample",
        type=click.IntRange(min=1),
        help="Take only this number of files per month, a stratified sample.",
    )
    @click.option(
        "--seed", default=0, show_default=True, help="Seed of the sample. The same seed takes the same files."
    )
    @functools.wraps(command)
    def with_sample(
        *args: object, sample: int | None, seed: int, config: AssetConfig, **kwargs: object
    ) -> None:
        if sample is not None:
            config["chat_file_index"] |= {"sample": sample, "seed": seed}
        command(*args, config=config, **kwargs)

    return with_sample


@click.command()
@click.option(
    "--archive", "archive_root", help="Folder or URL of the exported chats.  [default: CHAT_ARCHIVE]"
)
@click.option(
    "--erp",
    help="Source of contacts and orders: a folder of saved pages, `sandbox` (an invented ERP on loopback) "
    "or `tiny`. Without this option, the tables contatos and ordens_servico are used as they are.",
)
@click.option(
    "--months", "--month", default="all", show_default=True, help="2025-01..2025-03, 2025-01,2025-03 or all."
)
@click.option("--dry-run", is_flag=True, help="Do everything in one transaction, and roll it back.")
@click.option(
    "--names", is_flag=True, help="With --dry-run: show names in the examples. Otherwise they are masked."
)
@load_options
@_sample_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
def run(
    archive_root: str | None,
    erp: str | None,
    months: str,
    dry_run: bool,
    names: bool,
    as_json: bool,
    config: AssetConfig,
) -> None:
    """Index, link, load and summarise the chats of an archive.

    Ctrl-C ends the command at any time. Run the same command again to continue. Exit status: 0 success, 1 a
    step or a blocking check failed, 2 wrong usage, 130 interrupted.

    \b
    Examples: whatsapp-pipeline run --months 2025-01 --sample 25 --dry-run
              whatsapp-pipeline run --archive data/organized_whatsapp_chats --erp sandbox --json
    """
    if names and not dry_run:
        raise click.UsageError("--names goes with --dry-run")
    outcome = execute(archive_root, erp, months, config=config, dry_run=dry_run, show_names=names)
    if as_json:
        say_json(outcome.as_json())
    else:
        from whatsapp_pipeline.cli.qa_table import show

        show(outcome, dry_run=dry_run)
    raise SystemExit(outcome.exit_status)


def execute(
    archive_root: str | None,
    erp: str | None,
    months: str,
    *,
    config: dict[str, dict[str, Any]],
    dry_run: bool,
    show_names: bool = False,
) -> Outcome:
    """Run all jobs over `months` of the archive (None: CHAT_ARCHIVE). Return the reports of all steps."""
    if settings.load_settings().log_format != "json":
        say("loading Dagster …", err=True)
    os.environ.setdefault("DAGSTER_HOME", str(settings.PROJECT_ROOT))
    # Imported here because these modules are slow to import and only this command needs them.
    from whatsapp_pipeline.automation import headless
    from whatsapp_pipeline.definitions import build_defs
    from whatsapp_pipeline.resources.database import Database
    from whatsapp_pipeline.resources.sources import Archive, Erp
    from whatsapp_pipeline.store.operations import dry_run_diff as difference

    archive = Archive(root=archive_root)
    chats = archive.open()
    chosen = _chosen_months(chats, months)
    database = Database()
    with contextlib.ExitStack() as stack:
        overrides: dict[str, object] = {"archive": archive, "database": database}
        if erp:
            overrides["erp"] = Erp(source=stack.enter_context(_erp_source(erp, chats.url)))
        dry_conn = stack.enter_context(database.dry_run_of_everything()) if dry_run else None
        if dry_conn:
            difference.remember(dry_conn)
        instance = stack.enter_context(headless.open_instance(ephemeral=dry_run))
        outcome = headless.run_chain(
            build_defs(overrides, with_erp=erp is not None),
            instance,
            months=chosen,
            with_erp=erp is not None,
            config=config,
        )
        if dry_conn:
            outcome.changes = difference.list_changes(dry_conn, show_names=show_names)
        return outcome


def _chosen_months(chats: ChatArchive, months: str) -> list[str]:
    """Return the months of the archive that --months selects.

    Raises PipelineError if the archive has no months.
    """
    from whatsapp_pipeline.assets.partitions import parse_months

    try:
        chosen = parse_months(months, chats.months())
    except PipelineError as error:
        raise click.BadParameter(str(error), param_hint="--months") from error
    if not chosen:
        raise PipelineError(
            f"no months in {chats.url}: expected folders such as {chats.url}/2025/01 with .txt files"
        )
    return chosen


@contextlib.contextmanager
def _erp_source(erp: str, archive_root: str) -> Iterator[str]:
    """Yield the source for `Erp`.

    For `sandbox`, serve the saved pages in the folder `erp` next to the archive; without it, those of the
    sample.
    """
    if erp != "sandbox":
        yield erp
        return
    from whatsapp_pipeline.sandbox.erp_server import serve_pages

    beside = Path(archive_root).resolve().parent / "erp"
    pages = beside if beside.is_dir() else settings.PROJECT_ROOT / "data" / "erp"
    with serve_pages(pages) as url:
        yield url


@click.command()
def demo() -> None:
    """Run everything on the sample archive, with an invented ERP on loopback and the embedded database."""
    from whatsapp_pipeline.cli.qa_table import show

    if settings.load_settings().database_url:
        raise PipelineError(
            "the demo fills the database with invented contacts, so it does not run while DATABASE_URL is "
            "set; unset it"
        )
    sample = settings.PROJECT_ROOT / "data" / "organized_whatsapp_chats"
    outcome = execute(str(sample), "sandbox", "all", config={}, dry_run=False)
    show(outcome, dry_run=False)
    if not outcome.ok:
        raise SystemExit(outcome.exit_status)
    say(
        "\nNext:\n"
        "  make up                                    Dagster with all of this, http://127.0.0.1:3000\n"
        "  .venv/bin/whatsapp-pipeline status         what is in the database\n"
        "  .venv/bin/whatsapp-pipeline psql           look around in SQL\n"
        "  .venv/bin/whatsapp-pipeline run --help     your own archive"
    )
