"""`make clean` and `make purge` in a checkout that holds data."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from whatsapp_pipeline.settings import PROJECT_ROOT

DATA = (
    "postgres/PG_VERSION",
    "backups/a.dump",
    "privacy.key",
    "privacy.list",
    "webhook-spool/1.seg",
    "erp_backup/contatos/1.json",
    "tiny_tokens.json",
)
REBUILT = (".venv/bin/python", ".mypy_cache/x", ".local/reports/qa-all.html", "pkg/__pycache__/a.pyc")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copy(PROJECT_ROOT / "Makefile", tmp_path)
    for name in (*(f".local/{name}" for name in DATA), *REBUILT, "storage/run/log"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return tmp_path


def make(checkout: Path, *arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        ["make", "-C", str(checkout), *arguments],
        input=answer,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_clean_keeps_all_that_cannot_be_rebuilt_and_names_it(checkout: Path) -> None:
    done = make(checkout, "clean")
    assert done.returncode == 0, done.stderr
    assert [name for name in DATA if not (checkout / ".local" / name).exists()] == []
    assert [name for name in REBUILT if (checkout / name).exists()] == []
    for name in ("postgres", "backups", "privacy.key", "privacy.list", "webhook-spool", "erp_backup"):
        assert f"stays: .local/{name} " in done.stdout


@pytest.mark.parametrize("answer", ["", "y\n", "yes\n"])
def test_purge_without_its_word_deletes_nothing(checkout: Path, answer: str) -> None:
    done = make(checkout, "purge", answer=answer)
    assert done.returncode != 0
    assert "nothing was deleted" in done.stdout
    assert [name for name in DATA if not (checkout / ".local" / name).exists()] == []


def test_purge_deletes_the_embedded_database_alone(checkout: Path) -> None:
    done = make(checkout, "purge", answer="purge\n")
    assert done.returncode == 0, done.stderr
    gone = [name for name in DATA if not (checkout / ".local" / name).exists()]
    assert gone == ["postgres/PG_VERSION"]
    assert not (checkout / "storage").exists()
    assert "stays: .local/backups" in done.stdout


def test_purge_refuses_while_the_server_runs(checkout: Path) -> None:
    (checkout / ".local/postgres/postmaster.pid").write_text(f"{os.getpid()}\n/x\n")
    done = make(checkout, "purge", "CONFIRM=purge")
    assert done.returncode != 0
    assert "is running" in done.stdout
    assert (checkout / ".local/postgres/PG_VERSION").exists()


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        ('{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}', 0, "looked at 1 packages: 0 with"),
        (
            '{"dependencies": [{"name": "a", "version": "1",'
            ' "vulns": [{"id": "V-1", "fix_versions": ["2"]}]}]}',
            1,
            "a 1: V-1, fixed in 2",
        ),
        ('{"dependencies": [{"name": "a", "skip_reason": "unknown"}]}', 0, "did not run"),
        ("", 0, "did not run: its service was not reachable"),
    ],
)
def test_the_audit_says_what_it_found_or_that_it_did_not_run(
    tmp_path: Path, answer: str, status: int, says: str
) -> None:
    """The program is the real script; what it asks over the network is not to be had in a test."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(PROJECT_ROOT / ".ci" / "audit", tmp_path / ".ci")
    binaries = tmp_path / ".local/audit-venv/bin"
    binaries.mkdir(parents=True)
    (binaries / "python").symlink_to(sys.executable)
    program = binaries / "pip-audit"
    program.write_text(f"""#!/bin/sh
while [ "$1" != --output ]; do shift; done
printf '%s' '{answer}' > "$2"
""")
    program.chmod(0o755)
    done = subprocess.run([tmp_path / ".ci/audit"], capture_output=True, text=True, check=False)
    assert (done.returncode, says in done.stdout) == (status, True), done.stdout + done.stderr
