"""The embedded server ends with its last user, however that one ended."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

# Joins the server under a folder, says so, and waits to be killed.
_USER = """
import pathlib, signal, sys
from whatsapp_pipeline.embedded import server_url
server_url(pathlib.Path(sys.argv[1]), "whatsapp")
print("ready", flush=True)
signal.pause()
"""


def _user(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", _USER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
def test_no_embedded_server_outlives_its_last_user() -> None:
    with tempfile.TemporaryDirectory(
        prefix="wp-", ignore_cleanup_errors=True
    ) as name:  # sockets have a limit
        folder = Path(name)
        first, second = _user(folder), _user(folder)
        server = psutil.Process(int((folder / "postgres/postmaster.pid").read_text().splitlines()[0]))
        first.send_signal(signal.SIGKILL)
        first.wait()
        time.sleep(5)  # longer than the keeper's interval: nothing is to happen, which gives no signal
        assert server.is_running()
        second.send_signal(signal.SIGKILL)
        second.wait()
        server.wait(timeout=60)
        keepers = [
            one for one in psutil.process_iter(["cmdline"]) if name in " ".join(one.info["cmdline"] or ())
        ]
        assert psutil.wait_procs(keepers, timeout=30)[1] == []
