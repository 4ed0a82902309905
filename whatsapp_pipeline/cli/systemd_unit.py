"""The systemd unit that starts `serve`, and calling systemd's programs.

What belongs here: the text and the path of the unit, and calling systemd's programs. What does not: the
commands (service.py), and the processes of `serve` (services.py).
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from whatsapp_pipeline import settings
from whatsapp_pipeline.errors import PipelineError

NAME = "whatsapp-pipeline.service"
STOP_SECONDS = 180
"""Seconds that `serve` has to end its processes. Each process has 20 s before it is killed."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of the whole machine, or of one user.

    Attributes:
        of_system: True for a unit of the machine, which systemd starts even if nobody is logged in.
        user: The user that a unit of the machine runs as; None for a unit of a user.
        arguments: The options of `serve`.
    """

    of_system: bool
    user: str | None
    arguments: Sequence[str] = ()

    @property
    def path(self) -> Path:
        """The path of the unit file."""
        if self.of_system:
            return Path("/etc/systemd/system") / NAME
        config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        return Path(config) / "systemd" / "user" / NAME

    @property
    def scope(self) -> list[str]:
        """The option of systemd's programs that selects units of the machine or of the user."""
        return [] if self.of_system else ["--user"]

    def text(self) -> str:
        """Return the content of the unit file."""
        network = ["After=network-online.target postgresql.service", "Wants=network-online.target"]
        home = os.environ.get("DAGSTER_HOME")
        lines = [
            "# Written by `whatsapp-pipeline service install`.",
            "[Unit]",
            "Description=WhatsApp Pipeline: Dagster, console and webhook receiver",
            *(network if self.of_system else []),
            # systemd restarts `serve` without a limit: the database may start later, or be down for hours.
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            "Type=notify",
            f"ExecStart={' '.join(_quoted(word) for word in self._command())}",
            f"WorkingDirectory={_escaped(str(settings.PROJECT_ROOT))}",
            *([f"Environment={_quoted(f'DAGSTER_HOME={home}')}"] if home else []),
            *([f"User={self.user}"] if self.user else []),
            "Restart=on-failure",
            "RestartSec=30",
            "TimeoutStartSec=600",
            f"TimeoutStopSec={STOP_SECONDS}",
            # `serve` ends its processes in their order. systemd kills what is left after the time above.
            "KillMode=mixed",
            "UMask=0077",
            "NoNewPrivileges=yes",
            "",
            "[Install]",
            f"WantedBy={'multi-user' if self.of_system else 'default'}.target",
        ]
        return "\n".join(lines) + "\n"

    def _command(self) -> list[str]:
        return [str(Path(sys.executable).parent / "whatsapp-pipeline"), "serve", *self.arguments]


def port_of_health_page(unit: Unit) -> int | None:
    """Return the health port in the installed unit; None if the unit has none or does not exist."""
    text = unit.path.read_text(encoding="utf-8") if unit.path.exists() else ""
    ports = re.findall(r"^ExecStart=.* --health-port[ =](\d+)", text, flags=re.MULTILINE)
    return int(ports[-1]) if ports else None


def is_user(name: str) -> bool:
    """Return whether the machine has a user of this name, which `systemd-analyze verify` does not check."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def owner_of_checkout() -> str:
    """Return the name of the user to whom this checkout belongs."""
    return pwd.getpwuid(settings.PROJECT_ROOT.stat().st_uid).pw_name


def _escaped(value: str) -> str:
    """Escape the characters that systemd replaces in every value."""
    if any(ord(character) < 32 for character in value):
        raise PipelineError(f"systemd can't use a value with control characters: {value!r}")
    return value.replace("%", "%%")


def _quoted(word: str) -> str:
    """Return one word of a command line or of an assignment, quoted as systemd.syntax(7) requires."""
    plain = _escaped(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{plain}"' if not plain or any(character in plain for character in " '\";\\") else plain


def verify_unit(unit: Unit, folder: Path) -> None:
    """Let systemd verify the text of the unit.

    Raises PipelineError with systemd's messages if there is a fault.

    On a machine without systemd's programs, nothing is verified.

    Args:
        unit: The unit.
        folder: An empty folder for the file to verify.
    """
    program = shutil.which("systemd-analyze")
    if program is None:
        return
    file = folder / NAME
    file.write_text(unit.text(), encoding="utf-8")
    # Without a session of the user this folder does not exist, but systemd only needs the variable to be set.
    runtime = os.environ.get("XDG_RUNTIME_DIR") or str(folder)
    done = _run([program, *unit.scope, "verify", "--man=no", str(file)], XDG_RUNTIME_DIR=runtime)
    found = [line for line in done.stderr.splitlines() if NAME in line]
    if done.returncode != 0 or found:
        raise PipelineError(f"systemd refuses the unit: {' '.join(found) or done.stderr.strip()}")


def systemctl(unit: Unit, *arguments: str) -> str | None:
    """Run systemctl. Return the reason if it failed, otherwise None."""
    program = shutil.which("systemctl")
    if program is None:
        return "there is no systemctl on this machine"
    done = _run([program, *unit.scope, *arguments])
    return None if done.returncode == 0 else (done.stderr or done.stdout).strip().partition("\n")[0]


def properties(unit: Unit) -> dict[str, str]:
    """Return the states of the unit, active and enabled, that systemd reports.

    The result is empty if systemd does not answer.
    """
    program = shutil.which("systemctl")
    if program is None:
        return {}
    done = _run([program, *unit.scope, "show", NAME, "--property=ActiveState,SubState,UnitFileState"])
    if done.returncode != 0:
        return {}
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def _run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
