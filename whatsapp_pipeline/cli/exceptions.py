"""`exceptions`: findings about what could not be read, stored or assigned, with the lines around them.

What belongs here: the commands. What does not: finding problems (the steps), and ignored files
(store/chats/ignored.py).
"""

from __future__ import annotations

import getpass

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say, say_json, say_lines
from whatsapp_pipeline.cli.params import MONTH, Group, by_option
from whatsapp_pipeline.errors import PipelineError


@click.group(cls=Group)
def exceptions() -> None:
    """List findings about what could not be read, stored or assigned; ignore files that are no chats."""


@exceptions.command("list")
@click.option("--month", type=MONTH, help="Only findings of this month.")
@click.option("--kind", help="Only findings of this kind.")
@click.option(
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(1),
    help="Largest number of findings to list.",
)
@click.option(
    "--context",
    default=2,
    show_default=True,
    type=click.IntRange(0),
    help="Number of lines to show before and after the line of a finding.",
)
@click.option("--archive", "root", help="Folder or URL of the chats; default: CHAT_ARCHIVE.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per finding.")
def list_exceptions_command(
    month: str | None, kind: str | None, limit: int, context: int, root: str | None, as_json: bool
) -> None:
    """List findings, the most severe first, each with its line and the lines around it.

    The output contains customers' messages. Show it only to the person who corrects the file.
    """
    from whatsapp_pipeline.resources.sources import Archive
    from whatsapp_pipeline.steps.chats.file_lines import lines_around
    from whatsapp_pipeline.store import exceptions as findings

    archive = Archive(root=root).open()
    with open_database(settings.load_settings()) as conn:
        rows = findings.list_findings(conn, month=month, kind=kind, limit=limit)
        total = findings.count_findings(conn, month=month, kind=kind)
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
        kinds = ", ".join(f"{name} ({number:,})" for name, number in known.items())
        say(f"no findings of kind {kind!r}; the kinds are: {kinds or 'none'}")
        return
    say(f"{len(rows):,} of {total:,} findings" if total else "no findings")


@exceptions.command("ignore")
@click.option("--file", "path", required=True, help="Path, as `exceptions list` shows it.")
@click.option(
    "--reason", required=True, help="Reason; it is stored with the path and the name of the person."
)
@by_option("decided")
def ignore_command(path: str, reason: str, by: str | None) -> None:
    """Ignore a file that is no chat: it is not read, and no check counts it."""
    from whatsapp_pipeline.store.chats import ignored

    if not reason.strip():
        raise click.BadParameter("say why", param_hint="--reason")
    with open_database(settings.load_settings()) as conn:
        if messages := ignored.loaded_messages(conn, path):
            raise PipelineError(
                f"{path} can't be ignored: {messages:,} messages were loaded from it. To exclude the file, "
                "remove it from the archive"
            )
        if not ignored.is_known(conn, path):
            raise PipelineError(
                f"{path} is not a known file: neither chat_files nor exceptions has it; "
                "`exceptions list` shows the paths"
            )
        ignored.ignore_file(conn, path, reason=reason.strip(), made_by=by or getpass.getuser())
    say(f"{path} is ignored; `whatsapp-pipeline qa evaluate` shows the checks without it")


@exceptions.command("unignore")
@click.option("--file", "path", required=True, help="Path, as `exceptions ignored` shows it.")
def unignore_command(path: str) -> None:
    """Stop ignoring a file: the next run of its month reads it again."""
    from whatsapp_pipeline.store.chats import ignored

    with open_database(settings.load_settings()) as conn:
        if not ignored.stop_ignoring(conn, path):
            raise PipelineError(f"{path} is not ignored; `exceptions ignored` lists the files that are")
    say(f"{path} is read again when chat_file_index runs for its month")


@exceptions.command("ignored")
def ignored_command() -> None:
    """List the ignored files with person and reason."""
    from whatsapp_pipeline.store.chats import ignored

    with open_database(settings.load_settings()) as conn:
        files = ignored.ignored_files(conn)
    for file in files:
        say(f"{file.file_path}  by {file.made_by} on {file.made_at:%Y-%m-%d}: {file.reason}")
    if not files:
        say("no file is ignored")
