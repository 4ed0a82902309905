"""Running a command in namespaces of its own, which end with it and with everything in them.

What belongs here: the namespaces, the folder, and ending both. What does not: the hosts inside (hosts.py).

Without the right to make namespaces the command runs plainly: its processes listen on loopback, and it ends
what it started itself.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from whatsapp_pipeline.settings import PROJECT_ROOT

FOLDER_VARIABLE, ISOLATED_VARIABLE = "BENCH_CLUSTER_FOLDER", "BENCH_CLUSTER_ISOLATED"
_NAMESPACES = (
    "--net",
    "--mount",
    "--uts",
    "--pid",
    "--kill-child",
    "--mount-proc",
    "--propagation",
    "private",
)
# What hosts.py does with namespaces: each line fails where it is not permitted.
_TRIAL = """
set -e
ip link set lo up
ip link add trial type bridge
unshare --net --mount --uts sh -c 'hostname trial; mount -t tmpfs none /mnt; exec sleep 10' &
host=$!
until [ "$(readlink /proc/$host/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do kill -0 $host; done
ip link add trial0 type veth peer name eth0 netns $host
nsenter --target $host --net --mount --uts -- ip link set eth0 up
kill $host
"""
_STOP_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Isolation:
    """Where the hosts of this process live: their folder, and whether each is in namespaces."""

    folder: Path
    namespaces: bool

    @classmethod
    def of_this_process(cls) -> Isolation:
        """Return what `run_isolated` prepared for this process."""
        return cls(Path(os.environ[FOLDER_VARIABLE]), os.environ[ISOLATED_VARIABLE] == "1")


def is_inside() -> bool:
    """Return whether `run_isolated` started this process."""
    return FOLDER_VARIABLE in os.environ


def run_isolated(module: str, arguments: Sequence[str], *, plain: bool = False) -> int:
    """Run `python -m module` in namespaces if permitted, and return its exit status.

    Ctrl-C and SIGTERM are passed on. Nothing is left behind: neither processes nor networks nor the folder.
    """
    prefix = None if plain else _namespace_command()
    if prefix is None:
        why = "as asked" if plain else "namespaces are not permitted here"
        print(f"each role is a plain process on loopback ({why}); no network can be cut", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="wpc-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user where this process is root
    environment = {**os.environ, FOLDER_VARIABLE: str(folder), ISOLATED_VARIABLE: str(int(bool(prefix)))}
    python = [sys.executable, "-m", module, *arguments]
    # The shell is process 1 of its namespace: it reaps the children of killed processes.
    command = [*prefix, "sh", "-c", '"$@"; exit $?', "sh", *python] if prefix else python
    signal.signal(signal.SIGTERM, _as_interrupt)
    process = subprocess.Popen(command, env=environment, cwd=PROJECT_ROOT, start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(_STOP_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _namespace_command() -> list[str] | None:
    """Return the command that puts another one into namespaces; None where that is not permitted."""
    if any(shutil.which(program) is None for program in ("unshare", "nsenter", "ip", "hostname")):
        return None
    # Without root: a user namespace, in which this user keeps the rights over the other namespaces.
    user = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
    command = ["unshare", *user, *_NAMESPACES]
    try:
        tried = subprocess.run([*command, "sh", "-c", _TRIAL], capture_output=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return None
    return command if tried.returncode == 0 else None
