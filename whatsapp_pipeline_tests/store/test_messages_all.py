"""messages_all: each message once, in one order, and every filter served by an index on a large database."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.message_order import MESSAGE_ORDER
from whatsapp_pipeline.store.summaries.customers import last_messages
from whatsapp_pipeline_tests.conftest import create_database, drop_database
from whatsapp_pipeline_tests.summaries_data import START, Said, add_chat, add_contact, add_webhook

CHATS, PER_CHAT = 1500, 120
MESSAGES = ("chat_messages", "conversation_messages")


@pytest.fixture(scope="module")
def large_url(admin_url: str, migrated_template: str) -> Iterator[str]:
    """A database of its own, which the other tests of the module don't empty."""
    name = f"test_{uuid4().hex[:12]}"
    yield create_database(admin_url, name, migrated_template)
    drop_database(admin_url, name)


@pytest.fixture(scope="module")
def large(large_url: str) -> Iterator[Connection]:
    """180,000 messages of the archive in 1,500 chats, and 60,000 live ones in 600 conversations."""
    with connect(large_url) as conn:
        conn.execute(
            "INSERT INTO contatos (id, nome) SELECT n, 'Cliente ' || n FROM generate_series(1, 1500) n"
        )
        conn.execute(
            "INSERT INTO ordens_servico (id, numero_ordem_servico, id_contato)"
            " SELECT n, n::text, n FROM generate_series(1, 1500) n"
        )
        conn.execute(
            """
            INSERT INTO chat_files (filename, file_path, month, id_contato, match_status, phone_key,
                                    first_message_at, last_message_at)
            SELECT n, n, '2025-01', n, 'linked', '41' || (90000000 + n),
                   '2025-01-01'::timestamp + n * interval '1 day',
                       '2025-01-02'::timestamp + n * interval '1 day'
              FROM generate_series(1, %s) n
            """,
            (CHATS,),
        )
        conn.execute(
            """
            INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type,
                message_text, line,
                                       body_hash)
            SELECT f.id, n, f.first_message_at + n * interval '7 minutes', 'from', 'text',
                'mensagem ' || n, n, n
              FROM chat_files f, generate_series(1, %s) n
            """,
            (PER_CHAT,),
        )
        conn.execute(
            """
            INSERT INTO conversations (external_id, phone_number_id, id_contato, match_status)
            SELECT n, '1', n, 'linked' FROM generate_series(1, 600) n
            """
        )
        conn.execute(
            """
            INSERT INTO conversation_identities (phone_number_id, value, canonical, kind, phone_key,
                conversation_id)
            SELECT '1', external_id, external_id, 'wa_id', '41' || (90000000 + external_id::int),
                id FROM conversations
            """
        )
        # The first ten of each conversation are in its export, too.
        conn.execute(
            """
            INSERT INTO conversation_messages (conversation_id, role, text, origin, phone_number_id,
                message_key,
                                               sent_at)
            SELECT c.id, 'user', 'mensagem ' || n, 'message', '1', c.id || '-' || n,
                   (f.first_message_at + n * interval '7 minutes'
                    + CASE WHEN n > 10 THEN interval '2 days' ELSE interval '0' END)::timestamptz
              FROM conversations c JOIN chat_files f ON f.id_contato = c.id_contato, generate_series(1, 100) n
            """
        )
        conn.execute(
            """
            INSERT INTO chat_sessions (id_chat_file, number, started_at, ended_at, message_count,
                id_ordem_servico,
                                       order_match_status)
            SELECT id, 1, first_message_at, last_message_at, 120, id_contato, 'linked' FROM chat_files
            """
        )
        conn.execute(
            """
            INSERT INTO chat_sessions (id_conversation, number, started_at, ended_at, message_count,
                id_ordem_servico,
                                       order_match_status)
            SELECT conversation_id, 1, min(local_time), max(local_time), 100, conversation_id, 'linked'
              FROM conversation_messages GROUP BY conversation_id
            """
        )
        conn.execute("ANALYZE")
        yield conn


def scans(plan: dict[str, Any]) -> Iterator[str]:
    """Name the tables of messages that a plan reads from end to end."""
    if plan["Node Type"] == "Seq Scan" and plan["Actual Loops"] and plan["Relation Name"] in MESSAGES:
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from scans(part)


@pytest.mark.parametrize(
    ("condition", "messages"),
    [
        ("id_contato = 700", PER_CHAT),
        ("id_contato = 7", PER_CHAT + 90),
        ("id_ordem_servico = 1400", PER_CHAT),
        ("id_ordem_servico = 8", PER_CHAT + 90),
        ("conversation_id = 12", 90),
        ("source = 'webhook' AND message_id = 20", None),
        ("source = 'chat' AND message_id = ANY (ARRAY[5, 6])", 2),
        ("at >= '2025-07-01' AND at < '2025-07-01 06:00'", None),
        (
            "search @@ (SELECT search_query('mensagem 77')) AND id_contato = 3",
            2,
        ),
    ],
)
def test_a_filter_uses_an_index(large: Connection, condition: str, messages: int | None) -> None:
    statement = (
        f"SELECT source, message_id, text, side FROM messages_all WHERE {condition} ORDER BY {MESSAGE_ORDER}"
    )
    row = large.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}".encode()).fetchone()
    assert row is not None
    plan = row[0][0]
    assert not list(scans(plan["Plan"])), json.dumps(plan, indent=1)[:5000]
    assert plan["Execution Time"] < 1000
    if messages is not None:
        assert plan["Plan"]["Actual Rows"] == messages


def test_many_contacts_at_once_are_joined_and_not_looked_up(large: Connection) -> None:
    """Summaries ask for thousands of contacts: live messages and exports are compared in one join."""
    statement = "SELECT count(*) FROM messages_all WHERE id_contato = ANY (%s)"
    contacts = (list(range(1, 601)),)
    row = large.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}".encode(), contacts).fetchone()
    assert row is not None
    plan = row[0][0]
    assert "SubPlan" not in json.dumps(plan)
    assert plan["Execution Time"] < 5000
    counted = large.execute(statement.encode(), contacts).fetchone()
    assert counted == (600 * (PER_CHAT + 90),)


def test_the_view_holds_each_message_once(large: Connection) -> None:
    row = large.execute("SELECT count(*), count(DISTINCT (source, message_id)) FROM messages_all").fetchone()
    assert row == (CHATS * PER_CHAT + 600 * 90,) * 2


@pytest.fixture
def empty(conn: Connection) -> Connection:
    conn.execute("TRUNCATE contatos, ordens_servico, chat_files, conversations RESTART IDENTITY CASCADE")
    return conn


def test_messages_of_one_minute_stay_in_the_order_of_their_file(empty: Connection) -> None:
    add_contact(empty, 1)
    # Loaded in the other order than their names: the file decides, not when it was loaded.
    add_chat(empty, 1, "b", [Said(5, "from", f"b{n}") for n in range(9)])
    add_chat(empty, 1, "a", [Said(5, "from" if n % 2 else "to", f"a{n}") for n in range(9)])
    add_webhook(empty, 1, [Said(5, "from", "w0"), Said(5, "from", "w1"), Said(4, "from", "antes")])
    wanted = ["antes", *(f"a{n}" for n in range(9)), *(f"b{n}" for n in range(9)), "w0", "w1"]
    assert [m["text"] for m in last_messages(empty, 1, limit=99)] == wanted
    assert [m["text"] for m in last_messages(empty, 1, limit=4)] == wanted[-4:]


def add_export(conn: Connection, at: datetime, text: str | None, *, kind: str | None = None) -> None:
    conn.execute(
        """
        INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type,
            message_text, line,
                                   body_hash, attachment_kind)
        SELECT id, (SELECT count(*) + 1 FROM chat_messages), %s, 'from', coalesce(%s, 'text'), %s, 1, 1, %s
          FROM chat_files
        """,
        (at, kind, text, kind),
    )


@pytest.mark.parametrize(
    ("exported", "exported_at", "live", "once"),
    [
        (("oi", None), timedelta(0), ("text", "oi"), True),  # an export without seconds
        (("oi", None), timedelta(seconds=41), ("text", "oi"), True),
        (("oi", None), timedelta(seconds=42), ("text", "oi"), True),
        (("oi", None), timedelta(seconds=44), ("text", "oi"), False),
        (("oi", None), timedelta(minutes=1), ("text", "oi"), False),
        (("olá", None), timedelta(0), ("text", "oi"), False),
        (("tela", "image"), timedelta(0), ("image", "[image: tela]"), True),
        ((None, "image"), timedelta(0), ("image", "[image]"), True),
        ((None, "document"), timedelta(0), ("document", "[document: nota.pdf]"), True),
        (("tela", "image"), timedelta(0), ("text", "tela]"), False),
        (("oi", None), timedelta(0), ("text", "oi\n[referral: Telas]"), True),
        (("oi", None), timedelta(0), ("text", "oi\ntudo bem"), False),
        (("outra", "image"), timedelta(0), ("image", "[image: tela]"), False),
    ],
)
def test_what_an_export_holds_too_counts_once(
    empty: Connection,
    exported: tuple[str | None, str | None],
    exported_at: timedelta,
    live: tuple[str, str],
    once: bool,
) -> None:
    add_contact(empty, 1)
    add_chat(empty, 1, "a", [Said(-600, "from", "começo")])
    empty.execute(
        "UPDATE chat_files SET phone_key = '4190000001', last_message_at = %s", (START + timedelta(days=1),)
    )
    add_export(empty, START + exported_at, exported[0], kind=exported[1])
    conversation = add_webhook(empty, 1, [Said(40 / 60, "from", live[1])])
    empty.execute("UPDATE conversation_messages SET type = %s", (live[0],))
    empty.execute(
        "INSERT INTO conversation_identities (phone_number_id, value, canonical, kind, phone_key, "
        "conversation_id)"
        " VALUES ('1', '5541990000001', 'wa:554190000001', 'wa_id', '4190000001', %s)",
        (conversation,),
    )
    assert len(last_messages(empty, 1, limit=9)) == (2 if once else 3)


# Statements about messages that sort by something else, and why they may.
_OTHER_ORDERS = {
    "sql/queries/chats/check_times_in_order.sql": "the file's own order is what is checked",
    "store/operations/report_numbers.py": "the file's own order is what is measured",
    "store/operations/privacy.py": "raw rows of one table, by its key",
    "store/operations/privacy_webhooks.py": "raw rows of one table, by conversation",
    "sql/queries/conversations/apply_changes.sql": "the latest edit of one message",
    "sql/queries/chats/duplicates_mark.sql": "identical messages of one file",
    "sql/queries/chats/duplicates_files.sql": "which file is the earlier one",
    "sql/queries/chats/duplicates_shared.sql": "which file is the earlier one",
    "sql/queries/chats/messages_resolve_replies.sql": "candidates for one quoted message",
    "sql/queries/chats/messages_match.sql": "rows of one file, matched by what they say",
    "sql/queries/operations/adopt_customer_chat_summaries.sql": "pauses between times, whatever their ties",
}
# Messages up to another one: a comparison of rows is an order, too.
_EARLIER = re.compile(r"\(\w+\.(?:message_timestamp|sent_at|local_time|at), \w+\.\w+[^()]*\)\s*[<>]=?\s*\(")
_TIMES = re.compile(r"\b(message_timestamp|sent_at|local_time|at|ordinal)\b")


def test_there_is_no_other_order_of_messages() -> None:
    """Every ORDER BY over a message's time or place comes from store/message_order.py."""
    found = set()
    for path in [*PROJECT_ROOT.glob("whatsapp_pipeline/**/*.py"), *PROJECT_ROOT.glob("sql/queries/**/*.sql")]:
        text = path.read_text(encoding="utf-8")
        if not re.search(
            r"chat_messages|conversation_messages|messages_all|incoming_messages|work_messages", text
        ):
            continue
        name = str(path.relative_to(PROJECT_ROOT)).removeprefix("whatsapp_pipeline/")
        for keys in re.findall(r"ORDER BY ((?:[^()\n]|\([^()]*\))*)", text, flags=re.IGNORECASE):
            if _TIMES.search(keys) and name not in _OTHER_ORDERS:
                found.add((name, keys.strip()))
        found |= {(name, compared) for compared in _EARLIER.findall(text)}
    assert found == set()


# Statements that name both tables and read no messages of theirs.
_BOTH_TABLES = {
    "sql/queries/summaries/check_summary_evidence_exists.sql": "which cited ids exist",
    "sql/queries/summaries/check_summaries_cite_their_customer.sql": "whose the cited ids are",
    "sql/queries/summaries/check_commitments_cite_their_customer.sql": "whose their messages are",
    "whatsapp_pipeline/store/conversations/message_stream.py": "the export that holds a live message",
}


def test_the_view_is_the_only_union_of_archive_and_live() -> None:
    found = set()
    for path in [*PROJECT_ROOT.glob("whatsapp_pipeline/**/*.py"), *PROJECT_ROOT.glob("sql/queries/**/*.sql")]:
        text = path.read_text(encoding="utf-8")
        name = str(path.relative_to(PROJECT_ROOT))
        for statement in re.findall(r'"""(.*?)"""', text, re.DOTALL) if path.suffix == ".py" else [text]:
            live = re.search(r"\bconversation(_only|_contact)?_messages\b", statement)
            if live and "UNION" in statement and re.search(r"\bchat_messages\b", statement):
                found.add(name)
    assert found == set(_BOTH_TABLES)
