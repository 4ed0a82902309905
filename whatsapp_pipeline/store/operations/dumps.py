"""Writing and loading dumps of a database by pg_dump, pg_restore and psql.

What belongs here: the commands, the exact row counts of a dump, and scratch databases. What does not: the
folder, retention and times of dumps (steps/operations/backup.py).
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TypeAlias
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection, connect, describe, one_row
from whatsapp_pipeline.store.pg_tools import Programs, environment

UNDUMPED = ("pipeline_erp_tokens",)
"""The pipeline's tables whose rows are not in dumps.

They have secrets that expire before a dump is deleted.
"""
RowProgress: TypeAlias = Callable[[int], Callable[[int], None]]
"""A function that receives the total number of rows.

It returns a function that receives the number of finished rows.
"""
_ROWS_AT_ONCE = 10_000
_DUMPED_TABLE = re.compile(r'dumping contents of table "(.+)"')
# All tables except those that dumps do not contain: tables of the server's own schemas and of extensions.
_OWN_TABLES = """
    SELECT n.nspname, c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND n.nspname !~ '^pg_(toast|temp)'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    ORDER BY 1, 2
"""


def count_tables(conn: Connection) -> dict[str, int]:
    """Return the row count of every table, by `schema.table`."""
    counts = {}
    for schema, table in conn.execute(_OWN_TABLES).fetchall():
        row = conn.execute(
            sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
        ).fetchone()
        counts[f"{schema}.{table}"] = int(row[0]) if row else 0
    return counts


def has_no_tables(conn: Connection) -> bool:
    """Return whether the database has no tables."""
    return conn.execute(_OWN_TABLES).fetchone() is None


def _undumped(conn: Connection) -> list[tuple[str, str]]:
    """Return the tables of `UNDUMPED` in all schemas, as (schema, table). A dump contains all schemas."""
    return [(schema, table) for schema, table in conn.execute(_OWN_TABLES) if table in UNDUMPED]


def count_dumped(conn: Connection) -> dict[str, int]:
    """Return the row count of every table whose rows a dump contains, by `schema.table`."""
    without = {f"{schema}.{table}" for schema, table in _undumped(conn)}
    return {name: rows for name, rows in count_tables(conn).items() if name not in without}


def _no_progress(total: int) -> Callable[[int], None]:
    return lambda rows: None


def dump(
    url: str, programs: Programs, target: Path, *, progress: RowProgress = _no_progress
) -> dict[str, int]:
    """Write a dump of the database to `target` (custom format). Return the row count of each table in it.

    For the tables `UNDUMPED`, the dump has only the definition. Dump and counts use the same snapshot. Raises
    PipelineError with pg_dump's message if it fails.
    """
    with connect(url, application_name="whatsapp-pipeline backup") as conn, conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        row = one_row(conn.execute("SELECT pg_export_snapshot()"))
        counts, without = count_dumped(conn), _undumped(conn)
        _run_dump(
            [
                programs.path("pg_dump"),
                "--verbose",
                "--format=custom",
                "--no-owner",
                "--no-privileges",
                f"--snapshot={row[0]}",
                f"--file={target}",
                *(f"--exclude-table-data={sql.Identifier(*name).as_string()}" for name in without),
            ],
            url,
            counts,
            progress(sum(counts.values())),
        )
    return counts


def _run_dump(
    command: list[str], url: str, counts: Mapping[str, int], advance: Callable[[int], None]
) -> None:
    """Run pg_dump. The rows of a table are reported when pg_dump starts with the next table."""
    said = []
    rows = 0
    with subprocess.Popen(
        command, env={**environment(url), "LC_ALL": "C"}, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stderr is not None  # piped above
        for line in process.stderr:
            if (table := _DUMPED_TABLE.search(line)) is None:
                said.append(line)
                continue
            advance(rows)
            rows = counts.get(table[1], 0)
    if process.returncode != 0:
        reason = _reason("".join(said)) if said else f"it ended with {process.returncode}"
        raise PipelineError(f"pg_dump of {describe(url)} failed: {reason}")
    advance(rows)


def listed_tables(programs: Programs, source: Path) -> int:
    """Return the number of tables with data in the dump. Raises PipelineError if the dump can't be read."""
    listing = _run(
        [programs.path("pg_restore"), "--list", str(source)], None, f"{source.name} is no readable backup"
    )
    # Names are not compared, because the listing has schema, table and owner in one line without quotes.
    return sum(" TABLE DATA " in line and not line.startswith(";") for line in listing.splitlines())


def load_dump(
    url: str,
    programs: Programs,
    source: Path,
    *,
    clean: bool,
    advance: Callable[[int], None] = lambda rows: None,
) -> None:
    """Load the dump into the database at `url` in one transaction.

    With `clean`, objects that the dump contains are dropped first. `advance` receives the number of rows that
    were sent since the last call. The rows of the tables `UNDUMPED` do not change. Raises PipelineError, and
    changes nothing, if any statement fails.
    """
    command = [programs.path("pg_restore"), "--no-owner", "--no-privileges", "--file=-", str(source)]
    if clean:
        command[1:1] = ["--clean", "--if-exists"]
    psql = [programs.path("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction", "--file=-"]
    with connect(url) as conn:
        major = conn.info.server_version // 10000
        kept = [sql.Identifier(*name).as_string(conn) for name in _undumped(conn)] if clean else []
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader,
        subprocess.Popen(
            psql,
            env=environment(url),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as writer,
    ):
        assert reader.stdout is not None  # piped above, as the others
        assert reader.stderr is not None
        assert writer.stdin is not None
        assert writer.stderr is not None
        with contextlib.suppress(BrokenPipeError):  # psql stopped early; its error message follows
            _pass_on(_with_rows_counted(reader.stdout, advance), writer.stdin, major, kept)
        with contextlib.suppress(BrokenPipeError):
            writer.stdin.close()
        said = writer.stderr.read().decode(errors="replace")
        writer.wait()
        if writer.returncode:
            reader.kill()
        complaint = reader.stderr.read().decode(errors="replace")
    if writer.returncode or reader.returncode:
        raise PipelineError(
            f"restoring {source.name} into {describe(url)} failed and changed nothing: "
            f"{_reason(said if writer.returncode else complaint)}"
        )


def _with_rows_counted(script: Iterable[bytes], advance: Callable[[int], None]) -> Iterator[bytes]:
    """Yield the lines of a script, and report the rows in its COPY commands, which are one line each."""
    is_copying, rows = False, 0
    for line in script:
        yield line
        if not is_copying:
            is_copying = line.startswith(b"COPY ") and line.rstrip().endswith(b" FROM stdin;")
        elif line.rstrip() == b"\\.":
            advance(rows)
            is_copying, rows = False, 0
        elif (rows := rows + 1) == _ROWS_AT_ONCE:
            advance(rows)
            rows = 0


def _pass_on(script: Iterable[bytes], target: IO[bytes], server_major: int, kept: Sequence[str]) -> None:
    """Write the script to `target`.

    A setting in its first lines that servers before version 17 do not have is left out. The rows of the
    tables `kept` are saved before the script and restored after it.
    """
    for place, table in enumerate(kept):
        target.write(f"CREATE TEMP TABLE kept_{place} ON COMMIT DROP AS TABLE {table};\n".encode())
    for number, line in enumerate(script):
        if server_major < 17 and number < 60 and line.startswith(b"SET transaction_timeout"):
            continue
        target.write(line)
    for place, table in enumerate(kept):
        again = f"INSERT INTO {table} TABLE pg_temp.kept_{place} ON CONFLICT DO NOTHING;\n"
        target.write(again.encode())


@contextlib.contextmanager
def scratch_database(url: str) -> Iterator[str]:
    """Create an empty database on the server of `url`, yield its URL, and drop it.

    Raises psycopg.errors.InsufficientPrivilege if the role may not create databases.
    """
    name = f"backup_check_{uuid4().hex[:12]}"
    with connect(url) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        try:
            yield make_conninfo(url, dbname=name)
        finally:
            # The server may have ended; the name of the database shows that it can be dropped.
            with contextlib.suppress(psycopg.OperationalError):
                conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def count_differences(expected: Mapping[str, int], found: Mapping[str, int]) -> list[str]:
    """Return the tables whose row counts differ, as `table: expected, found`."""
    return [
        f"{table}: {expected.get(table, 0):,} expected, {found.get(table, 0):,} found"
        for table in sorted({*expected, *found})
        if expected.get(table) != found.get(table)
    ]


def _run(command: list[str], url: str | None, failed: str) -> str:
    result = subprocess.run(
        command, env=environment(url) if url else None, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        said = _reason(result.stderr) if result.stderr.strip() else f"it ended with {result.returncode}"
        raise PipelineError(f"{failed}: {said}")
    return result.stdout


def _reason(said: str) -> str:
    """Return the first line with an error.

    DETAIL and CONTEXT lines are left out, because they may contain rows.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next(
        (line for line in lines if "error:" in line.lower()), lines[0] if lines else "no reason given"
    )
