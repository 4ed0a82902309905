"""What people decide about files: those that are no chats, and how a file is read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from whatsapp_pipeline.store.chats import ignored
from whatsapp_pipeline.store.chats.parse_options import set_parse_options
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.steps.links.linking_rows import add_chat
from whatsapp_pipeline_tests.webhook.deliveries import rows


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as conn, conn.transaction(force_rollback=True):
        yield conn


def add_finding(conn: Connection, path: str) -> None:
    conn.execute(
        "INSERT INTO exceptions (stage, file_path, kind, severity, detail)"
        " VALUES ('s', %s, 'k', 'info', 'd')",
        (path,),
    )


def test_an_ignored_file_counts_nowhere(conn: Connection) -> None:
    for path in ("a", "b"):
        add_chat(conn, "x", path=path)
        add_finding(conn, path)
    add_finding(conn, "c")
    assert [ignored.is_known(conn, path) for path in ("a", "c", "d")] == [True, True, False]
    ignored.ignore_file(conn, "a", reason="uma nota", made_by="ana")
    assert not ignored.is_known(conn, "a")
    assert rows(conn, "SELECT file_path FROM chat_files") == [("b",)]
    assert rows(conn, "SELECT file_path FROM exceptions ORDER BY 1") == [("b",), ("c",)]
    ignored.ignore_file(conn, "0", reason="outra", made_by="ana")
    ignored.ignore_file(conn, "a", reason="uma lista", made_by="bia")
    assert [file[:3] for file in ignored.ignored_files(conn)] == [
        ("0", "outra", "ana"),
        ("a", "uma lista", "bia"),
    ]
    assert ignored.ignored_paths(conn) == {"0", "a"}
    assert ignored.stop_ignoring(conn, "a")
    assert not ignored.stop_ignoring(conn, "a")
    assert ignored.ignored_paths(conn) == {"0"}


def test_the_messages_of_a_file_are_counted(conn: Connection) -> None:
    for path, count in (("a", 2), ("b", 1), ("c", 0)):
        chat = add_chat(conn, "x", path=path)
        for ordinal in range(1, count + 1):
            conn.execute(
                "INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, type, line, body_hash)"
                " VALUES (%s, %s, now(), 'text', 1, 1)",
                (chat, ordinal),
            )
    assert [ignored.loaded_messages(conn, path) for path in ("a", "b", "c", "d")] == [2, 1, 0, 0]


def test_options_are_set_for_a_file_or_a_month_and_taken_back(conn: Connection) -> None:
    for path, month in (("b", "2025-01"), ("a", "2025-01"), ("c", "2025-02"), ("d", "2025-01")):
        add_chat(conn, "x", path=path, month=month)
    conn.execute("UPDATE chat_files SET processing_status = 'vanished' WHERE file_path = 'd'")
    conn.execute('UPDATE chat_files SET parse_options = \'{"owner": "x", "zone": "y"}\'')
    stored = "SELECT file_path, parse_options FROM chat_files ORDER BY 1"
    before = {"owner": "x", "zone": "y"}
    chosen = set_parse_options(conn, {"zone": None, "date_order": "DMY"}, path=None, month="2025-01")
    assert chosen == [("2025-01", "a"), ("2025-01", "b")]
    after = {"owner": "x", "date_order": "DMY"}
    assert rows(conn, stored) == [("a", after), ("b", after), ("c", before), ("d", before)]
    assert set_parse_options(conn, {"owner": "z"}, path="c", month=None) == [("2025-02", "c")]
    assert dict(rows(conn, stored))["c"] == {"owner": "z", "zone": "y"}
    written = "SELECT updated_at FROM chat_files WHERE file_path = 'c'"
    conn.execute("UPDATE chat_files SET updated_at = '2000-01-01'")
    assert set_parse_options(conn, {"owner": "z"}, path="c", month=None) == [("2025-02", "c")]
    assert str(rows(conn, written)[0][0]).startswith(("1999", "2000"))  # it was right already
    assert set_parse_options(conn, {"owner": "z"}, path="none", month=None) == []
