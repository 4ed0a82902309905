"""`whatsapp-pipeline status` as a person reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.prepared import FILES, MONTHS

COMMAND = [sys.executable, "-c", "from whatsapp_pipeline.cli import main; main()", "status"]


def _status(url: str, *arguments: str) -> str:
    result = subprocess.run(
        [*COMMAND, *arguments],
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


def test_both_tables_say_what_the_json_does(prepared_url: str) -> None:
    told = json.loads(_status(prepared_url, "--json"))
    tables, months = _status(prepared_url).split("\n\n")[:2]
    assert [line.split() for line in tables.splitlines()] == [
        [name, f"{rows:,}"] for name, rows in told["tables"].items()
    ]
    assert len({len(line) for line in tables.splitlines()}) == 1  # numbers end below one another
    heads, *lines = [line.split() for line in months.splitlines()]
    assert heads == list(told["months"][0])
    assert [line[0] for line in lines] == list(MONTHS)
    assert sum(int(line[heads.index("files")]) for line in lines) >= FILES
    assert lines == [
        [f"{v:,}" if isinstance(v, int) else v for v in month.values()] for month in told["months"]
    ]


def test_exceptions_add_up_to_the_rows_of_their_table(prepared_url: str) -> None:
    with connect(prepared_url) as conn:
        conn.execute(
            "INSERT INTO exceptions (stage, file_path, month, kind, severity, detail) VALUES"
            " ('t', 'a', '2025-01', 'k', 'info', 'x'), ('t', 'b', NULL, 'k', 'error', 'x'),"
            " ('t', 'c', '1999-01', 'k', 'error', 'x')"
        )
    try:
        told = json.loads(_status(prepared_url, "--json"))
        text = _status(prepared_url)
    finally:
        with connect(prepared_url) as conn:
            conn.execute("DELETE FROM exceptions WHERE stage = 't'")
    elsewhere = told["exceptions_of_no_month"]
    assert elsewhere >= 2
    assert sum(month["exceptions"] for month in told["months"]) + elsewhere == told["tables"]["exceptions"]
    assert f"{elsewhere} more exception(s) without a month" in text


def test_an_empty_database_has_no_months(fresh_database_url: str) -> None:
    assert _status(fresh_database_url).splitlines()[0].split() == ["contatos", "0"]
    assert "\n\n" not in _status(fresh_database_url)
