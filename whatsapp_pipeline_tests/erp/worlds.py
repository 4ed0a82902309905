"""A small invented ERP for the tests of clients and passes, and a clock that waits in no time."""

from __future__ import annotations

import random
from datetime import datetime
from pathlib import Path

from whatsapp_pipeline.erp.client import ErpClient
from whatsapp_pipeline.erp.source import ApiSource
from whatsapp_pipeline.erp.token_store import TokenStore
from whatsapp_pipeline.erp.tokens import AccessTokens, Credentials
from whatsapp_pipeline.sandbox import numbers
from whatsapp_pipeline.sandbox.erp_server import API, TOKEN_PATH, ErpSandbox, Item


class FakeClock:
    """A clock that only moves when somebody waits."""

    def __init__(self) -> None:
        self.time = datetime(2025, 3, 1).timestamp()
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds


def contact(number: int, *, status: str = "B", updated: str = "2025-01-01 10:00:00", **fields: str) -> Item:
    """A v3 contact with the id 1000 + `number`."""
    national = numbers.mobile(random.Random(number), 41)
    return {
        "id": 1000 + number,
        "nome": f"Cliente {number}",
        "codigo": "",
        "fantasia": "",
        "tipoPessoa": "F",
        "cpfCnpj": "",
        "inscricaoEstadual": "",
        "rg": "",
        "telefone": "",
        "celular": f"({national[:2]}) {national[2:7]}-{national[7:]}",
        "email": "",
        "endereco": None,
        "vendedor": None,
        "situacao": status,
        "dataCriacao": "2024-01-01 10:00:00",
        "dataAtualizacao": updated,
        **fields,
    }


def order(
    number: int, *, status: str = "3", issued: str = "2025-01-10", value: str = "100.00"
) -> tuple[Item, Item]:
    """An order's list item and its details; its id is 9000 + `number`."""
    listed = {
        "id": 9000 + number,
        "situacao": status,
        "data": issued,
        "dataPrevista": "0000-00-00",
        "valor": value,
        "numeroOrdemServico": str(30000 + number),
        "cliente": {"id": 1001, "nome": "Cliente 1"},
    }
    detail = {
        "id": 9000 + number,
        "situacao": status,
        "data": issued,
        "dataPrevista": "",
        "dataConclusao": "2025-01-15",
        "numeroOrdemServico": str(30000 + number),
        "totalServicos": "80.00",
        "totalPecas": "20.00",
        "totalOrdemServico": value,
        "desconto": "10%",
        "equipamento": "notebook",
        "equipamentoSerie": "",
        "descricaoProblema": "não liga",
        "observacoes": "",
        "observacoesInternas": "",
        "orcar": True,
        "orcado": False,
        "tecnico": "Marcos",
        "categoria": {"id": 7, "descricao": "x"},
        "contato": {"id": 1001},
    }
    return listed, detail


def sandbox(contacts: int = 250, orders: int = 0) -> ErpSandbox:
    """A sandbox with contacts of every status (B mostly) and orders."""
    statuses = {1: "A", 2: "I", 3: "E"}
    listed, details = [], {}
    for number in range(orders):
        item, detail = order(number)
        listed.append(item)
        details[int(item["id"])] = detail
    return ErpSandbox([contact(n, status=statuses.get(n, "B")) for n in range(contacts)], listed, details)


def tokens(
    base: str, folder: Path, clock: FakeClock | None = None, seed: str | None = "sandbox"
) -> AccessTokens:
    """The keeper of tokens for the sandbox at `base`, its file in `folder`."""
    credentials = Credentials(base + TOKEN_PATH, "client", "hidden-secret", seed)
    return AccessTokens(TokenStore(folder / "tokens.json"), credentials, clock=clock or FakeClock())


def source(base: str, folder: Path, clock: FakeClock | None = None) -> ApiSource:
    """The API of the sandbox at `base`."""
    ticking = clock or FakeClock()
    return ApiSource(ErpClient(base + API, tokens(base, folder, ticking), clock=ticking), "sandbox")
