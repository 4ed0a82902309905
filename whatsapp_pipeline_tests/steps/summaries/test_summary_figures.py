"""Every figure of three customers' summaries, each worked out by hand from what was said.

What belongs here: one history with all that a figure can depend on. What does not: the rules one
by one (test_summarize.py), and the words of the summary.
"""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from psycopg.rows import dict_row

from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, summarize
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline_tests.summaries_data import START, Said, add_chat, add_contact, add_webhook

LOG = logging.getLogger(__name__)

H, DAY = 60, 24 * 60
ANA = [
    Said(-130 * DAY, "from", "Bom dia, a impressora parou, que péssimo atendimento"),
    Said(-130 * DAY + 30, "to", "Bom dia, vamos ver a garantia"),
    Said(-50 * DAY, "to", "Seu orçamento está pronto"),
    Said(-50 * DAY + 10, "from", "Quanto custa?"),
    Said(-50 * DAY + 40, "from", "E a tela?"),
    Said(-50 * DAY + 100, "to", "Fica em R$ 300"),
    Said(-50 * DAY + 110, "from", "Ok, obrigado"),
    Said(0, "from", "O notebook não liga, a tela quebrou"),
    Said(5, None, "Chamada de voz perdida"),
    Said(11 * H, "to", "Pode trazer"),  # Monday at 20:00
    Said(DAY, "from", "É urgente, a tela quebrou de novo"),
    Said(DAY + 20, "from", "Ótimo atendimento, parabéns"),
]
ANA_LIVE = [
    Said(2 * DAY, "to", "Trocamos a bateria e a tela"),
    Said(2 * DAY + 30, "from", "Quando fica pronto?"),
]

ORDERS = [
    (70, "3", "Impressora", "2024-08-29", "2024-09-02"),
    (71, "6", "Notebook", "2025-01-06", None),
    (72, "4", "TV", "2024-11-17", None),
]
SESSIONS = [(1, 70, -130 * DAY, -130 * DAY + 30), (2, 72, -50 * DAY, -50 * DAY + 110), (3, 71, 0, DAY + 20)]

# Of a customer to whom nobody replied, who said nothing of a topic or mood.
_NO_FACTS: dict[str, Any] = {
    "case": [],
    "first_responses": 0,
    "orders": [],
    "replies": {"count": 0, "median": None, "p90": None},
    "resolution": None,
    "sentiment": {
        "before": None,
        "evidence": None,
        "evidence_end": None,
        "evidence_start": None,
        "last_conversation": None,
        "score": None,
    },
    "terms": [],
    "topics": [],
    "urgent": None,
    "waiting": None,
}
_NO_FIGURES: dict[str, Any] = {
    "common_topics": [],
    "communication_frequency": "rare",
    "evidence_webhook_ids": [],
    "first_response_median_business_s": None,
    "first_response_median_s": None,
    "first_response_p90_business_s": None,
    "first_response_p90_s": None,
    "open_reasons": [],
    "open_since": None,
    "reply_median_business_s": None,
    "reply_median_s": None,
    "reply_p90_business_s": None,
    "reply_p90_s": None,
    "sentiment_analysis": "neutral",
    "sentiment_change": None,
    "sentiment_score": None,
}

SUMMARIES: list[dict[str, Any]] = [
    {
        "common_topics": ["defeito", "orçamento", "prazo", "garantia", "elogio"],
        "communication_frequency": "regular",
        "conversation_count": 3,
        "customer_messages": 8,
        "evidence_message_ids": [1, 3, 6, 8, 11, 12],
        "evidence_webhook_ids": [2],
        "facts": {
            "case": [
                {"evidence": "webhook:2", "kind": "topic", "messages": 2, "name": "prazo"},
                {"evidence": "chat:11", "kind": "topic", "messages": 2, "name": "defeito"},
                {"evidence": "chat:11", "kind": "symptom", "messages": 2, "name": "está com a tela quebrada"},
                {"evidence": "chat:12", "kind": "topic", "messages": 1, "name": "elogio"},
                {"evidence": "chat:11", "kind": "topic", "messages": 1, "name": "garantia"},
                {"evidence": "chat:8", "kind": "device", "messages": 1, "name": "notebook"},
                {"evidence": "chat:8", "kind": "symptom", "messages": 1, "name": "não liga"},
            ],
            "first_responses": 2,
            "orders": [
                {
                    "closed": None,
                    "equipment": "Notebook",
                    "evidence": "chat:8",
                    "id": 71,
                    "number": "71",
                    "open": True,
                    "opened": "2025-01-06",
                    "status": "6",
                },
                {
                    "closed": None,
                    "equipment": "TV",
                    "evidence": "chat:3",
                    "id": 72,
                    "number": "72",
                    "open": False,
                    "opened": "2024-11-17",
                    "status": "4",
                },
                {
                    "closed": "2024-09-02",
                    "equipment": "Impressora",
                    "evidence": "chat:1",
                    "id": 70,
                    "number": "70",
                    "open": False,
                    "opened": "2024-08-29",
                    "status": "3",
                },
            ],
            "replies": {"count": 4, "median": ["chat:4", "chat:6"], "p90": ["chat:11", "webhook:1"]},
            "resolution": "2024-09-02",
            "sentiment": {
                "before": None,
                "evidence": "chat:12",
                "evidence_end": 5,
                "evidence_start": 0,
                "last_conversation": 0.625,
                "score": 0.625,
            },
            "terms": [
                {"evidence": "chat:11", "kind": "part", "messages": 3, "name": "tela"},
                {"evidence": "chat:1", "kind": "equipment", "messages": 1, "name": "impressora"},
                {"evidence": "chat:8", "kind": "equipment", "messages": 1, "name": "notebook"},
            ],
            "topics": [
                {"evidence": "chat:11", "messages": 3, "name": "defeito", "share": 0.2},
                {"evidence": "chat:4", "messages": 3, "name": "orçamento", "share": 0.2},
                {"evidence": "webhook:2", "messages": 3, "name": "prazo", "share": 0.2},
                {"evidence": "chat:11", "messages": 2, "name": "garantia", "share": 0.133},
                {"evidence": "chat:12", "messages": 1, "name": "elogio", "share": 0.067},
                {"evidence": "webhook:1", "messages": 1, "name": "peças", "share": 0.067},
                {"evidence": "chat:1", "messages": 1, "name": "reclamação", "share": 0.067},
                {"evidence": "chat:10", "messages": 1, "name": "retirada/entrega", "share": 0.067},
            ],
            "types": {"text": 14},
            "urgent": "chat:11",
            "waiting": "webhook:2",
        },
        "first_interaction_date": datetime(2024, 8, 29, 9, 0),
        "first_response_median_business_s": 1800,
        "first_response_median_s": 1800,
        "first_response_p90_business_s": 32400,
        "first_response_p90_s": 39600,
        "id_contato": 1,
        "last_interaction_date": datetime(2025, 1, 8, 9, 30),
        "last_speaker": "customer",
        "message_count": 14,
        "open_reasons": ["unanswered", "order"],
        "open_since": datetime(2025, 1, 6, 0, 0),
        "other_messages": 1,
        "reply_median_business_s": 1800,
        "reply_median_s": 5400,
        "reply_p90_business_s": 36000,
        "reply_p90_s": 86400,
        "sentiment_analysis": "positive",
        "sentiment_change": None,
        "sentiment_score": Decimal("0.625"),
        "staff_messages": 5,
    },
    _NO_FIGURES
    | {
        "id_contato": 2,
        "conversation_count": 1,
        "customer_messages": 1,
        "staff_messages": 1,
        "other_messages": 0,
        "message_count": 2,
        "first_interaction_date": datetime(2025, 1, 6, 9, 0),
        "last_interaction_date": datetime(2025, 1, 7, 9, 0),
        "last_speaker": "customer",
        "evidence_message_ids": [14],
        "facts": _NO_FACTS | {"types": {"text": 2}},
    },
    _NO_FIGURES
    | {
        "id_contato": 3,
        "conversation_count": 0,
        "customer_messages": 0,
        "staff_messages": 0,
        "other_messages": 1,
        "message_count": 1,
        "first_interaction_date": datetime(2025, 1, 6, 9, 0),
        "last_interaction_date": datetime(2025, 1, 6, 9, 0),
        "last_speaker": None,
        "evidence_message_ids": [15],
        "facts": _NO_FACTS | {"types": {"text": 1}},
    },
]

CONVERSATIONS: list[dict[str, Any]] = [
    {
        "customer_messages": 1,
        "ended_at": datetime(2024, 8, 29, 9, 30),
        "first_response_business_s": 1800,
        "first_response_s": 1800,
        "id_contato": 1,
        "id_ordem_servico": 70,
        "last_speaker": "staff",
        "message_count": 2,
        "number": 1,
        "opened_by": "customer",
        "resolved_at": date(2024, 9, 2),
        "sentiment": "negative",
        "sentiment_score": Decimal("-0.555"),
        "staff_messages": 1,
        "started_at": datetime(2024, 8, 29, 9, 0),
        "topics": ["defeito", "garantia", "reclamação"],
    },
    {
        "customer_messages": 3,
        "ended_at": datetime(2024, 11, 17, 10, 50),
        "first_response_business_s": None,
        "first_response_s": None,
        "id_contato": 1,
        "id_ordem_servico": 72,
        "last_speaker": "customer",
        "message_count": 5,
        "number": 2,
        "opened_by": "staff",
        "resolved_at": None,
        "sentiment": "neutral",
        "sentiment_score": None,
        "staff_messages": 2,
        "started_at": datetime(2024, 11, 17, 9, 0),
        "topics": ["orçamento", "prazo"],
    },
    {
        "customer_messages": 4,
        "ended_at": datetime(2025, 1, 8, 9, 30),
        "first_response_business_s": 32400,
        "first_response_s": 39600,
        "id_contato": 1,
        "id_ordem_servico": 71,
        "last_speaker": "customer",
        "message_count": 6,
        "number": 3,
        "opened_by": "customer",
        "resolved_at": None,
        "sentiment": "positive",
        "sentiment_score": Decimal("0.625"),
        "staff_messages": 2,
        "started_at": datetime(2025, 1, 6, 9, 0),
        "topics": ["defeito", "prazo", "elogio", "garantia", "peças", "retirada/entrega"],
    },
    {
        "customer_messages": 1,
        "ended_at": datetime(2025, 1, 7, 9, 0),
        "first_response_business_s": None,
        "first_response_s": None,
        "id_contato": 2,
        "id_ordem_servico": None,
        "last_speaker": "customer",
        "message_count": 2,
        "number": 1,
        "opened_by": "staff",
        "resolved_at": None,
        "sentiment": "neutral",
        "sentiment_score": None,
        "staff_messages": 1,
        "started_at": datetime(2025, 1, 6, 9, 0),
        "topics": [],
    },
]

# The parts of each summary, with the messages and orders that show them.
CLAIMS: list[list[tuple[str, list[str], list[int]]]] = [
    [
        ("matter", ["chat:8", "chat:11"], []),
        ("offer", ["chat:6"], []),
        ("orders", ["chat:8", "chat:3", "chat:1"], [71, 72, 70]),
        ("sentiment", ["chat:12"], []),
        ("contact", ["webhook:2"], []),
        ("open", ["webhook:2", "chat:8"], [71]),
    ],
    [("contact", ["chat:14"], []), ("open", ["chat:14"], [])],
    [("contact", ["chat:15"], [])],
]


@pytest.fixture
def empty(conn: Connection) -> Connection:
    """The module's database with nothing in it."""
    conn.execute(
        "TRUNCATE contatos, ordens_servico, chat_files, conversations, message_readings"
        " RESTART IDENTITY CASCADE"
    )
    return conn


def _rows(conn: Connection, table: str) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(f"SELECT * FROM {table} ORDER BY id_contato, 1, 2".encode()).fetchall()


def test_every_figure_of_three_customers(empty: Connection) -> None:
    for number in (1, 2, 3):
        add_contact(empty, number)
    chat = add_chat(empty, 1, "a", ANA)
    add_webhook(empty, 1, ANA_LIVE)
    add_chat(empty, 2, "b", [Said(0, "to", "Olá"), Said(DAY, "from", "Obrigada")])
    add_chat(empty, 3, "c", [Said(0, None, "aviso")])
    for number, status, device, opened, closed in ORDERS:
        empty.execute(
            "INSERT INTO ordens_servico (id, numero_ordem_servico, situacao, equipamento, data_emissao,"
            " data_conclusao, id_contato) VALUES (%s, %s, %s, %s, %s, %s, 1)",
            (number, str(number), status, device, opened, closed),
        )
    for number, order, first, last in SESSIONS:
        empty.execute(
            "INSERT INTO chat_sessions (id_chat_file, number, started_at, ended_at, message_count,"
            " id_ordem_servico, order_match_status, order_match_confidence)"
            " VALUES (%s, %s, %s, %s, 2, %s, 'linked', 0.9)",
            (chat, number, START + timedelta(minutes=first), START + timedelta(minutes=last), order),
        )
    summarize(empty, SummaryOptions(), log=LOG)
    found = _rows(empty, "customer_chat_summaries")
    for row, expected in zip(found, SUMMARIES, strict=True):
        assert {name: row[name] for name in expected} == expected
    claims = [[(c["kind"], c["messages"], c["orders"]) for c in row["claims"]] for row in found]
    assert claims == CLAIMS
    assert _rows(empty, "customer_conversations") == CONVERSATIONS
