"""`python -m bench.parse`: native exports beside other readers, the block format beside a bare expression."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from array import array
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bench.parse import peers
from bench.parse.block import block_rows
from bench.parse.generate import Truth, native, write
from bench.report import Row, measured
from bench.report import write as write_report

TITLE = "Reading transcripts"


@dataclass
class File:
    """A generated file and its true content."""

    path: Path
    truth: Truth

    @property
    def messages(self) -> int:
        return self.truth.messages + self.truth.notices


@dataclass
class Runs:
    """A reader's runs over one file."""

    rates: list[float] = field(default_factory=list)
    memory: float = 0.0
    lost: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines of the large files")
    parser.add_argument("--runs", type=int, default=3, help="runs of each reader; the median counts")
    parser.add_argument("--gigabyte", action="store_true", help="also read a block file of 1 GB")
    arguments = parser.parse_args()
    loads_before = os.getloadavg()
    ready = peers.install()
    with tempfile.TemporaryDirectory(prefix="bench-parse-") as folder:
        rows = block_rows(Path(folder), arguments.lines, arguments.runs, gigabyte=arguments.gigabyte)
        notes: list[str] = []
        for form in ("android", "ios"):
            rows += _native_rows(form, Path(folder), arguments.lines, arguments.runs, ready)
        # chatpack refuses Brazil's header, which has no comma.
        takers = [name for name in ready if name in ("chatpack", peers.NODE_PEER)]
        rows += _native_rows("android_comma", Path(folder), arguments.lines, arguments.runs, takers)
    notes += [
        "Ratios: native readers to the fastest peer on the same file, block readers to the bare header",
        "expression of the same run; the median of the ratios round by round. Rates of one process are by",
        "its processor time (another program on the machine then costs nobody's figure), of both cores by",
        "the clock.",
        "`lost`: what a reader did not give back, counted against the generator's truth; a text counts as",
        "altered when it is not what was written, marks aside. `both cores`: two processes, a file each.",
        "whatstk and chat-miner read a fiftieth of the file, once.",
    ]
    loads = ", ".join(f"{load:.1f}" for load in (*loads_before, *os.getloadavg()))
    notes.append(
        f"Large files: {arguments.lines:,} lines. Load averages (1, 5, 15 minutes) before and after: {loads}."
    )
    command = "python -m bench.parse " + " ".join(sys.argv[1:])
    print(write_report("parse", TITLE, rows, command=command.strip(), notes=notes))


def _generate(form: str, folder: Path, lines: int) -> File:
    truth = Truth()
    pieces = native(lines, truth, ios=form == "ios", comma=form == "android_comma")
    return File(write(folder / f"{form}-{lines}.txt", pieces), truth)


def _native_rows(form: str, folder: Path, lines: int, rounds: int, ready: list[str]) -> list[Row]:
    large, small = _generate(form, folder, lines), _generate(form, folder, lines // 50)
    names = ["ours", "ours_streaming", *ready]
    runs: dict[str, Runs] = {name: Runs() for name in [*names, "both"]}
    for number in range(rounds):
        for name in names:
            if name in peers.SLOW and number:
                continue
            _run(name, small if name in peers.SLOW else large, runs[name])
        _run_both(large, runs["both"])
    complete = [name for name in ready if runs[name].rates]
    fastest = max(complete, key=lambda name: statistics.median(runs[name].rates), default=None)
    rows = []
    for name, run in runs.items():
        if not run.rates:
            rows.append(
                Row(f"{form}: {name}", "messages/s", 0, 0, 0, 0, None, None, run.lost or "did not read it")
            )
            continue
        row = measured(
            f"{form}: {_TITLES.get(name, name)}",
            "messages/s",
            run.rates,
            memory_mb=run.memory or None,
            note=run.lost,
        )
        if fastest is not None:
            ratios = [mine / theirs for mine, theirs in zip(run.rates, runs[fastest].rates, strict=False)]
            row = Row(
                **{
                    **{f: getattr(row, f) for f in row.__dataclass_fields__},
                    "ratio": statistics.median(ratios),
                }
            )
        rows.append(row)
    return rows


_TITLES = {
    "ours": "this project, all messages kept",
    "ours_streaming": "this project, a batch at a time",
    "both": "this project, both cores",
}


def _run(name: str, file: File, runs: Runs) -> None:
    texts = file.path.with_suffix(".texts")
    done = subprocess.run(
        peers.command(name, file.path, texts), check=False, capture_output=True, text=True, timeout=900
    )
    if done.returncode:
        runs.lost = f"failed: {(done.stderr.strip().splitlines() or ['no reason given'])[-1][:80]}"
        return
    result = json.loads(done.stdout.splitlines()[-1])
    if name == "ours_streaming":
        runs.lost = "as above"
    else:
        runs.lost = _losses(result, file.truth, texts)
    found = result["people"] + result["notices"]
    if found < file.messages / 2:
        runs.lost = f"read {found:,} of {file.messages:,} messages"
        return
    runs.rates.append(file.messages / result["seconds"])
    runs.memory = max(runs.memory, result["memory"])


def _losses(result: dict[str, float], truth: Truth, texts: Path) -> str:
    found = array("L")
    found.frombytes(texts.read_bytes())
    altered = sum((truth.texts - Counter(found)).values())
    missing = truth.messages + truth.notices - int(result["people"] + result["notices"])
    parts = [
        f"{missing:,} messages" if missing > 0 else "",
        f"{-missing:,} too many" if missing < 0 else "",
        f"{altered:,} texts altered" if altered else "",
    ]
    return "lost: " + (", ".join(part for part in parts if part) or "nothing")


def _run_both(file: File, runs: Runs) -> None:
    """Two processes over the file at once: from the first's start to the last's end."""
    processes = [
        subprocess.Popen(
            peers.command("ours_streaming", file.path, file.path.with_suffix(f".texts{number}")),
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    results = [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]
    seconds = max(result["ended"] for result in results) - min(result["started"] for result in results)
    runs.rates.append(2 * file.messages / seconds)


if __name__ == "__main__":
    main()
