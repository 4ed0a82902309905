"""Writing to the terminal, for every command. Control characters in people's texts have no effect.

What belongs here: writing lines and JSON. What does not: the content of lines (the commands). Ruff reports
`click.echo` in other modules, so that no command can bypass this one.
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

# Begin and end of a bold passage. If a message contains one of these characters, only the bold passage ends
# elsewhere.
STRONG_START, STRONG_END = "\x02", "\x03"


def say(text: object = "", *, err: bool = False, newline: bool = True) -> None:
    """Write a text. Control characters are made visible and have no effect.

    On standard error the text has the format of the log (JSON with LOG_FORMAT=json), unless standard error is
    a terminal.
    """
    if (line := status_line()) is not None:
        line.remove()
    if err and newline and not sys.stderr.isatty() and _log_is_json():
        from whatsapp_pipeline.logs import as_log_line

        click.echo(as_log_line(str(text).strip()), err=True)
    else:
        click.echo(for_terminal(str(text)), err=err, nl=newline)


def show_progress_on_terminal() -> None:
    """Let long work show a status line, if standard error is a terminal and the log format is not JSON."""
    if sys.stderr.isatty() and not _log_is_json():
        use_status_line(sys.stderr)


def _log_is_json() -> bool:
    from whatsapp_pipeline import settings  # `--help` does not need them

    try:
        return settings.load_settings().log_format == "json"
    except PipelineError:  # the settings are invalid, which the text itself reports
        return os.environ.get("LOG_FORMAT") == "json"


def say_lines(lines: Iterable[str]) -> None:
    """Write each text as one line. Newlines in a text are replaced."""
    for line in lines:
        click.echo(on_one_line(line))


def say_json(
    value: object, *, default: Callable[[object], object] | None = None, indent: int | None = None
) -> None:
    """Write a value as JSON, on one line without `indent`."""
    click.echo(for_json(json.dumps(value, ensure_ascii=False, default=default, indent=indent)))


def say_with_strong(text: str) -> None:
    """Write a text with bold passages. If standard output is no terminal, «» marks the passages."""
    start, end = ("\x1b[1m", "\x1b[0m") if sys.stdout.isatty() else ("«", "»")
    marks = {STRONG_START: start, STRONG_END: end}
    parts = re.split(f"([{STRONG_START}{STRONG_END}])", text)
    shown = "".join(marks.get(part) or for_terminal(part) for part in parts)
    click.echo(shown + (end if sys.stdout.isatty() else ""))


def shortened(text: str, length: int) -> str:
    """Cut a text to at most `length` characters; a text that was cut ends with an ellipsis."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
