"""What stands beside a customer's conversation: summary, orders, months, the pinned note.

What belongs here: one statement for all of it, and the note. What does not: messages
(store/conversations/message_stream.py).
"""

from __future__ import annotations

from typing import Any

from psycopg.rows import dict_row

from whatsapp_pipeline.store.connection import Connection

_PHONES = ("fantasia", "telefone", "celular", "email")
_HIDDEN = ", ".join(f"NULL AS {name}" for name in _PHONES)


def customer_head(conn: Connection, id_contato: int, *, with_phones: bool) -> dict[str, Any] | None:
    """Return a contact with its summary, orders (newest first), messages by month, and pinned note.

    Args:
        conn: A connection of the level that the page is for.
        id_contato: The id in contatos.
        with_phones: Whether the level reads phones; without it they are None.
    """
    shown = ", ".join(f"c.{name}::text" for name in _PHONES) if with_phones else _HIDDEN
    device = "o.equipamento::text" if with_phones else "NULL"
    columns = "id, numero_ordem_servico, situacao, data_emissao, data_conclusao"
    columns += ", equipamento" if with_phones else ""
    statement = f"""
        SELECT c.id AS id_contato, c.nome::text, {shown},
               to_jsonb(s) AS summary, n.note, n.made_by AS note_by, n.made_at AS note_at,
               (SELECT coalesce(jsonb_agg(jsonb_build_array(o.id, o.numero_ordem_servico::text,
                           o.situacao::text, {device}, o.data_emissao::date, o.data_conclusao::date)
                           ORDER BY o.data_emissao DESC NULLS LAST, o.id DESC), '[]')
                  FROM (SELECT {columns} FROM ordens_servico WHERE id_contato = c.id
                         ORDER BY data_emissao DESC NULLS LAST, id DESC LIMIT 100) o) AS orders,
               (SELECT coalesce(jsonb_object_agg(month, counts), '{{}}') FROM (
                    SELECT month, jsonb_object_agg(sentiment, messages) AS counts FROM (
                        SELECT to_char(started_at, 'YYYY-MM') AS month, sentiment,
                               sum(message_count) AS messages
                          FROM customer_conversations v WHERE v.id_contato = c.id GROUP BY 1, 2) m
                     GROUP BY month) k) AS months
          FROM contatos c
          LEFT JOIN customer_chat_summaries s ON s.id_contato = c.id
          LEFT JOIN customer_notes n ON n.id_contato = c.id
         WHERE c.id = %(id)s
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement.encode(), {"id": id_contato}).fetchone()


def set_note(conn: Connection, id_contato: int, note: str, made_by: str) -> None:
    """Pin a note to a customer in place of the one before; an empty one takes the note away."""
    if note.strip():
        conn.execute(
            """
            INSERT INTO customer_notes (id_contato, note, made_by) VALUES (%s, %s, %s)
            ON CONFLICT (id_contato) DO UPDATE
               SET note = EXCLUDED.note, made_by = EXCLUDED.made_by, made_at = now()
            """,
            (id_contato, note.strip(), made_by),
        )
    else:
        conn.execute("DELETE FROM customer_notes WHERE id_contato = %s", (id_contato,))
