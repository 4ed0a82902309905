"""What the console's home page counts, against plain rows."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations.home import MonthOfChats, PipelineHealth, coverage_and_checks

# Month, status of the link, has a customer, is a group, state of processing, and whether it is a copy.
CHATS = [
    ("2025-01", "linked", True, False, "loaded", False),
    ("2025-01", "manual", True, False, "loaded", False),
    ("2025-01", "manual", False, False, "loaded", False),  # decided: nobody's
    ("2025-01", "proposed", True, False, "loaded", False),
    ("2025-01", "linked", True, True, "loaded", False),
    ("2025-01", "linked", True, False, "vanished", False),
    ("2025-01", "linked", True, False, "loaded", True),
    ("2025-02", "group", False, True, "loaded", False),  # a month of groups alone is none
    ("2025-03", "unmatched", False, False, "failed", False),
    ("2025-05", "linked", True, False, "pending", False),
    ("2025-05", "ambiguous", False, False, "loaded", False),
]


@pytest.fixture
def chats(conn: Connection) -> Iterator[Connection]:
    """A connection inside a transaction that is rolled back."""
    with conn.transaction(force_rollback=True):
        _write_chats(conn)
        yield conn


def _write_chats(conn: Connection) -> None:
    conn.execute("INSERT INTO contatos (id, nome) VALUES (1, 'Ana')")
    for number, (month, status, known, group, state, is_copy) in enumerate(CHATS):
        conn.execute(
            "INSERT INTO chat_files (filename, file_path, month, title, id_contato, match_status, is_group,"
            " processing_status, duplicate_of) VALUES (%(name)s, %(name)s, %(month)s, 'x', %(contact)s,"
            " %(status)s, %(group)s, %(state)s,"
            " CASE WHEN %(copy)s THEN (SELECT min(id) FROM chat_files) END)",
            {
                "name": f"f{number}",
                "month": month,
                "contact": 1 if known else None,
                "status": status,
                "group": group,
                "state": state,
                "copy": is_copy,
            },
        )


@pytest.mark.parametrize("months", [2, 12])
def test_coverage_has_the_newest_months_with_chats_of_one_person(chats: Connection, months: int) -> None:
    expected = [
        MonthOfChats("2025-05", 2, 1),
        MonthOfChats("2025-03", 1, 0),
        MonthOfChats("2025-01", 4, 2),
    ]
    assert coverage_and_checks(chats, months=months, checks=1)[0] == expected[:months]


def test_coverage_follows_a_decision_at_once(chats: Connection) -> None:
    chats.execute("UPDATE chat_files SET match_status = 'manual', id_contato = 1 WHERE month = '2025-03'")
    chats.execute("DELETE FROM chat_files WHERE month = '2025-05' AND match_status = 'ambiguous'")
    months, _, _ = coverage_and_checks(chats, months=2, checks=1)
    assert months == [MonthOfChats("2025-05", 1, 1), MonthOfChats("2025-03", 1, 1)]


def test_coverage_is_counted_in_its_index(chats: Connection) -> None:
    chats.execute("SET LOCAL enable_seqscan = off")
    with psycopg.ClientCursor(chats) as cursor:
        cursor.execute("EXPLAIN " + queries.load("operations/coverage_by_month"), (12,))
        scans = [line for (line,) in cursor if "Scan" in line and "chat_files" in line]
    assert scans
    assert all("Index Only Scan" in line and "chat_files_coverage_idx" in line for line in scans), scans


def test_health_counts_what_waits_and_what_was_not_read(conn: Connection) -> None:
    with conn.transaction(force_rollback=True):
        conn.execute(
            "INSERT INTO webhook_inbox (delivery_id, received_at, status)"
            " SELECT gen_random_uuid(), now() - n * interval '1 minute', status"
            " FROM (VALUES ('done', 90), ('pending', 5), ('pending', 7), ('parked', 30), ('dead', 40),"
            " ('dead', 50)) AS v (status, n)"
        )
        conn.execute(
            "INSERT INTO exceptions (stage, file_path, month, line, kind, severity, detail)"
            " SELECT stage, file, '2025-01', line, 'unreadable', severity, 'x'"
            " FROM (VALUES ('chat_messages', 'a', 1, 'warning'), ('chat_messages', 'a', 2, 'error'),"
            " ('chat_file_index', 'b', 1, 'error'), ('chat_messages', 'c', 1, 'info'),"
            " ('tiny_contacts', 'd', 1, 'error')) AS v (stage, file, line, severity)"
        )
        _, _, health = coverage_and_checks(conn, months=1, checks=1)
        assert health == PipelineHealth(2, 3, 2, 420, 1, 2)
        assert conn.execute("SELECT * FROM unread_counts").fetchall() == [("2025-01", 2, 3, 2)]


def test_deliveries_that_are_done_are_not_read_for_it(conn: Connection) -> None:
    with conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL enable_seqscan = off")
        plan = [line for (line,) in conn.execute("EXPLAIN SELECT * FROM webhook_health")]
    assert sum("webhook_inbox_pending_idx" in line for line in plan) == 1, plan
    assert sum("webhook_inbox_held_idx" in line for line in plan) == 1, plan
    assert not any("Seq Scan" in line for line in plan), plan


def test_an_empty_database_has_no_months(conn: Connection) -> None:
    assert coverage_and_checks(conn, months=12, checks=12) == ([], [], PipelineHealth(0, 0, 0, 0, 0, 0))
