"""What Dagster is told, and keeps, of an error of the database."""

from __future__ import annotations

import traceback

import psycopg
import pytest

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.resources.database import Database

TWICE = (
    "INSERT INTO chat_files (filename, file_path, month) VALUES ('Maria', 'Maria', '2025-01'),"
    " ('Maria', 'Maria', '2025-01')"
)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (TWICE, "UniqueViolation (23505).*chat_files_file_path_chat_number_key"),
        ("SELECT 'Maria'::bigint", "InvalidTextRepresentation (22P02)"),
        ("INSERT INTO chat_files (filename, file_path, month) VALUES ('a', 'a', 'Maria')", "CheckViolation"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", "AdminShutdown (57P01)"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_no_value_of_a_row_is_in_it(database_url: str, statement: str, told: str, dry_run: bool) -> None:
    pattern = told.replace("(", r"\(").replace(")", r"\)")
    with (
        pytest.raises(PipelineError, match=pattern) as raised,
        Database(url=database_url).connect(dry_run=dry_run) as conn,
    ):
        conn.execute(statement.encode())
    # As Dagster writes an error down: its text and those of its causes.
    kept = "".join(traceback.TracebackException.from_exception(raised.value).format_exception_only())
    assert "Maria" not in kept
    assert raised.value.__cause__ is None


def _refused(database: Database) -> None:
    with database.connect() as conn:
        try:
            conn.execute("SELECT 'Maria'::bigint")
        except psycopg.DataError as error:
            raise PipelineError("it was refused") from error


def test_an_error_of_ours_sheds_the_servers_words(database_url: str) -> None:
    with pytest.raises(PipelineError, match="it was refused") as raised:
        _refused(Database(url=database_url))
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
