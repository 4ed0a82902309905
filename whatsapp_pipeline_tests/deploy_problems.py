"""The problems of a folder such as deploy/, found without Docker, a cluster or a network.

What belongs here: comparing the files with the formats' keys, with the programs that their commands start,
with the settings of the project, and with each other. What does not: the keys of the formats
(deploy_schemas).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from inspect import getsource
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import yaml
from jsonschema import Draft202012Validator

from whatsapp_pipeline.settings import Settings, file_variables, variable_of
from whatsapp_pipeline_tests.deploy_schemas import CHART, COMPOSE, Schema

COMPOSE_FILES = ("compose.yaml", "compose.servers.yaml", "compose.worker.yaml")
# A busy run is looked for so often that a lost one is found in less than a minute.
_LONGEST_POLL_SECONDS = 15
# Seconds after which PostgreSQL must have given up a lost host (docs/scale.md).
_LOST_HOST_SECONDS = 60
# Variables of other programs: the object store's library, and PostgreSQL's image.
_OF_OTHERS = ("AWS_", "POSTGRES_")
# Variables of the image for Python, the shell and Dagster.
_OF_THE_IMAGE = {"PATH", "DAGSTER_HOME", "PYTHONUNBUFFERED"}


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file of one document."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def interpolated(value: str, given: Mapping[str, str]) -> str:
    """Return a value of a compose file with `given` and its own defaults, the innermost name first.

    Raises KeyError with Compose's message for a required variable that is not given.
    """
    name = re.compile(r"(?<!\$)\$\{(\w+)(?::(-|\?)([^${}]*))?\}")
    while (found := name.search(value)) is not None:
        variable, kind, text = found.groups()
        if not given.get(variable) and kind == "?":
            raise KeyError(f"{variable}: {text}")
        filled = given.get(variable) or (text if kind == "-" else "") or ""
        value = value[: found.start()] + filled + value[found.end() :]
    return value.replace("$$", "$")


def rendered(deploy: Path, names: Sequence[str], given: Mapping[str, str]) -> Any:
    """Return the files as `docker compose config` does: merged, and with their variables filled in."""
    merged: Any = {}
    for name in names:
        merged = _merged(merged, _filled(read_yaml(deploy / name), given))
    return merged


def _filled(value: Any, given: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        # Compose fills in the services; what YAML alone uses (x-role) may have names that are not set.
        return {key: inner if key.startswith("x-") else _filled(inner, given) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, given) for inner in value]
    return interpolated(value, given) if isinstance(value, str) else value


def _merged(under: Any, over: Any) -> Any:
    if isinstance(under, dict) and isinstance(over, dict):
        return {**under, **{key: _merged(under.get(key), value) for key, value in over.items()}}
    return under + over if isinstance(under, list) and isinstance(over, list) else over


def command_problem(words: Sequence[str]) -> str | None:
    """Return why the program would not start with these words; None if it parses them."""
    program, *arguments = words
    if program == "celery":
        return _celery_problem(arguments)
    programs = _programs()
    if program not in programs:
        return f"{program} is no program of the image"
    return _parsed(programs[program], program, arguments)


def _programs() -> dict[str, click.Command]:
    from dagster._cli import cli as dagster
    from dagster._daemon.cli import cli as daemon
    from dagster_webserver.cli import dagster_webserver

    from whatsapp_pipeline.cli import cli as pipeline

    return {
        "dagster": dagster,
        "dagster-daemon": daemon,
        "dagster-webserver": dagster_webserver,
        "whatsapp-pipeline": pipeline,
    }


def _parsed(command: click.Command, name: str, arguments: list[str]) -> str | None:
    """Parse as click does, group by group, without starting anything."""
    try:
        while True:  # one turn for each group that the words name
            context = command.make_context(name, list(arguments))
            if not isinstance(command, click.Group):
                return None
            _, rest, _ = command.make_parser(context).parse_args(list(arguments))
            if not rest:
                return None if command.invoke_without_command else f"{name} needs a command"
            found, inner, arguments = command.resolve_command(context, rest)
            if inner is None:
                return f"{name} has no command {found}"
            name, command = f"{name} {inner.name}", inner
    except click.ClickException as error:
        return f"{name}: {error.format_message()}"


def _celery_problem(arguments: list[str]) -> str | None:
    from celery.bin.celery import celery

    if arguments[:1] != ["-A"]:
        return "celery needs its application first: -A MODULE"
    _, module, command, *rest = arguments
    if find_spec(module) is None:
        return f"celery: no module {module}"
    if command not in celery.commands:
        return f"celery has no command {command}"
    return _known_options(celery.commands[command], f"celery {command}", rest)


def _known_options(command: click.Command, name: str, arguments: list[str]) -> str | None:
    """Compare the options alone: Celery's commands need their application's context to be parsed."""
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    unknown = [word for word in arguments if word.startswith("-") and word.partition("=")[0] not in known]
    return f"{name} has no option {unknown[0]}" if unknown else None


@dataclass(frozen=True)
class _Probe:
    """An HTTP request by which a program's health is asked."""

    where: str
    program: str
    port: int
    path: str


def _paths(program: str) -> set[str]:
    """Return the paths that a program answers to its probes."""
    if program == "dagster-webserver":
        from dagster_webserver.webserver import DagsterWebserver

        return set(re.findall(r'Route\(\s*"(/\w+)"', getsource(DagsterWebserver.build_routes)))
    if program == "whatsapp-pipeline console":
        from whatsapp_pipeline.console import app

        return set(re.findall(r'Route\("(/\w+)"', getsource(app)))
    if program == "whatsapp-pipeline webhook":
        from whatsapp_pipeline.webhook.http_limits import HEALTH_PATH

        return {HEALTH_PATH}
    return {"/healthz"} if program.startswith("server") else set()


def _program(words: Sequence[str]) -> str:
    return " ".join(words[: 2 if words[0] == "whatsapp-pipeline" else 1])


def _option(words: Sequence[str], name: str) -> str | None:
    return words[words.index(name) + 1] if name in words else None


def deploy_problems(deploy: Path) -> list[str]:
    """Return the problems of a folder with the files of deploy/, each with its file and place."""
    return [
        *_compose_problems(deploy),
        *_instance_problems(deploy),
        *_chart_problems(deploy),
        *_kubernetes_problems(deploy),
        *_image_problems(deploy),
    ]


def _schema_problems(name: str, schema: Schema, content: Any) -> Iterator[str]:
    for error in Draft202012Validator(schema).iter_errors(content):
        yield f"{name}: {'.'.join(str(part) for part in error.absolute_path)}: {error.message}"


def _compose_problems(deploy: Path) -> Iterator[str]:
    for name in COMPOSE_FILES:
        content = read_yaml(deploy / name)
        yield from _schema_problems(name, COMPOSE, content)
        for service, role in content["services"].items():
            where = f"{name}: {service}"
            if "image" in role:
                yield from _service_problems(where, role)
            yield from _variable_problems(where, role.get("environment", {}))
    yield from _server_problems(read_yaml(deploy / "compose.yaml")["services"])


def _is_ours(role: Mapping[str, Any]) -> bool:
    return str(role["image"]).startswith("whatsapp-pipeline:")


def _service_problems(where: str, role: Mapping[str, Any]) -> Iterator[str]:
    command = role.get("command", [])
    words = shlex.split(command) if isinstance(command, str) else list(command)
    check = role.get("healthcheck", {})
    test = check.get("test", ["NONE"])
    if _is_ours(role):
        if (problem := command_problem(words)) is not None:
            yield f"{where}: {problem}"
        yield from _worker_problems(where, words)
    if check.get("disable"):
        return
    for unit in ("interval", "timeout"):
        if unit in check and not re.fullmatch(r"\d+s", check[unit]):
            yield f"{where}: {unit} is not in seconds"
    if int(check.get("timeout", "1s")[:-1]) >= int(check["interval"][:-1]):
        yield f"{where}: a check may take longer than the pause between two"
    tested = shlex.split(test[1]) if test[0] == "CMD-SHELL" else test[1:]
    if found := re.search(r"http://127\.0\.0\.1:(\d+)(/\w*)", " ".join(tested)):
        probe = _Probe(where, _program(words), int(found[1]), found[2])
        yield from _probe_problems(probe, _listens(words))
    elif _is_ours(role) and (problem := command_problem(tested)) is not None:
        yield f"{where}: its health check: {problem}"
    port = _option(tested, "--port")
    if port is not None and port != _option(words, "--port"):
        yield f"{where}: its health check asks port {port}"


def _listens(words: Sequence[str]) -> int:
    """Return the port that a command makes its program listen on; SeaweedFS's S3 has 8333."""
    return int(_option(words, "--port") or 8333)


def _probe_problems(probe: _Probe, port: int) -> Iterator[str]:
    if probe.port != port:
        yield f"{probe.where}: its probe asks port {probe.port}, and the program listens on {port}"
    if probe.path not in _paths(probe.program):
        yield f"{probe.where}: {probe.program} does not answer its probe's path {probe.path}"


def _worker_problems(where: str, words: Sequence[str]) -> Iterator[str]:
    from whatsapp_pipeline.resources import celery_workers

    if words[0] != "celery" or "worker" not in words:
        return
    if _option(words, "-A") != celery_workers.__name__:
        yield f"{where}: the worker's application is not {celery_workers.__name__}"
    if (queue := _option(words, "--queues")) != celery_workers._QUEUE:
        yield f"{where}: the worker reads the queue {queue}, and runs are put into {celery_workers._QUEUE}"
    if _option(words, "--concurrency") != "1":
        yield f"{where}: a worker executes one run at a time; max_concurrent_runs counts workers"


def _server_problems(services: Mapping[str, Any]) -> Iterator[str]:
    """PostgreSQL gives up a lost host within a minute; the object store reports nothing to its makers."""
    words = services["postgres"]["command"]
    pairs = (word.split("=", 1) for flag, word in pairwise(words) if flag == "-c")
    options = {name: value.removesuffix("s") for name, value in pairs}
    keepalives = [options.get(f"tcp_keepalives_{name}", "") for name in ("idle", "interval", "count")]
    timeout = options.get("tcp_user_timeout", "")
    if not all(value.isdecimal() and value != "0" for value in (*keepalives, timeout)):
        yield "compose.yaml: postgres: without the four tcp_ limits a lost host keeps its locks"
        return
    idle, interval, count = map(int, keepalives)
    if max(idle + interval * count, int(timeout)) > _LOST_HOST_SECONDS:
        yield f"compose.yaml: postgres: a lost host is given up later than after {_LOST_HOST_SECONDS} s"
    if "-master.telemetry=false" not in shlex.split(services["objects"]["command"]):
        yield "compose.yaml: objects: SeaweedFS reports to its makers without -master.telemetry=false"


def _variable_problems(where: str, names: Mapping[str, Any]) -> Iterator[str]:
    known = {variable_of(name) for name in Settings.model_fields} | set(file_variables())
    known.add("DAGSTER_DATABASE_URL")
    for name in names:
        if name not in known and not name.startswith(_OF_OTHERS):
            yield f"{where}: {name} is no setting"


def _instance_problems(deploy: Path) -> Iterator[str]:
    from whatsapp_pipeline.resources import celery_workers

    for path in sorted((deploy / "dagster").glob("*.yaml")):
        name, instance = f"dagster/{path.name}", read_yaml(path)
        monitoring = instance["run_monitoring"]
        poll, start = monitoring["poll_interval_seconds"], monitoring["start_timeout_seconds"]
        if poll * celery_workers._MAX_MISSES >= start:
            yield f"{name}: the start time-out ({start} s) is no longer than the looks (each {poll} s)"
        if instance["telemetry"]["enabled"]:
            yield f"{name}: telemetry is enabled"
        if not monitoring["enabled"] or not instance["run_retries"]["enabled"]:
            yield f"{name}: lost runs are not found and tried again"
    celery = "dagster/celery.yaml"
    monitoring = read_yaml(deploy / celery)["run_monitoring"]
    if (poll := monitoring["poll_interval_seconds"]) > _LONGEST_POLL_SECONDS:
        yield f"{celery}: a lost run is looked for every {poll} s, not every {_LONGEST_POLL_SECONDS} s"
    patience = celery_workers._BROKER_RETRY_SECONDS
    if (start := monitoring["start_timeout_seconds"]) <= patience:
        yield f"{celery}: runs fail after {start} s; a launch gives up the broker after {patience:g} s"


def _chart_problems(deploy: Path) -> Iterator[str]:
    name, values = "helm/values.yaml", read_yaml(deploy / "helm" / "values.yaml")
    found = list(_schema_problems(name, CHART, values))
    if found:
        yield from found
        return
    yield from _switch_problems(name, values)
    webserver = values["dagsterWebserver"]
    asked = webserver["readinessProbe"]["httpGet"]
    probe = _Probe(f"{name}: dagsterWebserver", "dagster-webserver", asked["port"], asked["path"])
    yield from _probe_problems(probe, webserver["service"]["port"])
    for deployment in values["dagster-user-deployments"]["deployments"]:
        # The chart starts the code server with these words before them.
        words = ["dagster", "code-server", "start", "--host", "0.0.0.0", "--port", str(deployment["port"])]
        if (problem := command_problem([*words, *deployment["codeServerArgs"]])) is not None:
            yield f"{name}: {deployment['name']}: {problem}"


def _switch_problems(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    """Compare what the chart starts with what this project needs."""
    for part in ("runCoordinator", "runMonitoring", "runRetries"):
        if not values["dagsterDaemon"][part]["enabled"]:
            yield f"{name}: dagsterDaemon.{part} is not enabled"
    for part in ("telemetry", "postgresql", "rabbitmq", "redis", "flower"):
        if values[part]["enabled"]:
            yield f"{name}: {part} is enabled"
    for part in (values["dagsterDaemon"], values["dagster-user-deployments"], values["retention"]):
        if not part["enabled"]:
            yield f"{name}: the daemon, the code server or retention is not enabled"
    if values["runLauncher"]["type"] != "K8sRunLauncher":
        yield f"{name}: the launcher is not that of its config"


def _manifests(deploy: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((deploy / "kubernetes").glob("*.yaml")):
        for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            yield f"kubernetes/{path.name}", manifest


def _kubernetes_problems(deploy: Path) -> Iterator[str]:
    for name, manifest in _manifests(deploy):
        if manifest["kind"] == "ConfigMap" and manifest["metadata"]["name"] == "whatsapp-pipeline":
            yield from _variable_problems(name, manifest["data"])
            if manifest["data"].get("SEVERAL_HOSTS") != "1":
                yield f"{name}: SEVERAL_HOSTS is not 1, and pods are several hosts"
            if not manifest["data"].get("SHARED_DIR"):
                yield f"{name}: SHARED_DIR is not set, so reports and dumps end with their pod"
        pod = manifest.get("spec", {}).get("template", {}).get("spec", {})
        for container in pod.get("containers", []):
            yield from _container_problems(f"{name}: {container['name']}", container)


def _container_problems(where: str, container: Mapping[str, Any]) -> Iterator[str]:
    words = container["args"]
    if (problem := command_problem(words)) is not None:
        yield f"{where}: {problem}"
    yield from _variable_problems(where, {entry["name"]: "" for entry in container.get("env", [])})
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = container.get(kind, {})
        if "httpGet" in asked:
            port = ports[asked["httpGet"]["port"]]
            probe = _Probe(f"{where}: {kind}", _program(words), port, asked["httpGet"]["path"])
            yield from _probe_problems(probe, _listens(words))


def _image_problems(deploy: Path) -> Iterator[str]:
    text = (deploy / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    variables = dict[str, str]()
    for step in re.findall(r"^ENV (.+)$", text, flags=re.M):
        variables |= dict(word.split("=", 1) for word in shlex.split(step))
    if variables.get("SEVERAL_HOSTS") != "1":
        yield "Dockerfile: SEVERAL_HOSTS is not 1, and every container is a host"
    own = {name: value for name, value in variables.items() if name not in _OF_THE_IMAGE}
    yield from _variable_problems("Dockerfile", own)
