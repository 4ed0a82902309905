"""Customers, orders and conversations that the tests of pages look at, written directly.

Ana (7) has 130 messages in an archive and four live ones, two sessions linked to order 30415, and a summary.
Two orders have the number 555. Chat `X` belongs to no known customer. The customer 13 and their messages are
hostile text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from whatsapp_pipeline.store.connection import Connection, connect

HOSTILE = '<script>alert(1)</script> {{7*7}} \' OR 1=1;-- =HYPERLINK("x") \x1b[31m %27 %% \u202e'


@dataclass(frozen=True)
class PreparedPeople:
    """Ids that the database gave."""

    first: int
    """Ana's first message in the archive."""
    reply: int
    """Ana's message that answers the first one."""
    stranger: int
    """A message of the chat without a customer."""
    edited: int
    revoked: int
    """Live messages of Ana."""


def write_people(url: str) -> PreparedPeople:
    """Write everybody; return ids."""
    with connect(url) as conn, conn.transaction():
        _contacts_and_orders(conn)
        first = _archive(conn)
        edited, revoked = _live(conn)
        stranger = _chat(conn, "X", None, 3, "2025-03-01 10:00", "uma pergunta")
        hostile = _chat(conn, "H", 13, 3, "2025-03-02 10:00", HOSTILE)
        conn.execute(
            "UPDATE chat_messages SET responding_to = %s, attachment_kind = 'image', attachment_name = %s"
            " WHERE id = %s",
            (HOSTILE, HOSTILE, hostile + 1),
        )
        _summary(conn, first)
    with connect(url) as conn:
        conn.execute("ANALYZE")
    return PreparedPeople(first, first + 9, stranger, edited, revoked)


def _contacts_and_orders(conn: Connection) -> None:
    conn.execute(
        """
        INSERT INTO contatos (id, nome, fantasia, celular) VALUES
            (7, 'Ana Conceição Souza', 'Padaria da Ana', '(41) 99999-0007'),
            (8, 'Rui Melo', NULL, '(41) 99999-0008'), (13, %s, NULL, '(41) 99999-0013')
        """,
        (HOSTILE,),
    )
    conn.execute(
        """
        INSERT INTO contact_phones (id_contato, field, position, key, kind) VALUES
            (7, 'celular', 1, '4199990007', 'mobile'), (8, 'celular', 1, '4199990008', 'mobile')
        """
    )
    conn.execute(
        """
        INSERT INTO ordens_servico (id, numero_ordem_servico, situacao, data_emissao, equipamento, id_contato)
        VALUES (70, '30415', '6', '2025-01-02', 'notebook Exemplo 15', 7),
               (71, '555', '3', '2025-01-03', NULL, 7),
               (80, '00555', '0', '2025-01-04', NULL, 8), (90, NULL, '0', NULL, NULL, NULL)
        """
    )


def _chat(conn: Connection, name: str, contact: int | None, count: int, start: str, text: str) -> int:
    """Write a chat of `count` messages, one every 10 minutes; return the id of the first."""
    row = conn.execute(
        """
        INSERT INTO chat_files (filename, file_path, month, title, id_contato, match_status,
                                processing_status)
        VALUES (%(name)s, %(name)s, '2025-01', %(name)s, %(contact)s::bigint,
                CASE WHEN %(contact)s::bigint IS NULL THEN 'unmatched' ELSE 'linked' END, 'loaded')
        RETURNING id
        """,
        {"name": name, "contact": contact},
    ).fetchone()
    assert row is not None
    ids = conn.execute(
        """
        INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type, message_text,
                                   line, body_hash)
        SELECT %s, n, %s::timestamp + n * interval '10 minutes', CASE n %% 3 WHEN 0 THEN 'to' ELSE 'from' END,
               'text', %s || ' ' || n, n, n
          FROM generate_series(1, %s) n ORDER BY n RETURNING id
        """,
        (row[0], start, text, count),
    ).fetchall()
    return int(ids[0][0])


def _archive(conn: Connection) -> int:
    first = _chat(conn, "A", 7, 130, "2025-01-05 08:00", "mensagem sobre a tela")
    conn.execute(
        "UPDATE chat_messages SET message_text = 'Qual o prazo do orçamento?' WHERE id = %s", (first + 40,)
    )
    for change, number in (
        (f"reply_to_id = {first}, responding_to = 'mensagem sobre a tela 1'", first + 9),
        ("type = 'deleted', message_text = 'Mensagem apagada'", first + 3),
    ):
        conn.execute(f"UPDATE chat_messages SET {change} WHERE id = %s".encode(), (number,))
    conn.execute(
        """
        INSERT INTO chat_sessions (id_chat_file, number, started_at, ended_at, message_count,
                                   id_ordem_servico, order_match_status, order_match_method,
                                   order_match_confidence)
        SELECT id_chat_file, number, started_at, ended_at, messages, 70, 'linked', method, confidence
          FROM (SELECT id_chat_file FROM chat_messages WHERE id = %s) f,
               (VALUES (1, '2025-01-05 08:10'::timestamp, '2025-01-05 11:30'::timestamp, 21,
                        'direct_os_ref', 0.99),
                       (3, '2025-01-05 14:00', '2025-01-05 16:00', 13, 'model', 0.8))
                   AS s (number, started_at, ended_at, messages, method, confidence)
        """,
        (first,),
    )
    return first


def _live(conn: Connection) -> tuple[int, int]:
    row = conn.execute(
        """
        INSERT INTO conversations (external_id, phone_number_id, id_contato, match_status)
        VALUES ('5541999990007', 'shop', 7, 'linked') RETURNING id
        """
    ).fetchone()
    assert row is not None
    ids = conn.execute(
        """
        INSERT INTO conversation_messages (conversation_id, role, type, text, origin, phone_number_id,
            message_key, sent_at, inbox_id, edited_at, original_text, revoked_at, reply_to_provider_id,
            status)
        SELECT %s, role, type, text, 'message', 'shop', 'k' || n,
               '2025-02-01 12:00+00'::timestamptz + n * interval '1 minute',
               n, edited, original, revoked, reply, status
          FROM (VALUES
            (1, 'user', 'text', 'texto corrigido', now(), 'texto com erro', NULL::timestamptz, NULL, NULL),
            (2, 'user', 'text', 'segredo apagado', NULL, NULL, now(), NULL, NULL),
            (3, 'assistant', 'text', 'resposta da loja', NULL, NULL, NULL, 'k1', 'read'),
            (4, 'user', 'image', '[image: foto da tela]', NULL, NULL, NULL, NULL, NULL))
              AS m (n, role, type, text, edited, original, revoked, reply, status) ORDER BY n RETURNING id
        """,
        (row[0],),
    ).fetchall()
    return int(ids[0][0]), int(ids[1][0])


def _summary(conn: Connection, first: int) -> None:
    claims = [
        {
            "text": "Pediu orçamento de tela.",
            "kind": "topics",
            "messages": [f"chat:{first + 40}"],
            "orders": [],
        }
    ]
    conn.execute(
        """
        INSERT INTO customer_chat_summaries (id_contato, first_interaction_date, last_interaction_date,
            communication_frequency, sentiment_analysis, summary, message_count, customer_messages,
            staff_messages, other_messages, conversation_count, facts, claims, input_hash, open_since,
            open_reasons)
        VALUES (7, '2025-01-05', '2025-02-01', 'regular', 'neutral', 'x', 134, 90, 44, 0, 2, %s, %s, 'h',
                '2025-02-01', '{unanswered}')
        """,
        (json.dumps({}), Jsonb(claims)),
    )
    conn.execute(
        """
        INSERT INTO customer_conversations (id_contato, number, started_at, ended_at, opened_by, last_speaker,
            message_count, customer_messages, staff_messages, sentiment)
        VALUES (7, 1, '2025-01-05', '2025-01-06', 'customer', 'staff', 130, 87, 43, 'positive'),
               (7, 2, '2025-03-01', '2025-03-01', 'customer', 'customer', 4, 3, 1, 'negative')
        """
    )
