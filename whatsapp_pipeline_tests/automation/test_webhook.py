"""The sensor asks for work once, again after a failure, and never for nothing; the job does it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from whatsapp_pipeline.automation.webhook import (
    ANSWERS_TAG,
    ATTEMPT_TAG,
    BATCH_TAG,
    webhook_inbox_sensor,
    webhook_retention,
)
from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.webhook_inbox import WebhookInbox
from whatsapp_pipeline.sandbox.assistant_server import AssistantSandbox, Habit, serving_assistant
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline_tests.webhook.deliveries import RECEIVED, clear, delivery, one, put, rows, take, text


@pytest.fixture(autouse=True)
def _clean(conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Settings are read from the environment where Dagster runs things: give it a spool of the test's own.
    monkeypatch.setenv("WHATSAPP_SPOOL_DIR", str(tmp_path / "spool"))
    yield
    clear(conn)


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def resources(url: str, **options: Any) -> dict[str, Any]:
    database = Database(url=url)
    return {"database": database, "webhook_inbox": WebhookInbox(database=database, **options)}


def tick(instance: dg.DagsterInstance, url: str, **options: Any) -> tuple[list[dg.RunRequest], str | None]:
    with dg.build_sensor_context(instance=instance, resources=resources(url, **options)) as context:
        data = webhook_inbox_sensor.evaluate_tick(context)
    return list(data.run_requests or []), data.skip_message


def run(instance: dg.DagsterInstance, url: str, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    job = build_defs(resources(url)).resolve_job_def("process_webhooks")
    return job.execute_in_process(
        run_config=request.run_config, instance=instance, tags=request.tags, raise_on_error=False
    )


def test_a_tick_with_nothing_to_do_makes_no_run(instance: dg.DagsterInstance, database_url: str) -> None:
    requests, skipped = tick(instance, database_url)
    assert (requests, skipped) == ([], "no new deliveries")


def test_new_deliveries_are_processed_within_one_tick(
    conn: Connection, instance: dg.DagsterInstance, database_url: str
) -> None:
    put(conn, *(delivery(text(f"w{n}", "oi")) for n in range(3)))
    (request,), _ = tick(instance, database_url)
    assert request.run_key == f"webhook-batch-{request.tags[BATCH_TAG]}-attempt-1"
    assert run(instance, database_url, request).success
    assert one(conn, "SELECT count(*) FROM conversation_messages") == 3
    assert tick(instance, database_url) == ([], "no new deliveries")
    event = instance.get_latest_materialization_event(dg.AssetKey("conversations"))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["messages"].value == 3
    assert metadata["dead_letters"].value == 0
    assert "99990000" not in str(metadata)


def test_a_batch_is_asked_for_again_under_another_key_and_given_up_in_the_end(
    conn: Connection, instance: dg.DagsterInstance, database_url: str
) -> None:
    put(conn, delivery(text("w", "oi")))
    keys = []
    for _ in range(3):
        (request,), _ = tick(instance, database_url, max_launches=3)
        keys.append(request.run_key)
        assert tick(instance, database_url, max_launches=3)[0] == []  # it may be on its way
        conn.execute("UPDATE webhook_batches SET requested_at = now() - interval '1 hour'")
    batch = request.tags[BATCH_TAG]
    assert keys == [f"webhook-batch-{batch}-attempt-{n}" for n in (1, 2, 3)]
    (request,), _ = tick(instance, database_url, max_launches=3)
    assert request.tags[BATCH_TAG] != batch  # given up; what it held goes to a new batch
    assert one(conn, "SELECT status FROM webhook_batches WHERE id = %s", batch) == "dead"


def test_a_batch_whose_run_is_under_way_is_left_alone(
    conn: Connection, instance: dg.DagsterInstance, database_url: str
) -> None:
    put(conn, delivery(text("w", "oi")))
    (request,), _ = tick(instance, database_url)
    conn.execute("UPDATE webhook_batches SET requested_at = now() - interval '1 hour'")
    job = build_defs(resources(database_url)).resolve_job_def("process_webhooks")
    created = instance.create_run_for_job(job, tags=dict(request.tags), status=dg.DagsterRunStatus.STARTED)
    requests, skipped = tick(instance, database_url, batches_per_tick=1)
    assert requests == []
    assert skipped == "1 batch(es) under way, 1 deliveries wait"
    instance.report_run_failed(created)
    ((again,), _) = tick(instance, database_url, batches_per_tick=1)
    assert again.tags[ATTEMPT_TAG] == "2"


def test_a_tick_is_bounded(conn: Connection, instance: dg.DagsterInstance, database_url: str) -> None:
    put(conn, *(delivery(text(f"w{n}", "oi")) for n in range(10)))
    requests, _ = tick(instance, database_url, batch_size=2, batches_per_tick=2)
    assert len(requests) == 2


def test_a_failed_item_fails_no_run_and_the_checks_say_so(
    conn: Connection, instance: dg.DagsterInstance, database_url: str
) -> None:
    put(conn, b"rubbish", delivery(text("w", "oi")))
    (request,), _ = tick(instance, database_url)
    result = run(instance, database_url, request)
    assert result.success
    outcome = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    assert outcome == {
        "webhooks_processed_in_time": True,
        "no_dead_webhooks": False,
        "no_parked_accounts": True,
        "questions_are_answered": True,
        "live_review_queue_is_current": True,
        "no_duplicate_messages": True,
        "spool_drained": True,
    }


def test_retention(conn: Connection, instance: dg.DagsterInstance, database_url: str) -> None:
    put(conn, delivery(text("w", "oi")), received=RECEIVED - timedelta(days=365))
    (request,), _ = tick(instance, database_url)
    run(instance, database_url, request)
    assert webhook_retention.execute_in_process(
        instance=instance, resources={"database": Database(url=database_url)}
    ).success
    assert rows(conn, "SELECT body IS NULL FROM webhook_inbox") == [(True,)]


def test_retention_ends_the_questions_of_an_assistant_that_was_turned_off(
    conn: Connection, instance: dg.DagsterInstance, database_url: str
) -> None:
    now = datetime.now(UTC)
    take(conn, delivery(text("w", "oi", at=int(now.timestamp()))), received=now, ask_assistant=True)
    conn.execute("UPDATE conversation_messages SET sent_at = now() - interval '25 hours'")
    assert webhook_retention.execute_in_process(
        instance=instance, resources={"database": Database(url=database_url)}
    ).success
    assert rows(conn, "SELECT state FROM assistant_replies") == [("expired",)]


def test_the_sensor_asks_for_questions_that_wait(
    instance: dg.DagsterInstance, database_url: str, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    asked = delivery(text("w1", "ficou pronto?", at=int(now.timestamp())))
    take(conn, asked, received=now, ask_assistant=True)
    assert tick(instance, database_url) == (
        [],
        "no new deliveries; 1 question(s) wait for an answer",  # the assistant is off
    )
    sandbox = AssistantSandbox()
    with serving_assistant(sandbox) as base:
        monkeypatch.setenv("ASSISTANT_BASE_URL", base)
        monkeypatch.setenv("ASSISTANT_MODEL", "m")
        (request,), _ = tick(instance, database_url)
        assert request.tags[ANSWERS_TAG] == "true"
        result = run(instance, database_url, request)
        assert result.success
        (event,) = result.get_asset_materialization_events()
        metadata = event.materialization.metadata
        assert [metadata[name].value for name in ("answered", "questions_pending", "questions_failed")] == [
            1,
            0,
            0,
        ]
        assert tick(instance, database_url) == ([], "no new deliveries")
        # A question that a failure put off is asked for when its pause is over, not before.
        sandbox.habits = [Habit("status", status=500)]
        again = delivery(text("w2", "e agora?", at=int(now.timestamp()) + 1))
        take(conn, again, received=now, ask_assistant=True)
        (request,), _ = tick(instance, database_url)
        run(instance, database_url, request)
        assert tick(instance, database_url)[0] == []
        conn.execute("UPDATE assistant_replies SET next_attempt_at = now()")
        assert len(tick(instance, database_url)[0]) == 1


def test_a_wrong_setting_of_the_assistant_holds_no_delivery_back(
    instance: dg.DagsterInstance, database_url: str, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSISTANT_BASE_URL", "http://127.0.0.1:9/v1")
    put(conn, delivery(text("w1", "oi")))
    (request,), _ = tick(instance, database_url)
    result = run(instance, database_url, request)
    assert not result.success
    assert one(conn, "SELECT status FROM webhook_inbox") == "done"
    assert one(conn, "SELECT count(*) FROM conversation_messages") == 1
