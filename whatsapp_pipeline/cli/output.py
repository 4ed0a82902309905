"""How every command writes to the terminal: control characters in what people wrote are made harmless.

What belongs here: writing lines and JSON. What does not: what a line says (the commands). Ruff refuses
`click.echo` elsewhere, so that no command can forget it.
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

# They mark a stressed passage. A message that holds one of them can change where the bold ends, and no more.
STRONG_START, STRONG_END = "\x02", "\x03"


def say(text: object = "", *, err: bool = False, newline: bool = True) -> None:
    """Write a text; control characters in it are shown and not obeyed.

    On standard error, where the log is, it is a line like the log's: JSON with LOG_FORMAT=json, unless a
    person reads it at a terminal.
    """
    if err and newline and not sys.stderr.isatty() and _log_is_json():
        from whatsapp_pipeline.logs import as_log_line

        click.echo(as_log_line(str(text).strip()), err=True)
    else:
        click.echo(for_terminal(str(text)), err=err, nl=newline)


def _log_is_json() -> bool:
    from whatsapp_pipeline import settings  # `--help` does without them

    try:
        return settings.load().log_format == "json"
    except PipelineError:  # the settings are what is to be reported
        return os.environ.get("LOG_FORMAT") == "json"


def say_lines(lines: Iterable[str]) -> None:
    """Write each text as one line, whatever newlines are in it."""
    for line in lines:
        click.echo(on_one_line(line))


def say_json(
    value: object, *, default: Callable[[object], object] | None = None, indent: int | None = None
) -> None:
    """Write a value as JSON: on one line, unless it is indented."""
    click.echo(for_json(json.dumps(value, ensure_ascii=False, default=default, indent=indent)))


def say_with_strong(text: str) -> None:
    """Write a text whose marked passages are bold, or in «» where standard output is no terminal."""
    start, end = ("\x1b[1m", "\x1b[0m") if sys.stdout.isatty() else ("«", "»")
    marks = {STRONG_START: start, STRONG_END: end}
    parts = re.split(f"([{STRONG_START}{STRONG_END}])", text)
    shown = "".join(marks.get(part) or for_terminal(part) for part in parts)
    click.echo(shown + (end if sys.stdout.isatty() else ""))
