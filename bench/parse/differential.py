"""`python -m bench.parse.differential`: this reader, whatstk and whatsapp-chat-parser over all headers.

Each file is generated, so that the right values are known. A disagreement has its reason in REASONS; one
without a reason fails the run, and so does any difference between this reader and the right values.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from bench.parse import peers
from whatsapp_pipeline.domain.transcripts import MessageBatch, ParseOptions, read

THIS = "this reader"
READERS = ("whatstk", peers.NODE_PEER)


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

# Why another reader differs from the right values, by reader and shape.
_FIXED_WORDS = "it takes the words behind the first line's time as fixed, and other lines as text"
_NAMED = "it takes the words behind the time as a part of the name, and adds no twelve hours"
REASONS: dict[tuple[str, str], str] = {
    ("whatstk", "android, p. m."): _FIXED_WORDS,
    ("whatstk", "android, Brazilian parts of the day"): _FIXED_WORDS,
    ("whatstk", "android, Spanish parts of the day"): _FIXED_WORDS,
    ("whatstk", "android, month's name"): "it knows months in digits alone",
    ("whatstk", "ios, time first"): "it makes a header format without a date from the first line",
    ("whatstk", "ios before 2018"): "it wants a bracket or a dash between time and name",
    ("whatstk", "whatsapp-viewer"): "it takes two pieces of the first line as the name",
    ("whatstk", "no mark behind the time"): "it takes the dash in a name as the end of the header",
    (peers.NODE_PEER, "android, short year first"): "it takes a first number above 12 as the day",
    (peers.NODE_PEER, "android, Brazilian parts of the day"): _NAMED,
    (peers.NODE_PEER, "android, Spanish parts of the day"): _NAMED,
    (peers.NODE_PEER, "android, month's name"): "it knows months in digits alone",
    (peers.NODE_PEER, "ios, time first"): "it wants the date before the time",
    (peers.NODE_PEER, "whatsapp-viewer"): "it wants a comma or a blank between date and time",
}


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


def missing() -> list[str]:
    """The readers that are not installed here, each with how to get it."""
    python = peers.FOLDER / "venv" / "bin" / "python"
    found = []
    if not python.exists() or subprocess.run([str(python), "-c", "import whatstk"], check=False).returncode:
        found.append("whatstk (python -m bench.parse.differential installs it)")
    if not peers.NODE_MODULE.exists():
        found.append(f"{peers.NODE_PEER} (npm is needed; python -m bench.parse.differential installs it)")
    return found


_WHATSTK = """
import json, sys
import whatstk

def read(path):
    try:
        frame = whatstk.WhatsAppChat.from_source(filepath=path).df
    except Exception as error:
        return type(error).__name__
    return [[f"{row.date:%Y-%m-%dT%H:%M}", row.username, row.message] for row in frame.itertuples()]

print(json.dumps([read(path) for path in sys.argv[1:]]))
"""
_NODE = """
import fs from 'node:fs';
const whatsapp = await import(process.argv[2]);
const read = (path) => whatsapp.parseString(fs.readFileSync(path, 'utf8'))
  .filter((message) => message.author !== null)
  .map((m) => [m.date.toISOString().slice(0, 16), m.author, m.message]);
console.log(JSON.stringify(process.argv.slice(3).map(read)));
"""


def theirs(reader: str, paths: Sequence[Path]) -> list[list[Line] | str]:
    """What another reader finds in each file, or the name of its error."""
    files = list(map(str, paths))
    if reader == "whatstk":
        command = [str(peers.FOLDER / "venv" / "bin" / "python"), "-c", _WHATSTK, *files]
    else:
        script = paths[0].with_name("read.mjs")
        script.write_text(_NODE, encoding="utf-8")
        command = ["node", str(script), str(peers.NODE_MODULE), *files]
    environment = {**os.environ, "TZ": "UTC"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return [
        found
        if isinstance(found, str)
        else [Line(at, name, text.strip(" \n\u200e")) for at, name, text in found]
        for found in json.loads(done.stdout)
    ]


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


def disagreements(folder: Path, readers: Sequence[str]) -> list[tuple[str, str, str]]:
    """Reader, shape and difference, for each pair that differs from the right values."""
    files = [generate(shape) for shape in SHAPES]
    paths = [folder / f"{number}.txt" for number in range(len(files))]
    for path, (text, _) in zip(paths, files, strict=True):
        path.write_text(text, encoding="utf-8", newline="")
    results: dict[str, list[list[Line] | str]] = {THIS: [ours(text) for text, _ in files]}
    results.update((reader, theirs(reader, paths)) for reader in readers)
    return [
        (reader, shape.name, words)
        for reader, found in results.items()
        for shape, lines, (_, right) in zip(SHAPES, found, files, strict=True)
        if (words := difference(lines, right)) is not None
    ]


def main() -> None:
    peers.install()
    lacking = missing()
    readers = [reader for reader in READERS if not any(text.startswith(reader) for text in lacking)]
    for text in lacking:
        print(f"not compared: {text}")
    with tempfile.TemporaryDirectory(prefix="bench-differential-") as folder:
        found = disagreements(Path(folder), readers)
    unexplained = 0
    for reader, shape, words in found:
        why = REASONS.get((reader, shape))
        unexplained += why is None
        print(f"{reader:22} {shape:38} {words:40} {why or 'NO REASON YET'}")
    pairs = len(SHAPES) * (len(readers) + 1)
    print(f"{pairs} pairs of reader and shape, {len(found)} differ, {unexplained} without a reason")
    if unexplained:
        sys.exit(1)


if __name__ == "__main__":
    main()
