"""Rows that tests of linking start from: contacts, orders and chats, written directly."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from whatsapp_pipeline.domain.titles import parse_title
from whatsapp_pipeline.store.connection import Connection


def add_contact(
    conn: Connection, id_: int, nome: str = "", celular: str | None = None, telefone: str | None = None
) -> None:
    """Write a contact as the ERP's sync would: what does not fit a column is kept in full beside it."""
    conn.execute(
        "INSERT INTO contatos (id, nome, celular, telefone) VALUES (%s, %s, left(%s, 20), left(%s, 20))",
        (id_, nome, celular, telefone),
    )
    conn.execute(
        """INSERT INTO contact_sources (id_contato, celular, telefone, item_hash, field_names)
           VALUES (%s, %s, %s, '', 'v3')""",
        (id_, celular, telefone),
    )


def add_order(
    conn: Connection,
    id_: int,
    contact: int | None,
    *,
    number: str | None = None,
    opened: date = date(2025, 1, 10),
    closed: date | None = None,
    equipment: str | None = None,
) -> None:
    conn.execute(
        """INSERT INTO ordens_servico (id, id_contato, numero_ordem_servico, data_emissao, data_conclusao,
                                       equipamento) VALUES (%s, %s, %s, %s, %s, %s)""",
        (id_, contact, number or str(30000 + id_), opened, closed, equipment),
    )


@dataclass
class Session:
    """A session to write; one day in January 2025 unless told."""

    day: date = date(2025, 1, 10)
    order_numbers: list[str] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)


def add_chat(
    conn: Connection,
    title: str,
    *,
    headers: tuple[tuple[str, str], ...] = (),
    sessions: tuple[Session, ...] = (),
    month: str = "2025-01",
    is_group: bool = False,
    path: str | None = None,
    default_area_code: str | None = None,
) -> int:
    """Write a chat as its index would and return its id; `headers` are (raw, key)."""
    parsed = parse_title(title, default_area_code=default_area_code)
    first = datetime.combine(min((s.day for s in sessions), default=date(2025, 1, 10)), datetime.min.time())
    row = conn.execute(
        """INSERT INTO chat_files (filename, file_path, month, title, phone_number, phone_key, customer_name,
               reference_os, devices, is_group, first_message_at, last_message_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id""",
        (
            f"{title}.txt",
            path or f"2025/01/{title}.txt",
            month,
            title,
            parsed.phone.raw if parsed.phone else None,
            parsed.phone.key if parsed.phone else None,
            parsed.name,
            parsed.order_reference,
            list(parsed.devices),
            is_group,
            first,
            first,
        ),
    ).fetchone()
    assert row is not None
    for raw, key in headers:
        conn.execute(
            """INSERT INTO chat_phones (id_chat_file, raw, key, kind, occurrences)
               VALUES (%s, %s, %s, 'mobile', 5)""",
            (row[0], raw, key),
        )
    for number, session in enumerate(sessions, 1):
        start = datetime.combine(session.day, datetime.min.time()) + timedelta(hours=10)
        conn.execute(
            """INSERT INTO chat_sessions (id_chat_file, number, started_at, ended_at, message_count,
                                          order_numbers, devices, stages)
               VALUES (%s, %s, %s, %s, 4, %s, %s, %s)""",
            (
                row[0],
                number,
                start,
                start + timedelta(hours=1),
                session.order_numbers,
                session.devices,
                session.stages,
            ),
        )
    return int(row[0])
