"""The services that `up` and `serve` keep running: Dagster, the web console and the webhook receiver.

What belongs here: the list of processes with their commands, and starting them under one supervisor. What
does not: restarting and ending them (supervisor.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.assets.overview import overview_lines
from whatsapp_pipeline.cli.console import why_not_served
from whatsapp_pipeline.cli.database_option import current_url, require_free
from whatsapp_pipeline.cli.health import HealthServer, Probe
from whatsapp_pipeline.cli.instance_lock import instance_lock
from whatsapp_pipeline.cli.output import say
from whatsapp_pipeline.cli.rotated_log import RotatedLog
from whatsapp_pipeline.cli.service_manager import notify
from whatsapp_pipeline.cli.supervisor import RestartPolicy, Service, Supervisor
from whatsapp_pipeline.databases import dagster_url, pipeline_url
from whatsapp_pipeline.embedded import restart_if_ended
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import as_log_line
from whatsapp_pipeline.settings import Settings

# The same name as in workspace.yaml: Dagster stores the state of schedules under this name.
LOCATION = "whatsapp_pipeline"

# Dagster's code server ends if nobody requests its health within this time, 30 s by default. It must survive
# the sleep of a laptop, so the time is a month. The supervisor ends the code server together with the other
# processes.
CODE_SERVER_HEARTBEAT_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Places:
    """The addresses on which the processes listen.

    Attributes:
        host: The address of Dagster's UI and of the webhook receiver. The console and the health page listen
            on loopback only: to be reached from other machines, the console needs TLS or a proxy
            (docs/console.md).
        port: Dagster's UI.
        webhook_port: The webhook receiver.
        console_port: The web console.
        health_port: The health page; None for none.
    """

    host: str
    port: int
    webhook_port: int
    console_port: int
    health_port: int | None = None


LOG_MEGABYTES, LOG_FILES = 50, 10
"""The size at which the log file is rotated, and the number of rotated files that are kept."""

_Function = TypeVar("_Function", bound=Callable[..., object])


def place_options(function: _Function) -> _Function:
    """Add the options of `up` and `serve` for the addresses on which the processes listen."""
    options = [  # --help shows the option that is added last first
        click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on."),
        _port_option("--console-port", 8090, "the web console"),
        _port_option("--webhook-port", 8080, "the webhook receiver"),
        _port_option("--port", 3000, "Dagster's UI"),
    ]
    for option in options:
        function = option(function)
    return function


def _port_option(name: str, port: int, of: str) -> Callable[[_Function], _Function]:
    return click.option(name, default=port, show_default=True, help=f"Port of {of}.")


def keep_running(
    command: str,
    places: Places,
    *,
    development: bool,
    insecure_webhook: bool = False,
    policy: RestartPolicy | None = None,
    log_file: Path | None = None,
) -> None:
    """Run all processes until a signal arrives. Raises GaveUpError if a process can't be kept running.

    Args:
        command: `up` or `serve`, for messages.
        places: The addresses on which the processes listen.
        development: If true, Dagster's UI and daemon are one process, as developers run them.
        insecure_webhook: If true, the receiver accepts unsigned bodies.
        policy: The pauses before restarts, and the largest number of restarts of a process.
        log_file: File for the output of all processes; None for the output of this process.
    """
    configured = settings.load_settings()
    as_json = configured.log_format == "json"  # then every line on the terminal must be a JSON log line
    receives = configured.whatsapp_enabled and (bool(configured.whatsapp_app_secrets) or insecure_webhook)
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(instance_lock(configured.local_dir, command))
        output = None if log_file is None else stack.enter_context(_log_file(log_file))
        # This process keeps the embedded server in use, so that the server keeps running when a child process
        # ends.
        migrates_itself = development and not configured.several_hosts
        database = pipeline_url(configured) if migrates_itself else current_url(configured)
        _require_free_ports(places, receives=receives)
        dagster_url(configured)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whatsapp-pipeline-")))
        supervisor = Supervisor(
            [
                *_dagster_services(folder, places, development=development, as_json=as_json),
                *_optional_services(
                    configured, places, development=development, receives=receives, insecure=insecure_webhook
                ),
            ],
            environment={**_environment(), "CONSOLE_URL": _console_url(configured, places)},
            policy=policy,
            inherited=[lock.fileno()],
            folder=folder,
            output=output.descriptor if output else None,
            say=partial(_say_and_log, output),
            on_check=None if configured.database_url else partial(_restart_server, configured, output),
        )
        if places.health_port is not None:
            probes = _probes(configured, places)
            stack.enter_context(HealthServer(places.health_port, supervisor.states, probes, database))
            say(f"health: http://127.0.0.1:{places.health_port}", err=as_json)
        say(f"Dagster: http://{places.host}:{places.port}   (Ctrl-C stops everything)", err=as_json)
        supervisor.run(lambda: notify("READY=1"))


def _optional_services(
    configured: Settings, places: Places, *, development: bool, receives: bool, insecure: bool
) -> list[Service]:
    """Return the receiver and the console. If one of them can't be started, print the reason instead."""
    as_json = configured.log_format == "json"
    services = []
    if receives:
        services.append(_receiver(places, insecure=insecure))
    else:
        why = why_no_receiver(configured, development=development)
        say(f"webhook receiver: not started ({why})", err=as_json)
    if reason := why_not_served(configured):
        say(f"console: not started ({reason})", err=as_json)
    else:
        services.append(_console(places, prints_link=development))
    return services


def why_no_receiver(configured: Settings, *, development: bool) -> str:
    """Return why the receiver is not started, and what would start it."""
    if not configured.whatsapp_enabled:
        return "WHATSAPP_ENABLED is false"
    return "set WHATSAPP_APP_SECRET" + (", or give --insecure-webhook" if development else "")


def _say_and_log(output: RotatedLog | None, text: str) -> None:
    say(text, err=True)
    if output is not None:
        _log(output, text)


def _log(output: RotatedLog, text: str) -> None:
    """Write a line to the log file, in the format of the other lines."""
    as_json = settings.load_settings().log_format == "json"
    output.write_line(as_log_line(text) if as_json else text)


@contextlib.contextmanager
def _log_file(path: Path) -> Iterator[RotatedLog]:
    """Open the log file. A PipelineError that ends the block is written to it, too.

    The command line writes the error to standard error.
    """
    with RotatedLog(path, LOG_MEGABYTES * 1_000_000, LOG_FILES) as output:
        try:
            yield output
        except PipelineError as error:
            _log(output, f"error: {error}")
            raise


def _restart_server(configured: Settings, output: RotatedLog | None) -> None:
    """Restart the embedded server if it was killed. Clients connect again without further action."""
    try:
        if restart_if_ended(configured.local_dir):
            _say_and_log(output, "the embedded PostgreSQL server had ended and was started again")
    except PipelineError as error:
        _say_and_log(output, f"error: {error}")  # the next call tries again


def _require_free_ports(places: Places, *, receives: bool) -> None:
    require_free(places.host, places.port, "--port")
    require_free("127.0.0.1", places.console_port, "--console-port")
    if receives:
        require_free(places.host, places.webhook_port, "--webhook-port")
    if places.health_port is not None:
        require_free("127.0.0.1", places.health_port, "--health-port")


def _environment() -> dict[str, str]:
    return {
        # gRPC's own lines, for example about a connection that it repairs, are not in the format of the log.
        "GRPC_VERBOSITY": "ERROR",
        **os.environ,
        "DAGSTER_HOME": os.environ.get("DAGSTER_HOME", str(settings.PROJECT_ROOT)),
        # `dagster dev` is used because `dg dev` does not accept a workspace file. Its deprecation warning is
        # hidden.
        "PYTHONWARNINGS": "ignore:Function `dev_command` is superseded:FutureWarning",
    }


def _dagster_services(folder: Path, places: Places, *, development: bool, as_json: bool) -> list[Service]:
    """Return the services of Dagster: the code server, and the UI and daemon, which connect to its socket.

    The code server is a separate process without `--heartbeat`. The code server that `dagster dev` starts
    would end when the machine sleeps for 45 s, and the UI would not connect to the next one.
    """
    socket, workspace = folder / "code.sock", folder / "workspace.yaml"
    # Dagster shows these values on the page of the code location. It has no page for the metadata of the
    # definitions.
    configured = settings.load_settings()
    shown = {**overview_lines(configured), "console": _console_url(configured, places)}
    server: dict[str, object] = {"socket": str(socket), "host": "localhost", "location_name": LOCATION}
    server["additional_metadata"] = shown
    workspace.write_text(json.dumps({"load_from": [{"grpc_server": server}]}), encoding="utf-8")
    quiet = ["--log-level", "warning", *(["--log-format", "json"] if as_json else [])]
    home = Path(_environment()["DAGSTER_HOME"])
    # The working folder must not be the project's: Dagster warns about a dagster.yaml there that is not its
    # instance's.
    beside = home if home.is_dir() else settings.PROJECT_ROOT
    loaded = ["--module-name", configured.definitions_module, "--location-name", LOCATION]
    heartbeat = ["--heartbeat-ttl", str(CODE_SERVER_HEARTBEAT_SECONDS), "--inject-env-vars-from-instance"]
    code_server = [_program("dagster"), "code-server", "start", *loaded, "--socket", str(socket), *heartbeat]
    ui = ["--workspace", str(workspace), "--port", str(places.port), "--host", places.host, *quiet]
    daemon = [_program("dagster-daemon"), "run", "--workspace", str(workspace), *quiet]
    first = ["dev"] if development else ["--dagster-log-level", "warning"]
    program = _program("dagster" if development else "dagster-webserver")
    served = [Service("dagster" if development else "web server", [program, *first, *ui], beside)]
    if not development:
        served.append(Service("daemon", daemon, beside))
    return [Service("code server", [*code_server, *quiet], ready=socket, needs_child=True), *served]


def _receiver(places: Places, *, insecure: bool) -> Service:
    command = [_program("whatsapp-pipeline"), "webhook", "serve", *(["--insecure"] if insecure else [])]
    return Service("webhook", [*command, "--port", str(places.webhook_port), "--host", places.host])


def _console_url(configured: Settings, places: Places) -> str:
    """Return the address with which all links to the console begin, including those on Dagster's pages."""
    from whatsapp_pipeline.console.config import console_config

    return console_config(configured, host="127.0.0.1", port=places.console_port).url


def _console(places: Places, *, prints_link: bool) -> Service:
    command = [_program("whatsapp-pipeline"), "console", "--port", str(places.console_port)]
    return Service("console", command if prints_link else [*command, "--no-first-link"])


def _probes(configured: Settings, places: Places) -> dict[str, Probe]:
    """Return the probe of each service; a service that was not started has none."""
    host = _reachable(places.host)
    web = f"http://{host}:{places.port}"
    scheme = "https" if configured.console_tls_cert else "http"
    return {
        "web server": Probe(f"{web}/server_info"),
        "code server": Probe(f"{web}/graphql", asks="code location"),
        "daemon": Probe(f"{web}/graphql", asks="daemons"),
        "webhook": Probe(f"http://{host}:{places.webhook_port}/health"),
        "console": Probe(f"{scheme}://127.0.0.1:{places.console_port}/health"),
    }


def _reachable(host: str) -> str:
    """Return an address at which this machine can reach a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104  # a comparison, nothing listens


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)
