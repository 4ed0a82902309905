"""What a transcript is made of, whatever the format it was exported in.

What belongs here: the message model, the events that reading yields, the options that steer it.
What does not: how any format spells them (`block_reader.py`, `native_reader.py`, `languages/`).
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

    `timestamp` is the naive time as the file has it; `timestamp_utc` the same instant in UTC, read in the
    options' zone. `sender_name` and `sender_phone` are None for staff in the block format (the owner is never
    named there) and for notifications. `text` is as written, less the quote and attachment lines, which have
    fields of their own; "" when nothing is left. Sizes are bytes, durations seconds. `line` is the 1-based
    line of the header. `body_hash` is stable across processes and versions; `occurrence` counts equal
    (timestamp, direction, sender, body_hash) from 1. Both are None unless asked for.
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


# The columns of frames of messages: the number of the message's chat in the reading, and Message's fields.
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
    """Something that was read with a doubt, or not placed: 1-based `line` (0: the whole file) and the reason.

    `detail` never holds message text, a name or a phone.
    """

    line: int
    kind: str
    severity: Severity
    detail: str


class LineKind(StrEnum):
    """What a line of a file is; every line is exactly one of these."""

    SEPARATOR = "separator"
    LABEL = "label"
    HEADER = "header"
    BODY = "body"
    EXCEPTION = "exception"


@dataclass(frozen=True, slots=True)
class ChatStart:
    """A chat begins. `label` is the chat's own name for itself, None when the format has none."""

    number: int
    label: str | None
    line: int
    format: FormatName


@dataclass(frozen=True, slots=True)
class MessageBatch:
    """Some messages of the chat, in file order, as a frame of MESSAGE_SCHEMA; never none."""

    frame: pl.DataFrame

    @property
    def messages(self) -> list[Message]:
        """The messages one by one, at several times the cost of reading them."""
        return [Message._make(row[1:]) for row in self.frame.iter_rows()]


@dataclass(frozen=True, slots=True)
class ChatSummary:
    """What a chat held. The `lines` of all chats of a file add up to the file's lines."""

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
    """Phones in message headers, staff's too (they name the customer there), with their counts."""
    first_time: datetime | None
    last_time: datetime | None
    is_group: bool

    @property
    def line_count(self) -> int:
        """Number of the file's lines that belong to this chat."""
        return sum(self.lines.values())


@dataclass(frozen=True, slots=True)
class ChatEnd:
    """A chat is over."""

    summary: ChatSummary


@dataclass(frozen=True, slots=True)
class Source:
    """A transcript to read: its bytes, which are read once, and how."""

    stream: BinaryIO
    options: ParseOptions


class OpenedChat(NamedTuple):
    """A chat that begins: its number in the reading, that of its source (both from 0), and how it begins."""

    chat: int
    source: int
    start: ChatStart


@dataclass(frozen=True, slots=True)
class Window:
    """What was read at once: many small sources whole, or a part of a large one.

    `frame` holds the messages of all its chats (MESSAGE_SCHEMA; a chat's rows lie together, in file order);
    findings and summaries come with their chats' numbers. A source in `failed` could not be read to its end:
    what its stream raised; its chats are not closed.
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
    """How to read a transcript; the defaults suit a file that is known by its content alone.

    `owner`: names or phones of the staff side, needed for native exports only. `default_title`: what the
    file's name says the chat is, used as the label where the content has none. Raises PipelineError when
    `zone` is no IANA zone.
    """

    format: FormatName = "auto"
    date_order: DateOrder = "auto"
    owner: tuple[str, ...] = ()
    zone: str = "America/Sao_Paulo"
    default_title: str | None = None
    locale: str | None = None
    """The owner's, such as pt_BR: it orders dates that could be read two ways."""
    archive_order: Callable[[], DateOrder | None] = field(default=_unknown_order, repr=False, compare=False)
    """The order of dates in other files of the archive, asked only for a file that decides nothing itself."""
    combined: bool = False
    """True when the file is known to hold many chats: then every new label opens a chat at once."""
    tzinfo: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            tzinfo = ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise PipelineError(
                f"time zone {self.zone!r} is unknown; use an IANA name such as America/Sao_Paulo"
            ) from None
        object.__setattr__(self, "tzinfo", tzinfo)
