"""Lines of WhatsApp's own, from files through index and load to the summaries: they are nobody's words."""

from __future__ import annotations

import logging
from pathlib import Path

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, load_month
from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, summarize
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.block_files import Said, block, write_chat
from whatsapp_pipeline_tests.summaries_data import add_contact

LOG = logging.getLogger(__name__)
BLOCK = [
    Said(0, "from", "bom dia, quanto fica o orçamento?"),
    Said(1, "to", "fica em R$ 300"),
    Said(2, "from", "qual é o prazo de entrega?"),
    Said(3, "notification", "Ligação de voz. 2 min"),
    Said(4, "notification", "Rita ativou a privacidade avançada da conversa"),
]
IOS = (
    "[06/01/2025, 10:00:00] Rita: \u200eAs mensagens e as ligações são protegidas com a criptografia de ponta"
    " a ponta.\n"
    "[06/01/2025, 10:00:10] Loja: fica em R$ 300\n"
    "[06/01/2025, 10:01:00] Rita: qual é o prazo de entrega?\n"
    "[06/01/2025, 10:03:00] Loja: \u200eRita ativou a privacidade avançada da conversa\n"
)


def test_notices_change_no_speaker_and_no_open_question(fresh_database_url: str, tmp_path: Path) -> None:
    write_chat(tmp_path, block(BLOCK))
    (tmp_path / "2025" / "01" / "Conversa do WhatsApp com Rita.txt").write_text(IOS, encoding="utf-8")
    archive = ChatArchive(str(tmp_path))
    with connect(fresh_database_url) as conn:
        index_month(conn, archive, "2025-01", IndexOptions(owner=("Loja",)), log=LOG)
        load_month(conn, archive, "2025-01", LoadOptions(owner=("Loja",)), log=LOG)
        add_contact(conn, 1)
        add_contact(conn, 2)
        conn.execute(
            "UPDATE chat_files SET id_contato = CASE WHEN title = 'Rita' THEN 2 ELSE 1 END,"
            " match_status = 'linked'"
        )
        summarize(conn, SummaryOptions(), log=LOG)
        found = conn.execute(
            "SELECT id_contato, last_speaker, open_since::text, message_count, customer_messages,"
            " staff_messages, other_messages FROM customer_chat_summaries ORDER BY 1"
        ).fetchall()
    assert found == [
        (1, "customer", "2025-01-05 10:02:00", 5, 2, 1, 2),
        (2, "customer", "2025-01-06 10:01:00", 4, 1, 1, 2),
    ]
