"""Resolving replies stays quick where the server's statistics know nothing of what was just loaded."""

from __future__ import annotations

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import connect

_MESSAGES = 30_000


def test_each_reply_is_looked_up_by_its_time_whatever_the_statistics_say(fresh_database_url: str) -> None:
    with connect(fresh_database_url) as conn:
        conn.execute("ALTER TABLE chat_messages SET (autovacuum_enabled = false)")
        conn.execute(
            "INSERT INTO chat_files (id, filename, file_path, month, chat_key)"
            " OVERRIDING SYSTEM VALUE VALUES (1, 'a', 'a', '2025-01', 'k')"
        )
        fill = """
            INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type,
                                       message_text, responding_to, reply_timestamp, line, body_hash)
            SELECT 1, n, timestamp '2025-01-01' + n * interval '1 minute', 'from', 'text', 'm' || n,
                   'm' || n - 1, timestamp '2025-01-01' + (n - 1) * interval '1 minute', n, n
            FROM generate_series(%s::integer, %s) n"""
        conn.execute(fill, (1, 3))
        conn.execute("ANALYZE chat_messages")  # and now ten thousand times as many
        conn.execute(fill, (4, _MESSAGES))
        ids = [row[0] for row in conn.execute("SELECT id FROM chat_messages WHERE ordinal > 1")]
        statement = queries.load("chats/messages_resolve_replies")
        plan = "\n".join(row[0] for row in conn.execute(f"EXPLAIN {statement}".encode(), (ids,)))
        assert "Index Scan using chat_messages_timestamp_idx on chat_messages c" in plan, plan
        conn.execute("SET statement_timeout = '60s'")
        assert conn.execute(statement, (ids,)).rowcount == _MESSAGES - 1
