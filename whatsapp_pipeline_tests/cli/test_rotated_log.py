"""The log file of `serve`: nothing is lost, lines stay whole, old files go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from whatsapp_pipeline.cli.rotated_log import RotatedLog


def _files(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def test_files_hold_whole_lines_and_few_of_them_stay(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "serve.log"
    script = "for n in range(5000): print(f'line {n:04}', flush=n % 7 == 0)"
    with RotatedLog(path, most_bytes=4000, keep=3) as log:
        subprocess.run([sys.executable, "-c", script], stdout=log.descriptor, check=True)
        log.write_line("from the supervisor")
    assert _files(path) == ["serve.log", "serve.log.1", "serve.log.2", "serve.log.3"]
    lines: list[str] = []
    for file in ("serve.log.3", "serve.log.2", "serve.log.1", "serve.log"):
        text = (path.parent / file).read_text()
        assert text == "" or text.endswith("\n")
        lines += text.splitlines()
    # The newest lines, in order and without a gap.
    assert lines.pop() == "from the supervisor"
    assert lines == [f"line {n:04}" for n in range(5000 - len(lines), 5000)]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_second_start_continues_the_file(tmp_path: Path) -> None:
    path = tmp_path / "serve.log"
    for text in ("first", "second"):
        with RotatedLog(path, most_bytes=4000, keep=3) as log:
            log.write_line(text)
    assert path.read_text() == "first\nsecond\n"
    assert _files(path) == ["serve.log"]


def test_a_full_disk_stops_no_process() -> None:
    with RotatedLog(Path("/dev/full"), most_bytes=10_000_000, keep=1) as log:
        for _ in range(50):  # more than a pipe holds
            os.write(log.descriptor, b"x" * 65_535 + b"\n")
