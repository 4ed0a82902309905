"""A hash of a set of rows changes with every value and with no order."""

from __future__ import annotations

import re

from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.row_hashes import sum_of_hashes


def _hash_of(url: str, *rows: str) -> object:
    statement = f"SELECT {sum_of_hashes('t')} FROM (VALUES {', '.join(rows)}) AS t (id, name, phone)"
    with connect(url) as conn:
        return conn.execute(statement.encode()).fetchone()


def test_the_order_of_rows_does_not_matter_and_each_exchanged_value_does(database_url: str) -> None:
    whole = _hash_of(database_url, "(1, 'Ana', '11')", "(2, 'Rui', '22')")
    assert whole == _hash_of(database_url, "(2, 'Rui', '22')", "(1, 'Ana', '11')")
    assert whole != _hash_of(database_url, "(1, 'Rui', '11')", "(2, 'Ana', '22')")
    assert whole != _hash_of(database_url, "(1, 'Ana', '22')", "(2, 'Rui', '11')")
    assert whole != _hash_of(database_url, "(1, 'Ana', '11')")


def test_no_statement_adds_up_the_hashes_of_rows_as_they_are() -> None:
    files = [
        *(PROJECT_ROOT / "sql/queries").rglob("*.sql"),
        *(PROJECT_ROOT / "whatsapp_pipeline").rglob("*.py"),
    ]
    found = [
        str(file.relative_to(PROJECT_ROOT))
        for file in files
        if re.search(r"sum\(\s*hash_record", file.read_text(encoding="utf-8"))
    ]
    assert not found, f"write sum(hashint8extended(hash_record_extended(…, 0), 0)) in {', '.join(found)}"
