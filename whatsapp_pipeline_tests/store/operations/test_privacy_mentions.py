"""One person's number in what others wrote: it goes, wherever it stands, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from whatsapp_pipeline.domain.redaction import ERASED
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.operations import privacy_chats, privacy_texts
from whatsapp_pipeline_tests.steps.links.linking_rows import add_chat, add_contact
from whatsapp_pipeline_tests.webhook.deliveries import one, rows

HERS, OTHERS = "41 99999-0101", "41 99999-0104"
IS_HER = {"wa:554199990101", "wa:xx99990101"}.__contains__
NEEDLES = ["%99990101%"]


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as conn, conn.transaction(force_rollback=True):
        add_contact(conn, 1)
        conn.execute(
            "INSERT INTO chat_files (id, filename, file_path, month, title) OVERRIDING SYSTEM VALUE"
            " VALUES (1, 'f', 'others', '2025-01', 'Grupo'), (2, 'f', 'hers', '2025-01', 'Ela')"
        )
        conn.execute("SELECT setval(pg_get_serial_sequence('chat_files', 'id'), 100)")
        conn.execute(
            "INSERT INTO chat_sessions (id, id_chat_file, number, started_at, ended_at, message_count)"
            " OVERRIDING SYSTEM VALUE VALUES (1, 1, 1, now(), now(), 1)"
        )
        conn.execute(
            "INSERT INTO conversations (id, external_id, phone_number_id) OVERRIDING SYSTEM VALUE"
            " VALUES (1, 'x', 'a')"
        )
        conn.execute(
            "INSERT INTO conversation_messages (id, conversation_id, role, text, origin, phone_number_id,"
            " message_key, sent_at) OVERRIDING SYSTEM VALUE"
            " VALUES (1, 1, 'user', 'x', 'message', 'a', 'k', now())"
        )
        yield conn


SUMMARY = (
    "customer_chat_summaries",
    "id_contato, first_interaction_date, last_interaction_date, communication_frequency, message_count,"
    " customer_messages, staff_messages, other_messages, conversation_count, input_hash, sentiment_analysis,"
    " summary, facts, claims",
    "1, now(), now(), 'rare', 1, 1, 0, 0, 1, '', 'neutral', 's', '{}', '[]'",
)
READING = (
    "message_readings",
    "text_hash, rules, score, weight, closes, topics, equipment, parts",
    "1, 'r', 0, 0, false, '{}', '{}', '{}'",
)
# A table, columns of a row and their values, the column with words, and its value with the number as {}.
TEXTS: list[tuple[tuple[str, str, str], str, Any]] = [
    (("assistant_replies", "trigger_id", "1"), "reason", "é {}"),
    (("chat_rereads", "id_chat_file, options, requested_by", "1, '{}', 'a'"), "options", {"owner": "é {}"}),
    (("checkpoint_waivers", "checkpoint, reason", "'files_indexed', 'x'"), "reason", "é {}"),
    (
        (
            "conversation_candidates",
            "id_conversation, rank, id_contato, confidence, method, evidence",
            "1, 1, 1, 0.5, 'm', '[]'",
        ),
        "evidence",
        [{"words": "é {}"}],
    ),
    (SUMMARY, "summary", "é {}"),
    (SUMMARY, "facts", {"case": ["é {}"]}),
    (SUMMARY, "claims", [{"text": "é {}"}]),
    (SUMMARY, "common_topics", ["é {}", "tela"]),
    (
        (
            "customer_conversations",
            "id_contato, number, started_at, ended_at, opened_by, last_speaker,"
            " message_count, customer_messages, staff_messages, sentiment",
            "1, 1, now(), now(), 'customer', 'staff', 1, 1, 0, 'neutral'",
        ),
        "topics",
        ["é {}"],
    ),
    (("customer_notes", "id_contato, note, made_by", "1, 'n', 'v'"), "note", "é {}"),
    (("handled_cases", "id_contato, until, made_by", "1, '2030-01-01', 'v'"), "note", "é {}"),
    (
        (
            "match_candidates",
            "id_chat_file, rank, id_contato, confidence, method, evidence",
            "1, 1, 1, 0.5, 'm', '[]'",
        ),
        "evidence",
        [{"words": "é {}"}],
    ),
    (READING, "parts", ["é {}"]),
    (READING, "topics", ["é {}"]),
    (READING, "equipment", ["é {}"]),
    (READING, "symptoms", ["é {}"]),
    (READING, "commitments", [{"text": "é {}"}]),
    (
        ("message_statuses", "phone_number_id, provider_id, status, status_time", "'a', 'w', 'read', now()"),
        "reason",
        "é {}",
    ),
    (("pauses", "ended_at", "now()"), "reason", "é {}"),
    (
        ("qa_acceptances", "check_name, failing, reason, until", "'c', 1, 'x', '2030-01-01'"),
        "reason",
        "é {}",
    ),
    (("review_verdicts", "id_chat_file, verdict, match_status", "1, 'right', 'linked'"), "note", "é {}"),
    (
        ("webhook_inbox", "delivery_id, received_at", "gen_random_uuid(), now()"),
        "error",
        "é {}",
    ),
]


def _with(value: Any, number: str) -> Any:
    if isinstance(value, dict):
        return {key: _with(child, number) for key, child in value.items()}
    if isinstance(value, list):
        return [_with(child, number) for child in value]
    return value.replace("{}", number)


@pytest.mark.parametrize(("row", "column", "value"), TEXTS, ids=[f"{r[0]}.{c}" for r, c, _ in TEXTS])
def test_a_number_goes_from_every_text_that_people_or_steps_write(
    conn: Connection, row: tuple[str, str, str], column: str, value: Any
) -> None:
    table, columns, values = row
    conn.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})".encode())
    for number, after in ((OTHERS, OTHERS), (HERS, ERASED), ("９９９９０１０１", ERASED)):
        kind = "text[]" if value and isinstance(value, list) and isinstance(value[0], str) else ""
        given: Any = _with(value, number)
        if kind or isinstance(given, str):
            conn.execute(f"UPDATE {table} SET {column} = %s".encode(), (given,))
        else:
            conn.execute(f"UPDATE {table} SET {column} = %s".encode(), (Jsonb(given),))
        count = privacy_texts.erase_from_texts(conn, IS_HER, NEEDLES)
        assert count == (after == ERASED)
        assert one(conn, f"SELECT {column} FROM {table}") == _with(value, after)
    assert privacy_texts.erase_from_texts(conn, IS_HER, None) == 0


def _decide(conn: Connection, target: str, reason: str, kind: str = "title") -> int:
    return int(
        one(
            conn,
            "INSERT INTO link_overrides (target_kind, target, decision, reason)"
            " VALUES (%s, %s, 'no_contact', %s) RETURNING id",
            kind,
            target,
            reason,
        )
    )


def test_a_decision_about_another_loses_the_number_and_stays_in_force(conn: Connection) -> None:
    by_title = _decide(conn, f"rosa {HERS}", "x")
    by_reason = _decide(conn, "rosa", f"não é {HERS}")
    by_file = _decide(conn, f"2025/{HERS}/rosa.txt", "x", "file")
    kept = _decide(conn, f"joao {OTHERS}", f"é {OTHERS}")
    removed = _decide(conn, "bia", "x")
    conn.execute(
        "UPDATE link_overrides SET removed_at = now(), removed_by = 'v', removed_reason = %s WHERE id = %s",
        (f"ver {HERS}", removed),
    )
    assert privacy_texts.erase_from_texts(conn, IS_HER, NEEDLES) == 4
    found = rows(
        conn, "SELECT id, target_kind, target, reason, removed_reason FROM link_overrides ORDER BY id"
    )
    assert found == [
        (by_title, "title", f"rosa {ERASED}", "x", None),
        (by_reason, "title", "rosa", f"não é {ERASED}", None),
        (by_file, "title", f"erased:{by_file}", "erased", "erased"),
        (kept, "title", f"joao {OTHERS}", f"é {OTHERS}", None),
        (removed, "title", "bia", "x", f"ver {ERASED}"),
    ]
    # Another title is the same without the number: there can't be two decisions about it.
    again = _decide(conn, f"rosa +55 {HERS}", "x")
    assert privacy_texts.erase_from_texts(conn, IS_HER, NEEDLES) == 1
    assert one(conn, "SELECT target FROM link_overrides WHERE id = %s", again) == f"erased:{again}"


TITLES = [
    # (title, name, phone, phone key, chat key), whether it is a group, and the same without her.
    (["Rosa Lima", "Rosa Lima", None, None, "Rosa Lima"], False, None),
    (
        [f"Rosa Lima {HERS}", "Rosa Lima", None, None, f"Rosa Lima {HERS}"],
        False,
        [f"Rosa Lima {ERASED}", "Rosa Lima", None, None],
    ),
    ([f"Rosa {OTHERS}", "Rosa", OTHERS, "4199990104", "4199990104"], False, None),
    (["Rosa", "Rosa", HERS, "4199990101", "4199990101"], False, ["Rosa", "Rosa", None, None]),
    (["Rosa", "Rosa", OTHERS, "4199990104", "4199990101"], False, ["Rosa", "Rosa", OTHERS, "4199990104"]),
]


@pytest.mark.parametrize(("known", "is_group", "expected"), TITLES)
def test_a_title_of_another_loses_the_number(
    known: list[str | None], is_group: bool, expected: list[str | None] | None
) -> None:
    cleaned = privacy_texts.cleaned_title(known, IS_HER, is_group=is_group)
    if expected is None:
        assert cleaned == known
    else:
        assert cleaned[:4] == expected
        assert "0101" not in str(cleaned)
        assert cleaned[4] != known[4]


def test_titles_in_the_index_are_cleaned(conn: Connection) -> None:
    chat = add_chat(conn, "Rosa Lima", path="r")
    conn.execute(
        "UPDATE chat_files SET title = %s, chat_key = %s WHERE id = %s",
        (f"Rosa Lima {HERS}", f"Rosa Lima {HERS}", chat),
    )
    assert privacy_texts.erase_from_texts(conn, IS_HER, NEEDLES) == 1
    title, name, key = one(conn, "SELECT title, customer_name, chat_key FROM chat_files WHERE id = %s", chat)
    assert (title, name) == (f"Rosa Lima {ERASED}", "Rosa Lima")
    assert "0101" not in key


MESSAGES = [
    # Text, quote, sender's name, sender's phone, attachment; and the same without her.
    (["bom dia", None, "Joao", OTHERS, None], None),
    (["bom dia", "oi", "Ela", HERS, "a.jpg"], [ERASED, None, None, None, ERASED]),
    (["bom dia", "oi", HERS, OTHERS, "a.jpg"], [ERASED, None, None, OTHERS, ERASED]),
    ([None, "oi", HERS, None, None], [None, None, None, None, None]),
    (
        [f"é {HERS}", f"e {HERS}?", "Joao", OTHERS, f"{HERS}.vcf"],
        [f"é {ERASED}", f"e {ERASED}?", "Joao", OTHERS, f"{ERASED}.vcf"],
    ),
]


@pytest.mark.parametrize(("texts", "expected"), MESSAGES)
def test_a_message_in_the_chat_of_another(
    conn: Connection, texts: list[str | None], expected: list[str | None] | None
) -> None:
    for id_, chat in ((1, 1), (2, 2), (3, 1)):
        conn.execute(
            "INSERT INTO chat_messages (id, id_chat_file, ordinal, message_timestamp, direction, type, line,"
            " body_hash, message_text, responding_to, sender_name, sender_phone, attachment_name)"
            " OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, now(), %s, 'text', 1, 1, %s, %s, %s, %s, %s)",
            (id_, chat, id_, "from" if id_ < 3 else "to", *texts),
        )
    named = privacy_chats.messages_in_others_chats(conn, IS_HER, NEEDLES, [2])
    is_sender = HERS in (texts[2] or "") or HERS in (texts[3] or "")
    assert [(message["id"], message["chat"]) for message in named] == ([(1, "Grupo")] if is_sender else [])
    assert all({"search", "body_hash"}.isdisjoint(message) for message in named)
    for needles in (NEEDLES, None):
        with conn.transaction(force_rollback=True):
            changed = privacy_chats.erase_mentions(conn, IS_HER, needles, [2])
            found = rows(
                conn,
                "SELECT message_text, responding_to, sender_name, sender_phone, attachment_name"
                " FROM chat_messages ORDER BY id",
            )
            wanted = tuple(expected or texts)
            assert found == [wanted, tuple(texts), wanted]  # those of her own chats go as a whole
            assert changed == (2 if expected else 0)


@pytest.mark.parametrize("table", ["exceptions", "ignored_files"])
@pytest.mark.parametrize(
    ("path", "words", "goes"),
    [
        (f"2025/01/{HERS}.zip", "damaged", True),
        (f"2025/01/{HERS} fotos/x.txt", "damaged", True),
        ("x.txt", f"de {HERS}", True),
        (f"{OTHERS}.txt", f"de {OTHERS}", False),
        ("x.txt", "damaged", False),
    ],
)
def test_a_finding_that_names_her_goes(
    conn: Connection, table: str, path: str, words: str, goes: bool
) -> None:
    columns, more = ("detail", "stage, kind, severity") if table == "exceptions" else ("reason", "made_by")
    values = "'s', 'k', 'info'" if table == "exceptions" else "'a'"
    for needles in (NEEDLES, None):
        conn.execute(f"DELETE FROM {table}".encode())
        conn.execute(
            f"INSERT INTO {table} (file_path, {columns}, {more}) VALUES (%s, %s, {values})".encode(),
            (path, words),
        )
        assert privacy_chats.forget_paths(conn, IS_HER, needles) == goes
        assert one(conn, f"SELECT count(*) FROM {table}") == (not goes)


def test_files_of_others_that_name_her_are_found(conn: Connection) -> None:
    for path in (f"a/{HERS}/x.txt", f"b/{HERS}.txt", f"c/{OTHERS}.txt"):
        add_chat(conn, "x", path=path)
    conn.execute("UPDATE chat_files SET file_path = %s WHERE id = 2", (f"d/{HERS}.txt",))  # her own
    for needles in (NEEDLES, None):
        found = privacy_chats.chats_of_named_files(conn, IS_HER, needles, [2])
        assert sorted(found) == [(f"a/{HERS}/x.txt", 1), (f"b/{HERS}.txt", 1)]


def test_phones_on_the_list_go_from_headers(conn: Connection) -> None:
    add_chat(conn, "x", path="x", headers=(("a", "4199990101"), ("b", "4199990104"), ("c", "4199990105")))
    asked: list[str] = []

    def suppressed(_: Connection, keys: Any) -> list[str]:
        asked.extend(sorted(keys))
        return ["4199990101"]

    privacy_chats.forget_phones(conn, suppressed)
    assert asked == ["4199990101", "4199990104", "4199990105"]
    assert rows(conn, "SELECT key FROM chat_phones ORDER BY 1") == [("4199990104",), ("4199990105",)]
