"""`sample`: invent an archive with ERP pages and the correct links."""

from __future__ import annotations

import re
import time
from pathlib import Path

import click

from whatsapp_pipeline.cli.output import say
from whatsapp_pipeline.sandbox.archive import write_sample
from whatsapp_pipeline.sandbox.plan import SampleOptions, month_keys

_MONTHS = re.compile(r"(\d{4}-(?:0[1-9]|1[0-2]))(?:\.\.(\d{4}-(?:0[1-9]|1[0-2])))?")


class _MonthRange(click.ParamType[tuple[str, ...]]):
    """`2025-01` or `2025-01..2025-03`."""

    name = "A..B"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        match = _MONTHS.fullmatch(str(value))
        if match is None or not (months := month_keys(match[1], match[2] or match[1])):
            self.fail(f"{value!r}: expected months such as 2025-01..2025-03", param, ctx)
        return months


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write to."
)
@click.option(
    "--seed",
    type=int,
    default=2025,
    show_default=True,
    help="Seed of the random choices. The same seed and options give the same files.",
)
@click.option(
    "--contacts", type=click.IntRange(1), help="Number of contacts in the ERP.  [default: enough for --files]"
)
@click.option("--files", type=click.IntRange(1), default=60, show_default=True, help="Chat files.")
@click.option(
    "--months",
    type=_MonthRange(),
    default="2025-01..2025-03",
    show_default=True,
    help="Months for which chats are invented.",
)
@click.option(
    "--messages",
    type=click.FloatRange(2),
    default=14,
    show_default=True,
    help="Median number of messages per file, including notifications. The 95th percentile is 5.5 times as "
    "large.",
)
@click.option(
    "--largest",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Write one file with about this number of messages. Most of them are older than the first month.",
)
@click.option(
    "--named",
    type=click.FloatRange(0, 1),
    default=0.079,
    show_default=True,
    help="Share of the customers' chats whose title is a name. The other titles are phone numbers.",
)
def sample(
    out: Path,
    seed: int,
    contacts: int | None,
    files: int,
    months: tuple[str, ...],
    messages: float,
    largest: int,
    named: float,
) -> None:
    """Invent a chat archive whose correct links are known.

    Writes OUT/organized_whatsapp_chats/, OUT/erp/ (contacts and orders as the ERP's own JSON pages),
    OUT/truth.csv (one line per file) and OUT/truth_sessions.csv (one line per session). OUT must be empty or
    must not exist.
    """
    if out.exists() and any(out.iterdir()):
        raise click.UsageError(f"{out} is not empty; give a new folder")
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    options = SampleOptions(
        seed,
        contacts or max(20, files * 2 // 3, files * 2 // len(months)),
        files,
        months,
        messages,
        largest,
        named,
    )
    report = write_sample(out, options)
    say(
        f"{report.files} files, {report.messages} messages, {report.size_bytes / 1e6:.1f} MB, "
        f"{report.contacts} contacts, {report.orders} orders in {time.monotonic() - started:.1f} s → {out}"
    )
