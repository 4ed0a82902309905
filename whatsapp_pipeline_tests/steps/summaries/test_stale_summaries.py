"""What a summary depends on: which contacts a change makes stale, and which not.

The summaries are written once. Each case makes its change, asks, and takes the change back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, stale_contacts, summarize
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.summaries_data import Said, add_chat, add_contact, add_order, add_webhook

LOG = logging.getLogger(__name__)
# Contacts by how the order of their chat is linked, and one without an order.
LINKED, MANUAL, WHOLE, PROPOSED, DOUBLED, LIVE = 1, 2, 3, 4, 5, 6
ALL = [LINKED, MANUAL, WHOLE, PROPOSED, DOUBLED, LIVE]


@pytest.fixture(scope="module")
def summarized(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as conn:
        for contact in ALL:
            add_contact(conn, contact)
        for contact in (LINKED, MANUAL, WHOLE, PROPOSED, DOUBLED):
            said = [Said(0, "from", "quanto fica?"), Said(5, "to", "R$ 100")]
            chat = add_chat(conn, contact, f"{contact}", said)
            add_order(conn, chat, contact, 100 + contact, "1")
        add_webhook(conn, LIVE, [Said(0, "from", "oi"), Said(1, "to", "olá")])
        conn.execute("UPDATE chat_sessions SET order_match_status = 'manual' WHERE id_ordem_servico = 102")
        conn.execute("UPDATE chat_sessions SET order_match_status = 'proposed' WHERE id_ordem_servico = 104")
        # The whole chat is linked, not its session; of the same chat in two files only the first counts.
        conn.execute("UPDATE chat_files SET id_ordem_servico = 103 WHERE file_path = '3'")
        conn.execute("DELETE FROM chat_sessions WHERE id_ordem_servico IN (103, 105)")
        conn.execute(
            "INSERT INTO chat_files (filename, file_path, month, id_contato, match_status, processing_status,"
            " id_ordem_servico, duplicate_of) SELECT 'x', 'x', month, id_contato, 'linked', 'loaded', 105, id"
            " FROM chat_files WHERE file_path = '5'"
        )
        summarize(conn, SummaryOptions(), log=LOG)
        yield conn


OF_ORDER = "UPDATE ordens_servico SET {} WHERE id > 0"
OF_SESSION = "UPDATE chat_sessions SET {} WHERE id > 0"
OF_MESSAGE = "UPDATE chat_messages SET {} WHERE ordinal = 2"
WITH_ORDER, IN_SESSION = [LINKED, MANUAL, WHOLE], [LINKED, MANUAL]
IN_FILES = [LINKED, MANUAL, WHOLE, PROPOSED, DOUBLED]

CHANGES = [
    ("SELECT 1", []),
    (OF_ORDER.format("situacao = '3'"), WITH_ORDER),
    (OF_ORDER.format("numero_ordem_servico = '9' || id"), WITH_ORDER),
    (OF_ORDER.format("data_emissao = '2025-01-08'"), WITH_ORDER),
    (OF_ORDER.format("data_conclusao = '2025-01-08'"), WITH_ORDER),
    (OF_ORDER.format("equipamento = 'TV'"), WITH_ORDER),
    (OF_SESSION.format("started_at = started_at - interval '1 hour'"), IN_SESSION),
    (OF_SESSION.format("ended_at = ended_at + interval '1 hour'"), IN_SESSION),
    (OF_SESSION.format("order_match_confidence = 0.5"), []),
    (OF_SESSION.format("order_match_status = 'proposed'"), IN_SESSION),
    (OF_SESSION.format("order_match_status = 'linked'"), [PROPOSED]),
    (OF_SESSION.format("id_ordem_servico = 101"), [MANUAL]),
    ("UPDATE chat_files SET id_ordem_servico = NULL", [WHOLE]),
    ("UPDATE chat_files SET id_ordem_servico = 103 WHERE file_path = '5'", [DOUBLED]),
    (OF_MESSAGE.format("message_timestamp = message_timestamp + interval '1 second'"), IN_FILES),
    (OF_MESSAGE.format("direction = 'from'"), IN_FILES),
    (OF_MESSAGE.format("type = 'image'"), IN_FILES),
    (OF_MESSAGE.format("body_hash = 1"), IN_FILES),
    (OF_MESSAGE.format("ordinal = 3"), IN_FILES),
    (OF_MESSAGE.format("delivery_status = 'x'"), []),
    ("DELETE FROM chat_messages WHERE ordinal = 2", IN_FILES),
    ("UPDATE chat_messages SET duplicate_of = 1 WHERE ordinal = 2", IN_FILES),
    ("UPDATE chat_files SET match_status = 'manual' WHERE id_contato = 1", []),
    ("UPDATE contatos SET nome = 'Outro Nome'", []),
    ("UPDATE conversation_messages SET text = 'outra coisa'", [LIVE]),
    ("UPDATE conversation_messages SET sent_at = sent_at + interval '1 second'", [LIVE]),
]


@pytest.mark.parametrize(("change", "stale"), CHANGES, ids=[change[:75] for change, _ in CHANGES])
def test_a_change_makes_those_stale_whose_summary_depends_on_it(
    summarized: Connection, change: str, stale: list[int]
) -> None:
    with summarized.transaction(force_rollback=True):
        summarized.execute(change.encode())
        assert stale_contacts(summarized, SummaryOptions()) == (len(ALL), stale)


def test_a_chat_that_changes_hands_makes_both_stale(summarized: Connection) -> None:
    with summarized.transaction(force_rollback=True):
        summarized.execute("UPDATE chat_files SET id_contato = 2 WHERE file_path = '1'")
        count, stale = stale_contacts(summarized, SummaryOptions())
        assert (count, MANUAL in stale) == (len(ALL) - 1, True)
