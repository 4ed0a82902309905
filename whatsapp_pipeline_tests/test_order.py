"""The tests' own order: random, the longest files first, and no test under the settings of another."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from whatsapp_pipeline.settings import PROJECT_ROOT

SETTINGS = r"""
import os

import pytest


@pytest.fixture(scope="session")
def shared():
    return os.environ["PIPELINE_LOCAL_DIR"]


@pytest.fixture(scope="module")
def local_dir():
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PIPELINE_LOCAL_DIR", "/nowhere")
        yield


def test_that_is_the_first_to_need_what_is_shared(local_dir, shared):
    assert os.environ["PIPELINE_LOCAL_DIR"] == "/nowhere"
    assert shared != "/nowhere"


def test_that_leaves_settings_behind():
    os.environ.update(LOG_LEVEL="debug", DAGSTER_HOME="/nowhere")


def test_after_it():
    assert os.environ["LOG_LEVEL"] == ""
    assert os.environ.get("DAGSTER_HOME") != "/nowhere"
"""
pytestmark = [pytest.mark.slow, pytest.mark.long]


def _pytest(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "pyproject.toml"]
    done = subprocess.run(
        [*command, "-p", "whatsapp_pipeline_tests.conftest", *arguments, str(folder)],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def _options_of_make_test(seed: int) -> list[str]:
    command = ["make", "-n", "test", f"SEED={seed}", "WORKERS=1"]
    printed = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True).stdout
    found = re.search(r"^\.venv/bin/pytest (.*?) --cov\b", printed, re.MULTILINE)
    assert found, printed
    return shlex.split(found[1])


def test_the_longest_files_begin_first_in_every_random_order(tmp_path: Path) -> None:
    names = ["test_simulation", "test_pipeline", "test_up", *(f"test_{n}" for n in "abcdef")]
    for name in names:
        # xdist would begin with the files that have most tests.
        count = 1 if name in names[:3] else 2
        tests = "\n".join(f"def test_{i}():\n    pass\n" for i in range(count))
        (tmp_path / f"{name}.py").write_text(tests, encoding="utf-8")
    orders = []
    for seed in (1, 77):
        output = _pytest(tmp_path, *_options_of_make_test(seed), "-vv")
        ran = list(dict.fromkeys(re.findall(r"PASSED \S*?(test_\w+)\.py::", output)))
        assert ran[:3] == names[:3], output
        assert sorted(ran) == sorted(names)
        orders.append(ran)
    assert orders[0] != orders[1]


def test_no_test_sees_the_settings_of_another(tmp_path: Path) -> None:
    (tmp_path / "test_planted.py").write_text(SETTINGS, encoding="utf-8")
    output = _pytest(tmp_path, "-p", "no:randomly", "-q")
    assert "3 passed" in output, output
