"""A live customer's summary is new within minutes of a quiet spell, and nothing is asked for twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from whatsapp_pipeline.automation.live_summaries import quiet_conversations_sensor
from whatsapp_pipeline.definitions import build_defs, rule_book
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.webhook_inbox import WebhookInbox
from whatsapp_pipeline.steps.links.live_links import link_live
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline_tests.webhook.deliveries import LOG, NOON, clear, delivery, one, rows, take, text

ANA, BIA = "5541988880106", "5541988880103"


@pytest.fixture(autouse=True)
def _clean(conn: Connection) -> Iterator[None]:
    for number, name, key in ((1, "Ana", "4188880106"), (2, "Bia", "4188880103")):
        conn.execute("INSERT INTO contatos (id, nome) VALUES (%s, %s)", (number, name))
        conn.execute(
            "INSERT INTO contact_phones VALUES (%s, 'celular', 1, %s, 'mobile', true, NULL)", (number, key)
        )
    yield
    clear(conn)
    conn.execute("TRUNCATE contatos CASCADE")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def tick(instance: dg.DagsterInstance, url: str) -> tuple[list[dg.RunRequest], str | None]:
    resources = {"database": Database(url=url), "rule_book": rule_book(with_erp=False)}
    with dg.build_sensor_context(instance=instance, resources=resources) as context:
        data = quiet_conversations_sensor.evaluate_tick(context)
    return list(data.run_requests or []), data.skip_message


def run(instance: dg.DagsterInstance, url: str, request: dg.RunRequest) -> bool:
    database = Database(url=url)
    resources: dict[str, Any] = {"database": database, "webhook_inbox": WebhookInbox(database=database)}
    job = build_defs(resources).resolve_job_def("live_summaries")
    return job.execute_in_process(
        run_config=request.run_config, instance=instance, tags=request.tags, raise_on_error=False
    ).success


def pass_minutes(conn: Connection, minutes: int) -> None:
    """Let time pass for the conversations: what was noted of them is so much older."""
    conn.execute(
        "UPDATE conversations SET changed_at = changed_at - make_interval(mins => %(m)s),"
        " summarized_at = summarized_at - make_interval(mins => %(m)s)",
        {"m": minutes},
    )


def test_what_is_promised_to_nobody_we_know_is_read_once(
    conn: Connection, database_url: str, instance: dg.DagsterInstance
) -> None:
    take(conn, delivery(text("w1", "passo amanhã pra buscar", sender="5541988880199")))
    pass_minutes(conn, 6)
    (request,), _ = tick(instance, database_url)
    assert request.run_config["ops"]["customer_summaries"]["config"] == {"contacts": []}
    assert run(instance, database_url, request)
    assert rows(conn, "SELECT kind, id_contato, conversation_id IS NOT NULL FROM commitments") == [
        ("pickup_agreed", None, True)
    ]
    assert tick(instance, database_url)[0] == []


def test_a_quiet_customer_is_summarised_once(
    conn: Connection, database_url: str, instance: dg.DagsterInstance
) -> None:
    assert tick(instance, database_url) == ([], "no customer waits for a summary")
    take(conn, delivery(text("w1", "meu notebook não liga", sender=ANA)))
    assert tick(instance, database_url)[0] == []  # still talking
    pass_minutes(conn, 6)
    (request,), _ = tick(instance, database_url)
    assert request.run_config["ops"]["customer_summaries"]["config"] == {"contacts": [1]}
    assert run(instance, database_url, request)
    assert rows(conn, "SELECT id_contato, message_count, open_reasons FROM customer_chat_summaries") == [
        (1, 1, ["unanswered"])
    ]
    pass_minutes(conn, 60)
    assert tick(instance, database_url)[0] == []

    take(conn, delivery(text("w2", "e agora?", sender=ANA, at=NOON + 60), text("w3", "oi", sender=BIA)))
    pass_minutes(conn, 6)
    (second,), _ = tick(instance, database_url)
    assert second.run_config["ops"]["customer_summaries"]["config"] == {"contacts": [1, 2]}
    assert second.run_key != request.run_key
    assert run(instance, database_url, second)
    assert one(conn, "SELECT sum(message_count) FROM customer_chat_summaries") == 3


def test_a_decision_on_links_is_summarised_once_and_not_in_a_held_month(
    conn: Connection, database_url: str, instance: dg.DagsterInstance
) -> None:
    take(conn, delivery(text("w1", "oi", sender=ANA)))
    pass_minutes(conn, 6)
    assert run(instance, database_url, tick(instance, database_url)[0][0])
    conn.execute(
        "INSERT INTO chat_files (filename, file_path, month, id_contato, match_status, processing_status)"
        " VALUES ('b', 'b', '2025-01', 2, 'manual', 'loaded')"
    )
    conn.execute("INSERT INTO stale_summaries (id_contato) VALUES (1), (2)")
    assert tick(instance, database_url)[0] == []  # somebody may still be deciding
    conn.execute("UPDATE stale_summaries SET stale_since = now() - interval '6 minutes'")
    conn.execute(
        "INSERT INTO qa_results (check_name, month, examined, failing, severity, evaluated_at)"
        " VALUES ('lines_accounted_for', '2025-01', 9, 1, 'error', now())"
    )
    try:
        (request,), _ = tick(instance, database_url)
        assert request.run_config["ops"]["customer_summaries"]["config"] == {"contacts": [1]}
        assert run(instance, database_url, request)
        assert rows(conn, "SELECT id_contato FROM stale_summaries") == [(2,)]
        assert tick(instance, database_url)[0] == []
    finally:
        conn.execute("TRUNCATE qa_results")
        conn.execute("TRUNCATE chat_files CASCADE")
    (second,), _ = tick(instance, database_url)
    assert second.run_config["ops"]["customer_summaries"]["config"] == {"contacts": [2]}
    assert run(instance, database_url, second)
    assert one(conn, "SELECT count(*) FROM stale_summaries") == 0


def test_nothing_is_asked_for_while_a_blocking_check_is_red(
    conn: Connection, database_url: str, instance: dg.DagsterInstance
) -> None:
    take(conn, delivery(text("w1", "oi", sender=ANA)))
    pass_minutes(conn, 6)
    conn.execute(
        "INSERT INTO qa_results (check_name, month, examined, failing, severity, evaluated_at)"
        " VALUES ('columns_are_as_expected', NULL, 9, 1, 'error', now())"
    )
    try:
        requests, skipped = tick(instance, database_url)
    finally:
        conn.execute("TRUNCATE qa_results")
    assert requests == []
    assert "columns_are_as_expected" in str(skipped)
    assert len(tick(instance, database_url)[0]) == 1


def test_a_conversation_that_changes_hands_leaves_the_old_summary(
    conn: Connection, database_url: str, instance: dg.DagsterInstance
) -> None:
    take(conn, delivery(text("w1", "oi", sender=ANA)))
    pass_minutes(conn, 6)
    assert run(instance, database_url, tick(instance, database_url)[0][0])
    conn.execute("UPDATE contact_phones SET id_contato = 2, position = 2 WHERE key = '4188880106'")
    link_live(conn, log=LOG)
    pass_minutes(conn, 6)
    (request,), _ = tick(instance, database_url)
    assert request.run_config["ops"]["customer_summaries"]["config"] == {"contacts": [1, 2]}
    assert run(instance, database_url, request)
    assert rows(conn, "SELECT id_contato FROM customer_chat_summaries") == [(2,)]
    pass_minutes(conn, 60)
    assert tick(instance, database_url)[0] == []


def test_a_failed_run_is_asked_for_again_later(
    conn: Connection, database_url: str, instance: dg.DagsterInstance
) -> None:
    take(conn, delivery(text("w1", "oi", sender=ANA)))
    pass_minutes(conn, 6)
    (request,), _ = tick(instance, database_url)
    conn.execute("ALTER TABLE customer_chat_summaries ADD CONSTRAINT broken CHECK (id_contato < 0)")
    try:
        assert not run(instance, database_url, request)
    finally:
        conn.execute("ALTER TABLE customer_chat_summaries DROP CONSTRAINT broken")
    requests, skipped = tick(instance, database_url)
    assert requests == []
    assert skipped is not None
    assert "1 run(s) failed" in skipped
