"""What axe-core and the width of the window find on the page that a browser shows."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any


@cache
def _axe() -> str:
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def problems_of(page: Any) -> list[tuple[str, str, list[Any]]]:
    """Return the rule, the impact and the first elements of each violation, under the page's own policy."""
    page.evaluate(_axe())
    violations = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    found = [(one["id"], one["impact"], [node["target"] for node in one["nodes"]][:3]) for one in violations]
    if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        found.append(("wider than the window", "", []))
    return found
