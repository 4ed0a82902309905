"""Databases where somebody ran the project's plan by hand: adopted with their rows, or refused untouched."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline.automation.headless import run_chain
from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.steps.operations.adopt import adopt_plan_tables, refuse_unfit_database
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.conversations.conversations import get_or_create_conversation
from whatsapp_pipeline.store.migrate import migrate, pending_migrations
from whatsapp_pipeline_tests.conftest import create_database, drop_database

ZONE = "America/Sao_Paulo"
ANA_FILE = "2025/01/WhatsApp - 2025-01-05 10 00 00 - +55 41 99999-0001.txt"
ANA_CHAT = f"""{"-" * 52}
+55 41 99999-0001
2025-01-05 10:00:00 from +55 41 99999-0001 - Lida

Bom dia, meu notebook não liga

{"-" * 52}
+55 41 99999-0001
2025-01-05 10:02:00 to +55 41 99999-0001 - Lida

Bom dia! Pode trazer.

"""
PLAN = Path(__file__).with_name("plan.sql").read_text(encoding="utf-8")


@pytest.fixture
def plan_url(empty_database_url: str) -> str:
    with connect(empty_database_url) as conn:
        conn.execute(PLAN.encode())
    return empty_database_url


@pytest.fixture
def conn(empty_database_url: str) -> Iterator[Connection]:
    with connect(empty_database_url) as connection:
        yield connection


@pytest.fixture(scope="module")
def reused_database_url(admin_url: str) -> Iterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    yield create_database(admin_url, name, "template0")
    drop_database(admin_url, name)


@pytest.fixture
def blank_url(reused_database_url: str) -> str:
    """A database with nothing in it that tests share one after the other: refusals leave no trace."""
    with psycopg.connect(reused_database_url, autocommit=True) as conn:
        conn.execute("DROP SCHEMA IF EXISTS before_pipeline, extensions CASCADE; DROP SCHEMA public CASCADE")
        conn.execute("CREATE SCHEMA public; DROP PUBLICATION IF EXISTS bi")
    return reused_database_url


def _content(conn: Connection) -> str:
    """Hash every table of the user's own, with its columns and its schema."""
    tables = conn.execute(
        """SELECT schemaname || '.' || quote_ident(tablename) FROM pg_tables
           WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"""
    ).fetchall()
    text = [
        (
            name,
            conn.execute(f"SELECT coalesce(json_agg(t ORDER BY t::text)::text, '') FROM {name} t").fetchall(),
        )
        for (name,) in tables
    ]
    return hashlib.sha256(repr(text).encode()).hexdigest()


def test_the_plans_tables_are_adopted_with_their_rows_and_ids(plan_url: str, conn: Connection) -> None:
    refuse_unfit_database(plan_url)
    adopted = adopt_plan_tables(plan_url, zone=ZONE)
    assert {one.table: (one.rows, one.carried) for one in adopted} == {
        "tenants": (1, 1),
        "whatsapp_accounts": (1, 1),
        "conversations": (1, 1),
        "conversation_messages": (2, 2),
        "chat_files": (3, 2),
        "chat_messages": (3, 2),
        "customer_chat_summaries": (1, 1),
    }
    assert pending_migrations(plan_url) == []
    assert migrate(plan_url) == []
    files = conn.execute("SELECT id, file_path, month, id_contato, match_status FROM chat_files ORDER BY id")
    assert files.fetchall() == [
        (11, ANA_FILE, "2025-01", 7, "linked"),
        (12, "2025/02/WhatsApp - 2025-02-03 09 00 00 - Bia.txt", "2025-02", None, "pending"),
    ]
    assert conn.execute(
        "SELECT id, ordinal, is_from_customer, message_text FROM chat_messages ORDER BY id"
    ).fetchall() == [
        (101, 1, True, "Bom dia, meu notebook não liga"),
        (102, 2, False, "Bom dia! Pode trazer."),
    ]
    assert conn.execute("SELECT id, id_contato, message_count FROM customer_chat_summaries").fetchone() == (
        900,
        7,
        2,
    )
    assert conn.execute("SELECT tenant_id, phone_number_id FROM whatsapp_accounts").fetchone() == (3, "1010")
    messages = conn.execute("SELECT id, role, message_key FROM conversation_messages ORDER BY id").fetchall()
    assert messages == [(301, "user", "wamid.A"), (302, "assistant", "adopted:302")]
    assert get_or_create_conversation(conn, 3, "1010", "5541999990001") == 21
    assert get_or_create_conversation(conn, 3, "1010", "554199990001") == 21  # the same mobile without its 9
    new = conn.execute("INSERT INTO tenants (name) VALUES ('Outra') RETURNING id").fetchone()
    assert new == (4,)


# Rows on which the rules of carrying over differ from copying; each id or name is used once.
_ODD_ROWS = """
    ALTER TABLE chat_files ALTER match_confidence TYPE numeric, ADD order_match_method text;
    ALTER TABLE tenants ALTER name DROP NOT NULL;
    ALTER TABLE conversations ALTER channel DROP NOT NULL,
        DROP CONSTRAINT conversations_channel_phone_number_id_external_id_key;
    ALTER TABLE whatsapp_accounts ADD phone_number text, ADD is_active boolean,
        DROP CONSTRAINT whatsapp_accounts_phone_number_id_key;
    ALTER TABLE chat_messages ALTER message_timestamp DROP NOT NULL;
    ALTER TABLE customer_chat_summaries DROP CONSTRAINT customer_chat_summaries_id_contato_key;
    INSERT INTO contatos (id, nome) VALUES (8, 'Bia'), (9, 'Caio');
    INSERT INTO chat_files (id, filename, file_path, file_date, id_contato, id_ordem_servico, match_method,
                            match_confidence, order_match_method, created_at)
    VALUES (20, 'a.txt', 'a.txt', '2025-03-04', NULL, NULL, 'name_match', 0.5, 'temporal_match',
            '2025-03-05 10:00'),
           (21, 'a.txt', '/x/2025/03/a.txt', '2025-03-04', 8, NULL, 'exact_phone', 1, NULL, now()),
           (22, 'b.txt', '/x/2025/03/b.txt', NULL, 8, 70, 'name_match', 97, 'direct_os_ref', now()),
           (23, 'c.txt', '/x/2025/13/c.txt', NULL, 8, NULL, 'name_match', 1, NULL, now()),
           (24, 'd.txt', '/x/2025/04/d.txt', NULL, 9, NULL, 'name_match', 101, NULL, now()),
           (25, ' ', '/x/2025/04/', NULL, 9, NULL, 'name_match', 1, NULL, now());
    INSERT INTO chat_messages (id, id_chat_file, message_timestamp, is_from_customer, message_text)
    VALUES (205, 22, '2025-03-05 09:00', true, 'oi'), (204, 22, '2025-03-05 09:00', true, 'oi'),
           (206, 22, '2025-03-07 09:00', NULL, 'criptografia'), (207, 22, NULL, true, 'sem hora');
    INSERT INTO customer_chat_summaries (id, id_contato, communication_frequency, sentiment_analysis, summary)
    VALUES (902, 8, 'rare', 'negative', 'depois'), (901, 8, 'rare', 'positive', 'antes'),
           (903, 9, 'rare', 'neutral', 'sem mensagens'), (904, 7, 'sempre', 'neutral', 'outra palavra');
    INSERT INTO tenants (id, name) VALUES (5, 'Dupla'), (6, 'Dupla'), (7, ' ');
    INSERT INTO whatsapp_accounts (id, tenant_id, phone_number_id, phone_number, is_active)
    VALUES (6, 6, '2020', '+55 41 99999-0007', false), (7, 5, '2020', NULL, true), (8, 5, ' ', NULL, true);
    INSERT INTO conversations (id, tenant_id, channel, external_id, phone_number_id, is_active)
    VALUES (33, 6, NULL, '5541999990003', '2020', NULL), (34, 5, 'whatsapp', '5541999990003', '2020', false),
           (35, 5, 'whatsapp', ' ', '2020', true), (36, 6, 'whatsapp', '5541999990004', '2020', false);
    INSERT INTO conversation_messages (id, conversation_id, role, text, raw_json, created_at)
    VALUES (401, 33, 'user', 'oi', '{"id": "w1"}', '2025-03-05 12:00+00'),
           (402, 33, 'user', 'oi de novo', '{"id": "w1"}', '2025-03-05 13:00+00'),
           (403, 33, 'tool', 'x', NULL, now()), (404, 33, 'user', '', NULL, now()),
           (405, 33, 'assistant', 'lista', '[1]', '2025-03-05 11:00+00'),
           (406, 35, 'user', 'de ninguém', NULL, now());
"""


def test_each_rule_of_carrying_rows_over_holds(plan_url: str, conn: Connection) -> None:
    conn.execute(_ODD_ROWS.encode())
    adopted = {one.table: (one.rows, one.carried) for one in adopt_plan_tables(plan_url, zone=ZONE)}
    assert adopted == {
        "tenants": (4, 4),
        "whatsapp_accounts": (4, 2),
        "conversations": (5, 3),
        "conversation_messages": (8, 5),
        "chat_files": (9, 5),
        "chat_messages": (7, 5),
        "customer_chat_summaries": (5, 2),
    }
    conn.execute("SET timezone = 'UTC'")

    def rows(statement: str) -> list[Any]:
        return conn.execute(statement.encode()).fetchall()

    assert rows(
        """SELECT id, file_path, month, id_contato, id_ordem_servico, match_status, match_method,
                  match_confidence::float, order_match_method, loaded_hash, processing_status
           FROM chat_files WHERE id > 12 ORDER BY id"""
    ) == [
        (20, "2025/03/a.txt", "2025-03", None, None, "pending", None, None, None, None, "pending"),
        (
            22,
            "2025/03/b.txt",
            "2025-03",
            8,
            70,
            "linked",
            "name_match",
            0.97,
            "direct_os_ref",
            b"\0",
            "pending",
        ),
        (24, "2025/04/d.txt", "2025-04", 9, None, "linked", "name_match", None, None, None, "pending"),
    ]
    assert rows("SELECT match_confidence::float FROM chat_files WHERE id = 11") == [(1.0,)]
    assert rows("SELECT created_at::text FROM chat_files WHERE id = 20") == [("2025-03-05 13:00:00+00",)]
    assert rows(
        """SELECT id, ordinal, message_timestamp::text, timestamp_utc::text, direction, occurrence
           FROM chat_messages WHERE id_chat_file = 22 ORDER BY id"""
    ) == [
        (204, 1, "2025-03-05 09:00:00", "2025-03-05 12:00:00+00", "from", 1),
        (205, 2, "2025-03-05 09:00:00", "2025-03-05 12:00:00+00", "from", 2),
        (206, 3, "2025-03-07 09:00:00", "2025-03-07 12:00:00+00", None, 1),
    ]
    assert rows(
        """SELECT id, id_contato, first_interaction_date::text, last_interaction_date::text,
                  communication_frequency, sentiment_analysis, summary, message_count, customer_messages,
                  staff_messages, other_messages, conversation_count
           FROM customer_chat_summaries WHERE id_contato = 8"""
    ) == [
        (901, 8, "2025-03-05 09:00:00", "2025-03-07 09:00:00", "rare", "positive", "antes", 3, 2, 0, 1, 2),
    ]
    assert rows("SELECT id, name FROM tenants ORDER BY id") == [
        (3, "Oficina"),
        (5, "Dupla (5)"),
        (6, "Dupla (6)"),
        (7, "tenant 7"),
    ]
    assert rows(
        "SELECT phone_number_id, tenant_id, display_phone_number, is_active FROM whatsapp_accounts ORDER BY 1"
    ) == [("1010", 3, None, True), ("2020", 6, "+55 41 99999-0007", False)]
    assert rows(
        """SELECT id, tenant_id, channel, is_active, last_message_at::text FROM conversations
           WHERE id > 30 ORDER BY id"""
    ) == [(33, 6, "whatsapp", True, "2025-03-05 13:00:00+00"), (36, 6, "whatsapp", False, None)]
    assert rows(
        """SELECT id, origin, provider_id, message_key, sent_at::text FROM conversation_messages
           WHERE id > 400 ORDER BY id"""
    ) == [
        (401, "message", "w1", "w1", "2025-03-05 12:00:00+00"),
        (402, "message", "w1", "adopted:402", "2025-03-05 13:00:00+00"),
        (405, "assistant", None, "adopted:405", "2025-03-05 11:00:00+00"),
    ]


def test_the_first_run_reads_the_files_anew_and_keeps_chats_messages_and_summaries(
    plan_url: str, conn: Connection, tmp_path: Path
) -> None:
    adopt_plan_tables(plan_url, zone=ZONE)
    (tmp_path / ANA_FILE).parent.mkdir(parents=True)
    (tmp_path / ANA_FILE).write_text(ANA_CHAT, encoding="utf-8")
    defs = build_defs(
        {"database": Database(url=plan_url), "archive": Archive(root=str(tmp_path))}, with_erp=False
    )
    with dg.DagsterInstance.ephemeral() as instance:
        assert run_chain(defs, instance, months=["2025-01"], with_erp=False).errors == []
    chats = conn.execute("SELECT id, id_contato, match_method, processing_status FROM chat_files ORDER BY id")
    assert chats.fetchall()[0] == (11, 7, "exact_phone", "loaded")
    said = conn.execute("SELECT id, line FROM chat_messages ORDER BY id").fetchall()
    assert [id_ for id_, _ in said] == [101, 102]
    assert all(line > 0 for _, line in said)
    summary = conn.execute(
        "SELECT id, summary <> 'Notebook não liga.' FROM customer_chat_summaries"
    ).fetchall()
    assert summary == [(900, True)]


def test_every_row_of_the_plans_tables_stays_in_a_schema_aside(plan_url: str, conn: Connection) -> None:
    adopt_plan_tables(plan_url, zone=ZONE)
    assert conn.execute("SELECT id, filename FROM before_pipeline.chat_files WHERE id = 13").fetchone() == (
        13,
        "solta.txt",
    )
    assert conn.execute("SELECT count(*) FROM before_pipeline.chat_messages").fetchone() == (3,)
    assert adopt_plan_tables(plan_url, zone=ZONE) == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("CREATE TABLE conversations (id uuid PRIMARY KEY, title text)", "conversations (has no external_id"),
        (
            "CREATE TABLE tenants (id int, name text, stripe_id text)",
            "tenants (has stripe_id, which the plan does not have",
        ),
        ("CREATE TABLE tenants (id uuid, name text)", "tenants (id is uuid"),
        ("CREATE TABLE exceptions (id int)", "exceptions (belongs to another program"),
        ("CREATE VIEW leads AS SELECT 1 AS id", "leads (is no table"),
        ("CREATE VIEW contatos AS SELECT 1 AS id", "contatos (is no table"),
        ("CREATE TYPE leads AS (id int)", "leads (is no table"),
        (
            "CREATE TABLE tenants (id int, name text) PARTITION BY LIST (id)",
            "tenants (is a partitioned table",
        ),
        ("CREATE FUNCTION title_key(a int) RETURNS int LANGUAGE sql RETURN a", "the function title_key"),
        (
            "CREATE TABLE pedidos (id int); CREATE INDEX chat_phones_key_idx ON pedidos (id)",
            "the index chat_phones_key_idx of pedidos",
        ),
        (
            PLAN + "CREATE INDEX chat_files_phone_key_idx ON contatos (nome);",
            "the index chat_files_phone_key_idx of contatos",
        ),
        (
            PLAN + "CREATE SCHEMA before_pipeline; CREATE TABLE before_pipeline.tenants (id int);",
            "before_pipeline.tenants (is there already",
        ),
        (
            PLAN + "ALTER TABLE chat_messages DROP CONSTRAINT chat_messages_pkey, ALTER id DROP NOT NULL;"
            "UPDATE chat_messages SET id = 101 WHERE id = 102;"
            "UPDATE chat_messages SET id = NULL WHERE id = 103",
            "chat_messages (2 row(s) have no unique id",
        ),
        (
            PLAN + "ALTER TABLE conversation_messages ALTER id TYPE numeric",
            "conversation_messages (id is numeric",
        ),
        (
            PLAN + "CREATE VIEW relatorio AS SELECT * FROM chat_files;",
            "chat_files (is used by the view relatorio",
        ),
        (
            PLAN + "CREATE TABLE notas (id int, id_chat_file int REFERENCES chat_files (id));",
            "chat_files (is used by a foreign key of notas",
        ),
        (
            PLAN + "CREATE MATERIALIZED VIEW resumo AS SELECT count(*) FROM chat_messages;",
            "chat_messages (is used by the view resumo",
        ),
        (
            PLAN + "CREATE RULE guarda AS ON DELETE TO chat_messages DO INSTEAD NOTHING;",
            "chat_messages (is used by the rule guarda",
        ),
        (
            PLAN + "ALTER TABLE chat_messages ENABLE ROW LEVEL SECURITY;",
            "chat_messages (is used by row security",
        ),
        (
            PLAN + "CREATE FUNCTION nome(chat_files) RETURNS text LANGUAGE sql AS 'SELECT $1.filename';",
            "chat_files (is used by the function nome(chat_files)",
        ),
        (
            PLAN
            + "CREATE FUNCTION n() RETURNS bigint LANGUAGE sql RETURN (SELECT count(*) FROM chat_files);",
            "chat_files (is used by the function n()",
        ),
        (PLAN + "CREATE PUBLICATION bi FOR TABLE chat_files;", "chat_files (is used by the publication bi"),
        (
            PLAN + "CREATE TABLE chat_files_2024 () INHERITS (chat_files);",
            "chat_files (is used by the table chat_files_2024, which inherits from it",
        ),
        (
            PLAN + "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
            "CREATE TRIGGER audita AFTER INSERT ON chat_messages FOR EACH ROW EXECUTE FUNCTION f();",
            "chat_messages (is used by the trigger audita",
        ),
    ],
)
def test_what_is_of_another_shape_is_refused_before_anything_is_applied(
    blank_url: str, statement: str, words: str
) -> None:
    with connect(blank_url) as conn:
        conn.execute(statement.encode())
        before = _content(conn)
        with pytest.raises(PipelineError, match="nothing was changed") as refused:
            refuse_unfit_database(blank_url)
        assert words in str(refused.value)
        assert "PIPELINE_SCHEMA" in str(refused.value)
        assert _content(conn) == before


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("CREATE TABLE contatos (codigo int PRIMARY KEY)", "contatos has no column id"),
        ("CREATE TABLE contatos (id uuid PRIMARY KEY)", "contatos.id is uuid; it must be integer or bigint"),
        (
            "CREATE TABLE contatos (id int); INSERT INTO contatos VALUES (7), (7), (NULL)",
            "contatos has no key on id: first give 2 row(s) an id of their own; then ALTER TABLE",
        ),
        (
            "CREATE TABLE ordens_servico (loja int, id int, PRIMARY KEY (loja, id))",
            "ordens_servico has no key on id: ALTER TABLE ordens_servico ADD PRIMARY KEY (id)",
        ),
        (
            "CREATE TABLE contatos (id int PRIMARY KEY, celular text, celular_normalizado text"
            " GENERATED ALWAYS AS (right(celular, 11)) STORED)",
            "ALTER TABLE contatos ALTER COLUMN celular_normalizado DROP EXPRESSION",
        ),
        (
            "CREATE TABLE contatos (id int PRIMARY KEY, telefone_normalizado varchar(10))",
            "contatos.telefone_normalizado holds 10 characters, but a phone needs up to 11",
        ),
        (
            "CREATE TABLE contatos (id int PRIMARY KEY, celular_normalizado bigint)",
            "contatos.celular_normalizado is bigint, but the pipeline writes text there",
        ),
        (
            "CREATE TABLE contatos (id int PRIMARY KEY, celular_normalizado text UNIQUE)",
            "contatos.celular_normalizado is unique, but several contacts can have the same phone: drop",
        ),
        (
            "CREATE TABLE ordens_servico (id int PRIMARY KEY, id_contato text)",
            "ordens_servico.id_contato is text; it must be a number",
        ),
        (
            "CREATE TABLE ordens_servico (id int PRIMARY KEY, data_conclusao text);"
            "INSERT INTO ordens_servico VALUES (1, '2025-01-04'), (2, '04/01/2025'), (3, NULL)",
            "ordens_servico.data_conclusao is text, and 1 value(s) are not dates such as 2025-01-31",
        ),
        (
            "CREATE SCHEMA extensions; CREATE EXTENSION unaccent SCHEMA extensions",
            'ALTER EXTENSION unaccent SET SCHEMA "public"',
        ),
    ],
)
def test_what_the_pipeline_could_not_read_is_refused_with_the_statement_that_mends_it(
    blank_url: str, statement: str, words: str
) -> None:
    with connect(blank_url) as conn:
        conn.execute(statement.encode())
        before = _content(conn)
        for schema in (None, "whatsapp"):
            with pytest.raises(PipelineError, match="nothing was changed") as refused:
                refuse_unfit_database(blank_url, schema)
            assert words.replace("public", schema or "public") in str(refused.value)
        assert _content(conn) == before


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE contatos (id numeric PRIMARY KEY)",
        "CREATE TABLE contatos (id int PRIMARY KEY, celular_normalizado varchar(10))",
    ],
)
def test_a_database_that_was_migrated_before_is_not_asked_again(
    conn: Connection, empty_database_url: str, statement: str
) -> None:
    conn.execute(statement.encode())
    migrate(empty_database_url)
    refuse_unfit_database(empty_database_url)


@pytest.mark.parametrize(
    "statement",
    [
        """CREATE TABLE contatos (id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, celular bigint);
           CREATE VIEW clientes AS SELECT * FROM contatos;
           CREATE TABLE notas (id_contato smallint REFERENCES contatos);
           CREATE TABLE ordens_servico (id int UNIQUE, data_emissao text, data_conclusao timestamptz,
               id_contato numeric, numero_ordem_servico bigint) PARTITION BY RANGE (id);
           CREATE TABLE ordens_antigas PARTITION OF ordens_servico DEFAULT;
           INSERT INTO ordens_servico VALUES (1, '2025-01-04')""",
        PLAN[: PLAN.index("INSERT INTO contatos")],  # tables without rows
        PLAN.replace("SERIAL", "BIGSERIAL").replace("INTEGER", "BIGINT").replace("JSONB", "JSON"),
        PLAN.replace("id SERIAL PRIMARY KEY", "id INTEGER GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY")
        + "ALTER TABLE whatsapp_accounts DROP COLUMN id; ALTER TABLE tenants ADD is_active boolean;"
        "CREATE INDEX meu_indice ON chat_files (phone_number); CREATE SCHEMA before_pipeline;",
        PLAN
        + """INSERT INTO chat_files (id, filename, file_path, file_date, match_confidence)
                  VALUES (-11, 'WhatsApp - 2025-01-06 10 00 00 - C.txt', '/srv/2025/01', 'infinity', 'NaN');
                  UPDATE chat_messages SET message_timestamp = '0044-03-15 BC' WHERE id = 102""",
    ],
    ids=["other types", "empty", "bigint", "identity", "odd values"],
)
def test_near_shapes_are_adopted_and_can_be_read(
    conn: Connection, empty_database_url: str, statement: str
) -> None:
    conn.execute(statement.encode())
    refuse_unfit_database(empty_database_url)
    adopt_plan_tables(empty_database_url, zone=ZONE)
    migrate(empty_database_url)
    assert pending_migrations(empty_database_url) == []
    for table in ("contatos", "ordens_servico", "chat_files", "chat_messages", "conversation_messages"):
        conn.execute(f"SELECT * FROM {table}").fetchall()  # no time or number that psycopg can't hold


def test_a_role_that_may_too_little_is_told_every_statement_it_needs(
    admin_url: str, empty_database_url: str
) -> None:
    role, owner = f"loja_{uuid4().hex[:8]}", f"erp_{uuid4().hex[:8]}"
    url = make_conninfo(empty_database_url, user=role)
    with psycopg.connect(empty_database_url, autocommit=True) as conn:
        conn.execute(PLAN.encode())
        conn.execute(f"CREATE ROLE {role} LOGIN; CREATE ROLE {owner}".encode())
        try:
            conn.execute(f"ALTER TABLE ordens_servico OWNER TO {owner}".encode())
            conn.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}".encode())
            before = _content(conn)
            with pytest.raises(PipelineError, match="can't be migrated yet") as refused:
                refuse_unfit_database(url)
            assert _content(conn) == before
            words = str(refused.value)
            assert f"ordens_servico belongs to the role {owner}" in words
            statements = [line.split("an administrator can run: ")[1] for line in words.splitlines()[1:-1]]
            assert len(statements) == 2 + 9, words  # database, schema, and the nine tables
            for statement in statements:
                conn.execute(statement.encode())  # what it says is what helps
            refuse_unfit_database(url)
            adopted = {one.table: one.carried for one in adopt_plan_tables(url, zone=ZONE)}
            assert adopted["chat_files"] == 2
        finally:
            conn.execute(f"DROP OWNED BY {role}, {owner} CASCADE; DROP ROLE {role}, {owner}".encode())


def test_rows_that_row_security_hides_are_not_taken_for_all(empty_database_url: str) -> None:
    role = f"loja_{uuid4().hex[:8]}"
    with psycopg.connect(empty_database_url, autocommit=True) as conn:
        conn.execute(f"CREATE ROLE {role} LOGIN; GRANT CREATE ON SCHEMA public TO {role}".encode())
        try:
            conn.execute(
                "CREATE TABLE contatos (id int PRIMARY KEY); ALTER TABLE contatos FORCE ROW LEVEL SECURITY"
            )
            conn.execute("ALTER TABLE contatos ENABLE ROW LEVEL SECURITY")
            conn.execute(f"ALTER TABLE contatos OWNER TO {role}".encode())
            with pytest.raises(PipelineError, match=f"can hide rows from the role {role}"):
                refuse_unfit_database(make_conninfo(empty_database_url, user=role))
        finally:
            conn.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}".encode())


def test_roles_that_read_the_plans_tables_read_the_pipelines(empty_database_url: str) -> None:
    role = f"bi_{uuid4().hex[:8]}"
    with psycopg.connect(empty_database_url, autocommit=True) as conn:
        conn.execute(PLAN.encode())
        conn.execute(f"CREATE ROLE {role}".encode())
        try:
            conn.execute(
                f"GRANT SELECT ON chat_files TO {role}; GRANT UPDATE (name) ON tenants TO {role}".encode()
            )
            adopt_plan_tables(empty_database_url, zone=ZONE)
            may = conn.execute(
                """SELECT has_table_privilege(%(role)s, 'public.chat_files', 'SELECT'),
                          has_table_privilege(%(role)s, 'public.chat_messages', 'SELECT'),
                          has_column_privilege(%(role)s, 'public.tenants', 'name', 'UPDATE'),
                          has_column_privilege(%(role)s, 'public.tenants', 'id', 'UPDATE')""",
                {"role": role},
            ).fetchone()
            assert may == (True, False, True, False)
        finally:
            conn.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_an_adoption_that_fails_leaves_the_database_as_it_was(plan_url: str, conn: Connection) -> None:
    conn.execute("CREATE TEXT SEARCH CONFIGURATION portuguese_unaccent (COPY = portuguese)")
    before = _content(conn)
    with pytest.raises(Exception, match="portuguese_unaccent"):
        adopt_plan_tables(plan_url, zone=ZONE)
    assert _content(conn) == before
    assert conn.execute("SELECT to_regclass('pipeline_migrations')").fetchone() == (None,)


def test_the_migrate_command_backs_up_adopts_and_says_what_it_did(plan_url: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": plan_url,
        "PIPELINE_LOCAL_DIR": str(tmp_path),
        "DAGSTER_HOME": str(tmp_path),
    }
    program = "from whatsapp_pipeline.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", program, "migrate"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert (
        "chat_files: 2 of 3 rows adopted; 1 could not be placed; all stay in before_pipeline" in result.stdout
    )
    assert list(tmp_path.rglob("*.dump")), list(tmp_path.rglob("*"))


def test_a_schema_of_its_own_leaves_other_programs_tables_alone(
    conn: Connection, empty_database_url: str, tmp_path: Path
) -> None:
    conn.execute(
        "CREATE TABLE tenants (id uuid, plan text); CREATE TABLE conversations (id uuid, title text)"
    )
    conn.execute("CREATE TABLE contatos (id integer PRIMARY KEY, nome varchar(255), celular varchar(20))")
    conn.execute("INSERT INTO contatos VALUES (7, 'Ana Lima', '(41) 99999-0001')")
    conn.execute("CREATE VIEW clientes AS SELECT id, nome FROM contatos")
    (tmp_path / "archive" / ANA_FILE).parent.mkdir(parents=True)
    (tmp_path / "archive" / ANA_FILE).write_text(ANA_CHAT, encoding="utf-8")
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    environment = {
        **os.environ,
        "DATABASE_URL": empty_database_url,
        "PIPELINE_SCHEMA": "whatsapp",
        "CHAT_ARCHIVE": str(tmp_path / "archive"),
        "PIPELINE_LOCAL_DIR": str(tmp_path),
        "DAGSTER_HOME": str(tmp_path),
    }
    for command in (["migrate"], ["migrate"], ["run", "--months", "2025-01"], ["status"]):
        result = subprocess.run(
            [sys.executable, "-c", "from whatsapp_pipeline.cli import main; main()", *command],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, (command, result.stderr)
    schemas = conn.execute(
        """SELECT relname, relnamespace::regnamespace::text FROM pg_class
           WHERE relname IN ('contatos', 'ordens_servico', 'chat_files', 'tenants', 'pipeline_migrations')
             AND relkind = 'r' ORDER BY 1, 2"""
    ).fetchall()
    assert schemas == [
        ("chat_files", "whatsapp"),
        ("contatos", "public"),
        ("ordens_servico", "whatsapp"),
        ("pipeline_migrations", "whatsapp"),
        ("tenants", "public"),
        ("tenants", "whatsapp"),
    ]
    assert conn.execute("SELECT id, nome FROM clientes").fetchall() == [(7, "Ana Lima")]
    assert conn.execute("SELECT celular_normalizado FROM contatos").fetchone() == ("41999990001",)
    linked = conn.execute("SELECT id_contato, match_method FROM whatsapp.chat_files").fetchall()
    assert linked == [(7, "exact_phone")]
    assert conn.execute("SELECT count(*) FROM tenants").fetchone() == (0,)
