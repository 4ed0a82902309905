"""Linking titles to lists of contacts and orders in memory, by the same rules as in the database.

What belongs here: looking evidence up in lists. What does not: files (cli/link.py) and rules (contacts.py,
orders.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from whatsapp_pipeline.domain.matching.contacts import decide
from whatsapp_pipeline.domain.matching.few_names import FEW, match_few
from whatsapp_pipeline.domain.matching.link_types import (
    Area,
    ChatToLink,
    Evidence,
    LinkDecision,
    NameEvidence,
    OrderHit,
    OwnedDevice,
    PhoneHit,
    Policy,
    Source,
)
from whatsapp_pipeline.domain.matching.names import ContactName, NameIndex, NameModel, fit
from whatsapp_pipeline.domain.matching.naming import as_evidence
from whatsapp_pipeline.domain.matching.order_fitting import fit_orders, with_rates
from whatsapp_pipeline.domain.matching.orders import (
    Order,
    OrderDecision,
    OrderPolicy,
    SessionToLink,
    link_session,
    of_proposed_contact,
    with_title,
)
from whatsapp_pipeline.domain.phones import Phone, PhoneKind, parse_phone, parse_phones
from whatsapp_pipeline.domain.titles import parse_title
from whatsapp_pipeline.domain.vocabulary import find_stages

_UNPLACED = (PhoneKind.FOREIGN, PhoneKind.LID, PhoneKind.SERVICE)


class ContactRow(NamedTuple):
    """A contact as its CSV has it; "" for what is missing."""

    id: int
    nome: str
    fantasia: str
    telefone: str
    celular: str


class TitleRow(NamedTuple):
    """A title to link; `header_phone` is the phone inside the file, if known."""

    title: str
    day: date | None
    header_phone: str = ""


@dataclass(frozen=True, slots=True)
class TitleDecision:
    """A title's contact and, where orders were given, its order."""

    title: str
    contact: LinkDecision
    order: OrderDecision | None = None


class _PhoneOfContact(NamedTuple):
    id_contato: int
    field: str
    key: str
    kind: PhoneKind
    had_ninth_digit: bool | None


class Tables:
    """Contacts and orders, indexed for linking."""

    def __init__(
        self,
        contacts: Sequence[ContactRow],
        orders: Sequence[Order] = (),
        default_area_code: str | None = None,
    ) -> None:
        self._area_code = default_area_code
        self.contacts = {contact.id: (contact.nome, contact.fantasia) for contact in contacts}
        self.orders: defaultdict[int, list[Order]] = defaultdict(list)
        self._orders_by_name: defaultdict[str, list[tuple[Order, bool]]] = defaultdict(list)
        for order in orders:
            if order.id_contato is not None:
                self.orders[order.id_contato].append(order)
            self._orders_by_name[order.number].append((order, False))
            if str(order.id) != order.number:
                self._orders_by_name[str(order.id)].append((order, True))
        self._by_key: defaultdict[str, list[_PhoneOfContact]] = defaultdict(list)
        self._by_last8: defaultdict[str, list[_PhoneOfContact]] = defaultdict(list)
        for contact in contacts:
            for field, text in (("celular", contact.celular), ("telefone", contact.telefone)):
                for phone in parse_phones(text, default_area_code=default_area_code) if text else ():
                    if phone.key is None:
                        continue
                    found = _PhoneOfContact(contact.id, field, phone.key, phone.kind, phone.had_ninth_digit)
                    self._by_key[phone.key].append(found)
                    if phone.kind not in _UNPLACED:
                        self._by_last8[phone.key[-8:]].append(found)

    def phone_hits(self, phone: Phone | None, source: Source) -> list[PhoneHit]:
        """Return the contacts that have the number; of unknown area when either side lacks it."""
        if phone is None or phone.key is None:
            return []
        key = phone.key
        assumed_here = phone.kind is PhoneKind.UNKNOWN_AREA
        found: list[tuple[_PhoneOfContact, Area]]
        if key.startswith("xx"):
            found = [(other, "unknown") for other in self._by_last8.get(key[-8:], ())]
        else:
            found = [
                (other, "assumed" if assumed_here or other.kind is PhoneKind.UNKNOWN_AREA else "written")
                for other in self._by_key.get(key, ())
            ]
            found += [
                (other, "unknown")
                for other in self._by_last8.get(key[-8:], ())
                if other.kind is PhoneKind.UNKNOWN_AREA and other.key[:2] != key[:2]
            ]
        return [
            PhoneHit(
                other.id_contato,
                source,
                other.field,
                area,
                source == "title" and phone.had_ninth_digit == other.had_ninth_digit,
            )
            for other, area in found
        ]

    def order_hits(self, reference: str | None) -> list[OrderHit]:
        """Return the orders that a title's number names, by number or id."""
        if reference is None:
            return []
        return [
            OrderHit(order.id, order.id_contato, "title", by_id)
            for order, by_id in self._orders_by_name.get(reference, ())
            if order.id_contato is not None
        ]

    def orders_named(self, number: str) -> list[Order]:
        """Return the orders of anybody that have the number, or the id."""
        return [order for order, _ in self._orders_by_name.get(number, ())]

    def owned(self, contact: int) -> list[OwnedDevice]:
        """Return the devices of a contact's orders."""
        return [
            OwnedDevice(device, order.opened, order.closed)
            for order in self.orders.get(contact, ())
            for device in order.devices
        ]

    def chat(self, number: int, row: TitleRow) -> ChatToLink:
        """Read a title as the chat it names."""
        title = parse_title(row.title, default_area_code=self._area_code)
        header = (
            parse_phone(row.header_phone, default_area_code=self._area_code) if row.header_phone else None
        )
        keys = (header.key,) if header is not None and header.key and header.kind is not PhoneKind.LID else ()
        return ChatToLink(
            number, row.title, title.phone, title.name, title.order_reference, title.devices,
            header_keys=keys, first_day=row.day, last_day=row.day,
        )  # fmt: skip


def link_titles(
    tables: Tables,
    rows: Sequence[TitleRow],
    *,
    policy: Policy,
    order_policy: OrderPolicy | None = None,
    model: NameModel | None = None,
    seed: int = 0,
) -> list[TitleDecision]:
    """Link titles, in order. Without a fitted `model` one is fitted on the contacts, when names need it."""
    chats = [tables.chat(number, row) for number, row in enumerate(rows)]
    names = _names(tables, chats, model, seed)
    decisions = [decide(chat, _evidence(tables, chat, names.get(chat.id)), policy) for chat in chats]
    if not tables.orders:
        return [TitleDecision(row.title, d) for row, d in zip(rows, decisions, strict=True)]
    orders = _orders(tables, chats, decisions, order_policy)
    return [
        TitleDecision(row.title, decision, orders.get(chat.id))
        for row, chat, decision in zip(rows, chats, decisions, strict=True)
    ]


def _names(
    tables: Tables, chats: Sequence[ChatToLink], model: NameModel | None, seed: int
) -> dict[int, NameEvidence]:
    named = {chat.id: chat.title for chat in chats if chat.name}
    contacts = [ContactName(id_, *names) for id_, names in sorted(tables.contacts.items()) if any(names)]
    if not named or not contacts:
        return {}
    titles = list(named.values())
    if len(contacts) < FEW:
        return dict(zip(named, match_few(titles, contacts), strict=True))
    matches = NameIndex(contacts, model or fit(contacts, seed=seed)).match(titles)
    return {id_: as_evidence(match) for id_, match in zip(named, matches, strict=True)}


def _evidence(tables: Tables, chat: ChatToLink, name: NameEvidence | None) -> Evidence:
    phones = tables.phone_hits(chat.phone, "title")
    title_key = chat.phone.key if chat.phone is not None else None
    if chat.header_keys and chat.header_keys[0] != title_key:
        header = Phone("", chat.header_keys[0], PhoneKind.MOBILE, None, None)
        phones += tables.phone_hits(header, "header")
    orders = tables.order_hits(chat.order_reference)
    direct = {hit.id_contato for hit in phones} | {hit.id_contato for hit in orders}
    rivals = direct | ({candidate[0] for candidate in name.candidates} if name is not None else set())
    return Evidence(
        phones,
        orders,
        name,
        {c: tables.contacts[c] for c in direct if c in tables.contacts} if chat.name else {},
        {c: tables.owned(c) for c in rivals},
    )


def _orders(
    tables: Tables,
    chats: Sequence[ChatToLink],
    decisions: Sequence[LinkDecision],
    given: OrderPolicy | None,
) -> dict[int, OrderDecision]:
    """Link each title that has a date, as a chat of one session; without a policy, by a model fitted here."""
    contacts: dict[int, LinkDecision] = {}
    sessions = []
    for chat, decision in zip(chats, decisions, strict=True):
        if chat.first_day is None:
            continue
        sure = decision.candidates and decision.status in ("linked", "proposed")
        contact = decision.candidates[0].id_contato if sure else None
        session = SessionToLink(
            chat.id, contact, chat.first_day, chat.first_day, stages=tuple(find_stages(chat.title)),
            title_number=chat.order_reference, title_devices=chat.devices,
        )  # fmt: skip
        sessions.append(with_title(session, tables.orders.get(contact or -1, [])))
        contacts[chat.id] = decision
    policy = given or OrderPolicy(model=fit_orders(sessions, tables.orders))
    found = {}
    for session in with_rates(sessions, tables.orders, policy.model):
        own = tables.orders.get(session.id_contato or -1, [])
        named = [order for number in session.numbers for order in tables.orders_named(number)]
        decided = link_session(session, own, named, policy)
        contact_decision = contacts[session.id]
        if contact_decision.status == "proposed":
            decided = of_proposed_contact(decided, contact_decision.candidates[0].confidence)
        found[session.id] = decided
    return found
