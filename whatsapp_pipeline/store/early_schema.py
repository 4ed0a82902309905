"""The schema of databases from before checksums were stored, and comparing a database with it.

What belongs here: fingerprints of tables, indexes, views and functions, and the frozen list of the
fingerprints of each version. What does not: applying migrations (`migrate`).

Migrations 0001 to 0013 were edited during development. So a database that applied an earlier form of one of
them has the same version and another schema.

A fingerprint depends on names, types and literals. It does not depend on the server's formatting of an
expression, which differs between versions of PostgreSQL and after a restore. Not included are the user's own
tables, everything that depends on their types (foreign keys to them, types of views' columns), and objects
that a user has added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import blake2b
from typing import Final, NamedTuple

from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.queries import load

LIST_FILE: Final = PROJECT_ROOT / "sql" / "early_schema.tsv"
LAST_VERSION: Final = "0032"
"""The last migration before 0033, which stores checksums. The list ends with it and never changes."""
LAST_EDITED: Final = "0013"
"""The last migration that was edited during development. Later ones were only added at the end."""
_LITERAL: Final = re.compile(r"'(?:[^']|'')*'|\b\d+\b")
_USERS_OWN: Final = frozenset({"contatos", "ordens_servico", "pipeline_migrations"})


class Known(NamedTuple):
    """The fingerprint of an object in the schema versions from `first` to `last`, both included."""

    name: str
    first: str
    last: str
    fingerprint: str


def fingerprints(conn: Connection) -> dict[str, str]:
    """Return the fingerprint of each table, index, function and view of the schema, by kind and name."""
    parts: dict[str, set[str]] = {}
    for name, kind, part, what, text in conn.execute(load("operations/early_schema")):
        owner = part if kind == "index" else name.partition(" ")[2]
        if owner not in _USERS_OWN:
            literals = text if kind == "function" else " ".join(sorted(_LITERAL.findall(text or "")))
            parts.setdefault(name, set()).add(f"{kind} {part} {what} {literals}")
    return {
        name: blake2b("\n".join(sorted(found)).encode(), digest_size=8).hexdigest()
        for name, found in sorted(parts.items())
    }


@cache
def early_objects() -> tuple[Known, ...]:
    """Return the frozen list of fingerprints from LIST_FILE."""
    lines = LIST_FILE.read_text(encoding="utf-8").splitlines()
    return tuple(Known(*line.split("\t")) for line in lines)


def schema_differences(conn: Connection, version: str) -> list[str]:
    """Return the names of objects that a database at `version` lacks or has in another form."""
    return list(_different(fingerprints(conn), version))


def _different(actual: Mapping[str, str], version: str) -> Iterable[str]:
    for one in early_objects():
        # Ignore an index that a later migration drops or replaces.
        if one.name.startswith("index ") and one.last != LAST_VERSION:
            continue
        if one.first <= version <= one.last and actual.get(one.name) != one.fingerprint:
            yield one.name
