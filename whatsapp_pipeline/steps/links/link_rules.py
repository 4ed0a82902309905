"""The version of the linking rules: a hash of their source files.

What belongs here: the list of files that influence a link. What does not: hashing them (code_hash.py).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from whatsapp_pipeline.steps.code_hash import PACKAGE, code_hash
from whatsapp_pipeline.store.queries import QUERIES_DIR


@cache
def rules_hash() -> str:
    """Return one hash of all files that influence the link of a chat or session."""
    return code_hash(rule_files())


def rule_files() -> list[Path]:
    """Return the files that influence a link, sorted."""
    domain, steps, store = PACKAGE / "domain", PACKAGE / "steps" / "links", PACKAGE / "store" / "links"
    return sorted(
        [
            *(path for path in (domain / "matching").rglob("*") if path.suffix in (".py", ".toml", ".json")),
            domain / "phones.py",
            domain / "phone_texts.py",
            domain / "titles.py",
            *domain.glob("vocabulary.*"),
            *steps.glob("link_*.py"),
            *steps.glob("*_evidence.py"),
            store / "decisions.py",
            store / "contact_links.py",
            store / "order_links.py",
            store / "models.py",
            *QUERIES_DIR.glob("links/link_*.sql"),
            *QUERIES_DIR.glob("links/order*.sql"),
        ]
    )
