"""The report of every bench: the machine, and a table of competitors of one run, as Markdown and JSON.

Figures of different runs are never put into one table.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

RESULTS_DIR = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One contestant of one comparison: median and spread of its runs, and its ratio to the reference."""

    name: str
    unit: str
    median: float
    lowest: float
    highest: float
    runs: int
    ratio: float | None = None
    memory_mb: float | None = None
    note: str = ""


def measured(
    name: str,
    unit: str,
    values: Iterable[float],
    *,
    reference: float | None = None,
    memory_mb: float | None = None,
    note: str = "",
) -> Row:
    """Make a row of one or more runs' figures; `reference` is the median that the ratio is taken to."""
    figures = list(values)
    median = statistics.median(figures)
    ratio = median / reference if reference else None
    return Row(name, unit, median, min(figures), max(figures), len(figures), ratio, memory_mb, note)


def machine() -> str:
    """Describe the machine in a line: cores, processor, memory, Python."""
    memory = psutil.virtual_memory().total / 2**30
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    python = platform.python_version()
    return f"{os.cpu_count()} cores ({cpu}), {memory:.0f} GiB, {platform.system()}, Python {python}"


def markdown(title: str, rows: Sequence[Row], *, command: str, notes: Sequence[str] = ()) -> str:
    """Return the table as Markdown, with the machine and the command that makes it."""
    lines = [
        f"# {title}",
        "",
        f"`{command}` on {machine()}, {datetime.now(UTC):%Y-%m-%d}.",
        "Median of the runs, lowest to highest.",
        "",
        "| what | figure | spread | runs | ratio | memory | note |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in rows:
        spread = "" if row.runs == 1 else f"{row.lowest:,.2f} to {row.highest:,.2f}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        memory = "" if row.memory_mb is None else f"{row.memory_mb:,.0f} MB"
        cells = (row.name, f"{row.median:,.2f} {row.unit}", spread, str(row.runs), ratio, memory, row.note)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *notes, ""])


def write(name: str, title: str, rows: Sequence[Row], *, command: str, notes: Sequence[str] = ()) -> str:
    """Write `results/<name>.md` and `.json`; return the Markdown."""
    RESULTS_DIR.mkdir(exist_ok=True)
    text = markdown(title, rows, command=command, notes=notes)
    (RESULTS_DIR / f"{name}.md").write_text(text, encoding="utf-8")
    document = {
        "title": title,
        "machine": machine(),
        "command": command,
        "rows": [asdict(row) for row in rows],
    }
    (RESULTS_DIR / f"{name}.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    return text
