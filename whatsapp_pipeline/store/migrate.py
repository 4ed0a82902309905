"""Migrating a database to the current schema with dbmate and the files of `sql/migrations/`.

What belongs here: applying migrations, and refusing a database that they do not fit. What does not: the first
migration of a database with tables of other programs (store/operations/first_migration.py).

dbmate applies each SQL file in its own transaction under an advisory lock. So two processes may migrate at
the same time, and a killed process leaves no partly applied file. The checksum of each applied file is
stored. A file that was edited or removed afterwards is refused, because two databases of the same version
would differ.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

from whatsapp_pipeline import settings
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store import early_schema
from whatsapp_pipeline.store.connection import Connection, connect, describe

MIGRATIONS_DIR = PROJECT_ROOT / "sql" / "migrations"
_UP, _DOWN = "-- migrate:up", "-- migrate:down"
MIGRATIONS_TABLE = "pipeline_migrations"
"""dbmate's table of the applied files."""
CHECKSUMS_TABLE = "pipeline_migration_checksums"
"""This module's table of the checksums of those files."""


def _dbmate() -> str:
    beside = Path(sys.executable).parent / "dbmate"
    found = str(beside) if beside.exists() else shutil.which("dbmate")
    if found is None:
        raise PipelineError("dbmate is not installed; run `make setup`")
    return found


def _dbmate_url(url: str) -> str:
    """Return `url` in the form of dbmate's driver, which does not negotiate TLS."""
    with connect(url) as conn:
        encrypted = conn.pgconn.ssl_in_use
        search_path = _client_search_path(conn)
    parts = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
    user, password = quote(parts.pop("user", ""), safe=""), quote(parts.pop("password", ""), safe="")
    dbname = quote(parts.pop("dbname", ""), safe="")
    host, port = parts.pop("host", ""), parts.pop("port", "")
    if host and not host.startswith("/"):
        place = f"{host}:{port}" if port else host
        query = {}
    else:  # a socket directory is a parameter of the query
        place, query = "", {"host": host or "/var/run/postgresql"}
        if port:
            query["port"] = port
    query["sslmode"] = parts.get("sslmode", "require") if encrypted else "disable"
    if query["sslmode"] in {"prefer", "allow"}:
        query["sslmode"] = "require"
    for name in ("sslrootcert", "sslcert", "sslkey"):
        if name in parts:
            query[name] = parts[name]
    if search_path:
        query["search_path"] = search_path
    query["timezone"] = settings.load_settings().zone  # migrations read local times in the archive's zone
    login = f"{user}:{password}" if password else user
    return f"postgres://{login}@{place}/{dbname}?{urlencode(query)}"


def _client_search_path(conn: Connection) -> str | None:
    """Return the search path that the connection's URL sets, or None."""
    row = conn.execute(
        "SELECT setting FROM pg_settings WHERE name = 'search_path' AND source = 'client'"
    ).fetchone()
    return str(row[0]) if row else None


def migrate(url: str, directory: Path = MIGRATIONS_DIR) -> list[str]:
    """Apply the missing migrations of `directory` to the database. Return their file names, in order.

    Raises PipelineError with the server's message if a migration fails. The failed migration is rolled back,
    and earlier ones stay applied. Raises PipelineError before applying anything if an applied file has been
    edited or is missing, or if the database has another schema than its version says.
    """
    with connect(url) as conn:
        _refuse_other_schema(conn)
        _refuse_early_schema(conn, directory)
        _refuse_changed_files(conn, directory)
    result = subprocess.run(
        [
            _dbmate(),
            "--migrations-dir",
            str(directory),
            "--migrations-table",
            MIGRATIONS_TABLE,
            "--no-dump-schema",
            "--migration-lock",
            "--env-file",
            os.devnull,
            "migrate",
        ],
        env={**os.environ, "DATABASE_URL": _dbmate_url(url)},
        capture_output=True,
        text=True,
        check=False,
    )
    applied = [
        line.removeprefix("Applied: ").split(" in ")[0]
        for line in result.stdout.splitlines()
        if line.startswith("Applied: ")
    ]
    if result.returncode != 0:
        reason = (result.stderr or result.stdout).strip().splitlines()[-1]
        raise PipelineError(f"a migration of {describe(url)} failed and was rolled back: {reason}")
    with connect(url) as conn:
        _store_checksums(conn, directory)
    return applied


def apply_within(conn: Connection) -> list[str]:
    """Apply every migration in the current transaction of `conn`, and record each as dbmate does.

    Use it for a database without migrations, if other work must succeed or fail together with them.
    """
    conn.execute("SELECT set_config('timezone', %s, true)", (settings.load_settings().zone,))
    conn.execute(f"CREATE TABLE {MIGRATIONS_TABLE} (version character varying(128) NOT NULL PRIMARY KEY)")
    paths = sorted(MIGRATIONS_DIR.glob("*.sql"))
    for path in paths:
        statements = path.read_text(encoding="utf-8").partition(_UP)[2].partition(_DOWN)[0]
        conn.execute(statements.encode())
        conn.execute(f"INSERT INTO {MIGRATIONS_TABLE} (version) VALUES (%s)", (path.name.split("_")[0],))
    return [path.name for path in paths]


def pending_migrations(url: str) -> list[str]:
    """Return the names of the migration files that are not applied to `url`, in order.

    Raises PipelineError if an applied file has been edited or is missing, or if the pipeline's tables are in
    another schema than the one of `url`.
    """
    with connect(url) as conn:
        _refuse_other_schema(conn)
        _refuse_changed_files(conn, MIGRATIONS_DIR)
        applied = _applied(conn)
    return [path.name for version, path in _files(MIGRATIONS_DIR).items() if version not in applied]


def _files(directory: Path) -> dict[str, Path]:
    """Return the migration files by version, in order."""
    return {path.name.split("_")[0]: path for path in sorted(directory.glob("*.sql"))}


def _checksum(path: Path) -> str:
    """Return the SHA-256 of a file with LF line ends, because git may have changed them."""
    return sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def _applied(conn: Connection) -> set[str]:
    """Return the applied versions."""
    if conn.execute("SELECT to_regclass(%s)", (MIGRATIONS_TABLE,)).fetchone() == (None,):
        return set()
    return {row[0] for row in conn.execute(f"SELECT version FROM {MIGRATIONS_TABLE}")}


def _may_read(conn: Connection, table: str) -> bool:
    """Return whether the table exists and this role may read it."""
    row = conn.execute("SELECT has_table_privilege(to_regclass(%s), 'SELECT')", (table,)).fetchone()
    return bool(row and row[0])


def _refuse_changed_files(conn: Connection, directory: Path) -> None:
    """Raise PipelineError if an applied file is missing or has another content."""
    files = _files(directory)
    stored = (
        {
            row[0]: (row[1], row[2])
            for row in conn.execute(f"SELECT version, file_name, checksum FROM {CHECKSUMS_TABLE}")
        }
        if _may_read(conn, CHECKSUMS_TABLE)
        else {}
    )
    missing = sorted((_applied(conn) | set(stored)) - set(files))
    if missing:
        name = stored[missing[0]][0] if missing[0] in stored else missing[0]
        raise PipelineError(
            f"the database has migration {name}, which this version of the program does not have: a newer "
            "version migrated it. Install that version, or restore an older backup (docs/recover.md)"
        )
    edited = [files[v].name for v, (_, checksum) in stored.items() if _checksum(files[v]) != checksum]
    if edited:
        raise PipelineError(
            f"sql/migrations/{min(edited)} was edited after the database had applied it: restore the file of "
            "the installed release, and write a new migration for the change (docs/recover.md)"
        )


def _refuse_early_schema(conn: Connection, directory: Path) -> None:
    """Raise PipelineError for a database whose applied migrations were edited during development.

    Only databases from before checksums were stored are checked.
    """
    applied = _applied(conn)
    if not applied or max(applied) > early_schema.LAST_VERSION:
        return
    known = {version for version in _files(directory) if version <= max(applied)}
    if applied - known:
        return  # a file was removed; `_refuse_changed_files` reports it
    if known - applied and min(known - applied) > early_schema.LAST_EDITED:
        return  # a file was added before the last one
    found = early_schema.schema_differences(conn, max(applied))
    if found:
        others = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise PipelineError(
            "a development version from before 2026-11-22 migrated this database, or somebody has changed "
            f"it. It differs from the migrations up to {max(applied)} in: {found[0]}{others}. The "
            "schema can't be migrated, and nothing was changed. Create an empty database, copy contatos and "
            "ordens_servico to it, and run the pipeline on it (docs/recover.md)"
        )


def _refuse_other_schema(conn: Connection) -> None:
    """Raise PipelineError if the pipeline's tables are in another schema than PIPELINE_SCHEMA.

    That schema is the first one of the URL's search path. Without this error, a changed PIPELINE_SCHEMA would
    have no effect, or would create a second, empty set of tables.
    """
    wanted = (_client_search_path(conn) or "").split(",")[0].strip().strip('"')
    rows = conn.execute(
        """SELECT relnamespace::regnamespace::text, pg_table_is_visible(oid) FROM pg_class
           WHERE relname = %s AND relkind = 'r' ORDER BY NOT pg_table_is_visible(oid), 1""",
        (MIGRATIONS_TABLE,),
    ).fetchall()
    if not rows:
        return
    schema, is_visible = rows[0]
    if is_visible and (wanted in {"", schema} or "$" in wanted):
        return
    now = f"PIPELINE_SCHEMA={wanted}" if wanted else "without PIPELINE_SCHEMA"
    mend = "leave PIPELINE_SCHEMA unset" if schema == "public" else f"set PIPELINE_SCHEMA={schema}"
    raise PipelineError(
        f"nothing was changed: the pipeline's tables are in the schema {schema} of this database, and this "
        f"command looks for them elsewhere ({now}). A schema is chosen before the first migration and stays: "
        f"{mend}; for a second set of tables use another database (DATABASE_URL)"
    )


def _store_checksums(conn: Connection, directory: Path) -> None:
    """Store the checksum of each applied file that has none yet."""
    if not _may_read(conn, CHECKSUMS_TABLE):
        return
    applied = _applied(conn)
    rows = [(v, path.name, _checksum(path)) for v, path in _files(directory).items() if v in applied]
    if not rows:
        return
    conn.execute(
        f"""INSERT INTO {CHECKSUMS_TABLE} (version, file_name, checksum)
            SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) ON CONFLICT (version) DO NOTHING""",
        [list(column) for column in zip(*rows, strict=True)],
    )
