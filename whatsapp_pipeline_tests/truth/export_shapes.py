"""Chat exports in every shape of header, with what people say in them, and how a reader's answer differs.

What belongs here: the shapes, generated files and the comparison. What does not: other readers, and why they
differ (bench/parse/differential.py).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from whatsapp_pipeline.domain.transcripts import MessageBatch, ParseOptions, read


class Line(NamedTuple):
    """A person's message as a reader gives it: time to the minute, name, text without marks."""

    time: str
    name: str
    text: str


class Shape(NamedTuple):
    """A way to write headers; `write` gives what stands before the name."""

    name: str
    write: Callable[[datetime], str]
    notice: str | None = None
    """A line of WhatsApp's own in this shape's export."""


def _form(form: str) -> Callable[[datetime], str]:
    return lambda time: time.strftime(form)


def _period(form: str, words: Sequence[str]) -> Callable[[datetime], str]:
    """A clock of twelve hours; `words` name the night, the morning, the afternoon and the evening."""

    def write(time: datetime) -> str:
        word = words[time.hour // 6]
        return time.strftime(form).replace("{h}", str(time.hour % 12 or 12)).replace("{period}", word)

    return write


_BR = ("da madrugada", "da manhã", "da tarde", "da noite")
_ES = ("de la madrugada", "de la mañana", "de la tarde", "de la noche")
_NOTICE = "As mensagens e as ligações são protegidas com a criptografia de ponta a ponta."
SHAPES = (
    Shape("android, Brazil", _form("%d/%m/%Y %H:%M - "), _NOTICE),
    Shape("android, comma", _form("%d/%m/%Y, %H:%M - "), _NOTICE),
    Shape("android, short year", _form("%d/%m/%y, %H:%M - ")),
    Shape("android, United States", _period("%m/%d/%y, {h}:%M {period} - ", ("AM", "AM", "PM", "PM"))),
    Shape("android, narrow blank", _period("%m/%d/%y, {h}:%M\u202f{period} - ", ("AM", "AM", "PM", "PM"))),
    Shape("android, p. m.", _period("%d/%m/%y, {h}:%M {period} - ", ("a. m.", "a. m.", "p. m.", "p. m."))),
    Shape("android, dots", _form("%d.%m.%y, %H:%M - ")),
    Shape("android, dashes", _form("%d-%m-%Y %H:%M - ")),
    Shape("android, year first", _form("%Y-%m-%d, %H:%M - ")),
    Shape("android, short year first", _form("%y/%m/%d, %H:%M - ")),
    Shape("android, Brazilian parts of the day", _period("%d/%m/%Y {h}:%M {period} - ", _BR), _NOTICE),
    Shape("android, Spanish parts of the day", _period("%d/%m/%Y, {h}:%M {period} - ", _ES)),
    Shape("android, French", _form("%d/%m/%Y à %H:%M - ")),
    Shape("android, Portuguese às", _form("%d/%m/%Y às %H:%M - ")),
    Shape("android, Finnish", _form("%d.%m.%Y klo %H.%M - ")),
    Shape("android, Danish", _form("%d.%m.%Y kl. %H.%M - ")),
    Shape("android, dots and blanks", _form("%d. %m. %Y %H:%M - ")),
    Shape("android, month's name", _form("%d %b %Y, %H:%M - ")),
    Shape("ios", _form("[%d/%m/%Y, %H:%M:%S] ")),
    Shape("ios, no comma", _form("[%d/%m/%y %H:%M:%S] ")),
    Shape("ios, dots", _form("[%d.%m.%y, %H:%M:%S] ")),
    Shape("ios, dots in the time", _form("[%d/%m/%y %H.%M.%S] ")),
    Shape("ios, PM", _period("[%d/%m/%y, {h}:%M:%S\u202f{period}] ", ("AM", "AM", "PM", "PM"))),
    Shape("ios, year first", _form("[%Y/%m/%d %H:%M:%S] ")),
    Shape("ios, time first", _form("[%H:%M:%S, %d/%m/%Y] ")),
    Shape("ios before 2018", _form("%d/%m/%y %H:%M:%S: ")),
    Shape("whatsapp-viewer", _form("%d.%m.%Y - %H:%M:%S; ")),
    Shape("no mark behind the time", _form("%d-%m-%y %H:%M:%S ")),
)
TEXTS = (
    "bom dia",
    "total: 350: à vista",
    "primeira linha\nsegunda linha",
    "lista\n\n- tela\n- bateria",
    "às 10:30 - pode ser?",
    "https://exemplo.com/a-b?c=d: veja",
    "👍🏽 obrigada",
)
NAMES = ("Ana Prado", "Bia - Oficina", "Rui (irmão)")


def generate(shape: Shape, count: int = 42) -> tuple[str, list[Line]]:
    """A file in a shape, and what people say in it."""
    time, text, said = datetime(2023, 11, 5, 0, 10, 7), "", list[Line]()
    if shape.notice:
        text += f"{shape.write(time)}{shape.notice}\n"
    for number in range(count):
        time += timedelta(hours=7, minutes=13)
        name, words = NAMES[number % len(NAMES)], TEXTS[number % len(TEXTS)]
        text += f"{shape.write(time)}{name}: {words}\n"
        said.append(Line(f"{time:%Y-%m-%dT%H:%M}", name, words))
    return text, said


def ours(text: str) -> list[Line]:
    """What this reader finds."""
    found = []
    for event in read(io.BytesIO(text.encode()), ParseOptions()):
        if isinstance(event, MessageBatch):
            for message in event.messages:
                if message.direction != "notification":
                    name = message.sender_name or message.sender_phone or ""
                    found.append(Line(f"{message.timestamp:%Y-%m-%dT%H:%M}", name, message.text))
    return found


def difference(found: list[Line] | str, right: Sequence[Line]) -> str | None:
    """In a few words how what was found differs from what is right; None when it does not."""
    if isinstance(found, str):
        return f"error: {found}"
    if len(found) != len(right):
        return f"{len(found)} messages of {len(right)}"
    kinds = [
        field
        for at, field in enumerate(Line._fields)
        if any(one[at] != other[at] for one, other in zip(found, right, strict=True))
    ]
    return f"other {' and '.join(kinds)}" if kinds else None
