"""Comparing databases table by table: to the letter, or by content where ids and times may differ."""

from __future__ import annotations

from whatsapp_pipeline.store.connection import Connection

# Tables that say what was made of the archive; run bookkeeping (erp_passes …) differs by nature.
CONTENT: dict[str, str] = {
    "contatos": "SELECT * FROM contatos",
    "ordens_servico": "SELECT to_jsonb(o) - 'data_extracao' FROM ordens_servico o",
    "contact_phones": "SELECT * FROM contact_phones",
    "chat_files": """
        SELECT file_path, chat_number, month, title, phone_key, reference_os, chat_key, is_group, format,
               message_count, line_count, processing_status, id_contato, match_status, match_method,
               round(match_confidence::numeric, 6), match_flags, id_ordem_servico, order_match_method
        FROM chat_files
    """,
    "chat_sessions": """
        SELECT f.file_path, f.chat_number, s.number, s.started_at, s.ended_at, s.message_count,
               s.order_numbers, s.devices, s.stages, s.id_ordem_servico, s.order_match_method,
               s.order_match_status, round(s.order_match_confidence::numeric, 6), s.order_flags
        FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file
    """,
    "chat_messages": """
        SELECT f.file_path, f.chat_number, m.ordinal, m.message_timestamp, m.timestamp_utc, m.direction,
               m.type, m.message_text, m.responding_to, r.ordinal AS reply_to, m.sender_name, m.sender_phone,
               m.delivery_status, m.attachment_name, m.line, m.body_hash, m.occurrence, m.duplicate_of IS NULL
        FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
        LEFT JOIN chat_messages r ON r.id = m.reply_to_id
    """,
    "exceptions": "SELECT stage, file_path, chat_number, month, line, kind, severity, detail FROM exceptions",
    "customer_chat_summaries": """
        SELECT id_contato, last_interaction_date, communication_frequency, common_topics, sentiment_analysis,
               summary
        FROM customer_chat_summaries
    """,
}


def content(conn: Connection) -> dict[str, tuple[int, str | None]]:
    """Return rows and a hash of each table's content, whatever its ids and times."""
    return {name: _hash(conn, statement) for name, statement in CONTENT.items()}


def everything(conn: Connection) -> dict[str, tuple[int, str | None]]:
    """Return rows and a hash of each of those tables as they are: ids, times and all."""
    return {name: _hash(conn, f"SELECT * FROM {name}") for name in CONTENT}


def _hash(conn: Connection, statement: str) -> tuple[int, str | None]:
    row = conn.execute(
        f"SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM ({statement}) t"
    ).fetchone()
    assert row is not None
    return row[0], row[1]
