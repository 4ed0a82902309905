"""Lines of WhatsApp's own, from files through index and load to the summaries: they are nobody's words."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NamedTuple

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, load_month
from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, summarize
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.conversations.message_stream import END, StreamScope, messages_around
from whatsapp_pipeline_tests import summaries_data
from whatsapp_pipeline_tests.block_files import Said, block, write_chat

LOG = logging.getLogger(__name__)
ASKED = "2025-01-06 10:01:00"
BLOCK = [
    Said(0, "from", "bom dia, quanto fica o orçamento?"),
    Said(1, "to", "fica em R$ 300"),
    Said(2, "from", "qual é o prazo de entrega?"),
    Said(3, "notification", "Ligação de voz. 2 min"),
    Said(4, "notification", "Rita ativou a privacidade avançada da conversa"),
    Said(5, "notification", "Ligação de voz perdida. Toque para ver a garantia."),
    Said(6, "to", "Esta mensagem foi excluída"),
    Said(7, "from", "Esta mensagem foi excluída."),
]
MARKED = "As mensagens e as ligações são protegidas com a criptografia de ponta a ponta."


class Export(NamedTuple):
    """What follows the question of a customer, and what the summary says of it.

    `sides`: messages of the customer, of the staff, and of nobody. `topics`: those of more than the question.
    """

    header: str
    notice: str
    more: tuple[str, ...]
    last_speaker: str
    open_since: str | None
    sides: tuple[int, int, int]
    topics: frozenset[str] = frozenset()

    def text(self, customer: str) -> str:
        said = [
            f"{customer}: {self.notice}",
            "Loja: fica em R$ 300",
            f"{customer}: qual é o prazo de entrega?",
            *self.more,
        ]
        lines = (
            self.header.format(f"10:{max(0, at - 1):02}") + line.replace("Ana", customer)
            for at, line in enumerate(said)
        )
        return "\n".join(lines) + "\n"


IOS, ANDROID = "[06/01/2025, {}:00] ", "06/01/2025 {} - "
WARRANTY = frozenset({"garantia"})
EXPORTS = {
    "unknown notice": Export(
        IOS,
        f"\u200e{MARKED}",
        ("Loja: \u200eAna ativou a garantia avançada da conversa",),
        "customer",
        ASKED,
        (1, 1, 2),
    ),
    "call": Export(
        IOS,
        f"\u200e{MARKED}",
        ("Loja: \u200eLigação de voz perdida. \u200eToque para retornar a ligação",),
        "customer",
        ASKED,
        (1, 1, 2),
    ),
    "call with an end of its own": Export(
        IOS,
        f"\u200e{MARKED}",
        ("Loja: \u200eLigação de voz. \u200eToque para ver a garantia.",),
        "customer",
        ASKED,
        (1, 1, 2),
    ),
    "deleted by staff": Export(
        IOS,
        f"\u200e{MARKED}",
        ("Loja: \u200eVocê apagou esta mensagem.", "Loja: Você apagou esta mensagem."),
        "customer",
        ASKED,
        (1, 1, 3),
    ),
    "deleted by the customer": Export(
        IOS,
        f"\u200e{MARKED}",
        ("Ana: \u200eEsta mensagem foi apagada.",),
        "customer",
        ASKED,
        (1, 1, 2),
    ),
    "deleted after the answer": Export(
        IOS,
        f"\u200e{MARKED}",
        ("Loja: amanhã", "Ana: \u200eEsta mensagem foi apagada."),
        "staff",
        None,
        (1, 2, 2),
    ),
    "android": Export(
        ANDROID,
        "bom dia",
        ("Loja: Você apagou esta mensagem",),
        "customer",
        ASKED,
        (2, 1, 1),
    ),
    # Android writes a call under no name, or with the way it ended; this was typed.
    "android, typed like a call": Export(
        ANDROID,
        "bom dia",
        ("Loja: Ligação de voz perdida",),
        "staff",
        None,
        (2, 2, 0),
    ),
    "android, with full stops": Export(
        ANDROID,
        "bom dia",
        ("Loja: Você apagou esta mensagem.", "Loja: Ligação de voz. Sem resposta."),
        "customer",
        ASKED,
        (2, 1, 2),
    ),
    # Where notices have no mark, a person pasted the text that has one, whatever it reads like.
    "pasted, unmarked notices": Export(
        IOS,
        MARKED,
        ("Loja: \u200ea garantia dura um ano",),
        "staff",
        None,
        (1, 2, 1),
        WARRANTY,
    ),
    "pasted like a call": Export(
        IOS,
        MARKED,
        ("Loja: \u200eLigação de vídeo amanhã, para ver a garantia?",),
        "staff",
        None,
        (1, 2, 1),
        WARRANTY,
    ),
    "pasted like a notice of a group": Export(
        IOS,
        MARKED,
        ("Loja: \u200fO técnico da garantia já saiu",),
        "staff",
        None,
        (1, 2, 1),
        WARRANTY,
    ),
    # Where they have one, a text of several lines or a link is still a person's.
    "pasted, marked notices": Export(
        IOS,
        f"\u200e{MARKED}",
        ("Loja: \u200esobre a garantia:\nela dura um ano",),
        "staff",
        None,
        (1, 2, 1),
        WARRANTY,
    ),
    "mark inside a text": Export(
        IOS,
        f"\u200e{MARKED}",
        ("Loja: a garantia\u200e dura um ano",),
        "staff",
        None,
        (1, 2, 1),
        WARRANTY,
    ),
}


def _summaries(conn: Connection) -> dict[int, tuple[Any, ...]]:
    summarize(conn, SummaryOptions(), log=LOG)
    rows = conn.execute(
        "SELECT id_contato, last_speaker, open_since::text, customer_messages, staff_messages,"
        " other_messages, common_topics FROM customer_chat_summaries"
    ).fetchall()
    return {row[0]: tuple(row[1:]) for row in rows}


def test_notices_change_no_speaker_no_open_question_and_no_topic(
    fresh_database_url: str, tmp_path: Path
) -> None:
    write_chat(tmp_path, block(BLOCK))
    names = {f"Ana {chr(65 + number)}": name for number, name in enumerate(EXPORTS)}
    for customer, name in names.items():
        path = tmp_path / "2025" / "01" / f"Conversa do WhatsApp com {customer}.txt"
        path.write_text(EXPORTS[name].text(customer), encoding="utf-8")
    archive = ChatArchive(str(tmp_path))
    with connect(fresh_database_url) as conn:
        index_month(conn, archive, "2025-01", IndexOptions(owner=("Loja",)), log=LOG)
        load_month(conn, archive, "2025-01", LoadOptions(owner=("Loja",)), log=LOG)
        titles = dict(conn.execute("SELECT title, id FROM chat_files").fetchall())
        for chat in titles.values():
            summaries_data.add_contact(conn, chat)
        conn.execute("UPDATE chat_files SET id_contato = id, match_status = 'linked'")
        found = _summaries(conn)
        shown = messages_around(conn, StreamScope("customer", titles["Ana D"]), END, before=9, after=0)
    said = {name: found.pop(titles[customer]) for customer, name in names.items()}
    wanted = {
        name: (export.last_speaker, export.open_since, *export.sides) for name, export in EXPORTS.items()
    }
    assert {name: row[:-1] for name, row in said.items()} == wanted
    question = set(said["call"][-1])
    assert question
    assert {name: set(row[-1]) for name, row in said.items()} == {
        name: question | export.topics for name, export in EXPORTS.items()
    }
    ((speaker, since, customers, staff, others, topics),) = found.values()
    assert (speaker, since, customers, staff, others) == ("customer", "2025-01-05 10:02:00", 2, 1, 5)
    assert not set(topics) & WARRANTY
    # They stay in the conversation, under the name of who deleted or called.
    assert [(message.side, message.type) for message in shown] == [
        ("notification", "system"),
        ("to", "text"),
        ("from", "text"),
        ("to", "deleted"),
        ("to", "deleted"),
    ]


def test_calls_and_deleted_messages_are_no_replies(fresh_database_url: str) -> None:
    live = summaries_data.Said
    said = [
        live(0, "from", "quanto fica o orçamento?"),
        live(5, "to", "vinte reais"),
        live(30, "to", "fica em R$ 300"),
        live(40, "from", "qual é o prazo?"),
        live(45, "to", "um dia"),
    ]
    with connect(fresh_database_url) as conn:
        for contact in (1, 2):
            summaries_data.add_contact(conn, contact)
        summaries_data.add_webhook(conn, 1, said)
        summaries_data.add_chat(conn, 2, "a", said)
        conn.execute(
            "UPDATE conversation_messages SET revoked_at = now() WHERE message_key IN ('1-1', '1-4')"
        )
        conn.execute("UPDATE chat_messages SET type = 'call' WHERE ordinal IN (2, 5)")
        found = _summaries(conn)
        times = conn.execute(
            "SELECT first_response_median_s, reply_median_s, reply_p90_s FROM customer_chat_summaries"
        ).fetchall()
        talks = conn.execute(
            "SELECT last_speaker, message_count, first_response_s FROM customer_conversations"
        ).fetchall()
    assert [row[:-1] for row in found.values()] == [("customer", "2025-01-06 09:40:00", 2, 1, 2)] * 2
    assert times == [(1800, 1800, 1800)] * 2
    assert talks == [("customer", 3, 1800)] * 2
