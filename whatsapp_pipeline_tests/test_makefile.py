"""`make clean` and `make purge` in a checkout that holds data."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from whatsapp_pipeline.settings import PROJECT_ROOT

DATA = (
    "postgres/PG_VERSION", "backups/a.dump", "privacy.key", "privacy.list", "webhook-spool/1.seg",
    "erp_backup/contatos/1.json", "tiny_tokens.json",
)  # fmt: skip
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
        ["make", "-C", str(checkout), *arguments], input=answer, capture_output=True, text=True,
        env=environment, check=False,
    )  # fmt: skip


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
