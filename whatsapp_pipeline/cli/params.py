"""Parts of several commands: groups whose help has whole sentences, the type of a month, and --by.

What belongs here: classes and options for click. What does not: commands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., object])


class Group(click.Group):
    """A group whose help shows the whole first sentence of each command.

    click's own class cuts the sentence at the end of the line.
    """

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str(limit=500)) for name, command in commands if command]
            )


class Month(click.ParamType[str]):
    """A calendar month, YYYY-MM."""

    name = "YYYY-MM"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the month. Any other text is a usage error."""
        from whatsapp_pipeline.settings import MONTH_PATTERN  # `--help` does not need the settings

        if not re.fullmatch(MONTH_PATTERN, value):
            self.fail(f"{value!r} is no month; write it as 2025-01", param, ctx)
        return value


MONTH = Month()


def by_option(verb: str) -> Callable[[_Command], _Command]:
    """Return the option --by, the name of the person who, for example, `decides`."""
    return click.option(
        "--by", help=f"Name of the person who {verb}.  [default: your login name on this machine]"
    )
