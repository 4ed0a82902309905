"""Every way the ERP misbehaves, over real HTTP."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from whatsapp_pipeline.erp.budget import PassBudget
from whatsapp_pipeline.erp.client import ErpClient, ErpError
from whatsapp_pipeline.erp.token_store import TokenStore
from whatsapp_pipeline.erp.tokens import AccessTokens, Credentials
from whatsapp_pipeline.erp.wait_clock import SystemClock
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.sandbox.erp_server import API, TOKEN_PATH, ErpSandbox, Fault, serving
from whatsapp_pipeline_tests.erp import worlds


class World:
    """A sandbox being served, a client of it, and the clock it waits by."""

    def __init__(self, sandbox: ErpSandbox, base: str, folder: Path) -> None:
        self.sandbox, self.base, self.clock = sandbox, base, worlds.FakeClock()
        self.source = worlds.source(base, folder, self.clock)

    def total(self) -> int:
        return self.source.contacts_page("B", 0, None).total


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    sandbox = worlds.sandbox(150)
    with serving(sandbox) as base:
        world = World(sandbox, base, tmp_path)
        with world.source:
            yield world


def test_pages_carry_a_row_of_overlap(world: World) -> None:
    first = world.source.contacts_page("B", 0, None)
    assert (len(first.items), first.total, first.next_offset) == (100, 147, 99)
    second = world.source.contacts_page("B", 99, None)
    assert second.items[0] == first.items[-1]
    assert second.next_offset is None


def test_an_answer_that_drips_is_given_up_and_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.total() == 147
    monkeypatch.setattr("whatsapp_pipeline.erp.client._ANSWER_SECONDS", 0.5)
    world.sandbox.faults = [Fault("drip", "/contatos", seconds=300)]
    began = time.monotonic()
    assert world.total() == 147
    assert time.monotonic() - began < 60  # half a second for an answer, on a busy machine
    assert len(world.clock.waits) == 1


def test_429_waits_what_retry_after_says(world: World) -> None:
    world.sandbox.faults = [
        Fault("status", "/contatos", status=429, headers={"Retry-After": "7", "X-RateLimit-Reset": "99"})
    ]
    assert world.total() == 147
    assert world.clock.waits == [7.0]


def test_429_with_a_date(world: World) -> None:
    at = datetime.now(UTC) + timedelta(seconds=90)
    world.sandbox.faults = [
        Fault("status", "/contatos", status=429, headers={"Retry-After": format_datetime(at, usegmt=True)})
    ]
    assert world.total() == 147
    assert 80 < world.clock.waits[0] <= 90


def test_429_waits_until_the_reset_in_seconds_else_a_minute(world: World) -> None:
    world.sandbox.faults = [
        Fault("status", "/contatos", status=429, headers={"X-RateLimit-Reset": "12"}),
        Fault("status", "/contatos", status=429, headers={"X-RateLimit-Reset": ""}),
    ]
    assert world.total() == 147
    assert world.clock.waits == [12.0, 60.0]


def test_a_503_waits_what_retry_after_says(world: World) -> None:
    world.sandbox.faults = [Fault("status", "/contatos", status=503, headers={"Retry-After": "120"})]
    assert world.total() == 147
    assert world.clock.waits == [120.0]


def test_waits_before_asking_when_no_request_is_left(world: World) -> None:
    world.sandbox.per_minute = 2
    for _ in range(2):
        world.total()
    assert world.clock.waits == []
    world.sandbox.per_minute = 100
    world.total()
    assert len(world.clock.waits) == 1
    assert 50 < world.clock.waits[0] <= 60


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", "/contatos", status=500, times=3),
        Fault(
            "status", "/contatos", status=503, body="<html><body>Service Unavailable</body></html>", times=3
        ),
        Fault("status", "/contatos", status=200, body="<html><body>Login</body></html>", times=3),
        Fault("status", "/contatos", status=200, body="", times=3),
        Fault("status", "/contatos", status=200, body="[]", times=3),
        Fault("drop", "/contatos", times=2),
    ],
    ids=["500 empty", "503 html", "200 html", "200 empty", "200 list", "dropped"],
)
def test_failures_are_tried_again_with_growing_pauses(world: World, fault: Fault) -> None:
    world.sandbox.faults = [fault]
    assert world.total() == 147
    assert world.clock.waits
    assert world.clock.waits == sorted(world.clock.waits)


def test_a_failure_that_stays_is_an_error_not_a_last_page(world: World) -> None:
    world.sandbox.faults = [Fault("status", "/contatos", status=502, times=99)]
    with pytest.raises(ErpError, match="HTTP 502"):
        world.total()
    assert sum(world.clock.waits) < 600


def test_a_token_refused_mid_pass_is_renewed_once(world: World) -> None:
    world.sandbox.faults = [Fault("unauthorized", "/contatos", after=1)]
    assert world.total() == world.total() == 147
    assert world.sandbox.token_requests == ["refresh_token", "refresh_token"]


def test_a_fresh_token_that_is_refused_says_how_to_authorise(world: World) -> None:
    world.sandbox.faults = [Fault("status", "/contatos", status=401, times=99)]
    with pytest.raises(ErpError, match="erp authorize"):
        world.total()


def test_refusals_name_fields_and_repeat_no_value(world: World) -> None:
    body = (
        '{"mensagem": "CPF 123.456.789-00 inválido", "detalhes": [{"campo": "cpfCnpj", "mensagem": "123"}]}'
    )
    world.sandbox.faults = [Fault("status", "/contatos", status=400, body=body)]
    with pytest.raises(ErpError, match="about cpfCnpj") as caught:
        world.total()
    assert "123" not in str(caught.value)


@pytest.mark.parametrize("body", ["", "<html>no</html>", '{"mensagem": "x", "detalhes": null}'])
def test_a_refusal_without_details(world: World, body: str) -> None:
    world.sandbox.faults = [Fault("status", "/contatos", status=400, body=body)]
    with pytest.raises(ErpError, match="HTTP 400"):
        world.total()


def test_403_and_404(world: World) -> None:
    world.sandbox.faults = [Fault("status", "/contatos", status=403)]
    with pytest.raises(ErpError, match="permission"):
        world.total()
    assert world.source.order(1) is None


def test_an_answer_without_paging_is_an_error(world: World) -> None:
    world.sandbox.faults = [Fault("status", "/contatos", status=200, body='{"itens": []}')]
    with pytest.raises(PipelineError, match=r"paginacao\.total"):
        world.total()


def test_no_server_is_an_error_without_secrets(tmp_path: Path) -> None:
    with serving(worlds.sandbox(1)) as base:
        pass
    with pytest.raises(PipelineError) as caught:
        worlds.source(base, tmp_path).contacts_page("B", 0, None)
    assert "hidden-secret" not in str(caught.value)
    assert "sandbox" not in str(caught.value)


def test_a_token_endpoint_that_fails_keeps_the_tokens(world: World) -> None:
    world.sandbox.faults = [Fault("status", TOKEN_PATH, status=503, times=2)]
    assert world.total() == 147
    assert len(world.clock.waits) == 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("status", "/contatos", status=200, body="[1]", times=9), "JSON that is not an object"),
        (Fault("status", "/contatos", status=200, body="{", times=9), "a body that is not JSON"),
        (Fault("status", "/contatos", status=200, body="", times=9), "an empty body"),
        (Fault("status", "/contatos", status=200, body="<html>", times=9), "firewall, proxy or login"),
        (Fault("status", "/contatos", status=403, body="<html>"), "firewall, proxy or login"),
        (Fault("drop", "/contatos", times=9), "no answer, ConnectionError"),
    ],
)
def test_an_error_names_what_came(world: World, fault: Fault, words: str) -> None:
    world.sandbox.faults = [fault]
    with pytest.raises(ErpError, match=words):
        world.total()


def _v2_error(code: str, words: str) -> Fault:
    body = {"retorno": {"status": "Erro", "codigo_erro": code, "erros": [{"erro": words}]}}
    return Fault("status", "/contatos", status=200, body=json.dumps(body))


@pytest.mark.parametrize(("code", "text"), [("6", ""), ("11", ""), ("", "API Bloqueada - muitos acessos")])
def test_the_limit_of_api_v2_is_waited_for(world: World, code: str, text: str) -> None:
    world.sandbox.faults = [_v2_error(code, text)]
    assert world.total() == 147
    assert world.clock.waits == [60.0]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("5", "error 5 of API v2.*blocked: check the account"),
        ("2", "TINY_BASE_URL has to be"),
        ("35", "error 35 of API v2"),
    ],
)
def test_other_errors_of_api_v2_are_named(world: World, code: str, words: str) -> None:
    world.sandbox.faults = [_v2_error(code, "API bloqueada para 123.456.789-00" if code == "5" else "x")]
    with pytest.raises(ErpError, match=words) as caught:
        world.total()
    assert "123" not in str(caught.value)


def test_each_wait_says_why(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    world.sandbox.faults = [
        Fault("status", "/contatos", status=500, times=5),
        Fault("status", "/contatos", status=429, headers={"Retry-After": "9"}),
    ]
    world.total()
    lines = [record.getMessage() for record in caplog.records if record.name.endswith("erp.client")]
    assert [line.split(" at ")[0] for line in lines] == [
        *["ERP: HTTP 500 with an empty body"] * 5,
        "ERP: too many requests (HTTP 429 with an empty body)",
    ]
    assert not any("limit" in line for line in lines)


@pytest.mark.parametrize("seconds", ["600", "0"])
def test_an_endless_429_ends_the_pass_within_its_budget(world: World, seconds: str) -> None:
    world.sandbox.faults = [
        Fault("status", "/contatos", status=429, headers={"Retry-After": seconds}, times=9999)
    ]
    with pytest.raises(ErpError, match=r"ERP_PASS_MINUTES=60 allows.*the next run resumes"):
        world.total()
    assert sum(world.clock.waits) <= 3600
    assert len(world.clock.waits) < 150


def test_waits_of_one_pass_add_up(world: World) -> None:
    """Each request may be answered in the end: the pass holds its lock all the same."""
    for _ in range(6):
        world.sandbox.faults = [Fault("status", "/contatos", status=429, headers={"Retry-After": "590"})]
        world.total()
    world.sandbox.faults = [Fault("status", "/contatos", status=429, headers={"Retry-After": "590"})]
    with pytest.raises(ErpError, match="the next run resumes"):
        world.total()


def test_the_pauses_of_a_small_limit_count(world: World) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "55"}
    page = json.dumps({"itens": [], "paginacao": {"total": 0}})
    world.sandbox.faults = [Fault("status", "/contatos", status=200, body=page, headers=headers, times=9999)]
    with pytest.raises(
        ErpError, match=r"ERP_PASS_MINUTES=60 allows.*no request before then.*the next run resumes"
    ):
        deque((world.total() for _ in range(200)), maxlen=0)
    assert 3500 < sum(world.clock.waits) <= 3600


def test_slow_answers_count_as_real_time_passes(tmp_path: Path) -> None:
    sandbox = worlds.sandbox(150)
    sandbox.faults = [Fault("slow", "/contatos", seconds=0.4, times=999)]
    with serving(sandbox) as base:
        clock = SystemClock()
        budget = PassBudget(clock, 1.0)
        client = ErpClient(base + API, worlds.tokens(base, tmp_path), clock=clock, budget=budget)
        began = time.monotonic()
        with pytest.raises(ErpError, match=r"ERP_PASS_MINUTES=0 allows.*the next run resumes"):
            deque((client.get("/contatos", {}) for _ in range(300)), maxlen=0)  # two minutes without a budget
        assert time.monotonic() - began < 60
        sandbox.faults = [Fault("drip", "/contatos", seconds=300)]
        with pytest.raises(ErpError, match="the next run resumes"):
            client.get("/contatos", {})
        assert time.monotonic() - began < 120


def test_a_token_endpoint_that_stays_limited_does_not_outlast_the_pass(tmp_path: Path) -> None:
    sandbox = worlds.sandbox(1)
    sandbox.faults = [Fault("status", TOKEN_PATH, status=429, headers={"Retry-After": "70"}, times=99)]
    with serving(sandbox) as base:
        clock = worlds.FakeClock()
        credentials = Credentials(base + TOKEN_PATH, "client", "secret", "sandbox")
        keeper = AccessTokens(
            TokenStore(tmp_path / "t.json"), credentials, clock=clock, budget=PassBudget(clock, 60)
        )
        with pytest.raises(PipelineError, match="the saved tokens are kept"):
            keeper.get()
    assert clock.waits == []


@pytest.mark.parametrize("total", ["Infinity", "1e999", "NaN", "null", '"x"', "[]", "{}"])
def test_a_total_that_is_no_number_is_named(world: World, total: str) -> None:
    body = '{"itens": [], "paginacao": {"total": ' + total + "}}"
    world.sandbox.faults = [Fault("status", "/contatos", status=200, body=body)]
    with pytest.raises(PipelineError, match=r"without itens and paginacao\.total; check TINY_BASE_URL"):
        world.total()


def test_a_full_page_is_not_the_end(world: World) -> None:
    for total in (0, 100):
        world.sandbox.faults = [Fault("total", "/contatos", total=total)]
        assert world.source.contacts_page("B", 0, None).next_offset == 99


def test_a_number_that_python_refuses_to_read_does_not_spoil_its_page(world: World) -> None:
    body = '{"itens": [{"id": ' + "9" * 5000 + '}, {"id": 7}], "paginacao": {"total": 2}}'
    world.sandbox.faults = [Fault("status", "/contatos", status=200, body=body)]
    assert world.source.contacts_page("B", 0, None).items == [{"id": "9" * 5000}, {"id": 7}]
