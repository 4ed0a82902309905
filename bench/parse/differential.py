"""`python -m bench.parse.differential`: this reader, whatstk and whatsapp-chat-parser over all headers.

Each file is generated, so that the right values are known. A disagreement has its reason in REASONS; one
without a reason fails the run, and so does any difference between this reader and the right values.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.parse import peers
from whatsapp_pipeline_tests.truth.export_shapes import SHAPES, Line, difference, generate, ours

THIS = "this reader"
READERS = ("whatstk", peers.NODE_PEER)


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
    """Return the results of another reader for each file, or the name of its error."""
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
    compared = {pair for pair in REASONS if pair[0] in readers}
    outdated = compared - {(reader, shape) for reader, shape, _ in found}
    for reader, shape in sorted(outdated):
        print(f"{reader:22} {shape:38} agrees now: take its reason out")
    if unexplained or outdated:
        sys.exit(1)


if __name__ == "__main__":
    main()
