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
from typing import IO

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.console import why_not_served
from whatsapp_pipeline.cli.database_option import require_free
from whatsapp_pipeline.cli.output import say
from whatsapp_pipeline.cli.process_families import end_family, holders_of
from whatsapp_pipeline.databases import dagster_url, pipeline_url
from whatsapp_pipeline.errors import PipelineError

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
    "--insecure-webhook",
    is_flag=True,
    help="Start the receiver without a secret: it accepts unsigned bodies. For trying things out only.",
)
def up(port: int, webhook_port: int, console_port: int, host: str, insecure_webhook: bool) -> None:
    """Serve Dagster's UI and daemon, the web console and the webhook receiver; Ctrl-C stops all of it."""
    configured = settings.load_settings()
    as_json = configured.log_format == "json"  # then all that is shown is the log
    receives = configured.whatsapp_enabled and (bool(configured.whatsapp_app_secrets) or insecure_webhook)
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(_only_one(configured.local_dir))
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
                str(Path(sys.executable).parent / "whatsapp-pipeline"),
                "webhook",
                "serve",
                "--port",
                str(webhook_port),
                "--host",
                host,
                *(["--insecure"] if insecure_webhook else []),
            ]
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
        raise SystemExit(_supervise(commands, {"code server": socket}, lock=lock))


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
            program,
            "code-server",
            "start",
            "--module-name",
            "whatsapp_pipeline.definitions",
            "--location-name",
            LOCATION,
            "--socket",
            str(socket),
            "--log-level",
            "warning",
            "--heartbeat-ttl",
            str(CODE_SERVER_PATIENCE_SECONDS),
            "--inject-env-vars-from-instance",
            *log_format,
        ],
        "dagster": [
            program,
            "dev",
            "--workspace",
            str(workspace),
            "--port",
            str(port),
            "--host",
            host,
            "--log-level",
            "warning",
            *log_format,
        ],
    }


@contextlib.contextmanager
def _only_one(local_dir: Path) -> Iterator[IO[str]]:
    """Hold the lock of this instance and yield its file; raises PipelineError when another `up` holds it.

    The processes that `up` starts inherit the file. So the lock is free only when all of them have ended.
    """
    local_dir.mkdir(parents=True, exist_ok=True)
    with (local_dir / "up.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise _not_alone(Path(file.name), file.read().strip() or "unknown") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file


def _not_alone(lock: Path, owner: str) -> PipelineError:
    """Return the error for a held lock: `up` itself runs, or was killed and its processes are still there."""
    where = f"{lock.parent.name}/{lock.name}"
    holders = [str(pid) for pid in holders_of(lock) if pid != os.getpid()]
    if owner in holders or not holders:
        return PipelineError(
            f"another `up` runs on this instance (process {owner}, {where}); stop it first, two would run "
            "every schedule twice"
        )
    return PipelineError(
        f"an `up` on this instance was killed (process {owner}, {where}) and its processes are being "
        f"stopped; start again in a minute. If this goes on, stop them: kill {' '.join(holders)}"
    )


def _supervise(
    commands: dict[str, list[str]], ready: Mapping[str, Path] | None = None, *, lock: IO[str] | None = None
) -> int:
    """Run the commands until one ends or a signal comes; leave no process of theirs behind.

    Args:
        commands: by name, in the order in which they start; they are ended in the opposite order.
        ready: files by the command that makes them: the next command starts when the file is there.
        lock: a file that every process inherits, so that its lock lasts until the last of them ends.
    """
    ready = ready or {}
    environment = {
        **os.environ,
        "DAGSTER_HOME": os.environ.get("DAGSTER_HOME", str(settings.PROJECT_ROOT)),
        # `dg dev` takes no workspace file, so `dagster dev` is what there is.
        "PYTHONWARNINGS": "ignore:Function `dev_command` is superseded:FutureWarning",
    }
    inherited = () if lock is None else (lock.fileno(),)
    ended = threading.Event()
    asked = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    with _keeper(inherited) as (keeper, ids):
        for name, command in commands.items():
            # A session of its own: Ctrl-C reaches this process first, and its whole family can be ended.
            processes[name] = subprocess.Popen(  # noqa: S603
                command,
                cwd=_folder_of(name, environment),
                env=environment,
                start_new_session=True,
                pass_fds=inherited,
            )
            with contextlib.suppress(BrokenPipeError):  # then the keeper ended, and all end with it
                os.write(ids, f"{processes[name].pid}\n".encode())
            if name in ready:
                _wait_until_there(ready[name], processes[name], ended)
        for process in (keeper, *processes.values()):
            threading.Thread(target=_tell_when_it_ends, args=(process, ended), daemon=True).start()
        ended.wait()
        # With whatever status: `dg dev` says 0 when its daemon was killed.
        watched = {**processes, "the keeper of `up`": keeper}
        gone = [name for name, process in watched.items() if process.poll() is not None]
        # The last first: Dagster's daemon logs a trace for each tick that finds no code server.
        for process in reversed(processes.values()):
            end_family(process.pid)
    if gone and not asked:
        raise PipelineError(
            f"{' and '.join(gone)} ended unexpectedly, and with it all; its messages are above. "
            "Started again, it goes on with what was under way"
        )
    return 0


@contextlib.contextmanager
def _keeper(inherited: tuple[int, ...]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run the process that ends the others if this one is killed; yield it and where it reads their ids."""
    reads, writes = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "whatsapp_pipeline.cli.up_keeper"],
            stdin=reads,
            start_new_session=True,
            pass_fds=inherited,
        )
        os.close(reads)
        yield process, writes
    finally:
        os.close(writes)
    process.wait()


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
