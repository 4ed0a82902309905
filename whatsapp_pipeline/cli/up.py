"""`up`: Dagster's UI and daemon and the webhook receiver, until Ctrl-C.

What belongs here: starting and stopping those processes together. What does not: what they do.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.database_option import require_free
from whatsapp_pipeline.cli.output import say
from whatsapp_pipeline.databases import dagster_url, pipeline_url
from whatsapp_pipeline.errors import PipelineError

if TYPE_CHECKING:
    import psutil

GRACE_SECONDS = 20


@click.command()
@click.option("--port", default=3000, show_default=True, help="Port of Dagster's UI.")
@click.option("--webhook-port", default=8080, show_default=True, help="Port of the webhook receiver.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
def up(port: int, webhook_port: int, host: str) -> None:
    """Serve Dagster's UI and daemon and the webhook receiver; Ctrl-C stops all of it."""
    configured = settings.load()
    receives = configured.whatsapp_enabled and bool(configured.whatsapp_app_secrets)
    require_free(host, port, "--port")
    if receives:
        require_free(host, webhook_port, "--webhook-port")
    # Held by this process for as long as it lives, so that the embedded server outlasts each child.
    pipeline_url(configured)
    dagster_url(configured)
    bin_dir = Path(sys.executable).parent
    commands = {
        "dagster": [
            str(bin_dir / "dg"), "dev", "--port", str(port), "--host", host,
            "--log-level", "warning", "--no-check-yaml",
        ],
    }  # fmt: skip
    if receives:
        commands["webhook"] = [
            str(bin_dir / "whatsapp-pipeline"), "webhook", "serve",
            "--port", str(webhook_port), "--host", host,
        ]  # fmt: skip
    else:
        say("webhook receiver: not started (set WHATSAPP_APP_SECRET, or run `webhook serve --insecure`)")
    say(f"Dagster: http://{host}:{port}   (Ctrl-C stops everything)")
    raise SystemExit(_supervise(commands))


def _supervise(commands: dict[str, list[str]]) -> int:
    """Run the commands until one ends or a signal comes; leave no process of theirs behind."""
    environment = {
        **os.environ,
        "DAGSTER_HOME": os.environ.get("DAGSTER_HOME", str(settings.PROJECT_ROOT)),
        "VIRTUAL_ENV": sys.prefix,  # dg warns when it can't tell that it runs in the project's own
    }
    ended = threading.Event()
    asked = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    processes = {
        # A session of its own: Ctrl-C reaches this process first, and its whole family can be ended.
        name: subprocess.Popen(command, cwd=settings.PROJECT_ROOT, env=environment, start_new_session=True)  # noqa: S603
        for name, command in commands.items()
    }
    for process in processes.values():
        threading.Thread(target=_tell_when_it_ends, args=(process, ended), daemon=True).start()
    ended.wait()
    # With whatever status: `dg dev` says 0 when its daemon was killed.
    gone = [name for name, process in processes.items() if process.poll() is not None]
    for process in processes.values():
        _end(process)
    if gone and not asked:
        raise PipelineError(
            f"{' and '.join(gone)} ended unexpectedly, and with it all; its messages are above. "
            "Started again, it goes on with what was under way"
        )
    return 0


def _tell_when_it_ends(process: subprocess.Popen[bytes], ended: threading.Event) -> None:
    process.wait()
    ended.set()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to stop, then make sure that none of its descendants is left."""
    import psutil

    family = _family(process.pid)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    for ask in (psutil.Process.terminate, psutil.Process.kill):
        for descendant in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                ask(descendant)
        _, family = psutil.wait_procs(family, timeout=5)


def _family(pid: int) -> list[psutil.Process]:
    """Find who descends from a process, or is of its session: whose parent is gone has no other tie."""
    import psutil

    family = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if process.pid != pid and os.getsid(process.pid) == pid:
                family.append(process)
    with contextlib.suppress(psutil.NoSuchProcess):
        family += [one for one in psutil.Process(pid).children(recursive=True) if one not in family]
    return family
