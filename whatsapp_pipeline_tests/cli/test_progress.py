"""Long work: a line that moves in a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import logging
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from time import monotonic

import pytest

from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.steps.progress import Progress
from whatsapp_pipeline_tests.cli.terminal import read_terminal

_MAIN = "from whatsapp_pipeline.cli import main; main()"


def _environment(url: str, folder: Path) -> dict[str, str]:
    archive = PROJECT_ROOT / "data" / "organized_whatsapp_chats"
    return {
        **os.environ,
        "DATABASE_URL": url,
        "CHAT_ARCHIVE": str(archive),
        "PIPELINE_LOCAL_DIR": str(folder / "local"),
        "DAGSTER_HOME": "",
        "CHECKPOINTS": "none",
    }


_RUN = [sys.executable, "-c", _MAIN, "run", "--months", "2025-01", "--dry-run"]


# What a command does on a terminal, with a step of three files between two log lines.
_STEP = """
import logging
from whatsapp_pipeline.cli.output import say, show_progress_on_terminal
from whatsapp_pipeline.logs import PipelineHandler
from whatsapp_pipeline.steps import progress as module
module._SHOWN_EVERY_SECONDS = module._EVERY_SECONDS = 0
log = logging.getLogger("step")
log.handlers, log.level = [PipelineHandler()], logging.INFO
show_progress_on_terminal()
progress = module.Progress(log, "load", 3, "files")
progress.advance(1, 40)
log.info("a file could not be read")
progress.advance(1, 2)
say("from the command", err=True)
progress.advance(1, 1)
log.info("done")
"""


def test_a_terminal_shows_a_line_that_moves_and_goes() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", _STEP], env={**os.environ, "LOG_FORMAT": ""}, stderr=theirs
    ) as step:
        os.close(theirs)
        shown = re.sub(r"\d\d:\d\d:\d\d +|\([\d,.]+/\w+\)|\d+ s left", "…", read_terminal(ours))
        assert step.wait() == 0
    gone = "\r\x1b[K"
    assert shown == (
        f"{gone}load: 1 of 3 files, about …, 40 messages …{gone}…a file could not be read\r\n"
        f"{gone}load: 2 of 3 files, about …, 42 messages …{gone}from the command\r\n"
        "…done\r\n"  # the last file has removed the line
    )


def test_a_terminal_of_80_columns_shows_how_long_it_takes() -> None:
    progress = Progress(logging.getLogger("load"), "chat_messages 2025-01", 20_000, "files")
    progress.advance(12_345, 1_000_000)
    words, _ = progress._describe(monotonic() + 1_000, "messages")
    assert re.search(r"12,345 of 20,000 files, about \d{3} s left, 1,000,000 ", words[:80])


@pytest.mark.parametrize(
    ("seconds", "rate"), [(1, "40/s"), (0.01, "4,000/s"), (16, "2.5/s"), (80, "30.0/min"), (4_800, "0.5/min")]
)
def test_a_slow_rate_is_shown_per_minute(seconds: float, rate: str) -> None:
    progress = Progress(logging.getLogger("runs"), "monthly_chats", 80, "runs")
    progress.advance(40)
    words, _ = progress._describe(progress._started + seconds, "messages")
    assert words.endswith(f" s left ({rate})")


def test_json_lines_stay_json_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "LOG_FORMAT": "json"}
    with subprocess.Popen([sys.executable, "-c", _STEP], env=environment, stderr=theirs) as step:
        os.close(theirs)
        lines = read_terminal(ours).splitlines()
        assert step.wait() == 0
    found = [json.loads(line) for line in lines if line.startswith("{")]
    assert [line.get("done") for line in found] == [1, None, 2, 3, None]
    assert found[0]["total"] == 3


_PARSE = """
from whatsapp_pipeline.cli import main
from whatsapp_pipeline.steps import progress
progress._SHOWN_EVERY_SECONDS = 0
main()
"""


@pytest.mark.slow
def test_parse_shows_its_files_on_a_terminal_between_its_lines(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text("25/01/2025 10:00 - Maria: oi\n25/01/2025 10:01 - Loja: olá\n")
    command = [sys.executable, "-c", _PARSE, "parse", *map(str, sorted(tmp_path.iterdir()))]
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as parse:
        os.close(theirs)
        shown = read_terminal(ours)
        assert parse.wait() == 0
    states = re.findall(
        r"\r\x1b\[Kparse: (\d) of 3 files, about \d+ s left, (\d) messages \([\d,.]+/\w+\)", shown
    )
    assert states == [("1", "2"), ("2", "4")]
    lines = re.sub(r"\r\x1b\[K(parse: [^\r]+/s\))?", "", shown).splitlines()
    elsewhere = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
    assert lines == elsewhere
    assert [json.loads(line)["messages"] for line in elsewhere] == [2, 2, 2]


@pytest.mark.slow
def test_elsewhere_there_are_plain_lines(fresh_database_url: str, tmp_path: Path) -> None:
    environment = _environment(fresh_database_url, tmp_path)
    done = subprocess.run(_RUN, env=environment, capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stderr
    assert "\r" not in done.stderr
    assert "chat_file_index" in done.stderr
