"""Roles, tried by connecting as somebody in each."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.links.decide import ChatDecision, make_decision, undo_decision
from whatsapp_pipeline.steps.links.link_contacts import LinkOptions
from whatsapp_pipeline.steps.summaries.customer import SeveralCustomersError, find_customer
from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, summarize
from whatsapp_pipeline.store import grants
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.contacts.labels import contact_labels
from whatsapp_pipeline.store.migrate import pending_migrations
from whatsapp_pipeline_tests.steps.links.linking_rows import add_chat, add_contact
from whatsapp_pipeline_tests.truth.linked_months import link_month

LOGINS = {
    "reads": grants.READER,
    "analyses": grants.ANALYST,
    "reviews": grants.REVIEWER,
    "writes": grants.WRITER,
    "logs_in": grants.CONSOLE,
    "manages": grants.MANAGER,
}


@pytest.fixture(scope="module")
def logins(database_url: str) -> Iterator[dict[str, str]]:
    with connect(database_url) as conn:
        assert grants.apply(conn) == []
        assert grants.apply(conn) == []  # twice changes nothing
        for login, role in LOGINS.items():
            conn.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'x' IN ROLE {role}".encode())
    yield {login: make_conninfo(database_url, user=login, password="x") for login in LOGINS}
    with connect(database_url) as conn:
        for login in LOGINS:
            conn.execute(f"DROP ROLE {login}".encode())
        for role in grants.ROLES:
            conn.execute(f"DROP OWNED BY {role}".encode())
            conn.execute(f"DROP ROLE {role}".encode())


def _may(url: str, statement: str) -> bool:
    with psycopg.connect(url) as conn:
        try:
            conn.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            return False
        finally:
            conn.rollback()
        return True


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("SELECT * FROM customer_chat_summaries", {"reads", "analyses", "reviews", "writes"}),
        ("SELECT id, nome FROM contatos", {"reads", "analyses", "reviews", "writes"}),
        ("SELECT month, match_status FROM chat_files", {"reads", "analyses", "reviews", "writes"}),
        ("SELECT * FROM chat_messages", {"analyses", "reviews", "writes"}),
        ("SELECT equipamento FROM ordens_servico", {"reads", "analyses", "reviews", "writes"}),
        ("SELECT observacoes FROM ordens_servico", {"analyses", "reviews", "writes"}),
        ("SELECT celular FROM contatos", {"analyses", "reviews", "writes"}),
        ("SELECT title FROM chat_files", {"analyses", "reviews", "writes"}),
        ("SELECT * FROM conversation_messages", {"analyses", "reviews", "writes"}),
        ("SELECT * FROM conversation_contact_messages", {"analyses", "reviews", "writes"}),
        ("SELECT * FROM conversation_only_messages", {"analyses", "reviews", "writes"}),
        ("SELECT body FROM webhook_inbox", {"writes"}),
        ("SELECT * FROM audit_log", {"writes"}),
        ("SELECT * FROM privacy_erasures", {"writes"}),
        ("SELECT * FROM privacy_hosts", {"writes"}),
        ("SELECT * FROM privacy_confirmations", {"writes"}),
        ("SELECT * FROM data_files", {"writes"}),
        ("SELECT finish_data_file(NULL, 1, 1)", {"reads", "analyses", "reviews", "writes"}),
        ("SELECT refresh_token FROM pipeline_erp_tokens", {"writes"}),
        ("UPDATE pipeline_erp_tokens SET refresh_token = ''", {"writes"}),
        ("SELECT * FROM console_users", {"writes", "logs_in"}),
        ("SELECT * FROM console_sessions", {"writes", "logs_in"}),
        ("SELECT * FROM console_login_links", {"writes", "logs_in"}),
        ("SELECT * FROM console_login_failures", {"writes", "logs_in"}),
        ("SELECT * FROM console_views", {"writes"}),
        ("SELECT * FROM api_tokens", {"writes", "logs_in"}),
        ("UPDATE api_tokens SET last_used_at = now()", {"writes", "logs_in"}),
        ("UPDATE api_tokens SET level = 'reviewer'", {"writes"}),
        ("INSERT INTO tenants (name) VALUES ('Loja')", {"writes", "manages"}),
        ("UPDATE whatsapp_accounts SET is_active = false", {"writes", "manages"}),
        ("UPDATE conversations SET tenant_id = NULL", {"writes", "manages"}),
        ("UPDATE conversations SET id_contato = NULL", {"reviews", "writes"}),
        ("UPDATE conversations SET profile_name = ''", {"writes"}),
        ("UPDATE chat_files SET parse_options = '{}'", {"reviews", "writes"}),
        ("SELECT * FROM webhook_health", {"reads", "analyses", "reviews", "writes"}),
        ("SELECT * FROM unread_counts", {"reads", "analyses", "reviews", "writes"}),
        ("SELECT detail FROM exceptions", {"analyses", "reviews", "writes"}),
        ("SELECT external_id FROM conversations", {"analyses", "reviews", "writes"}),
        ("SELECT unpark_deliveries('shop')", {"writes", "manages"}),
        ("UPDATE webhook_inbox SET status = 'pending'", {"writes"}),
        ("SELECT * FROM dead_deliveries", {"analyses", "reviews", "writes"}),
        ("SELECT * FROM chat_rereads", {"analyses", "reviews", "writes"}),
        ("UPDATE chat_rereads SET read_at = now()", {"reviews", "writes"}),
        ("SELECT * FROM review_queue", {"analyses", "reviews", "writes"}),
        ("DELETE FROM review_queue", {"writes"}),
        ("SELECT refresh_review_queue('chat', '{1}')", {"writes"}),
        ("SELECT repair_review_queue('chat', NULL)", {"writes"}),
        ("INSERT INTO console_users (name, level) VALUES ('eve', 'reviewer')", {"writes"}),
        ("UPDATE console_users SET level = 'reviewer'", {"writes"}),
        ("DELETE FROM console_views", {"writes"}),
        ("DELETE FROM customer_notes", {"analyses", "reviews", "writes"}),
        ("SELECT * FROM customer_notes", {"reads", "analyses", "reviews", "writes"}),
        ("SELECT * FROM handled_cases", {"reads", "analyses", "reviews", "writes"}),
        ("DELETE FROM handled_cases", {"analyses", "reviews", "writes"}),
        ("SELECT * FROM stale_summaries", {"reads", "analyses", "reviews", "writes"}),
        ("UPDATE stale_summaries SET stale_since = now()", {"reviews", "writes"}),
        ("DELETE FROM stale_summaries", {"writes"}),
        ("UPDATE link_overrides SET removed_reason = ''", {"reviews", "writes"}),
        ("INSERT INTO link_overrides (target) SELECT 'a' WHERE false", {"reviews", "writes"}),
        ("INSERT INTO review_verdicts (verdict) SELECT 'right' WHERE false", {"reviews", "writes"}),
        ("INSERT INTO review_snoozes (reviewer) SELECT 'eve' WHERE false", {"reviews", "writes"}),
        ("INSERT INTO chat_rereads (id_chat_file) SELECT 1 WHERE false", {"reviews", "writes"}),
        ("INSERT INTO match_candidates (rank) SELECT 1 WHERE false", {"reviews", "writes"}),
        ("INSERT INTO handled_cases (id_contato) SELECT 1 WHERE false", {"analyses", "reviews", "writes"}),
        ("INSERT INTO whatsapp_accounts (phone_number_id) SELECT '1' WHERE false", {"writes", "manages"}),
        ("UPDATE chat_files SET match_status = 'pending', id_contato = NULL", {"reviews", "writes"}),
        ("UPDATE chat_sessions SET order_match_status = 'pending'", {"reviews", "writes"}),
        ("DELETE FROM match_candidates", {"reviews", "writes"}),
        ("UPDATE chat_files SET title = ''", {"writes"}),
        ("UPDATE chat_sessions SET message_count = 1", {"writes"}),
        ("UPDATE chat_messages SET message_text = ''", {"writes"}),
        ("SELECT * FROM review_items", {"analyses", "reviews", "writes"}),
        ("INSERT INTO contatos (id) VALUES (1)", {"writes"}),
        ("INSERT INTO chat_files (filename, file_path, month) VALUES ('a', 'a', '2025-01')", {"writes"}),
        ("DELETE FROM chat_files", {"writes"}),
        ("DELETE FROM contatos", set()),
        ("DELETE FROM audit_log", set()),
        ("DROP TABLE chat_files", set()),
    ],
)
def test_each_role_may_do_its_own_and_no_more(
    logins: dict[str, str], statement: str, allowed: set[str]
) -> None:
    assert {login for login, url in logins.items() if _may(url, statement)} == allowed


def test_only_a_reviewer_replays_dead_letters_by_a_session(logins: dict[str, str]) -> None:
    """The writer has the inbox itself."""
    may = "SELECT has_function_privilege('replay_dead_deliveries(bytea, bigint[])', 'EXECUTE')"
    allowed = set()
    for login, url in logins.items():
        with psycopg.connect(url) as conn:
            if conn.execute(may).fetchone() == (True,):
                allowed.add(login)
    assert allowed == {"reviews"}
    refused = pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="no valid session")
    with psycopg.connect(logins["reviews"]) as conn, refused:
        conn.execute("SELECT replay_dead_deliveries('no session', NULL)")


def test_a_writer_runs_the_pipeline(logins: dict[str, str]) -> None:
    """What an asset does first and last: see that the schema is current, and link."""
    assert pending_migrations(logins["writes"]) == []
    with connect(logins["writes"]) as conn, conn.transaction(force_rollback=True):
        add_contact(conn, 1, "Ana", "(41) 99999-0001")
        month = "2024-07"  # another test leaves a chat in 2025-01
        add_chat(conn, "+55 41 99999-0001", month=month)
        normalize_contacts(conn, default_area_code=None, log=logging.getLogger(__name__))
        report = link_month(conn, month, LinkOptions(), log=logging.getLogger(__name__))
        assert report.by_status == {"linked": 1}
        assert summarize(conn, SummaryOptions(), log=logging.getLogger(__name__)).contacts == 0
        chat = conn.execute("SELECT id FROM chat_files WHERE month = %s", (month,)).fetchone()
        assert chat is not None
        decision = ChatDecision(chat[0], "no_contact", None, "a supplier", "ana")
        undo_decision(conn, make_decision(conn, decision).id_override, reason="mistaken", removed_by="ana")


def test_a_choice_shows_what_the_role_may_read(logins: dict[str, str], database_url: str) -> None:
    with connect(database_url) as conn:
        conn.execute("INSERT INTO contatos (id, nome, celular) VALUES (71, 'Rita Melo', '(41) 99999-0071')")
        conn.execute("INSERT INTO contatos (id, nome, fantasia) VALUES (72, 'Rui Melo', 'Melo ME')")
    try:
        for login, labels in (
            ("reads", {71: "Rita Melo", 72: "Rui Melo"}),
            ("analyses", {71: "Rita Melo · (41) 99999-0071", 72: "Rui Melo · Melo ME"}),
        ):
            with connect(logins[login]) as conn:
                with pytest.raises(SeveralCustomersError) as found:
                    find_customer(conn, "melo")
                assert contact_labels(conn, found.value.ids) == labels
                assert "Melo" not in str(found.value)
    finally:
        with connect(database_url) as conn:
            conn.execute("DELETE FROM contatos WHERE id IN (71, 72)")


@pytest.mark.parametrize("command", ["status", "override list", "search notebook", "checkpoint list"])
def test_an_analyst_may_use_the_commands_that_look(logins: dict[str, str], command: str) -> None:
    result = CliRunner().invoke(cli, command.split(), env={"DATABASE_URL": logins["analyses"]})
    assert result.exit_code == 0, result.output


def test_a_reader_may_use_the_commands_that_their_tables_allow(
    logins: dict[str, str], conn: Connection, tmp_path: Path
) -> None:
    add_contact(conn, 31, "Rita Alves", "(41) 99999-0031")
    add_chat(conn, "+55 41 99999-0031")
    normalize_contacts(conn, default_area_code=None, log=logging.getLogger(__name__))
    link_month(conn, "2025-01", LinkOptions(), log=logging.getLogger(__name__))

    def run(*command: str) -> str:
        result = CliRunner().invoke(cli, command, env={"DATABASE_URL": logins["reads"]})
        assert result.exit_code == 0, result.exception
        return result.output

    counts = json.loads(run("status", "--json"))
    assert counts["tables"]["chat_files"] >= 1
    assert "chat_messages" not in counts["tables"]
    assert counts["months"][0]["linked"] >= 1
    assert "messages" not in counts["months"][0]
    for who in ("31", "rita alves"):
        shown = run("customer", who)
        assert "Rita Alves" in shown
        assert "99999" not in shown
    run("customer", "31", "--html", str(tmp_path / "rita.html"))
    by_phone = CliRunner().invoke(cli, ["customer", "41 99999-0031"], env={"DATABASE_URL": logins["reads"]})
    assert "this role may not read phones" in str(by_phone.exception)


def test_what_a_role_may_not_do_is_told_with_the_way_out(logins: dict[str, str]) -> None:
    command = [str(Path(sys.executable).parent / "whatsapp-pipeline"), "search", "notebook"]
    result = subprocess.run(
        command,
        env={**os.environ, "DATABASE_URL": logins["reads"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    # The words of a query are looked up before any message is read.
    assert "permission denied for table search_forms" in line
    assert "whatsapp-pipeline grants --print" in line


def test_a_role_that_may_not_grant_gets_the_sql(database_url: str, conn: Connection) -> None:
    conn.execute("CREATE ROLE nobody LOGIN PASSWORD 'x'")
    try:
        with connect(make_conninfo(database_url, user="nobody", password="x")) as as_nobody:
            refused = grants.apply(as_nobody)
    finally:
        conn.execute("DROP ROLE nobody")
    assert any("CREATE ROLE" in statement for statement in refused)
    assert any("GRANT SELECT" in statement and "whatsapp_analyst" in statement for statement in refused)


def test_functions_with_their_owners_rights_look_at_temporary_tables_last(database_url: str) -> None:
    with connect(database_url) as conn:
        paths = dict(
            conn.execute(
                "SELECT proname::text, array_to_string(proconfig, ' ') FROM pg_proc"
                " WHERE prosecdef AND pronamespace = current_schema()::regnamespace"
            ).fetchall()
        )
    assert {"view_contacts", "view_orders", "console_record_views"} <= paths.keys()
    assert [name for name, path in paths.items() if not re.search(r"search_path=.+, pg_temp$", path)] == []


def test_a_readers_temporary_view_is_not_read_as_the_owner(logins: dict[str, str]) -> None:
    with psycopg.connect(logins["reads"]) as conn:
        conn.execute("CREATE TEMP VIEW contatos AS SELECT -7 AS id, 'of the caller' AS nome")
        rows = conn.execute("SELECT id FROM view_contacts()").fetchall()
    assert (-7,) not in rows
