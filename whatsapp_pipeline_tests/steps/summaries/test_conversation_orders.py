"""Which order a customer's conversation is about, where sessions about several orders meet it."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, summarize
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline_tests.summaries_data import START, Said, add_chat, add_contact

LOG = logging.getLogger(__name__)
# A session about an order: first and last minute, and how sure the link is. The conversation is of one hour.
Meeting = tuple[int, int, float | None]


@pytest.fixture
def empty(conn: Connection) -> Connection:
    conn.execute("TRUNCATE contatos, ordens_servico, chat_files RESTART IDENTITY CASCADE")
    add_contact(conn, 1)
    return conn


def add_sessions(conn: Connection, chat: int, sessions: dict[int, Meeting]) -> None:
    """Put sessions of a chat into the tables, each with its order."""
    for number, (id_, (first, last, confidence)) in enumerate(sessions.items(), 1):
        conn.execute(
            "INSERT INTO ordens_servico (id, numero_ordem_servico, situacao, data_conclusao, id_contato)"
            " VALUES (%s, %s, '3', '2025-01-09', 1)",
            (id_, str(id_)),
        )
        conn.execute(
            "INSERT INTO chat_sessions (id_chat_file, number, started_at, ended_at, message_count,"
            " id_ordem_servico, order_match_status, order_match_confidence)"
            " VALUES (%s, %s, %s, %s, 1, %s, 'linked', %s)",
            (
                chat,
                number,
                START + timedelta(minutes=first),
                START + timedelta(minutes=last),
                id_,
                confidence,
            ),
        )


@pytest.mark.parametrize(
    ("sessions", "order"),
    [
        pytest.param({11: (0, 60, 0.9)}, 11, id="one"),
        pytest.param({11: (-30, 0, 0.9)}, 11, id="it ends when the conversation begins"),
        pytest.param({11: (60, 90, 0.9)}, 11, id="it begins when the conversation ends"),
        pytest.param({11: (-30, -1, 0.9)}, None, id="it ends before"),
        pytest.param({11: (61, 90, 0.9)}, None, id="it begins after"),
        pytest.param({11: (10, 20, 0.8), 12: (0, 60, 0.9)}, 12, id="the surest"),
        pytest.param({11: (0, 60, 0.9), 12: (10, 20, 0.8)}, 11, id="the surest, which begins before"),
        pytest.param({11: (10, 20, None), 12: (0, 60, 0.1)}, 12, id="one that is not sure at all comes last"),
        pytest.param({11: (0, 60, 0.9), 12: (10, 20, 0.9)}, 12, id="the latest of equally sure ones"),
        pytest.param({12: (10, 20, 0.9), 11: (10, 20, 0.9)}, 11, id="the lowest number of equal ones"),
    ],
)
def test_the_order_of_a_conversation(
    empty: Connection, sessions: dict[int, Meeting], order: int | None
) -> None:
    chat = add_chat(empty, 1, "a", [Said(0, "from", "quanto fica?"), Said(60, "to", "R$ 100")])
    add_sessions(empty, chat, sessions)
    summarize(empty, SummaryOptions(), log=LOG)
    rows = empty.execute("SELECT id_ordem_servico, resolved_at::date::text FROM customer_conversations")
    assert rows.fetchall() == [(order, "2025-01-09" if order else None)]


@pytest.mark.parametrize(
    ("sessions", "order"),
    [
        pytest.param({11: (0, 60, 0.9)}, 11, id="one"),
        pytest.param({11: (0, 30, 0.9)}, 11, id="it ends with the message"),
        pytest.param({11: (30, 60, 0.9)}, 11, id="it begins with the message"),
        pytest.param({11: (0, 29, 0.9), 12: (31, 60, 0.9)}, None, id="one ends before, one begins after"),
        pytest.param({11: (0, 60, 0.8), 12: (0, 60, 0.9)}, 12, id="the surest"),
        pytest.param({11: (0, 29, 0.9), 12: (0, 60, 0.1)}, 12, id="the surest of those at that time"),
        pytest.param({11: (0, 60, None), 12: (0, 60, 0.1)}, 12, id="one that is not sure at all comes last"),
        pytest.param({11: (0, 60, 0.9), 12: (10, 60, 0.9)}, 12, id="the latest of equally sure ones"),
        pytest.param({12: (0, 60, 0.9), 11: (0, 60, 0.9)}, 11, id="the lowest number of equal ones"),
    ],
)
def test_the_order_of_a_quote(empty: Connection, sessions: dict[int, Meeting], order: int | None) -> None:
    add_chat(empty, 1, "a", [Said(0, "from", "quanto fica?"), Said(30, "to", "fica 350 reais")])
    for id_, session in sessions.items():  # those of one chat do not overlap
        add_sessions(empty, add_chat(empty, 1, f"b{id_}", [Said(-600, "from", "oi")]), {id_: session})
    summarize(empty, SummaryOptions(), log=LOG)
    rows = empty.execute("SELECT kind, id_ordem_servico FROM commitments")
    assert rows.fetchall() == [("price_quoted", order)]


@pytest.mark.parametrize(("situacao", "resolved"), [("3", "2025-01-09"), ("1", None), ("7", None)])
def test_only_a_finished_order_resolves_a_conversation(
    empty: Connection, situacao: str, resolved: str | None
) -> None:
    chat = add_chat(empty, 1, "a", [Said(0, "from", "quanto fica?"), Said(60, "to", "R$ 100")])
    empty.execute(
        "INSERT INTO ordens_servico (id, numero_ordem_servico, situacao, data_conclusao, id_contato)"
        " VALUES (11, '11', %s, '2025-01-09', 1)",
        (situacao,),
    )
    # The chat is linked as a whole.
    empty.execute("UPDATE chat_files SET id_ordem_servico = 11 WHERE id = %s", (chat,))
    summarize(empty, SummaryOptions(), log=LOG)
    rows = empty.execute("SELECT id_ordem_servico, resolved_at::date::text FROM customer_conversations")
    assert rows.fetchall() == [(11, resolved)]
