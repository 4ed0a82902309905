"""Finding and adopting tables that the user created from the project's plan before the first migration.

What belongs here: the forms of those tables, the obstacles to adopting them, and the statements that move
their rows. What does not: applying migrations (store/migrate.py), and the order of the steps
(steps/operations/adopt.py).

A table of any other form belongs to another program and is never changed.

The forms below are a reconstruction, because the text of the plan was not available. They are based on the
tables in this project's documents, with all types that such a column is likely to have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from psycopg import sql

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.migrate import MIGRATIONS_DIR, MIGRATIONS_TABLE
from whatsapp_pipeline.store.operations.adoption import TABLES as ADOPTED_IN_PLACE
from whatsapp_pipeline.store.operations.first_migration import rows_without_own_id

ASIDE: Final = "before_pipeline"
"""Schema that keeps the user's original tables, with all rows, after the adoption."""

_ID, _TEXT, _TIME = (
    frozenset({"int2", "int4", "int8"}),
    frozenset({"varchar", "bpchar", "text"}),
    frozenset({"timestamp", "timestamptz", "date"}),
)
_FLAG, _NUMBER = frozenset({"bool"}), frozenset({"numeric", "float4", "float8", "int2", "int4", "int8"})
_JSON, _LIST = frozenset({"json", "jsonb"}), frozenset({"_text", "_varchar", "text", "varchar"})
_REQUIRED: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "tenants": {"id": _ID, "name": _TEXT},
    "whatsapp_accounts": {"phone_number_id": _TEXT, "tenant_id": _ID},
    "conversations": {"id": _ID, "external_id": _TEXT, "phone_number_id": _TEXT},
    "conversation_messages": {"id": _ID, "conversation_id": _ID, "role": _TEXT, "text": _TEXT},
    "chat_files": {"id": _ID, "filename": _TEXT, "file_path": _TEXT},
    "chat_messages": {
        "id": _ID,
        "id_chat_file": _ID,
        "message_timestamp": _TIME,
        "is_from_customer": _FLAG,
        "message_text": _TEXT,
    },
    "customer_chat_summaries": {"id": _ID, "id_contato": _ID, "summary": _TEXT},
}
_STAMPS: Final = {"created_at": _TIME, "updated_at": _TIME}
_OPTIONAL: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "tenants": {"is_active": _FLAG},
    "whatsapp_accounts": {
        "id": _ID,
        "display_phone_number": _TEXT,
        "phone_number": _TEXT,
        "is_active": _FLAG,
    },
    "conversations": {"tenant_id": _ID, "channel": _TEXT, "is_active": _FLAG},
    "conversation_messages": {"raw_json": _JSON},
    "chat_files": {
        "file_date": _TIME,
        "phone_number": _TEXT,
        "customer_name": _TEXT,
        "reference_os": _TEXT,
        "id_contato": _ID,
        "id_ordem_servico": _ID,
        "processing_status": _TEXT,
        "match_method": _TEXT,
        "match_confidence": _NUMBER,
        "order_match_method": _TEXT,
        "message_count": _NUMBER,
    },
    "chat_messages": {"responding_to": _TEXT},
    "customer_chat_summaries": {
        "last_interaction_date": _TIME,
        "communication_frequency": _TEXT,
        "common_topics": _LIST,
        "sentiment_analysis": _TEXT,
    },
}
PLAN_TABLES: Final = tuple(_REQUIRED)
"""The plan's tables, parents before children. Rows are copied in this order."""

_CREATED: Final = re.compile(r"^CREATE (?:OR REPLACE )?(?:TABLE|VIEW) (?:IF NOT EXISTS )?(\w+)", re.MULTILINE)
_INDEXED: Final = re.compile(
    r"^\s*(?:CREATE (?:UNIQUE )?INDEX (?!IF NOT EXISTS)|(?:ADD )?CONSTRAINT (?=\w+ (?:UNIQUE|PRIMARY)))(\w+)",
    re.MULTILINE,
)
_FUNCTIONS: Final = re.compile(r"^CREATE (?:OR REPLACE )?FUNCTION (\w+)\(", re.MULTILINE)
_TYPES: Final = {
    _ID: "bigint",
    _TEXT: "text",
    _TIME: "timestamp",
    _FLAG: "boolean",
    _NUMBER: "double precision",
    _JSON: "json",
    _LIST: "text",
}


@dataclass(frozen=True, slots=True)
class Existing:
    """Relations with names of the pipeline's tables, before the first migration.

    `adoptable` are tables of the plan's form. `in_the_way` has the reason why each other relation, function
    or index can't be adopted.
    """

    adoptable: tuple[str, ...]
    in_the_way: tuple[str, ...]


class Carried(NamedTuple):
    """The number of rows of a table of the plan (`rows`), and of those that were copied (`carried`)."""

    table: str
    rows: int
    carried: int


class PlanMessage(NamedTuple):
    """The columns of a row of the plan's chat_messages that identify it."""

    id: int
    text: str
    quote: str | None


def find_existing(conn: Connection, schema: str | None = None) -> Existing:
    """Find the relations that have names of the pipeline's. After the first migration, the result is empty.

    If the pipeline has its own `schema`, nothing in that schema is adopted. Every relation with such a name
    is then in the way.
    """
    if has_migrated(conn):
        return Existing((), ())
    names = _names_of_migrations()
    kinds = dict(
        conn.execute(
            """SELECT relname, relkind::text FROM pg_class
               WHERE relnamespace = to_regnamespace(coalesce(%s, current_schema())) AND relname = ANY(%s)
               ORDER BY relname""",
            (schema, [*names.relations, *ADOPTED_IN_PLACE]),
        ).fetchall()
    )
    adoptable, in_the_way = [], []
    for name, kind in kinds.items():
        if name in ADOPTED_IN_PLACE:
            reasons = [] if kind in "rp" else ["is no table, but columns must be added to it"]
        elif schema is not None:
            reasons = [f"is already in the schema {schema}"]
        else:
            reasons = _reasons_against(conn, name, kind)
        if reasons:
            in_the_way.append(f"{name} ({'; '.join(reasons)})")
        elif name not in ADOPTED_IN_PLACE:
            adoptable.append(name)
    order = tuple(name for name in PLAN_TABLES if name in adoptable)
    own = [name for name in kinds if name not in ADOPTED_IN_PLACE]
    return Existing(order, (*in_the_way, *_names_taken(conn, schema, names, own)))


@dataclass(frozen=True, slots=True)
class _MigrationNames:
    """Names in the migrations: relations (tables and views), indexes, and functions."""

    relations: frozenset[str]
    indexes: frozenset[str]
    functions: frozenset[str]


def _names_of_migrations() -> _MigrationNames:
    text = "\n".join(path.read_text(encoding="utf-8") for path in MIGRATIONS_DIR.glob("*.sql"))
    relations, indexes, functions = (
        frozenset(pattern.findall(text)) for pattern in (_CREATED, _INDEXED, _FUNCTIONS)
    )
    return _MigrationNames(relations - set(ADOPTED_IN_PLACE), indexes, functions)


def _names_taken(
    conn: Connection, schema: str | None, names: _MigrationNames, known: Sequence[str]
) -> Iterator[str]:
    """Return the existing names that prevent a migration from creating its objects.

    Indexes of `known` tables are moved together with the tables, so they are left out.
    """
    rows = conn.execute(
        queries.load("operations/adopt_names"),
        {
            "schema": schema,
            "indexes": list(names.indexes),
            "functions": list(names.functions),
            "known": list(known),
            "aside": ASIDE,
        },
    )
    return (row[0] for row in rows)


_KIND_WORDS: Final = {"p": "is a partitioned table", "f": "is a foreign table"}


def _reasons_against(conn: Connection, table: str, kind: str) -> list[str]:
    if kind != "r":
        return [_KIND_WORDS.get(kind, "is no table")]
    if table not in PLAN_TABLES:
        return ["belongs to another program"]
    columns = dict(
        conn.execute(
            """SELECT a.attname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
               WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum""",
            (table,),
        ).fetchall()
    )
    known = {**_REQUIRED[table], **_OPTIONAL[table], **_STAMPS}
    reasons = []
    if missing := sorted(_REQUIRED[table].keys() - columns):
        reasons.append(f"has no {', '.join(missing)}")
    if unknown := sorted(columns.keys() - known):
        reasons.append(f"has {', '.join(unknown)}, which the plan does not have")
    reasons += [
        f"{name} is {type_}" for name, type_ in columns.items() if name in known and type_ not in known[name]
    ]
    if not reasons and "id" in columns and (rows := _rows_without_own_id(conn, table)):
        reasons.append(f"{rows} row(s) have no unique id")
    return reasons + [f"is used by {user}" for user in _outside_users(conn, table)]


def _rows_without_own_id(conn: Connection, table: str) -> int:
    if table == "whatsapp_accounts":  # the number is the key of this table, and its ids are not used
        return 0
    return rows_without_own_id(conn, table)


def _outside_users(conn: Connection, table: str) -> list[str]:
    """Return the user's own objects that would not see the table's new rows, or would be lost with it."""
    rows = conn.execute(queries.load("operations/adopt_users"), {"table": table, "plan": list(PLAN_TABLES)})
    return [row[0] for row in rows]


def make_schema(conn: Connection, schema: str) -> None:
    """Create the pipeline's own schema, unless it exists."""
    # IF NOT EXISTS is not used, because it needs the right to create schemas even if the schema exists.
    if conn.execute("SELECT to_regnamespace(%s)", (schema,)).fetchone() == (None,):
        conn.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))


def tables_to_share(conn: Connection, schema: str) -> list[str]:
    """Return the user's own tables in public to which a first migration into `schema` must add columns."""
    rows = conn.execute(
        """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
             AND relname = ANY(%s) AND to_regclass(%s || '.' || relname) IS NULL ORDER BY 1""",
        (list(ADOPTED_IN_PLACE), schema),
    )
    return [row[0] for row in rows]


def move_table(conn: Connection, table: str, source: str, target: str) -> None:
    """Move a table with its indexes to another schema. Foreign keys to the table stay valid."""
    conn.execute(
        sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(sql.Identifier(source, table), sql.Identifier(target))
    )


def has_migrated(conn: Connection) -> bool:
    """Return whether a migration was applied to the schema of the connection."""
    return conn.execute("SELECT to_regclass(%s)", (MIGRATIONS_TABLE,)).fetchone() != (None,)


def set_aside(conn: Connection, tables: Sequence[str]) -> None:
    """Move tables of the plan's form, with their indexes and sequences, to the schema ASIDE."""
    conn.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(ASIDE)))
    for table in tables:
        conn.execute(
            sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(sql.Identifier(table), sql.Identifier(ASIDE))
        )


def expose(conn: Connection, tables: Sequence[str], zone: str) -> None:
    """Create temporary views `plan_<table>` with all columns of the plan. Missing columns are null.

    Times with a zone become local times of `zone`.
    """
    for table in PLAN_TABLES:
        real = _real_types(conn, table) if table in tables else {}
        known = {**_REQUIRED[table], **_OPTIONAL[table], **_STAMPS}
        columns = [_column(name, family, real.get(name), zone) for name, family in known.items()]
        source = sql.SQL("FROM {}").format(sql.Identifier(ASIDE, table)) if real else sql.SQL("WHERE false")
        conn.execute(
            sql.SQL("CREATE TEMP VIEW {} AS SELECT {} {}").format(
                sql.Identifier(f"plan_{table}"), sql.SQL(", ").join(columns), source
            )
        )


def _real_types(conn: Connection, table: str) -> dict[str, str]:
    rows = conn.execute(
        """SELECT a.attname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
           WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped""",
        (f"{ASIDE}.{table}",),
    )
    return dict(rows.fetchall())


def _column(name: str, family: frozenset[str], real: str | None, zone: str) -> sql.Composed:
    type_ = sql.SQL(_TYPES[family])
    if real is None:
        return sql.SQL("NULL::{} AS {}").format(type_, sql.Identifier(name))
    if family is _TIME:
        value: sql.Composable = sql.Identifier(name)
        if real == "timestamptz":
            value = sql.SQL("{} AT TIME ZONE {}").format(value, sql.Literal(zone))
        # Infinity, and years that Python can't represent, become null.
        return sql.SQL(
            "CASE WHEN isfinite({0}) AND {0} >= '0001-01-01' AND {0} < '9999-12-31'"
            " THEN ({1})::timestamp END AS {0}"
        ).format(sql.Identifier(name), value)
    return sql.SQL("{}::{} AS {}").format(sql.Identifier(name), type_, sql.Identifier(name))


def carry_grants(conn: Connection, table: str) -> None:
    """Give the roles with rights on a moved table the same rights on the pipeline's table."""
    for (statement,) in conn.execute(
        queries.load("operations/adopt_grants"), {"aside": ASIDE, "table": table}
    ).fetchall():
        conn.execute(statement.encode())


def carry_over(conn: Connection, table: str, zone: str) -> Carried:
    """Insert the rows of a moved table into the pipeline's table, with their ids. Call it after `expose`."""
    row = conn.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(f"plan_{table}"))).fetchone()
    carried = conn.execute(queries.load(f"operations/adopt_{table}"), {"zone": zone}).rowcount
    if table != "whatsapp_accounts":
        conn.execute(
            sql.SQL(
                "SELECT setval(pg_get_serial_sequence({}, 'id'), greatest(max(id), 1), max(id) IS NOT NULL)"
                " FROM {}"
            ).format(sql.Literal(table), sql.Identifier(table))
        )
    return Carried(table, row[0] if row else 0, carried)


def plan_messages(conn: Connection, size: int) -> Iterator[list[PlanMessage]]:
    """Yield the plan's messages in batches of `size`, by id."""
    after = -(2**63)
    while rows := conn.execute(
        """SELECT id, coalesce(message_text, ''), nullif(responding_to, '') FROM plan_chat_messages
           WHERE id > %s ORDER BY id LIMIT %s""",
        (after, size),
    ).fetchall():
        after = rows[-1][0]
        yield [PlanMessage(*row) for row in rows]


def prepare_hashes(conn: Connection) -> None:
    """Create the temporary table that `keep_hashes` fills. It exists until the transaction ends."""
    conn.execute(
        """CREATE TEMP TABLE plan_hashes (id bigint PRIMARY KEY, body_hash bigint NOT NULL)
           ON COMMIT DROP"""
    )


def keep_hashes(conn: Connection, hashes: Sequence[tuple[int, int]]) -> None:
    """Store the (id, body hash) of messages for `carry_over` of chat_messages, until the transaction ends."""
    with conn.cursor() as cursor, cursor.copy("COPY plan_hashes (id, body_hash) FROM STDIN") as copy:
        for row in hashes:
            copy.write_row(row)


def conversation_names(conn: Connection) -> list[tuple[int, str, str]]:
    """Return (id, phone_number_id, external_id) of the conversations that were copied."""
    return conn.execute(
        """SELECT c.id, c.phone_number_id, c.external_id
           FROM conversations c JOIN plan_conversations p USING (id) ORDER BY c.id"""
    ).fetchall()
