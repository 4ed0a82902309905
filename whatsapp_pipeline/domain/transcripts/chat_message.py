"""Messages, chats and events of transcripts, which are the same for every export format.

What belongs here: the message model, the events that a reader yields, and its options.
What does not: the syntax of a format (`block_reader.py`, `native_reader.py`, `languages/`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import BinaryIO, Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from whatsapp_pipeline.errors import PipelineError

Severity: TypeAlias = Literal["info", "warning", "error"]
FormatName: TypeAlias = Literal["auto", "block", "android", "ios", "unknown"]
DateOrder: TypeAlias = Literal["auto", "dmy", "mdy", "ymd"]


class Message(NamedTuple):
    """One message of a chat.

    `timestamp` is the naive time in the file; `timestamp_utc` is the same instant in UTC, with the zone of
    the options. `sender_name` and `sender_phone` are None for staff in the block format, which never names
    the owner, and for notifications. `text` does not contain the quote and attachment lines, which have their
    own fields; it is "" if nothing remains. Sizes are bytes, durations seconds. `line` is the 1-based line of
    the header. `body_hash` is stable across processes and versions; `occurrence` counts messages with equal
    (timestamp, direction, sender, body_hash) from 1. Both are None unless `identities` is set.
    """

    ordinal: int
    timestamp: datetime
    timestamp_utc: datetime
    direction: str | None
    sender_name: str | None
    sender_phone: str | None
    type: str
    text: str
    attachment_name: str | None
    attachment_kind: str | None
    attachment_size: int | None
    attachment_duration: int | None
    reply_timestamp: datetime | None
    reply_quote: str | None
    reply_ordinal: int | None
    status: str | None
    line: int
    body_hash: int | None
    occurrence: int | None


# The columns of message frames: the number of the chat in this reading, and the fields of Message.
MESSAGE_SCHEMA: Mapping[str, pl.DataType] = {
    "chat": pl.Int64(),
    "ordinal": pl.Int64(),
    "timestamp": pl.Datetime("us"),
    "timestamp_utc": pl.Datetime("us", "UTC"),
    "direction": pl.String(),
    "sender_name": pl.String(),
    "sender_phone": pl.String(),
    "type": pl.String(),
    "text": pl.String(),
    "attachment_name": pl.String(),
    "attachment_kind": pl.String(),
    "attachment_size": pl.Int64(),
    "attachment_duration": pl.Int64(),
    "reply_timestamp": pl.Datetime("us"),
    "reply_quote": pl.String(),
    "reply_ordinal": pl.Int64(),
    "status": pl.String(),
    "line": pl.Int64(),
    "body_hash": pl.Int64(),
    "occurrence": pl.Int64(),
}


class Finding(NamedTuple):
    """A report about lines that were read with a doubt, or that were not assigned to a message.

    `line` is 1-based; 0 means the whole file. `detail` contains no name, no phone and no text of a person. It
    may contain a phrase of WhatsApp.
    """

    line: int
    kind: str
    severity: Severity
    detail: str


class LineKind(StrEnum):
    """The kind of a line; every line of a file has exactly one."""

    SEPARATOR = "separator"
    LABEL = "label"
    HEADER = "header"
    BODY = "body"
    EXCEPTION = "exception"


@dataclass(frozen=True, slots=True)
class ChatStart:
    """A chat begins. `label` is the name that the file gives the chat; None if the format has no labels."""

    number: int
    label: str | None
    line: int
    format: FormatName


@dataclass(frozen=True, slots=True)
class MessageBatch:
    """Messages of the chat in file order, as a frame of MESSAGE_SCHEMA; at least one."""

    frame: pl.DataFrame

    @property
    def messages(self) -> list[Message]:
        """Return the messages as objects; this takes several times as long as reading them."""
        return [Message._make(row[1:]) for row in self.frame.iter_rows()]


@dataclass(frozen=True, slots=True)
class ChatSummary:
    """Counts of a chat. The `lines` of all chats of a file add up to the lines of the file."""

    number: int
    label: str | None
    format: FormatName
    date_order: DateOrder | None
    encoding: str
    line: int
    lines: Mapping[LineKind, int]
    message_count: int
    by_direction: Mapping[str | None, int]
    by_type: Mapping[str, int]
    findings: Mapping[str, int]
    header_phones: Mapping[str, int]
    """Phones in message headers with their counts. Headers of staff messages name the customer's phone."""
    first_time: datetime | None
    last_time: datetime | None
    is_group: bool

    @property
    def line_count(self) -> int:
        """Return the number of the file's lines that belong to this chat."""
        return sum(self.lines.values())


@dataclass(frozen=True, slots=True)
class ChatEnd:
    """A chat ends."""

    summary: ChatSummary


@dataclass(frozen=True, slots=True)
class Source:
    """A transcript to read: its bytes, which are read once, and its options."""

    stream: BinaryIO
    options: ParseOptions


class OpenedChat(NamedTuple):
    """A chat that begins: its number in this reading, the number of its source (both from 0), its start."""

    chat: int
    source: int
    start: ChatStart


@dataclass(frozen=True, slots=True)
class Window:
    """The result of reading many small sources, or a piece of a large one.

    `frame` holds the messages of all chats (MESSAGE_SCHEMA). The rows of a chat are neighbours, in file
    order. Findings and summaries have the number of their chat. `failed` maps a source that could not be read
    to its end to the error of its stream; its chats are not closed.
    """

    opened: list[OpenedChat]
    frame: pl.DataFrame
    findings: list[tuple[int, Finding]]
    closed: list[tuple[int, ChatSummary]]
    failed: list[tuple[int, Exception]]


Event: TypeAlias = ChatStart | MessageBatch | Finding | ChatEnd


def _unknown_order() -> DateOrder | None:
    return None


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """Options for reading a transcript; the defaults suit a file of which only the content is known.

    `owner`: names or phones of the staff, which only native exports need. `default_title`: the chat's name
    from the file name, used as the label if the content has none. Raises PipelineError if `zone` is no IANA
    zone.
    """

    format: FormatName = "auto"
    date_order: DateOrder = "auto"
    owner: tuple[str, ...] = ()
    zone: str = "America/Sao_Paulo"
    default_title: str | None = None
    locale: str | None = None
    """The locale of the owner, such as pt_BR. It decides the order of day and month where both are valid."""
    archive_order: Callable[[], DateOrder | None] = field(default=_unknown_order, repr=False, compare=False)
    """Returns the order of dates in other files of the archive; called if a file allows both orders."""
    combined: bool = False
    """Set if the file is known to hold many chats, so that every new label starts a chat."""
    tzinfo: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            tzinfo = ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise PipelineError(
                f"time zone {self.zone!r} is unknown; use an IANA name such as America/Sao_Paulo"
            ) from None
        object.__setattr__(self, "tzinfo", tzinfo)
