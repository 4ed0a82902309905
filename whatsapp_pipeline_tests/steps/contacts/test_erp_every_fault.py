"""Whatever the ERP does, no row is lost or doubled, no pass outlasts its budget, and nothing is invisible."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from whatsapp_pipeline.checks import contacts as rules
from whatsapp_pipeline.checks.qa import CheckScope
from whatsapp_pipeline.erp.budget import PASS_SECONDS
from whatsapp_pipeline.erp.source import ApiSource
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.sandbox.erp_server import TOKEN_PATH, ErpSandbox, Fault, serving
from whatsapp_pipeline.steps.contacts.erp_sync import sync_contacts, sync_orders
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.erp import worlds

LOG = logging.getLogger("whatsapp_pipeline.test")
_V2 = json.dumps({"retorno": {"status": "Erro", "codigo_erro": "6", "erros": [{"erro": "API Bloqueada"}]}})
_CHECKS = (
    "erp_lists_known_contacts",
    "erp_lists_known_orders",
    "erp_counts_agree_on_contacts",
    "erp_counts_agree_on_orders",
    "erp_pass_complete",
)


def _answers(status: int, body: str = "", *, path: str = "/", **headers: str) -> list[Fault]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return [Fault("status", path, status=status, body=body, headers=named, times=9999, after=3)]


FAULTS: dict[str, list[Fault]] = {
    "500": _answers(500),
    "503 with a web page": _answers(503, "<html>"),
    "200 with a web page": _answers(200, "<html>"),
    "200 without a body": _answers(200),
    "200 with a list": _answers(200, "[]"),
    "200 with another object": _answers(200, '{"contatos": []}'),
    "itens is text": _answers(200, '{"itens": "x", "paginacao": {"total": 3}}'),
    "400": _answers(400, '{"mensagem": "x", "detalhes": [{"campo": "offset"}]}'),
    "403": _answers(403),
    "404": _answers(404),
    "429 for ever": _answers(429, Retry_After="600"),
    "429 that says now": _answers(429, Retry_After="0"),
    "503 that says later": _answers(503, Retry_After="500"),
    "API bloqueada": _answers(200, _V2),
    "closed connections": [Fault("drop", "/", times=9999, after=3)],
    "401 after each token": [Fault("status", "/contatos", status=401, times=9999)],
    "tokens die now and then": [Fault("unauthorized", "/", times=1, after=n) for n in (2, 3, 4)],
    "dead token endpoint": [
        Fault("unauthorized", "/contatos", after=2),
        Fault("unauthorized", "/contatos", after=3),
        Fault("status", TOKEN_PATH, status=500, times=99, after=1),
    ],
    "paging ignored": [Fault("ignore", "/", params=["offset"], times=9999)],
    "rows that move": [Fault("shift", "/contatos", times=1, insert=worlds.contact(500))],
    "total 0": [Fault("total", "", total=0, times=9999)],
    "total of a page": [Fault("total", "", total=100, times=9999)],
    "total too high": [Fault("total", "", total=9999, times=9999)],
    "details fail": [Fault("status", "/ordem-servico/9001", times=9999)],
    "all details fail": [Fault("status", "/ordem-servico/", times=9999)],
    "details are a list": [Fault("status", "/ordem-servico/9001", status=200, body="[]", times=9999)],
    "details are another order's": [
        Fault("status", "/ordem-servico/9001", status=200, body=json.dumps(worlds.order(2)[1]), times=9999)
    ],
}


def _contacts(**spoilt: Any) -> Callable[[ErpSandbox], None]:
    """Spoil ten contacts."""

    def spoil(erp: ErpSandbox) -> None:
        for contact in erp.contacts[50:60]:
            contact.update(spoilt)

    return spoil


def _order(**spoilt: Any) -> Callable[[ErpSandbox], None]:
    """Spoil an order, in the listing and in its details."""

    def spoil(erp: ErpSandbox) -> None:
        erp.orders[1].update(spoilt)
        erp.details[9001].update(spoilt)

    return spoil


def _no_rows(erp: ErpSandbox) -> None:
    erp.contacts, erp.orders = [], []


# Faults of the rows themselves.
ROWS: dict[str, Callable[[ErpSandbox], None]] = {
    "no rows at all": _no_rows,
    "no objects among the rows": lambda erp: erp.strays.update({0: "x", 99: None, 100: 7, 229: ["x"]}),
    "ids beyond bigint": _contacts(id=2**70),
    "ids that are objects": _contacts(id={"x": 1}),
    "a row twice": lambda erp: erp.contacts.insert(120, dict(erp.contacts[120])),
    "dates in the future": _contacts(dataAtualizacao="9999-12-31 00:00:00"),
    "names that are objects": _contacts(nome={"x": 1}, celular=["x"], email=True),
    "amounts without measure": _order(totalPecas="9" * 40, desconto="1e99%"),
    "an order's contact that is a list": _order(contato=[1], cliente=[1]),
}


def _world() -> ErpSandbox:
    erp = worlds.sandbox(233, orders=30)
    rows = [worlds.order(number, issued="2025-01-10") for number in range(30)]
    erp.orders = [listed for listed, _ in rows]
    erp.details = {int(detail["id"]): detail for _, detail in rows}
    return erp


def _pass(conn: Connection, base: str, folder: Path) -> list[str]:
    """Read contacts and orders once, each with a clock of its own; return the errors that ended them."""
    errors = []
    reads: tuple[Callable[[ApiSource], object], ...] = (
        lambda source: sync_contacts(conn, source, full=True, backup_dir=None, log=LOG),
        lambda source: sync_orders(conn, source, since=None, backup_dir=None, log=LOG, full=True),
    )
    for read in reads:
        clock = worlds.FakeClock()
        began = clock.now()
        with worlds.source(base, folder, clock) as source:
            try:
                read(source)
            except PipelineError as error:
                errors.append(str(error))
        assert clock.now() - began <= PASS_SECONDS
    return errors


def _rows(conn: Connection) -> tuple[list[Any], list[Any]]:
    contacts = conn.execute("SELECT id, nome, celular FROM contatos ORDER BY 1, 2").fetchall()
    orders = conn.execute(
        "SELECT id, numero_ordem_servico, equipamento, id_contato, total_pecas FROM ordens_servico ORDER BY 1"
    ).fetchall()
    return contacts, orders


def _visible(conn: Connection, errors: list[str], caplog: pytest.LogCaptureFixture) -> bool:
    findings = conn.execute("SELECT count(*) FROM exceptions WHERE severity <> 'info'").fetchone()
    scope = CheckScope(conn, [], Archive())
    failing = [c for c in rules.CHECKS if c.name in _CHECKS and c.find(scope).failing]
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    return bool(errors or findings != (0,) or failing or warned)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FAULTS, *ROWS])
@pytest.mark.parametrize("known", [False, True], ids=["first pass", "known rows"])
def test_after_any_fault_the_rows_are_those_of_an_erp_without_it(
    fresh_database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, known: bool
) -> None:
    erp = _world()
    with serving(erp) as base, connect(fresh_database_url) as conn:
        if known:
            assert _pass(conn, base, tmp_path) == []
            before = _rows(conn)
            for item in erp.orders:
                item["valor"] = "120.00"  # so that details are asked for again
        caplog.clear()
        if name in ROWS:
            ROWS[name](erp)
        erp.faults = [replace(fault) for fault in FAULTS.get(name, [])]
        errors = _pass(conn, base, tmp_path)
        # An ERP without rows is no fault where none were known, and rows may move.
        harmless = name == "rows that move" or (name == "no rows at all" and not known)
        assert harmless or _visible(conn, errors, caplog)
        if known:  # nothing that was there is gone
            assert {row[0] for row in before[0]} <= {row[0] for row in _rows(conn)[0]}
            assert {row[0] for row in before[1]} <= {row[0] for row in _rows(conn)[1]}
        whole = _world()
        erp.faults, erp.strays, erp.contacts = [], {}, whole.contacts
        erp.orders, erp.details = whole.orders, whole.details
        assert _pass(conn, base, tmp_path) == []
        contacts, orders = _rows(conn)
        wanted = {(item["id"], item["nome"], item["celular"]) for item in whole.contacts}
        moved = {(1500, worlds.contact(500)["nome"], worlds.contact(500)["celular"])}
        assert set(contacts) - moved == wanted
        assert len(contacts) == len({row[0] for row in contacts})
        assert [row[:4] for row in orders] == [
            (9000 + n, str(30000 + n), "notebook", 1001) for n in range(30)
        ]
        scope = CheckScope(conn, [], Archive())
        assert [c.name for c in rules.CHECKS if c.name in _CHECKS and c.find(scope).failing] == []
