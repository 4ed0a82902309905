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
# What git lists is copied, but for the archive of the sample.
_LEFT_OUT = re.compile(r"^data/organized_whatsapp_chats/")
_EDIT = re.compile(
    r"(?:New file `(?P<new>[^`]+)`|At the end of `(?P<end>[^`]+)`[^`]*?"
    r"|In\s`(?P<path>[^`]+)`, (?P<how>after|before|instead of) `(?P<line>[^`]+)`)"
    r":\n\n```\w+\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_COMMAND = re.compile(r"^\.venv/bin/python -c '([^']+)'$", re.MULTILINE)
# What holds the repository together, whatever is added to it.
GUARDS = (
    "test_structure.py",
    "test_architecture_guide.py",
    "test_definitions.py",
    "test_docs.py::test_every_link_of_the_guides_leads_somewhere",
    "checks/test_rules.py::test_every_rule_has_a_fault_to_see",
    "store/test_migrations_are_frozen.py",
    "store/test_catalog.py",
    "store/test_grants.py",
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
        if self.how == "end":
            with path.open("a", encoding="utf-8") as file:
                file.write(self.text)
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
        Edit(
            match["new"] or match["end"] or match["path"],
            match["how"] or ("new" if match["new"] else "end"),
            match["line"] or "",
            match["text"],
        )
        for match in _EDIT.finditer(guide)
    ]


def _copy(target: Path) -> None:
    """Copy what belongs to the repository, as it is now; without git, all but what tools make."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr
    for name in listed.stdout.split("\0"):
        source = PROJECT_ROOT / name
        if name and source.is_file() and not _LEFT_OUT.match(name):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / name)


def _run(root: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.long
def test_every_example_ends_with_a_green_test_and_breaks_no_guard(tmp_path: Path) -> None:
    _copy(tmp_path)
    guide = GUIDE.read_text(encoding="utf-8")
    for edit in edits(guide):
        edit.apply(tmp_path)
    for code in _COMMAND.findall(guide):
        _run(tmp_path, "-c", code)
    pytest_ = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly")
    guards = [f"whatsapp_pipeline_tests/{name}" for name in GUARDS]
    assert re.search(r"^\d+ passed", _run(tmp_path, *pytest_, *_TEST.findall(guide), *guards), re.MULTILINE)
    changed = [edit.path for edit in edits(guide) if edit.path.endswith(".py")]
    _run(tmp_path, "-m", "ruff", "check", "--no-cache", *changed)
    _run(tmp_path, "-m", "ruff", "format", "--no-cache", "--check", *changed)
    _run(
        tmp_path,
        "-c",
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))",
    )


def test_the_guide_shows_all_that_its_examples_need() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    examples = re.findall(r"^## (.*?)$(.*?)(?=^## |\Z)", guide, re.MULTILINE | re.DOTALL)
    assert [title for title, _ in examples] == [
        "A check",
        "An asset",
        "An asset of your own, outside this repository's code",
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
        blocks = re.findall(r"^```(?:python|sql|toml|text)$", text, re.MULTILINE)
        assert len(blocks) == len(edits(text)), title
