"""`exceptions`: what could not be read or placed, with the lines around it."""

from __future__ import annotations

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.output import say, say_json, say_lines
from whatsapp_pipeline.cli.params import MONTH, Group
from whatsapp_pipeline.databases import pipeline_url
from whatsapp_pipeline.store.connection import connect


@click.group(cls=Group)
def exceptions() -> None:
    """Look at what could not be read, kept or placed."""


@exceptions.command("list")
@click.option("--month", type=MONTH, help="Only findings of this month.")
@click.option("--kind", help="Only findings of this kind.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="At most so many.")
@click.option("--context", default=2, show_default=True, type=click.IntRange(0), help="Lines either side.")
@click.option("--archive", "root", help="Folder or URL of the chats; default: CHAT_ARCHIVE.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a finding.")
def list_(
    month: str | None, kind: str | None, limit: int, context: int, root: str | None, as_json: bool
) -> None:
    """List findings, gravest first, each with the line it is about and its neighbours.

    This shows text of customers: it is meant for the person who mends the file.
    """
    from whatsapp_pipeline.resources.sources import Archive
    from whatsapp_pipeline.steps.chats.file_lines import lines_around
    from whatsapp_pipeline.store import exceptions as findings

    archive = Archive(root=root).open()
    with connect(pipeline_url(settings.load())) as conn:
        rows = findings.find(conn, month=month, kind=kind, limit=limit)
        total = findings.count(conn, month=month, kind=kind)
        known = findings.kinds(conn, month=month)
    for row in rows:
        lines = (
            lines_around(archive, row.file_path, row.chat_number, row.line, context=context)
            if row.line is not None
            else []
        )
        if as_json:
            say_json({**row._asdict(), "lines": lines})
            continue
        place = f"{row.file_path}:{row.line}" if row.line is not None else row.file_path
        say_lines([f"{row.severity:<8}{row.kind}  {place}", f"        {row.detail}"])
        say_lines(f"    {'>' if number == row.line else ' '} {number:>6} | {text}" for number, text in lines)
    if as_json:
        return
    if kind is not None and kind not in known:
        there = ", ".join(f"{name} ({number:,})" for name, number in known.items())
        say(f"no findings of kind {kind!r}; there are: {there or 'none'}")
        return
    say(f"{len(rows):,} of {total:,} findings" if total else "no findings")
