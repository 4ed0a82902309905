"""Commitments on a real server: kept, settled, listed, and the same by increments as by a rebuild."""

from __future__ import annotations

import json
import logging
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner
from psycopg.rows import dict_row

from whatsapp_pipeline import clock
from whatsapp_pipeline.checks.qa import CheckScope
from whatsapp_pipeline.checks.summaries import CHECKS
from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.steps.summaries.customer import dossier
from whatsapp_pipeline.steps.summaries.customer_words import metrics
from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, SummaryReport, summarize
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.queries import load
from whatsapp_pipeline.store.summaries.commitment_lists import commitment_counts, commitment_lines
from whatsapp_pipeline.store.summaries.unlinked_work import unlinked_change
from whatsapp_pipeline_tests.summaries_data import Said, add_chat, add_contact, add_order, add_webhook

LOG = logging.getLogger(__name__)
DAY = 24 * 60
MONDAY_AFTER = date(2025, 1, 13)


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


def kept(conn: Connection) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT * FROM commitments ORDER BY said_at, source, message_id, number"
        ).fetchall()


TALK = [
    Said(0, "from", "Bom dia, meu notebook não liga. Quanto fica?"),
    Said(10, "to", "Fica R$ 350 com 90 dias de garantia"),
    Said(20, "from", "Pode fazer, passo sexta pra buscar"),
    Said(30, "to", "Certo, quinta às 15h fica pronto"),
]


def test_a_repair_from_quote_to_pick_up(empty: Connection) -> None:
    add_contact(empty, 1)
    chat = add_chat(empty, 1, "a", TALK)
    report = run(empty)
    assert report.commitments_changed == 5
    warranty, quote, approval, pickup, deadline = kept(empty)
    assert (quote["kind"], quote["amount"], quote["outcome"]) == ("price_quoted", Decimal(350), "approved")
    assert (warranty["kind"], warranty["length"]) == ("warranty_given", "90d")
    assert (approval["kind"], approval["side"], approval["outcome"]) == ("quote_approved", "customer", None)
    assert (quote["outcome_source"], quote["outcome_id"]) == ("chat", approval["message_id"])
    assert (pickup["kind"], pickup["due_on"]) == ("pickup_agreed", date(2025, 1, 10))
    assert (deadline["due_on"], deadline["due_time"]) == (date(2025, 1, 9), time(15))
    text = TALK[1].text
    assert text[quote["evidence_start"] : quote["evidence_end"]].strip() == text
    assert run(empty).commitments_changed == 0
    assert run(empty, rebuild=True).commitments_changed == 0

    add_order(empty, chat, 1, 30123, "3")  # closed on the 9th
    run(empty)
    deadline = kept(empty)[-1]
    assert (deadline["outcome"], deadline["outcome_source"], deadline["outcome_id"]) == (
        "kept",
        "order",
        30123,
    )


@pytest.mark.parametrize(
    ("situacao", "quote", "deadline"),
    [("1", None, None), ("4", "refused", "superseded"), ("7", "refused", "superseded")],
)
def test_an_order_that_was_turned_down_or_cancelled_settles_its_quote_and_deadline(
    empty: Connection, situacao: str, quote: str | None, deadline: str | None
) -> None:
    add_contact(empty, 1)
    talk = [
        Said(0, "from", "Bom dia, meu notebook não liga"),
        Said(10, "to", "Fica R$ 350"),
        Said(20, "to", "Quinta fica pronto"),
        Said(30, "from", "passo sexta pra buscar"),
    ]
    add_order(empty, add_chat(empty, 1, "a", talk), 1, 30123, situacao)
    run(empty)
    by_order = ("order", 30123)
    nothing = (None, None)
    assert [
        (row["kind"], row["outcome"], (row["outcome_source"], row["outcome_id"])) for row in kept(empty)
    ] == [
        ("price_quoted", quote, by_order if quote else nothing),
        ("deadline_promised", deadline, by_order if deadline else nothing),
        ("pickup_agreed", None, nothing),  # the customer still collects the device
    ]
    listed = commitment_lines(empty, "overdue", today=date(2025, 1, 11))
    assert "pickup_agreed" in {line.kind for line in listed}


def test_the_summary_tells_the_case(empty: Connection) -> None:
    add_contact(empty, 1)
    add_chat(empty, 1, "a", [*TALK, Said(40, "from", "fico no aguardo")])
    run(empty)
    row = empty.execute("SELECT summary, claims, open_reasons FROM customer_chat_summaries").fetchone()
    assert row is not None
    summary, claims, reasons = row
    for sentence in (
        "O cliente escreveu sobre um notebook que não liga.",
        "A loja informou o valor de R$ 350,00 em 06/01, prometeu o serviço para 09/01 às 15:00"
        " e deu garantia de 90 dias.",
        "O cliente aprovou o orçamento em 06/01 e combinou a retirada do aparelho para 10/01.",
        "Em aberto: falta a loja avisar quando o serviço prometido para 09/01 às 15:00 ficar pronto.",
    ):
        assert sentence in summary
    assert "%" not in summary
    assert reasons == []  # a farewell opens nothing
    shown = dossier(empty, 1).summary
    assert shown is not None
    assert ("Em aberto", "sim, veja o resumo") in metrics(shown)
    offer = next(claim for claim in claims if claim["kind"] == "offer")
    assert len(offer["messages"]) == 2
    for said in TALK:
        assert said.text not in summary


@pytest.mark.parametrize(("replies", "has_percentile"), [(4, False), (5, True)])
def test_a_percentile_needs_five_replies(empty: Connection, replies: int, *, has_percentile: bool) -> None:
    add_contact(empty, 1)
    talk = [
        Said(10 * number + minute, side, f"mensagem {number}")
        for number in range(replies)
        for minute, side in ((0, "from"), (3, "to"))
    ]
    add_chat(empty, 1, "a", talk)
    run(empty)
    shown = dossier(empty, 1).summary
    assert shown is not None
    figures = dict(metrics(shown))
    assert "mediana 3 min" in figures["Respostas"]
    assert ("9 de cada 10" in figures["Respostas"]) is has_percentile
    assert "9 de cada 10" not in figures["Primeira resposta"]  # one conversation


def test_increments_give_what_a_rebuild_gives(empty: Connection) -> None:
    add_contact(empty, 1)
    add_contact(empty, 2)
    add_chat(empty, 1, "a", TALK)
    run(empty)
    add_chat(empty, 2, "b", [Said(0, "to", "a tela sai 280")])
    add_webhook(empty, 1, [Said(2 * DAY, "to", "atrasou, fica pronto segunda")])
    run(empty)
    by_increments = kept(empty)
    assert [row["outcome"] for row in by_increments if row["kind"] == "deadline_promised"] == [
        "superseded",
        None,
    ]
    run(empty, rebuild=True)
    assert kept(empty) == by_increments
    empty.execute("TRUNCATE commitments, customer_chat_summaries, message_readings")
    run(empty)
    assert kept(empty) == by_increments


STEPS = [
    [Said(0, "from", "minha impressora não imprime, quanto fica?"), Said(9, "to", "entre 200 e 300")],
    [Said(DAY, "from", "vou pensar e te aviso")],
    [Said(3 * DAY, "from", "levo na sexta"), Said(3 * DAY + 5, "to", "ok")],
    [Said(4 * DAY, "to", "fica R$ 250, pronto segunda"), Said(4 * DAY + 5, "from", "pode fazer")],
    [Said(7 * DAY, "to", "impressora pronta"), Said(7 * DAY + 9, "from", "passo amanhã pra buscar")],
    [Said(8 * DAY + 30, "from", "não consegui ir hoje, vou amanhã")],
    [Said(9 * DAY, "from", "peguei, pix feito, obrigada")],
]


def test_summaries_by_increments_are_those_of_a_rebuild(empty: Connection) -> None:
    add_contact(empty, 1)
    told: list[str] = []
    for number, said in enumerate(STEPS):
        add_chat(empty, 1, str(number), said)
        run(empty)
        found = empty.execute("SELECT summary, claims, open_reasons FROM customer_chat_summaries").fetchone()
        assert found is not None
        empty.execute("TRUNCATE commitments, customer_chat_summaries, message_readings")
        run(empty)
        again = empty.execute("SELECT summary, claims, open_reasons FROM customer_chat_summaries").fetchone()
        assert again == found
        told.append(found[0])
        # An approval waits for the work; what closes a conversation, or opens one to announce, does not.
        assert found[2] == (["unanswered"] if said[-1].text == "pode fazer" else []), said
    for summary, sentence in zip(
        told,
        (
            "orçamento aproximado de R$ 200,00 a R$ 300,00",
            "falta a resposta do cliente ao orçamento aproximado",
            "ficou de levar o aparelho em 10/01",
            "avisar quando o serviço prometido para 13/01",
            "falta o cliente buscar o aparelho",
            "combinou a retirada do aparelho para 15/01",
            "o aparelho já foi retirado",
        ),
        strict=True,
    ):
        assert sentence in summary


def test_a_chat_that_leaves_its_customer_takes_its_commitments_along(empty: Connection) -> None:
    add_contact(empty, 1)
    chat = add_chat(empty, 1, "a", TALK)
    run(empty)
    empty.execute(
        "UPDATE chat_files SET match_status = 'unmatched', id_contato = NULL WHERE id = %s", (chat,)
    )
    run(empty)
    assert {(row["id_contato"], row["id_chat_file"]) for row in kept(empty)} == {(None, chat)}
    empty.execute("UPDATE chat_files SET duplicate_of = id WHERE id = %s", (chat,))
    run(empty)
    assert kept(empty) == []


def test_due_and_overdue_are_of_the_day_that_asks(empty: Connection) -> None:
    add_contact(empty, 1, "Ana Teste")
    add_chat(empty, 1, "a", [*TALK[:1], Said(10, "to", "quinta fica pronto"), Said(11, "to", "fica 350")])
    run(empty)
    for today, counts in (
        (date(2025, 1, 8), (0, 0, 0, 1)),
        (date(2025, 1, 9), (1, 0, 0, 1)),
        (date(2025, 1, 10), (0, 1, 0, 1)),
        (date(2025, 5, 1), (0, 0, 0, 0)),
    ):
        assert tuple(commitment_counts(empty, today=today).values()) == counts
    (line,) = commitment_lines(empty, "overdue", today=date(2025, 1, 10))
    assert (line.id_contato, line.kind, line.status) == (1, "deadline_promised", "overdue")
    assert len(commitment_lines(empty, "quotes", today=date(2025, 1, 13), quiet_days=7)) == 1
    assert commitment_lines(empty, "quotes", today=date(2025, 1, 12), quiet_days=7) == []


def test_the_checks_name_what_is_late_and_what_is_stale(empty: Connection) -> None:
    add_contact(empty, 1)
    add_chat(empty, 1, "a", [*TALK[:1], Said(10, "to", "quinta fica pronto, sai 350")])
    run(empty)
    rules = {check.name: check for check in CHECKS}
    scope = CheckScope(empty, [], Archive(), now=datetime(2025, 1, 20, 12, tzinfo=UTC))
    for name in ("promises_are_kept", "quotes_are_answered"):
        findings = rules[name].find(scope)
        assert (findings.examined, findings.failing) == (1, 1), name
    assert rules["commitments_cite_their_customer"].find(scope).failing == 0
    empty.execute("UPDATE commitments SET message_id = message_id + 100 WHERE kind = 'price_quoted'")
    assert rules["commitments_cite_their_customer"].find(scope).failing == 1


def test_the_command_lists_them(
    empty: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_contact(empty, 1, "Ana\x1b[31m Teste")
    add_chat(empty, 1, "a", [*TALK[:1], Said(10, "to", "quinta às 15h fica pronto, sai R$ 1.350,00")])
    run(empty)
    monkeypatch.setenv("DATABASE_URL", database_url)
    with clock.set_to(datetime(2025, 1, 9, 15, tzinfo=UTC)):
        due = CliRunner().invoke(cli, ["commitments", "--due", "today"])
        overdue = CliRunner().invoke(cli, ["commitments", "--overdue"])
        quotes = CliRunner().invoke(cli, ["commitments", "--quotes-without-answer", "3", "--json"])
    assert due.exit_code == 0, due.output
    assert "prazo prometido para 09/01/2025 às 15:00 (dito em 06/01/2025): vence hoje" in due.output
    assert "\x1b" not in due.output
    assert "prazo" not in overdue.output
    (quote,) = (json.loads(line) for line in quotes.output.splitlines())
    assert (quote["kind"], quote["amount"], quote["status"]) == ("price_quoted", "1350.00", "open")
    wrong = CliRunner().invoke(cli, ["commitments", "--due", "amanhã"])
    assert wrong.exit_code == 2


def test_patterns_over_customers(
    empty: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_contact(empty, 1, "Ana Teste")
    add_contact(empty, 2, "Bia Teste")
    chat = add_chat(empty, 1, "a", [Said(0, "from", "quanto fica?"), Said(10, "to", "fica 350")])
    add_chat(empty, 2, "b", [*TALK[:2], Said(2 * DAY, "from", "vou pensar")])
    add_order(empty, chat, 1, 30123, "1")
    empty.execute(
        "INSERT INTO ordens_servico"
        " (id, numero_ordem_servico, situacao, equipamento, data_emissao, id_contato)"
        " VALUES (30124, '30124', '0', ' NOTEBOOK dell', '2025-03-01', 1),"
        " (30125, '30125', '0', 'TV', NULL, 1)"
    )
    run(empty)
    monkeypatch.setenv("DATABASE_URL", database_url)
    with clock.set_to(datetime(2025, 1, 13, 15, tzinfo=UTC)):
        result = CliRunner().invoke(cli, ["patterns", "--json"])
        later = CliRunner().invoke(cli, ["patterns", "--days", "8"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    # Bia wrote again two days later: a conversation of its own, and no silence.
    assert found["hours"] == [
        {"weekday": 1, "hour": 9, "conversations": 2},
        {"weekday": 3, "hour": 9, "conversations": 1},
    ]
    (device,) = found["returning_devices"]
    assert (device["id_contato"], device["orders"], device["last_opened"]) == (1, 2, "2025-03-01")
    (silent,) = found["silent_after_quote"]
    assert (silent["id_contato"], silent["amount"], silent["days"]) == (1, "350.00", 7)
    assert "segunda" in later.output
    assert "350" not in later.output


UNLINKED = [
    Said(0, "from", "Quanto fica pra trocar a tela?"),
    Said(10, "to", "Fica R$ 350"),
    Said(20, "to", "Quinta às 15h fica pronto"),
]


def owners(conn: Connection) -> list[tuple[str, int | None, int | None, int | None]]:
    return conn.execute(
        "SELECT kind, id_contato, id_chat_file, conversation_id FROM commitments"
        " ORDER BY source, said_at, message_id, number"
    ).fetchall()


def link(conn: Connection, table: str, number: int, contact: int | None) -> None:
    status = "linked" if contact else "unmatched"
    conn.execute(
        f"UPDATE {table} SET id_contato = %s, match_status = %s WHERE id = %s", (contact, status, number)
    )


def test_a_promise_in_a_chat_without_a_customer_is_kept_and_goes_to_the_customer(empty: Connection) -> None:
    chat = add_chat(empty, None, "a", UNLINKED, status="unmatched")
    report = run(empty)
    assert (report.chats_without_customer_read, report.commitments_changed) == (1, 2)
    assert owners(empty) == [("price_quoted", None, chat, None), ("deadline_promised", None, chat, None)]
    again = run(empty)
    assert (again.chats_without_customer_read, again.commitments_changed) == (0, 0)
    assert run(empty, rebuild=True).commitments_changed == 0

    # More is said, and what was promised is kept.
    empty.execute(
        "INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type, message_text,"
        " line, body_hash) VALUES (%s, 9, '2025-01-09 14:00', 'to', 'text', 'Seu celular está pronto', 9, 9)",
        (chat,),
    )
    assert run(empty).chats_without_customer_read == 1
    assert [row["outcome"] for row in kept(empty)] == [None, "kept"]

    # The chat is linked: the customer has the same rows, and a link that is taken back gives them back.
    add_contact(empty, 1)
    link(empty, "chat_files", chat, 1)
    run(empty)
    assert owners(empty) == [("price_quoted", 1, None, None), ("deadline_promised", 1, None, None)]
    link(empty, "chat_files", chat, None)
    run(empty)
    assert owners(empty) == [("price_quoted", None, chat, None), ("deadline_promised", None, chat, None)]
    empty.execute("DELETE FROM chat_files")
    run(empty)
    assert kept(empty) == []


def test_groups_proposals_and_held_months_among_chats_without_a_customer(empty: Connection) -> None:
    add_contact(empty, 1)
    proposed = add_chat(empty, 1, "a", UNLINKED, status="proposed")
    group = add_chat(empty, None, "b", UNLINKED, status="unmatched")
    empty.execute("UPDATE chat_files SET is_group = true WHERE id = %s", (group,))
    run(empty)
    assert [row[1:] for row in owners(empty)] == [(None, proposed, None)] * 2
    add_chat(empty, None, "c", UNLINKED, status="unmatched")
    before = owners(empty)
    assert run(empty, held_months={"2025-01": "a_check"}).chats_without_customer_read == 0
    assert owners(empty) == before


def test_live_conversations_without_a_customer_are_read_between_the_full_runs(empty: Connection) -> None:
    talk = add_webhook(empty, None, UNLINKED, status="unmatched")
    assert unlinked_change(empty, quiet=timedelta()) is not None
    assert unlinked_change(empty, quiet=timedelta(hours=1)) is None
    assert run(empty, contacts=()).chats_without_customer_read == 1
    assert [row[1:] for row in owners(empty)] == [(None, None, talk)] * 2
    assert unlinked_change(empty, quiet=timedelta()) is None
    assert run(empty, contacts=()).chats_without_customer_read == 0
    add_contact(empty, 7)
    link(empty, "conversations", talk, 7)
    run(empty, contacts=(7,))
    assert [row[1:] for row in owners(empty)] == [(7, None, None)] * 2


@pytest.mark.parametrize("live_only", [True, False])
def test_a_run_of_live_conversations_reads_no_message_of_the_archive(
    empty: Connection, *, live_only: bool
) -> None:
    add_chat(empty, None, "a", UNLINKED, status="unmatched")
    add_webhook(empty, None, UNLINKED, status="unmatched")
    values = {"options": "o", "live_only": live_only, "held": []}
    with empty.transaction(force_rollback=True):
        empty.execute(load("summaries/summaries_work_tables"))
        explain = b"EXPLAIN (COSTS OFF) " + load("summaries/unlinked_inputs").encode()
        lines = empty.execute(explain, values).fetchall()
    plan = "\n".join(line for (line,) in lines)
    assert "conversation_messages" in plan
    # Both arms of messages_all are appended; the archive's is left out of the plan for live ones.
    assert ("Append" in plan) is not live_only


def test_a_live_conversation_whose_messages_are_all_in_an_export_waits_for_no_run(empty: Connection) -> None:
    add_webhook(empty, None, [], status="unmatched")
    assert unlinked_change(empty, quiet=timedelta()) is not None
    assert run(empty, contacts=()).chats_without_customer_read == 0
    assert unlinked_change(empty, quiet=timedelta()) is None


@pytest.mark.parametrize(
    ("kind", "counts"),
    [("wrong_number", False), ("private_or_supplier", False), (None, False), ("new_customer", True)],
)
def test_chats_that_a_person_decided_are_nobodys_have_no_commitments(
    empty: Connection, kind: str | None, *, counts: bool
) -> None:
    chat = add_chat(empty, None, "a", UNLINKED, status="unmatched")
    talk = add_webhook(empty, None, UNLINKED, status="unmatched")
    empty.execute(
        "INSERT INTO conversation_identities (conversation_id, channel, phone_number_id, kind, value,"
        " canonical)"
        " SELECT id, channel, phone_number_id, 'wa_id', external_id, external_id FROM conversations"
    )
    run(empty)
    assert len(owners(empty)) == 4
    for target_kind, target in (
        ("file", "(SELECT file_path FROM chat_files)"),
        ("conversation", "(SELECT phone_number_id || '/' || external_id FROM conversations)"),
    ):
        empty.execute(
            f"SELECT override_link('{target_kind}', {target}, 'no_contact', NULL, 'w', 'rita',"
            " nobody_kind => %s)".encode(),
            (kind,),
        )
    for table in ("conversations", "chat_files"):
        empty.execute(f"UPDATE {table} SET match_status = 'manual', match_method = 'override'".encode())
    empty.execute("UPDATE conversations SET changed_at = now()")
    assert (unlinked_change(empty, quiet=timedelta()) is not None) is counts
    run(empty, contacts=())
    assert {row[1:] for row in owners(empty)} == {(None, chat, None)} | (
        {(None, None, talk)} if counts else set()
    )
    run(empty)
    assert len(owners(empty)) == (4 if counts else 0)
    # The decision is taken back.
    for table in ("conversations", "chat_files"):
        empty.execute(f"UPDATE {table} SET match_status = 'pending', match_method = NULL".encode())
    run(empty)
    assert len(owners(empty)) == 4


def test_of_two_decisions_about_a_nobody_the_narrower_one_holds(empty: Connection) -> None:
    add_chat(empty, None, "a", UNLINKED, status="unmatched")
    empty.execute("UPDATE chat_files SET phone_key = '4199990001'")
    for target_kind, target, kind in (
        ("phone", "'4199990001'", "new_customer"),
        ("file", "(SELECT file_path FROM chat_files)", "wrong_number"),
    ):
        empty.execute(
            f"SELECT override_link('{target_kind}', {target}, 'no_contact', NULL, 'w', 'rita',"
            " nobody_kind => %s)".encode(),
            (kind,),
        )
    empty.execute("UPDATE chat_files SET match_status = 'manual', match_method = 'override'")
    run(empty)
    assert owners(empty) == []


@pytest.mark.parametrize("batch_messages", [1, 4, 100_000])
def test_parts_of_any_size_give_the_same_commitments_without_customers(
    empty: Connection, batch_messages: int
) -> None:
    chats = [add_chat(empty, None, str(number), UNLINKED, status="unmatched") for number in range(5)]
    report = run(empty, batch_messages=batch_messages)
    assert report.chats_without_customer_read == 5
    assert sorted({row[2] or 0 for row in owners(empty)}) == chats


def test_what_is_promised_without_a_customer_is_listed_and_checked(
    empty: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_contact(empty, 1)
    chat = add_chat(empty, None, "a", UNLINKED, status="unmatched")
    run(empty)
    monkeypatch.setenv("DATABASE_URL", database_url)
    with clock.set_to(datetime(2025, 1, 20, 15, tzinfo=UTC)):
        shown = CliRunner().invoke(cli, ["commitments", "--overdue"])
        as_json = CliRunner().invoke(cli, ["commitments", "--overdue", "--json"])
    assert shown.exit_code == 0, shown.output
    assert f"chat {chat} (sem cliente)" in shown.output
    line = json.loads(as_json.output)
    assert (line["id_contato"], line["id_chat_file"], line["kind"]) == (None, chat, "deadline_promised")

    rules = {check.name: check for check in CHECKS}
    scope = CheckScope(empty, [], Archive(), now=datetime(2025, 1, 20, 12, tzinfo=UTC))
    assert rules["promises_are_kept"].find(scope).failing == 1
    cited = rules["commitments_cite_their_customer"]
    assert cited.find(scope).failing == 0
    link(empty, "chat_files", chat, 1)
    assert cited.find(scope).failing == 2  # the chat has a customer, and the list does not say so
    run(empty)
    assert cited.find(scope).failing == 0
