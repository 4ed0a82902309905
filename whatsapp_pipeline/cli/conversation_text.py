"""Messages of a conversation as lines for a terminal and as JSON, for `chat` and `order`.

What belongs here: reading some messages of a conversation and writing them with a heading per day. What does
not: the Portuguese words (console/words.py, which pages use too), and the lines above the messages (the
commands).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from whatsapp_pipeline.console import words
from whatsapp_pipeline.console.message_words import labelled, said_words
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations.message_stream import (
    END,
    Place,
    StreamMessage,
    StreamScope,
    messages_around,
)
from whatsapp_pipeline.store.readable import may_read
from whatsapp_pipeline.templates.render import weekday

MOST_MESSAGES = 5_000
"""Largest number of messages that a command shows. They are held in memory."""
_LONGEST_QUOTE = 100


@dataclass(frozen=True, slots=True)
class ConversationPart:
    """Consecutive messages, and whether there are more before and after them."""

    messages: list[StreamMessage]
    has_older: bool
    has_newer: bool


def may_read_messages(conn: Connection) -> bool:
    """Return whether the role may read messages."""
    return may_read(conn, "messages_all")


def require_messages(conn: Connection) -> None:
    """Raise PipelineError if the role may not read messages."""
    if not may_read_messages(conn):
        raise PipelineError(
            "this role may not read messages; `whatsapp-pipeline grants --print` shows which role may"
        )


def read_part(
    conn: Connection, scope: StreamScope, *, count: int, around: Place | None = None
) -> ConversationPart:
    """Return the last `count` messages of a scope or, with a place, `count` messages around that place."""
    if around is None:
        before, after = count, 0
    else:
        before, after = count // 2, count - count // 2
    # One extra message is read on each side, to know whether there are more.
    found = messages_around(conn, scope, around or END, before=before + 1, after=after + 1 if around else 0)
    earlier = [message for message in found if message.is_before]
    later = [message for message in found if not message.is_before]
    shown = (earlier[-before:] if before else []) + later[:after]
    return ConversationPart(shown, len(earlier) > before, len(later) > after)


def part_lines(part: ConversationPart, *, here: str | None = None) -> Iterator[str]:
    """Yield messages as lines with day headings. The message named `here` gets an arrow.

    Each line of a text after the first starts with a bar, so that no text can look like another message.
    """
    if part.has_older:
        yield f"… {words.OLDER.lower()}"
    width = max((len(message.ref) for message in part.messages), default=0)
    for day, messages in groupby(part.messages, key=lambda message: message.at.date()):
        yield ""
        yield f"── {weekday(day)} ──"
        for message in messages:
            arrow = "→" if message.ref == here else " "
            start = f"{arrow} {message.at:%H:%M}  {message.ref:<{width}}  "
            first, *others = _said(message).split("\n")
            yield f"{start}{_speaker(message)}: {first}"
            for line in others:
                yield f"{'':<{len(start)}}│ {line}"
    if part.has_newer:
        yield ""
        yield f"… {words.NEWER.lower()}"
    if not part.messages:
        yield words.NO_MESSAGES


def message_as_json(message: StreamMessage) -> dict[str, object]:
    """Return a message as a JSON object, without the fields that only pages need."""
    names = (
        "side",
        "origin",
        "type",
        "sender",
        "text",
        "id_contato",
        "id_ordem_servico",
        "attachment_kind",
        "attachment_name",
        "quote",
        "status",
    )
    values = message._asdict()
    return {
        "message": message.ref,
        "at": message.at.isoformat(),
        **{name: values[name] for name in names},
        "edited_at": message.edited_at.isoformat() if message.edited_at else None,
    }


def _speaker(message: StreamMessage) -> str:
    side = words.SIDES.get(message.side or "", words.UNKNOWN_SIDE)
    return f"{side} · {message.sender}" if message.sender else side


def _said(message: StreamMessage) -> str:
    """Return the text of a message, with the quoted message before it and the delivery state after it."""
    if message.type == "deleted":
        return f"[{words.DELETED}]"
    parts = []
    if quote := labelled(message.quote_source, message.quote):
        parts.append(f"[{words.IN_REPLY_TO}: “{' '.join(quote.split())[:_LONGEST_QUOTE]}”]")
    if message.attachment_kind:
        kind = words.ATTACHMENTS.get(message.attachment_kind, words.ATTACHMENTS["document"])
        parts.append(f"[{kind}: {message.attachment_name}]" if message.attachment_name else f"[{kind}]")
    said = said_words(message)
    if said.label:
        parts.append(f"[{said.label}]")
    if said.text:
        parts.append(said.text)
    if message.edited_at:
        parts.append(f"({words.EDITED} {message.edited_at:%d/%m/%Y %H:%M})")
    if message.status == "failed":
        reason = f": {message.status_reason}" if message.status_reason else ""
        parts.append(f"({words.STATES['failed']}{reason})")
    return " ".join(parts)
