"""`chat`: one conversation, as a person reads it."""

from __future__ import annotations

import re

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.conversation_text import (
    MOST_MESSAGES,
    message_as_json,
    part_lines,
    read_part,
    require_messages,
)
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say, say_json, say_lines
from whatsapp_pipeline.console import words
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection, use_time_zone
from whatsapp_pipeline.store.conversations.chat_heads import ChatHead, chat_head
from whatsapp_pipeline.store.conversations.message_stream import LocatedMessage, StreamScope, locate_message
from whatsapp_pipeline.templates.render import certainty, counted


@click.command()
@click.argument("chat_id", metavar="ID")
@click.option(
    "--around", metavar="MESSAGE", help="Show the messages around this one: chat:12, webhook:7 or 12."
)
@click.option(
    "--last",
    "count",
    type=click.IntRange(1, MOST_MESSAGES),
    default=50,
    show_default=True,
    help="Number of messages to show: the last ones or, with --around, those around the message.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def chat(chat_id: str, around: str | None, count: int, as_json: bool) -> None:
    """Show the conversation ID with a heading per day and the sender of each message.

    ID names a chat (chat_files.id: 12 or chat:12) or a live conversation (webhook:7). The name of each
    message, which --around expects, is printed before the text.
    """
    kind, number = _parse_name(chat_id, "ID", "chat")
    scope = StreamScope("webhook" if kind == "webhook" else "chat", number)
    configured = settings.load_settings()
    with open_database(configured) as conn:
        use_time_zone(conn, configured.zone)
        require_messages(conn)
        scope, head = _find(conn, scope)
        at = _locate_in(conn, scope, around) if around else None
        part = read_part(conn, scope, count=count, around=at.place if at else None)
    if as_json:
        for message in part.messages:
            say_json(message_as_json(message))
        return
    say_lines(_head_lines(scope, head))
    say_lines(part_lines(part, here=f"{at.source}:{at.message_id}" if at else None))


def _parse_name(text: str, what: str, kind: str) -> tuple[str, int]:
    """Parse `chat:12`, `webhook:7` or a number alone into kind and number. A number alone is of `kind`."""
    found = re.fullmatch(r"(?:(chat|webhook):)?([0-9]{1,18})", text.strip(), re.ASCII)
    if found is None:
        raise click.UsageError(f"{what} {text!r}: expected a number, chat:NUMBER or webhook:NUMBER")
    return found[1] or kind, int(found[2])


def _find(conn: Connection, scope: StreamScope) -> tuple[StreamScope, ChatHead]:
    """Return the conversation and its head. If the chat is a copy, return those of the original chat."""
    head = chat_head(conn, scope)
    if head is not None and head.duplicate_of is not None:
        say(f"chat {scope.id} is a copy; this is the original, chat {head.duplicate_of}", err=True)
        scope = StreamScope("chat", head.duplicate_of)
        head = chat_head(conn, scope)
    if head is None:
        hint = "" if scope.kind == "webhook" else "; a live conversation is named webhook:NUMBER"
        raise PipelineError(f"there is no conversation {scope.kind}:{scope.id}{hint}")
    return scope, head


def _locate_in(conn: Connection, scope: StreamScope, around: str) -> LocatedMessage:
    """Return the place of the message. Raises PipelineError if the message is not in this conversation."""
    source, number = _parse_name(around, "--around", scope.kind)
    found = locate_message(conn, source, number)
    if found is None:
        raise PipelineError(
            f"there is no message {source}:{number}, or an export has this message under another name"
        )
    owner = found.id_chat_file if found.source == "chat" else found.conversation_id
    if (found.source, owner) != (scope.kind, scope.id):
        raise PipelineError(
            f"message {source}:{number} is not in {scope.kind}:{scope.id}; "
            f"use `whatsapp-pipeline chat {found.source}:{owner} --around {found.source}:{found.message_id}`"
        )
    return found


def _head_lines(scope: StreamScope, head: ChatHead) -> list[str]:
    whose = (
        f"{head.nome or words.NO_NAME} (contato {head.id_contato})"
        if head.id_contato is not None
        else words.CHAT_WITHOUT_CUSTOMER
    )
    sure = (
        f", {words.CONFIDENCE} {certainty(head.match_confidence)}"
        if head.match_confidence is not None
        else ""
    )
    status = words.DOUBTS.get(head.match_status, head.match_status)
    lines = [
        whose,
        f"{words.CONVERSATION} {scope.kind}:{scope.id}: {head.name or words.NO_NAME} ({status}{sure})",
    ]
    if head.messages_elsewhere:
        lines.append(f"{words.REPEATED}: {counted(head.messages_elsewhere, words.MESSAGES_COUNTED)}")
    return lines
