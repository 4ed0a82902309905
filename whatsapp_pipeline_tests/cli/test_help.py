"""What every command shares: help that is whole, months that are months, and a reader that may leave."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from whatsapp_pipeline.cli import cli


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


ALL = sorted(commands())
WITH_MONTH = [
    (("backfill",), "--since"),
    (("checkpoint", "waive", "links_reviewed", "--reason", "x"), "--month"),
    (("exceptions", "list"), "--month"),
    (("report",), "--month"),
    (("reparse",), "--month"),
    (("review",), "--month"),
]


@pytest.mark.parametrize("path", [pytest.param(path, id=" ".join(path)) for path in ALL])
def test_help_names_every_option_and_cuts_nothing(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*path, "--help"], terminal_width=80)
    assert result.exit_code == 0
    listed = result.output.partition("Commands:")[2]
    assert "..." not in listed, "a sentence was cut"
    assert "%Y" not in result.output, "a pattern of a program, not of a person"
    assert all(len(line) <= 110 for line in result.output.splitlines())


@pytest.mark.parametrize(("path", "option"), [pytest.param(*case, id=case[0][0]) for case in WITH_MONTH])
@pytest.mark.parametrize("month", ["2025-13", "2025-1", "january"])
def test_a_month_that_is_none_is_bad_usage(path: tuple[str, ...], option: str, month: str) -> None:
    result = CliRunner().invoke(cli, [*path, option, month])
    assert result.exit_code == 2
    assert f"{month!r} is no month; write it as 2025-01" in result.output


@pytest.mark.parametrize("unbuffered", [False, True], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("lines", [1, 20_000], ids=["less than a pipe holds", "more than a pipe holds"])
@pytest.mark.slow
def test_a_reader_that_closes_the_pipe_ends_a_command_quietly(
    tmp_path: Path, lines: int, unbuffered: bool
) -> None:
    chat = tmp_path / "Conversa do WhatsApp com Maria.txt"
    chat.write_text("25/01/2025 10:00 - Maria: oi\n" * lines, encoding="utf-8")
    command = [str(Path(sys.executable).parent / "whatsapp-pipeline"), "parse", str(chat)]
    # How Python buffers decides where the broken pipe shows: in a write, or in the flush at the end.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    if unbuffered:
        environment["PYTHONUNBUFFERED"] = "1"
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        if lines > 1:
            process.stdout.readline()
        process.stdout.close()
        assert not re.search(rb"error:|Traceback|Exception ignored", process.stderr.read())
        assert process.wait() == 0


def test_a_file_that_can_not_be_written_is_told_in_one_line() -> None:
    command = [str(Path(sys.executable).parent / "whatsapp-pipeline"), "sample", "--out", "/proc/nowhere"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (1, "error: /proc/nowhere: No such file or directory\n")
