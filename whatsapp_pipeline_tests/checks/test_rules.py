"""Every rule sees its fault planted, and passes a month that the pipeline made."""

# ruff: noqa: E501  # statements read best whole

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from whatsapp_pipeline.assets.check_state import evaluation
from whatsapp_pipeline.assets.partition_status import MONTHLY
from whatsapp_pipeline.checks import chats, contacts, links, summaries
from whatsapp_pipeline.checks.qa import CheckScope, QaCheck, evaluate_without_storing
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.contacts import erp_passes
from whatsapp_pipeline.store.links import verdicts
from whatsapp_pipeline.store.locks import named_lock
from whatsapp_pipeline.store.operations import gates
from whatsapp_pipeline.store.operations.checks import MonthFindings
from whatsapp_pipeline_tests.prepared import MONTHS, Prepared, definitions

RULES: list[QaCheck] = [*contacts.CHECKS, *chats.CHECKS, *links.CHECKS, *summaries.CHECKS]
_A_CHAT = "(SELECT min(id) FROM chat_files WHERE month = '2025-01' AND processing_status = 'loaded')"
_A_LINK = """(SELECT min(f.id) FROM chat_files f JOIN match_candidates c ON c.id_chat_file = f.id AND c.rank = 1
              WHERE f.month = '2025-01' AND f.match_status = 'linked' AND f.match_method <> 'override')"""
_A_MESSAGE = f"(SELECT min(id) FROM chat_messages WHERE id_chat_file = {_A_CHAT})"
_A_SESSION = f"(SELECT min(id) FROM chat_sessions WHERE id_chat_file = {_A_LINK})"
_OTHER = (
    f"(SELECT min(id) FROM contatos WHERE id <> (SELECT id_contato FROM chat_files WHERE id = {_A_LINK}))"
)
_OPEN_COMMITMENT = """UPDATE commitments SET said_at = now() - interval '30 days', outcome = NULL, outcome_source = NULL,
                      outcome_id = NULL"""

# Rule → what plants its fault.
PLANTS: dict[str, str] = {
    "erp_pass_complete": "UPDATE erp_passes SET status = 'failed' WHERE resource = 'contatos'",
    "erp_order_pass_complete": "UPDATE erp_passes SET status = 'failed' WHERE resource = 'ordem-servico'",
    "erp_lists_known_contacts": "UPDATE erp_passes SET items = 0, expected = 0 WHERE resource = 'contatos'",
    "erp_lists_known_orders": "INSERT INTO erp_passes (resource, scope, status, cursor_state, items)"
    " SELECT resource, scope, status, cursor_state, 0 FROM erp_passes WHERE resource = 'ordem-servico'",
    "erp_counts_agree_on_contacts": "INSERT INTO exceptions (stage, file_path, kind, severity, detail)"
    " VALUES ('tiny_contacts', 'contatos: contatos/B', 'count_differs', 'warning', 'x')",
    "erp_counts_agree_on_orders": "INSERT INTO exceptions (stage, file_path, kind, severity, detail)"
    " VALUES ('tiny_orders', 'ordens_servico: list', 'count_differs', 'warning', 'x')",
    "values_fit_their_columns": "UPDATE contact_sources SET truncated = '{nome}'",
    "phones_can_be_matched": "UPDATE contatos SET celular = '123', telefone = '';"
    " UPDATE contact_phones SET key = NULL",
    "columns_are_as_expected": "ALTER TABLE contatos ALTER celular TYPE bigint USING NULL",
    "contacts_are_readable": "INSERT INTO exceptions (stage, file_path, kind, severity, detail)"
    " VALUES ('tiny_contacts', 'contatos/?', 'unreadable_item', 'error', 'no id')",
    "contacts_have_names": "UPDATE contatos SET nome = ' ', fantasia = NULL",
    "orders_are_readable": "INSERT INTO exceptions (stage, file_path, kind, severity, detail)"
    " VALUES ('tiny_orders', 'ordens_servico/?', 'unreadable_item', 'error', 'no id')",
    "orders_have_a_contact": "UPDATE ordens_servico SET id_contato = NULL",
    "order_dates_are_possible": "UPDATE ordens_servico SET data_conclusao = data_emissao - 3",
    "every_phone_was_read": "DELETE FROM contact_phone_inputs",
    "first_phone_is_the_normalized_one": "UPDATE contatos SET celular_normalizado = '4100000000'",
    "phones_are_not_of_many": "UPDATE contact_phones SET key = '4133330000'",
    "files_on_disk_are_indexed": f"DELETE FROM chat_files WHERE id = {_A_CHAT}",
    "files_are_readable_and_in_place": "INSERT INTO exceptions (stage, file_path, month, kind, severity, detail)"
    " SELECT 'chat_file_index', n::text, '2025-01', 'unreadable', 'error', 'x' FROM generate_series(1, 9) n",
    "no_file_vanished": f"UPDATE chat_files SET processing_status = 'vanished' WHERE id = {_A_CHAT}",
    "titles_say_something": "UPDATE chat_files SET phone_number = NULL, customer_name = NULL,"
    " reference_os = NULL, is_group = false WHERE month = '2025-01'",
    "chats_are_not_empty": "UPDATE chat_files SET message_count = 0 WHERE month = '2025-01'",
    "files_are_not_copies": f"UPDATE chat_files SET duplicate_of = {_A_CHAT} WHERE month = '2025-01'",
    "as_many_files_as_usual": "INSERT INTO chat_files (filename, file_path, month)"
    " SELECT 'f', m || n, m FROM unnest(ARRAY['2024-10', '2024-11', '2024-12']) m, generate_series(1, 200) n",
    "every_chat_is_loaded": f"UPDATE chat_files SET processing_status = 'pending' WHERE id = {_A_CHAT}",
    "lines_accounted_for": "INSERT INTO exceptions (stage, file_path, month, line, kind, severity, detail)"
    " SELECT 'chat_messages', 'f', '2025-01', n, 'lost', 'error', 'x' FROM generate_series(1, 999) n",
    "message_counts_agree": f"DELETE FROM chat_messages WHERE id = {_A_MESSAGE}",
    "times_in_order": "UPDATE chat_messages SET message_timestamp = '2024-01-01'::timestamp - ordinal * interval"
    " '1 hour'",
    "times_are_possible": "UPDATE chat_messages SET message_timestamp = '1970-01-01' WHERE ordinal = 1",
    "side_is_known": "UPDATE chat_messages SET direction = NULL",
    "messages_have_no_gaps": f"DELETE FROM chat_messages WHERE id = {_A_MESSAGE}",
    "replies_are_resolved": "UPDATE chat_messages SET reply_to_id = NULL, responding_to = 'x' WHERE ordinal > 2",
    "texts_are_not_empty": "UPDATE chat_messages SET message_text = '', attachment_name = NULL, type = 'text'",
    "chats_are_linked": "UPDATE chat_files SET match_status = 'unmatched', id_contato = NULL",
    "links_without_doubt": "UPDATE chat_files SET match_status = 'ambiguous', id_contato = NULL",
    "evidence_agrees": "UPDATE chat_files SET match_flags = '{two_people}'",
    "links_are_whole": f"UPDATE chat_files SET match_method = NULL WHERE id = {_A_LINK}",
    "links_follow_their_evidence": f"UPDATE match_candidates SET id_contato = {_OTHER}"
    f" WHERE id_chat_file = {_A_LINK} AND rank = 1",
    "decisions_of_people_hold": f"SELECT override_link('file', (SELECT file_path FROM chat_files"
    f" WHERE id = {_A_LINK}), 'contact', {_OTHER}, 'w')",
    "decisions_fit_phones": "SELECT override_link('title', title, 'contact',"
    " (SELECT max(id) FROM contatos), 'w') FROM chat_files WHERE phone_key IN (SELECT key FROM contact_phones)"
    " AND title <> '' GROUP BY title",
    "groups_belong_to_nobody": f"UPDATE chat_files SET is_group = true WHERE id = {_A_LINK}",
    "reviewers_agree": "INSERT INTO review_verdicts (id_chat_file, verdict, match_status, id_contato,"
    " id_ordem_servico) SELECT id, 'wrong', match_status, id_contato, id_ordem_servico FROM chat_files",
    "review_queue_is_current": "UPDATE review_queue SET value = value + 1",
    "orders_belong_to_the_contact": f"UPDATE chat_sessions SET id_ordem_servico = (SELECT min(o.id) FROM"
    f" ordens_servico o WHERE o.id_contato <> (SELECT id_contato FROM chat_files WHERE id = {_A_LINK})),"
    f" order_match_status = 'linked' WHERE id = {_A_SESSION}",
    "order_links_are_whole": "UPDATE chat_sessions SET order_match_status = 'linked', id_ordem_servico = NULL,"
    " order_match_method = 'x'",
    "named_orders_are_linked": "UPDATE chat_sessions s SET id_ordem_servico = NULL, order_match_status ="
    " 'unmatched', order_match_method = NULL, order_numbers = ARRAY(SELECT o.numero_ordem_servico FROM"
    " ordens_servico o JOIN chat_files f ON f.id_contato = o.id_contato WHERE f.id = s.id_chat_file)",
    "orders_are_talked_about": "UPDATE chat_sessions SET id_ordem_servico = NULL, order_match_status ="
    " 'unmatched', order_match_method = NULL",
    "every_linked_contact_has_a_summary": "DELETE FROM customer_chat_summaries",
    "summaries_are_of_customers_with_chats": "UPDATE chat_files SET id_contato = NULL, match_status = 'unmatched'",
    "summaries_cite_their_customer": "UPDATE customer_chat_summaries SET evidence_message_ids = '{-1}'",
    "summary_counts_are_right": "UPDATE customer_chat_summaries SET message_count = message_count + 1,"
    " other_messages = other_messages + 1",
    "summary_evidence_exists": "UPDATE customer_chat_summaries SET evidence_webhook_ids = '{-1}'",
    "summary_claims_are_supported": "UPDATE customer_chat_summaries SET claims ="
    """ '[{"kind": "x", "messages": [], "orders": []}]'""",
    "summary_times_are_possible": "UPDATE customer_chat_summaries SET reply_median_s = -1",
    "summaries_are_current": "UPDATE customer_chat_summaries SET input_hash = '\\x00'",
    "summary_numbers_add_up": "UPDATE customer_chat_summaries SET message_count = message_count + 1",
    "commitments_cite_their_customer": f"UPDATE commitments SET id_contato = {_OTHER} WHERE id_contato <> {_OTHER}",
    "promises_are_kept": f"{_OPEN_COMMITMENT}, kind = 'deadline_promised', side = 'staff', due_on = now()::date - 2",
    "quotes_are_answered": f"{_OPEN_COMMITMENT}, kind = 'price_quoted', side = 'staff'",
}


@pytest.fixture
def scope(prepared_url: str, prepared: Prepared) -> Iterator[CheckScope]:
    """What a rule looks at; whatever a test does to it is rolled back."""
    with connect(prepared_url) as conn, conn.transaction(force_rollback=True):
        yield CheckScope(conn, list(MONTHS), Archive(root=str(prepared.archive)))


def test_the_clean_months_pass_every_rule(prepared: Prepared) -> None:
    checks = prepared.outcome.checks
    assert {rule.name for rule in RULES} <= {check.name for check in checks}
    found = {f"{check.asset}.{check.name}": check.description for check in checks if not check.passed}
    # The sample has contacts with two numbers in a field of twenty characters: that one is true.
    assert set(found) <= {"tiny_contacts.values_fit_their_columns"}


def test_every_rule_has_a_fault_to_see() -> None:
    assert set(PLANTS) == {check.name for check in RULES}
    assert len({check.name for check in RULES}) == len(RULES)


@pytest.mark.parametrize("check", RULES, ids=lambda check: check.name)
def test_a_planted_fault_is_found(scope: CheckScope, check: QaCheck) -> None:
    before = check.find(scope)
    plant(scope.conn, PLANTS[check.name])
    findings = check.find(scope)
    assert findings.failing > before.failing
    assert findings.rows
    result = evaluation(evaluate_without_storing(check, scope), {None, *scope.months})
    assert not result.passed
    assert result.severity.value == check.severity.upper()
    assert result.metadata["failing"].value == findings.failing
    assert "how_to_fix" in result.metadata
    if isinstance(chat := findings.rows[0].get("chat"), int):
        links = str(result.metadata["open_in_console"].value)
        assert f"[chat {chat}](http://localhost:8090/chats/chat:{chat})" in links
    if "month" in findings.rows[0]:
        assert sum(findings.by_month.values()) == findings.failing


@pytest.mark.parametrize("check", [c for c in RULES if c.asset in MONTHLY], ids=lambda check: check.name)
def test_a_month_s_faults_are_not_another_s(scope: CheckScope, check: QaCheck) -> None:
    plant(scope.conn, PLANTS[check.name])
    whole = check.find(scope)
    for month in MONTHS:
        alone = check.find(CheckScope(scope.conn, [month], scope.archive))
        assert {m for m in alone.months if m} <= {month}
        assert alone.months.get(month, MonthFindings()) == whole.months.get(month, MonthFindings())


def test_a_file_out_of_place_is_one_file_however_much_is_wrong_with_it(scope: CheckScope) -> None:
    check = next(check for check in RULES if check.name == "files_are_readable_and_in_place")
    before = check.find(scope)
    scope.conn.execute(
        "INSERT INTO exceptions (stage, file_path, month, kind, severity, detail)"
        " SELECT 'chat_file_index', path, '2025-01', kind, 'warning', 'x'"
        " FROM (VALUES ('a.txt', 'name'), ('a.txt', 'month'), ('b.txt', 'vanished')) AS v (path, kind)"
    )
    after = check.find(scope)
    assert (after.failing - before.failing, after.examined - before.examined) == (1, 1)
    assert after.failing <= after.examined
    assert "month, name" in {row["kinds"] for row in after.rows}


@pytest.mark.parametrize(
    ("name", "resource"),
    [("erp_pass_complete", "contatos"), ("erp_order_pass_complete", "ordem-servico")],
)
def test_a_pass_of_another_run_is_judged_when_it_ends(
    scope: CheckScope, prepared_url: str, name: str, resource: str
) -> None:
    checks = {check.name: check for check in RULES if check.name.endswith("_pass_complete")}
    check = checks.pop(name)
    (other_check,) = checks.values()
    before = check.find(scope)
    with connect(prepared_url) as other:
        with named_lock(other, erp_passes.LOCKS[resource]):
            run = erp_passes.begin(other, resource, "full", {"source": "another run"})
            assert check.find(scope).failing == 0
            assert gates.broken_pass(scope.conn, resource) is None
        # The run is gone and its pass still says that it runs: it was killed, whoever else asks meanwhile.
        with erp_passes.nobody_reads(other, resource):
            assert check.find(scope).failing == 1
            assert gates.broken_pass(scope.conn, resource) == ("running", 0, None)
        assert other_check.find(scope).failing == 0
        other.execute("DELETE FROM erp_passes WHERE id = %s", (run.id,))
    assert before.examined > 0
    assert before.examined != other_check.find(scope).examined


def plant(conn: Connection, statements: str) -> None:
    # The tables' own guards refuse some of these faults; another program would meet them too.
    conn.execute("SET LOCAL session_replication_role = replica")
    for constraint in ("chat_files_check", "chat_files_check1"):
        conn.execute(f"ALTER TABLE chat_files DROP CONSTRAINT IF EXISTS {constraint}".encode())
    for statement in statements.split(";"):
        conn.execute(statement.encode())


def test_rows_are_masked(scope: CheckScope) -> None:
    plant(scope.conn, PLANTS["chats_are_linked"])
    check = next(check for check in RULES if check.name == "chats_are_linked")
    titles = {row[0] for row in scope.conn.execute("SELECT title FROM chat_files")}
    shown = {row["title"] for row in check.find(scope).rows}
    assert shown
    assert not shown & titles


def test_a_tolerance_is_a_setting(scope: CheckScope, monkeypatch: pytest.MonkeyPatch) -> None:
    check = next(check for check in RULES if check.name == "chats_are_linked")
    plant(scope.conn, PLANTS["chats_are_linked"])
    assert not evaluate_without_storing(check, scope).passed
    monkeypatch.setenv("CHECK_TOLERANCES", "chats_are_linked=1")
    assert evaluate_without_storing(check, scope).passed


def test_earlier_runs_of_the_same_months_are_shown(prepared_url: str, prepared: Prepared) -> None:
    check = next(check for check in RULES if check.name == "every_linked_contact_has_a_summary")
    defs = definitions(prepared_url, prepared.sample)
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            result = defs.resolve_job_def("summaries").execute_in_process(instance=instance)
        evaluation = next(e for e in result.get_asset_check_evaluations() if e.check_name == check.name)
        earlier = evaluation.metadata["earlier_runs"]
        assert isinstance(earlier, dg.TableMetadataValue)
        assert len(earlier.records) == 1
        assert earlier.records[0].data["failing"] == "0"


def test_the_samples_of_many_months_are_those_of_each(scope: CheckScope) -> None:
    alone = [row for month in MONTHS for row in verdicts.review_sample(scope.conn, month)]
    assert verdicts.samples(scope.conn, MONTHS) == alone
    # Each month has its share: ten per cent of the chats, or twenty.
    assert {month: sum(row.month == month for row in alone) >= 20 for month in MONTHS} == dict.fromkeys(
        MONTHS, True
    )
