"""The README in Portuguese says what the English one says: the same parts, commands, pictures and figures."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from whatsapp_pipeline.settings import PROJECT_ROOT

ENGLISH = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
PORTUGUESE = (PROJECT_ROOT / "README.pt-BR.md").read_text(encoding="utf-8")


def _headings(text: str) -> list[int]:
    return [
        len(marks) for marks in re.findall(r"^(#+) ", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.M)
    ]


def _commands(text: str) -> list[str]:
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [re.sub(r"\s+#.*$", "", line.strip()) for block in blocks for line in block.splitlines()]


def _code(text: str) -> list[str]:
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
    found = (" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose))
    return sorted(code for code in found if "<" not in code)  # `<database>_dagster` is in each one's language


def _links(text: str) -> list[str]:
    own = {"README.md", "README.pt-BR.md"}
    return [link for link in re.findall(r"\]\(([^)]+)\)", text) if link not in own]


@pytest.mark.parametrize("part", [_headings, _commands, _code, _links])
def test_both_readmes_have_the_same(part: Callable[[str], list[object]]) -> None:
    assert part(ENGLISH)
    assert part(PORTUGUESE) == part(ENGLISH)


def test_each_points_to_the_other() -> None:
    assert "](README.pt-BR.md)" in ENGLISH.split("##")[0]
    assert "](README.md)" in PORTUGUESE.split("##")[0]
