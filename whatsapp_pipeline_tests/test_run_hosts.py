"""Runs in containers of their own are refused where the settings know of one host, before any write."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner

from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.errors import SettingError
from whatsapp_pipeline.privacy_key import find_or_make
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import connect

_STORAGE = {
    "custom": {
        "module": "whatsapp_pipeline.resources.dagster_storage",
        "class": "PipelineDagsterStorage",
        "config": {},
    }
}


@pytest.fixture
def home(tmp_path: Path, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instance's folder; Dagster's database is the pipeline's, because nothing is stored there."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", fresh_database_url)
    monkeypatch.setenv("DAGSTER_DATABASE_URL", fresh_database_url)
    monkeypatch.setenv("PRIVACY_KEY", "k" * 32)
    monkeypatch.setenv("SEVERAL_HOSTS", "")
    return tmp_path


def _configure(home: Path, name: str) -> None:
    """Write the instance of deploy/ as somebody's own."""
    instance = yaml.safe_load((PROJECT_ROOT / "deploy" / "dagster" / name).read_text(encoding="utf-8"))
    assert instance["storage"] == _STORAGE
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance))


@pytest.mark.parametrize(
    ("name", "launcher"),
    [
        ("kubernetes.yaml", r"dagster_k8s\.K8sRunLauncher"),
        ("docker.yaml", r"dagster_docker\.DockerRunLauncher"),
    ],
)
@pytest.mark.parametrize("said", ["", "0"])
def test_a_launcher_of_containers_is_refused_for_one_host(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, launcher: str, said: str
) -> None:
    pytest.importorskip("dagster_k8s", reason="dagster-k8s is not installed: run `make setup-dev`")
    _configure(home, name)
    monkeypatch.setenv("SEVERAL_HOSTS", said)
    with pytest.raises(SettingError, match=rf"{launcher}, so each run .*SEVERAL_HOSTS=1 .*PRIVACY_KEY"):
        dg.DagsterInstance.from_config(str(home))
    monkeypatch.setenv("SEVERAL_HOSTS", "1")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.get_runs_count() == 0


def test_a_daemon_says_so_in_one_line_and_ends(home: Path) -> None:
    pytest.importorskip("dagster_docker", reason="dagster-docker is not installed: run `make setup-dev`")
    _configure(home, "docker.yaml")
    daemon = Path(sys.executable).with_name("dagster-daemon")
    ended = subprocess.run(
        [str(daemon), "run", "--empty-workspace"], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode != 0
    assert "set SEVERAL_HOSTS=1 for all processes and runs" in ended.stderr.strip().splitlines()[-1]


def test_a_launcher_of_processes_is_not_refused(home: Path) -> None:
    (home / "dagster.yaml").write_text(yaml.safe_dump({"storage": _STORAGE}))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.get_runs_count() == 0


def test_a_run_in_a_container_is_refused_before_it_writes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with Dagster's chart, whose storage is Dagster's own."""
    monkeypatch.setenv("DAGSTER_RUN_JOB_NAME", "load")
    with pytest.raises(SettingError, match="this run was launched in a container"), Database().connect():
        pass
    monkeypatch.setenv("SEVERAL_HOSTS", "1")
    with Database().connect(dry_run=True) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    "command", ["migrate", "status", "privacy erase --contact 1 --yes", "webhook serve --insecure", "db url"]
)
def test_a_command_beside_a_launcher_of_containers_writes_nothing_and_makes_no_key(
    home: Path, monkeypatch: pytest.MonkeyPatch, fresh_database_url: str, command: str
) -> None:
    _configure(home, "docker.yaml")
    monkeypatch.setenv("PRIVACY_KEY", "")
    monkeypatch.setenv("PIPELINE_LOCAL_DIR", str(home / "local"))
    monkeypatch.setenv("WHATSAPP_ENABLED", "true")
    with connect(fresh_database_url) as conn:
        conn.execute("INSERT INTO contatos (id, nome) VALUES (1, 'Ana')")
    result = CliRunner().invoke(cli, command.split())
    assert "run_launcher in dagster.yaml is dagster_docker.DockerRunLauncher" in str(result.exception)
    assert "set SEVERAL_HOSTS=1" in str(result.exception)
    with pytest.raises(SettingError, match="PRIVACY_KEY"):
        find_or_make()
    assert not list(home.rglob("privacy.*"))
    with connect(fresh_database_url) as conn:
        assert conn.execute("SELECT nome FROM contatos").fetchall() == [("Ana",)]
