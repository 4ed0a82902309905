"""deploy/: the image, compose, Kubernetes and Dagster's instances, with the tools that check such files."""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from dagster._config import Shape, process_config
from dagster._core.instance.config import dagster_instance_config_schema
from dagster._core.workspace.load_target import WorkspaceFileTarget

from whatsapp_pipeline.assets.overview import overview_lines
from whatsapp_pipeline.cli.services import LOCATION
from whatsapp_pipeline.console.config import ConsoleConfig, console_config
from whatsapp_pipeline.errors import SettingError
from whatsapp_pipeline.settings import (
    PROJECT_ROOT,
    Settings,
    file_variables,
    from_mapping,
    load_settings,
    variable_of,
)
from whatsapp_pipeline_tests.deploy_problems import COMPOSE_FILES, interpolated

DEPLOY = PROJECT_ROOT / "deploy"
INSTANCES = ("celery", "docker", "kubernetes")
# What an instance of several hosts has different from dagster.yaml in the root.
DIFFERENCES = {
    "run_launcher",
    "concurrency",
    "run_monitoring",
    "run_retries",
    "compute_logs",
    "run_queue",
}
ROLES = ("migrate", "code", "webserver", "daemon", "worker", "receiver", "console")


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _problems(fields: Any, value: Any) -> list[str]:
    shape: Any = Shape
    return [error.message for error in process_config(shape(fields), value).errors or []]


@pytest.mark.parametrize("name", INSTANCES)
def test_an_instance_is_valid_and_differs_from_the_one_of_one_machine_in_few_keys(name: str) -> None:
    configured = _yaml(DEPLOY / "dagster" / f"{name}.yaml")
    assert _problems(dagster_instance_config_schema(), configured) == []
    single = _yaml(PROJECT_ROOT / "dagster.yaml")
    assert {key for key in {*configured, *single} if configured.get(key) != single.get(key)} <= DIFFERENCES
    assert configured["run_retries"]["enabled"]
    assert configured["run_retries"]["max_retries"] >= 1
    assert configured["run_retries"]["retry_on_asset_or_op_failure"] is False
    assert configured["run_monitoring"]["enabled"]


def test_the_launchers_accept_their_configuration_and_no_other_key() -> None:
    pytest.importorskip("dagster_k8s", reason="dagster-k8s is not installed: run `make setup-dev`")
    from dagster_docker import DockerRunLauncher
    from dagster_k8s import K8sRunLauncher

    for name, launcher in (("docker", DockerRunLauncher), ("kubernetes", K8sRunLauncher)):
        config = _yaml(DEPLOY / "dagster" / f"{name}.yaml")["run_launcher"]["config"]
        assert _problems(launcher.config_type(), config) == []
        assert _problems(launcher.config_type(), {**config, "imag": "x"}) != []
        # Otherwise the code location must name the image, and a code server started by hand names none.
        assert config["image" if name == "docker" else "job_image"] == _image()


def _snake(value: Any) -> Any:
    """Return the chart's camelCase keys as Dagster's own."""
    if isinstance(value, dict):
        return {re.sub(r"(?<!^)([A-Z])", r"_\1", key).lower(): _snake(inner) for key, inner in value.items()}
    return [_snake(inner) for inner in value] if isinstance(value, list) else value


def test_the_values_of_the_chart_are_those_of_the_instance() -> None:
    """The chart's templates write these keys into its dagster.yaml. The chart is in no package index."""
    pytest.importorskip("dagster_k8s", reason="dagster-k8s is not installed: run `make setup-dev`")
    from dagster_k8s import K8sRunLauncher

    values = _yaml(DEPLOY / "helm" / "values.yaml")
    launcher = _snake(values["runLauncher"]["config"]["k8sRunLauncher"])
    names = {
        key: [entry["name"] for entry in launcher.pop(key)] for key in ("env_secrets", "env_config_maps")
    }
    config = {
        **launcher,
        **names,
        "service_account_name": "x",
        "instance_config_map": "x",
        "dagster_home": "x",
        "postgres_password_secret": "x",
    }
    assert _problems(K8sRunLauncher.config_type(), config) == []
    own = _yaml(DEPLOY / "dagster" / "kubernetes.yaml")
    daemon = values["dagsterDaemon"]
    assert _snake(daemon["runMonitoring"]) == own["run_monitoring"]
    assert _snake(daemon["runRetries"]) == own["run_retries"]
    webserver = values["dagsterWebserver"]
    port = webserver["service"]["port"]
    assert port >= 1024, "the container listens on it, and its user may not listen on a lower one"
    assert webserver["readinessProbe"]["httpGet"]["port"] == port
    queue = daemon["runCoordinator"]["config"]["queuedRunCoordinator"]
    assert queue["maxConcurrentRuns"] == own["concurrency"]["runs"]["max_concurrent_runs"]
    assert values["postgresql"]["postgresqlScheme"] == "postgresql+psycopg2"
    images = [values[part]["image"] for part in ("dagsterWebserver", "dagsterDaemon")]
    images += [deployment["image"] for deployment in values["dagster-user-deployments"]["deployments"]]
    assert {f"{image['repository']}:{image['tag']}" for image in images} == {_image()}


def test_the_location_has_the_same_name_and_overview_as_on_one_machine() -> None:
    (origin,) = WorkspaceFileTarget([str(DEPLOY / "workspace.yaml")]).create_origins()
    assert origin.location_name == LOCATION
    shown = dict(origin.get_display_metadata())
    # The console's address belongs to an installation, and this file to none.
    expected = {name: text for name, text in overview_lines(load_settings()).items() if name != "console"}
    assert shown == {"host": "code", "port": "4000", **expected}
    workspace = _yaml(DEPLOY / "helm" / "values.yaml")["dagsterWebserver"]["workspace"]
    (mounted,) = (one for one in _manifests() if one["metadata"]["name"] == workspace["externalConfigmap"])
    assert mounted["kind"] == "ConfigMap"
    assert yaml.safe_load(mounted["data"]["workspace.yaml"]) == _yaml(DEPLOY / "workspace.yaml")


def _image() -> str:
    """Return the image that every role of compose.yaml has by default."""
    named = _yaml(DEPLOY / "compose.yaml")["x-role"]["image"]
    return re.sub(r"\$\{\w+:-(.+?)\}", r"\1", named)


def _manifests() -> Iterator[dict[str, Any]]:
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


def _containers() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each pod's specification with each of its containers."""
    for manifest in _manifests():
        pod = manifest.get("spec", {}).get("template", {}).get("spec")
        for container in pod["containers"] if pod else []:
            yield pod, container


@pytest.mark.skipif(
    find_spec("kubernetes_validate") is None, reason="kubernetes-validate is missing: run `make setup-dev`"
)
def test_the_manifests_are_valid_and_a_wrong_key_is_found() -> None:
    import kubernetes_validate

    newest = kubernetes_validate.latest_version()
    found = list(_manifests())
    for manifest in found:
        kubernetes_validate.validate(manifest, newest, strict=True)
    wrong = next(manifest for manifest in found if manifest["kind"] == "Deployment")
    wrong["spec"]["template"]["spec"]["containers"][0]["imag"] = "x"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, newest, strict=True)


def test_pods_have_no_rights_and_a_limit_of_memory() -> None:
    found = list(_containers())
    assert {container["name"] for _, container in found} == {"console", "migrate", "receiver"}
    for pod, container in found:
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] == 10001
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert container["image"] == _image()
        assert _is_program(container["args"][0])


def _is_program(name: str) -> bool:
    return Path(sys.executable).with_name(name).exists() or name == "python"


def test_compose_has_every_role_with_a_check_a_limit_and_secrets_in_files() -> None:
    compose = _yaml(DEPLOY / "compose.yaml")
    services = compose["services"]
    assert set(services) == {*ROLES, "postgres", "objects", "broker"}
    for name, service in services.items():
        assert service["healthcheck"], name
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert re.search(r":(\$\{PIPELINE_VERSION:-)?\d+\.\d+", service["image"]), name
        assert set(service.get("secrets", [])) <= set(compose["secrets"]), name
        assert set(service.get("depends_on", {})) <= set(services), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name
    for name in ROLES:
        role = services[name]
        assert (role["read_only"], role["cap_drop"], "user" in role) == (True, ["ALL"], False), name
        assert _is_program(role["command"][0]), name
        check = role["healthcheck"].get("test", [])
        words = shlex.split(check[1]) if check[:1] == ["CMD-SHELL"] else check[1:]
        assert not words or _is_program(words[0]), name
    assert services["daemon"]["deploy"]["replicas"] == 1
    celery = _yaml(DEPLOY / "dagster" / "celery.yaml")
    workers = services["worker"]["deploy"]["replicas"]
    assert celery["concurrency"]["runs"]["max_concurrent_runs"] == workers


def test_each_role_of_compose_has_the_secrets_that_its_variables_need() -> None:
    roles = {
        name: service
        for name, service in _yaml(DEPLOY / "compose.yaml")["services"].items()
        if "SHARED_DIR" in service.get("environment", {})
    }
    assert {"receiver", "worker", "console"} <= set(roles)
    for name, service in roles.items():
        named = {
            str(value).removeprefix("/run/secrets/")
            for value in service["environment"].values()
            if str(value).startswith("/run/secrets/")
        }
        assert named == set(service["secrets"]), name


def test_the_variables_of_compose_are_settings() -> None:
    known = {variable_of(name) for name in Settings.model_fields}
    for service in _yaml(DEPLOY / "compose.yaml")["services"].values():
        for variable in service.get("environment", {}):
            if not variable.startswith(("AWS_", "POSTGRES_")):
                assert variable.removesuffix("_FILE") in known
    passed_on = _yaml(DEPLOY / "dagster" / "docker.yaml")["run_launcher"]["config"]["env_vars"]
    assert set(passed_on) <= known
    # The launcher fails for a name that its own process does not have, so these are what all hosts must have.
    assert set(passed_on) == {"DATABASE_URL", "PRIVACY_KEY", "CHAT_ARCHIVE"}


def test_the_variables_that_the_guide_names_are_real() -> None:
    guide = (PROJECT_ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    compose = "".join((DEPLOY / name).read_text(encoding="utf-8") for name in COMPOSE_FILES)
    named = set(re.findall(r"(?<![$\w])[A-Z]+(?:_[A-Z]+)+\b", guide))
    known = {variable_of(name) for name in Settings.model_fields} | set(file_variables())
    of_compose = set(re.findall(r"\$\{(\w+)", compose))
    of_the_storage_library = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"}
    assert {"SHARED_DIR", "SEVERAL_HOSTS", "PRIVACY_KEY"} < named
    assert named - known - of_compose - of_the_storage_library == set()


def _console_config(environment: dict[str, str], command: list[str]) -> ConsoleConfig:
    """Return the configuration of a console with these variables; their files of secrets are not read."""
    host, port = (command[command.index(option) + 1] for option in ("--host", "--port"))
    settings = from_mapping({name: value for name, value in environment.items() if "$" not in value})
    return console_config(settings, host=host, port=int(port))


def test_the_console_of_compose_starts_with_its_required_variables_and_not_without() -> None:
    service = _yaml(DEPLOY / "compose.yaml")["services"]["console"]
    required = {"CONSOLE_HOSTS": "console.example.com", "CONSOLE_PROXIES": "172.30.77.1"}
    variables = service["environment"]
    assert {name for name, value in variables.items() if ":?" in value} == set(required)
    config = _console_config({**variables, **required}, service["command"])
    assert config.hosts[0] == "console.example.com"
    (subnet,) = _yaml(DEPLOY / "compose.yaml")["networks"]["default"]["ipam"]["config"]
    network = ipaddress.ip_network(interpolated(subnet["subnet"], {}))
    # Docker gives the host the first address of the network.
    assert config.is_trusted_proxy(str(next(network.hosts())))
    # Each role makes links to the console and to Dagster, and the console answers to the name in them.
    for name in ROLES:
        written = _yaml(DEPLOY / "compose.yaml")["services"][name]["environment"]
        filled = {variable: interpolated(value, required) for variable, value in written.items()}
        addresses = from_mapping(filled)
        assert urlsplit(addresses.console_url).hostname in config.hosts[:1], name
        assert addresses.dagster_ui_url == "http://127.0.0.1:3000", name
    chosen = {**required, "CONSOLE_URL": "https://console.example.com:8443"}
    assert interpolated(variables["CONSOLE_URL"], chosen) == chosen["CONSOLE_URL"]
    assert set(variables) >= set(_yaml(DEPLOY / "compose.yaml")["x-role"]["environment"])
    with pytest.raises(SettingError, match="CONSOLE_PROXIES"):
        _console_config(variables, service["command"])


def test_the_console_of_kubernetes_trusts_nobody_until_its_proxies_are_named_and_answers_its_probes() -> None:
    (container,) = (container for _, container in _containers() if container["name"] == "console")
    named = [manifest for manifest in _manifests() if manifest["metadata"]["name"] == "whatsapp-pipeline"]
    (settings,) = (manifest["data"] for manifest in named if manifest["kind"] == "ConfigMap")
    own = {entry["name"]: entry["value"] for entry in container["env"]}
    with pytest.raises(SettingError, match="CONSOLE_PROXIES"):
        _console_config({**settings, **own}, container["args"])
    config = _console_config({**settings, **own, "CONSOLE_PROXIES": "10.1.2.0/28"}, container["args"])
    probes = [container[name]["httpGet"] for name in ("startupProbe", "readinessProbe")]
    assert urlsplit(config.url).hostname == config.hosts[0] == "console.example.com"
    assert config.dagster_url == settings["DAGSTER_UI_URL"]
    for probe in probes:
        (header,) = probe["httpHeaders"]
        assert header["name"] == "Host"
        assert header["value"] in config.hosts


def test_the_made_secrets_are_read_from_their_files_and_never_made_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(DEPLOY / "make-secrets", tmp_path)
    subprocess.run(["sh", str(tmp_path / "make-secrets")], check=True, capture_output=True)
    made = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    assert set(made) == set(_yaml(DEPLOY / "compose.yaml")["secrets"])
    subprocess.run(["sh", str(tmp_path / "make-secrets")], check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()} == made
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()}
    assert modes == {0o400 if os.getuid() == 0 else 0o444}
    if os.getuid() == 0:
        owners = {path.name: path.stat().st_uid for path in (tmp_path / "secrets").iterdir()}
        assert owners == {name: 1000 if name == "object_store_users" else 10001 for name in made}
    for variable in ("DATABASE_URL", "PRIVACY_KEY", "WHATSAPP_APP_SECRET"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv(f"{variable}_FILE", str(tmp_path / "secrets" / variable.lower()))
    configured = load_settings()
    assert configured.privacy_key is not None
    assert configured.privacy_key.get_secret_value().encode() == made["privacy_key"]
    assert configured.database_url is not None
    assert made["postgres_password"].decode() in configured.database_url.get_secret_value()
    assert from_mapping({}).database_url is None


def test_the_secrets_of_root_belong_to_the_users_of_the_containers(tmp_path: Path) -> None:
    """Only root may give files away. The test may run as another user, so it records the commands."""
    shutil.copy(DEPLOY / "make-secrets", tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, does in (("id", "echo 0"), ("chown", f'echo "$@" >>{tmp_path}/owners')):
        (programs / name).write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        (programs / name).chmod(0o700)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    subprocess.run(["sh", str(tmp_path / "make-secrets")], check=True, capture_output=True, env=environment)
    owner = dict[str, str]()
    for line in (tmp_path / "owners").read_text(encoding="utf-8").splitlines():
        user, *files = line.split()
        owner |= dict.fromkeys((file.removeprefix("./") for file in files), user)
    secrets = _yaml(DEPLOY / "compose.yaml")["secrets"]
    # SeaweedFS's container gives up root and works as user 1000.
    assert owner == {name: "1000:1000" if name == "object_store_users" else "10001:10001" for name in secrets}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()} == {0o400}


@pytest.mark.skipif(
    not _is_program("hadolint"), reason="hadolint is missing: run `make setup-dev` to check the Dockerfile"
)
def test_the_dockerfile_passes_the_linter() -> None:
    hadolint = str(Path(sys.executable).with_name("hadolint"))
    checked = subprocess.run(
        [hadolint, str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout) == (0, "")


def test_the_image_copies_files_that_are_there_and_runs_as_a_number() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    sent = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    sources = [
        source
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    assert sources
    for source in sources:
        assert (PROJECT_ROOT / source).exists(), source
        assert f"!{source}" in sent, source
    assert sent[1] == "*"
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    for line in lines:
        if line.startswith("FROM "):
            assert re.match(r"FROM python:\d+\.\d+\.\d+-slim-\w+\b", line)


def _steps() -> list[str]:
    """Return the Dockerfile's instructions, each on one line."""
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _copy(step: str, app: Path) -> None:
    """Do what COPY does with a source of the build context; git's files are what the context has."""
    *sources, target = step.split()[1:]
    for source in sources:
        listed = subprocess.run(
            ["git", "ls-files", source], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
        ).stdout.split()
        assert listed, source
        for name in listed:
            inside = Path(name).relative_to(source) if name != source else Path()
            place = app / target / (inside if target.rstrip("/") != "." else name)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT_ROOT / name, place)


@pytest.mark.slow
def test_the_steps_of_the_image_make_a_program_in_an_empty_folder(
    tmp_path: Path, empty_database_url: str
) -> None:
    """All steps but the download of the pinned packages, which are those of this environment."""
    app, data = tmp_path / "app", tmp_path / "data"
    for folder in (app, data):
        folder.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=app, check=True)
    (packages,) = (app / ".venv" / "lib").glob("python*/site-packages")
    # A folder that is named so is read without its own .pth files, of which one leads to this checkout.
    (packages / "installed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    (app / ".venv" / "bin" / "dbmate").symlink_to(Path(sys.executable).with_name("dbmate"))
    environment = {
        "HOME": str(data),
        "PATH": f"{app}/.venv/bin:{os.environ['PATH']}",
        "DATABASE_URL": empty_database_url,
        "DAGSTER_DATABASE_URL": empty_database_url,
        "PRIVACY_KEY": "k" * 32,
    }
    for step in _steps():
        words = step.split()
        if words[0] == "COPY" and "--from=build" not in words:
            _copy(step, app)
        elif words[0] == "RUN" and "--editable" in words:
            subprocess.run(["sh", "-euc", step.removeprefix("RUN ")], cwd=app, check=True, env=environment)
        elif words[0] == "ENV":
            values = dict(word.split("=", 1) for word in shlex.split(step.removeprefix("ENV ")))
            environment |= {name: value.replace("/data", str(data)) for name, value in values.items()}
    environment["PATH"] = f"{app}/.venv/bin:{os.environ['PATH']}"
    assert environment["SEVERAL_HOSTS"] == "1"
    home = Path(environment["DAGSTER_HOME"])
    home.mkdir()
    shutil.copy(app / "deploy" / "dagster" / "kubernetes.yaml", home / "dagster.yaml")
    for path in [*app.rglob("*"), app]:  # as the read-only file system of the container
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)
    # `migrate` records the code; then each process finds itself current, and loads the definitions.
    for command in (
        ["whatsapp-pipeline", "migrate"],
        ["whatsapp-pipeline", "status"],
        ["python", "-m", "dagster", "definitions", "validate", "-m", "whatsapp_pipeline.definitions"],
    ):
        ended = subprocess.run(
            command, cwd=app, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
    where = [f"{app}/.venv/bin/python", "-c", "import whatsapp_pipeline; print(whatsapp_pipeline.__file__)"]
    found = subprocess.run(where, cwd=data, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(app / "whatsapp_pipeline" / "__init__.py")


def test_the_lock_of_a_cluster_is_the_base_lock_and_the_extras() -> None:
    def lock(name: str) -> set[str]:
        return set((PROJECT_ROOT / name).read_text(encoding="utf-8").splitlines())

    base, cluster, development = (lock(f"requirements{name}.lock") for name in ("", "-cluster", "-dev"))
    assert base < cluster
    assert cluster < development, "what the image installs is what the tests ran on"
    assert not any(line.startswith(("s3fs", "celery", "kubernetes")) for line in base)
