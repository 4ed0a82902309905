"""`whatsapp-pipeline webhook …` as a person runs it, receiver and all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from whatsapp_pipeline.sandbox.assistant_server import AssistantSandbox, Habit, serving_assistant
from whatsapp_pipeline.steps.operations.current_code import record_deployment
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.migrate import migrate
from whatsapp_pipeline.store.operations import deployed_code
from whatsapp_pipeline.webhook.receiver import PATH
from whatsapp_pipeline_tests.processes import free_port, wait_for
from whatsapp_pipeline_tests.webhook.deliveries import clear, delivery, one, put, text

COMMAND = [sys.executable, "-c", "from whatsapp_pipeline.cli import main; main()", "webhook"]


@pytest.fixture
def environment(database_url: str, tmp_path: Path, conn: Connection) -> Iterator[dict[str, str]]:
    yield {
        **os.environ,
        "DATABASE_URL": database_url,
        "WHATSAPP_SPOOL_DIR": str(tmp_path / "spool"),
        "WHATSAPP_APP_SECRET": "",
    }
    clear(conn)


def webhook(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_it_refuses_to_serve_without_a_secret(environment: dict[str, str]) -> None:
    result = webhook(environment, "serve")
    assert result.returncode == 1
    assert "WHATSAPP_APP_SECRET" in result.stderr
    assert result.stderr.count("\n") == 1
    result = webhook({**environment, "WHATSAPP_ENABLED": "false"}, "serve")
    assert (result.returncode, result.stdout) == (0, "WHATSAPP_ENABLED is false: nothing to serve\n")


def test_two_posts_of_one_unsigned_body_are_two_messages_of_one_conversation(
    conn: Connection, environment: dict[str, str]
) -> None:
    port = free_port()
    receiver = subprocess.Popen(
        [*COMMAND, "serve", "--insecure", "--port", str(port)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        base = f"http://127.0.0.1:{port}"
        _wait_for(base)
        body = json.dumps(delivery(text(None, "oi", at=None)))
        for expected in (1, 2):
            # As curl posts it: unsigned, without id and timestamp.
            assert requests.post(base + PATH, data=body, timeout=60).json() == {"ok": True}
            _wait_for_deliveries(conn, expected)
            assert webhook(environment, "process").returncode == 0
            assert one(conn, "SELECT count(*) FROM conversation_messages") == expected
            assert one(conn, "SELECT count(*) FROM conversations") == 1
    finally:
        receiver.send_signal(signal.SIGINT)
        _, said = receiver.communicate(timeout=60)
    assert "--insecure" in said


def test_it_says_that_the_database_is_not_migrated_and_keeps_what_comes_until_it_is(
    empty_database_url: str, environment: dict[str, str]
) -> None:
    unmigrated = {**environment, "DATABASE_URL": empty_database_url}
    port = free_port()
    receiver = subprocess.Popen(
        [*COMMAND, "serve", "--insecure", "--port", str(port)],
        env=unmigrated,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert receiver.stderr is not None
    try:
        for line in receiver.stderr:
            if "run `whatsapp-pipeline migrate`" in line:
                break
        else:
            pytest.fail("it ended without a word about the database")
        base = f"http://127.0.0.1:{port}"
        _wait_for(base)
        taken = requests.post(base + PATH, data=json.dumps(delivery(text("w1", "oi"))), timeout=60)
        assert taken.json() == {"ok": True}
        migrate(empty_database_url)
        with connect(empty_database_url) as conn:
            _wait_for_deliveries(conn, 1)
    finally:
        receiver.send_signal(signal.SIGINT)
        receiver.communicate(timeout=60)


def test_with_other_code_than_the_databases_it_says_so_and_keeps_what_comes_in_the_spool(
    fresh_database_url: str, environment: dict[str, str]
) -> None:
    one_of_several = {
        **environment,
        "DATABASE_URL": fresh_database_url,
        "SEVERAL_HOSTS": "1",
        "PRIVACY_KEY": "k" * 32,
    }
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with connect(fresh_database_url) as conn:
        deployed_code.record(conn, "0" * 40, "0.2.0")
        receiver = subprocess.Popen(
            [*COMMAND, "serve", "--insecure", "--port", str(port)],
            env=one_of_several,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert receiver.stderr is not None
        try:
            _wait_for(base)
            taken = requests.post(base + PATH, data=json.dumps(delivery(text("w1", "oi"))), timeout=60)
            assert taken.json() == {"ok": True}
            for line in receiver.stderr:
                if "the spool cannot be drained now (this process runs code " in line:
                    break
            else:
                pytest.fail("it ended without a word about its code")
            health = requests.get(f"{base}/health", timeout=60).json()
            assert health["ok"]
            assert "which never migrated the database (version 0.2.0 of " in health["waiting"]
            assert one(conn, "SELECT count(*) FROM webhook_inbox") == 0
            record_deployment(fresh_database_url)
            _wait_for_deliveries(conn, 1)
        finally:
            receiver.send_signal(signal.SIGINT)
            receiver.communicate(timeout=60)


def test_one_of_several_hosts_needs_the_key_of_all_before_it_takes_deliveries(
    environment: dict[str, str],
) -> None:
    result = webhook({**environment, "SEVERAL_HOSTS": "1", "PRIVACY_KEY": ""}, "serve", "--insecure")
    assert result.returncode == 1
    assert result.stderr.startswith("error: SEVERAL_HOSTS=1 needs PRIVACY_KEY: ")
    assert "make a key with `openssl rand -hex 32`" in result.stderr


def _wait_for(base: str) -> None:
    """Return when the receiver answers."""

    def answers() -> bool:
        try:
            return requests.get(base + "/health", timeout=60).ok
        except requests.ConnectionError:
            return False

    wait_for(answers, seconds=60)


def _wait_for_deliveries(conn: Connection, count: int) -> None:
    """Return when the inbox has at least `count` deliveries."""
    wait_for(lambda: bool(one(conn, "SELECT count(*) FROM webhook_inbox") >= count), seconds=60)


def test_accounts_dead_letters_and_verify(conn: Connection, environment: dict[str, str]) -> None:
    several = {**environment, "MULTITENANT_ENABLED": "true"}
    put(conn, delivery(text("w1", "oi"), account="42"), b"rubbish")
    assert webhook(several, "process").returncode == 0
    status = json.loads(webhook(several, "status", "--json").stdout)
    assert (status["parked"], status["waiting_for"], status["dead"]) == (1, ["42"], 1)
    assert "\nparked accounts: 42\n" in webhook(several, "status").stdout
    result = webhook(several, "account", "add", "--phone-number-id", "42", "--tenant", "Loja")
    assert result.stdout == "42: active; 1 parked deliveries will be processed\n"
    assert "\nparked accounts: none\n" in webhook(several, "status").stdout
    assert webhook(several, "replay", "--dead").stdout == "1 deliveries will be processed again\n"
    assert "1 messages" in webhook(several, "process").stdout
    assert webhook(several, "account", "disable", "--phone-number-id", "42").returncode == 0
    assert webhook(several, "account", "list").stdout == "42\tLoja\tdisabled\n"
    assert webhook(several, "account", "disable", "--phone-number-id", "43").returncode == 1
    assert webhook(several, "replay").returncode == 2
    result = webhook(several, "verify")
    assert result.returncode == 0
    assert result.stdout.count("ok: ") == 5
    assert one(conn, "SELECT count(*) FROM tenants") == 1


def test_process_answers_as_the_job_does_and_failures_are_shown_and_retried(
    conn: Connection, environment: dict[str, str]
) -> None:
    now = datetime.now(UTC)
    sandbox = AssistantSandbox(api_key="right", habits=[Habit("status", status=400)])
    with serving_assistant(sandbox) as base:
        asking = {
            **environment,
            "ASSISTANT_BASE_URL": base,
            "ASSISTANT_MODEL": "m",
            "ASSISTANT_API_KEY": "wrong",
        }
        put(conn, delivery(text("w1", "ficou pronto?", at=int(now.timestamp()))), received=now)
        result = webhook(asking, "process")
        assert "1 messages" in result.stdout
        assert "1 asked later" in result.stdout
        assert "1 questions waiting" in result.stdout
        assert "HTTP 401: check ASSISTANT_API_KEY" in webhook(asking, "answers", "list").stdout
        status = webhook(asking, "status").stdout
        assert "questions pending: 1\n" in status
        asking["ASSISTANT_API_KEY"] = "right"
        assert webhook(asking, "answers", "retry").stdout.startswith("1 questions are queued")
        assert "1 failed" in webhook(asking, "process").stdout
        assert json.loads(webhook(asking, "status", "--json").stdout)["questions_failed"] == 1
        assert webhook(asking, "answers", "retry").stdout.startswith("1 questions are queued")
        answered = webhook(asking, "process").stdout
        assert "1 answered" in answered
        assert "waiting" not in answered
        assert "no question failed" in webhook(asking, "answers", "list").stderr
    assert one(conn, "SELECT count(*) FROM conversation_messages WHERE role = 'assistant'") == 1
