"""Retention by age."""

from __future__ import annotations

import logging
from datetime import date

import pytest

from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.steps.operations.retention import delete_old, first_month_kept
from whatsapp_pipeline.store.connection import Connection, connect

LOG = logging.getLogger(__name__)


@pytest.mark.parametrize(
    ("months", "today", "first"),
    [
        (None, date(2025, 12, 5), None),
        (1, date(2025, 12, 5), "2025-12"),
        (12, date(2025, 12, 31), "2025-01"),
        (12, date(2025, 11, 1), "2024-12"),
        (24, date(2026, 1, 1), "2024-02"),
    ],
)
def test_the_oldest_month_that_stays(months: int | None, today: date, first: str | None) -> None:
    assert first_month_kept(months, today) == first


def _fill(conn: Connection) -> None:
    conn.execute(
        "INSERT INTO chat_files (filename, file_path, month, chat_key) VALUES ('a', 'a', '2023-12', 'k'),"
        " ('b', 'b', '2024-01', 'k'), ('c', 'c', '2025-01', 'k')"
    )
    conn.execute(
        "INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type, line,"
        " body_hash, duplicate_of) SELECT id, 1, '2023-12-01', 'from', 'text', 1, 1, NULL FROM chat_files"
    )


def test_older_months_leave_and_it_is_on_record(fresh_database_url: str) -> None:
    with connect(fresh_database_url) as conn:
        _fill(conn)
        assert delete_old(conn, 12, today=date(2025, 1, 10), log=LOG).counts() == {"chats_deleted": 2}
        assert conn.execute("SELECT month FROM chat_files").fetchall() == [("2025-01",)]
        assert conn.execute("SELECT count(*) FROM chat_messages").fetchone() == (1,)
        assert conn.execute("SELECT action, detail->>'before' FROM audit_log").fetchall() == [
            ("retention", "2024-02")
        ]
        assert delete_old(conn, 12, today=date(2025, 1, 10), log=LOG).chats_deleted == 0


def test_the_job_deletes_records_of_views_that_are_too_old(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = build_defs({"database": Database(url=fresh_database_url)}).resolve_job_def("retention")
    monkeypatch.setenv("CONSOLE_AUDIT_MONTHS", "3")
    with connect(fresh_database_url) as conn:
        conn.execute("INSERT INTO console_users (name, level) VALUES ('ana', 'analyst')")
        conn.execute(
            """
            INSERT INTO console_views (id_user, action, subject, window_start)
            SELECT id, 'view', 'x'::bytea, now() - age
              FROM console_users, (VALUES (interval '3 months 1 hour'), ('2 months')) AS ages (age)
            """
        )
        assert job.execute_in_process().success
        assert conn.execute(
            "SELECT window_start < now() - interval '1 month' FROM console_views"
        ).fetchall() == [(True,)]
        monkeypatch.setenv("CONSOLE_AUDIT_MONTHS", "1")
        assert job.execute_in_process().success
        assert conn.execute("SELECT count(*) FROM console_views").fetchone() == (0,)


def test_the_job_does_nothing_unless_the_setting_is_there(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = build_defs({"database": Database(url=fresh_database_url)}).resolve_job_def("retention")
    with connect(fresh_database_url) as conn:
        _fill(conn)
        assert job.execute_in_process().success
        assert conn.execute("SELECT count(*) FROM chat_files").fetchone() == (3,)
        monkeypatch.setenv("RETENTION_MONTHS", "1")
        assert job.execute_in_process().success
        assert conn.execute("SELECT count(*) FROM chat_files").fetchone() == (0,)
