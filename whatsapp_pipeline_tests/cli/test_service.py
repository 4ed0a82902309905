"""`service`: the unit that it writes is one that systemd accepts, and it comes and goes."""

from __future__ import annotations

import json
import re
import shutil
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from whatsapp_pipeline import cli, settings
from whatsapp_pipeline.cli.service_manager import notify
from whatsapp_pipeline.cli.systemd_unit import NAME, Unit, verify_unit
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline_tests.cli.test_serve import answering
from whatsapp_pipeline_tests.processes import free_port

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def _service(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli.cli, ["service", *arguments])
    return done.exit_code, done.output


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user's units, which is not the real one."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    # The machine's systemd checks the unit, and is not asked to start it: there is no systemctl on this path.
    programs = tmp_path / "bin"
    programs.mkdir()
    if analyze := shutil.which("systemd-analyze"):
        (programs / "systemd-analyze").symlink_to(analyze)
    monkeypatch.setenv("PATH", str(programs))
    return tmp_path / "systemd" / "user" / NAME


def test_it_comes_and_goes(config: Path) -> None:
    status, shown = _service("install", "--port", "3001")
    assert status == 0
    assert str(config) in shown
    assert "there is no systemctl" in shown
    text = config.read_text()
    assert re.search(r"^ExecStart=\S+/whatsapp-pipeline serve --port 3001$", text, re.M)
    assert "User=" not in text
    assert "WantedBy=default.target" in text
    status, shown = _service("uninstall")
    assert status == 0
    assert not config.exists()
    with pytest.raises(PipelineError, match="nothing to remove"):
        cli.cli.main(["service", "uninstall"], standalone_mode=False)


def test_options_that_serve_does_not_have_are_refused(config: Path) -> None:
    status, shown = _service("install", "--prt", "3001")
    assert status == 2
    assert "No such option '--prt'" in shown
    assert not config.exists()


def test_a_unit_of_the_machine_names_its_user(config: Path) -> None:
    _, shown = _service("install", "--system", "--user", "shop", "--print")
    assert "\nUser=shop\n" in shown
    assert "WantedBy=multi-user.target" in shown
    assert not config.exists()
    status, shown = _service("install", "--system", "--user", "nobody-of-this-test")
    assert status == 2
    assert "this machine has no user 'nobody-of-this-test'" in shown
    status, shown = _service("install", "--user", "shop", "--print")
    assert status == 2
    assert "--user goes with --system" in shown


def test_status_says_that_nothing_is_there(config: Path) -> None:
    port = free_port()
    status, shown = _service("status", "--health-port", str(port))
    assert status == 1
    assert f"not installed: {config} does not exist" in shown
    assert f"no server answers at http://127.0.0.1:{port}/health" in shown


@pytest.mark.parametrize("between", [" ", "="])
def test_status_asks_the_port_that_the_unit_names(config: Path, between: str) -> None:
    port = str(free_port())
    assert _service("install", *f"--port 3001 --health-port{between}{port} --minutes 5".split())[0] == 0
    assert f"no server answers at http://127.0.0.1:{port}/health" in _service("status")[1]
    other = str(free_port())
    shown = _service("status", "--health-port", other)[1]
    assert f"no server answers at http://127.0.0.1:{other}/health" in shown


_HEALTHY = {"name": "console", "ok": True, "problem": "", "restarts": 0}
_FAILING = {"name": "daemon", "ok": False, "problem": "it does not answer", "restarts": 2}


@pytest.mark.parametrize(
    ("active", "body", "expected", "words"),
    [
        ("active", {"ok": True, "parts": [_HEALTHY]}, 0, "console: works\n"),
        (None, {"ok": True, "parts": [_HEALTHY]}, 0, "systemd does not answer"),
        ("active", {"ok": False, "parts": [_HEALTHY, _FAILING]}, 1, "daemon: it does not answer, 2 restarts"),
        ("inactive", {"ok": True, "parts": [_HEALTHY]}, 1, "inactive"),
        ("missing", {"ok": True, "parts": [_HEALTHY]}, 1, "not installed"),
        # Another program listens on the port.
        (
            "active",
            {"status": "up"},
            1,
            "is not the health page of `serve`; give the port with --health-port",
        ),
        ("active", {"ok": True, "parts": ["all"]}, 1, "is not the health page"),
        ("active", ["up"], 1, "is not the health page"),
    ],
)
def test_status_1_when_the_unit_or_a_part_does_not_work(
    config: Path, active: str | None, body: object, expected: int, words: str
) -> None:
    if active != "missing":
        config.parent.mkdir(parents=True)
        config.touch()
    if active is not None:
        systemctl = config.parents[2] / "bin" / "systemctl"
        systemctl.write_text(f"#!/bin/sh\necho ActiveState={active}\n")
        systemctl.chmod(0o755)
    with answering(200, json.dumps(body)) as port:
        status, shown = _service("status", "--health-port", str(port))
    assert status == expected, shown
    assert words in shown


@needs_systemd
@pytest.mark.parametrize("of_system", [False, True])
def test_systemd_accepts_the_unit(of_system: bool, tmp_path: Path) -> None:
    odd = ["--log-file", str(tmp_path / 'a "b" %h $HOME \\ c;d.log')]
    verify_unit(Unit(of_system, "root" if of_system else None, odd), tmp_path)


@needs_systemd
def test_a_unit_that_systemd_refuses_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # systemd refuses a working folder that is not absolute.
    monkeypatch.setattr(settings, "PROJECT_ROOT", Path("relative"))
    with pytest.raises(PipelineError, match=r"systemd refuses the unit: .*WorkingDirectory"):
        verify_unit(Unit(True, None), tmp_path)


def test_words_of_the_command_are_quoted_as_systemd_wants() -> None:
    """The rules are those of systemd.syntax(7): % and $ are doubled, " and backslashes escaped."""
    text = Unit(True, None, ["--log-file", "a \"b\" %h $HOME 'c' \\ d"]).text()
    (line,) = re.findall(r"^ExecStart=.* --log-file (.*)$", text, re.M)
    assert line == '"a \\"b\\" %%h $$HOME \'c\' \\\\ d"'
    with pytest.raises(PipelineError, match="control characters"):
        Unit(True, None, ["--log-file", "a\nExecStartPre=/bin/evil"]).text()


def test_the_service_manager_is_told_when_all_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("READY=1")  # nobody to tell
