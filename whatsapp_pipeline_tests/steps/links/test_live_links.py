"""Live conversations: their contact, their sessions, and the orders these are about."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from whatsapp_pipeline.steps.conversations.live_sessions import make_live_sessions
from whatsapp_pipeline.steps.conversations.process_webhooks import (
    ProcessOptions,
    ProcessReport,
    process_batch,
)
from whatsapp_pipeline.steps.links.live_links import link_live
from whatsapp_pipeline.store.chats.search import SearchQuery, search_messages
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations import accounts, inbox
from whatsapp_pipeline.store.links import live_links, overrides
from whatsapp_pipeline.store.links.overrides import NewOverride
from whatsapp_pipeline_tests.webhook.deliveries import (
    LOG,
    NOON,
    clear,
    delivery,
    erase_contact,
    one,
    process,
    put,
    rows,
    take,
    text,
)

ANA, OTHER = "5541988880106", "5541988880103"
DAY = 86400
EARLIER = NOON - 10 * DAY


@pytest.fixture(autouse=True)
def _contacts(conn: Connection) -> Iterator[None]:
    for number, name, key in (
        (1, "Ana Souza", "4188880106"),
        (2, "Bia Lima", "4188880106"),
        (3, "Caio Reis", "41x"),
    ):
        conn.execute("INSERT INTO contatos (id, nome) VALUES (%s, %s)", (number, name))
        if number == 1:
            add_phone(conn, number, key)
    yield
    clear(conn)
    conn.execute("TRUNCATE contatos, ordens_servico CASCADE")
    for (number,) in rows(conn, "SELECT id FROM link_overrides WHERE removed_at IS NULL"):
        overrides.withdraw_override(conn, number, reason="test", removed_by="test")


def add_phone(conn: Connection, contact: int, key: str) -> None:
    conn.execute(
        "INSERT INTO contact_phones VALUES (%s, 'celular', 1, %s, 'mobile', true, NULL)", (contact, key)
    )


def add_order(
    conn: Connection, number: int, contact: int, opened: str = "2026-02-27", closed: str | None = None
) -> None:
    conn.execute(
        "INSERT INTO ordens_servico (id, numero_ordem_servico, situacao, equipamento, data_emissao,"
        " data_conclusao, id_contato) VALUES (%s, %s, '6', 'Notebook Dell', %s, %s, %s)",
        (number, str(number), opened, closed, contact),
    )


def say(
    conn: Connection, wamid: str, body: str, *, sender: str = ANA, at: int = NOON, name: str = "Ana"
) -> None:
    take(
        conn,
        delivery(
            text(wamid, body, sender=sender, at=at), contacts=[{"wa_id": sender, "profile": {"name": name}}]
        ),
    )


def contact_of(conn: Connection, sender: str = ANA) -> Any:
    return one(
        conn,
        "SELECT id_contato, match_status, match_method FROM conversations WHERE external_id = %s",
        sender,
    )


def test_a_named_order_is_found_and_searched_by(conn: Connection) -> None:
    add_order(conn, 30033, 1)
    add_order(conn, 30034, 1)
    say(conn, "w1", "oi")
    say(conn, "w2", "e a OS 30033?", at=NOON + 60)
    assert contact_of(conn)[:2] == (1, "linked")
    session = rows(
        conn,
        "SELECT number, message_count, order_numbers, id_ordem_servico, order_match_status"
        " FROM chat_sessions",
    )
    assert session == [(1, 2, ["30033"], 30033, "linked")]
    assert one(conn, "SELECT count(*) FROM order_candidates") > 0
    assert rows(conn, "SELECT DISTINCT id_ordem_servico, id_contato, origin FROM messages_all") == [
        (30033, 1, "message")
    ]
    assert [hit.source for hit in search_messages(conn, SearchQuery("oi", order=30033))] == ["webhook"]
    assert search_messages(conn, SearchQuery("oi", order=30034)) == []


def test_sessions_follow_the_messages(conn: Connection) -> None:
    say(conn, "w1", "oi", at=EARLIER)
    say(conn, "w3", "voltei", at=EARLIER + 3 * DAY)
    cut = "SELECT number, message_count FROM chat_sessions WHERE id_conversation IS NOT NULL ORDER BY number"
    assert rows(conn, cut) == [(1, 1), (2, 1)]
    # What comes between joins what it bridges.
    say(conn, "w2", "ainda aí?", at=EARLIER + DAY)
    say(conn, "w4", "sim", at=EARLIER + 2 * DAY)
    assert rows(conn, cut) == [(1, 1), (2, 1), (3, 1), (4, 1)]
    say(conn, "w5", "mais", at=EARLIER + DAY // 2)
    assert rows(conn, cut) == [(1, 3), (2, 1), (3, 1)]
    conn.execute("DELETE FROM conversation_messages WHERE provider_id IN ('w1', 'w2', 'w5')")
    make_live_sessions(conn, log=LOG)
    assert rows(conn, cut) == [(1, 1), (2, 1)]
    assert one(conn, "SELECT min(started_at) FROM chat_sessions") == datetime(2026, 2, 22, 9, 0)


def test_nothing_is_decided_twice(conn: Connection) -> None:
    add_order(conn, 30033, 1)
    say(conn, "w1", "e a OS 30033?")
    before = rows(conn, "SELECT c.*, s.*, c.xmin::text, s.xmin::text FROM conversations c, chat_sessions s")
    process(conn)
    report = link_live(conn, log=LOG)
    assert (report.contacts, report.sessions) == (0, 0)
    assert (
        rows(conn, "SELECT c.*, s.*, c.xmin::text, s.xmin::text FROM conversations c, chat_sessions s")
        == before
    )


def test_orders_that_come_later_are_found(conn: Connection) -> None:
    say(conn, "w1", "e a OS 30033?")
    assert one(conn, "SELECT id_ordem_servico FROM chat_sessions") is None
    add_order(conn, 30033, 1)
    assert link_live(conn, log=LOG).sessions == 1
    assert one(conn, "SELECT id_ordem_servico FROM chat_sessions") == 30033
    conn.execute("DELETE FROM ordens_servico")
    assert rows(conn, "SELECT id_ordem_servico, order_match_status FROM chat_sessions") == [(None, "pending")]


def test_a_second_message_within_a_second_leaves_the_order(conn: Connection) -> None:
    add_order(conn, 30033, 1)
    say(conn, "w1", "e a OS 30033?")
    say(conn, "w2", "por favor")
    assert rows(conn, "SELECT message_count, id_ordem_servico, order_match_status FROM chat_sessions") == [
        (2, 30033, "linked")
    ]


def batch(conn: Connection, wamid: str, body: str, *, sender: str, name: str) -> ProcessReport:
    """Take a message in as the sensor does: as a batch of its own."""
    put(
        conn,
        delivery(text(wamid, body, sender=sender), contacts=[{"wa_id": sender, "profile": {"name": name}}]),
    )
    planned = inbox.plan_batch(conn, 10)
    assert planned is not None
    return process_batch(conn, planned.id, ProcessOptions(), log=LOG)


def test_a_batch_links_whom_it_is_about_and_the_nightly_run_all(conn: Connection) -> None:
    say(conn, "w1", "e a OS 30033?")
    add_order(conn, 30033, 1)
    add_phone(conn, 3, "4188880103")
    report = batch(conn, "w2", "oi", sender=OTHER, name="~")
    assert report.links_changed == 1
    assert contact_of(conn, OTHER)[:2] == (3, "linked")
    assert one(conn, "SELECT count(*) FROM chat_sessions WHERE id_ordem_servico = 30033") == 0
    assert process(conn).sessions_linked == 1
    assert one(conn, "SELECT count(*) FROM chat_sessions WHERE id_ordem_servico = 30033") == 1


def test_a_batch_reads_no_more_where_there_are_many_conversations(conn: Connection) -> None:
    """A message costs what it costs whether ten conversations are known or three thousand."""
    conn.execute(
        "WITH many AS (INSERT INTO conversations (phone_number_id, external_id)"
        " SELECT 'acc-1', '554198888' || n FROM generate_series(1000, 3999) n RETURNING id, external_id)"
        " INSERT INTO conversation_identities (phone_number_id, value, canonical, kind, phone_key,"
        " conversation_id)"
        " SELECT 'acc-1', external_id, external_id, 'wa_id', '41' || right(external_id, 8), id FROM many"
    )
    process(conn)
    conn.execute("ANALYZE conversations, conversation_identities, chat_sessions")
    tables = ["conversations", "conversation_identities", "chat_sessions", "conversation_candidates"]
    read = (
        "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int FROM pg_stat_xact_user_tables"
        " WHERE relname = ANY (%s)"
    )
    with conn.transaction():
        before = one(conn, read, tables)
        report = batch(conn, "w1", "oi", sender=ANA, name="Ana")
        assert report.links_changed == 1
        assert one(conn, read, tables) - before < 300


def test_a_profile_name_that_comes_with_a_known_message_counts(conn: Connection) -> None:
    add_phone(conn, 2, "4188880106")
    batch(conn, "w1", "oi", sender=ANA, name="~")
    assert contact_of(conn)[:2] == (None, "ambiguous")
    conn.execute("UPDATE conversations SET profile_name_at = profile_name_at - interval '1 day'")
    batch(conn, "w1", "oi", sender=ANA, name="Bia Lima")
    assert contact_of(conn)[:2] == (2, "linked")


def test_the_profile_name_chooses_between_those_who_share_a_number(conn: Connection) -> None:
    add_phone(conn, 2, "4188880106")
    say(conn, "w1", "oi", name="~ ☀️")
    assert contact_of(conn)[:2] == (None, "ambiguous")
    say(conn, "w2", "oi", at=NOON + 1, name="Bia Lima")
    assert contact_of(conn)[:2] == (2, "linked")
    assert one(conn, "SELECT count(*) FROM conversation_candidates") == 2


def test_a_profile_name_alone_links_nobody(conn: Connection) -> None:
    say(conn, "w1", "oi", sender=OTHER, name="Caio Reis")
    contact, status, _ = contact_of(conn, OTHER)
    assert contact is None
    assert status in {"proposed", "unmatched", "ambiguous"}
    assert one(conn, "SELECT id_contato FROM conversation_candidates") == 3
    # Nor does a name speak against a number that one contact alone has.
    say(conn, "w2", "oi", name="Caio Reis")
    assert contact_of(conn)[:2] == (1, "linked")


def test_a_phone_without_its_area_that_comes_later_is_seen(conn: Connection) -> None:
    say(conn, "w1", "oi", sender=OTHER, name="~")
    assert one(conn, "SELECT count(*) FROM conversation_candidates") == 0
    conn.execute(
        "INSERT INTO contact_phones VALUES (3, 'celular', 1, 'xx88880103', 'unknown_area', true, NULL)"
    )
    link_live(conn, log=LOG)
    assert rows(conn, "SELECT id_contato FROM conversation_candidates") == [(3,)]


def test_a_contact_that_is_renamed_and_an_order_that_changes_hands_are_seen(conn: Connection) -> None:
    say(conn, "w1", "e a OS 30033?", sender=OTHER, name="Zuleica Prado")
    assert one(conn, "SELECT count(*) FROM conversation_candidates") == 0
    conn.execute("UPDATE contatos SET nome = 'Zuleica Prado' WHERE id = 3")
    link_live(conn, log=LOG)
    assert rows(conn, "SELECT id_contato FROM conversation_candidates") == [(3,)]
    conn.execute("UPDATE contatos SET nome = 'Caio Reis' WHERE id = 3")
    add_order(conn, 30033, 1)
    link_live(conn, log=LOG)
    assert rows(conn, "SELECT id_contato FROM conversation_candidates") == [(1,)]
    conn.execute("UPDATE ordens_servico SET id_contato = 2")
    link_live(conn, log=LOG)
    assert rows(conn, "SELECT id_contato FROM conversation_candidates") == [(2,)]


@pytest.mark.parametrize("kind", ["conversation", "phone"])
def test_a_person_decides_and_takes_it_back(conn: Connection, kind: str) -> None:
    say(conn, "w1", "oi")
    conversation = one(conn, "SELECT id FROM conversations")
    target = live_links.live_target(conn, conversation) if kind == "conversation" else ANA
    assert target is not None
    made = overrides.insert_override(conn, NewOverride(kind, target, "contact", 3, "é dele", "teste"))
    assert link_live(conn, log=LOG).contacts == 1
    assert contact_of(conn) == (3, "manual", "override")
    say(conn, "w2", "de novo", at=NOON + 5)
    assert contact_of(conn) == (3, "manual", "override")
    overrides.withdraw_override(conn, made, reason="engano", removed_by="teste")
    link_live(conn, log=LOG)
    assert contact_of(conn)[:2] == (1, "linked")
    overrides.insert_override(conn, NewOverride(kind, target, "no_contact", None, "de ninguém", "teste"))
    link_live(conn, log=LOG)
    assert contact_of(conn) == (None, "manual", "override")


def test_a_decision_on_an_order_holds_for_its_session(conn: Connection) -> None:
    add_order(conn, 30033, 1)
    add_order(conn, 30034, 1)
    say(conn, "w1", "e a OS 30033?", at=EARLIER)
    say(conn, "w2", "oi", at=NOON)
    target = live_links.live_target(conn, one(conn, "SELECT id FROM conversations"))
    assert target is not None
    overrides.insert_override(
        conn, NewOverride("conversation", target, "order", 30034, "visto", "teste", session_number=1)
    )
    link_live(conn, log=LOG)
    decided = rows(conn, "SELECT id_ordem_servico, order_match_status FROM chat_sessions ORDER BY number")
    assert decided[0] == (30034, "manual")
    assert decided[1][1] != "manual"


def test_a_decision_on_a_title_is_not_about_a_profile(conn: Connection) -> None:
    say(conn, "w1", "oi", sender=OTHER, name="Caio Reis")
    overrides.insert_override(conn, NewOverride("title", "Caio Reis", "contact", 3, "é dele", "teste"))
    link_live(conn, log=LOG)
    assert contact_of(conn, OTHER)[1] != "manual"


def test_conversations_from_before_their_account_get_its_tenant(conn: Connection) -> None:
    say(conn, "w1", "oi", sender=OTHER)
    assert one(conn, "SELECT tenant_id FROM conversations") is None
    tenant = accounts.ensure_tenant(conn, "Loja")
    # However the account got its tenant: here by the user's own SQL.
    conn.execute("INSERT INTO whatsapp_accounts (phone_number_id, tenant_id) VALUES ('acc-1', %s)", (tenant,))
    process(conn)
    assert one(conn, "SELECT tenant_id FROM conversations") == tenant
    assert one(conn, "SELECT tenant_id FROM leads") == tenant


def test_an_erased_person_leaves_the_decisions_about_their_conversation(
    conn: Connection, tmp_path: Path
) -> None:
    say(conn, "w1", "oi")
    target = live_links.live_target(conn, one(conn, "SELECT id FROM conversations"))
    assert target is not None
    made = overrides.insert_override(
        conn, NewOverride("conversation", target, "contact", 1, "é a Ana", "teste")
    )
    erase_contact(conn, 1, tmp_path)
    assert rows(conn, "SELECT target_kind, target, reason FROM link_overrides WHERE id = %s", made) == [
        ("title", f"erased:{made}", "erased")
    ]


def test_a_group_is_nobodys(conn: Connection) -> None:
    add_order(conn, 30033, 1)
    take(conn, delivery(text("w1", "e a OS 30033?", sender=ANA, group_id="g-1")))
    assert rows(conn, "SELECT id_contato FROM conversations") == [(None,)]
    assert one(conn, "SELECT id_ordem_servico FROM chat_sessions") is None
