"""The worked examples of docs/extend.md, applied to a copy of the repository: each ends with a green test."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from whatsapp_pipeline.settings import PROJECT_ROOT

GUIDE = PROJECT_ROOT / "docs" / "extend.md"
COPIED = ("whatsapp_pipeline", "whatsapp_pipeline_tests", "sql", "data", "pyproject.toml", "dagster.yaml")
_EDIT = re.compile(
    r"^(?:New file `(?P<new>[^`]+)`|In `(?P<path>[^`]+)`, (?P<how>after|before|instead of) `(?P<line>[^`]+)`)"
    r":\n\n```\w+\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_TEST = re.compile(r"^\.venv/bin/pytest -q (\S+)$", re.MULTILINE)


class Edit(NamedTuple):
    """One step of an example: a new file, or lines beside or instead of a line that is there."""

    path: str
    how: str
    line: str
    text: str

    def apply(self, root: Path) -> None:
        """Change the copy; a line that is not there, or there twice, is a mistake in the guide."""
        path = root / self.path
        if self.how == "new":
            assert not path.exists(), f"{self.path} is there already"
            path.write_text(self.text, encoding="utf-8")
            return
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        places = [number for number, line in enumerate(lines) if line.rstrip("\n") == self.line]
        assert len(places) == 1, f"{self.path} has the line {len(places)} times: {self.line}"
        (at,) = places
        first, last = {"after": (at + 1, at + 1), "before": (at, at), "instead of": (at, at + 1)}[self.how]
        lines[first:last] = [self.text]
        path.write_text("".join(lines), encoding="utf-8")


def edits(guide: str) -> list[Edit]:
    """Read the steps of all examples, in order."""
    return [
        Edit(match["new"] or match["path"], match["how"] or "new", match["line"] or "", match["text"])
        for match in _EDIT.finditer(guide)
    ]


@pytest.mark.slow
def test_every_example_ends_with_a_green_test(tmp_path: Path) -> None:
    for name in COPIED:
        source = PROJECT_ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    guide = GUIDE.read_text(encoding="utf-8")
    for edit in edits(guide):
        edit.apply(tmp_path)
    tests = _TEST.findall(guide)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert re.search(r"^\d+ passed", done.stdout, re.MULTILINE), done.stdout


def test_the_guide_shows_all_that_its_examples_need() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    examples = re.findall(r"^## (.*?)$(.*?)(?=^## |\Z)", guide, re.MULTILINE | re.DOTALL)
    assert [title for title, _ in examples] == [
        "A check",
        "An asset",
        "A column, and a migration",
        "A phrase language",
        "A name feature",
        "A webhook message type",
    ]
    for title, text in examples:
        created = {edit.path for edit in edits(text) if edit.how == "new"}
        assert _TEST.findall(text), title
        assert set(_TEST.findall(text)) <= created, title
        # Every block of code is a step that the test above follows.
        blocks = re.findall(r"^```(?:python|sql|toml)$", text, re.MULTILINE)
        assert len(blocks) == len(edits(text)), title
