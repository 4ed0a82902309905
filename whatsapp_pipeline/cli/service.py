"""`service`: install, inspect and remove the systemd unit that starts `serve`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import requests

from whatsapp_pipeline.cli.output import say
from whatsapp_pipeline.cli.params import Group
from whatsapp_pipeline.cli.systemd_unit import (
    NAME,
    Unit,
    is_user,
    owner_of_checkout,
    port_of_health_page,
    properties,
    systemctl,
    verify_unit,
)
from whatsapp_pipeline.errors import PipelineError

_SYSTEM = click.option(
    "--system", "of_system", is_flag=True, help="Use a unit of the whole machine instead of one of this user."
)


@click.group(cls=Group)
def service() -> None:
    """Install, inspect and remove the systemd unit that starts `serve`."""


@service.command(context_settings={"ignore_unknown_options": True})
@_SYSTEM
@click.option(
    "--user", "user", help="User that runs a unit of the machine.  [default: the owner of the checkout]"
)
@click.option("--print", "only_print", is_flag=True, help="Print the unit and change nothing.")
@click.option("--start/--no-start", default=True, show_default=True, help="Also start the unit now.")
@click.argument("serve_options", nargs=-1, type=click.UNPROCESSED)
def install(
    of_system: bool, user: str | None, only_print: bool, start: bool, serve_options: tuple[str, ...]
) -> None:
    """Write the unit, let systemd verify it, and enable it.

    Further options are passed on to `serve`: `service install --system --port 3001`. Installing again
    replaces the unit.
    """
    _refuse_bad_options(serve_options)
    if user and not of_system:
        raise click.UsageError("--user goes with --system; a unit of a user always runs as that user")
    unit = Unit(of_system, (user or owner_of_checkout()) if of_system else None, serve_options)
    with tempfile.TemporaryDirectory() as folder:
        verify_unit(unit, Path(folder))
    if only_print:
        say(unit.text().rstrip())
        return
    if user and not is_user(user):
        raise click.UsageError(f"this machine has no user {user!r}; systemd would not start the unit")
    try:
        unit.path.parent.mkdir(parents=True, exist_ok=True)
        unit.path.write_text(unit.text(), encoding="utf-8")
    except OSError as error:
        raise PipelineError(
            f"{unit.path} can't be written ({error.strerror}); run this with sudo, or without --system"
        ) from error
    say(f"written: {unit.path}")
    for command in (["daemon-reload"], ["enable", NAME], *([["restart", NAME]] if start else [])):
        if reason := systemctl(unit, *command):
            say(f"systemctl {' '.join([*unit.scope, *command])} failed: {reason}", err=True)
            say("the unit is written; when systemd runs, run this command", err=True)
            return
    say("enabled and started" if start else "enabled")
    if not of_system:
        say("to let it run while nobody is logged in: loginctl enable-linger")


def _refuse_bad_options(options: tuple[str, ...]) -> None:
    """Raise click's error for options that `serve` does not have, before they are written to a unit."""
    from whatsapp_pipeline.cli.serve import serve

    serve.make_context("serve", list(options), resilient_parsing=False)


@service.command()
@_SYSTEM
@click.option(
    "--health-port",
    type=int,
    help="Port of the health page.  [default: the port in the unit, otherwise 8099]",
)
def status(of_system: bool, health_port: int | None) -> None:
    """Show whether the unit is installed and runs, and whether all services work.

    The health page is requested even if `serve` was started by hand. Exit status: 0 if the unit runs and all
    services work, otherwise 1.
    """
    unit = Unit(of_system, None)
    found = properties(unit)
    installed = unit.path.exists()
    if not installed:
        say(f"not installed: {unit.path} does not exist")
    elif found:
        say(f"{NAME}: {', '.join(value for value in found.values() if value)}")
    else:
        say(f"{unit.path} exists, but systemd does not answer")
    runs = installed and found.get("ActiveState", "active") == "active"
    port = health_port or port_of_health_page(unit) or 8099
    raise SystemExit(0 if _all_parts_work(port) and runs else 1)


def _all_parts_work(health_port: int) -> bool:
    """Request the health page and show the state of each part, or that the page does not answer."""
    url = f"http://127.0.0.1:{health_port}/health"
    try:
        answer = requests.get(url, timeout=30).json()
        ok = bool(answer["ok"])
        lines = [
            f"  {part['name']}: {'works' if part['ok'] else part['problem']}"
            + (f", {part['restarts']} restarts" if part["restarts"] else "")
            for part in answer["parts"]
        ]
    except (requests.ConnectionError, requests.Timeout):
        say(f"no server answers at {url}")
        return False
    except (requests.RequestException, ValueError, KeyError, TypeError):
        say(f"{url} is not the health page of `serve`; give the port with --health-port")
        return False
    for line in lines:
        say(line)
    return ok


@service.command()
@_SYSTEM
def uninstall(of_system: bool) -> None:
    """Stop `serve` and remove the unit. Data, settings and logs stay."""
    unit = Unit(of_system, None)
    if not unit.path.exists():
        raise PipelineError(f"nothing to remove: {unit.path} does not exist")
    reason = systemctl(unit, "disable", "--now", NAME)
    try:
        unit.path.unlink()
    except OSError as error:
        raise PipelineError(f"{unit.path} can't be removed ({error.strerror}); run this with sudo") from error
    say(f"removed: {unit.path}")
    if reason or (reason := systemctl(unit, "daemon-reload")):
        say(f"systemctl failed: {reason}; if `serve` still runs, stop it yourself", err=True)
