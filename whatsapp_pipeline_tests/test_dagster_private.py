"""Private names of Dagster: one module holds them, and each of them really has no public name."""

from __future__ import annotations

import ast

import dagster as dg

from whatsapp_pipeline import dagster_private
from whatsapp_pipeline_tests.source_scan import PACKAGE, parse_text


def _private_imports(source: str) -> list[str]:
    modules = []
    for node in ast.walk(parse_text(source)):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.append(node.module)
    return [m for m in modules if m.startswith("dagster") and any(p.startswith("_") for p in m.split("."))]


def test_one_module_alone_imports_what_dagster_keeps_private() -> None:
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if _private_imports(path.read_text(encoding="utf-8"))
    }
    assert found == {"dagster_private.py"}


def test_no_name_in_it_has_a_public_home() -> None:
    assert [name for name in dagster_private.__all__ if hasattr(dg, name)] == []


def test_the_list_is_what_the_module_imports() -> None:
    assert set(dagster_private.__all__) == {name for name in vars(dagster_private) if name[0].isupper()}
