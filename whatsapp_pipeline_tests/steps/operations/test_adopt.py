"""Databases where somebody ran the project's plan by hand: adopted with their rows, or refused untouched."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from whatsapp_pipeline.automation.headless import run_chain
from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.steps.operations.adopt import adopt_plan_tables, refuse_foreign_tables
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.conversations.conversations import get_or_create_conversation
from whatsapp_pipeline.store.migrate import migrate, pending

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
    refuse_foreign_tables(plan_url)
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
    assert pending(plan_url) == []
    assert migrate(plan_url) == []
    files = conn.execute("SELECT id, file_path, month, id_contato, match_status FROM chat_files ORDER BY id")
    assert files.fetchall() == [
        (11, ANA_FILE, "2025-01", 7, "linked"),
        (12, "2025/02/WhatsApp - 2025-02-03 09 00 00 - Bia.txt", "2025-02", None, "pending"),
    ]
    assert conn.execute("SELECT id, ordinal, is_from_customer, message_text FROM chat_messages ORDER BY id"
                        ).fetchall() == [
        (101, 1, True, "Bom dia, meu notebook não liga"), (102, 2, False, "Bom dia! Pode trazer."),
    ]  # fmt: skip
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
        13, "solta.txt",
    )  # fmt: skip
    assert conn.execute("SELECT count(*) FROM before_pipeline.chat_messages").fetchone() == (3,)
    assert adopt_plan_tables(plan_url, zone=ZONE) == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("CREATE TABLE conversations (id uuid PRIMARY KEY, title text)", "conversations (has no external_id"),
        (
            "CREATE TABLE tenants (id int, name text, stripe_id text)",
            "tenants (has stripe_id, which the plan has not",
        ),
        ("CREATE TABLE tenants (id uuid, name text)", "tenants (id is uuid"),
        ("CREATE TABLE exceptions (id int)", "exceptions (belongs to another program"),
        ("CREATE VIEW leads AS SELECT 1 AS id", "leads (is no table"),
        ("CREATE VIEW contatos AS SELECT 1 AS id", "contatos (is no table"),
        (
            PLAN + "CREATE VIEW relatorio AS SELECT * FROM chat_files;",
            "chat_files (is used by the view relatorio",
        ),
        (
            PLAN + "CREATE TABLE notas (id int, id_chat_file int REFERENCES chat_files (id));",
            "chat_files (is used by a foreign key of notas",
        ),
    ],
)
def test_what_is_of_another_shape_is_refused_before_anything_is_applied(
    conn: Connection, empty_database_url: str, statement: str, words: str
) -> None:
    conn.execute(statement.encode())
    before = _content(conn)
    with pytest.raises(PipelineError, match="nothing was changed") as refused:
        refuse_foreign_tables(empty_database_url)
    assert words in str(refused.value)
    assert "PIPELINE_SCHEMA" in str(refused.value)
    assert _content(conn) == before


def test_an_adoption_that_fails_leaves_the_database_as_it_was(plan_url: str, conn: Connection) -> None:
    conn.execute("CREATE FUNCTION title_key(title text) RETURNS text LANGUAGE sql RETURN title")
    before = _content(conn)
    with pytest.raises(Exception, match="title_key"):
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
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
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
