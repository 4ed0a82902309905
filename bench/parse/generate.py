"""Invented chats of any length in each format, with the truth about them."""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zlib import crc32

from whatsapp_pipeline.sandbox.numbers import international, mobile, without_ninth_digit

RULE = "-" * 52
WORDS = [
    "bom",
    "dia",
    "boa",
    "tarde",
    "oi",
    "olá",
    "meu",
    "notebook",
    "não",
    "liga",
    "mais",
    "vocês",
    "consertam",
    "o",
    "orçamento",
    "ficou",
    "pronto",
    "quando",
    "posso",
    "buscar",
    "obrigado",
    "aprovado",
    "a",
    "tela",
    "bateria",
    "do",
    "iphone",
    "tudo",
    "certo",
    "sim",
    "claro",
    "valor",
    "de",
    "350",
    "reais",
    "amanhã",
    "cedo",
    "😀",
    "👍",
]
CUSTOMER, STAFF = "Maria Silva", "Loja Técnica"
NOTICES = (
    "Seu código de segurança com Maria Silva mudou. Toque para saber mais.",
    "Maria Silva ativou as mensagens temporárias.",
    "Chamada de voz perdida",
)
MARK = "\u200e"


@dataclass
class Truth:
    """The content of a file; `texts`: checksums of the messages that are only words."""

    lines: int = 0
    messages: int = 0
    notices: int = 0
    texts: Counter[int] = field(default_factory=Counter)

    def say(self, text: str) -> str:
        """Note a message of words."""
        self.messages += 1
        self.texts[crc32(text.encode())] += 1
        return text


def _words(rng: random.Random, most: int = 18) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(1, most)))


def _text(rng: random.Random) -> str:
    """One message in ten has more than one line, as in real chats."""
    return "\n".join(_words(rng) for _ in range(rng.choices((1, 2, 4), (90, 8, 2))[0]))


def native(lines: int, truth: Truth, *, ios: bool, comma: bool = False, seed: int = 1) -> Iterator[str]:
    """A chat as WhatsApp exports it in Brazil; `comma`: as most other countries write an Android header."""
    rng = random.Random(seed)
    time = datetime(2020, 1, 13, 8)
    form = "[%d/%m/%Y, %H:%M:%S] " if ios else "%d/%m/%Y, %H:%M - " if comma else "%d/%m/%Y %H:%M - "
    while truth.lines < lines:
        time += timedelta(seconds=rng.choice((5, 20, 60, 300, 900)))
        head, kind = time.strftime(form), rng.random()
        if kind < 0.02:
            truth.notices += 1
            body = f"{CUSTOMER}: {MARK}{rng.choice(NOTICES[:2])}" if ios else rng.choice(NOTICES)
        else:
            name = rng.choice((CUSTOMER, STAFF))
            if kind < 0.07:
                truth.messages += 1
                body = (
                    f"{name}: {MARK}<anexado: 1-PHOTO.jpg>"
                    if ios
                    else f"{name}: {MARK}IMG-1.jpg (arquivo anexado)"
                )
                head = MARK + head if ios else head
            elif kind < 0.10:
                truth.messages += 1
                body = f"{name}: {MARK}áudio ocultado" if ios else f"{name}: <Mídia oculta>"
            elif kind < 0.12:
                truth.messages += 1
                body = f"{name}: {_words(rng)} {MARK if ios else ''}<Mensagem editada>"
            else:
                body = f"{name}: {truth.say(_text(rng))}"
        truth.lines += 1 + body.count("\n")
        yield f"{head}{body}\n"


def blocks(lines: int, truth: Truth, *, seed: int = 1) -> Iterator[str]:
    """A chat in the block format, with replies, attachments and notifications."""
    rng = random.Random(seed)
    number = mobile(rng)
    label, digits = international(number), f"+55{without_ninth_digit(number)}"
    time, quoted = datetime(2020, 1, 13, 8), None
    while truth.lines < lines:
        time += timedelta(seconds=rng.choice((5, 20, 60, 300, 900, 90_000)))
        kind = rng.random()
        if kind < 0.04:
            truth.notices += 1
            header, body = "notification", rng.choice(NOTICES)
        else:
            header = (
                f"from aB3xYz09GIAA= ({digits}) - Lida"
                if rng.random() < 0.5
                else f"to {label} - {rng.choice(('Lida', 'Recebida', 'Reproduzida'))}"
            )
            if kind < 0.10:
                truth.messages += 1
                body = f"{_words(rng)}\n\nfoto.jpg (Imagem)\n{rng.randint(10, 900)}.12 KB"
            elif kind < 0.13:
                truth.messages += 1
                body = f"00:{rng.randint(1, 59):02d}"
            elif kind < 0.20 and quoted is not None:
                answer = truth.say(_text(rng))
                body = f"➜ Respondendo para aB3xYz09GIAA=, {quoted[0]}: « {quoted[1][:98]}... »\n\n{answer}"
            else:
                body = truth.say(_text(rng))
                quoted = (time, body)
        block = f"{RULE}\n{label}\n{time} {header}\n\n{body}\n\n"
        truth.lines += block.count("\n")
        yield block


def write(path: Path, pieces: Iterator[str]) -> Path:
    """Write a file of the pieces."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(pieces)
    return path


class Endless(io.RawIOBase):
    """A stream of at least `size` bytes that repeats one text; nothing is stored on disk."""

    def __init__(self, text: bytes, size: int) -> None:
        self._text, self._left, self._rest = text, size, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed: any Buffer
        if not self._rest and self._left > 0:
            self._rest = memoryview(self._text)
            self._left -= len(self._text)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
