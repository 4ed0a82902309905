"""Alerts over real HTTP and SMTP: once a problem, again when it comes back, never lost."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dagster as dg
import pytest

from whatsapp_pipeline import clock, settings
from whatsapp_pipeline.automation.alert_sensor import alerts
from whatsapp_pipeline.domain.alert_text import Alert
from whatsapp_pipeline.domain.quality import Rule
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.rule_book import RuleBook
from whatsapp_pipeline.steps.operations.alert_delivery import send
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.operations import qa_results
from whatsapp_pipeline.store.operations.checks import Findings, MonthFindings


class Receiver:
    """An HTTP endpoint that keeps what it is sent and answers as told."""

    def __init__(self) -> None:
        self.status = 200
        self.received: list[dict[str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.status == 200:
                    receiver.received.append(json.loads(body))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def problems(self) -> list[str]:
        return [alert["problem"] for alert in self.received]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("ALERT_WEBHOOK_URL", f"http://127.0.0.1:{made.server.server_port}/hook")
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


class Trouble:
    """What the asset below does when it is materialized."""

    error: Exception | None = None


@dg.asset
def fragile() -> None:
    if Trouble.error:
        raise Trouble.error


RULE = Rule("holds", "fragile", severity="error", monthly=True)
DEFS = dg.Definitions(assets=[fragile], jobs=[dg.define_asset_job("fragile_job", selection="*")])


@contextmanager
def _world() -> Iterator[tuple[dg.DagsterInstance, dict[str, str | None]]]:
    Trouble.error = None
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance, {"cursor": None}


def _run(instance: dg.DagsterInstance) -> None:
    DEFS.resolve_job_def("fragile_job").execute_in_process(instance=instance, raise_on_error=False)


def _find(url: str, **failing: int) -> None:
    """Record how many of nine rows fail, by month."""
    found = Findings({f"2025-0{month[-1]}": MonthFindings(9, rows) for month, rows in failing.items()})
    with connect(url) as conn:
        qa_results.record_results(
            conn, RULE.name, "error", found, [], run_id=None, at=clock.now(), every_month=True
        )


def _tick(
    instance: dg.DagsterInstance, state: dict[str, str | None], url: str = "", rule: Rule = RULE
) -> str:
    # Closed here, not whenever it is collected: it would put back another test's storage then.
    with dg.build_sensor_context(
        instance=instance,
        cursor=state["cursor"],
        resources={
            "database": Database(url=url or "postgresql://127.0.0.1:1/none"),
            "rule_book": RuleBook([rule]),
        },
    ) as context:
        result = alerts(context)
    assert isinstance(result, dg.SensorResult)
    state["cursor"] = result.cursor or state["cursor"]
    return str(result.skip_reason)


def test_a_failing_run_is_told_once_until_it_succeeds(receiver: Receiver) -> None:
    with _world() as (instance, state):
        _tick(instance, state)
        Trouble.error = PipelineError("the ERP is asleep; try at daytime")
        for _ in range(3):
            _run(instance)
            _tick(instance, state)
        assert receiver.problems == ["fragile_job"]
        assert "fragile: the ERP is asleep; try at daytime" in receiver.received[0]["text"]
        Trouble.error = None
        _run(instance)
        _tick(instance, state)
        Trouble.error = PipelineError("asleep again")
        _run(instance)
        _tick(instance, state)
        assert receiver.problems == ["fragile_job", "fragile_job"]


def test_an_error_that_may_quote_a_customer_is_named_and_not_quoted(receiver: Receiver) -> None:
    with _world() as (instance, state):
        _tick(instance, state)
        Trouble.error = ValueError("bad row: Maria Souza, +55 41 99999-0001")
        _run(instance)
        _tick(instance, state)
        assert "Maria" not in json.dumps(receiver.received)
        assert "fragile: ValueError" in receiver.received[0]["text"]


def test_a_red_month_is_told_once_until_it_is_mended(receiver: Receiver, database_url: str) -> None:
    with _world() as (instance, state):
        for failing in ({"m1": 3, "m2": 0}, {"m1": 4, "m2": 0}, {"m1": 4, "m2": 1}, {"m1": 0, "m2": 1}):
            _find(database_url, **failing)
            _tick(instance, state, database_url)
        assert receiver.problems == ["check fragile:holds 2025-01", "check fragile:holds 2025-02"]
        assert "2025-01 (3 of 9 fail)" in receiver.received[0]["text"]
        assert "0 reported, 1 open" in _tick(instance, state, database_url)
        _find(database_url, m1=1, m2=1)
        _tick(instance, state, database_url)
        assert receiver.problems[2:] == ["check fragile:holds 2025-01"]


def test_an_accepted_month_and_a_warning_are_not_told(receiver: Receiver, database_url: str) -> None:
    _find(database_url, m1=2)
    with connect(database_url) as conn:
        qa_results.accept_failing(conn, "holds", "2025-01", failing=2, reason="old", until=clock.today())
    with _world() as (instance, state):
        _tick(instance, state, database_url)
        _find(database_url, m1=3)
        _tick(instance, state, database_url, replace(RULE, severity="warn"))
        assert receiver.problems == []
        _tick(instance, state, database_url)
        assert receiver.problems == ["check fragile:holds 2025-01"]
        with connect(database_url) as conn:
            assert qa_results.withdraw_acceptance(conn, "holds", "2025-01")


def test_a_database_that_does_not_answer_closes_no_problem(receiver: Receiver, database_url: str) -> None:
    with _world() as (instance, state):
        _find(database_url, m1=2)
        _tick(instance, state, database_url)
        assert "0 reported, 1 open" in _tick(instance, state)
        _tick(instance, state, database_url)
        assert len(receiver.problems) == 1


def test_what_could_not_be_delivered_is_tried_again(receiver: Receiver) -> None:
    with _world() as (instance, state):
        _tick(instance, state)
        receiver.status = 500
        Trouble.error = PipelineError("x")
        _run(instance)
        assert "not delivered: ALERT_WEBHOOK_URL answered 500" in _tick(instance, state)
        receiver.status = 200
        _tick(instance, state)
        _tick(instance, state)
        assert receiver.problems == ["fragile_job"]


def test_without_anybody_to_tell_the_tick_says_how() -> None:
    with _world() as (instance, state):
        assert "set ALERT_WEBHOOK_URL" in _tick(instance, state)


def test_an_unreachable_url_is_not_shown() -> None:
    configured = settings.from_mapping({"ALERT_WEBHOOK_URL": "http://127.0.0.1:1/secret-token"})
    with pytest.raises(PipelineError) as caught:
        send(configured, Alert("run", "p", "t"))
    assert "secret" not in str(caught.value)


class _Smtp(socketserver.StreamRequestHandler):
    """Just enough of SMTP to take one message."""

    mails: list[str] = []  # noqa: RUF012  # what the test reads

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go\r\n")
                lines: list[bytes] = []
                while (text := self.rfile.readline()) != b".\r\n":
                    lines.append(text)
                self.mails.append(b"".join(lines).decode())
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 ok\r\n")


def test_an_e_mail_reaches_its_server() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        configured = settings.from_mapping(
            {
                "SMTP_URL": f"smtp://127.0.0.1:{server.server_address[1]}",
                "ALERT_EMAIL_TO": "ops@example.com",
                "ALERT_EMAIL_FROM": "pipeline@example.com",
            }
        )
        send(configured, Alert("run", "monthly_chats 2025-01", "it failed"))
        server.shutdown()
    assert "Subject: whatsapp-pipeline: monthly_chats 2025-01" in _Smtp.mails[0]
    assert "it failed" in _Smtp.mails[0]
