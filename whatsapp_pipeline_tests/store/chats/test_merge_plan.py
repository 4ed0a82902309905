"""Files that are read again: no statement reads all incoming messages once for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import connect

_FILES, _READ_AGAIN, _MESSAGES = 200, 60, 30_000


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


@pytest.mark.parametrize("name", ["messages_match", "messages_match_by_place", "messages_gone"])
def test_each_scan_of_the_incoming_messages_happens_once(fresh_database_url: str, name: str) -> None:
    with connect(fresh_database_url) as conn:
        conn.execute(
            "INSERT INTO chat_files (id, filename, file_path, month, chat_key) OVERRIDING SYSTEM VALUE"
            " SELECT n, n, n, '2025-01', n FROM generate_series(1, %s::integer) n",
            (_FILES,),
        )
        conn.execute(
            """INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type,
                                          message_text, line, body_hash)
               SELECT 1 + n %% %s, n, timestamp '2025-01-01' + n / 3 * interval '1 minute', 'from', 'text',
                      'm' || n %% 997, n, n %% 997
               FROM generate_series(1, %s::integer) n""",
            (_FILES, _MESSAGES),
        )
        conn.execute(
            """CREATE TEMP TABLE incoming_messages AS
               SELECT NULL::bigint AS id, id_chat_file, ordinal, message_timestamp, direction, sender_phone,
                      sender_name, body_hash
               FROM chat_messages WHERE id_chat_file <= %s""",
            (_READ_AGAIN,),
        )
        conn.execute("ANALYZE chat_messages, incoming_messages")
        statement = f"EXPLAIN (ANALYZE, FORMAT JSON) {queries.load(f'chats/{name}')}"
        row = conn.execute(statement.encode(), {"files": list(range(1, _READ_AGAIN + 1))}).fetchone()
    assert row is not None
    nodes = list(_nodes(row[0][0]["Plan"]))
    scans = [
        node["Actual Loops"]
        for node in nodes
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] == "incoming_messages"
    ]
    assert scans
    assert max(scans) == 1, f"a node reads all incoming messages {max(scans)} times"
    if name == "messages_match":
        # The rows to update are found by their place, also where the planner expects a single one.
        assert any(node["Node Type"] == "Tid Scan" for node in nodes)
