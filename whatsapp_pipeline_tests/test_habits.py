"""What a newcomer relies on: the table of the gate, the version, tools that run as they are written down."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from whatsapp_pipeline.settings import PROJECT_ROOT

SUPPORTED = ["3.11", "3.12", "3.13"]
LONGEST_SUBJECT = 72
# The last commit whose subject is longer. The rule holds for every commit after it.
LAST_LONG_SUBJECT = "265545d01e998bbbe643abb50a567f60dcaa9f30"


def _text(name: str) -> str:
    return (PROJECT_ROOT / name).read_text(encoding="utf-8")


def _parts_of_the_gate() -> list[str]:
    found = re.search(r"^GATE = (.*)$", _text("Makefile"), re.MULTILINE)
    assert found
    return found[1].split()


def test_the_table_of_the_gate_has_every_part() -> None:
    table = re.findall(r"^\| `make ([\w-]+)`", _text("CONTRIBUTING.md"), re.MULTILINE)
    assert table == _parts_of_the_gate()


def test_what_the_gate_runs_is_a_target() -> None:
    for part in (*_parts_of_the_gate(), "test-fast", "drill-all", "ci"):
        made = subprocess.run(
            ["make", "-n", part], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stderr


def test_the_seed_that_is_printed_is_the_seed_that_is_used() -> None:
    printed = subprocess.run(
        ["make", "-n", "test"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    ).stdout
    seeds = set(re.findall(r"SEED=(\d+)|--randomly-seed=(\d+)", printed))
    assert len({seed for pair in seeds for seed in pair if seed}) == 1


def test_the_changelog_has_the_version() -> None:
    version = tomllib.loads(_text("pyproject.toml"))["project"]["version"]
    assert f"\n## {version}" in _text("CHANGELOG.md")
    assert "\n## Unreleased\n" in _text("CHANGELOG.md")


def test_the_workflow_runs_the_gate_on_every_supported_python() -> None:
    job = yaml.safe_load(_text(".github/workflows/gate.yml"))["jobs"]["gate"]
    assert job["strategy"]["matrix"]["python"] == SUPPORTED
    assert job["steps"][-1] == {"run": "bash .ci/run"}
    # The whole history, whose subjects the gate looks at.
    assert job["steps"][0]["with"] == {"fetch-depth": 0}
    oldest = tomllib.loads(_text("pyproject.toml"))["project"]["requires-python"]
    assert oldest == f">={SUPPORTED[0]}"


def test_the_hooks_download_nothing() -> None:
    text = _text(".pre-commit-config.yaml")
    assert [repo["repo"] for repo in yaml.safe_load(text)["repos"]] == ["local"]
    assert "://" not in text


@pytest.mark.parametrize(("length", "status"), [(72, 0), (73, 1)])
def test_a_subject_may_have_72_characters(tmp_path: Path, length: int, status: int) -> None:
    hooks = yaml.safe_load(_text(".pre-commit-config.yaml"))["repos"][0]["hooks"]
    (entry,) = (hook["entry"] for hook in hooks if hook["id"] == "subject")
    message = tmp_path / "message"
    message.write_text("x" * length + "\n\nA body may have longer lines." + "y" * 100, encoding="utf-8")
    done = subprocess.run(f"{entry} {message}", shell=True, capture_output=True, check=False)
    assert done.returncode == status


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "-c", "safe.directory=*", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def _long_subjects(folder: Path, after: str) -> list[str]:
    """Return the subjects that are too long among the commits after `after`.

    A shallow clone may not have that commit; its last commit is looked at then.
    """
    is_there = _git(folder, "merge-base", "--is-ancestor", after, "HEAD").returncode == 0
    commits = [f"{after}..HEAD"] if is_there else ["-1", "HEAD"]
    listed = _git(folder, "log", "--format=%h %s", *commits)
    assert listed.returncode == 0, listed.stderr
    return [line for line in listed.stdout.splitlines() if len(line.partition(" ")[2]) > LONGEST_SUBJECT]


def test_subjects_of_commits_are_short() -> None:
    if _git(PROJECT_ROOT, "rev-parse", "HEAD").returncode != 0:
        pytest.skip("no git repository")
    assert _long_subjects(PROJECT_ROOT, LAST_LONG_SUBJECT) == []


def test_a_long_subject_is_found_in_a_whole_and_in_a_shallow_clone(tmp_path: Path) -> None:
    _git(tmp_path, "init", "-q", "-b", "main", "whole")
    whole, shallow = tmp_path / "whole", tmp_path / "shallow"
    who = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com")
    for length in (80, 73, 72, 74):
        _git(whole, *who, "commit", "-q", "--allow-empty", "-m", "x" * length)
    first = _git(whole, "rev-parse", "HEAD~3").stdout.strip()
    _git(tmp_path, "clone", "-q", "--depth", "1", f"file://{whole}", "shallow")
    assert [len(line.split()[1]) for line in _long_subjects(whole, first)] == [74, 73]
    assert [len(line.split()[1]) for line in _long_subjects(shallow, first)] == [74]


def test_no_test_imports_the_benches() -> None:
    tests = (PROJECT_ROOT / "whatsapp_pipeline_tests").rglob("*.py")
    importing = re.compile(r"^\s*(from|import) bench\b", re.MULTILINE)
    assert [path.name for path in tests if importing.search(path.read_text(encoding="utf-8"))] == []
