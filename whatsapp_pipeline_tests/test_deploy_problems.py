"""deploy/ against the formats' keys and the programs that it starts, and the recipe for several hosts."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from whatsapp_pipeline.settings import PROJECT_ROOT, from_mapping
from whatsapp_pipeline_tests.deploy_problems import (
    COMPOSE_FILES,
    command_problem,
    deploy_problems,
    interpolated,
    read_yaml,
    rendered,
)

pytest.importorskip("dagster_celery", reason="dagster-celery is not installed: run `make setup-dev`")

DEPLOY = PROJECT_ROOT / "deploy"
GUIDE = (PROJECT_ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
SERVERS = {
    "postgres": ("POSTGRES_PORT", 5432),
    "objects": ("OBJECTS_PORT", 8333),
    "broker": ("BROKER_PORT", 6379),
}
FIRST_HOST = {
    "SERVERS_ADDRESS": "10.0.0.1",
    "CONSOLE_HOSTS": "console.example.com",
    "CONSOLE_PROXIES": "172.30.77.1",
}
OTHER_HOST = {"SERVERS_ADDRESS": "10.0.0.1", "PIPELINE_HOST_NAME": "worker-1"}


def test_the_files_of_deploy_have_no_problem() -> None:
    assert deploy_problems(DEPLOY) == []


# For each file: what is broken, the right text, the wrong one, and words of the problem.
BREAKAGES = {
    "dagster/celery.yaml": [
        ("poll", "poll_interval_seconds: 10", "poll_interval_seconds: 3600", "every 3600 s"),
        ("start", "start_timeout_seconds: 240", "start_timeout_seconds: 20", "gives up the broker"),
        ("telemetry", "telemetry:\n  enabled: false", "telemetry:\n  enabled: true", "telemetry is enabled"),
    ],
    "dagster/docker.yaml": [
        (
            "start-docker",
            "start_timeout_seconds: 600",
            "start_timeout_seconds: 50",
            "no longer than the looks",
        )
    ],
    "compose.yaml": [
        ("key-of-compose", "stop_grace_period: 10m", "stop_grace_periodd: 10m", "stop_grace_periodd"),
        (
            "duration",
            "stop_grace_period: 10m",
            "stop_grace_period: 10 min",
            "services.worker.stop_grace_period",
        ),
        ("tcp-limits", "tcp_user_timeout=60s", "work_mem=8MB", "four tcp_ limits"),
        ("tcp-late", "tcp_keepalives_idle=30", "tcp_keepalives_idle=300", "later than after 60 s"),
        ("application", "celery_workers, worker", "celery_workerz, worker", "no module"),
        ("queue", "--queues, dagster,", "--queues, dagstr,", "the queue dagstr"),
        ("concurrency", '--concurrency, "1"', '--concurrency, "7"', "one run at a time"),
        ("probe-port", "127.0.0.1:8080/health", "127.0.0.1:8081/health", "asks port 8081"),
        ("probe-path", "127.0.0.1:8090/health'", "127.0.0.1:8090/healthz'", "path /healthz"),
        ("webserver-path", "/server_info", "/server_inf", "path /server_inf"),
        ("weed", "-master.telemetry=false", "-master.telemetry=true", "reports to its makers"),
        ("daemon", "[dagster-daemon, run,", "[dagster-daemon, runn,", "runn"),
        ("check", "[CMD, dagster-daemon, liveness-check]", "[CMD, dagster-daemon, livenes]", "livenes"),
        ("migrate", "[whatsapp-pipeline, migrate]", "[whatsapp-pipeline, migrat]", "migrat"),
        ("option", "webhook, serve, --host", "webhook, serve, --hots", "--hots"),
        ("setting", "SHARED_DIR: ", "SHARED_DIRR: ", "SHARED_DIRR is no setting"),
    ],
    "compose.worker.yaml": [
        ("queue-elsewhere", "--queues, dagster,", "--queues, dagstr,", "the queue dagstr")
    ],
    "helm/values.yaml": [
        ("compute-logs", "computeLogManager:", "computeLogManagerr:", "computeLogManagerr"),
        ("enabled", "telemetry: {enabled: false}", "telemetry: {enabledd: false}", "enabledd"),
        (
            "telemetry-chart",
            "telemetry: {enabled: false}",
            "telemetry: {enabled: true}",
            "telemetry is enabled",
        ),
        ("python-logs", "pythonLogs:", "pythonLogz:", "pythonLogz"),
        (
            "queue-chart",
            "runCoordinator:\n    enabled: true",
            "runCoordinator:\n    enabled: false",
            "runCoordinator is not enabled",
        ),
        ("code-server", "[--module-name,", "[--module,", "--module"),
        ("probe-chart", "path: /server_info", "path: /health", "path /health"),
    ],
    "kubernetes/configuration.yaml": [
        ("several", 'SEVERAL_HOSTS: "1"', 'SEVERAL_HOSTS: "0"', "SEVERAL_HOSTS is not 1"),
        ("shared", "SHARED_DIR:", "SHARED_DIRR:", "SHARED_DIRR is no setting"),
    ],
    "kubernetes/receiver.yaml": [("probe-kubernetes", "path: /health,", "path: /healthz,", "path /healthz")],
    "kubernetes/migrate.yaml": [
        ("job", "[whatsapp-pipeline, migrate]", "[whatsapp-pipeline, migrat]", "migrat")
    ],
    "Dockerfile": [("image", "SEVERAL_HOSTS=1", "SEVERAL_HOSTS=0", "every container is a host")],
}


@pytest.mark.parametrize(
    ("name", "right", "wrong", "problem"),
    [
        pytest.param(name, *texts, id=f"{name}-{what}")
        for name, broken in BREAKAGES.items()
        for what, *texts in broken
    ],
)
def test_a_broken_file_is_found(tmp_path: Path, name: str, right: str, wrong: str, problem: str) -> None:
    broken = tmp_path / "deploy"
    shutil.copytree(DEPLOY, broken, ignore=shutil.ignore_patterns("secrets"))
    text = (broken / name).read_text(encoding="utf-8")
    assert right in text
    (broken / name).write_text(text.replace(right, wrong), encoding="utf-8")
    found = deploy_problems(broken)
    assert [one for one in found if name in one and problem in one], found


@pytest.mark.parametrize(
    "words",
    [
        "celery -A whatsapp_pipeline.resources.celery_workers worker --queue dagster",
        "celery -A whatsapp_pipeline.resources.celery_workers inspec ping",
        "dagster api grpc-health-chek --port 4000",
        "dagster-webserver --prt 3000",
        "whatsapp-pipeline webhook",
        "whatsapp-pipelin migrate",
    ],
)
def test_a_command_that_its_program_refuses_is_found(words: str) -> None:
    assert command_problem(shlex.split(words)) is not None


def _first_host() -> Any:
    return rendered(DEPLOY, COMPOSE_FILES[:2], FIRST_HOST)


def _other_host(more: dict[str, str] | None = None) -> Any:
    return rendered(DEPLOY, ["compose.worker.yaml"], {**OTHER_HOST, **(more or {})})


def test_a_worker_elsewhere_starts_no_server_and_reaches_those_of_the_first_host() -> None:
    other = _other_host()
    assert set(other["services"]) == {"worker"}, "servers would be a second, empty cluster"
    worker = other["services"]["worker"]
    assert "depends_on" not in worker
    assert worker["extra_hosts"] == dict.fromkeys(SERVERS, "10.0.0.1")
    for name, (_, port) in SERVERS.items():
        assert _first_host()["services"][name]["ports"] == [f"10.0.0.1:{port}:{port}"], name
    settings = from_mapping(worker["environment"])
    addresses = [worker["environment"]["AWS_ENDPOINT_URL"]]
    for url in (settings.celery_broker_url, settings.celery_result_backend):
        assert url is not None
        addresses.append(url.get_secret_value())
    reached = [(urlsplit(address).hostname, urlsplit(address).port) for address in addresses]
    assert reached == [("objects", 8333), ("broker", 6379), ("broker", 6379)]
    assert settings.several_hosts
    assert settings.host == "worker-1"


def test_the_ports_and_the_addresses_of_servers_elsewhere_can_be_chosen() -> None:
    ports = {"POSTGRES_PORT": "15432", "OBJECTS_PORT": "18333", "BROKER_PORT": "16379"}
    servers = rendered(DEPLOY, COMPOSE_FILES[:2], {**FIRST_HOST, **ports})["services"]
    for name, (variable, inside) in SERVERS.items():
        assert servers[name]["ports"] == [f"10.0.0.1:{ports[variable]}:{inside}"]
    variables = _other_host(ports)["services"]["worker"]["environment"]
    assert variables["AWS_ENDPOINT_URL"] == "http://objects:18333"
    assert variables["CELERY_BROKER_URL"] == "redis://broker:16379/0"
    managed = {
        "CELERY_BROKER_URL": "rediss://b.example:1/0",
        "CELERY_RESULT_BACKEND": "rediss://b.example:1/1",
    }
    for host in (rendered(DEPLOY, ["compose.yaml"], {**FIRST_HOST, **managed}), _other_host(managed)):
        environment = host["services"]["worker"]["environment"]
        assert {name: environment[name] for name in managed} == managed


def test_a_worker_elsewhere_is_the_worker_of_the_first_host() -> None:
    own, first = _other_host()["services"]["worker"], _first_host()["services"]["worker"]
    assert {key for key in {*own, *first} if own.get(key) != first.get(key)} == {
        "depends_on",
        "extra_hosts",
        "environment",
    }
    assert set(own["environment"]) == set(first["environment"])
    differ = {name for name, value in own["environment"].items() if value != first["environment"][name]}
    assert differ == {"PIPELINE_HOST_NAME", "CONSOLE_URL"}


def test_what_a_host_must_set_is_asked_for_in_words_and_nothing_else_is() -> None:
    for name in OTHER_HOST:
        with pytest.raises(KeyError, match=f"{name}: set it to"):
            _other_host({name: ""})
    with pytest.raises(KeyError, match="SERVERS_ADDRESS: set it to this host's address"):
        rendered(DEPLOY, COMPOSE_FILES[:2], {**FIRST_HOST, "SERVERS_ADDRESS": ""})
    single = {name: value for name, value in FIRST_HOST.items() if name.startswith("CONSOLE_")}
    services = rendered(DEPLOY, ["compose.yaml"], single)["services"]
    assert not any("ports" in services[name] for name in SERVERS), "one host publishes no server"
    assert interpolated("${A:-http://${B:-x}}/$${C}", {}) == "http://x/${C}"


def _section(anchor: str) -> str:
    text = GUIDE.split(f'<a id="{anchor}"></a>', 1)[1]
    return text.split("<a id=", 1)[0]


def test_the_steps_of_the_guide_start_the_files_that_are_there() -> None:
    section = _section("more-docker-hosts")
    commands = re.findall(r"docker compose (.+)", section)
    started = [re.findall(r"--file deploy/(\S+)", command) for command in commands]
    assert started == [["compose.yaml", "compose.servers.yaml"], ["compose.worker.yaml"]]
    for files, given, command in zip(started, (FIRST_HOST, OTHER_HOST), commands, strict=True):
        scaled = re.search(r"--scale (\w+)=\d+", command)
        assert scaled is not None
        assert scaled[1] in rendered(DEPLOY, files, given)["services"]
    written = dict(re.findall(r"^ +([A-Z_]+)=(\S+)$", section, flags=re.M))
    assert set(written) == {*OTHER_HOST, "CONSOLE_URL"}
    assert set(re.findall(r"`(\w+_PORT)`", section)) == {variable for variable, _ in SERVERS.values()}
    for secret in _other_host()["secrets"]:
        assert f"`{secret}`" in section, "the guide names each secret to copy"
    # A free worker of any host takes the next run, so the daemon must know them all.
    assert "number of workers on\n   all hosts" in section


def test_a_run_in_a_container_keeps_its_log_and_joins_the_network_of_compose() -> None:
    config = read_yaml(DEPLOY / "dagster" / "docker.yaml")["run_launcher"]["config"]
    compose = read_yaml(DEPLOY / "compose.yaml")
    assert "auto_remove" not in config["container_kwargs"], (
        "it would delete the only copy of what a run printed"
    )
    assert "name" not in compose["networks"]["default"]
    assert config["network"] == f"{compose['name']}_default"
    section = _section("docker-without-a-broker")
    for words in ("/var/run/docker.sock", "--group-add", "docker container prune"):
        assert words in section


def test_the_job_of_the_last_upgrade_is_deleted_before_the_next_is_applied() -> None:
    text = (DEPLOY / "kubernetes" / "migrate.yaml").read_text(encoding="utf-8")
    commands = re.findall(r"^# +kubectl (.+)$", text, flags=re.M)
    job = read_yaml(DEPLOY / "kubernetes" / "migrate.yaml")["metadata"]["name"]
    assert [command.split()[0] for command in commands] == ["delete", "apply", "wait"]
    assert commands[0] == f"delete job {job} --ignore-not-found"
    assert commands[2].endswith(f"job/{job}")
    assert "delete the last upgrade's Job first" in GUIDE
