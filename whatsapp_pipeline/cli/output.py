"""Writing to the terminal, for every command: control characters in text of people have no effect.

What belongs here: writing lines and JSON. What does not: the content of lines (the commands). Ruff refuses
`click.echo` elsewhere, so that no command can forget this.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable

import click

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.safe_text import for_json, for_terminal, on_one_line
from whatsapp_pipeline.status_line import status_line, use_status_line

# Beginning and end of a bold passage. A message with one of these characters can only move the end of the
# bold.
STRONG_START, STRONG_END = "\x02", "\x03"


def say(text: object = "", *, err: bool = False, newline: bool = True) -> None:
    """Write a text; its control characters are shown and have no effect.

    On standard error it has the format of the log: JSON with LOG_FORMAT=json, unless it is a terminal.
    """
    if (line := status_line()) is not None:
        line.remove()
    if err and newline and not sys.stderr.isatty() and _log_is_json():
        from whatsapp_pipeline.logs import as_log_line

        click.echo(as_log_line(str(text).strip()), err=True)
    else:
        click.echo(for_terminal(str(text)), err=err, nl=newline)


def show_progress_on_terminal() -> None:
    """Let long work show a status line, if standard error is a terminal and its lines are no JSON."""
    if sys.stderr.isatty() and not _log_is_json():
        use_status_line(sys.stderr)


def _log_is_json() -> bool:
    from whatsapp_pipeline import settings  # `--help` does without them

    try:
        return settings.load_settings().log_format == "json"
    except PipelineError:  # the text reports that the settings are invalid
        return os.environ.get("LOG_FORMAT") == "json"


def say_lines(lines: Iterable[str]) -> None:
    """Write each text as one line; newlines in it are replaced."""
    for line in lines:
        click.echo(on_one_line(line))


def say_json(
    value: object, *, default: Callable[[object], object] | None = None, indent: int | None = None
) -> None:
    """Write a value as JSON, on one line without `indent`."""
    click.echo(for_json(json.dumps(value, ensure_ascii=False, default=default, indent=indent)))


def say_with_strong(text: str) -> None:
    """Write a text with bold passages, or with «» if standard output is no terminal."""
    start, end = ("\x1b[1m", "\x1b[0m") if sys.stdout.isatty() else ("«", "»")
    marks = {STRONG_START: start, STRONG_END: end}
    parts = re.split(f"([{STRONG_START}{STRONG_END}])", text)
    shown = "".join(marks.get(part) or for_terminal(part) for part in parts)
    click.echo(shown + (end if sys.stdout.isatty() else ""))


def shortened(text: str, length: int) -> str:
    """Return a text of at most `length` characters; one that was longer ends with an ellipsis."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
