"""Pages of the ERP with the invented contacts and orders, in the format of Tiny's API v3.

What belongs here: items, listings of a hundred, and their files. What does not: serving them (`erp_server`)
and inventing them (`people`, `orders`). The layout of the files is that of the backups of a pass over the
real API, so each can replace the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from whatsapp_pipeline.erp.source import CONTACT_STATUSES
from whatsapp_pipeline.sandbox.orders import CATEGORIES, SampleOrder
from whatsapp_pipeline.sandbox.people import DISTRICTS, STREETS, TOWNS, SamplePerson

PAGE_SIZE: Final = 100
Item = dict[str, Any]


def contact_item(person: SamplePerson) -> Item:
    """Return a contact as `GET /contatos` lists it; a missing text is ""."""
    town, state = TOWNS[person.index % len(TOWNS)]
    address: Item | None = {
        "endereco": STREETS[person.index % len(STREETS)],
        "numero": str(person.index % 900 + 1),
        "complemento": "",
        "bairro": DISTRICTS[person.index % len(DISTRICTS)],
        "municipio": town,
        "cep": "",
        "uf": state,
        "pais": "",
    }
    return {
        "id": person.id,
        "nome": person.name,
        "codigo": str(1000 + person.index) if person.index % 3 else "",
        "fantasia": person.name.rsplit(" ", 1)[0] if person.company else "",
        "tipoPessoa": "J" if person.company else "F",
        "cpfCnpj": person.document,
        "inscricaoEstadual": "",
        "rg": "",
        "telefone": person.telefone,
        "celular": person.celular,
        "email": person.email,
        "endereco": address if person.index % 4 else None,
        "vendedor": None,
        "situacao": person.situacao,
        "dataCriacao": _time(person.created),
        "dataAtualizacao": _time(person.updated),
    }


def order_item(order: SampleOrder, person: SamplePerson) -> Item:
    """Return an order as `GET /ordem-servico` lists it."""
    return {
        "id": order.id,
        "situacao": order.situacao,
        "data": order.opened.date().isoformat(),
        "dataPrevista": order.promised.isoformat() if order.id % 5 else "0000-00-00",
        "valor": f"{order.total:.2f}",
        "numeroOrdemServico": order.number,
        "cliente": {"id": person.id, "nome": person.name, "codigo": "", "cpfCnpj": person.document},
        "marcadores": [{"descricao": "garantia"}] if order.id % 17 == 0 else [],
    }


def order_detail(order: SampleOrder, person: SamplePerson) -> Item:
    """Return an order as `GET /ordem-servico/{id}` answers, with the customer in `contato`."""
    category = CATEGORIES[order.id % len(CATEGORIES)]
    return {
        "id": order.id,
        "situacao": order.situacao,
        "data": order.opened.date().isoformat(),
        "dataPrevista": f"{order.promised.isoformat()} 18:00:00" if order.id % 5 else "0000-00-00",
        "dataConclusao": _day(order.closed),
        "numeroOrdemServico": order.number,
        "totalServicos": f"{order.services:.2f}",
        "totalPecas": f"{order.parts:.2f}",
        "totalOrdemServico": f"{order.total:.2f}",
        "desconto": order.discount,
        "equipamento": order.equipment,
        "equipamentoSerie": order.serial,
        "descricaoProblema": f"Cliente relata: {order.fault}",
        "observacoes": "",
        "observacoesInternas": f"Técnico {order.technician}",
        "orcar": True,
        "orcado": order.situacao != "0",
        "tecnico": order.technician,
        "alqComissao": 0,
        "vlrComissao": 0,
        "categoria": {"id": category[0], "descricao": category[1]},
        "vendedor": None,
        "formaPagamento": None,
        "contato": {"id": person.id, "nome": person.name},
        "marcadores": [],
    }


def _time(value: datetime) -> str:
    return value.strftime("%Y-%m-%d %H:%M:%S")


def _day(value: date | None) -> str:
    return value.isoformat() if value else ""


def listing(items: Sequence[Mapping[str, Any]], *, offset: int, total: int, limit: int = PAGE_SIZE) -> Item:
    """Return a page of items in Tiny's format."""
    return {"itens": list(items), "paginacao": {"limit": limit, "offset": offset, "total": total}}


def write_pages(folder: Path, prefix: str, items: Sequence[Item]) -> None:
    """Write `items` to `folder` in pages `<prefix>-000000.json`, numbered by offset."""
    folder.mkdir(parents=True, exist_ok=True)
    for offset in range(0, len(items), PAGE_SIZE):
        page = listing(items[offset : offset + PAGE_SIZE], offset=offset, total=len(items))
        text = json.dumps(page, ensure_ascii=False, indent=1)
        (folder / f"{prefix}-{offset:06d}.json").write_text(text + "\n", encoding="utf-8")


def write_erp(folder: Path, people: Sequence[SamplePerson], orders: Iterable[SampleOrder]) -> None:
    """Write listings and details under `folder`: `contatos/` by status, and `ordem-servico/`."""
    for status in CONTACT_STATUSES:
        write_pages(
            folder / "contatos",
            status,
            [contact_item(person) for person in people if person.situacao == status],
        )
    ordered = list(orders)
    write_pages(
        folder / "ordem-servico", "list", [order_item(order, people[order.person]) for order in ordered]
    )
    write_pages(
        folder / "ordem-servico", "details", [order_detail(order, people[order.person]) for order in ordered]
    )
