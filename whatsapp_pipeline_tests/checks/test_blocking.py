"""A blocking check ends its own run before the next asset; other runs hold what builds on what is red."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from whatsapp_pipeline import clock
from whatsapp_pipeline.assets.contacts import TABLES_AND_ERP
from whatsapp_pipeline.definitions import build_defs, chosen_checks
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive, Erp
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.operations import qa_results
from whatsapp_pipeline_tests.prepared import Prepared

NORMALIZED = "normalized_contacts"
# The numbers stay beside the column of another type, for the other tests read them from the same database.
DRIFT = "ALTER TABLE contatos RENAME celular TO kept; ALTER TABLE contatos ADD celular bigint"
MENDED = "ALTER TABLE contatos DROP celular; ALTER TABLE contatos RENAME kept TO celular"


@pytest.fixture
def conn(prepared_url: str) -> Iterator[Connection]:
    with connect(prepared_url) as connection:
        yield connection


def _defs(url: str, prepared: Prepared, *, with_erp: bool) -> dg.Definitions:
    resources: dict[str, object] = {
        "database": Database(url=url),
        "archive": Archive(root=str(prepared.archive)),
    }
    if with_erp:
        resources["erp"] = Erp(source=str(prepared.sample / "erp"))
    return build_defs(resources, with_erp=with_erp)


def _done(result: dg.ExecuteInProcessResult) -> set[str]:
    return {step.partition("__")[0] for step in _succeeded(result)}


def _succeeded(result: dg.ExecuteInProcessResult) -> list[str]:
    return [str(event.step_key) for event in result.all_events if event.is_step_success]


@pytest.mark.parametrize("with_erp", [True, False], ids=["with an ERP", "without an ERP"])
def test_a_column_of_another_type_stops_the_contacts(
    conn: Connection, prepared_url: str, prepared: Prepared, *, with_erp: bool
) -> None:
    defs = _defs(prepared_url, prepared, with_erp=with_erp)
    job = defs.resolve_job_def("contacts")
    conn.execute(DRIFT)
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(instance=instance, raise_on_error=False)
    finally:
        conn.execute(MENDED)
    found = {e.check_name: e for e in result.get_asset_check_evaluations()}
    assert found["columns_are_as_expected"].severity == dg.AssetCheckSeverity.ERROR
    assert not result.success
    assert NORMALIZED not in _done(result)
    with dg.DagsterInstance.ephemeral() as instance:
        mended = job.execute_in_process(instance=instance, raise_on_error=False)
    assert NORMALIZED in _done(mended)


def test_an_incomplete_pass_stops_the_contacts(
    conn: Connection, prepared_url: str, prepared: Prepared
) -> None:
    defs = _defs(prepared_url, prepared, with_erp=True)
    key = dg.AssetCheckKey(dg.AssetKey("tiny_contacts"), "erp_pass_complete")
    job = defs.resolve_job_def("contacts").get_subset(
        asset_selection={dg.AssetKey(NORMALIZED)}, asset_check_selection={key}
    )
    conn.execute("UPDATE erp_passes SET status = 'failed' WHERE resource = 'contatos'")
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(instance=instance, raise_on_error=False)
    finally:
        conn.execute("UPDATE erp_passes SET status = 'complete' WHERE resource = 'contatos'")
    assert not result.success
    assert NORMALIZED not in _done(result)


def test_unreadable_lines_end_the_run_of_their_month_only(
    conn: Connection, prepared_url: str, prepared: Prepared
) -> None:
    defs = _defs(prepared_url, prepared, with_erp=False)
    key = dg.AssetCheckKey(dg.AssetKey("chat_messages"), "lines_accounted_for")
    job = defs.resolve_job_def("monthly_chats").get_subset(
        asset_selection={dg.AssetKey("order_links")}, asset_check_selection={key}
    )
    conn.execute(
        "INSERT INTO exceptions (stage, file_path, month, line, kind, severity, detail)"
        " SELECT 'chat_messages', 'f', '2025-01', n, 'lost', 'error', 'x' FROM generate_series(1, 999) n"
    )
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            own, other = (
                job.execute_in_process(instance=instance, partition_key=month, raise_on_error=False)
                for month in ("2025-01", "2025-02")
            )
    finally:
        conn.execute("DELETE FROM exceptions WHERE kind = 'lost'")
    assert not own.success
    assert other.success
    (found,) = other.get_asset_check_evaluations()
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)


LINES = dg.AssetCheckKey(dg.AssetKey("chat_messages"), "lines_accounted_for")
UNREADABLE = (
    "INSERT INTO exceptions (stage, file_path, month, line, kind, severity, detail)"
    " SELECT 'chat_messages', 'f', '2025-01', n, 'lost', 'error', 'x' FROM generate_series(1, 999) n"
)
MADE_OLD = "UPDATE customer_chat_summaries SET summary = 'old', input_hash = 'old'"
OF_JANUARY = "SELECT id_contato FROM chat_files WHERE month = '2025-01' AND id_contato IS NOT NULL"


def _evaluate(defs: dg.Definitions, instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> None:
    job = defs.resolve_job_def("all_checks").get_subset(asset_check_selection={key})
    job.execute_in_process(instance=instance, raise_on_error=False)


def _accept(conn: Connection, check: str, month: str | None, failing: int) -> None:
    until = clock.today() + timedelta(days=9)
    qa_results.accept_failing(conn, check, month, failing=failing, reason="known", until=until, made_by="ana")


def _reasons(result: dg.ExecuteInProcessResult) -> list[str]:
    """Return why assets were held, as their observations say it."""
    return [
        str(event.asset_observation_data.asset_observation.metadata["paused"].value)
        for event in result.get_asset_observation_events()
    ]


def _materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    return {
        event.materialization.asset_key.to_user_string()
        for event in result.get_asset_materialization_events()
    }


CONTACT_PASS = ("tiny_contacts", "erp_pass_complete", "contatos")
ORDER_PASS = ("tiny_orders", "erp_order_pass_complete", "ordem-servico")
LINKS = {"contact_links", "order_links"}


@pytest.mark.parametrize("of_pass", [CONTACT_PASS, ORDER_PASS], ids=["contacts", "orders"])
@pytest.mark.parametrize(
    ("job_name", "assets", "month"),
    [
        ("monthly_chats", LINKS, "2025-02"),
        ("monthly_load", LINKS, "2025-02"),
        ("summaries", {"customer_summaries"}, None),
        ("contacts", {NORMALIZED}, None),
    ],
)
def test_an_incomplete_pass_holds_what_reads_it_in_every_run(
    conn: Connection,
    prepared_url: str,
    prepared: Prepared,
    of_pass: tuple[str, str, str],
    job_name: str,
    assets: set[str],
    month: str | None,
) -> None:
    asset, check, resource = of_pass
    defs = _defs(prepared_url, prepared, with_erp=True)
    key = dg.AssetCheckKey(dg.AssetKey(asset), check)
    job = defs.resolve_job_def(job_name).get_subset(asset_selection={dg.AssetKey(name) for name in assets})
    conn.execute("TRUNCATE qa_results, qa_acceptances")
    conn.execute("UPDATE erp_passes SET status = 'failed' WHERE resource = %s", (resource,))
    with dg.DagsterInstance.ephemeral() as instance:

        def run() -> dg.ExecuteInProcessResult:
            return job.execute_in_process(instance=instance, partition_key=month)

        try:
            unseen = run()
            _evaluate(defs, instance, key)
            held = run()
            ((failing,),) = conn.execute("SELECT failing FROM qa_results WHERE check_name = %s", (key.name,))
            _accept(conn, key.name, None, failing)
            accepted = run()
            conn.execute("TRUNCATE qa_acceptances")
            again = run()
        finally:
            conn.execute("UPDATE erp_passes SET status = 'complete' WHERE resource = %s", (resource,))
        _evaluate(defs, instance, key)
        mended = run()
    # Phones are read from contacts alone, so that orders that are missing do not hold them.
    left = assets if (of_pass, job_name) == (ORDER_PASS, "contacts") else set()
    assert _materialized(held) == _materialized(again) == left
    if not left:
        assert f"{check} of {asset} is red" in _reasons(held)[0]
        assert f"qa evaluate --check {check}" in _reasons(held)[0]
    assert _materialized(accepted) == _materialized(mended) == assets
    assert _reasons(accepted) == _reasons(mended) == []
    # A pass over the orders that broke off ended its run, before its check was evaluated. For contacts the
    # checkpoint contacts_complete ends the next run.
    if of_pass == ORDER_PASS:
        assert _materialized(unseen) == left


def test_an_incomplete_pass_over_the_orders_ends_its_own_run_before_the_links(
    conn: Connection, prepared_url: str, prepared: Prepared
) -> None:
    defs = _defs(prepared_url, prepared, with_erp=True)
    key = dg.AssetCheckKey(dg.AssetKey("tiny_orders"), "erp_order_pass_complete")
    job = defs.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection={dg.AssetKey("contact_links"), dg.AssetKey("order_links")},
        asset_check_selection={key},
    )
    conn.execute("TRUNCATE qa_results, qa_acceptances")
    conn.execute("UPDATE erp_passes SET status = 'failed' WHERE resource = 'ordem-servico'")
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(instance=instance, partition_key="2025-02", raise_on_error=False)
    finally:
        conn.execute("UPDATE erp_passes SET status = 'complete' WHERE resource = 'ordem-servico'")
        conn.execute("TRUNCATE qa_results, qa_acceptances")
    (found,) = result.get_asset_check_evaluations()
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert not result.success
    assert _materialized(result) == set()


def test_unreadable_lines_hold_the_summaries_of_their_months_customers(
    conn: Connection, prepared_url: str, prepared: Prepared
) -> None:
    defs = _defs(prepared_url, prepared, with_erp=False)
    job = defs.resolve_job_def("summaries").get_subset(asset_selection={dg.AssetKey("customer_summaries")})

    def old() -> set[int]:
        return {
            n for (n,) in conn.execute("SELECT id_contato FROM customer_chat_summaries WHERE summary = 'old'")
        }

    conn.execute("TRUNCATE qa_results, qa_acceptances")
    conn.execute(UNREADABLE)
    january = {number for (number,) in conn.execute(OF_JANUARY)}
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            _evaluate(defs, instance, LINES)
            conn.execute(MADE_OLD)
            every = old()
            (event,) = job.execute_in_process(instance=instance).get_asset_materialization_events()
            held = old()
            rebuilt = job.execute_in_process(
                instance=instance, run_config={"ops": {"customer_summaries": {"config": {"rebuild": True}}}}
            )
            assert rebuilt.success
            assert old() == held
            _accept(conn, LINES.name, "2025-01", 999)
            assert job.execute_in_process(instance=instance).success
            assert old() == set()
    finally:
        conn.execute("DELETE FROM exceptions WHERE kind = 'lost'")
        conn.execute("TRUNCATE qa_results, qa_acceptances")
    assert 0 < len(held) < len(every)
    assert held == every & january
    counts = event.materialization.metadata
    assert counts["contacts_held"].value == len(held)
    assert counts["summaries_written"].value == len(every - held)


def test_a_held_customer_who_was_erased_or_unlinked_loses_the_summary(
    conn: Connection, prepared_url: str, prepared: Prepared
) -> None:
    defs = _defs(prepared_url, prepared, with_erp=False)
    job = defs.resolve_job_def("summaries").get_subset(asset_selection={dg.AssetKey("customer_summaries")})
    ((gone,),) = conn.execute(
        "SELECT s.id_contato FROM customer_chat_summaries s JOIN chat_files f USING (id_contato)"
        " GROUP BY 1 HAVING bool_and(f.month = '2025-01') ORDER BY 1 LIMIT 1"
    )
    conn.execute("TRUNCATE qa_results, qa_acceptances")
    conn.execute(UNREADABLE)
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            _evaluate(defs, instance, LINES)
            chats = f"SELECT id FROM chat_files WHERE id_contato = {int(gone)}"
            conn.execute(f"CREATE TEMP TABLE linked AS {chats}".encode())
            conn.execute("UPDATE chat_files SET id_contato = NULL WHERE id IN (TABLE linked)")
            assert job.execute_in_process(instance=instance).success
            left = conn.execute(
                "SELECT FROM customer_chat_summaries WHERE id_contato = %s", (gone,)
            ).fetchall()
    finally:
        conn.execute("UPDATE chat_files SET id_contato = %s WHERE id IN (TABLE linked)", (gone,))
        conn.execute("DELETE FROM exceptions WHERE kind = 'lost'")
        conn.execute("TRUNCATE qa_results, qa_acceptances")
    assert left == []


@pytest.mark.parametrize("with_erp", [True, False], ids=["with an ERP", "without an ERP"])
def test_every_asset_below_a_blocking_check_asks_whether_it_is_red(*, with_erp: bool) -> None:
    graph = build_defs(with_erp=with_erp).resolve_asset_graph()
    asks = {"rule_book"}
    # These go on: what they store does not depend on contacts, and the report shows what is red.
    free = {"chat_messages", "conversations", "qa_report", "tiny_orders", "ordens_servico", "contatos"}
    below: set[str] = set()
    for check in chosen_checks(with_erp=with_erp):
        if check.blocking:
            assert {check.asset} <= {*TABLES_AND_ERP, "chat_messages"}, check.name
            below |= _below(graph, dg.AssetKey(check.asset))
    for name in below - free:
        asset = graph.get(dg.AssetKey(name)).assets_def
        assert asks <= asset.required_resource_keys, name


def _below(graph: Any, key: dg.AssetKey) -> set[str]:
    found: set[str] = set()
    waiting = [key]
    while waiting:
        for child in graph.get(waiting.pop()).child_keys:
            if child.to_user_string() not in found:
                found.add(child.to_user_string())
                waiting.append(child)
    return found
