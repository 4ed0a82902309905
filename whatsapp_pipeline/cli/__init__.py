"""`whatsapp-pipeline`: the command line, one module per group of commands.

What belongs here: the list of commands, and showing errors. What does not: the commands. Each is in the
module that the table names. A command's module is imported only when the command is called, so that `--help`
and small commands start fast.
"""

from __future__ import annotations

import importlib
import os
import select
import sys
from typing import NoReturn

import click

from whatsapp_pipeline.cli.output import say, show_progress_on_terminal
from whatsapp_pipeline.errors import PipelineError

# Command → (module:attribute, one line for --help).
_COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("run:demo", "Run everything on the sample archive."),
    "run": ("run:run", "Index, link, load and summarise an archive."),
    "up": ("up:up", "Serve Dagster's UI and daemon, the console and the webhook receiver."),
    "serve": ("serve:serve", "Like `up`, for a machine in production: restarts, health page, log file."),
    "service": ("service:service", "Install, inspect and remove the systemd unit that starts `serve`."),
    "console": (
        "console:console",
        "Serve the web console; manage its users, and list who looked at messages.",
    ),
    "report": ("report:report", "Write the QA report: one page, with the sample to review."),
    "backfill": ("backfill:backfill", "Run the months that are missing, failed or stale."),
    "status": ("database:status_command", "Show what is in the database."),
    "migrate": ("database:migrate_command", "Bring the database to the current schema."),
    "db": ("db:db", "Print the address of the database for other programs."),
    "psql": ("database:psql", "Open psql on the database."),
    "pause": ("control:pause_command", "Stop schedules, and stop runs after their current batch."),
    "resume": ("control:resume_command", "Let schedules and runs continue."),
    "checkpoint": ("control:checkpoint", "Show checkpoints between phases, and waive one."),
    "privacy": ("privacy:privacy", "Export or erase the data of one person."),
    "grants": ("grants:grants", "Create the database roles that limit what people and programs can read."),
    "backup": ("backup:backup", "Take and list backups of the database."),
    "restore": ("backup:restore_command", "Restore a backup into a database."),
    "parse": ("parse:parse", "Write the messages of chat exports as JSON lines; needs no database."),
    "qa": ("qa:qa", "Show the checks by month, evaluate them, and accept faults."),
    "exceptions": ("exceptions:exceptions", "List what could not be read, stored or assigned."),
    "reparse": ("reparse:reparse", "Read a file or a month with other options, and store these options."),
    "search": ("search:search", "Find messages by their words."),
    "customer": ("customer:customer", "Show all data about one customer."),
    "order": ("order:order", "Show a service order, its sessions and their messages."),
    "chat": ("chat:chat", "Show one conversation, with a heading per day."),
    "open": ("open_cases:open_", "List the customers who wait for an answer."),
    "commitments": (
        "commitments:commitments",
        "List commitments that are due, overdue or broken, and unanswered quotes.",
    ),
    "export": ("export:export", "Write messages, customers, orders, links or reports to a file."),
    "patterns": (
        "patterns:patterns",
        "Show when customers write, devices that came back, and customers who stopped writing.",
    ),
    "link": ("link:link", "Explain one title's link, or link a CSV of titles without a database."),
    "review": ("review:review", "Decide uncertain links, with one key per decision."),
    "override": ("override:override", "Decide links permanently; list decisions, withdraw them."),
    "sample": ("sample:sample", "Invent a chat archive whose correct links are known."),
    "erp": ("erp:erp", "Authorise the access to the ERP, and show whether the ERP answers."),
    "webhook": ("webhook:webhook", "Receive, list and replay webhook deliveries, and test their storage."),
}


class _ReaderClosedError(Exception):
    """The program that reads our standard output has closed it, as `| head` does."""


class _LazyGroup(click.Group):
    """A group of commands. The module of a command is imported when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(f"whatsapp_pipeline.cli.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            # Otherwise click would handle the broken pipe itself, and exit with status 1 before `main` gets
            # the error.
            if _stdout_reader_closed():
                raise _ReaderClosedError from error
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("--verbose", is_flag=True, help="Log each file, chat and conversation too (LOG_LEVEL=debug).")
@click.version_option(package_name="whatsapp-pipeline")
def cli(debug: bool, verbose: bool) -> None:
    """Turn exported chats and webhooks into linked, checked, searchable data in PostgreSQL."""
    if verbose:
        os.environ["LOG_LEVEL"] = "debug"  # the processes that `up` starts inherit it
    from whatsapp_pipeline.settings import unknown_in_dotenv

    show_progress_on_terminal()
    for line in unknown_in_dotenv():
        say(f"note: {line}", err=True)


def main() -> None:
    """Run the command line.

    Exit status: 0 success, 1 failure, 2 wrong usage, 130 interrupted. An error is shown without a traceback,
    except with --debug.
    """
    try:
        status = cli.main(standalone_mode=False) or 0
        sys.stdout.flush()
        sys.exit(status)
    except _ReaderClosedError:
        _end_quietly()
    except click.exceptions.Abort:
        say("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except PipelineError as error:
        if "--debug" in sys.argv[1:]:
            raise
        say(f"error: {error}", err=True)
        sys.exit(1)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _stdout_reader_closed():
            _end_quietly()
        if "--debug" in sys.argv[1:]:
            raise
        say(f"error: {_describe_error(error)}", err=True)
        sys.exit(1)


def _describe_error(error: Exception) -> str:
    """Return the first line of an unexpected error, and where to find more.

    Other lines are left out, because the DETAIL of a database server can contain a row.
    """
    from psycopg.errors import InsufficientPrivilege

    first = str(error).strip().partition("\n")[0]
    if isinstance(error, InsufficientPrivilege):
        return f"the database: {first}; `whatsapp-pipeline grants --print` shows which role may do what"
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return f"{type(error).__name__}: {first} (`whatsapp-pipeline --debug …` shows where)"


def _end_quietly() -> NoReturn:
    """Exit with status 0 and keep the interpreter from flushing standard output once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)


def _stdout_reader_closed() -> bool:
    """Return whether standard output is a pipe whose reader has closed it."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
