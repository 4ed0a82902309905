from __future__ import annotations

from hashlib import sha512

import pytest

from whatsapp_pipeline.store import exceptions
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.exceptions import ExceptionRow


def row(path: str, line: int | None = 1, kind: str = "odd", severity: str = "warning") -> ExceptionRow:
    return ExceptionRow("chat_messages", path, 1, "2025-01", line, kind, severity, "why")


@pytest.fixture
def table(conn: Connection) -> Connection:
    conn.execute("TRUNCATE exceptions")
    return conn


def stored(conn: Connection) -> dict[tuple[str, int | None], tuple[int, str]]:
    rows = conn.execute("SELECT file_path, line, id, created_at::text || severity FROM exceptions").fetchall()
    return {(path, line): (id_, rest) for path, line, id_, rest in rows}


def test_findings_are_replaced_as_a_set(table: Connection) -> None:
    exceptions.replace_for_files(
        table, "chat_messages", ["a", "b"], [row("a"), row("a", 2), row("a"), row("b")]
    )
    before = stored(table)
    assert set(before) == {("a", 1), ("a", 2), ("b", 1)}
    exceptions.replace_for_files(table, "chat_messages", ["a"], [row("a", 2), row("a", None)])
    after = stored(table)
    assert set(after) == {("a", 2), ("a", None), ("b", 1)}
    assert {key: after[key] for key in after if key in before} == {
        key: before[key] for key in before if key in after
    }
    exceptions.replace_for_files(table, "chat_messages", ["a", "b"], [])
    assert stored(table) == {}


def test_a_path_and_a_detail_may_be_longer_than_a_row_of_an_index(table: Connection) -> None:
    # Of nothing that repeats, or the server would press it into a short row.
    noise = "".join(sha512(str(n).encode()).hexdigest() for n in range(60))
    path = f"2025/01/Conversa de Antônio/{noise}.txt"
    found = row(path)._replace(detail=f"línea 1: {noise}")
    other = found._replace(detail=found.detail + "!")
    for rows in ([found], [found, other], [found, other]):
        assert exceptions.replace_for_files(table, "chat_messages", [path], rows) == len(rows)
    assert exceptions.list_findings(table, month=None, kind=None, limit=9) == [found, other]
    exceptions.replace_for_files(table, "chat_messages", [path], [other])
    assert exceptions.list_findings(table, month=None, kind=None, limit=9) == [other]
    exceptions.replace_for_kind(table, "chat_messages", "odd", "2025-01", [found])
    assert exceptions.list_findings(table, month=None, kind=None, limit=9) == [found]


def test_a_finding_that_got_worse_keeps_its_row(table: Connection) -> None:
    exceptions.replace_for_files(table, "chat_messages", ["a"], [row("a")])
    [(id_, _)] = stored(table).values()
    exceptions.replace_for_files(table, "chat_messages", ["a"], [row("a", severity="error")])
    [(same, rest)] = stored(table).values()
    assert same == id_
    assert rest.endswith("error")


def test_kinds_of_a_month_are_replaced_alone(table: Connection) -> None:
    exceptions.replace_for_files(table, "chat_messages", ["a"], [row("a"), row("a", 2, "other")])
    exceptions.replace_for_kind(table, "chat_messages", "odd", None, [])
    assert len(stored(table)) == 2
    exceptions.replace_for_kind(table, "chat_messages", "odd", "2025-01", [])
    assert set(stored(table)) == {("a", 2)}


def test_the_gravest_come_first(table: Connection) -> None:
    rows = [row("a", 1, severity="info"), row("b", 2, severity="error"), row("c", 3)]
    exceptions.replace_for_files(table, "chat_messages", ["a", "b", "c"], rows)
    found = exceptions.list_findings(table, month="2025-01", kind=None, limit=2)
    assert [finding.severity for finding in found] == ["error", "warning"]
    assert exceptions.count_findings(table, month=None, kind="odd") == 3
    assert exceptions.list_findings(table, month="2024-01", kind=None, limit=9) == []
