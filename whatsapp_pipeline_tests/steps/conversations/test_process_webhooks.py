"""From the inbox into the tables: the invariants of the webhook, one by one."""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from whatsapp_pipeline.steps.conversations.process_webhooks import (
    DatabaseTroubleError,
    ProcessOptions,
    process_batch,
    process_due,
)
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.conversations import accounts, inbox
from whatsapp_pipeline.store.conversations.conversations import get_last_messages, get_or_create_conversation
from whatsapp_pipeline_tests.webhook.damage import damaged
from whatsapp_pipeline_tests.webhook.deliveries import (
    LOG,
    NOON,
    RECEIVED,
    SENDER,
    clear,
    delivery,
    edit,
    one,
    process,
    put,
    revoke,
    rows,
    shuffled_copies,
    state,
    status,
    take,
    text,
    texts,
)

OTHER = "5541988880000"


@pytest.fixture(autouse=True)
def _empty(conn: Connection) -> Iterator[None]:
    yield
    clear(conn)


def test_a_message_is_stored_once_for_ever(conn: Connection) -> None:
    payload = delivery(text("w1", "oi"))
    assert take(conn, payload, payload).messages == 1
    report = take(conn, payload)
    assert (report.messages, report.duplicates) == (0, 1)
    assert take(conn, delivery(text("w1", "oi"), account="acc-2")).messages == 1


def test_a_run_over_nothing_counts_nothing(conn: Connection) -> None:
    assert set(process(conn).counts().values()) == {0}


def test_without_id_and_time_the_same_body_counts_each_time_it_is_posted(conn: Connection) -> None:
    payload = delivery(text(None, "oi", at=None))
    take(conn, payload)
    assert one(conn, "SELECT count(*) FROM conversation_messages") == 1
    take(conn, payload)
    assert one(conn, "SELECT count(*), count(DISTINCT conversation_id) FROM conversation_messages") == (2, 1)
    conn.execute("UPDATE webhook_inbox SET status = 'pending'")
    assert process(conn).messages == 0  # the same deliveries processed again


def test_order_is_time_then_inbox_then_position(conn: Connection) -> None:
    take(
        conn,
        delivery(text("w3", "três", at=NOON + 5), text("w4", "quatro", at=NOON + 5)),
        delivery(text("w5", "cinco", at=NOON + 5), text("w1", "um", at=NOON)),
        delivery(text("w2", "dois", at=NOON + 1)),
    )
    conversation = one(conn, "SELECT id FROM conversations")
    assert [m.text for m in get_last_messages(conn, conversation)] == [
        "um",
        "dois",
        "três",
        "quatro",
        "cinco",
    ]
    assert [m.text for m in get_last_messages(conn, conversation, 2)] == ["quatro", "cinco"]


def test_a_clock_that_ran_ahead_and_was_put_right_delays_nothing(conn: Connection) -> None:
    put(conn, delivery(text("w1", "oi")), delivery(text("w2", "olá")))
    # A worker took them and died while the clock was a year ahead.
    conn.execute(
        "UPDATE webhook_inbox SET next_attempt_at = now() + interval '1 year',"
        " lease_token = gen_random_uuid(),"
        " lease_until = now() + interval '1 year 2 minutes', leased_under = pg_postmaster_start_time()"
    )
    assert inbox.plan_batch(conn, 10) is not None
    process(conn)
    assert one(conn, "SELECT count(*) FROM conversation_messages") == 2
    assert one(conn, "SELECT count(*) FROM webhook_inbox WHERE status = 'done'") == 2


@pytest.mark.parametrize(("crashes", "status"), [(0, "done"), (2, "done"), (3, "dead"), (4, "dead")])
def test_a_delivery_whose_worker_died_three_times_is_given_up(
    conn: Connection, crashes: int, status: str
) -> None:
    put(conn, delivery(text("w1", "oi")))
    conn.execute("UPDATE webhook_inbox SET crashes = %s", (crashes,))
    process(conn)
    assert one(conn, "SELECT status, coalesce(error, '') FROM webhook_inbox") == (
        status,
        f"its worker was killed {crashes} times" if status == "dead" else "",
    )


@pytest.mark.parametrize(("attempts", "status"), [(0, "pending"), (3, "pending"), (4, "dead"), (5, "dead")])
def test_a_delivery_that_failed_five_times_is_given_up(conn: Connection, attempts: int, status: str) -> None:
    conn.execute("ALTER TABLE conversation_messages ADD CONSTRAINT poison CHECK (text <> 'veneno')")
    try:
        put(conn, delivery(text("w1", "veneno")))
        conn.execute("UPDATE webhook_inbox SET attempts = %s", (attempts,))
        conn.execute(_LONG_PAUSES)
        process(conn, has_bad_item=True)
        assert one(conn, "SELECT status, attempts FROM webhook_inbox") == (status, attempts + 1)
    finally:
        conn.execute("ALTER TABLE conversation_messages DROP CONSTRAINT poison")
        conn.execute("DROP FUNCTION IF EXISTS pause_an_hour CASCADE")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_one_person_under_three_names_is_one_conversation(conn: Connection, order: tuple[int, ...]) -> None:
    seen = [
        delivery(text("w0", "por telefone", sender="554199990000")),
        delivery(
            text("w1", "pelos dois", from_user_id="BR.1"),
            contacts=[{"wa_id": SENDER, "user_id": "BR.1", "profile": {"name": "Ana"}}],
        ),
        delivery(text("w2", "por nome", sender=None, from_user_id="BR.1")),
    ]
    for index in order:
        take(conn, seen[index])
    assert rows(conn, "SELECT external_id, profile_name FROM conversations") == [(SENDER, "Ana")]
    assert one(conn, "SELECT count(*) FROM conversation_messages") == 3
    assert one(conn, "SELECT count(*) FROM leads") == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_status_never_regresses(conn: Connection, order: tuple[int, ...]) -> None:
    parts = [
        delivery(text("w1", "oi")),
        delivery(statuses=[status("w1", "read", at=NOON + 3)]),
        delivery(statuses=[status("w1", "sent"), status("w1", "failed")]),
        delivery(statuses=[status("w1", "delivered", at=NOON + 2)]),
    ]
    highest = 0
    for index in order:
        take(conn, parts[index])
        rank = rows(conn, "SELECT message_status_rank(status) FROM conversation_messages")
        if rank:
            assert rank[0][0] >= highest
            highest = rank[0][0]
    assert one(conn, "SELECT status FROM conversation_messages") == "read"


def _traffic(rng: random.Random) -> list[dict[str, Any]]:
    people = [SENDER, "554199990000", OTHER, "554133330000"]
    items = [text(f"w{n}", f"mensagem {n}", sender=rng.choice(people), at=NOON + n) for n in range(40)]
    named = [{"wa_id": OTHER, "user_id": "BR.9", "profile": {"name": "Bia"}}]
    return [
        *(delivery(item) for item in items[:20]),
        delivery(*items[20:30], contacts=named),
        delivery(*items[30:], contacts=[{"wa_id": SENDER, "profile": {"name": "Ana"}}]),
        delivery(text("u1", "por nome", sender=None, at=NOON + 50, from_user_id="BR.9")),
        *(
            delivery(statuses=[status(f"w{n}", s, at=NOON + i)])
            for n in range(5)
            for i, s in enumerate(("sent", "read"))
        ),
        *(delivery(edit(f"e{n}", f"w{n % 3}", f"corrigida {n}", at=NOON + 60 + n // 6)) for n in range(12)),
        *(delivery(revoke(f"r{n}", f"w{2 + n % 2}", at=NOON + 90 + n)) for n in range(4)),
    ]


def test_the_end_does_not_depend_on_order_duplication_or_batching(conn: Connection) -> None:
    rng = random.Random(1)
    traffic = _traffic(rng)
    ends = []
    for seed, chunk in ((0, 1000), (1, 1000), (2, 7), (3, 1)):
        clear(conn)
        sent = traffic if seed == 0 else shuffled_copies(traffic, seed)
        for start in range(0, len(sent), 25):
            put(conn, *sent[start : start + 25])
            if seed % 2:
                process(conn, chunk=chunk)
        process(conn, chunk=chunk)
        ends.append(state(conn))
    assert ends[0]["conversations"]
    assert ends[1] == ends[0]
    assert ends[2] == ends[0]
    assert ends[3] == ends[0]


def test_eight_workers_make_one_conversation(conn: Connection, database_url: str) -> None:
    put(
        conn,
        *(
            delivery(text(f"w{n}", str(n), sender=random.Random(n).choice([SENDER, "554199990000"])))
            for n in range(200)
        ),
    )
    barrier = threading.Barrier(8)
    errors: list[Exception] = []

    def work() -> None:
        try:
            with connect(database_url) as mine:
                barrier.wait()
                process_due(mine, ProcessOptions(chunk=5), log=LOG)
        except Exception as error:  # handed to the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert one(conn, "SELECT count(*) FROM conversations") == 1
    assert one(conn, "SELECT count(*) FROM conversation_messages") == 200
    assert one(conn, "SELECT count(*) FROM leads") == 1
    assert inbox.count_deliveries(conn).pending == 0


# The first pause is three seconds at least. A busy machine can take longer for what comes before it ends.
_LONG_PAUSES = """
    CREATE FUNCTION pause_an_hour() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN NEW.next_attempt_at := NEW.next_attempt_at + interval '1 hour'; RETURN NEW; END $$;
    CREATE TRIGGER long_pauses BEFORE UPDATE ON webhook_inbox FOR EACH ROW
        WHEN (NEW.attempts > OLD.attempts) EXECUTE FUNCTION pause_an_hour()"""


def test_a_bad_item_never_blocks_its_siblings(conn: Connection) -> None:
    conn.execute("ALTER TABLE conversation_messages ADD CONSTRAINT poison CHECK (text <> 'veneno')")
    conn.execute(_LONG_PAUSES)
    try:
        good = [text(f"w{n}", "boa") for n in range(50)]
        bad = delivery(*good[:25], text("wp", "veneno"), *good[25:])
        around = delivery(text("x", "antes")), bad, delivery(text("y", "depois"))
        report = take(conn, *around, max_attempts=2, has_bad_item=True)
        assert (report.messages, report.failed, report.dead) == (52, 1, 0)
        found = one(conn, "SELECT status, attempts, error FROM webhook_inbox WHERE attempts > 0")
        assert found[:2] == ("pending", 1)
        assert "item 25: CheckViolation" in found[2]
        assert "veneno" not in found[2]
        assert process(conn).deliveries == 0  # it waits
        conn.execute("UPDATE webhook_inbox SET next_attempt_at = now()")
        assert process(conn, max_attempts=2, has_bad_item=True).dead == 1
        assert inbox.dead_letters(conn)[0][2] == 2
    finally:
        conn.execute("ALTER TABLE conversation_messages DROP CONSTRAINT poison")
        conn.execute("DROP FUNCTION pause_an_hour CASCADE")
    assert inbox.replay(conn, dead=True) == 1
    assert process(conn).messages == 1
    assert inbox.count_deliveries(conn).dead == 0


@pytest.mark.parametrize(
    "body", [b"rubbish \xff\xfe", b"", b"[" * 200_000, b'{"entry":' + b"[" * 100_000 + b"}"]
)
def test_what_is_no_json_is_a_dead_letter_at_once(conn: Connection, body: bytes) -> None:
    report = take(conn, delivery(text("w1", "oi")), body)
    assert (report.messages, report.dead) == (1, 1)
    assert "not JSON" in inbox.dead_letters(conn)[0][3]


def test_what_jsonb_cannot_hold_is_kept(conn: Connection) -> None:
    raw = rb'"id":"w1","from":"5541999990000","text":{"body":"nul\u0000 lone\ud800"},"n":NaN,"big":'
    body = b'{"entry":[{"changes":[{"value":{"metadata":{"phone_number_id":"a"},"messages":[{'
    take(conn, body + raw + b"9" * 6000 + b"}]}}]}]}")
    stored, shown = one(conn, "SELECT raw_json::text, text FROM conversation_messages")
    assert json.loads(stored)["text"]["body"] == "nul\0 lone\ud800"
    assert json.loads(stored)["n"] == "NaN"
    assert len(json.loads(stored)["big"]) == 6000
    assert shown == "nul� lone�"
    assert one(conn, "SELECT body FROM webhook_inbox")[: len(body)] == body


def test_unusual_items_are_kept_beside_their_siblings(conn: Connection) -> None:
    payload = delivery(
        text("w1", "oi"),
        7,
        None,
        {"id": "w2", "type": "text"},
        text("x" * 5000, "longo", sender="y" * 9000),
        statuses=[{"status": "sent"}],
        errors=[{"code": 1}],
    )
    other = delivery(field="account_update", event="VERIFIED_ACCOUNT")
    report = take(conn, payload, other)
    assert report.dead == report.failed == 0
    assert report.messages == 2
    kinds = {kind for (kind,) in rows(conn, "SELECT kind FROM webhook_events")}
    assert kinds == {
        "unexpected message",
        "message without sender",
        "unexpected status",
        "error",
        "field account_update",
    }


def test_no_damage_of_a_delivery_costs_a_sibling_its_place_in_the_tables(conn: Connection) -> None:
    """Every JSON path deleted or retyped, each beside a sibling of its own, down to the tables."""
    count = 0
    for _, _, broken in damaged():
        entries = broken.get("entry")
        sibling = delivery(text(f"sibling-{count}", "irmã"), account="s")["entry"]
        put(conn, {**broken, "entry": [*(entries if isinstance(entries, list) else [entries]), *sibling]})
        count += 1
    assert count > 800
    report = process(conn)
    assert (report.failed, report.dead, report.parked) == (0, 0, 0)
    assert (
        one(conn, "SELECT count(*) FROM conversation_messages WHERE provider_id LIKE 'sibling-%%'") == count
    )
    assert (
        one(conn, "SELECT count(*) FROM conversation_messages WHERE provider_id = 'w1' AND text = 'um'") > 0
    )


def test_unknown_accounts_are_parked_and_replayed(conn: Connection) -> None:
    accounts.add_account(conn, "known", accounts.ensure_tenant(conn, "loja"))
    both = delivery(text("w1", "conhecida"), account="known")
    both["entry"] += delivery(text("w2", "desconhecida"), account="new")["entry"]
    report = take(conn, both, multitenant=True)
    assert (report.messages, report.parked) == (1, 1)
    assert inbox.count_deliveries(conn).waiting_for == ("new",)
    accounts.add_account(conn, "new", accounts.ensure_tenant(conn, "outra"))
    assert inbox.unpark(conn, "new") == 1
    report = process(conn, multitenant=True)
    assert (report.messages, report.duplicates, report.parked) == (1, 1, 0)
    assert rows(
        conn,
        "SELECT t.name, c.phone_number_id FROM conversations c"
        " JOIN tenants t ON t.id = c.tenant_id ORDER BY 1",
    ) == [("loja", "known"), ("outra", "new")]


def test_without_tenants_an_unknown_account_is_served_and_a_disabled_one_is_not(conn: Connection) -> None:
    assert take(conn, delivery(text("w1", "oi"))).messages == 1
    assert one(conn, "SELECT tenant_id FROM conversations") is None
    accounts.add_account(conn, "acc-1", None)
    assert accounts.disable_account(conn, "acc-1")
    assert take(conn, delivery(text("w2", "oi"))).parked == 1


def test_a_number_that_matches_no_contact_is_a_lead_once(conn: Connection) -> None:
    conn.execute("INSERT INTO contatos (id, nome) VALUES (1, 'Um'), (2, 'Dois') ON CONFLICT DO NOTHING")
    conn.execute(
        "INSERT INTO contact_phones (id_contato, field, position, key, kind)"
        " VALUES (1, 'celular', 1, '4199990000', 'mobile')"
    )
    take(conn, delivery(text("w1", "cliente")), delivery(text("w2", "nova", sender=OTHER)))
    lead = rows(conn, "SELECT * FROM leads")
    assert [row[3] for row in lead] == [OTHER]
    take(conn, delivery(text("w3", "de novo", sender="554188880000")))
    conn.execute("INSERT INTO contact_phones VALUES (2, 'celular', 1, '4188880000', 'mobile', true, NULL)")
    take(conn, delivery(text("w4", "agora cliente", sender=OTHER)))
    assert rows(conn, "SELECT * FROM leads") == lead


def test_history_and_echoes_make_no_lead(conn: Connection) -> None:
    take(conn, delivery(message_echoes=[{"to": SENDER, "id": "e1", "text": {"body": "olá"}}]))
    assert one(conn, "SELECT role FROM conversation_messages") == "assistant"
    assert one(conn, "SELECT count(*) FROM leads") == 0


def test_conversations_are_linked_by_phone_key(conn: Connection) -> None:
    conn.execute("INSERT INTO contatos (id, nome) VALUES (1, 'Um'), (2, 'Dois') ON CONFLICT DO NOTHING")
    conn.execute("INSERT INTO contact_phones VALUES (1, 'celular', 1, '4199990000', 'mobile', true, NULL)")
    take(conn, delivery(text("w1", "oi", sender="554199990000")))
    assert one(conn, "SELECT id_contato, match_status FROM conversations") == (1, "linked")
    conn.execute("INSERT INTO contact_phones VALUES (2, 'telefone', 1, '4199990000', 'mobile', true, NULL)")
    process(conn)
    assert one(conn, "SELECT id_contato, match_status FROM conversations") == (None, "ambiguous")
    conn.execute("UPDATE conversations SET id_contato = 2, match_status = 'manual'")
    process(conn)
    assert one(conn, "SELECT id_contato, match_status FROM conversations") == (2, "manual")


def test_a_conversation_whose_contact_is_deleted_is_linked_anew(conn: Connection) -> None:
    conn.execute("INSERT INTO contatos (id, nome) VALUES (8, 'Oito'), (9, 'Nove')")
    conn.execute("INSERT INTO contact_phones VALUES (8, 'celular', 1, '4199990000', 'mobile', true, NULL)")
    take(conn, delivery(text("w1", "oi", sender="554199990000")))
    conn.execute("UPDATE conversations SET id_contato = 9, match_status = 'manual'")
    conn.execute("DELETE FROM contatos WHERE id = 9")
    assert one(conn, "SELECT id_contato, match_status FROM conversations") == (None, "unmatched")
    process(conn)
    assert one(conn, "SELECT id_contato, match_status FROM conversations") == (8, "linked")
    conn.execute("DELETE FROM contatos WHERE id = 8")
    # Its phones are still there; somebody new who writes from the number is a lead all the same.
    conn.execute("DELETE FROM leads")
    take(conn, delivery(text("w2", "de novo", sender="554199990000")))
    assert one(conn, "SELECT count(*) FROM leads") == 1


def test_what_an_export_holds_too_is_marked(conn: Connection) -> None:
    chat = one(
        conn,
        "INSERT INTO chat_files (filename, file_path, month, phone_key)"
        " VALUES ('a', %s, '2026-03', '4199990000') RETURNING id",
        str(uuid4()),
    )
    conn.execute(
        "INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, timestamp_utc, direction, type,"
        " message_text, line, body_hash) VALUES (%s, 1, %s::timestamptz, %s, 'from', 'text', 'igual', 1, 1)",
        (chat, RECEIVED + timedelta(seconds=2), RECEIVED + timedelta(seconds=2)),
    )
    take(
        conn,
        delivery(text("w1", "igual"), text("w2", "outra"), text("w3", "igual", at=NOON - 1)),
        delivery(text("w4", "igual", sender=OTHER)),
        delivery(
            message_echoes=[{"to": SENDER, "id": "e", "timestamp": str(NOON), "text": {"body": "igual"}}]
        ),
    )
    marks = rows(
        conn,
        "SELECT m.provider_id, v.in_archive FROM conversation_contact_messages v"
        " JOIN conversation_messages m ON m.id = v.message_id ORDER BY 1",
    )
    assert marks == [("e", False), ("w1", True), ("w2", False), ("w3", False), ("w4", False)]
    assert rows(
        conn,
        "SELECT message_id, conversation_id, id_contato, match_status, tenant_id, direction, sent_at, type,"
        " text FROM conversation_contact_messages WHERE NOT in_archive ORDER BY 1",
    ) == rows(conn, "SELECT * FROM conversation_only_messages ORDER BY 1")


def test_what_an_export_holds_from_before_or_after_a_change_is_the_same_message(conn: Connection) -> None:
    chat = one(
        conn,
        "INSERT INTO chat_files (filename, file_path, month, phone_key)"
        " VALUES ('a', %s, '2026-03', '4199990000') RETURNING id",
        str(uuid4()),
    )
    exported = [
        ("dia 12", "text"),
        ("dia 23", "edited"),
        ("segredo", "text"),
        ("Mensagem apagada", "deleted"),
    ]
    for number, (words, kind) in enumerate(exported, start=1):
        conn.execute(
            "INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, timestamp_utc, direction,"
            " type, message_text, line, body_hash)"
            " VALUES (%(chat)s, %(number)s, %(at)s::timestamptz, %(at)s, 'from', %(kind)s, %(words)s, 1, 1)",
            {
                "chat": chat,
                "number": number,
                "at": RECEIVED + timedelta(minutes=number),
                "kind": kind,
                "words": words,
            },
        )
    at = [NOON + 60 * number for number in range(7)]
    take(
        conn,
        delivery(
            text("w1", "dia 12", at=at[1]), text("w2", "dia 22", at=at[2]), text("w3", "segredo", at=at[3])
        ),
        delivery(text("w4", "outro", at=at[4]), text("w5", "novo", at=at[5]), text("w6", "fica", at=at[6])),
        delivery(edit("e1", "w1", "dia 13", at=at[6]), edit("e2", "w2", "dia 23", at=at[6])),
        delivery(edit("e5", "w5", "o que vale", at=at[6])),
        delivery(*(revoke(f"r{n}", f"w{n}", at=at[6]) for n in (3, 4, 6))),
    )
    shown = rows(
        conn,
        "SELECT m.provider_id, v.type, v.text, v.in_archive FROM conversation_contact_messages v"
        " JOIN conversation_messages m ON m.id = v.message_id ORDER BY 1",
    )
    assert shown == [
        ("w1", "text", "dia 13", True),
        ("w2", "text", "dia 23", True),
        ("w3", "deleted", None, True),
        ("w4", "deleted", None, True),
        ("w5", "text", "o que vale", False),
        ("w6", "deleted", None, False),
    ]
    only = rows(
        conn,
        "SELECT m.provider_id, v.type, v.text, false FROM conversation_only_messages v"
        " JOIN conversation_messages m ON m.id = v.message_id ORDER BY 1",
    )
    assert only == shown[4:]


def test_an_edit_shows_the_latest_words_and_keeps_the_first(conn: Connection) -> None:
    take(conn, delivery(edit("e1", "w1", "dia 21", at=NOON + 60)))  # before the message it speaks of
    take(conn, delivery(text("w1", "dia 12"), text("w2", "outra")))
    shown = (
        "SELECT text, original_text, edited_at - sent_at FROM conversation_messages WHERE provider_id = 'w1'"
    )
    assert one(conn, shown) == ("dia 21", "dia 12", timedelta(seconds=60))
    take(conn, delivery(edit("e3", "w1", "dia 23", at=NOON + 180)))
    take(conn, delivery(edit("e2", "w1", "dia 22", at=NOON + 120)), delivery(text("w1", "dia 12")))
    assert one(conn, shown) == ("dia 23", "dia 12", timedelta(seconds=180))
    assert one(conn, "SELECT count(*) FROM conversation_messages WHERE edited_at IS NOT NULL") == 1
    conversation = one(conn, "SELECT id FROM conversations")
    assert [message.text for message in get_last_messages(conn, conversation)][:2] == ["dia 23", "outra"]


def test_what_its_author_took_back_is_marked(conn: Connection) -> None:
    take(conn, delivery(text("w1", "esqueça"), text("w2", "fica")))
    take(conn, delivery(revoke("r1", "w1", at=NOON + 5)), delivery(revoke("r2", "w1", at=NOON + 9)))
    marked = rows(
        conn,
        "SELECT provider_id, text, revoked_at - sent_at FROM conversation_messages"
        " WHERE revoked_at IS NOT NULL",
    )
    assert marked == [("w1", "esqueça", timedelta(seconds=5))]
    conversation = one(conn, "SELECT id FROM conversations")
    assert [message.text for message in get_last_messages(conn, conversation)][:2] == ["[revoked]", "fica"]


def test_nobody_changes_what_the_other_side_or_another_account_wrote(conn: Connection) -> None:
    take(conn, delivery(text("w1", "minha")))
    take(
        conn,
        delivery(message_echoes=[{**edit("e1", "w1", "sua"), "to": SENDER}]),
        delivery(edit("e2", "w1", "de outra conta"), account="acc-2"),
        delivery(
            {**edit("e3", "w1", ""), "edit": {"original_message_id": "w1", "message": {"type": "text"}}}
        ),
        delivery({**edit("e4", "w1", ""), "edit": {"original_message_id": "w1"}}),
    )
    assert one(conn, "SELECT text, edited_at FROM conversation_messages WHERE provider_id = 'w1'") == (
        "minha",
        None,
    )
    take(conn, delivery(message_echoes=[{**text("b1", "da loja"), "to": SENDER}]))
    take(conn, delivery(message_echoes=[{**edit("e5", "b1", "da loja, corrigida"), "to": SENDER}]))
    assert (
        one(conn, "SELECT text FROM conversation_messages WHERE provider_id = 'b1'") == "da loja, corrigida"
    )


def test_a_worker_killed_after_its_lease_loses_nothing(conn: Connection) -> None:
    put(conn, delivery(text("w1", "oi")), delivery(text("w2", "oi")))
    inbox.lease(conn, 0, 10**9, rows=10, seconds=3600)
    assert process(conn).deliveries == 0  # somebody else's
    conn.execute("UPDATE webhook_inbox SET lease_until = now() - interval '1 second'")
    assert process(conn).messages == 2


def test_a_body_that_kills_its_worker_ends_dead_and_alone(conn: Connection) -> None:
    put(conn, delivery(text("w1", "oi")), delivery(text("killer", "oi")), delivery(text("w3", "oi")))
    crashes = 0
    for _ in range(10):
        conn.execute(
            "UPDATE webhook_inbox SET lease_until = now() - interval '1 second' WHERE status = 'pending'"
        )
        _, leased = inbox.lease(conn, 0, 10**9, rows=10, seconds=60)
        if any(d.crashes >= 3 for d in leased):
            break
        while not leased:  # one at a time now: those before the killer get through
            token, leased = inbox.lease(conn, 0, 10**9, rows=1, seconds=60, suspects=True)
            if leased and leased[0].id != 2 and leased[0].crashes < 3:
                inbox.finish_deliveries(conn, [leased[0].id], token)
                leased = []
                continue
            break
        crashes += 1
        if leased and leased[0].crashes >= 3:
            inbox.release(conn, token)
            break
    assert process(conn).dead == 1
    assert rows(conn, "SELECT id, status FROM webhook_inbox ORDER BY id") == [
        (1, "done"),
        (2, "dead"),
        (3, "done"),
    ]
    assert "worker was killed" in inbox.dead_letters(conn)[0][3]
    assert crashes >= 3


def test_a_read_only_server_uses_up_no_attempt(conn: Connection) -> None:
    put(conn, delivery(text("w1", "oi")))
    conn.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '25006'; END $$"
    )
    conn.execute("CREATE TRIGGER refuse BEFORE INSERT ON conversation_messages EXECUTE FUNCTION refuse()")
    try:
        with pytest.raises(DatabaseTroubleError, match="ReadOnlySqlTransaction"):
            process(conn)
    finally:
        conn.execute("DROP FUNCTION refuse CASCADE")
    assert one(conn, "SELECT attempts, crashes, lease_token FROM webhook_inbox") == (0, 0, None)
    assert process(conn).messages == 1


def test_a_connection_lost_in_the_middle_is_trouble_and_nothing_else(
    conn: Connection, database_url: str
) -> None:
    put(conn, delivery(text("w1", "oi")))
    mine = psycopg.connect(database_url, autocommit=True)
    conn.execute("SELECT pg_terminate_backend(%s)", (mine.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        process_due(mine, ProcessOptions(), log=LOG)
    mine.close()
    assert process(conn).messages == 1


def test_batches_cover_the_inbox_once(conn: Connection) -> None:
    put(conn, *(delivery(text(f"w{n}", "oi")) for n in range(5)))
    first, second = inbox.plan_batch(conn, 3), inbox.plan_batch(conn, 3)
    assert first is not None
    assert second is not None
    assert inbox.plan_batch(conn, 3) is None
    assert process_batch(conn, first.id, ProcessOptions(), log=LOG).messages == 3
    assert [b.id for b in inbox.open_batches(conn)] == [second.id]
    assert inbox.next_attempt(conn, second.id) == 2
    assert process_batch(conn, second.id, ProcessOptions(), log=LOG).messages == 2
    assert inbox.open_batches(conn) == []


def test_raw_bodies_are_redacted_after_their_days(conn: Connection) -> None:
    put(conn, delivery(text("old", "antiga")), received=RECEIVED - timedelta(days=400))
    put(conn, b"rubbish", received=RECEIVED)
    process(conn)
    conn.execute("UPDATE webhook_inbox SET received_at = now() - interval '20 days'")
    assert inbox.redact(conn, days=14, held_days=90) == 1
    assert rows(conn, "SELECT body IS NULL, status FROM webhook_inbox ORDER BY id") == [
        (True, "done"),
        (False, "dead"),
    ]
    assert texts(conn) == ["antiga"]
    assert inbox.redact(conn, days=14, held_days=90) == 0


def test_a_delivery_without_its_raw_body_is_not_tried_again(conn: Connection) -> None:
    put(conn, delivery(text("lost", "oi")))
    conn.execute("UPDATE webhook_inbox SET body = NULL, redacted_at = now()")
    report = process(conn)
    assert (report.messages, report.failed, report.dead) == (0, 1, 1)
    found = rows(conn, "SELECT status, error FROM webhook_inbox")
    assert found == [("dead", "the raw body was redacted")]


def test_whoever_comes_second_waits_and_sees_the_first(conn: Connection, database_url: str) -> None:
    """Two spellings of one number in two transactions at the same moment, one of them still open."""
    made: list[int] = []

    def second() -> None:
        with connect(database_url) as other:
            made.append(get_or_create_conversation(other, None, "acc-1", "554199990000"))

    thread = threading.Thread(target=second)
    with conn.transaction():
        first = get_or_create_conversation(conn, None, "acc-1", SENDER)
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
    thread.join()
    assert made == [first]
    assert one(conn, "SELECT count(*) FROM conversations") == 1


def test_a_status_from_the_history_is_not_lowered_either(conn: Connection) -> None:
    old = text("h1", "antiga", history_context={"status": "READ"})
    take(conn, delivery(history=[{"threads": [{"id": SENDER, "messages": [old]}]}]))
    take(conn, delivery(statuses=[status("h1", "sent")]))
    assert one(conn, "SELECT status FROM conversation_messages") == "read"


def test_a_copy_processed_later_that_came_earlier_gives_its_place(conn: Connection) -> None:
    put(conn, delivery(text("w1", "primeira", at=None)))
    put(conn, delivery(text("w2", "segunda", at=None)), delivery(text("w1", "primeira", at=None)))
    conn.execute("UPDATE webhook_inbox SET next_attempt_at = now() + interval '1 hour' WHERE id = 1")
    process(conn)
    assert texts(conn) == ["segunda", "primeira"]
    conn.execute("UPDATE webhook_inbox SET next_attempt_at = now()")
    process(conn)
    assert texts(conn) == ["primeira", "segunda"]
