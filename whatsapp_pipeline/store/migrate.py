"""Bringing a database to the current schema: dbmate over `sql/migrations/`.

dbmate applies each plain SQL file in a transaction of its own, under an advisory lock, so two processes may
migrate at once and a killed one leaves nothing half done.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

from whatsapp_pipeline import settings
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import connect, describe

MIGRATIONS_DIR = PROJECT_ROOT / "sql" / "migrations"
MIGRATIONS_TABLE = "pipeline_migrations"
"""Where dbmate keeps which files it has applied."""


def _dbmate() -> str:
    beside = Path(sys.executable).parent / "dbmate"
    found = str(beside) if beside.exists() else shutil.which("dbmate")
    if found is None:
        raise PipelineError("dbmate is not installed; run `make setup`")
    return found


def _dbmate_url(url: str) -> str:
    """Spell `url` for dbmate's driver, which wants a URL and does not negotiate TLS by itself."""
    with connect(url) as conn:
        encrypted = conn.pgconn.ssl_in_use
    parts = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
    user, password = quote(parts.pop("user", ""), safe=""), quote(parts.pop("password", ""), safe="")
    dbname = quote(parts.pop("dbname", ""), safe="")
    host, port = parts.pop("host", ""), parts.pop("port", "")
    if host and not host.startswith("/"):
        place = f"{host}:{port}" if port else host
        query = {}
    else:  # a socket directory travels in the query
        place, query = "", {"host": host or "/var/run/postgresql"}
        if port:
            query["port"] = port
    query["sslmode"] = parts.get("sslmode", "require") if encrypted else "disable"
    if query["sslmode"] in {"prefer", "allow"}:
        query["sslmode"] = "require"
    for name in ("sslrootcert", "sslcert", "sslkey"):
        if name in parts:
            query[name] = parts[name]
    query["timezone"] = settings.load().zone  # migrations read local times in the archive's zone
    login = f"{user}:{password}" if password else user
    return f"postgres://{login}@{place}/{dbname}?{urlencode(query)}"


def migrate(url: str, directory: Path = MIGRATIONS_DIR) -> list[str]:
    """Apply the migrations of `directory` that `url` has not seen; return their file names, in order.

    Raises PipelineError with the server's own words when one fails; that one is rolled back whole.
    """
    result = subprocess.run(  # noqa: S603  # our own binary, no shell
        [
            _dbmate(), "--migrations-dir", str(directory), "--migrations-table", MIGRATIONS_TABLE,
            "--no-dump-schema", "--migration-lock", "--env-file", os.devnull, "migrate",
        ],
        env={**os.environ, "DATABASE_URL": _dbmate_url(url)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    applied = [
        line.removeprefix("Applied: ").split(" in ")[0]
        for line in result.stdout.splitlines()
        if line.startswith("Applied: ")
    ]
    if result.returncode != 0:
        reason = (result.stderr or result.stdout).strip().splitlines()[-1]
        raise PipelineError(f"migrating {describe(url)} failed, nothing of that file was kept: {reason}")
    return applied


def pending(url: str) -> list[str]:
    """Return the migration files that `url` has not seen, in order."""
    known = sorted(path.name for path in MIGRATIONS_DIR.glob("*.sql"))
    with connect(url) as conn:
        if conn.execute("SELECT to_regclass(%s)", (MIGRATIONS_TABLE,)).fetchone() == (None,):
            return known
        applied = {row[0] for row in conn.execute(f"SELECT version FROM {MIGRATIONS_TABLE}")}
    return [name for name in known if name.split("_")[0] not in applied]
