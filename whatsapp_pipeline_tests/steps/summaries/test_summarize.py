"""customer_summaries on a real server: figures, what is recomputed, and that order never matters."""

from __future__ import annotations

import logging
import random
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from whatsapp_pipeline.checks.qa import CheckScope
from whatsapp_pipeline.checks.summaries import CHECKS
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.steps.summaries.summarize import (
    SummaryOptions,
    SummaryReport,
    stale_contacts,
    summarize,
)
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline_tests.summaries_data import START, Said, add_chat, add_contact, add_order, add_webhook

LOG = logging.getLogger(__name__)
DAY = 24 * 60
_COUNTS = next(check for check in CHECKS if check.name == "summary_counts_are_right")


@pytest.fixture
def empty(conn: Connection) -> Connection:
    """The module's database with nothing in it."""
    conn.execute(
        "TRUNCATE contatos, ordens_servico, chat_files, conversations, message_readings"
        " RESTART IDENTITY CASCADE"
    )
    return conn


def run(conn: Connection, **options: Any) -> SummaryReport:
    return summarize(conn, SummaryOptions(**options), log=LOG)


def rows(conn: Connection, table: str = "customer_chat_summaries") -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(f"SELECT * FROM {table} ORDER BY id_contato, 1, 2".encode()).fetchall()


def one(conn: Connection) -> dict[str, Any]:
    (row,) = rows(conn)
    return row


def test_readings_are_stored_whatever_the_order_of_the_columns(empty: Connection) -> None:
    add_contact(empty, 1)
    add_chat(empty, 1, "a", [Said(0, "from", "Péssimo, demorou"), Said(5, "to", "Desculpe")])
    run(empty)
    columns = "text_hash, rules, score, weight, evidence_start, evidence_end, closes, symptoms, urgent"
    before = empty.execute(f"SELECT {columns} FROM message_readings ORDER BY 1").fetchall()
    assert len(before) == 2
    with empty.transaction(force_rollback=True):
        empty.execute("TRUNCATE message_readings")
        empty.execute("ALTER TABLE message_readings RENAME COLUMN score TO earlier")
        empty.execute("ALTER TABLE message_readings ALTER COLUMN earlier DROP NOT NULL")
        empty.execute("ALTER TABLE message_readings ADD COLUMN score numeric(4, 3)")
        run(empty, rebuild=True)
        assert empty.execute(f"SELECT {columns} FROM message_readings ORDER BY 1").fetchall() == before


def test_figures_of_one_customer(empty: Connection) -> None:
    add_contact(empty, 1)
    chat = add_chat(
        empty,
        1,
        "a",
        [
            Said(0, "from", "Bom dia, meu notebook não liga"),
            Said(2, "from", "quanto fica?"),
            Said(10, "to", "Bom dia! O orçamento fica em R$ 300"),
            Said(20, "from", "ok obrigado"),
            Said(25, None, "Chamada de voz perdida"),
            Said(11 * 60, "from", "Está pronto?"),  # Monday 20:00
            Said(DAY, "to", "Ainda não"),  # Tuesday 9:00
            Said(3 * DAY, "to", "Está pronto"),
            Said(3 * DAY + 5, "from", "Péssimo, demorou demais e ninguém avisa"),
        ],
    )
    add_order(empty, chat, 1, 30123, "6")
    report = run(empty)
    assert (report.contacts, report.summaries_written, report.messages_measured) == (1, 1, 9)
    row = one(empty)
    counts = ("message_count", "customer_messages", "staff_messages", "other_messages")
    assert [row[name] for name in counts] == [9, 5, 3, 1]
    assert row["conversation_count"] == 2
    assert row["last_speaker"] == "customer"
    assert row["first_response_median_s"] == 600
    # Replies after 10 min, and 13 h later of which an hour is in business hours.
    assert (row["reply_median_s"], row["reply_p90_s"]) == (600, 13 * 3600)
    assert row["reply_p90_business_s"] == 3600
    assert row["open_since"] == datetime(2025, 1, 7)
    assert row["open_reasons"] == ["unanswered", "order"]
    assert row["sentiment_analysis"] == "negative"
    assert "orçamento" in row["common_topics"]
    assert "OS 30123 (Notebook Dell, em andamento)" in row["summary"]
    first, second = rows(empty, "customer_conversations")
    assert (first["opened_by"], first["last_speaker"], first["message_count"]) == ("customer", "staff", 6)
    assert (second["opened_by"], second["first_response_s"], second["sentiment"]) == (
        "staff",
        None,
        "negative",
    )
    assert first["id_ordem_servico"] == second["id_ordem_servico"] == 30123
    for check in CHECKS:
        assert check.find(CheckScope(empty, [], Archive())).failing == 0, check.name


def test_what_customer_and_staff_say_is_counted_for_its_own_side(empty: Connection) -> None:
    add_contact(empty, 1)
    chat = add_chat(
        empty,
        1,
        "a",
        [
            Said(0, "from", "Bom dia, a impressora não liga"),
            Said(1, "from", "e o notebook? quanto custa o orçamento?"),
            Said(2, None, "Mensagens protegidas"),
            Said(10, "to", "O orçamento fica em R$ 300, o teclado não tem garantia, reclame na fábrica"),
            Said(20, "from", "Péssimo, caro demais"),
            Said(3 * DAY, "to", "O orçamento foi aprovado?"),
            Said(3 * DAY + 30, "from", "Sim, pode fazer"),
            Said(3 * DAY + 40, "from", "quando fica pronto?"),
            Said(3 * DAY + 50, "from", "alguém aí?"),
        ],
    )
    add_order(empty, chat, 1, 30123, "3")
    run(empty)
    row = one(empty)
    facts = row["facts"]
    assert facts["types"] == {"text": 9}
    assert (facts["waiting"], row["open_since"]) == ("chat:7", START + timedelta(days=3, minutes=30))
    assert row["open_reasons"] == ["unanswered"]  # the order is finished
    (order,) = facts["orders"]
    assert (order["evidence"], order["open"], order["closed"]) == ("chat:1", False, "2025-01-09")
    assert {term["name"] for term in facts["terms"]} == {
        "impressora",
        "notebook",
    }  # the staff's keyboard is not
    assert [term["evidence"] for term in facts["terms"]] == ["chat:1", "chat:2"]
    # Reply times of the clock and of the business day, Monday to Thursday from 8 to 18.
    replies = ("reply_median_s", "reply_median_business_s", "reply_p90_s", "reply_p90_business_s")
    assert [row[name] for name in replies] == [600, 600, 258_000, 106_800]
    first, second = rows(empty, "customer_conversations")
    counts = ("number", "message_count", "customer_messages", "staff_messages", "opened_by", "last_speaker")
    assert [first[name] for name in counts] == [1, 4, 3, 1, "customer", "customer"]
    assert [second[name] for name in counts] == [2, 4, 3, 1, "staff", "customer"]
    times = ("started_at", "ended_at")
    assert [first[name] - START for name in times] == [timedelta(0), timedelta(minutes=20)]
    assert [second[name] - START for name in times] == [timedelta(days=3), timedelta(days=3, minutes=50)]
    assert (first["first_response_s"], first["first_response_business_s"]) == (600, 600)
    assert (second["first_response_s"], second["first_response_business_s"]) == (None, None)
    assert first["resolved_at"] == second["resolved_at"] == date(2025, 1, 9)
    assert (first["sentiment"], second["sentiment"]) == ("negative", "neutral")
    # Most often said first, then by name; what the staff say of complaints is no complaint.
    assert first["topics"][0] == second["topics"][0] == "orçamento"
    assert first["topics"][1:] == sorted(first["topics"][1:])
    assert not {"reclamação"} & set(second["topics"])


def test_only_what_was_said_after_the_staff_s_last_word_waits(empty: Connection) -> None:
    for number, (later, waits) in enumerate(
        (
            ([], 0),
            ([Said(5, "to", "R$ 100")], None),
            ([Said(5, "to", "R$ 100"), Said(9, "from", "e o prazo?")], 9),
        ),
        start=1,
    ):
        add_contact(empty, number)
        add_chat(empty, number, f"c{number}", [Said(0, "from", "quanto fica?"), *later])
        expected = None if waits is None else START + timedelta(minutes=waits)
        run(empty)
        assert rows(empty)[-1]["open_since"] == expected


@pytest.mark.parametrize(
    ("situacao", "is_open"),
    [
        ("0", True),
        ("1", True),
        ("2", True),
        ("3", False),
        ("4", False),
        ("5", True),
        ("6", True),
        ("7", False),
        ("8", False),
    ],
)
def test_which_orders_are_open(empty: Connection, situacao: str, *, is_open: bool) -> None:
    add_contact(empty, 1)
    chat = add_chat(empty, 1, "a", [Said(0, "from", "quanto fica?"), Said(5, "to", "R$ 100")])
    add_order(empty, chat, 1, 30123, situacao)
    run(empty)
    row = one(empty)
    assert row["facts"]["orders"][0]["open"] is is_open
    assert row["open_since"] == (datetime(2025, 1, 7) if is_open else None)


def test_courtesy_and_praise_are_no_open_issue(empty: Connection) -> None:
    for number, words in enumerate(
        ("ok, obrigado!", "ficou ótimo, adorei", "e agora, quando chega?"), start=1
    ):
        add_contact(empty, number)
        add_chat(empty, number, f"c{number}", [Said(0, "to", "Está pronto"), Said(5, "from", words)])
    run(empty)
    assert [row["open_since"] for row in rows(empty)] == [None, None, START + timedelta(minutes=5)]


def test_a_greeting_wants_an_answer(empty: Connection) -> None:
    add_contact(empty, 1)
    add_chat(
        empty,
        1,
        "a",
        [
            Said(0, "from", "quanto fica?"),
            Said(5, "to", "R$ 100"),
            Said(6, "from", "ok"),
            Said(3 * DAY, "from", "Bom dia"),
        ],
    )
    run(empty)
    assert one(empty)["open_since"] == START + timedelta(days=3)


def test_an_answer_to_the_previous_conversation_counts(empty: Connection) -> None:
    add_contact(empty, 1)
    add_chat(empty, 1, "a", [Said(0, "from", "quanto fica?"), Said(2 * DAY, "to", "R$ 100")])
    run(empty)
    assert one(empty)["first_response_median_s"] == 2 * 86400
    run(empty, reply_limit=timedelta(days=1))
    assert one(empty)["first_response_median_s"] is None


@pytest.mark.parametrize(("minutes", "counts"), [(30 * DAY, True), (30 * DAY + 1, False)])
def test_an_answer_after_thirty_days_answers_nothing(
    empty: Connection, minutes: int, *, counts: bool
) -> None:
    add_contact(empty, 1)
    add_chat(empty, 1, "a", [Said(0, "from", "quanto fica?"), Said(minutes, "to", "R$ 100")])
    run(empty)
    expected = minutes * 60 if counts else None
    assert (one(empty)["first_response_median_s"], one(empty)["reply_median_s"]) == (expected, expected)


@pytest.mark.parametrize(
    ("days_ago", "expected"),
    [
        ((0, 10, 89.9), "frequent"),
        ((0, 10, 90), "regular"),
        ((0, 10, 364.9), "regular"),
        ((0, 10, 365), "occasional"),
        ((0, 364.9), "occasional"),
        ((0, 365), "rare"),
        ((0,), "rare"),
        ((100, 110, 120), "regular"),
        ((-1, 0, 10, 20), "frequent"),
        ((-1, 0, 10), "occasional"),
    ],
)
def test_the_bounds_of_how_often_a_customer_writes(
    empty: Connection, days_ago: tuple[float, ...], expected: str
) -> None:
    add_contact(empty, 1)
    said = [Said((400 - days) * DAY, "from", "quanto fica?") for days in sorted(days_ago, reverse=True)]
    add_chat(empty, 1, "a", said)
    run(empty, as_of=START + timedelta(days=400))
    assert one(empty)["communication_frequency"] == expected


@pytest.mark.parametrize(("minutes", "counts"), [(90 * DAY - 1, True), (90 * DAY, False)])
def test_a_mood_is_that_of_the_last_ninety_days(empty: Connection, minutes: int, *, counts: bool) -> None:
    for contact in (1, 2):
        add_contact(empty, contact)
    content = Said(minutes, "from", "muito obrigado, ótimo")
    add_chat(empty, 1, "a", [content])
    add_chat(empty, 2, "b", [Said(0, "from", "péssimo atendimento, um absurdo"), content])
    run(empty)
    alone, after_a_complaint = (row["sentiment_score"] for row in rows(empty))
    assert alone > 0
    assert (after_a_complaint < alone) == counts
    assert (after_a_complaint == alone) == (not counts)


@pytest.mark.parametrize(("minutes", "compared"), [(90 * DAY, True), (90 * DAY + 1, False)])
def test_a_mood_changes_against_the_ninety_days_before(
    empty: Connection, minutes: int, *, compared: bool
) -> None:
    add_contact(empty, 1)
    said = [
        Said(0, "from", "péssimo atendimento, um absurdo"),
        Said(minutes, "from", "muito obrigado, ótimo"),
    ]
    add_chat(empty, 1, "a", said)
    run(empty)
    change = one(empty)["sentiment_change"]
    assert (change is not None and change > 0) == compared


def test_a_finished_order_gives_the_resolution(empty: Connection) -> None:
    add_contact(empty, 1)
    chat = add_chat(empty, 1, "a", [Said(0, "from", "quanto fica?"), Said(5, "to", "R$ 100")])
    add_order(empty, chat, 1, 30124, "3")
    run(empty)
    row = one(empty)
    assert (row["open_since"], row["facts"]["resolution"]) == (None, "2025-01-09")
    assert str(rows(empty, "customer_conversations")[0]["resolved_at"]) == "2025-01-09"


def test_what_is_not_linked_or_doubled_is_not_counted(empty: Connection) -> None:
    add_contact(empty, 1)
    original = add_chat(empty, 1, "a", [Said(0, "from", "quanto fica?")], status="manual")
    again = add_chat(empty, 1, "b", [Said(0, "from", "quanto fica?"), Said(9, "to", "R$ 100")])
    add_chat(empty, 1, "c", [Said(1, "from", "talvez outro")], status="proposed")
    add_chat(empty, None, "d", [Said(1, "from", "de ninguém")], status="unmatched")
    empty.execute(
        "UPDATE chat_messages SET duplicate_of = (SELECT id FROM chat_messages WHERE id_chat_file = %s)"
        " WHERE id_chat_file = %s AND ordinal = 1",
        (original, again),
    )
    add_webhook(empty, 1, [Said(20, "from", "pelo site")])
    run(empty)
    row = one(empty)
    assert (row["message_count"], row["customer_messages"]) == (3, 2)
    assert row["evidence_webhook_ids"]


def test_a_deleted_message_is_nobody_s_words(empty: Connection) -> None:
    add_contact(empty, 1)
    add_chat(
        empty,
        1,
        "a",
        [
            Said(0, "from", "quanto fica o orçamento?"),
            Said(5, "to", "R$ 100"),
            Said(9, "from", "Péssimo, quero meu dinheiro de volta"),
            Said(9.5, "from", "que demora, o prazo passou"),
        ],
    )
    run(empty)
    said = one(empty)
    assert (said["open_since"], said["sentiment_analysis"]) == (START + timedelta(minutes=9), "negative")
    empty.execute("UPDATE chat_messages SET type = 'deleted' WHERE ordinal > 2")
    assert run(empty).contacts_changed == 1
    row = one(empty)
    assert (row["message_count"], row["customer_messages"], row["facts"]["types"]) == (
        4,
        1,
        {"deleted": 2, "text": 2},
    )
    assert (row["staff_messages"], row["other_messages"], row["last_speaker"]) == (1, 2, "staff")
    assert (row["open_since"], row["open_reasons"], row["sentiment_analysis"]) == (None, [], "neutral")
    assert row["common_topics"] == ["orçamento"] != said["common_topics"]
    assert _COUNTS.find(CheckScope(empty, [], Archive())).failing == 0


def test_a_webhook_s_edits_and_revokes_are_no_messages(empty: Connection) -> None:
    add_contact(empty, 1)
    add_webhook(
        empty,
        1,
        [
            Said(0, "from", "quanto fica o orçamento?"),
            Said(5, "to", "R$ 100"),
            Said(9, "from", "aceita pix?"),
            Said(10, "from", "[edit: aceita cartão?]"),
            Said(11, "from", "[revoke]"),
        ],
    )
    empty.execute("UPDATE conversation_messages SET type = 'edit' WHERE message_key = '1-3'")
    empty.execute("UPDATE conversation_messages SET type = 'revoke' WHERE message_key = '1-4'")
    run(empty)
    row = one(empty)
    assert (row["message_count"], row["customer_messages"]) == (3, 2)
    assert row["open_since"] == row["last_interaction_date"] == START + timedelta(minutes=9)
    empty.execute(
        "UPDATE conversation_messages SET original_text = text, text = 'gostei', edited_at = now()"
        " WHERE message_key = '1-2'"
    )
    assert run(empty).contacts_changed == 1
    assert (one(empty)["message_count"], one(empty)["open_since"]) == (3, None)  # praise wants no answer
    empty.execute("UPDATE conversation_messages SET revoked_at = now() WHERE message_key = '1-0'")
    assert run(empty).contacts_changed == 1
    row = one(empty)
    # The question about the quote is deleted; the staff's answer "R$ 100" is about it too.
    topics = ["elogio", "orçamento"]
    assert (row["message_count"], row["customer_messages"], row["common_topics"]) == (3, 1, topics)
    assert row["facts"]["types"] == {"deleted": 1, "text": 2}
    assert _COUNTS.find(CheckScope(empty, [], Archive())).failing == 0


def test_only_what_changed_is_computed(empty: Connection) -> None:
    for number in (1, 2):
        add_contact(empty, number)
        add_chat(empty, number, f"a{number}", [Said(0, "from", "quanto fica?"), Said(5, "to", "R$ 100")])
    run(empty)
    before = rows(empty)
    again = run(empty)
    assert (again.contacts_changed, again.summaries_written) == (0, 0)
    assert run(empty, rebuild=True).summaries_written == 0
    assert rows(empty) == before
    assert stale_contacts(empty, SummaryOptions()) == (2, [])
    add_chat(empty, 2, "more", [Said(60, "from", "aceita pix?")])
    assert stale_contacts(empty, SummaryOptions()) == (2, [2])
    report = run(empty)
    assert (report.contacts_changed, report.contacts_aged, report.summaries_written) == (1, 0, 1)
    after = rows(empty)
    assert after[0] == before[0]
    assert after[1]["message_count"] == 3
    assert after[1]["id"] == before[1]["id"]


def test_a_customer_who_stops_writing_becomes_rare(empty: Connection) -> None:
    add_contact(empty, 1)
    add_chat(empty, 1, "a", [Said(days * DAY, "from", "quanto fica?") for days in (0, 5, 10)])
    run(empty)
    assert one(empty)["communication_frequency"] == "frequent"
    add_contact(empty, 2)
    add_chat(empty, 2, "b", [Said(200 * DAY, "from", "quanto fica?")])
    report = run(empty)
    assert (report.contacts_changed, report.contacts_aged) == (1, 1)
    assert [row["communication_frequency"] for row in rows(empty)] == ["regular", "rare"]
    run(empty, as_of=START + timedelta(days=900))
    assert [row["communication_frequency"] for row in rows(empty)] == ["rare", "rare"]


def test_a_link_that_is_lost_takes_the_summary_with_it(empty: Connection) -> None:
    add_contact(empty, 1)
    chat = add_chat(empty, 1, "a", [Said(0, "from", "oi")])
    run(empty)
    empty.execute("UPDATE chat_files SET match_status = 'ambiguous' WHERE id = %s", (chat,))
    assert run(empty).summaries_removed == 1
    assert rows(empty) == rows(empty, "customer_conversations") == []


def test_notices_alone_and_an_empty_database(empty: Connection) -> None:
    assert run(empty).contacts == 0
    add_contact(empty, 1)
    add_chat(empty, 1, "a", [Said(0, None, "Chamada de voz perdida")])
    run(empty)
    assert (one(empty)["conversation_count"], one(empty)["last_speaker"]) == (0, None)


def test_small_parts_give_the_same_rows(empty: Connection) -> None:
    rng = random.Random(3)
    for number in range(1, 30):
        add_contact(empty, number)
        add_chat(empty, number, f"a{number}", _talk(rng, 8))
    run(empty)
    before = rows(empty), rows(empty, "customer_conversations")
    assert run(empty, rebuild=True, batch_messages=20).summaries_written == 0
    assert (rows(empty), rows(empty, "customer_conversations")) == before


def test_a_dry_run_leaves_nothing(empty: Connection) -> None:
    add_contact(empty, 1)
    add_chat(empty, 1, "a", [Said(0, "from", "oi, quanto fica?")])
    with empty.transaction(force_rollback=True):
        assert run(empty).summaries_written == 1
    assert rows(empty) == []
    assert run(empty).summaries_written == 1


_TEXTS = (
    "quanto fica?",
    "ok",
    "está pronto?",
    "péssimo atendimento",
    "adorei, ficou ótimo",
    "não liga",
    "aceita pix?",
    "pode buscar hoje",
    "a tela quebrou de novo",
    "obrigado",
    "🙏",
    "",
)


def _talk(rng: random.Random, size: int) -> list[Said]:
    minute, out = rng.randrange(300), []
    for _ in range(size):
        # Whole minutes and repeats on purpose: ties in time must not be broken by when a row came.
        minute += rng.choice((0, 0, 1, 30, 600, 2000, 20 * DAY))
        out.append(Said(minute, rng.choice(("from", "to", "from", None)), rng.choice(_TEXTS)))
    return out


def _load(
    conn: Connection, pieces: list[tuple[str, int, list[Said]]], order: list[int]
) -> list[dict[str, Any]]:
    conn.execute("TRUNCATE contatos, chat_files, conversations RESTART IDENTITY CASCADE")
    for number in (1, 2):
        add_contact(conn, number)
    for step, place in enumerate(order):
        kind, contact, messages = pieces[place]
        if kind == "webhook":
            add_webhook(conn, contact, [m for m in messages if m.side and m.text])
        else:
            add_chat(conn, contact, f"piece {place}", messages)
        if step % 2:
            run(conn)
    run(conn)
    names = dict(
        conn.execute(
            "SELECT 'chat:' || m.id, f.file_path || '#' || m.ordinal FROM chat_messages m"
            " JOIN chat_files f ON f.id = m.id_chat_file"
            " UNION ALL SELECT 'webhook:' || id, message_key FROM conversation_messages"
        ).fetchall()
    )
    out = []
    for row in rows(conn):
        kept = {k: v for k, v in row.items() if k not in {"id", "input_hash", "computed_at", "facts"}}
        kept["claims"] = [{**c, "messages": [names[ref] for ref in c["messages"]]} for c in row["claims"]]
        del kept["evidence_message_ids"], kept["evidence_webhook_ids"]
        out.append(kept)
    return out + rows(conn, "customer_conversations")


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), order=st.permutations(range(5)))
def test_the_order_of_loading_never_matters(empty: Connection, seed: int, order: list[int]) -> None:
    rng = random.Random(seed)
    pieces = [("chat", rng.choice((1, 2)), _talk(rng, rng.randrange(1, 12))) for _ in range(4)]
    pieces.append(("webhook", 1, _talk(rng, 6)))
    assert _load(empty, pieces, list(range(5))) == _load(empty, pieces, list(order))
