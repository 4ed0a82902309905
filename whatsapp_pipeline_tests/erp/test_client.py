"""Every way the ERP misbehaves, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from whatsapp_pipeline.erp.client import ErpError
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.sandbox.erp_server import TOKEN_PATH, ErpSandbox, Fault, serving
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


def test_429_waits_what_retry_after_says(world: World) -> None:
    world.sandbox.faults = [
        Fault("status", "/contatos", status=429, headers={"Retry-After": "7", "X-RateLimit-Reset": "99"})
    ]
    assert world.total() == 147
    assert world.clock.waits == [7.0]


def test_429_with_a_date(world: World) -> None:
    at = datetime.fromtimestamp(world.clock.now(), UTC) + timedelta(seconds=90)
    world.sandbox.faults = [
        Fault("status", "/contatos", status=429, headers={"Retry-After": format_datetime(at, usegmt=True)})
    ]
    assert world.total() == 147
    assert world.clock.waits == [90.0]


def test_429_waits_until_the_reset_in_seconds_else_a_minute(world: World) -> None:
    world.sandbox.faults = [
        Fault("status", "/contatos", status=429, headers={"X-RateLimit-Reset": "12"}),
        Fault("status", "/contatos", status=429, headers={"X-RateLimit-Reset": ""}),
    ]
    assert world.total() == 147
    assert world.clock.waits == [12.0, 60.0]


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
