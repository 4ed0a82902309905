"""Chats for the tests of summaries and search, put into the tables as the loader leaves them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from whatsapp_pipeline.store.connection import Connection

START = datetime(2025, 1, 6, 9, 0)  # a Monday


class Said(NamedTuple):
    """A message: minutes after START, side and text."""

    minute: float
    side: str | None
    text: str


def add_contact(conn: Connection, number: int, name: str = "Cliente de Teste") -> None:
    """Put a contact into contatos."""
    conn.execute("INSERT INTO contatos (id, nome) VALUES (%s, %s)", (number, name))


def add_chat(
    conn: Connection, contact: int | None, path: str, messages: Iterable[Said], *, status: str = "linked"
) -> int:
    """Put a loaded chat of a contact into the tables; return its id."""
    said = list(messages)
    times = [START + timedelta(minutes=message.minute) for message in said]
    row = conn.execute(
        "INSERT INTO chat_files (filename, file_path, month, id_contato, match_status, processing_status,"
        " first_message_at, last_message_at, message_count)"
        " VALUES (%s, %s, '2025-01', %s, %s, 'loaded', %s, %s, %s) RETURNING id",
        (path, path, contact, status, min(times), max(times), len(said)),
    ).fetchone()
    assert row is not None
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type,"
            " message_text, line, body_hash) VALUES (%s, %s, %s, %s, 'text', %s, %s, %s)",
            [
                (row[0], number, at, message.side, message.text, number, zlib.crc32(message.text.encode()))
                for number, (at, message) in enumerate(zip(times, said, strict=True), start=1)
            ],
        )
    return int(row[0])


def add_webhook(
    conn: Connection, contact: int | None, messages: Iterable[Said], *, status: str = "linked"
) -> int:
    """Put a live conversation of a contact, or of nobody, into the tables; return its id."""
    row = conn.execute(
        "INSERT INTO conversations (external_id, phone_number_id, id_contato, match_status)"
        " VALUES (%s, '1', %s, %s) RETURNING id",
        (f"contact-{contact}", contact, status),
    ).fetchone()
    assert row is not None
    roles = {"from": "user", "to": "assistant"}
    for number, message in enumerate(messages):
        conn.execute(
            "INSERT INTO conversation_messages (conversation_id, role, text, origin, phone_number_id,"
            " message_key, sent_at)"
            " VALUES (%s, %s, %s, 'message', '1', %s, %s::timestamp AT TIME ZONE 'America/Sao_Paulo')",
            (
                row[0],
                roles[message.side or ""],
                message.text,
                f"{contact}-{number}",
                START + timedelta(minutes=message.minute),
            ),
        )
    return int(row[0])


def add_order(conn: Connection, chat: int, contact: int, number: int, situacao: str) -> None:
    """Put an order into ordens_servico and link the chat's only session to it."""
    conn.execute(
        "INSERT INTO ordens_servico (id, numero_ordem_servico, situacao, equipamento, data_emissao,"
        " data_conclusao, id_contato) VALUES (%s, %s, %s, 'Notebook Dell', '2025-01-07', %s, %s)",
        (number, str(number), situacao, "2025-01-09" if situacao == "3" else None, contact),
    )
    conn.execute(
        "INSERT INTO chat_sessions (id_chat_file, number, started_at, ended_at, message_count,"
        " id_ordem_servico, order_match_status, order_match_confidence)"
        " SELECT id, 1, first_message_at, last_message_at, message_count, %s, 'linked', 0.9"
        "   FROM chat_files WHERE id = %s",
        (number, chat),
    )
