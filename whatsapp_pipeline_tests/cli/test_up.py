"""`up`: what it started ends with it, whichever of them ends first."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import requests

from whatsapp_pipeline.cli.instance_lock import instance_lock
from whatsapp_pipeline.cli.process_tree import holders_of
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.console.running import drop_roles
from whatsapp_pipeline_tests.processes import ended_at_last, free_port, wait_for

# `up` without Dagster: it holds the lock of an instance and runs one child that does not stop when asked.
_UP = """
import os, sys
from pathlib import Path
from whatsapp_pipeline.cli.instance_lock import instance_lock
from whatsapp_pipeline.cli.supervisor import Service, Supervisor
with instance_lock(Path(sys.argv[1]), "up") as lock:
    child = Service("dagster", [sys.executable, "-c", sys.argv[2], sys.argv[3]])
    Supervisor([child], environment=os.environ, inherited=[lock.fileno()]).run()
"""
_STUBBORN = """
import os, pathlib, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
signal.signal(signal.SIGINT, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).write_text(f"{os.getppid()} {os.getpid()} {child.pid}")
while True:
    signal.pause()
"""


def test_a_killed_one_leaves_nobody_behind_and_holds_the_instance_until_then(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pids")
    command = [sys.executable, "-c", _UP, str(tmp_path), _STUBBORN, str(tmp_path / "pids")]
    process = subprocess.Popen(command)
    with ended_at_last(process):
        up_pid, child_pid, grandchild_pid = map(int, (tmp_path / "pids").read_text().split())
        assert up_pid == process.pid
        family = [psutil.Process(child_pid), psutil.Process(grandchild_pid)]
        with pytest.raises(PipelineError, match=f"another `up` runs on this instance .process {up_pid}"):
            _enter(tmp_path)
        process.kill()
        process.wait()
        # The child has 20 seconds to stop, and does not. Until it is killed no second `up` may start.
        with pytest.raises(PipelineError, match=rf"was killed .process {up_pid}.*kill .*{child_pid}"):
            _enter(tmp_path)
        _, left = psutil.wait_procs(family, timeout=60)
        assert not left
        # The keeper ends after the processes that it stopped.
        for pid in holders_of(tmp_path / "up.lock"):
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(pid).wait(30)
        _enter(tmp_path)


def _enter(local_dir: Path) -> None:
    with instance_lock(local_dir, "up"):
        pass


def _plan_request(port: int) -> list[str]:
    """The guide's commands `up` and `curl`, word for word but for the port, which is the test's own."""
    guide = (PROJECT_ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    found = re.search(
        r"^whatsapp-pipeline up --insecure-webhook --webhook-port 8000\n(curl .*?)\n```", guide, re.M | re.S
    )
    assert found
    assert found[1].endswith("http://localhost:8000/api/whatsapp/webhook")
    return ["sh", "-c", found[1].replace(":8000/", f":{port}/")]


_LOCATION = "{workspaceOrError{... on Workspace{locationEntries{locationOrLoadError{__typename}}}}}"


def _location_is_loaded(port: int) -> bool:
    try:
        answer = requests.post(f"http://127.0.0.1:{port}/graphql", json={"query": _LOCATION}, timeout=10)
    except requests.RequestException:
        return False
    return "RepositoryLocation" in answer.text


def _message_count(url: str) -> int:
    with connect(url) as conn:
        row = conn.execute("SELECT count(*) FROM conversation_messages").fetchone()
    return int(row[0]) if row else 0


def _instance(folder: Path, url: str) -> dict[str, str]:
    """The environment of an instance of its own in a folder."""
    shutil.copy(PROJECT_ROOT / "dagster.yaml", folder)
    return {
        **os.environ,
        "DATABASE_URL": url,
        "DAGSTER_HOME": str(folder),
        "PIPELINE_LOCAL_DIR": str(folder / "local"),
        "LOG_FORMAT": "json",
    }


def _up_command(port: int, webhook_port: int, console_port: int) -> list[str]:
    return [
        sys.executable,
        "-c",
        "from whatsapp_pipeline.cli import main; main()",
        "up",
        "--port",
        str(port),
        "--webhook-port",
        str(webhook_port),
        "--insecure-webhook",
        "--console-port",
        str(console_port),
    ]


@pytest.mark.slow
def test_up_survives_a_freeze_takes_the_plans_request_and_is_the_only_one(
    fresh_database_url: str, tmp_path: Path
) -> None:
    port, webhook_port, console_port = free_port(), free_port(), free_port()
    environment = _instance(tmp_path, fresh_database_url)
    command = _up_command(port, webhook_port, console_port)
    with (tmp_path / "up.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_for(lambda: _location_is_loaded(port), 180)
        second = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert f"another `up` runs on this instance (process {process.pid}" in second.stderr
        root = psutil.Process(process.pid)
        family = [root, *root.children(recursive=True)]
        for one in family:
            one.suspend()
        time.sleep(75)  # the freeze itself: Dagster gives its code server up after 45 s
        for one in reversed(family):
            one.resume()
        wait_for(lambda: _location_is_loaded(port), 60)
        answer = subprocess.run(_plan_request(webhook_port), capture_output=True, text=True, check=True)
        assert json.loads(answer.stdout) == {"ok": True}
        link = re.search(
            rf"http://localhost:{console_port}/login/once/[\w-]+", (tmp_path / "up.log").read_text()
        )
        assert link
        assert "Entrar" in requests.get(link[0], timeout=10).text
        wait_for(lambda: _message_count(fresh_database_url) == 1, 120)
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(120)
        drop_roles(fresh_database_url)
    assert status == 0
    # Of a start, a freeze, a run and an end, nothing is left but what a guide explains.
    guide = (PROJECT_ROOT / "docs" / "recover.md").read_text(encoding="utf-8")
    explained = "No cursor for event type"
    assert f"`{explained}" in guide
    lines = [json.loads(line) for line in (tmp_path / "up.log").read_text().splitlines()]
    assert [line for line in lines if line["level"] != "info" and explained not in str(line)] == []


@pytest.mark.slow
def test_of_a_killed_up_nothing_is_left(fresh_database_url: str, tmp_path: Path) -> None:
    port = free_port()
    environment = _instance(tmp_path, fresh_database_url)
    command = _up_command(port, free_port(), free_port())
    process = subprocess.Popen(command, env=environment)
    try:
        wait_for(lambda: _location_is_loaded(port), 180)
        family = psutil.Process(process.pid).children(recursive=True)
        receiver = next(one for one in family if {"webhook", "serve"} <= set(one.cmdline()))
        receiver.suspend()  # it cannot stop when asked, so the second `up` certainly finds it
    finally:
        process.kill()
        process.wait()
    try:
        second = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert second.returncode == 1
        said = json.loads(second.stderr)["message"]
        assert f"was killed (process {process.pid}" in said
        assert re.search(rf"kill .*\b{receiver.pid}\b", said)
        assert "Traceback" not in second.stderr
    finally:
        _, left = psutil.wait_procs(family, timeout=120)
        drop_roles(fresh_database_url)
    assert [one.cmdline() for one in left] == []
