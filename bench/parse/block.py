"""The block format: everything extracted, beside one bare regular expression over the same text."""

from __future__ import annotations

import io
import json
import multiprocessing
import re
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import BinaryIO

from bench.parse.contestant import peak_memory
from bench.parse.generate import Endless, Truth, blocks, write
from bench.report import Row, measured
from whatsapp_pipeline.domain.transcripts import ParseOptions, Source, read_many

# What one writes first: header fields and the body of each message, nothing looked into, nothing checked.
BARE = re.compile(
    r"^-{52}\n([^\n]*)\n(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (from|to|notification)(?: (.*?))?(?: \((\+?\d+)\))?"
    r"(?: - (\w+))?\n\n(.*?)\n\n(?=-{52}\n|\Z)",
    re.MULTILINE | re.DOTALL,
)
# The header alone, bodies skipped: what the reader is compared with. It finds separator, label and header and
# captures the header's fields, as one would write it; it does not tell staff from customer, ids from names.
BARE_HEADER = re.compile(
    r"^-{52}\n([^\n]*)\n(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (from|to|notification)(?: ([^\n]*?))?"
    r"(?: \((\+?\d+)\))?(?: - (\w+))?\n",
    re.MULTILINE,
)
SMALL_FILES, SMALL_MESSAGES = 3_000, 14


def _bare(path: Path, expression: re.Pattern[str]) -> int:
    text = path.read_text(encoding="utf-8")
    return len([match.groups() for match in expression.finditer(text)])


def count(streams: Iterable[BinaryIO]) -> int:
    """Read everything, a window at a time."""
    return sum(len(window.frame) for window in read_many(Source(s, ParseOptions()) for s in streams))


def _ours(*paths: Path) -> int:
    return count(_opened(paths))


def _opened(paths: Sequence[Path]) -> Iterator[BinaryIO]:
    for path in paths:
        with path.open("rb") as stream:
            yield stream


def _rate(work: Callable[[], int]) -> float:
    started = time.process_time()
    found = work()
    return found / (time.process_time() - started)


def _both(path: Path, first: Path) -> float:
    """Messages a second of two processes, each over the file; they start reading together."""
    context = multiprocessing.get_context("spawn")  # columns are worked on by threads, which a fork loses
    ready = context.Barrier(2)
    answers = context.SimpleQueue()
    processes = [context.Process(target=_read_one, args=(path, first, ready, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    results: list[tuple[int, float, float]] = [answers.get() for _ in processes]
    for process in processes:
        process.join()
    seconds = max(ended for _, _, ended in results) - min(started for _, started, _ in results)
    return sum(found for found, _, _ in results) / seconds


def _read_one(
    path: Path, first: Path, ready: Barrier, answers: SimpleQueue[tuple[int, float, float]]
) -> None:
    _ours(first)  # what a process loads once is not the reading's
    ready.wait()
    started = time.time()
    answers.put((_ours(path), started, time.time()))


def block_rows(folder: Path, lines: int, rounds: int, *, gigabyte: bool) -> list[Row]:
    """The rows of the block format."""
    truth = Truth()
    path = write(folder / "block.txt", blocks(lines, truth))
    small = _small_files(folder)
    rates: dict[str, list[float]] = {name: [] for name in ("bare", "header", "ours", "both", "small")}
    _ours(small[0])  # what a process loads once is not the reading's
    for _ in range(rounds):
        rates["bare"].append(_rate(lambda: _bare(path, BARE)))
        rates["ours"].append(_rate(lambda: _ours(path)))
        rates["header"].append(_rate(lambda: _bare(path, BARE_HEADER)))
        rates["both"].append(_both(path, small[0]))
        rates["small"].append(_rate(lambda: _ours(*small)) / SMALL_MESSAGES)
    assert _ours(path) == truth.messages + truth.notices
    rows = [
        _row("block: one bare expression, header alone", "messages/s", rates["header"], rates["header"]),
        _row("block: one bare expression, header and body", "messages/s", rates["bare"], rates["header"]),
        _row("block: this project, everything extracted", "messages/s", rates["ours"], rates["header"]),
        _row("block: this project, both cores", "messages/s", rates["both"], rates["header"]),
        _row(f"block: files of {SMALL_MESSAGES} messages", "files/s", rates["small"], None),
    ]
    return [*rows, _gigabyte(path)] if gigabyte else rows


def _row(name: str, unit: str, values: list[float], reference: list[float] | None) -> Row:
    row = measured(name, unit, values)
    if reference is None:
        return row
    ratio = statistics.median(mine / bare for mine, bare in zip(values, reference, strict=True))
    return Row(row.name, row.unit, row.median, row.lowest, row.highest, row.runs, ratio)


def _small_files(folder: Path) -> list[Path]:
    paths = []
    for number in range(SMALL_FILES):
        pieces = blocks(10_000, Truth(), seed=number)
        paths.append(write(folder / f"small-{number}.txt", (next(pieces) for _ in range(SMALL_MESSAGES))))
    return paths


def _gigabyte(path: Path) -> Row:
    """Read 1 GB in a process of its own: the rate, and the most memory it held."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_read_gigabyte, args=(str(path), sender))
    process.start()
    sender.close()  # else a reader that dies would leave this end waiting
    result = json.loads(receiver.recv())
    process.join()
    return Row(
        "block: 1 GB", "messages/s", result["rate"], result["rate"], result["rate"], 1, None, result["memory"]
    )


def _read_gigabyte(path: str, sender: Connection) -> None:
    with open(path, "rb") as file:
        text = file.read(1 << 20)  # little, since the bench's own memory counts too
    text = text[: text.rindex(b"\n----------------------------------------------------\n") + 1]
    stream = io.BufferedReader(Endless(text, 1 << 30), 1 << 16)
    rate = _rate(lambda: count([stream]))
    sender.send(json.dumps({"rate": rate, "memory": peak_memory()}))
