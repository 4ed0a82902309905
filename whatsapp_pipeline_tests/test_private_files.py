"""Files for their owner alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from whatsapp_pipeline import private_files


def test_nobody_else_reads_it_whatever_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    path.chmod(0o644)
    private_files.replace_file(path, "São Paulo")
    assert path.read_text(encoding="utf-8") == "São Paulo"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["page.html"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    private_files.replace_file(path, b"old")
    with pytest.raises(UnicodeEncodeError):
        private_files.replace_file(path, "half a pair \ud800")
    assert path.read_bytes() == b"old"
    with pytest.raises(FileNotFoundError):
        private_files.replace_file(tmp_path / "absent" / "x", "")


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        private_files.replace_file(pipe, "text")
        assert os.read(reader, 10) == b"text"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
