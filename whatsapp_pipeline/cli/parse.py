"""`parse`: write transcripts as JSON lines, without a database.

What belongs here: messages and summaries of files as JSON. What does not: reading transcripts
(domain/transcripts/), opening files and zips (archive/sources.py).
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO, get_args

import click
import polars as pl

from whatsapp_pipeline import settings
from whatsapp_pipeline.archive.sources import ChatSource, UnreadableFileError, open_source
from whatsapp_pipeline.domain.chat_names import read_chat_name
from whatsapp_pipeline.domain.transcripts import ChatSummary, ParseOptions, Source, Window, read_many
from whatsapp_pipeline.domain.transcripts.archive_dates import (
    HEAD_BYTES,
    common_order,
    date_order_of,
    nearest_order,
)
from whatsapp_pipeline.domain.transcripts.chat_message import DateOrder, FormatName
from whatsapp_pipeline.safe_text import for_json, for_json_bytes
from whatsapp_pipeline.status_line import status_line
from whatsapp_pipeline.steps.progress import Progress

_FORMATS = [name for name in get_args(FormatName) if name != "unknown"]
# A damaged file may have one finding per line. So the list of findings is cut, but the counts are complete.
_FINDINGS_SHOWN = 100
# Maximum number of files that are read to find the order of day and month of one file.
_MAX_FILES_FOR_ORDER = 200
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(allow_dash=True),
    metavar="FILE…",
)
@click.option("--format", "form", type=click.Choice(_FORMATS), default="auto", help="Export format.")
@click.option(
    "--date-order",
    type=click.Choice(get_args(DateOrder)),
    default="auto",
    help="Order of day and month in WhatsApp's own exports.",
)
@click.option("--owner", multiple=True, help="Name or number of the staff side. Can be given several times.")
@click.option("--zone", help="Time zone of the file's times; default: CHAT_TIME_ZONE.")
def parse(
    files: tuple[str, ...], form: FormatName, date_order: DateOrder, owner: tuple[str, ...], zone: str | None
) -> None:
    """Write each message of chat exports (.txt or .zip, - for standard input) as a line of JSON.

    Messages go to standard output. A summary of each file goes to standard error, one JSON object per line.
    If a file is missing, can't be read or is no transcript, the summary has the reason; the command goes on
    with the other files and then ends with exit status 1.

    \b
    Example: whatsapp-pipeline parse data/organized_whatsapp_chats/2025/01/*.txt 2>/dev/null | head
    """
    if files.count("-") > 1:
        raise click.UsageError("standard input (-) can be read only once; name it once")
    configured = settings.load_settings()
    options = partial(
        ParseOptions,
        format=form,
        date_order=date_order,
        owner=owner or configured.owner,
        zone=zone or configured.zone,
        locale=configured.locale,
    )
    failed = False
    progress = Progress(_silent_log(), "parse", len(files), "files")
    for number, path in enumerate(files):
        near = partial(options, archive_order=partial(_order_near, files, number))
        summary = _parse_file(path, near, sys.stdout.buffer)
        if (line := status_line()) is not None:
            line.remove()
        sys.stderr.write(for_json(_encode(summary)) + "\n")
        failed |= "error" in summary or "unknown_format" in summary["exceptions"]
        if not sys.stdout.isatty():  # otherwise the terminal is used for the messages
            progress.advance(1, summary["messages"])
    sys.stdout.buffer.flush()
    if failed:
        sys.exit(1)


def _silent_log() -> logging.Logger:
    """Return a log that writes nothing: standard error holds one JSON object per file and nothing else."""
    log = logging.getLogger("whatsapp_pipeline.cli.parse")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    return log


def _parse_file(path: str, options: Callable[..., ParseOptions], out: BinaryIO) -> dict[str, Any]:
    """Write the messages of a file and return its summary.

    The summary has an `error` if the file can't be read completely.
    """
    summaries: list[ChatSummary] = []
    findings: list[dict[str, object]] = []
    error = None
    try:
        with open_source(Path(path).name, partial(_open, path)) as source:
            findings += [found._asdict() for found in source.findings]
            for first_chat, window in _windows(source, path, options):
                write_lines(path, first_chat, window.frame, out)
                summaries += [summary for _, summary in window.closed]
                findings += [
                    {"chat": first_chat + chat, **finding._asdict()} for chat, finding in window.findings
                ]
                for _, unreadable in window.failed:
                    raise unreadable
    except UnreadableFileError as unreadable:
        error = {"kind": unreadable.kind, "detail": str(unreadable)}
    summary = summary_of(path, summaries, findings)
    return {**summary, "error": error} if error else summary


def _order_near(paths: Sequence[str], number: int) -> DateOrder | None:
    """Return the order of day and month for a file, from itself and the nearest files in the command line."""
    near = sorted(range(len(paths)), key=lambda other: abs(other - number))[:_MAX_FILES_FOR_ORDER]
    return nearest_order([_order_in(paths[other])] for other in near)


@lru_cache(10_000)
def _order_in(path: str) -> DateOrder | None:
    """Return the order of day and month that the beginning of a file shows.

    Standard input is left out, because it can't be read twice.
    """
    if path == "-":
        return None
    try:
        with open_source(Path(path).name, partial(_open, path)) as source:
            return common_order(map(date_order_of, source.heads(HEAD_BYTES)))
    except UnreadableFileError:
        return None


def _windows(
    source: ChatSource, path: str, options: Callable[..., ParseOptions]
) -> Iterator[tuple[int, Window]]:
    """Yield the chunks of a file's transcripts, as (number, chunk).

    The number is the one that the chunk's chat 0 has in the file, from 1.
    """
    first_chat = 1
    for member, stream in source.streams():
        name = read_chat_name(path.replace(os.sep, "/"), member.path)
        chats = 0
        transcript = Source(stream, options(default_title=name.title, combined=name.is_combined))
        for window in read_many([transcript]):
            chats += len(window.opened)
            yield first_chat, window
        first_chat += chats


def _open(path: str) -> BinaryIO:
    return sys.stdin.buffer if path == "-" else open(path, "rb")  # open_source closes it


def write_lines(path: str, first_chat: int, messages: pl.DataFrame, out: BinaryIO) -> None:
    """Write each message as a line of JSON. Chat 0 of the frame is chat `first_chat` of the file."""
    attachment = pl.struct(
        name="attachment_name",
        kind="attachment_kind",
        size_bytes="attachment_size",
        duration_seconds="attachment_duration",
    )
    # The lines are written to memory first. polars would write to the pipe directly and raise its own errors.
    written = io.BytesIO()
    reply = pl.struct(timestamp=_iso("reply_timestamp"), quote="reply_quote", ordinal="reply_ordinal")
    messages.select(
        pl.lit(path).alias("file"),
        pl.col("chat") + first_chat,
        "ordinal",
        _iso("timestamp"),
        _iso("timestamp_utc", "+00:00"),
        "direction",
        "sender_name",
        "sender_phone",
        "type",
        "text",
        attachment=pl.when(pl.col("attachment_kind").is_not_null()).then(attachment),
        reply_to=pl.when(pl.col("reply_timestamp").is_not_null()).then(reply),
        status="status",
        line="line",
    ).write_ndjson(written)
    out.write(for_json_bytes(written.getvalue()))


def _iso(column: str, offset: str = "") -> pl.Expr:
    """Return times in ISO 8601, without fractions of seconds, which exports do not have."""
    return pl.col(column).dt.to_string(f"%Y-%m-%dT%H:%M:%S{offset}")


def summary_of(path: str, chats: list[ChatSummary], findings: list[dict[str, object]]) -> dict[str, Any]:
    """Return the summary of a file over all its chats.

    The values of `lines` add up to the number of lines of the file.
    """
    total: dict[str, Counter[str | None]] = {
        name: Counter() for name in ("by_direction", "by_type", "lines", "exceptions")
    }
    for chat in chats:
        total["by_direction"].update(chat.by_direction)
        total["by_type"].update(chat.by_type)
        total["lines"].update({kind.value: count for kind, count in chat.lines.items()})
        total["exceptions"].update(chat.findings)
    return {
        "file": path,
        "format": chats[0].format if chats else None,
        "date_order": chats[0].date_order if chats else None,
        "encoding": chats[0].encoding if chats else None,
        "messages": sum(chat.message_count for chat in chats),
        **{name: dict(counts) for name, counts in total.items()},
        "chats": [
            {"chat": number, "label": chat.label, "messages": chat.message_count, "is_group": chat.is_group}
            for number, chat in enumerate(chats, start=1)
        ],
        "findings": findings[:_FINDINGS_SHOWN],
    }
