"""The rows of one person beside those of another: what an export gives out and an erasure takes.

Both have a row in every table. Each test changes them in a transaction that is taken back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.operations import privacy, privacy_webhooks, suppression

ANA, BIA = 1, 2
KEYS = {ANA: "4199990001", BIA: "4199990002"}
# One row in each table, with %(id)s for the person; `chat` and `session` are those of the person.
ROWS = (
    "INSERT INTO contatos (id, nome, fantasia, codigo, cpf_cnpj, rg, inscricao_estadual, telefone, celular,"
    " email, tipo_pessoa)"
    " VALUES (%(id)s, %(name)s, 'Loja ' || %(name)s, 'c', '1', '2', '3', '4', '5', 'e', 'F')",
    "INSERT INTO contact_phones (id_contato, field, position, key, kind)"
    " VALUES (%(id)s, 'celular', 1, %(key)s, 'mobile')",
    "INSERT INTO contact_phone_inputs (id_contato, input_hash) VALUES (%(id)s, '')",
    "INSERT INTO contact_sources (id_contato, celular, item_hash, field_names)"
    " VALUES (%(id)s, 'x', '', 'v3')",
    "INSERT INTO ordens_servico (id, id_contato) VALUES (%(id)s * 10 + 1, %(id)s), (%(id)s * 10, %(id)s)",
    "INSERT INTO chat_files (id, filename, file_path, chat_number, month, title, phone_key, chat_key,"
    " customer_name, id_contato, match_status, content_hash) OVERRIDING SYSTEM VALUE"
    " VALUES (%(id)s * 100, 'f', 'p' || %(id)s, 1, '2025-01', 'Chat ' || %(id)s, %(key)s, %(key)s,"
    " 'Dona ' || %(name)s, %(id)s, 'linked', '')",
    "INSERT INTO chat_phones (id_chat_file, raw, key, kind, occurrences)"
    " VALUES (%(id)s * 100, 'r', %(key)s, 'mobile', 1)",
    "INSERT INTO chat_sessions (id, id_chat_file, number, started_at, ended_at, message_count)"
    " OVERRIDING SYSTEM VALUE VALUES (%(id)s * 1000, %(id)s * 100, 1, '2025-01-01 08:00', '2025-01-02', 1)",
    "INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, type, message_text, line,"
    " body_hash) VALUES (%(id)s * 100, 2, '2025-01-01', 'text', 'dois', 2, 2),"
    " (%(id)s * 100, 1, '2025-01-01', 'text', 'um', 1, 1)",
    "INSERT INTO match_candidates VALUES (%(id)s * 100, 1, %(id)s, 0.9, 'm', '[]')",
    "INSERT INTO order_candidates VALUES (%(id)s * 1000, 1, %(id)s * 10, 0.9, 'm', '[]')",
    "INSERT INTO review_verdicts (id_chat_file, verdict, match_status)"
    " VALUES (%(id)s * 100, 'right', 'linked')",
    "INSERT INTO customer_chat_summaries (id_contato, first_interaction_date, last_interaction_date,"
    " communication_frequency, sentiment_analysis, summary, message_count, customer_messages, staff_messages,"
    " other_messages, conversation_count, facts, claims, input_hash)"
    " VALUES (%(id)s, now(), now(), 'rare', 'neutral', 's', 1, 1, 0, 0, 1, '{}', '[]', '')",
    "INSERT INTO customer_conversations (id_contato, number, started_at, ended_at, opened_by, last_speaker,"
    " message_count, customer_messages, staff_messages, sentiment_score, sentiment)"
    " VALUES (%(id)s, 1, now(), now(), 'customer', 'staff', 1, 1, 0, 0, 'neutral')",
    "INSERT INTO commitments (source, message_id, number, id_contato, kind, side, said_at, evidence_start,"
    " evidence_end) VALUES ('chat', %(id)s, 1, %(id)s, 'price_quoted', 'staff', now(), 0, 1)",
    "INSERT INTO commitments (source, message_id, number, id_chat_file, kind, side, said_at, evidence_start,"
    " evidence_end) VALUES ('chat', %(id)s, 2, %(id)s * 100, 'price_quoted', 'staff', now(), 0, 1)",
    "INSERT INTO unlinked_chats_read (id_chat_file, input_hash, read_at) VALUES (%(id)s * 100, 'h', now())",
    "INSERT INTO customer_notes (id_contato, note, made_by) VALUES (%(id)s, 'n', 'vera')",
    "INSERT INTO handled_cases (id_contato, until, made_by) VALUES (%(id)s, '2030-01-01', 'vera')",
    "INSERT INTO stale_summaries (id_contato) VALUES (%(id)s)",
    "INSERT INTO exceptions (stage, file_path, kind, severity, detail, month)"
    " VALUES ('s', 'contatos/' || %(id)s, 'k', 'info', 'd', '2025-01'),"
    " ('s', 'p' || %(id)s, 'k', 'info', 'd', '2025-01')",
    "INSERT INTO ignored_files (file_path, reason) VALUES ('p' || %(id)s, 'r')",
    "INSERT INTO link_overrides (target_kind, target, decision, id_contato, reason)"
    " VALUES ('title', 'outro ' || %(id)s, 'contact', %(id)s, 'r')",
    "INSERT INTO link_overrides (target_kind, target, decision, reason) VALUES"
    " ('phone', %(key)s, 'no_contact', 'r'), ('file', 'p' || %(id)s, 'no_contact', 'r'),"
    " ('title', title_key('Chat ' || %(id)s), 'no_contact', 'r')",
    "INSERT INTO conversations (id, external_id, phone_number_id, id_contato, match_status, profile_name)"
    " OVERRIDING SYSTEM VALUE"
    " VALUES (%(id)s * 10000, %(key)s, 'acc', %(id)s, 'linked', 'Perfil ' || %(name)s)",
    "INSERT INTO commitments (source, message_id, number, conversation_id, kind, side, said_at,"
    " evidence_start, evidence_end)"
    " VALUES ('webhook', %(id)s, 1, %(id)s * 10000, 'price_quoted', 'staff', now(), 0, 1)",
    "INSERT INTO conversation_candidates VALUES (%(id)s * 10000, 1, %(id)s, 0.9, 'm', '[]')",
)


@pytest.fixture(scope="module")
def two(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as conn, psycopg.ClientCursor(conn) as cursor:
        for id_, name in ((ANA, "Ana Lima"), (BIA, "Bia Reis")):
            for statement in ROWS:
                cursor.execute(statement.encode(), {"id": id_, "name": name, "key": KEYS[id_]})
        yield conn


def _subject(conn: Connection, contact: int = ANA) -> privacy.Subject:
    found = privacy.find_contact(conn, contact)
    assert found is not None
    return found


def _rows(conn: Connection, contact: int) -> dict[str, list[Any]]:
    """Return every row of a contact and of its chat, by table, as they are."""
    own, chat = f"id_contato = {contact}", f"id_chat_file = {contact * 100}"
    conditions = {
        "contatos": f"id = {contact}",
        "contact_phones": own,
        "contact_phone_inputs": own,
        "contact_sources": own,
        "ordens_servico": own,
        "chat_files": f"id = {contact * 100}",
        "chat_phones": chat,
        "chat_sessions": chat,
        "chat_messages": chat,
        "match_candidates": own,
        "order_candidates": f"id_chat_session = {contact * 1000}",
        "review_verdicts": chat,
        "customer_chat_summaries": own,
        "customer_conversations": own,
        "commitments": f"{own} OR {chat} OR conversation_id = {contact * 10000}",
        "customer_notes": own,
        "handled_cases": own,
        "stale_summaries": own,
        "exceptions": f"file_path IN ('contatos/{contact}', 'p{contact}')",
        "ignored_files": f"file_path = 'p{contact}'",
        "link_overrides": f"target IN ('outro {contact}', '{KEYS[contact]}', 'p{contact}', 'chat {contact}')",
        "conversation_candidates": own,
    }
    return {
        table: conn.execute(
            f"SELECT to_jsonb(t) FROM {table} t WHERE {where} ORDER BY t::text".encode()
        ).fetchall()
        for table, where in conditions.items()
    }


def test_an_export_holds_every_row_of_the_person_and_none_of_another(two: Connection) -> None:
    held = privacy.export_rows(two, _subject(two))
    expected = {table: [row for (row,) in rows] for table, rows in _rows(two, ANA).items()}
    for table in ("contact_phone_inputs", "order_candidates"):  # copies of what other tables have
        del expected[table]
    # A decision about the title or file of a chat names no person by itself.
    expected["link_overrides"] = [
        row for row in expected["link_overrides"] if row["target"] in ("outro 1", KEYS[ANA])
    ]
    hidden = {
        "contact_sources": {"item_hash"},
        "chat_files": {"content_hash", "indexed_hash", "loaded_hash"},
        "chat_messages": {"search", "body_hash"},
    }
    assert set(held) == {*expected, "messages in group chats"}
    for table, rows in expected.items():
        shown = [{key: row[key] for key in row if key not in hidden.get(table, ())} for row in rows]
        assert sorted(map(str, held[table])) == sorted(map(str, shown)), table
    assert [row["id"] for row in held["ordens_servico"]] == [10, 11]
    assert [row["message_text"] for row in held["chat_messages"]] == ["um", "dois"]


def test_commitments_of_a_live_conversation_without_a_customer_are_exported_and_erased(
    two: Connection,
) -> None:
    with two.transaction(force_rollback=True):
        for number in (7, 8):
            two.execute(
                "INSERT INTO conversations (id, external_id, phone_number_id, match_status)"
                " OVERRIDING SYSTEM VALUE VALUES (%s, %s, 'acc', 'unmatched')",
                (number, f"419999000{number}"),
            )
            two.execute(
                "INSERT INTO commitments (source, message_id, number, conversation_id, kind, side, said_at,"
                " evidence_start, evidence_end)"
                " VALUES ('webhook', %s, 1, %s, 'price_quoted', 'staff', now(), 0, 1)",
                (number * 100, number),
            )
        subject = privacy.find_conversation(two, 7)
        assert [row["message_id"] for row in privacy.export_rows(two, subject)["commitments"]] == [700]
        assert privacy.erase_rows(two, subject, keep_contact_row=False)["commitments"] == 1
        left = two.execute("SELECT message_id FROM commitments WHERE message_id >= 700").fetchall()
        assert left == [(800,)]


@pytest.mark.parametrize("keep_contact_row", [False, True])
def test_an_erasure_takes_every_row_of_the_person_and_none_of_another(
    two: Connection, keep_contact_row: bool
) -> None:
    with two.transaction(force_rollback=True):
        two.execute("INSERT INTO search_words VALUES ('lima'), ('apagado') ON CONFLICT DO NOTHING")
        before, others = _rows(two, ANA), _rows(two, BIA)
        counts = privacy.erase_rows(two, _subject(two), keep_contact_row=keep_contact_row)
        assert _rows(two, BIA) == others
        left = {table: rows for table, rows in _rows(two, ANA).items() if rows}
        kept = {"contatos", "ordens_servico"}
        if keep_contact_row:
            kept |= {"contact_phones", "contact_phone_inputs", "contact_sources"}
            assert left["contatos"] == before["contatos"]
        else:
            [(contact,)] = left["contatos"]
            assert {name for name, value in contact.items() if value is not None} == {"id", "tipo_pessoa"}
        assert set(left) == kept
        assert left["ordens_servico"] == before["ordens_servico"]
        assert privacy.count_orders(two, _subject(two)) == 2
        assert two.execute("SELECT word FROM search_words").fetchall() == [("apagado",)]
        expected = {
            "exceptions": 2,
            "chat_messages": 2,
            "customer_chat_summaries": 1,
            "customer_conversations": 1,
            "commitments": 3,
            "customer_notes": 1,
            "handled_cases": 1,
            "stale_summaries": 1,
            "match_candidates": 1,
            "conversation_candidates": 1,
            "ignored_files": 1,
            "link_overrides": 4,
            "chat_phones": 0,  # those of other people's chats; her own go with her chat
            "chat_files": 1,
            "search_words": 1,
        }
        if not keep_contact_row:
            expected |= {"contact_phones": 1, "contact_sources": 1, "contatos": 1}
        assert {name: counts[name] for name in expected} == expected
        decisions = two.execute(
            "SELECT target_kind, target = 'erased:' || id, reason, removed_at IS NOT NULL, removed_reason"
            " FROM link_overrides WHERE target LIKE 'erased:%%'"
        ).fetchall()
        assert decisions == [("title", True, "erased", True, "erased")] * 4


def test_a_decision_that_was_withdrawn_keeps_who_withdrew_it_and_when(two: Connection) -> None:
    with two.transaction(force_rollback=True):
        two.execute(
            "UPDATE link_overrides SET removed_at = '2025-02-03', removed_by = 'vera', removed_reason = 'x'"
            " WHERE target = 'outro 1'"
        )
        privacy.erase_rows(two, _subject(two), keep_contact_row=False)
        kept = two.execute(
            "SELECT removed_at::date::text FROM link_overrides WHERE removed_by = 'vera'"
        ).fetchall()
        assert kept == [("2025-02-03",)]


def test_her_number_in_the_headers_of_another_chat_goes_alone(two: Connection) -> None:
    with two.transaction(force_rollback=True):
        two.execute(
            "INSERT INTO chat_phones (id_chat_file, raw, key, kind, occurrences)"
            " VALUES (200, 'x', %s, 'mobile', 1)",
            (KEYS[ANA],),
        )
        counts = privacy.erase_rows(two, _subject(two), keep_contact_row=False)
        assert counts["chat_phones"] == 1
        assert two.execute("SELECT raw FROM chat_phones").fetchall() == [("r",)]


@pytest.mark.parametrize(
    ("finding", "other_chat", "goes"),
    [
        ("p1, chat 1", True, True),  # her own chat of a combined file
        ("p1, chat 2", True, False),  # another's chat of the same file
        ("p1, chat 2", False, True),  # the whole file is hers
        ("p1, no chat", True, False),
        ("p1, no chat", False, True),
    ],
)
def test_a_finding_of_a_combined_file_goes_with_the_chat_that_it_is_about(
    two: Connection, finding: str, other_chat: bool, goes: bool
) -> None:
    with two.transaction(force_rollback=True):
        two.execute("DELETE FROM exceptions")
        if other_chat:
            two.execute("UPDATE chat_files SET file_path = 'p1', chat_number = 2 WHERE id = 200")
        number = finding.removeprefix("p1, ").removeprefix("chat ")
        two.execute(
            "INSERT INTO exceptions (stage, file_path, chat_number, kind, severity, detail)"
            " VALUES ('s', 'p1', %s, 'k', 'info', 'd')",
            (int(number) if number.isdigit() else None,),
        )
        privacy.erase_rows(two, _subject(two), keep_contact_row=False)
        assert two.execute("SELECT count(*) FROM exceptions").fetchone() == (0 if goes else 1,)


CHATS = [
    # What a chat of nobody has of hers: (columns, phones of its headers as key → contact or None, hers?)
    ("phone_key = '4199990001'", [], True),
    ("phone_key = 'xx99990001'", [], True),  # a title without the area code
    ("phone_key = '1199990001'", [], False),  # another area
    ("phone_key = '4199990002'", [], False),
    ("chat_key = '4199990001'", [], True),
    ("phone_key = '4199990001', is_group = true", [], False),
    ("phone_key = '4199990001', id_contato = 2, match_status = 'linked'", [], False),
    ("title = 'x'", ["4199990001"], True),
    ("title = 'x'", ["4199990001", "4199990077"], True),  # a number that no contact has
    ("title = 'x'", ["4199990001", "4199990002"], False),  # and one of another contact
    ("title = 'x'", ["4199990077"], False),
    ("title = 'x', is_group = true", ["4199990001", "xx99990001"], True),  # both are hers
    ("title = 'x', is_group = true", ["4199990001"], False),
    ("title = 'x', is_group = true", ["4199990001", "4199990077"], False),
    ("phone_key = '4199990077'", ["4199990001"], False),  # the title names another number
    ("title = 'x'", [], False),
]


@pytest.mark.parametrize(("columns", "headers", "hers"), CHATS)
def test_a_chat_of_nobody_is_hers_where_all_numbers_in_it_are(
    two: Connection, columns: str, headers: list[str], hers: bool
) -> None:
    with two.transaction(force_rollback=True):
        two.execute(
            "INSERT INTO chat_files (id, filename, file_path, month) OVERRIDING SYSTEM VALUE"
            " VALUES (500, 'f', 'p5', '2025-01')"
        )
        two.execute(f"UPDATE chat_files SET {columns} WHERE id = 500".encode())
        for number, key in enumerate(headers):
            two.execute(
                "INSERT INTO chat_phones (id_chat_file, raw, key, kind, occurrences)"
                " VALUES (500, %s, %s, 'mobile', 1)",
                (str(number), key),
            )
        assert _subject(two).chat_ids == ((100, 500) if hers else (100,))


def test_a_phone_that_another_contact_has_too_is_not_hers(two: Connection) -> None:
    with two.transaction(force_rollback=True):
        assert (_subject(two).phone_keys, _subject(two).shared_phones) == ((KEYS[ANA], "xx99990001"), 0)
        two.execute("INSERT INTO contact_phones VALUES (%s, 'telefone', 1, %s, 'mobile')", (BIA, KEYS[ANA]))
        assert (_subject(two).phone_keys, _subject(two).shared_phones) == ((), 1)
    assert privacy.find_contact(two, 99) is None
    with pytest.raises(PipelineError, match="belongs to contact 2; give --contact"):
        privacy.find_phone(two, KEYS[BIA])
    found = privacy.find_phone(two, "4199990077")
    assert (found.id_contato, found.phone_keys) == (None, ("4199990077", "xx99990077"))


SHARED = "wa:55" + KEYS[BIA]
# What a shared number's conversation is linked to, and whether an erasure of Ana includes the number.
SHARED_NUMBERS = [(BIA, False), (None, True), (ANA, True)]


@pytest.mark.parametrize(("linked_to", "is_hers"), SHARED_NUMBERS)
def test_a_shared_number_is_erased_unless_its_conversation_is_linked_to_another(
    two: Connection, linked_to: int | None, is_hers: bool
) -> None:
    body = json.dumps({"messages": [{"from": "55" + KEYS[BIA], "id": "w1", "text": {"body": "oi"}}]}).encode()
    with two.transaction(force_rollback=True):
        two.execute("INSERT INTO contact_phones VALUES (%s, 'telefone', 1, %s, 'mobile')", (ANA, KEYS[BIA]))
        two.execute(
            "UPDATE conversations SET id_contato = %s, match_status = %s WHERE id = 20000",
            (linked_to, "linked" if linked_to else "unmatched"),
        )
        two.execute(
            "INSERT INTO conversation_identities (phone_number_id, value, canonical, kind, phone_key,"
            " conversation_id) VALUES ('acc', %s, %s, 'wa_id', %s, 20000)",
            ("55" + KEYS[BIA], SHARED, KEYS[BIA]),
        )
        two.execute(
            "INSERT INTO conversation_messages (conversation_id, role, text, sender_canonical, sent_at, type,"
            " origin, phone_number_id, message_key)"
            " VALUES (20000, 'user', 'oi', %s, now(), 'text', 'message', 'acc', 'w1')",
            (SHARED,),
        )
        two.execute(
            "INSERT INTO message_statuses (phone_number_id, provider_id, status, recipient, status_time)"
            " VALUES ('acc', 'w2', 'read', %s, now())",
            (SHARED,),
        )
        two.execute(
            "INSERT INTO leads (wa_id, canonical, phone_number_id) VALUES (%s, %s, 'acc')",
            ("55" + KEYS[BIA], SHARED),
        )
        two.execute(
            "INSERT INTO webhook_inbox (delivery_id, received_at, status, body)"
            " VALUES (gen_random_uuid(), now(), 'done', %s)",
            (body,),
        )
        person = _subject(two).person
        assert (SHARED in person.canonicals, 20000 in person.conversation_ids) == (is_hers, is_hers)
        erased = privacy_webhooks.erase_webhook_data(two, person)
        assert (erased.messages, erased.deliveries, erased.leads) == ((1, 1, 1) if is_hers else (0, 0, 0))
        statuses = two.execute("SELECT count(*) FROM message_statuses").fetchone()
        assert statuses == (0 if is_hers else 1,)


def test_a_conversation_is_a_persons_where_no_contact_is_linked(two: Connection) -> None:
    with two.transaction(force_rollback=True):
        with pytest.raises(PipelineError, match="linked to contact 1; give --contact 1 instead"):
            privacy.find_conversation(two, ANA * 10000)
        two.execute("UPDATE conversations SET is_group = true WHERE id = 20000")
        with pytest.raises(PipelineError, match="20000 is a group"):
            privacy.find_conversation(two, BIA * 10000)
        with pytest.raises(PipelineError, match="no conversation 7"):
            privacy.find_conversation(two, 7)
        two.execute("UPDATE conversations SET id_contato = NULL, match_status = 'unmatched' WHERE id = 10000")
        two.execute(
            "INSERT INTO conversation_identities (phone_number_id, value, canonical, kind, conversation_id)"
            " VALUES ('acc', 'BR.77', 'id:BR.77', 'user_id', 10000)"
        )
        found = privacy.find_conversation(two, ANA * 10000)
        assert (found.id_contato, found.person.conversation_ids) == (None, (10000,))


def test_what_identifies_the_person_later_is_listed(two: Connection) -> None:
    with two.transaction(force_rollback=True):
        two.execute("UPDATE chat_files SET phone_key = NULL, chat_key = 'Rótulo' WHERE id = 100")
        entries = privacy.suppression_entries(two, _subject(two))
        plain = [entry for entry in entries if entry[0] not in ("session", "name", "identity")]
        assert plain == [
            ("contact", "1"),
            ("phone", KEYS[ANA]),
            ("phone", "xx99990001"),
            ("file", "p1#1"),
            ("chat", "Rótulo"),
        ]
        assert ("identity", "wa:554199990001") in entries
        started = two.execute("SELECT started_at FROM chat_sessions WHERE id = 1000").fetchone()
        assert started is not None
        assert [value for kind, value in entries if kind == "session"] == [
            suppression.session_value(started[0])
        ]
        names = {value for kind, value in entries if kind == "name"}
        assert names == {
            suppression.name_value(frozenset(words.split()))
            for words in ("ana lima", "loja ana lima", "dona ana lima", "perfil ana lima")
        }
        # A label beside a phone identifies nobody that the phone does not.
        two.execute("UPDATE chat_files SET phone_key = %s WHERE id = 100", (KEYS[ANA],))
        assert "chat" not in {kind for kind, _ in privacy.suppression_entries(two, _subject(two))}


def test_chats_are_deleted_by_path_and_number_and_by_month(two: Connection) -> None:
    with two.transaction(force_rollback=True):
        two.execute("UPDATE chat_files SET file_path = 'p1', chat_number = 2 WHERE id = 200")
        assert privacy.delete_chats(two, []) == 0
        assert privacy.delete_chats(two, [("p1", 2), ("p2", 1), ("p1", 9)]) == 1
        assert two.execute("SELECT id FROM chat_files").fetchall() == [(100,)]
        findings = "SELECT file_path FROM exceptions ORDER BY 1"
        # Those of p1 stay, because its other chat does; p2 is in the list and has no chat.
        assert two.execute(findings).fetchall() == [("contatos/1",), ("contatos/2",), ("p1",)]
        assert privacy.delete_chats(two, [("p1", 1)]) == 1
        assert two.execute(findings).fetchall() == [("contatos/1",), ("contatos/2",)]
    with two.transaction(force_rollback=True):
        two.execute("UPDATE chat_files SET month = '2024-12' WHERE id = 200")
        two.execute("UPDATE exceptions SET month = '2024-12' WHERE file_path = 'p2'")
        assert privacy.delete_months_before(two, "2024-12") == 0
        assert privacy.delete_months_before(two, "2025-01") == 1
        assert two.execute("SELECT id FROM chat_files").fetchall() == [(100,)]
        assert two.execute("SELECT count(*) FROM exceptions").fetchone() == (3,)


def test_contacts_and_chats_are_listed_with_what_identifies_them(two: Connection) -> None:
    assert privacy.contact_ids(two) == [ANA, BIA]
    marks = sorted(privacy.chat_identifiers(two), key=lambda chat: chat[0])
    assert [tuple(chat)[:5] + tuple(chat)[6:] for chat in marks] == [
        (f"p{id_}", 1, KEYS[id_], KEYS[id_], [KEYS[id_]], f"Chat {id_}", False, True) for id_ in (ANA, BIA)
    ]
    assert [len(chat[5]) for chat in marks] == [1, 1]


def test_the_audit_shows_the_newest_rows_first(two: Connection) -> None:
    with two.transaction(force_rollback=True):
        for number in range(3):
            privacy.add_audit_row(two, f"privacy.{number}", b"\x0a" if number else None, {"n": number})
        found = privacy.audit_rows(two, limit=2)
        assert [(row["action"], row["subject"], row["detail"]) for row in found] == [
            ("privacy.2", "0a", {"n": 2}),
            ("privacy.1", "0a", {"n": 1}),
        ]
        assert privacy.audit_rows(two)[2]["subject"] is None
