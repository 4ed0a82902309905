"""The text of chat files in the block format.

What belongs here: separators, headers, statuses, replies, attachments and notifications as text. What does
not: the messages (`dialogue`) and the files (`archive`).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from whatsapp_pipeline.sandbox.dialogue import Line
from whatsapp_pipeline.sandbox.phrases import ENCRYPTION

SEPARATOR: Final = "-" * 52
QUOTE_LENGTH: Final = 98
_MEDIA: Final = {
    "image": ("Imagem", "IMG", "jpg"),
    "audio": ("Áudio", "AUD", "m4a"),
    "video": ("Vídeo", "VID", "mp4"),
    "document": ("Documento", "DOC", "pdf"),
    "sticker": ("Figurinha", "STK", "webp"),
}
_QUOTED_MEDIA: Final = {
    "image": "(Imagem)",
    "audio": "(Áudio)",
    "voice": "(Áudio)",
    "video": "(Vídeo)",
    "document": "(Documento)",
    "sticker": "(Figurinha)",
}


@dataclass(frozen=True, slots=True)
class HeaderIdentity:
    """A member in headers: the shown `name`, and the `digits` in parentheses (None without them)."""

    name: str
    digits: str | None

    @property
    def header(self) -> str:
        """The name with the digits: `aB3xYz09GIAA= (+554199990000)`."""
        return f"{self.name} (+{self.digits})" if self.digits else self.name


@dataclass(frozen=True, slots=True)
class ChatStyle:
    """Properties of all blocks of a chat. `members` has one identity, or several in a group."""

    label: str
    members: tuple[HeaderIdentity, ...]
    contact_notice: str | None


def _attachment(line: Line) -> str:
    draw = line.number
    if line.kind == "voice":
        return f"00:{1 + draw % 59:02d}"
    word, prefix, extension = _MEDIA[line.kind]
    name = f"{prefix}-{line.at:%Y%m%d}-WA{draw % 10_000:04d}.{extension}"
    if line.kind in {"audio", "video"}:
        measure = f"{draw % 4:02d}:{draw // 4 % 60:02d}"
    else:
        measure = f"{1 + draw % 99_899 / 100:.2f} {'MB' if line.kind == 'document' else 'KB'}"
    caption = f"{line.text}\n\n" if line.text else ""
    return f"{caption}{name} ({word})\n{measure}"


def _quote(line: Line, identity: HeaderIdentity) -> str:
    who = "você" if line.who == "s" else identity.name
    quote = _QUOTED_MEDIA.get(line.kind, line.text)
    if len(quote) > QUOTE_LENGTH:
        quote = quote[:QUOTE_LENGTH] + "..."
    return f"➜ Respondendo para {who}, {line.at}: « {quote} »\n\n"


def _status(rng: random.Random, line: Line) -> str:
    draw = rng.random()
    if line.kind in {"voice", "audio"} and draw < 0.6:
        return "Reproduzida"
    if line.who == "c":
        return "Lida" if draw < 0.93 else "Recebida"
    return "Lida" if draw < 0.82 else "Entregue" if draw < 0.97 else "Enviada"


def _block(rng: random.Random, style: ChatStyle, line: Line) -> str:
    """Write one message as a block, its separator first."""
    if line.who == "n":
        return f"{SEPARATOR}\n{style.label}\n{line.at} notification\n\n{line.text}\n\n"
    identity = style.members[line.member % len(style.members)]
    direction = f"from {identity.header}" if line.who == "c" else f"to {style.label}"
    head = f"{SEPARATOR}\n{style.label}\n{line.at} {direction} - {_status(rng, line)}\n"
    if line.kind == "empty":
        return f"{head}\n\n"
    if line.kind == "voice":
        # Real files have the duration directly under the header, or after a blank line.
        return f"{head}{'' if line.number % 2 else chr(10)}{_attachment(line)}\n\n"
    body = line.text if line.kind in {"text", "deleted"} else _attachment(line)
    if line.quoted is not None:
        quoted = line.quoted
        body = _quote(quoted, style.members[quoted.member % len(style.members)]) + body
    return f"{head}\n{body}\n\n"


def _notice(at: datetime, text: str) -> Line:
    return Line(at, "n", "notice", text)


def _with_notices(rng: random.Random, style: ChatStyle, lines: Iterable[Line]) -> Iterator[Line]:
    """Add WhatsApp's own notices; some have a later time than the message after them."""
    late_call = rng.random() < 0.25
    encrypted = rng.random() < 0.96
    for position, line in enumerate(lines):
        if position == 0:
            if encrypted:
                yield _notice(line.at, ENCRYPTION)
            if style.contact_notice:
                yield _notice(line.at + timedelta(seconds=rng.randint(1, 40)), style.contact_notice)
        elif position == 4 and late_call:
            at = line.at + timedelta(minutes=rng.randint(1, 25))
            yield _notice(at, f"Chamada de voz perdida à(s) {at:%H:%M}")
        if line.kind == "call":
            what = "Chamada de vídeo" if rng.random() < 0.2 else "Chamada de voz"
            yield _notice(line.at, f"{what} perdida à(s) {line.at:%H:%M}")
        else:
            yield line


def write_chat(rng: random.Random, style: ChatStyle, lines: Iterable[Line]) -> Iterator[str]:
    """Yield a chat's blocks in file order; about one file in forty contains one block twice."""
    doubled = rng.randint(1, 12) if rng.random() < 0.025 else 0
    for position, line in enumerate(_with_notices(rng, style, lines)):
        block = _block(rng, style, line)
        yield block
        if position and position == doubled:
            yield block
