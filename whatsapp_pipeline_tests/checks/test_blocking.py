"""A blocking check ends its own run before the next asset, with and without an ERP, and no other run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive, Erp
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.prepared import Prepared

NORMALIZED = "normalized_contacts"
DRIFT = "ALTER TABLE contatos ALTER celular TYPE bigint USING NULL"
MENDED = "ALTER TABLE contatos ALTER celular TYPE varchar(20) USING NULL"


@pytest.fixture
def conn(prepared_url: str) -> Iterator[Connection]:
    with connect(prepared_url) as connection:
        yield connection


def _defs(url: str, prepared: Prepared, *, with_erp: bool) -> dg.Definitions:
    resources: dict[str, object] = {
        "database": Database(url=url), "archive": Archive(root=str(prepared.archive))
    }  # fmt: skip
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
    conn: Connection, prepared_url: str, prepared: Prepared, tmp_path: Path
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
