"""Contacts and orders read from the ERP's JSON, with the field names of API v2 or v3.

What belongs here: field names, dates, amounts, and the items of a page. What does not: fetching pages
(`client`, `source`) and fitting values into columns (store). A column whose field the item lacks is missing
in the result. A value that the ERP states to be empty is "" in a contact and None in an order.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from html.entities import html5
from typing import Any, Final, Literal, TypeAlias

Item: TypeAlias = Mapping[str, Any]
FieldNames: TypeAlias = Literal["v2", "v3"]

# Column of contatos → (name in v3, names in v2 and in older backups).
_CONTACT_FIELDS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "nome": ("nome", ("nome",)),
    "codigo": ("codigo", ("codigo",)),
    "fantasia": ("fantasia", ("fantasia", "nome_fantasia")),
    "tipo_pessoa": ("tipoPessoa", ("tipo_pessoa", "tipo")),
    "cpf_cnpj": ("cpfCnpj", ("cpf_cnpj",)),
    "inscricao_estadual": ("inscricaoEstadual", ("inscricao_estadual", "ie")),
    "rg": ("rg", ("rg",)),
    "telefone": ("telefone", ("telefone", "fone")),
    "celular": ("celular", ("celular",)),
    "email": ("email", ("email",)),
    "situacao": ("situacao", ("situacao",)),
    "data_atualizacao": ("dataAtualizacao", ("data_atualizacao",)),
}
_ORDER_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "numero_ordem_servico": ("numeroOrdemServico", "numero_ordem_servico", "numero"),
    "situacao": ("situacao",),
    "data_emissao": ("data", "data_emissao"),
    "data_prevista": ("dataPrevista", "data_prevista"),
    "data_conclusao": ("dataConclusao", "data_conclusao"),
    "total_servicos": ("totalServicos", "total_servicos"),
    "total_ordem_servico": ("totalOrdemServico", "total_ordem_servico", "valor"),
    "total_pecas": ("totalPecas", "total_pecas"),
    "equipamento": ("equipamento",),
    "equipamento_serie": ("equipamentoSerie", "equipamento_serie"),
    "descricao_problema": ("descricaoProblema", "descricao_problema"),
    "observacoes": ("observacoes",),
    "observacoes_internas": ("observacoesInternas", "observacoes_internas"),
    "orcar": ("orcar",),
    "orcado": ("orcado",),
    "alq_comissao": ("alqComissao", "alq_comissao"),
    "vlr_comissao": ("vlrComissao", "vlr_comissao"),
    "desconto": ("desconto",),
    "tecnico": ("tecnico",),
}
_DATES: Final = frozenset({"data_emissao", "data_conclusao"})
_TIMES: Final = frozenset({"data_prevista"})
_AMOUNTS: Final = frozenset(
    {"total_servicos", "total_ordem_servico", "total_pecas", "alq_comissao", "vlr_comissao"}
)
_FLAGS: Final = frozenset({"orcar", "orcado"})
# Column of ordens_servico → names of the object that holds the id.
_REFERENCES: Final[dict[str, tuple[str, ...]]] = {
    "id_contato": ("contato", "cliente"),
    "id_vendedor": ("vendedor",),
    "id_categoria_os": ("categoria",),
    "id_forma_pagamento": ("formaPagamento", "forma_pagamento"),
}
_V2_NAMES: Final = frozenset(name for v3, names in _CONTACT_FIELDS.values() for name in names if name != v3)
_V3_NAMES: Final = frozenset(v3 for v3, names in _CONTACT_FIELDS.values() if v3 not in names)
_NO_REFERENCE: Final = (None, "", 0, "0")  # the ERP's values for "no seller", "no category" …
LARGEST_ID: Final = 2**63 - 1
_LONGEST_ID: Final = 19  # digits of LARGEST_ID
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))
_ISO_DATE: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}))?)?")
_ENTITY: Final = re.compile(r"&(?:#\d{1,6}|#[xX][0-9a-fA-F]{1,5}|[a-zA-Z]{2,24}\d{0,2});")
_BR_DATE: Final = re.compile(r"(\d{2})/(\d{2})/(\d{4})(?: (\d{2}):(\d{2})(?::(\d{2}))?)?")


class ItemError(ValueError):
    """An item that cannot be stored. The text describes the fault and never contains a value."""


@dataclass(frozen=True, slots=True)
class Identified:
    """An item without the wrapper of v2, its id, and a hash of its content that shows whether it changed."""

    id: int
    item: Item
    item_hash: bytes


@dataclass(frozen=True, slots=True)
class ErpContact:
    """A contact: text by column of `contatos`, without the columns that its item lacks.

    `rejected` has the columns whose value is neither text nor a number: column → what the item has instead.
    """

    id: int
    values: dict[str, str]
    situacao: str | None
    updated: datetime | None
    field_names: FieldNames
    rejected: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ErpOrder:
    """An order: values by column of `ordens_servico`, where None clears the column.

    `rejected` has the columns whose value can't be used: column → what the item has instead.
    """

    id: int
    values: dict[str, str | int | Decimal | date | datetime | None]
    rejected: dict[str, str] = field(default_factory=dict)


def identify(item: Item) -> Identified:
    """Return the id and the hash of an item; raises ItemError when it has no usable id."""
    item = _unwrap(_unwrap(item, "contato"), "ordem_servico")
    return Identified(_id(item), item, _hash(item))


def read_contact(item: Item) -> ErpContact:
    """Read a contact with v3 or v2 field names; raises ItemError when it has no usable id."""
    item = _unwrap(item, "contato")
    field_names = _field_names(item)
    values: dict[str, str] = {}
    rejected: dict[str, str] = {}
    for column, (v3, v2) in _CONTACT_FIELDS.items():
        for name in (v3, *v2):
            if name in item:
                if (shape := _wrong_type(item[name])) is None:
                    values[column] = _text(item[name])
                else:
                    rejected[column] = shape
                break
    situacao = values.pop("situacao", None)
    updated = parse_erp_time(values.pop("data_atualizacao", ""))
    return ErpContact(_id(item), values, situacao, updated, field_names, rejected)


def read_order(item: Item) -> ErpOrder:
    """Read an order, from a list or in detail; raises ItemError when it has no usable id."""
    item = _unwrap(item, "ordem_servico")
    values: dict[str, str | int | Decimal | date | datetime | None] = {}
    rejected: dict[str, str] = {}
    for column, names in _ORDER_FIELDS.items():
        for name in names:
            if name in item:
                shape = None if column in _FLAGS and isinstance(item[name], bool) else _wrong_type(item[name])
                if shape is None:
                    values[column] = _order_value(column, item[name], item)
                else:
                    rejected[column] = shape
                break
    for column, names in _REFERENCES.items():
        for name in (*names, column):
            if name in item:
                held = item[name]
                raw = held.get("id") if isinstance(held, Mapping) else held
                values[column] = _reference(raw)
                if values[column] is None and raw not in _NO_REFERENCE:
                    del values[column]
                    rejected[column] = "no usable id"
                break
    return ErpOrder(_id(item), values, rejected)


def _order_value(column: str, raw: object, item: Item) -> str | Decimal | date | datetime | None:
    if column in _DATES:
        moment = parse_erp_time(_text(raw))
        return moment.date() if moment else None
    if column in _TIMES:
        return parse_erp_time(_text(raw))
    if column in _AMOUNTS:
        return parse_erp_amount(_text(raw))
    if column == "desconto":
        total = item.get("totalOrdemServico", "")
        return parse_discount(_text(raw), None if _wrong_type(total) else parse_erp_amount(_text(total)))
    if column in _FLAGS and isinstance(raw, bool):
        return "S" if raw else "N"
    return _text(raw) or None


def items_of(page: object) -> list[Item]:
    """Return the items of a page of v3 (`itens`) or v2 (`retorno`), of a bare list, or a single item.

    Raises ItemError for any other JSON.
    """
    if isinstance(page, Mapping):
        if isinstance(page.get("itens"), list):
            return _items(page["itens"])
        if "itens" in page and page["itens"] is None:  # the API's answer for a status without rows
            return []
        if str(page.get("status", "")).lower() == "erro":
            raise ItemError("the ERP's answer is an error, not a page")
        if isinstance(page.get("retorno"), Mapping):
            return items_of(page["retorno"])
        for name in ("contatos", "ordens_servico", "ordem_servico", "data"):
            if isinstance(page.get(name), list):
                return _items(page[name])
        if "id" in page:
            return [page]
    if isinstance(page, list) and (not page or any(isinstance(value, Mapping) for value in page)):
        return _items(page)
    raise ItemError("no list of items (itens, retorno or a list)")


def item_id(item: Item) -> int:
    """Return an item's id; raises ItemError when there is none."""
    return _id(_unwrap(_unwrap(item, "contato"), "ordem_servico"))


def _hash(item: Item) -> bytes:
    """Hash the content of an item to 16 bytes; the order of its fields does not matter."""
    return hashlib.blake2b(_CANONICAL.encode(item).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def parse_erp_time(text: str) -> datetime | None:
    """Read `YYYY-MM-DD[ HH:MM[:SS]]` or `DD/MM/YYYY[ …]`; None for any other text, as "" or `0000-00-00`."""
    if match := _ISO_DATE.match(text):
        year, month, day, *clock = match.groups()
    elif match := _BR_DATE.match(text):
        day, month, year, *clock = match.groups()
    else:
        return None
    hour, minute, second = (int(part or 0) for part in clock)
    try:
        return datetime(int(year), int(month), int(day), hour, minute, second)
    except ValueError:
        return None


def parse_erp_amount(text: str) -> Decimal | None:
    """Read `1234.5`, `170,00` or `1.234,56`; None for text that is no number."""
    text = text.replace("R$", "").strip()
    if "," in text:
        text = text.replace(".", "").replace(",", ".")
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def parse_discount(text: str, total: Decimal | None) -> Decimal | None:
    """Return a discount in reais: `170,00` as it is, `10%` as a tenth of `total`; None without a total."""
    if not text.strip().endswith("%"):
        return parse_erp_amount(text)
    share = parse_erp_amount(text.strip().rstrip("%"))
    if share is None or total is None:
        return None
    try:
        return (total * share / 100).quantize(Decimal("0.01"))
    except ArithmeticError:  # too many digits for an amount of money
        return None


def _field_names(item: Item) -> FieldNames:
    return "v3" if _V2_NAMES.isdisjoint(item) or not _V3_NAMES.isdisjoint(item) else "v2"


def _unwrap(item: Item, name: str) -> Item:
    inner = item.get(name) if len(item) == 1 else None
    return inner if isinstance(inner, Mapping) else item


def _items(values: Sequence[object]) -> list[Item]:
    """Return the items of a list. A value that is no object becomes an empty item, which is reported."""
    return [value if isinstance(value, Mapping) else {} for value in values]


def _id(item: Item) -> int:
    if not item:
        raise ItemError("an item is empty or is not an object")
    raw = item.get("id")
    if isinstance(raw, str) and raw.strip().isdecimal():
        raw = int(raw) if len(raw.strip()) <= _LONGEST_ID else LARGEST_ID + 1
    if isinstance(raw, int) and not isinstance(raw, bool) and raw > 0:
        if raw > LARGEST_ID:
            raise ItemError("the id of an item is larger than the database can store (bigint)")
        return raw
    raise ItemError("an item has no usable id")


def _reference(raw: object) -> int | None:
    text = "" if _wrong_type(raw) else _text(raw)
    if not text.isdecimal() or len(text) > _LONGEST_ID:
        return None
    return int(text) if 0 < int(text) <= LARGEST_ID else None


def _wrong_type(raw: object) -> str | None:
    """Return the type of a value that is neither text nor a number; None for a usable value."""
    if isinstance(raw, Mapping):
        return "an object"
    if isinstance(raw, bool):
        return "true or false"
    return "a list" if isinstance(raw, list) else None


def _unescaped(entity: re.Match[str]) -> str:
    # `html.unescape` would also replace the beginning of a word: `&notavel;` by `¬avel;`.
    is_known = entity[0][1] == "#" or entity[0][1:] in html5
    return html.unescape(entity[0]) if is_known else entity[0]


def _text(raw: object) -> str:
    """Return a JSON value as text that PostgreSQL can store: without NUL and lone surrogates.

    The ERP writes some marks as HTML entities: `Casa &amp; Cia`.
    """
    if raw is None:
        return ""
    if isinstance(raw, str) and "&" in raw:
        raw = _ENTITY.sub(_unescaped, raw)
    if isinstance(raw, str) and raw.isascii() and "\x00" not in raw:
        return raw.strip()
    return str(raw).replace("\x00", "").encode("utf-8", "replace").decode().strip()
