"""Pauses, checkpoints and their waivers, as steps and schedules meet them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.automation.headless import open_instance, run_chain
from whatsapp_pipeline.automation.schedules import daily_current_month, monthly_closed_month
from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
from whatsapp_pipeline.steps.operations import gates
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import verdicts
from whatsapp_pipeline.store.operations import gates as store

LOG = logging.getLogger(__name__)
MONTH = "2025-01"
SAMPLE = PROJECT_ROOT / "data" / "organized_whatsapp_chats"
ALL = ("contacts_complete", "files_indexed", "links_reviewed")


@pytest.fixture
def db(fresh_database_url: str) -> Iterator[Connection]:
    with connect(fresh_database_url) as conn:
        yield conn


def _check(conn: Connection, asset: str) -> None:
    gates.check(conn, asset, [MONTH], required=ALL)


def test_a_pause_holds_every_step_until_resumed(db: Connection) -> None:
    assert store.pause(db, "inventário, fone 41 99999-0001")
    assert not store.pause(db, "again")
    with pytest.raises(gates.PausedError, match=r"paused since .* \(inventário, fone \[telefone\]\).*resume"):
        _check(db, "tiny_contacts")
    assert gates.is_paused(db)
    assert store.resume(db)
    assert not store.resume(db)
    _check(db, "tiny_contacts")
    assert not gates.is_paused(db)


def test_a_schedule_skips_during_a_pause_and_says_why(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", fresh_database_url)
    fires_at = datetime(2025, 3, 2, 4, tzinfo=UTC)
    with dg.build_schedule_context(scheduled_execution_time=fires_at) as context:
        assert isinstance(daily_current_month(context), dg.RunRequest)
        with connect(fresh_database_url) as conn:
            store.pause(conn, "")
        for schedule in (daily_current_month, monthly_closed_month):
            answer = schedule(context)
            assert isinstance(answer, dg.SkipReason)
            assert "paused since" in str(answer.skip_message)


def test_a_paused_load_ends_its_run_and_goes_on_after_resume(fresh_database_url: str, tmp_path: Path) -> None:
    with connect(fresh_database_url) as conn:
        index_month(conn, ChatArchive(str(SAMPLE)), MONTH, IndexOptions(workers=1), log=LOG)
        store.pause(conn, "")
    defs = build_defs({"database": Database(url=fresh_database_url), "archive": Archive(root=str(SAMPLE))})
    job = defs.resolve_job_def("monthly_chats")

    def run() -> dg.ExecuteInProcessResult:
        return job.execute_in_process(
            asset_selection=[dg.AssetKey("chat_messages")], partition_key=MONTH, raise_on_error=False
        )

    result = run()
    assert result.success  # a pause is no failure, and nothing is red
    assert result.get_asset_materialization_events() == []
    (observed,) = result.get_asset_observation_events()
    assert "paused since" in str(observed.asset_observation_data.asset_observation.description)
    with connect(fresh_database_url) as conn:
        store.resume(conn)
    assert run().success


def test_a_pause_between_two_months_keeps_the_first_and_makes_nothing_red(fresh_database_url: str) -> None:
    """The pause begins with the first month's messages: the second month finds it."""
    defs = build_defs({"database": Database(url=fresh_database_url), "archive": Archive(root=str(SAMPLE))})
    with connect(fresh_database_url) as conn:
        conn.execute(
            "CREATE FUNCTION pause_now() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " INSERT INTO pauses (reason) VALUES ('inventário') ON CONFLICT DO NOTHING; RETURN NULL; END $$"
        )
        conn.execute(
            "CREATE TRIGGER pause_now AFTER INSERT ON chat_messages"
            " FOR EACH STATEMENT EXECUTE FUNCTION pause_now()"
        )
    with open_instance(ephemeral=True) as instance:
        outcome = run_chain(defs, instance, months=[MONTH, "2025-02"], with_erp=False)
        assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}
        key = dg.AssetKey("chat_messages")
        assert instance.get_materialized_partitions(key) == {MONTH}
    assert outcome.errors == []
    assert outcome.paused is not None
    assert "(inventário)" in outcome.paused
    assert (outcome.ok, outcome.exit_status) == (False, 1)
    with connect(fresh_database_url) as conn:
        months = conn.execute(
            "SELECT DISTINCT f.month FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file"
        )
        assert months.fetchall() == [(MONTH,)]
        store.resume(conn)
        conn.execute("DROP TRIGGER pause_now ON chat_messages")
    with open_instance(ephemeral=True) as instance:
        assert run_chain(defs, instance, months=[MONTH, "2025-02"], with_erp=False).errors == []


def test_an_erp_pass_that_did_not_end_well_holds_indexing(db: Connection) -> None:
    _check(db, "chat_file_index")  # no pass at all: the user fills contatos
    db.execute(
        "INSERT INTO erp_passes (resource, scope, status, items, expected)"
        " VALUES ('contatos', 'full', 'failed', 300, 900)"
    )
    with pytest.raises(PipelineError, match="failed after 300 of 900; materialize tiny_contacts"):
        _check(db, "chat_file_index")
    gates.check(db, "chat_file_index", [MONTH], required=())
    store.waive(db, "contacts_complete", None, "os demais são inativos")
    _check(db, "chat_file_index")


def test_phones_nobody_normalized_hold_indexing(db: Connection) -> None:
    db.execute("INSERT INTO contatos (id, celular) VALUES (1, '41999990001')")
    with pytest.raises(PipelineError, match="materialize normalized_contacts"):
        _check(db, "chat_file_index")


def test_files_not_read_hold_linking_of_their_month_only(db: Connection) -> None:
    db.execute("INSERT INTO chat_files (filename, file_path, month) VALUES ('a', 'a', '2025-01')")
    with pytest.raises(PipelineError, match="1 chats of 2025-01 were not read yet"):
        _check(db, "contact_links")
    gates.check(db, "contact_links", ["2025-02"], required=ALL)
    store.waive(db, "files_indexed", MONTH, "fica para depois")
    _check(db, "contact_links")


def test_summaries_wait_for_verdicts_on_the_sample_where_the_setting_asks(db: Connection) -> None:
    index_month(db, ChatArchive(str(SAMPLE)), MONTH, IndexOptions(workers=1), log=LOG)
    db.execute("UPDATE chat_files SET processing_status = 'loaded'")
    gates.check(db, "customer_summaries", [], required=("contacts_complete", "files_indexed"))
    with pytest.raises(PipelineError, match="have no verdict"):
        gates.check(db, "customer_summaries", [], required=ALL)
    for row in verdicts.review_sample(db, MONTH):
        assert verdicts.record_verdict(db, row.id_chat_file, "right", note=None, reviewer="ana")
    gates.check(db, "customer_summaries", [], required=ALL)
    # A link that changed since has no verdict any more.
    changed = verdicts.review_sample(db, MONTH)[0].id_chat_file
    db.execute("UPDATE chat_files SET match_status = 'unmatched' WHERE id = %s", (changed,))
    with pytest.raises(PipelineError, match="1 of"):
        gates.check(db, "customer_summaries", [], required=ALL)


def test_the_sample_is_stable_stratified_and_holds_every_warning(db: Connection) -> None:
    db.execute(
        """
        INSERT INTO chat_files (filename, file_path, month, title, phone_key, reference_os, match_flags)
        SELECT 'f', 'p/' || n, '2025-02', 't', CASE WHEN n % 10 < 8 THEN '41' || lpad(n::text, 8, '0') END,
               CASE WHEN n % 50 = 9 THEN '30000' END,
               CASE WHEN n = 77 THEN '{shared_phone}'::text[] ELSE '{}' END
        FROM generate_series(1, 400) n
        """
    )
    first = verdicts.review_sample(db, "2025-02")
    assert first == verdicts.review_sample(db, "2025-02")
    assert 40 <= len(first) <= 41  # 10 %, and the one with a warning
    assert "p/77" in {row.file_path for row in first}
    strata = [row.stratum for row in first]
    assert strata.count("phone") >= 30
    assert strata.count("order") >= 1
    assert strata.count("name") >= 6
    db.execute("INSERT INTO chat_files (filename, file_path, month) VALUES ('f', 'p/new', '2025-02')")
    kept = {row.file_path for row in first} & {row.file_path for row in verdicts.review_sample(db, "2025-02")}
    assert len(kept) >= len(first) - 1


def test_verdicts_count_to_an_agreement_rate(db: Connection) -> None:
    db.execute(
        "INSERT INTO chat_files (filename, file_path, month)"
        " SELECT 'f', 'p/' || n, '2025-03' FROM generate_series(1, 5) n"
    )
    for row, verdict in zip(
        verdicts.review_sample(db, "2025-03"), ("right", "right", "right", "wrong"), strict=False
    ):
        verdicts.record_verdict(db, row.id_chat_file, verdict, note=None, reviewer="ana")
    found = verdicts.count_verdicts(db, "2025-03")
    assert (found.sampled, found.reviewed, found.rate) == (5, 4, 0.75)
    assert verdicts.count_verdicts(db, "2025-04").rate is None
    assert not verdicts.record_verdict(db, 10**9, "right", note=None, reviewer="ana")
