"""Requirements of the first migration: rights of the role, keys and types of the user's own tables.

What belongs here: queries of the catalog and of the user's tables. Each returns texts with the fault and the
statement that fixes it. What does not: tables with names of the pipeline's tables (plan_tables.py), and
differences that need no fix (adoption.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from psycopg import sql

from whatsapp_pipeline.store.connection import Connection, one_row
from whatsapp_pipeline.store.operations import adoption

_NORMALIZED: Final = ("celular_normalizado", "telefone_normalizado")
_LONGEST_NUMBER: Final = 11
_DATES: Final = ("data_emissao", "data_conclusao")
_ISO_DAY: Final = r"^\s*\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"


def missing_rights(conn: Connection, schema: str | None, tables: Sequence[str]) -> list[str]:
    """Return the rights that this role lacks to migrate into `schema` (None: its default schema).

    `tables` are the user's tables that are altered or moved. If the pipeline has its own schema, the
    migration moves contatos and ordens_servico into it and afterwards back to `public`.
    """
    row = one_row(
        conn.execute(
            """SELECT current_user, current_database(), has_database_privilege(current_database(), 'CREATE'),
                  coalesce(%s, current_schema(), 'public')""",
            (schema,),
        )
    )
    role, database, may_create, place = row
    found = []
    if not may_create:
        found.append(
            f"the role {role} may not create schemas and extensions; an administrator can run: "
            f'GRANT CREATE ON DATABASE "{database}" TO "{role}"'
        )
    found += [
        f"the role {role} may not create tables in the schema {name}; an administrator can run: "
        f'GRANT CREATE ON SCHEMA "{name}" TO "{role}"'
        # With a schema of its own, the migration also creates tables in public, when it moves them back.
        for name in dict.fromkeys((place, "public" if schema else place))
        if not _may_create_in(conn, name)
    ]
    found += _unaccent_faults(conn, place)
    return found + [words for table in tables for words in _table_rights(conn, table, role)]


def _may_create_in(conn: Connection, schema: str) -> bool:
    """Return whether the role may create tables in a schema, or the schema does not exist."""
    row = conn.execute(
        "SELECT coalesce(has_schema_privilege(to_regnamespace(%s), 'CREATE'), true)", (schema,)
    ).fetchone()
    return bool(row and row[0])


def _unaccent_faults(conn: Connection, place: str) -> Iterator[str]:
    """Yield the fault if the server lacks the extension unaccent, or has it outside the search_path.

    The full-text search needs this extension.
    """
    row = conn.execute(
        """SELECT (SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'unaccent'),
                  EXISTS (SELECT FROM pg_available_extensions WHERE name = 'unaccent')"""
    ).fetchone()
    schema, is_available = row or (None, True)
    if schema is None and not is_available:
        yield "the server lacks the extension unaccent; install PostgreSQL's contrib package"
    elif schema is not None and not _is_searched(conn, schema):
        yield (
            f"the extension unaccent is in the schema {schema}, which is not in the search_path of this "
            "connection; an administrator can run: "
            f'ALTER EXTENSION unaccent SET SCHEMA "{place}"'
        )


def _is_searched(conn: Connection, schema: str) -> bool:
    row = conn.execute("SELECT %s = ANY(current_schemas(true)::text[])", (schema,)).fetchone()
    return bool(row and row[0])


def _table_rights(conn: Connection, table: str, role: str) -> Iterator[str]:
    """Yield the rights that the role lacks to alter a table.

    For a table that does not exist, yield nothing.
    """
    row = conn.execute(
        """SELECT relowner::regrole::text, pg_has_role(relowner, 'USAGE'), row_security_active(c.oid),
                  r.rolsuper
           FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE c.oid = to_regclass(%s)""",
        (table,),
    ).fetchone()
    owner, may_alter, hides_rows, owner_is_superuser = row or (role, True, False, False)
    if not may_alter:
        # The role of a superuser must not be granted, so the table gets another owner.
        change = (
            f'ALTER TABLE {table} OWNER TO "{role}"' if owner_is_superuser else f'GRANT {owner} TO "{role}"'
        )
        yield (
            f"{table} belongs to the role {owner}, and only its owner may add columns or move it; "
            f"an administrator can run: {change}"
        )
    if hides_rows:
        yield (
            f"row security of {table} can hide rows from the role {role}; an administrator can run: "
            f'ALTER ROLE "{role}" BYPASSRLS'
        )


def unfit_columns(conn: Connection) -> list[str]:
    """Return the faults of contatos and ordens_servico that prevent reading them or adding columns."""
    return [words for table in adoption.TABLES for words in _table_faults(conn, table)]


def _table_faults(conn: Connection, table: str) -> Iterator[str]:
    real = adoption.columns_by_name(conn, table)
    if not real:
        return
    if "id" not in real:
        yield f"{table} has no column id; rename its key: ALTER TABLE {table} RENAME COLUMN … TO id"
        return
    if real["id"].family != "integer":
        yield (f"{table}.id is {real['id'].type}; it must be integer or bigint, with one value per row")
        return
    yield from _key_faults(conn, table)
    if table == "contatos":
        for name in _NORMALIZED:
            if name in real:
                yield from _phone_column_faults(conn, real[name])
        return
    contact = real.get("id_contato")
    if contact is not None and contact.family not in {"integer", "number"}:
        yield f"{table}.id_contato is {contact.type}; it must be a number, because it refers to contatos.id"
    for name in _DATES:
        if name in real:
            yield from _date_column_faults(conn, table, real[name])


def _key_faults(conn: Connection, table: str) -> Iterator[str]:
    if has_key(conn, table):
        return
    rows = rows_without_own_id(conn, table)
    first = f"first give {rows} row(s) an id of their own; then " if rows else ""
    yield f"{table} has no key on id: {first}ALTER TABLE {table} ADD PRIMARY KEY (id)"


def has_key(conn: Connection, table: str) -> bool:
    """Return whether there is a unique index on `id` only, so that an id identifies one row."""
    row = conn.execute(
        """SELECT EXISTS (
               SELECT FROM pg_index i
               JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
               WHERE i.indrelid = to_regclass(%s) AND i.indisunique AND i.indimmediate AND i.indisvalid
                 AND i.indnkeyatts = 1 AND i.indpred IS NULL AND i.indexprs IS NULL AND a.attname = 'id')""",
        (table,),
    ).fetchone()
    return bool(row and row[0])


def rows_without_own_id(conn: Connection, table: str) -> int:
    """Return how many rows must get another id before every row has an id of its own."""
    row = conn.execute(
        sql.SQL("SELECT count(*) - count(DISTINCT id) FROM {}").format(sql.Identifier(table))
    ).fetchone()
    return int(row[0]) if row else 0


def _phone_column_faults(conn: Connection, column: adoption.UserColumn) -> Iterator[str]:
    """Yield why the pipeline can't write normalised phones to this column.

    It needs a text column of at least 11 characters that is not generated and not unique.
    """
    of = f"contatos.{column.name}"
    alter = f"ALTER TABLE contatos ALTER COLUMN {column.name}"
    generated, index = conn.execute(
        """SELECT (SELECT attgenerated <> '' FROM pg_attribute
                   WHERE attrelid = to_regclass('contatos') AND attname = %(name)s),
                  (SELECT i.indexrelid::regclass::text
                   FROM pg_index i
                   JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                   WHERE i.indrelid = to_regclass('contatos') AND i.indisunique AND i.indnkeyatts = 1
                     AND a.attname = %(name)s LIMIT 1)""",
        {"name": column.name},
    ).fetchone() or (False, None)
    if generated:
        yield f"{of} is a generated column, but the pipeline must write to it: {alter} DROP EXPRESSION"
    if column.family != "text":
        yield f"{of} is {column.type}, but the pipeline writes text there: {alter} TYPE varchar(20)"
    elif column.length is not None and column.length < _LONGEST_NUMBER:
        yield f"{of} holds {column.length} characters, but a phone needs up to 11: {alter} TYPE varchar(20)"
    if index:
        yield f"{of} is unique, but several contacts can have the same phone: drop {index}, or its constraint"


def _date_column_faults(conn: Connection, table: str, column: adoption.UserColumn) -> Iterator[str]:
    """Yield the fault of a column that is neither a date nor a text column with only dates."""
    if column.family in {"date", "time"}:
        return
    name = sql.Identifier(column.name)
    unread = conn.execute(
        sql.SQL("SELECT count(*) FROM {} WHERE btrim({}::text) !~ {}").format(
            sql.Identifier(table), name, sql.Literal(_ISO_DAY)
        )
    ).fetchone()
    count = unread[0] if unread else 0
    if column.family != "text" or count:
        wrong = f", and {count} value(s) are not dates such as 2025-01-31" if count else ""
        correct = "correct the values, then change" if count else "change"
        yield (
            f"{table}.{column.name} is {column.type}{wrong}. The pipeline links sessions to orders by this "
            f"date: {correct} the type: ALTER TABLE {table} ALTER COLUMN {column.name} TYPE date USING …"
        )
