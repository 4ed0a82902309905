"""`up`: what it started ends with it, whichever of them ends first."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from whatsapp_pipeline.cli.up import _supervise
from whatsapp_pipeline.errors import PipelineError

# A parent that starts a child, says so, and lives on, or ends.
_PARENT = """
import pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
if sys.argv[2] == "stays":
    print("ready", flush=True)
    child.wait()
"""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE  # nobody here reaps orphans
    except psutil.NoSuchProcess:
        return True


def parent(file: Path, then: str) -> list[str]:
    return [sys.executable, "-c", _PARENT, str(file), then]


def test_one_that_ends_by_itself_is_named_and_leaves_nobody_behind(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="dagster ended unexpectedly"):
        _supervise({"dagster": parent(tmp_path / "child", "ends")})
    assert is_gone(int((tmp_path / "child").read_text()))


def test_a_signal_ends_all(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "child")

    def interrupt() -> None:
        (tmp_path / "pid").write_text((tmp_path / "child").read_text())  # waits until it is written
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert _supervise({"dagster": parent(tmp_path / "child", "stays")}) == 0
    thread.join()
    assert is_gone(int((tmp_path / "pid").read_text()))
