"""Chats and sessions in doubt, beside the people of people.py, for the tests of review.

Chats `D1` to `D3` have Rui's phone and no sure customer, `D4` is proposed for Ana and has no phone, and the
second session of Ana's chat is proposed for order 70.
"""

from __future__ import annotations

import json

from whatsapp_pipeline.store.connection import Connection, connect

EVIDENCE = [
    {"name": "prior", "value": 1.0, "weight": -3.0, "words": "before anything is known"},
    {"name": "name", "value": 0.9, "weight": 4.5, "words": "name <b>rui</b>"},
    {"name": "area", "value": 1.0, "weight": -0.5, "words": "another area code"},
]


def write_doubts(url: str) -> dict[str, int]:
    """Write them; return the id of each chat by its name."""
    with connect(url) as conn, conn.transaction():
        chats = {
            name: add_doubt(conn, name, status, phone, messages)
            for name, status, phone, messages in (
                ("D1", "ambiguous", "4199990008", 40),
                ("D2", "ambiguous", "4199990008", 3),
                ("D3", "unmatched", "4199990008", 2),
                ("D4", "proposed", None, 20),
            )
        }
        add_candidates(conn, chats["D1"], [(8, 0.7), (7, 0.2)])
        add_candidates(conn, chats["D2"], [(8, 0.6)])
        add_candidates(conn, chats["D4"], [(7, 0.8)])
        add_session_doubt(conn)
    return chats


def add_doubt(conn: Connection, name: str, status: str, phone: str | None, messages: int) -> int:
    """Write a chat of some messages and return its id."""
    row = conn.execute(
        """
        INSERT INTO chat_files (filename, file_path, month, title, phone_key, match_status, processing_status,
                                message_count, first_message_at, last_message_at)
        VALUES (%(name)s, %(name)s, '2025-01', %(name)s, %(phone)s, %(status)s, 'loaded', %(count)s,
                '2025-01-10 10:00', '2025-01-10 18:00') RETURNING id
        """,
        {"name": name, "phone": phone, "status": status, "count": messages},
    ).fetchone()
    assert row is not None
    conn.execute(
        """
        INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type, message_text,
                                   line, body_hash)
        SELECT %s, n, '2025-01-10 10:00'::timestamp + n * interval '1 minute', 'from', 'text',
               'conversa ' || %s || ' ' || n, n, n FROM generate_series(1, %s) n
        """,
        (row[0], name, messages),
    )
    return int(row[0])


def add_candidates(conn: Connection, chat: int, candidates: list[tuple[int, float]]) -> None:
    """Write the contacts that a chat may belong to, the best first."""
    for rank, (contact, confidence) in enumerate(candidates, 1):
        conn.execute(
            "INSERT INTO match_candidates (id_chat_file, rank, id_contato, confidence, method, evidence)"
            " VALUES (%s, %s, %s, %s, 'name', %s)",
            (chat, rank, contact, confidence, json.dumps(EVIDENCE)),
        )


def add_session_doubt(conn: Connection) -> tuple[int, int]:
    """Write the second session of Ana's chat, whose order is in doubt; return the ids of chat and session."""
    row = conn.execute(
        """
        INSERT INTO chat_sessions (id_chat_file, number, started_at, ended_at, message_count,
                                   order_match_status)
        SELECT id, 2, '2025-01-05 12:00', '2025-01-05 13:00', 7, 'proposed'
          FROM chat_files WHERE filename = 'A' RETURNING id_chat_file, id
        """
    ).fetchone()
    assert row is not None
    for rank, order in enumerate((70, 71), 1):
        conn.execute(
            "INSERT INTO order_candidates (id_chat_session, rank, id_ordem_servico, confidence, method,"
            " evidence) VALUES (%s, %s, %s, %s, 'model', %s)",
            (row[1], rank, order, 0.6 / rank, json.dumps(EVIDENCE)),
        )
    return int(row[0]), int(row[1])


def add_live_doubt(conn: Connection, number: str, name: str, messages: int) -> int:
    """Write a live conversation with a phone that two contacts could have; return its id."""
    row = conn.execute(
        """
        INSERT INTO conversations (external_id, phone_number_id, profile_name, match_status)
        VALUES (%s, 'shop', %s, 'ambiguous') RETURNING id
        """,
        (f"55{number}", name),
    ).fetchone()
    assert row is not None
    conn.execute(
        "INSERT INTO conversation_identities (phone_number_id, value, kind, canonical, phone_key,"
        " conversation_id) VALUES ('shop', %s, 'wa_id', %s, %s, %s)",
        (f"55{number}", f"+55{number}", number, row[0]),
    )
    conn.execute(
        """
        INSERT INTO conversation_messages (conversation_id, role, type, text, origin, phone_number_id,
                                           message_key, sent_at, inbox_id)
        SELECT %s, 'user', 'text', 'ao vivo ' || n, 'message', 'shop', 'live' || %s::text || n,
               '2025-02-10 12:00+00'::timestamptz + n * interval '1 minute', 100 + n
          FROM generate_series(1, %s) n
        """,
        (row[0], number, messages),
    )
    for rank, (contact, confidence) in enumerate(((8, 0.6), (7, 0.3)), 1):
        conn.execute(
            "INSERT INTO conversation_candidates (id_conversation, rank, id_contato, confidence, method,"
            " evidence) VALUES (%s, %s, %s, %s, 'phone', %s)",
            (row[0], rank, contact, confidence, json.dumps(EVIDENCE)),
        )
    return int(row[0])
