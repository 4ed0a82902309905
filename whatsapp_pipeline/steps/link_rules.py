"""The version of the rules of linking: a hash of the files that hold them.

What belongs here: which files decide a link. A number to raise by hand would be forgotten one day, and links
of old rules would then stand beside those of new ones.
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from pathlib import Path

from whatsapp_pipeline.store.queries import QUERIES_DIR

_PACKAGE = Path(__file__).parent.parent


@cache
def rules_hash() -> str:
    """Hash every file that has a say in what a chat or a session is linked to."""
    digest = blake2b(digest_size=20)
    for path in rule_files():
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def rule_files() -> list[Path]:
    """Return those files, sorted."""
    domain, steps, store = (_PACKAGE / layer for layer in ("domain", "steps", "store"))
    return sorted([
        *(path for path in (domain / "matching").rglob("*") if path.suffix in (".py", ".toml", ".json")),
        domain / "phones.py", domain / "titles.py", *domain.glob("vocabulary.*"),
        *steps.glob("link_*.py"), *steps.glob("*_evidence.py"),
        store / "links.py", store / "order_links.py", store / "models.py",
        *QUERIES_DIR.glob("link_*.sql"), *QUERIES_DIR.glob("order*.sql"),
    ])  # fmt: skip
