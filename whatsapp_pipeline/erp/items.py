"""What the ERP says of a contact or an order, read from its JSON, whichever version named the fields.

What belongs here: field names of v2 and v3, dates, amounts, and the page around them. What does not: fetching
pages (`client`, `source`) and fitting values into columns (store). A value is None where the item lacks the
field, "" where the ERP says that there is none.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
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
_NO_REFERENCE: Final = (None, "", 0, "0")  # how the ERP says that an order has no seller, category …
LARGEST_ID: Final = 2**63 - 1
_LONGEST_ID: Final = 19  # digits of LARGEST_ID
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))
_ISO_DATE: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}))?)?")
_BR_DATE: Final = re.compile(r"(\d{2})/(\d{2})/(\d{4})(?: (\d{2}):(\d{2})(?::(\d{2}))?)?")


class ItemError(ValueError):
    """An item that cannot be kept; the text names what is wrong, never a value."""


@dataclass(frozen=True, slots=True)
class Identified:
    """An item without what is around it in v2, its id, and a hash of its content: whether it changed."""

    id: int
    item: Item
    item_hash: bytes


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact as text by column of `contatos`, without the columns that its item lacks."""

    id: int
    values: dict[str, str]
    situacao: str | None
    updated: datetime | None
    field_names: FieldNames
    odd: dict[str, str] = field(
        default_factory=dict
    )  # column left out → what stands there instead of a value


@dataclass(frozen=True, slots=True)
class Order:
    """An order by column of `ordens_servico`; None in `values` clears the column."""

    id: int
    values: dict[str, str | int | Decimal | date | datetime | None]
    odd: dict[str, str] = field(
        default_factory=dict
    )  # column left out → what stands there instead of a value


def identify(item: Item) -> Identified:
    """Tell which row an item is, and hash it; raises ItemError when it has no usable id."""
    item = _unwrap(_unwrap(item, "contato"), "ordem_servico")
    return Identified(_id(item), item, _hash(item))


def read_contact(item: Item) -> Contact:
    """Read a contact with v3 or v2 field names; raises ItemError when it has no usable id."""
    item = _unwrap(item, "contato")
    field_names = _field_names(item)
    values: dict[str, str] = {}
    odd: dict[str, str] = {}
    for column, (v3, v2) in _CONTACT_FIELDS.items():
        for name in (v3, *v2):
            if name in item:
                if (shape := _odd_shape(item[name])) is None:
                    values[column] = _text(item[name])
                else:
                    odd[column] = shape
                break
    situacao = values.pop("situacao", None)
    updated = parse_time(values.pop("data_atualizacao", ""))
    return Contact(_id(item), values, situacao, updated, field_names, odd)


def read_order(item: Item) -> Order:
    """Read an order, from a list or in detail; raises ItemError when it has no usable id."""
    item = _unwrap(item, "ordem_servico")
    values: dict[str, str | int | Decimal | date | datetime | None] = {}
    odd: dict[str, str] = {}
    for column, names in _ORDER_FIELDS.items():
        for name in names:
            if name in item:
                shape = None if column in _FLAGS and isinstance(item[name], bool) else _odd_shape(item[name])
                if shape is None:
                    values[column] = _order_value(column, item[name], item)
                else:
                    odd[column] = shape
                break
    for column, names in _REFERENCES.items():
        for name in (*names, column):
            if name in item:
                held = item[name]
                raw = held.get("id") if isinstance(held, Mapping) else held
                values[column] = _reference(raw)
                if values[column] is None and raw not in _NO_REFERENCE:
                    del values[column]
                    odd[column] = "no usable id"
                break
    return Order(_id(item), values, odd)


def _order_value(column: str, raw: object, item: Item) -> str | Decimal | date | datetime | None:
    if column in _DATES:
        moment = parse_time(_text(raw))
        return moment.date() if moment else None
    if column in _TIMES:
        return parse_time(_text(raw))
    if column in _AMOUNTS:
        return parse_amount(_text(raw))
    if column == "desconto":
        total = item.get("totalOrdemServico", "")
        return parse_discount(_text(raw), None if _odd_shape(total) else parse_amount(_text(total)))
    if column in _FLAGS and isinstance(raw, bool):
        return "S" if raw else "N"
    return _text(raw) or None


def items_of(page: object) -> list[Item]:
    """Return the items of a page: v3 (`itens`), v2 (`retorno`), a bare list; else raises ItemError."""
    if isinstance(page, Mapping):
        if isinstance(page.get("itens"), list):
            return _items(page["itens"])
        if "itens" in page and page["itens"] is None:  # a status that no row has
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
    """Hash an item's content, whatever the order of its fields (16 bytes)."""
    return hashlib.blake2b(_CANONICAL.encode(item).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def parse_time(text: str) -> datetime | None:
    """Read `YYYY-MM-DD[ HH:MM[:SS]]` or `DD/MM/YYYY[ …]`; None for "", `0000-00-00` and what is no date."""
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


def parse_amount(text: str) -> Decimal | None:
    """Read `1234.5`, `170,00` or `1.234,56`; None for "" and what is no number."""
    text = text.replace("R$", "").strip()
    if "," in text:
        text = text.replace(".", "").replace(",", ".")
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def parse_discount(text: str, total: Decimal | None) -> Decimal | None:
    """Read a discount in reais: `170,00`; of `10%` the tenth of `total` (None where the total is unknown)."""
    if not text.strip().endswith("%"):
        return parse_amount(text)
    share = parse_amount(text.strip().rstrip("%"))
    if share is None or total is None:
        return None
    try:
        return (total * share / 100).quantize(Decimal("0.01"))
    except ArithmeticError:  # a share or a total with more digits than a sum of money has
        return None


def _field_names(item: Item) -> FieldNames:
    return "v3" if _V2_NAMES.isdisjoint(item) or not _V3_NAMES.isdisjoint(item) else "v2"


def _unwrap(item: Item, name: str) -> Item:
    inner = item.get(name) if len(item) == 1 else None
    return inner if isinstance(inner, Mapping) else item


def _items(values: Sequence[object]) -> list[Item]:
    """Return a list's items; an empty one stands for what is no object, so that it counts and is reported."""
    return [value if isinstance(value, Mapping) else {} for value in values]


def _id(item: Item) -> int:
    if not item:
        raise ItemError("an item is empty, or it is no object")
    raw = item.get("id")
    if isinstance(raw, str) and raw.strip().isdecimal():
        raw = int(raw) if len(raw.strip()) <= _LONGEST_ID else LARGEST_ID + 1
    if isinstance(raw, int) and not isinstance(raw, bool) and raw > 0:
        if raw > LARGEST_ID:
            raise ItemError("an item's id is larger than any that the database can keep (bigint)")
        return raw
    raise ItemError("an item has no usable id")


def _reference(raw: object) -> int | None:
    text = "" if _odd_shape(raw) else _text(raw)
    if not text.isdecimal() or len(text) > _LONGEST_ID:
        return None
    return int(text) if 0 < int(text) <= LARGEST_ID else None


def _odd_shape(raw: object) -> str | None:
    """Name what stands where text or a number belongs, when it is neither; None for a value that is one."""
    if isinstance(raw, Mapping):
        return "an object"
    if isinstance(raw, bool):
        return "true or false"
    return "a list" if isinstance(raw, list) else None


def _text(raw: object) -> str:
    """Write a JSON value as text that PostgreSQL can keep: without NUL, without half a surrogate pair."""
    if raw is None:
        return ""
    if isinstance(raw, str) and raw.isascii() and "\x00" not in raw:
        return raw.strip()
    return str(raw).replace("\x00", "").encode("utf-8", "replace").decode().strip()
