"""What a transcript is made of, whatever the format it was exported in.

What belongs here: the message model, the events that reading yields, the options that steer it.
What does not: how any format spells them (`block.py`, `native.py`, `languages/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from whatsapp_pipeline.errors import PipelineError

Direction: TypeAlias = Literal["from", "to", "notification"]
Severity: TypeAlias = Literal["info", "warning", "error"]
FormatName: TypeAlias = Literal["auto", "block", "android", "ios", "unknown"]
DateOrder: TypeAlias = Literal["auto", "dmy", "mdy", "ymd"]

MESSAGE_TYPES = (
    "text",
    "image",
    "audio",
    "video",
    "sticker",
    "gif",
    "document",
    "contact",
    "location",
    "poll",
    "media",  # an attachment whose kind the export does not tell: `<Mídia oculta>`
    "call",
    "deleted",
    "edited",
    "system",
)


class Message(NamedTuple):
    """One message of a chat.

    `timestamp` is the naive time as the file has it; `timestamp_utc` the same instant in UTC, read in the
    options' zone. `sender_name` and `sender_phone` are None for staff in the block format (the owner is never
    named there) and for notifications. `text` is as written, less the quote and attachment lines, which have
    fields of their own; "" when nothing is left. Sizes are bytes, durations seconds. `line` is the 1-based
    line of the header. `body_hash` is stable across processes and versions; `occurrence` counts equal
    (timestamp, direction, sender, body_hash) from 1.
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
    body_hash: int
    occurrence: int


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
    """Up to a few thousand messages, in file order."""

    messages: list[Message]


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


Event: TypeAlias = ChatStart | MessageBatch | Finding | ChatEnd


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
