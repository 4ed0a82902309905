"""The version of the rules of linking: a hash of the files that hold them.

What belongs here: which files decide a link. What does not: hashing them (code_hash.py).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from whatsapp_pipeline.steps.code_hash import PACKAGE, code_hash
from whatsapp_pipeline.store.queries import QUERIES_DIR


@cache
def rules_hash() -> str:
    """Hash every file that has a say in what a chat or a session is linked to."""
    return code_hash(rule_files())


def rule_files() -> list[Path]:
    """Return those files, sorted."""
    domain, steps, store = PACKAGE / "domain", PACKAGE / "steps" / "links", PACKAGE / "store" / "links"
    return sorted([
        *(path for path in (domain / "matching").rglob("*") if path.suffix in (".py", ".toml", ".json")),
        domain / "phones.py", domain / "phone_texts.py", domain / "titles.py", *domain.glob("vocabulary.*"),
        *steps.glob("link_*.py"), *steps.glob("*_evidence.py"),
        store / "decisions.py", store / "contact_links.py", store / "order_links.py", store / "models.py",
        *QUERIES_DIR.glob("links/link_*.sql"), *QUERIES_DIR.glob("links/order*.sql"),
    ])  # fmt: skip
