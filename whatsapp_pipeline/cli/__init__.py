"""`whatsapp-pipeline`: the command line, one module a group of commands.

What belongs here: the list of commands and how errors are shown. Each command lives in the module the
table names and is imported only when called, so that `--help` and small commands start at once.
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
    "serve": ("serve:serve", "The same on a machine in production: restarts, health page, log file."),
    "service": ("service:service", "Let systemd start `serve` with the machine."),
    "console": ("console:console", "Serve the web console; its users and its record of views."),
    "report": ("report:report", "Write the QA report: one page, with the sample to review."),
    "backfill": ("backfill:backfill", "Run the months that are missing, failed or stale."),
    "status": ("database:status_command", "Show what is in the database."),
    "migrate": ("database:migrate_command", "Bring the database to the current schema."),
    "db": ("db:db", "Print the address of the database for other programs."),
    "psql": ("database:psql", "Open psql on the database."),
    "pause": ("control:pause_command", "Hold schedules, and runs after their batch."),
    "resume": ("control:resume_command", "Let schedules and runs go on."),
    "checkpoint": ("control:checkpoint", "Show checkpoints between phases, and let one pass."),
    "privacy": ("privacy:privacy", "Export or erase what is held of one person."),
    "grants": ("grants:grants", "Create the roles that read, analyse and write."),
    "backup": ("backup:backup", "Take and list backups of the database."),
    "restore": ("backup:restore_command", "Restore a backup into a database."),
    "parse": ("parse:parse", "Write the messages of chat exports as JSON lines; needs no database."),
    "qa": ("qa:qa", "Show the checks by month, evaluate them, and accept faults."),
    "exceptions": ("exceptions:exceptions", "List what could not be read, stored or assigned."),
    "reparse": ("reparse:reparse", "Read a file or a month in another way, and remember it."),
    "search": ("search:search", "Find messages by their words."),
    "customer": ("customer:customer", "Show all that is known of one customer."),
    "order": ("order:order", "Show a service order, its sessions and their messages."),
    "chat": ("chat:chat", "Show one conversation by days."),
    "open": ("open_cases:open_", "List who waits for an answer."),
    "commitments": ("commitments:commitments", "List what is due, overdue, broken or unanswered."),
    "export": ("export:export", "Write messages, customers, orders, links or reports to a file."),
    "patterns": ("patterns:patterns", "Show when customers write, what comes back, who fell silent."),
    "link": ("link:link", "Explain one title's link, or link a CSV of titles without a database."),
    "review": ("review:review", "Decide links in doubt, one key each."),
    "override": ("override:override", "Decide links for good; list decisions, take them back."),
    "sample": ("sample:sample", "Invent a chat archive whose truth is known."),
    "erp": ("erp:erp", "Authorise the access to the ERP, and show whether it answers."),
    "webhook": ("webhook:webhook", "Receive, look at, replay and verify webhook deliveries."),
}


class _ReaderClosedError(Exception):
    """The program that reads standard output closed it, as `| head` does."""


class _LazyGroup(click.Group):
    """A group whose commands are imported when used."""

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
            # click would answer a broken pipe with exit status 1 before `main` sees it.
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
    """Chat files and webhooks in; linked, checked, searchable PostgreSQL data out."""
    if verbose:
        os.environ["LOG_LEVEL"] = "debug"  # the processes that `up` starts inherit it
    from whatsapp_pipeline.settings import unknown_in_dotenv

    show_progress_on_terminal()
    for line in unknown_in_dotenv():
        say(f"note: {line}", err=True)


def main() -> None:
    """Run the command line: exit 0 all well, 1 a failure, 2 bad usage; an error is one clear line."""
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
        say(f"error: {_in_words(error)}", err=True)
        sys.exit(1)


def _in_words(error: Exception) -> str:
    """Put an error that nobody foresaw into one line: its first, for a server's DETAIL can quote a row."""
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
