"""`make test-fast` leaves out what is slow: a test that uses much and has no marker fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from whatsapp_pipeline.settings import PROJECT_ROOT

PLANTED = r"""
import contextlib
import subprocess
import sys
import time

import pytest

from whatsapp_pipeline.embedded import server_url
from whatsapp_pipeline_tests import fast_tests

fast_tests.OWN_CPU_SECONDS = 2.0
WORK = "import time\nwhile time.process_time() < {}:\n    pass"


def test_child_that_works():
    subprocess.run([sys.executable, "-c", WORK.format(1.3)], check=True)


@pytest.mark.slow
def test_marked_child_that_works():
    subprocess.run([sys.executable, "-c", WORK.format(1.3)], check=True)


@pytest.fixture
def child_that_goes_on():
    program = WORK.format(1.5) + "\nprint(flush=True)\ntime.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        yield
        child.kill()


def test_child_of_a_fixture(child_that_goes_on):
    pass


def test_quick_child():
    subprocess.run([sys.executable, "-c", WORK.format(0.1)], check=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    return server_url(tmp_path_factory.mktemp("s"), "postgres")


def test_server_without_a_marker(server):
    pass


def test_quick_test_after_the_server():
    pass


def test_own_work():
    end = time.process_time() + 2.1
    while time.process_time() < end:
        pass


@pytest.fixture(scope="session")
def admin_url():
    yield ""
    with contextlib.suppress(FileNotFoundError):
        subprocess.run(["/nowhere/pg_ctl", "stop"], check=False)


def test_of_the_database(admin_url):
    subprocess.run([sys.executable, "-c", WORK.format(1.3)], check=True)


def test_last_test_of_the_session():
    pass
"""


def _pytest(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", *arguments],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.long
def test_what_needs_a_marker_and_has_none_fails(tmp_path: Path) -> None:
    planted = tmp_path / "test_planted.py"
    planted.write_text(PLANTED, encoding="utf-8")
    output = _pytest("-p", "whatsapp_pipeline_tests.conftest", "-c", "pyproject.toml", str(planted))
    reasons = dict(re.findall(r"^(\w+) has no marker, but (.*?)[,;(]", output, re.MULTILINE))
    assert {name: reason.split(" took ")[0].strip() for name, reason in reasons.items()} == {
        "test_child_that_works": "its child processes",
        "test_child_of_a_fixture": "its child processes",
        "test_server_without_a_marker": "it starts PostgreSQL",
        "test_own_work": "it",
    }, output


@pytest.mark.slow
@pytest.mark.long
def test_tests_of_the_database_are_left_out_when_tests_are_selected() -> None:
    files = [f"whatsapp_pipeline_tests/{name}" for name in ("store/test_grants.py", "test_safe_text.py")]
    listed = _pytest("--collect-only", "-q", "-m", "not slow and not database", *files)
    assert "test_safe_text.py::" in listed
    assert "test_grants.py::" not in listed
