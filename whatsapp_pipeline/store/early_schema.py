"""What the migrations before checksums have made, object by object, and how a database differs from it.

What belongs here: the fingerprint of tables, views and functions, and the frozen list of what each version
had. What does not: applying migrations (`migrate`). Migrations 0001 to 0013 were edited in place while they
were written; a database that applied an earlier form of one has the same version and another schema.

The fingerprint goes by names, types and literals, never by the server's spelling of an expression, which
differs between versions of PostgreSQL and after a restore. The user's own tables, what depends on their types
(foreign keys to them, types of views' columns) and what a user has added beside ours do not count.
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
"""The last migration before 0033, which stores checksums: the list ends here and never changes."""
LAST_EDITED: Final = "0013"
"""The last migration that was edited in place. Only while these were written was one added before another."""
_LITERAL: Final = re.compile(r"'(?:[^']|'')*'|\b\d+\b")
_USERS_OWN: Final = frozenset({"contatos", "ordens_servico", "pipeline_migrations"})


class Known(NamedTuple):
    """What one object was from a version on up to another, both included."""

    name: str
    first: str
    last: str
    fingerprint: str


def fingerprints(conn: Connection) -> dict[str, str]:
    """Return a fingerprint of each table, index, function and view of the schema, by kind and name."""
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
def known() -> tuple[Known, ...]:
    """Read the frozen list."""
    lines = LIST_FILE.read_text(encoding="utf-8").splitlines()
    return tuple(Known(*line.split("\t")) for line in lines)


def ranges(versions: Mapping[str, Mapping[str, str]]) -> list[Known]:
    """Make the list of the fingerprints of each version, in order of versions."""
    found: list[Known] = []
    open_: dict[str, Known] = {}
    for version, objects in versions.items():
        for name in sorted(open_.keys() | objects.keys()):
            before = open_.get(name)
            if before is not None and before.fingerprint == objects.get(name):
                open_[name] = before._replace(last=version)
                continue
            if before is not None:
                found.append(open_.pop(name))
            if name in objects:
                open_[name] = Known(name, version, version, objects[name])
    return sorted([*found, *open_.values()])


def differences(conn: Connection, version: str) -> list[str]:
    """Name the objects that a database at `version` lacks or has in another form than its migrations make."""
    return list(_different(fingerprints(conn), version))


def _different(there: Mapping[str, str], version: str) -> Iterable[str]:
    for one in known():
        # An index that a later migration drops or makes anew decides nothing.
        if one.name.startswith("index ") and one.last != LAST_VERSION:
            continue
        if one.first <= version <= one.last and there.get(one.name) != one.fingerprint:
            yield one.name
