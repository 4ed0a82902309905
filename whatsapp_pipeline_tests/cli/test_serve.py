"""`serve`: each part is back after it was killed, the health page says so, and nothing stays behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest
import requests

from whatsapp_pipeline.cli.health import HealthServer, Probe
from whatsapp_pipeline.cli.services import Places, _dagster_services, why_no_receiver
from whatsapp_pipeline.cli.supervisor import ServiceState
from whatsapp_pipeline.cli.systemd_unit import NAME
from whatsapp_pipeline.settings import PROJECT_ROOT, Settings
from whatsapp_pipeline_tests.console.running import drop_roles
from whatsapp_pipeline_tests.processes import free_port, wait_for

# What Dagster shows on the page of the code location.
_SHOWN = "{workspaceOrError {... on Workspace {locationEntries {displayMetadata {key value}}}}}"


def _health(port: int) -> dict[str, Any] | None:
    try:
        answer = requests.get(f"http://127.0.0.1:{port}/health", timeout=30)
    except requests.RequestException:
        return None
    found: dict[str, Any] = answer.json()
    assert answer.status_code == (200 if found["ok"] else 503)
    return {"ok": found["ok"], **{part["name"]: part for part in found["parts"]}}


def _all_work(port: int) -> Callable[[], bool]:
    return lambda: bool((_health(port) or {}).get("ok"))


def _restarted(port: int, name: str, times: int = 1) -> Callable[[], bool]:
    return lambda: ((_health(port) or {}).get(name) or {}).get("restarts") == times


@pytest.mark.slow
def test_each_part_comes_back_and_of_a_killed_serve_nothing_is_left(
    fresh_database_url: str, tmp_path: Path
) -> None:
    ports = {name: free_port() for name in ("port", "webhook-port", "console-port", "health-port")}
    shutil.copy(PROJECT_ROOT / "dagster.yaml", tmp_path)
    environment = {
        **os.environ,
        "DATABASE_URL": fresh_database_url,
        "DAGSTER_HOME": str(tmp_path),
        "PIPELINE_LOCAL_DIR": str(tmp_path / "local"),
        "WHATSAPP_APP_SECRET": "a secret of the test",
    }
    options = [word for name, port in ports.items() for word in (f"--{name}", str(port))]
    log = tmp_path / "logs" / "serve.log"
    program = "from whatsapp_pipeline.cli import main; main()"
    command = [sys.executable, "-c", program, "serve", *options, "--log-file", str(log)]
    health = ports["health-port"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    family: list[psutil.Process] = []
    try:
        wait_for(_all_work(health), 180)
        page = requests.post(f"http://127.0.0.1:{ports['port']}/graphql", json={"query": _SHOWN}, timeout=30)
        assert "Chats, month by month: chat_file_index lists the exports" in page.text
        assert f"http://localhost:{ports['console-port']}" in page.text
        parts = _health(health) or {}
        services = ["code server", "web server", "daemon", "webhook", "console"]
        assert set(parts) == {"ok", *services, "database"}
        for name in services:
            os.kill(parts[name]["pid"], signal.SIGKILL)
            wait_for(_restarted(health, name), 30)
        wait_for(_all_work(health), 120)
        # The code server's child holds the definitions, and nobody but the supervisor starts another one.
        (child,) = psutil.Process((_health(health) or {})["code server"]["pid"]).children()
        child.kill()
        wait_for(_restarted(health, "code server", times=2), 30)
        # Dagster's UI has found its way to the new code server, the receiver takes deliveries.
        wait_for(_all_work(health), 120)
        page = requests.get(f"http://127.0.0.1:{health}/", timeout=30)
        assert page.status_code == 200
        assert "all well" in page.text
        assert page.text.count("<td>works</td>") == 6
        status = [sys.executable, "-c", program, "service", "status", "--health-port", str(health)]
        # There is no systemctl on this path, so the unit of this test is not asked for.
        alone = {**environment, "XDG_CONFIG_HOME": str(tmp_path), "PATH": str(tmp_path)}
        for installed in (False, True):
            shown = subprocess.run(
                status, env=alone, capture_output=True, text=True, timeout=120, check=False
            )
            assert shown.returncode == (0 if installed else 1)
            assert ("not installed" in shown.stdout) == (not installed)
            assert "  console: works, 1 restarts" in shown.stdout
            unit = tmp_path / "systemd" / "user" / NAME
            unit.parent.mkdir(parents=True, exist_ok=True)
            unit.touch()
        said = log.read_text()
        assert "console: http://localhost" in said  # of the console's process
        assert (
            "nobody has logged in yet; to get a login link, run `whatsapp-pipeline console user add NAME"
            in said
        )
        assert "/login/once/" not in said
        assert "daemon ended (signal SIGKILL); it is started again in 0.5 s" in said
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= 6
    finally:
        process.kill()
        process.wait()
        _, left = psutil.wait_procs(family, timeout=120)
        drop_roles(fresh_database_url)
    assert [one.cmdline() for one in left] == []


@pytest.mark.slow
def test_a_signal_ends_it_in_order_with_status_0(fresh_database_url: str, tmp_path: Path) -> None:
    shutil.copy(PROJECT_ROOT / "dagster.yaml", tmp_path)
    environment = {
        **os.environ,
        "DATABASE_URL": fresh_database_url,
        "DAGSTER_HOME": str(tmp_path),
        "PIPELINE_LOCAL_DIR": str(tmp_path / "local"),
        "NOTIFY_SOCKET": "",
    }
    health = free_port()
    names = ("--port", "--webhook-port", "--console-port")
    options = [word for name in names for word in (name, str(free_port()))]
    program = "from whatsapp_pipeline.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "serve", *options, "--health-port", str(health)], env=environment
    )
    try:
        wait_for(_all_work(health), 180)
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        assert process.wait(120) == 0
        assert [one.cmdline() for one in psutil.wait_procs(family, timeout=30)[1]] == []
    finally:
        process.kill()
        process.wait()
        drop_roles(fresh_database_url)


def test_dagster_loads_the_module_that_the_settings_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEFINITIONS_MODULE", "own_reports")
    code_server, *_ = _dagster_services(
        tmp_path, Places("127.0.0.1", 1, 2, 3), development=False, as_json=False
    )
    command = list(code_server.command)
    assert command[command.index("--module-name") + 1] == "own_reports"


def test_the_health_page_names_what_does_not_work(fresh_database_url: str) -> None:
    port, silent = free_port(), free_port()
    states = [
        ServiceState("webhook", "running", 11, 0, time.time()),
        ServiceState("console", "restarting", None, 4, time.time()),
        ServiceState("daemon", "running", 12, 0, time.time()),
    ]
    probes = {"webhook": Probe(f"http://127.0.0.1:{silent}/health")}
    with HealthServer(port, lambda: states, probes, f"{fresh_database_url}x"):
        parts = _health(port) or {}
        assert not parts["ok"]
        assert parts["webhook"]["problem"] == "the service did not answer (ConnectionError)"
        assert parts["console"]["problem"] == "the process ended; it is restarted"
        assert parts["daemon"]["ok"]
        assert "cannot reach the database" in parts["database"]["problem"]
        page = requests.get(f"http://127.0.0.1:{port}/", timeout=30)
        assert page.status_code == 503
        assert "something does not work" in page.text
        assert requests.get(f"http://127.0.0.1:{port}/other", timeout=30).status_code == 404


@contextlib.contextmanager
def answering(status: int, body: str) -> Iterator[int]:
    """Serve one answer to every request on loopback, and yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name in the base class
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(10)


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (500, '{"data": null, "errors": []}', "Dagster answered with status 500; its database may be down"),
        (200, '{"data": null}', "Dagster's answer has no data; its database may be down"),
        (200, "[]", "Dagster's answer has no data; its database may be down"),
        (200, '{"data": {"instance": null, "workspaceOrError": null}}', "Dagster's answer has no data"),
    ],
)
@pytest.mark.parametrize("asks", ["daemons", "code location"])
def test_the_health_page_answers_when_dagsters_database_is_down(
    fresh_database_url: str,
    status: int,
    body: str,
    problem: str,
    asks: Literal["daemons", "code location"],
) -> None:
    states = [ServiceState("daemon", "running", 12, 0, time.time())]
    port = free_port()
    with answering(status, body) as dagster:
        probes = {"daemon": Probe(f"http://127.0.0.1:{dagster}/graphql", asks=asks)}
        with HealthServer(port, lambda: states, probes, fresh_database_url):
            parts = _health(port) or {}  # status 503
    assert not parts["ok"]
    assert problem in parts["daemon"]["problem"]
    assert parts["database"]["ok"]


@pytest.mark.parametrize("log_format", ["", "json"])
def test_the_log_file_says_why_it_gave_up(fresh_database_url: str, tmp_path: Path, log_format: str) -> None:
    (tmp_path / "dagster.yaml").write_text("nonsense: true")  # the daemon and the web server refuse it
    environment = {
        **os.environ,
        "DATABASE_URL": fresh_database_url,
        "DAGSTER_DATABASE_URL": fresh_database_url,
        "DAGSTER_HOME": str(tmp_path),
        "PIPELINE_LOCAL_DIR": str(tmp_path / "local"),
        "LOG_FORMAT": log_format,
    }
    log = tmp_path / "serve.log"
    names = ("--port", "--webhook-port", "--console-port", "--health-port")
    ports = [word for name in names for word in (name, str(free_port()))]
    options = [*ports, "--restarts", "0", "--log-file", str(log)]
    command = [sys.executable, "-c", "from whatsapp_pipeline.cli import main; main()", "serve", *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stderr
    last = log.read_text().splitlines()[-1]
    if log_format:
        line = json.loads(last)
        last = f"{line['level']}: {line['message']}"
    assert re.match(
        r"error: (daemon|web server) ended 1 time\(s\) within 10 minutes \(last: exit status 1\)", last
    )


@pytest.mark.parametrize(
    ("settings", "development", "reason"),
    [
        (Settings(), True, "set WHATSAPP_APP_SECRET, or give --insecure-webhook"),
        (Settings(), False, "set WHATSAPP_APP_SECRET"),
        (Settings(whatsapp_enabled=False), True, "WHATSAPP_ENABLED is false"),
    ],
)
def test_the_reason_why_no_receiver_runs_names_the_setting(
    settings: Settings, development: bool, reason: str
) -> None:
    assert why_no_receiver(settings, development=development) == reason
