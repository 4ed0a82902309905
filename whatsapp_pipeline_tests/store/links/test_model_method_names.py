"""Sessions that an older release linked as `model`, and what the migration names them by."""

from __future__ import annotations

import json
from pathlib import Path

from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.migrate import migrate
from whatsapp_pipeline_tests.store.test_migrate import _migrate_through as migrate_through

Evidence = dict[str, float]
# What each session's candidates had for and against them, in log odds, and what that makes of it.
_CASES: dict[int, tuple[str, dict[int, Evidence]]] = {
    # The date links the order; device and words only agree.
    1: ("temporal_match", {10: {"when": 3.0, "device_same": 2.0, "opening_words": 0.5}}),
    # Two orders of the same day: the device chooses.
    2: (
        "equipment_match",
        {
            10: {"when": 3.0, "device_other": -2.0},
            11: {"when": 3.0, "device_same": 2.0},
        },
    ),
    # Neither date nor device is enough without the words.
    3: ("model", {10: {"when": -0.5, "device_unsaid": 0.2, "closing_words": 2.0}}),
    # The date alone would choose the other order, and so would date and device.
    4: ("model", {10: {"when": 2.0, "title_other": -1.0}, 11: {"when": 1.0, "title_same": 2.0}}),
    # The contact's small talk counts with the date: both together leave it a proposal, as it was.
    5: ("temporal_match", {10: {"when": 2.0, "small_talk": -2.5, "device_unsaid": 0.1}}),
    # The date alone gives the right order, and only a proposal: the device makes it a link.
    6: ("equipment_match", {10: {"when": -0.5, "device_same": 2.0}}),
    # Two that are close to each other are a proposal; with the words one is linked.
    7: ("model", {10: {"when": 3.0, "both_words": 2.0}, 11: {"when": 2.5}}),
}


def _write_old_links(conn: Connection) -> None:
    conn.execute("INSERT INTO contatos (id, nome) VALUES (1, 'Ana Lima')")
    conn.execute("INSERT INTO ordens_servico (id, id_contato) VALUES (10, 1), (11, 1)")
    for session, (_, candidates) in _CASES.items():
        conn.execute(
            """INSERT INTO chat_files (id, filename, file_path, month, id_contato, match_status,
                                       id_ordem_servico, order_match_method)
               OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, '2025-01', 1, 'linked', 11, 'model')""",
            (session, f"{session}.txt", f"2025/01/{session}.txt"),
        )
        conn.execute(
            """INSERT INTO chat_sessions (id, id_chat_file, number, started_at, ended_at, message_count,
                                          order_match_status, order_match_method, order_match_confidence,
                                          id_ordem_servico)
               OVERRIDING SYSTEM VALUE
               VALUES (%s, %s, 1, '2025-01-10', '2025-01-10', 3, 'linked', 'model', 0.9, 11)""",
            (session, session),
        )
        for rank, (order, evidence) in enumerate(candidates.items(), 1):
            reasons = [
                {"name": name, "value": 1, "weight": weight, "words": ""} for name, weight in evidence.items()
            ]
            conn.execute(
                "INSERT INTO order_candidates VALUES (%s, %s, %s, 0.9, 'model', %s)",
                (session, rank, order, json.dumps(reasons)),
            )


def test_stored_rows_of_the_model_get_the_name_of_what_decided(
    empty_database_url: str, tmp_path: Path
) -> None:
    migrate_through(empty_database_url, "0043", tmp_path / "before")
    with connect(empty_database_url) as conn:
        _write_old_links(conn)
        for table in ("chat_sessions", "chat_files"):
            conn.execute(f"UPDATE {table} SET order_match_method = 'override' WHERE id = 1")
        migrate(empty_database_url)
        expected = {session: method for session, (method, _) in _CASES.items()}
        candidates = conn.execute("SELECT DISTINCT id_chat_session, method FROM order_candidates ORDER BY 1")
        assert dict(candidates.fetchall()) == expected
        for table in ("chat_sessions", "chat_files"):  # of the first a person decided
            found = dict(conn.execute(f"SELECT id, order_match_method FROM {table}").fetchall())
            assert found == {**expected, 1: "override"}
