"""`up`: what it started ends with it, whichever of them ends first."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests

from whatsapp_pipeline.cli.up import _supervise
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.console.running import drop_roles

# A parent that starts a child, says so, and lives on, or ends.
_PARENT = """
import pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
if sys.argv[2] == "stays":
    print("ready", flush=True)
    child.wait()
"""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE  # nobody here reaps orphans
    except psutil.NoSuchProcess:
        return True


def parent(file: Path, then: str) -> list[str]:
    return [sys.executable, "-c", _PARENT, str(file), then]


def test_one_that_ends_by_itself_is_named_and_leaves_nobody_behind(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="dagster ended unexpectedly"):
        _supervise({"dagster": parent(tmp_path / "child", "ends")})
    assert is_gone(int((tmp_path / "child").read_text()))


def test_a_signal_ends_all(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "child")

    def interrupt() -> None:
        (tmp_path / "pid").write_text((tmp_path / "child").read_text())  # waits until it is written
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert _supervise({"dagster": parent(tmp_path / "child", "stays")}) == 0
    thread.join()
    assert is_gone(int((tmp_path / "pid").read_text()))


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


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _wait_for(what: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.5)  # polls another process, which gives no signal


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


@pytest.mark.slow
def test_up_survives_a_freeze_takes_the_plans_request_and_is_the_only_one(
    fresh_database_url: str, tmp_path: Path
) -> None:
    shutil.copy(PROJECT_ROOT / "dagster.yaml", tmp_path)
    port, webhook_port, console_port = _free_port(), _free_port(), _free_port()
    environment = {
        **os.environ, "DATABASE_URL": fresh_database_url, "DAGSTER_HOME": str(tmp_path),
        "PIPELINE_LOCAL_DIR": str(tmp_path / "local"), "LOG_FORMAT": "json",
    }  # fmt: skip
    command = [
        sys.executable, "-c", "from whatsapp_pipeline.cli import main; main()", "up", "--port", str(port),
        "--webhook-port", str(webhook_port), "--insecure-webhook", "--console-port", str(console_port),
    ]  # fmt: skip
    with (tmp_path / "up.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(lambda: _location_is_loaded(port), 180)
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
        _wait_for(lambda: _location_is_loaded(port), 60)
        answer = subprocess.run(_plan_request(webhook_port), capture_output=True, text=True, check=True)
        assert json.loads(answer.stdout) == {"ok": True}
        link = re.search(
            rf"http://localhost:{console_port}/login/once/[\w-]+", (tmp_path / "up.log").read_text()
        )
        assert link
        assert "Entrar" in requests.get(link[0], timeout=10).text
        _wait_for(lambda: _message_count(fresh_database_url) == 1, 120)
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
