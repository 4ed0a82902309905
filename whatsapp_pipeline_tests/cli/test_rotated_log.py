"""The log file of `serve`: nothing is lost, lines stay whole, old files go."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from whatsapp_pipeline.cli.rotated_log import RotatedLog
from whatsapp_pipeline_tests.processes import wait_for


def _files(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def test_files_hold_whole_lines_and_few_of_them_stay(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "serve.log"
    # More than four times what a pipe holds: a busy machine may write that much into one file.
    script = "for n in range(50_000): print(f'line {n:05}', flush=n % 7 == 0)"
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
    assert lines == [f"line {n:05}" for n in range(50_000 - len(lines), 50_000)]
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


def test_a_line_that_arrives_in_pieces_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "serve.log"
    with RotatedLog(path, most_bytes=20, keep=3) as log:
        for piece in (b"first and half ", b"of a line", b" and its end\nnext\n"):
            os.write(log.descriptor, piece)
            wait_for(partial(_is_written, path, piece.partition(b"\n")[0]), 30)
    assert (tmp_path / "serve.log.1").read_bytes() == b"first and half of a line and its end\n"
    assert path.read_bytes() == b"next\n"


def test_a_program_that_never_ends_its_line_fills_no_disk(tmp_path: Path) -> None:
    path = tmp_path / "serve.log"
    with RotatedLog(path, most_bytes=100_000, keep=2) as log:
        for number in range(500_000):
            os.write(log.descriptor, b"\r%6d" % number)
    rotated = path.with_name(f"{path.name}.1")  # the newest file is empty if the last chunk filled one
    assert (rotated.read_bytes() + path.read_bytes()).endswith(b"499999")
    assert _files(path) == ["serve.log", "serve.log.1", "serve.log.2"]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 800_000


def _is_written(path: Path, text: bytes) -> bool:
    rotated = path.with_name(f"{path.name}.1")
    return any(text in file.read_bytes() for file in (path, rotated) if file.exists())
