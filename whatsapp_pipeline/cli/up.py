"""`up`: Dagster's UI and daemon, the web console and the webhook receiver, until Ctrl-C.

What belongs here: starting and stopping those processes together. What does not: what they do.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.console import why_not_served
from whatsapp_pipeline.cli.database_option import require_free
from whatsapp_pipeline.cli.output import say
from whatsapp_pipeline.databases import dagster_url, pipeline_url
from whatsapp_pipeline.errors import PipelineError

if TYPE_CHECKING:
    import psutil

GRACE_SECONDS = 20
LOCATION = "whatsapp_pipeline"  # as in workspace.yaml: schedules keep their state by this name


# Dagster's code server ends when nobody asked for its health within this time, 30 s by default. A machine
# that slept must find it alive, so the time is a month; `up` ends it together with the others.
CODE_SERVER_PATIENCE_SECONDS = 30 * 24 * 3600


@click.command()
@click.option("--port", default=3000, show_default=True, help="Port of Dagster's UI.")
@click.option("--webhook-port", default=8080, show_default=True, help="Port of the webhook receiver.")
@click.option("--console-port", default=8090, show_default=True, help="Port of the web console.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--insecure-webhook", is_flag=True,
    help="Start the receiver without a secret: it accepts unsigned bodies. For trying things out only.",
)  # fmt: skip
def up(port: int, webhook_port: int, console_port: int, host: str, insecure_webhook: bool) -> None:
    """Serve Dagster's UI and daemon, the web console and the webhook receiver; Ctrl-C stops all of it."""
    configured = settings.load()
    as_json = configured.log_format == "json"  # then all that is shown is the log
    receives = configured.whatsapp_enabled and (bool(configured.whatsapp_app_secrets) or insecure_webhook)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_only_one(configured.local_dir))
        require_free(host, port, "--port")
        require_free("127.0.0.1", console_port, "--console-port")
        if receives:
            require_free(host, webhook_port, "--webhook-port")
        # Held by this process for as long as it lives, so that the embedded server outlasts each child.
        pipeline_url(configured)
        dagster_url(configured)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whatsapp-pipeline-")))
        socket = folder / "code.sock"
        commands = _dagster_commands(socket, host, port, as_json=as_json)
        if receives:
            commands["webhook"] = [
                str(Path(sys.executable).parent / "whatsapp-pipeline"), "webhook", "serve",
                "--port", str(webhook_port), "--host", host, *(["--insecure"] if insecure_webhook else []),
            ]  # fmt: skip
        else:
            say(
                "webhook receiver: not started (set WHATSAPP_APP_SECRET, or give --insecure-webhook)",
                err=as_json,
            )
        if reason := why_not_served(configured):
            say(f"console: not started ({reason})", err=as_json)
        else:
            # On this machine alone: beyond it the console wants TLS or a proxy (docs/console.md).
            program = str(Path(sys.executable).parent / "whatsapp-pipeline")
            commands["console"] = [program, "console", "--port", str(console_port)]
        say(f"Dagster: http://{host}:{port}   (Ctrl-C stops everything)", err=as_json)
        raise SystemExit(_supervise(commands, {"code server": socket}))


def _dagster_commands(socket: Path, host: str, port: int, *, as_json: bool) -> dict[str, list[str]]:
    """Return the commands of Dagster's code server, and of its UI and daemon, which reach it by a socket.

    The code server is a process of its own, without `--heartbeat`: the one that `dagster dev` starts ends
    when the machine slept for 45 s, and the UI does not find its way to the next.
    """
    program = str(Path(sys.executable).parent / "dagster")
    workspace = socket.with_name("workspace.yaml")
    server = {"socket": str(socket), "host": "localhost", "location_name": LOCATION}
    workspace.write_text(json.dumps({"load_from": [{"grpc_server": server}]}), encoding="utf-8")
    log_format = ["--log-format", "json"] if as_json else []
    return {
        "code server": [
            program, "code-server", "start", "--module-name", "whatsapp_pipeline.definitions",
            "--location-name", LOCATION, "--socket", str(socket), "--log-level", "warning",
            "--heartbeat-ttl", str(CODE_SERVER_PATIENCE_SECONDS), "--inject-env-vars-from-instance",
            *log_format,
        ],
        "dagster": [
            program, "dev", "--workspace", str(workspace), "--port", str(port), "--host", host,
            "--log-level", "warning", *log_format,
        ],
    }  # fmt: skip


@contextlib.contextmanager
def _only_one(local_dir: Path) -> Iterator[None]:
    """Hold the lock of this instance; raises PipelineError when another `up` holds it."""
    local_dir.mkdir(parents=True, exist_ok=True)
    with (local_dir / "up.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise PipelineError(
                f"another `up` runs on this instance (process {file.read().strip() or 'unknown'}, "
                f"{local_dir.name}/up.lock); stop it first, two would run every schedule twice"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _supervise(commands: dict[str, list[str]], ready: Mapping[str, Path] | None = None) -> int:
    """Run the commands until one ends or a signal comes; leave no process of theirs behind.

    `ready` names files by command: the next command starts when the file is there.
    """
    ready = ready or {}
    environment = {
        **os.environ,
        "DAGSTER_HOME": os.environ.get("DAGSTER_HOME", str(settings.PROJECT_ROOT)),
        # `dg dev` takes no workspace file, so `dagster dev` is what there is.
        "PYTHONWARNINGS": "ignore:Function `dev_command` is superseded:FutureWarning",
    }
    ended = threading.Event()
    asked = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    for name, command in commands.items():
        # A session of its own: Ctrl-C reaches this process first, and its whole family can be ended.
        processes[name] = subprocess.Popen(  # noqa: S603
            command, cwd=_folder_of(name, environment), env=environment, start_new_session=True
        )
        if name in ready:
            _wait_until_there(ready[name], processes[name], ended)
    for process in processes.values():
        threading.Thread(target=_tell_when_it_ends, args=(process, ended), daemon=True).start()
    ended.wait()
    # With whatever status: `dg dev` says 0 when its daemon was killed.
    gone = [name for name, process in processes.items() if process.poll() is not None]
    # The last first: Dagster's daemon logs a trace for each tick that finds no code server.
    for process in reversed(processes.values()):
        _end(process)
    if gone and not asked:
        raise PipelineError(
            f"{' and '.join(gone)} ended unexpectedly, and with it all; its messages are above. "
            "Started again, it goes on with what was under way"
        )
    return 0


def _folder_of(name: str, environment: Mapping[str, str]) -> Path:
    """Return where a command runs: Dagster warns of a dagster.yaml beside it that is not its instance's."""
    home = Path(environment["DAGSTER_HOME"])
    return home if name == "dagster" and home.is_dir() else settings.PROJECT_ROOT


def _wait_until_there(path: Path, process: subprocess.Popen[bytes], ended: threading.Event) -> None:
    """Wait for a file that a process makes, until the process ends or a signal comes."""
    while not path.exists() and process.poll() is None and not ended.wait(0.1):
        pass


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
