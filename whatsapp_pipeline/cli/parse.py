"""`parse`: transcripts as JSON lines, without a database.

What belongs here: what a message and a file's summary look like as JSON. What does not: reading transcripts
(domain.transcripts), opening files and zips (archive.sources).
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TextIO, get_args

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.archive.sources import ChatSource, UnreadableFileError, open_source
from whatsapp_pipeline.domain.chat_names import read_chat_name
from whatsapp_pipeline.domain.transcripts import (
    ChatEnd,
    ChatStart,
    ChatSummary,
    Finding,
    Message,
    MessageBatch,
    ParseOptions,
    read,
)
from whatsapp_pipeline.domain.transcripts.model import DateOrder, FormatName

_FORMATS = [name for name in get_args(FormatName) if name != "unknown"]
# A damaged file may hold a finding a line; the counts are complete all the same.
_FINDINGS_SHOWN = 100
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    metavar="FILE…",
)
@click.option("--format", "form", type=click.Choice(_FORMATS), default="auto", help="Export format.")
@click.option(
    "--date-order", type=click.Choice(get_args(DateOrder)), default="auto", help="Order of native dates."
)
@click.option("--owner", multiple=True, help="Name or number of the staff side; repeat for several.")
@click.option("--zone", help="Time zone of the file's times; default: CHAT_TIME_ZONE.")
def parse(
    files: tuple[str, ...], form: FormatName, date_order: DateOrder, owner: tuple[str, ...], zone: str | None
) -> None:
    """Write each message of chat exports (.txt or .zip, - for standard input) as a line of JSON.

    Messages go to standard output, a summary of each file to standard error. A file that can't be read is
    told there too and fails the command at its end, after the others.
    """
    configured = settings.load()
    options = partial(
        ParseOptions,
        format=form,
        date_order=date_order,
        owner=owner or configured.owner,
        zone=zone or configured.zone,
    )
    failed = False
    try:
        for path in files:
            failed |= not _parse_file(path, options, sys.stdout, sys.stderr)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader had enough (`| head`); the interpreter must not try to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if failed:
        sys.exit(1)


def _parse_file(path: str, options: Callable[..., ParseOptions], out: TextIO, err: TextIO) -> bool:
    """Write a file's messages and its summary; False when it could not be read to its end."""
    summaries: list[ChatSummary] = []
    findings: list[dict[str, object]] = []
    error = None
    try:
        with open_source(Path(path).name, partial(_open, path)) as source:
            findings += [found._asdict() for found in source.findings]
            for event in _events(source, path, options):
                if isinstance(event, MessageBatch):
                    out.write("".join(lines_of(path, len(summaries) + 1, event.messages)))
                elif isinstance(event, ChatEnd):
                    summaries.append(event.summary)
                elif isinstance(event, Finding):
                    findings.append({"chat": len(summaries) + 1, **event._asdict()})
    except UnreadableFileError as unreadable:
        error = {"kind": unreadable.kind, "detail": str(unreadable)}
    summary = summary_of(path, summaries, findings)
    err.write(_encode({**summary, "error": error} if error else summary) + "\n")
    return error is None


def _events(
    source: ChatSource, path: str, options: Callable[..., ParseOptions]
) -> Iterable[ChatStart | MessageBatch | Finding | ChatEnd]:
    for member, stream in source.streams():
        name = read_chat_name(path.replace(os.sep, "/"), member.name)
        yield from read(stream, options(default_title=name.title, combined=name.is_combined))


def _open(path: str) -> BinaryIO:
    return sys.stdin.buffer if path == "-" else open(path, "rb")  # the source closes it


def lines_of(path: str, chat: int, messages: Iterable[Message]) -> Iterable[str]:
    """Each message as a line of JSON; `chat` is the chat's number in the file, from 1."""
    for m in messages:
        attachment: dict[str, object] | None = None
        if m.attachment_kind is not None:
            attachment = {
                "name": m.attachment_name,
                "kind": m.attachment_kind,
                "size_bytes": m.attachment_size,
                "duration_seconds": m.attachment_duration,
            }
        reply: dict[str, object] | None = None
        if m.reply_timestamp is not None:
            reply = {
                "timestamp": m.reply_timestamp.isoformat(),
                "quote": m.reply_quote,
                "ordinal": m.reply_ordinal,
            }
        yield (
            _encode(
                {
                    "file": path,
                    "chat": chat,
                    "ordinal": m.ordinal,
                    "timestamp": m.timestamp.isoformat(),
                    "timestamp_utc": m.timestamp_utc.isoformat(),
                    "direction": m.direction,
                    "sender_name": m.sender_name,
                    "sender_phone": m.sender_phone,
                    "type": m.type,
                    "text": m.text,
                    "attachment": attachment,
                    "reply_to": reply,
                    "status": m.status,
                    "line": m.line,
                }
            )
            + "\n"
        )


def summary_of(path: str, chats: list[ChatSummary], findings: list[dict[str, object]]) -> dict[str, Any]:
    """What a file held, all its chats added up; `lines` adds up to the file's lines."""
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
