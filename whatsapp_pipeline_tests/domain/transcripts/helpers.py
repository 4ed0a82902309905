"""Reading a text into one result, and writing messages in each format."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from whatsapp_pipeline.domain.transcripts import (
    ChatEnd,
    ChatStart,
    ChatSummary,
    Event,
    Finding,
    LineKind,
    Message,
    MessageBatch,
    ParseOptions,
    read,
)

# Every type that a message may have.
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
    "event",
    "media",  # an attachment whose kind the export does not tell: `<Mídia oculta>`
    "call",
    "deleted",
    "edited",
    "system",
)

RULE = "-" * 52
LABEL = "+55 41 99999-0000"


@dataclass
class Result:
    """Everything that reading a file yielded."""

    starts: list[ChatStart] = field(default_factory=list)
    chats: list[list[Message]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    summaries: list[ChatSummary] = field(default_factory=list)

    @property
    def messages(self) -> list[Message]:
        return [message for chat in self.chats for message in chat]

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.messages]

    @property
    def kinds(self) -> list[str]:
        return [finding.kind for finding in self.findings]

    @property
    def lines(self) -> dict[LineKind, int]:
        total: dict[LineKind, int] = {}
        for summary in self.summaries:
            for kind, count in summary.lines.items():
                total[kind] = total.get(kind, 0) + count
        return total


def gather(events: Iterable[Event]) -> Result:
    """Collect events, checking that they come in order: start, messages and findings, end."""
    result = Result()
    for event in events:
        match event:
            case ChatStart():
                assert len(result.starts) == len(result.summaries)
                assert event.number == len(result.starts) + 1
                result.starts.append(event)
                result.chats.append([])
            case MessageBatch():
                assert len(event.frame)
                result.chats[-1].extend(event.messages)
            case Finding():
                result.findings.append(event)
            case ChatEnd(summary):
                result.summaries.append(summary)
                chat = result.chats[-1]
                assert summary.message_count == len(chat)
                assert [message.ordinal for message in chat] == list(range(1, len(chat) + 1))
                assert set(summary.by_type) <= set(MESSAGE_TYPES)
                assert sum(summary.by_type.values()) == sum(summary.by_direction.values()) == len(chat)
    assert len(result.starts) == len(result.summaries) >= 1
    return result


def parse(text: str | bytes, options: ParseOptions | None = None, *, chunk: int | None = None) -> Result:
    """Read a text, in chunks of so many bytes if told, and check that no line was lost."""
    data = text.encode() if isinstance(text, str) else text
    stream = io.BytesIO(data)
    options = options or ParseOptions()
    if chunk is None:
        result = gather(read(stream, options, identities=True))
    else:
        result = gather(read(stream, options, identities=True, window_bytes=chunk))
    if data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        assert sum(result.lines.values()) == lines_of(data), (result.lines, data)
    return result


def lines_of(data: bytes) -> int:
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\n" not in data and b"\r" in data[:-1]:  # a file with carriage returns alone
        data = data.replace(b"\r", b"\n")
    return data.count(b"\n") + (data[-1:] not in (b"\n", b""))


def block(header: str, body: str = "", label: str | None = LABEL) -> str:
    """One block as the backup program writes it."""
    first = f"{label}\n" if label is not None else ""
    return f"{RULE}\n{first}{header}\n\n{body}\n\n"


class Said(NamedTuple):
    """A message to be written."""

    time: datetime
    sender: str
    text: str


def write_block(said: Sequence[Said], label: str = LABEL) -> str:
    """A chat in the block format; the sender "" is staff."""
    return "".join(
        block(f"{m.time} {f'from {m.sender}' if m.sender else f'to {label}'} - Lida", m.text, label)
        for m in said
    )


def write_android(said: Sequence[Said], form: str = "%d/%m/%Y %H:%M - ") -> str:
    """A chat in the Android export's format, without seconds."""
    return "".join(f"{m.time.strftime(form)}{m.sender}: {m.text}\n" for m in said)


def write_ios(said: Sequence[Said], form: str = "[%d/%m/%Y, %H:%M:%S] ") -> str:
    """A chat in the iOS export's format."""
    return write_android(said, form)
