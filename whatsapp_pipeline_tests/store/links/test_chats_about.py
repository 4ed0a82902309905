"""The chats that a decision is about: the lookup by indexes finds those of the condition."""

from __future__ import annotations

import pytest

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links.overrides import ABOUT, CHATS_ABOUT, chats_about
from whatsapp_pipeline_tests.steps.links.linking_rows import add_chat

PHONE, OTHER = "4199990001", "4199990002"


@pytest.fixture
def decided(conn: Connection) -> Connection:
    """Chats with a phone in the title, in headers, in both; groups; a file with two chats; like titles."""
    add_chat(conn, "+55 41 99999-0001", path="a.txt")
    add_chat(conn, "Ana", path="b.txt", headers=(("+55 41 99999-0001", PHONE),))
    add_chat(conn, " ana ", path="c.txt", headers=(("+55 41 99999-0002", OTHER), ("x", PHONE)))
    add_chat(conn, "+55 41 99999-0002", path="d.txt", headers=(("+55 41 99999-0001", PHONE),))
    add_chat(conn, "Turma", path="e.txt", headers=(("+55 41 99999-0001", PHONE),))
    conn.execute("UPDATE chat_files SET is_group = true WHERE file_path = 'e.txt'")
    conn.execute(
        "INSERT INTO chat_files (filename, file_path, chat_number, month, title)"
        " VALUES ('b.txt', 'b.txt', 2, '2025-01', 'ANA')"
    )
    conn.execute(
        "INSERT INTO link_overrides (target_kind, target, chat_number, decision, reason, made_by)"
        " VALUES ('phone', %(phone)s, NULL, 'no_contact', 'r', 'm'),"
        " ('phone', %(other)s, NULL, 'no_contact', 'r', 'm'), ('title', 'ana', NULL, 'no_contact', 'r', 'm'),"
        " ('file', 'b.txt', NULL, 'no_contact', 'r', 'm'), ('file', 'b.txt', 2, 'no_contact', 'r', 'm'),"
        " ('file', 'none.txt', NULL, 'no_contact', 'r', 'm')",
        {"phone": PHONE, "other": OTHER},
    )
    return conn


def test_the_lookup_finds_the_chats_of_the_condition(decided: Connection) -> None:
    found = {}
    for join in (f"JOIN chat_files f ON {ABOUT}", f"CROSS JOIN {CHATS_ABOUT}"):
        rows = decided.execute(
            "SELECT o.target, o.chat_number, f.file_path, f.chat_number FROM link_overrides o "
            f"{join} ORDER BY 1, 2, 3, 4"
        ).fetchall()
        found[join] = rows
    by_condition, by_lookup = found.values()
    assert by_lookup == by_condition
    assert {(row[0], row[1]): [] for row in by_lookup}.keys() == {
        (PHONE, None),
        (OTHER, None),
        ("ana", None),
        ("b.txt", None),
        ("b.txt", 2),
    }
    assert [row[2] for row in by_lookup if row[0] == PHONE] == ["a.txt", "b.txt"]
    assert [row[2:] for row in by_lookup if row[0] == "ana"] == [("b.txt", 1), ("b.txt", 2), ("c.txt", 1)]
    ((title,),) = decided.execute("SELECT id FROM link_overrides WHERE target_kind = 'title'").fetchall()
    assert len(chats_about(decided, title)) == 3
