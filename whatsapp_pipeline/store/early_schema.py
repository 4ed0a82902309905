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

LIST_FILE: Final = PROJECT_ROOT / "sql" / "early_schema.tsv"
LAST_VERSION: Final = "0032"
"""The last migration before 0033, which stores checksums: the list ends here and never changes."""
_LITERAL: Final = re.compile(r"'(?:[^']|'')*'|\b\d+\b")
# Object, kind of part, name of the part, what identifies it, and a text of which the literals count.
_PARTS: Final = """
    SELECT 'table ' || c.relname, 'column', a.attname,
           concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated),
           pg_get_expr(d.adbin, d.adrelid)
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
    UNION ALL
    SELECT 'table ' || c.relname, 'constraint', o.conname, o.contype::text, pg_get_constraintdef(o.oid)
      FROM pg_class c JOIN pg_constraint o ON o.conrelid = c.oid AND o.contype IN ('c', 'u', 'p', 'x')
     WHERE c.relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'table ' || c.relname, 'foreign key', o.conname, o.confdeltype::text || f.relname, NULL
      FROM pg_class c JOIN pg_constraint o ON o.conrelid = c.oid AND o.contype = 'f'
      JOIN pg_class f ON f.oid = o.confrelid
     WHERE c.relnamespace = current_schema()::regnamespace AND f.relname NOT IN ('contatos', 'ordens_servico')
    UNION ALL
    SELECT 'index ' || i.relname, 'index', c.relname, concat_ws(' ', x.indisunique,
           (SELECT string_agg(coalesce(a.attname, '()'), ' ' ORDER BY k.place)
              FROM unnest(x.indkey::int2[]) WITH ORDINALITY k (number, place)
              LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number AND k.number > 0)),
           pg_get_expr(x.indpred, c.oid)
      FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
     WHERE c.relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'table ' || c.relname, 'trigger', t.tgname, concat_ws(' ', t.tgtype, p.proname), NULL
      FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
     WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'function ' || p.proname, 'function', p.pronargs::text,
           concat_ws(' ', p.provolatile, p.prosecdef, p.proretset), regexp_replace(p.prosrc, '\\s+', ' ', 'g')
      FROM pg_proc p
     WHERE p.pronamespace = current_schema()::regnamespace AND p.prokind = 'f'
       AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.objid = p.oid AND e.deptype = 'e')
    UNION ALL
    SELECT 'view ' || c.relname, 'column', a.attname, NULL, NULL
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('v', 'm')
"""
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
    for name, kind, part, what, text in conn.execute(_PARTS):
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
