"""`python -m bench.parse.compare COMMIT`: this tree's readers and a commit's, alternately, in processor time.

The order alternates from pair to pair, so that a machine that is busy with other work slows both alike.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.parse.generate import Truth, blocks, native, write

ROOT = Path(__file__).parents[2]
# Reads the files several times in one process and prints the least processor time of each.
_WORKER = """
import sys, time
from pathlib import Path
from whatsapp_pipeline.domain.transcripts import ParseOptions, Source, read_many

def once(path):
    paths = sorted(Path(path).iterdir()) if Path(path).is_dir() else [Path(path)]
    started = time.process_time()
    for window in read_many(Source(open(one, "rb"), ParseOptions()) for one in paths):
        len(window.frame)
    return time.process_time() - started

for path in sys.argv[2:]:
    print(min(once(path) for _ in range(int(sys.argv[1]))))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit", help="the older commit")
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3, help="readings in one process; the least counts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-compare-") as name:
        folder = Path(name)
        old = _checked_out(arguments.commit, folder / "old")
        files = _files(folder, arguments.lines)
        times: dict[tuple[str, Path], list[float]] = {}
        for pair in range(arguments.pairs):
            for tree in (old, ROOT) if pair % 2 else (ROOT, old):
                for kind, seconds in zip(files, _read(tree, files, arguments.repeats), strict=True):
                    times.setdefault((kind, tree), []).append(seconds)
        for kind in files:
            before, after = times[kind, old], times[kind, ROOT]
            ratios = [new / past for new, past in zip(after, before, strict=True)]
            median = statistics.median(ratios)
            old_median, new_median = statistics.median(before), statistics.median(after)
            print(
                f"{kind:13} old {old_median:.3f} s, new {new_median:.3f} s, "
                f"medians {new_median / old_median - 1:+.1%}, pairs {median - 1:+.1%}",
                " ".join(f"{ratio - 1:+.1%}" for ratio in ratios),
            )


def _checked_out(commit: str, folder: Path) -> Path:
    folder.mkdir()
    archive = subprocess.run(
        ["git", "archive", commit, "whatsapp_pipeline"], cwd=ROOT, check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


def _files(folder: Path, lines: int) -> dict[str, Path]:
    """A large file of each format, and a folder of small ones."""
    small = folder / "small"
    small.mkdir()
    for number in range(lines // 200):
        write(small / f"{number}.txt", blocks(100, Truth(), seed=number))
        write(small / f"{number}n.txt", native(20, Truth(), ios=number % 2 == 0, seed=number))
    return {
        "block": write(folder / "block.txt", blocks(lines, Truth())),
        "android": write(folder / "android.txt", native(lines, Truth(), ios=False)),
        "android comma": write(folder / "comma.txt", native(lines, Truth(), ios=False, comma=True)),
        "ios": write(folder / "ios.txt", native(lines, Truth(), ios=True)),
        "small files": small,
    }


def _read(tree: Path, files: dict[str, Path], repeats: int) -> list[float]:
    command = [sys.executable, "-c", _WORKER, str(repeats), *map(str, files.values())]
    environment = {**os.environ, "PYTHONPATH": str(tree), "POLARS_MAX_THREADS": "1"}
    done = subprocess.run(command, cwd=tree, env=environment, check=True, capture_output=True, text=True)
    return [float(line) for line in done.stdout.split()]


if __name__ == "__main__":
    main()
