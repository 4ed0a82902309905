"""Migrations that exist are never edited: each file has the checksum that it was added with.

A new migration adds its line: run this test and copy the line that it prints.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from whatsapp_pipeline.settings import PROJECT_ROOT

LISTED = Path(__file__).with_name("migration_checksums.txt")


def test_no_migration_was_edited_or_removed() -> None:
    files = sorted((PROJECT_ROOT / "sql" / "migrations").glob("*.sql"))
    found = {path.name: sha256(path.read_bytes()).hexdigest() for path in files}
    listed = dict(line.split() for line in LISTED.read_text(encoding="utf-8").splitlines())
    assert {name: listed.get(name) for name in found} == found
    assert set(listed) == set(found), "a migration that databases have applied is missing"
