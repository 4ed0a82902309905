"""Links of titles to lists of contacts and orders in memory, by the same rules as in the database.

What belongs here: finding evidence in lists, as sql/queries/links/link_*.sql does in tables. What does not:
files (cli/link.py) and rules (contacts.py, orders.py).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

from whatsapp_pipeline.domain.matching.contacts import decide_chat
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
from whatsapp_pipeline.domain.matching.names import ContactName, NameIndex, NameModel, fit_name_model
from whatsapp_pipeline.domain.matching.naming import as_evidence
from whatsapp_pipeline.domain.matching.order_data import span_of
from whatsapp_pipeline.domain.matching.order_fitting import ENOUGH, fit_orders, with_rates
from whatsapp_pipeline.domain.matching.order_model import default_model
from whatsapp_pipeline.domain.matching.orders import (
    Order,
    OrderDecision,
    OrderModel,
    OrderPolicy,
    SessionToLink,
    link_session,
    with_title,
)
from whatsapp_pipeline.domain.phones import Phone, PhoneKind, parse_phone, parse_phones
from whatsapp_pipeline.domain.titles import parse_title

_UNPLACED = (PhoneKind.FOREIGN, PhoneKind.LID, PhoneKind.SERVICE)
_NO_HEADER = (PhoneKind.LID, PhoneKind.SERVICE)
_BRAZILIAN_KEY = re.compile(r"[0-9]{10}")
_ORDER_ID = re.compile(r"[0-9]{1,9}")


class ContactRow(NamedTuple):
    """A contact from a CSV file; a missing value is ""."""

    id: int
    nome: str
    fantasia: str
    telefone: str
    celular: str


class TitleRow(NamedTuple):
    """A title to link; `header_phone` is the phone in the file's message headers, if known."""

    title: str
    day: date | None
    header_phone: str = ""


@dataclass(frozen=True, slots=True)
class TitleDecision:
    """The contact of a title and, if orders were given, its order."""

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
            if order.number:
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
        """Return the contacts that have the number.

        The area is unknown if the title or the contact has no area code, and assumed if the default area code
        was added to one of them.
        """
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
                if other.kind is PhoneKind.UNKNOWN_AREA
                and other.key[:2] != key[:2]
                and _BRAZILIAN_KEY.fullmatch(key)
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
        """Return the orders of listed contacts whose number or id is in the title."""
        if reference is None:
            return []
        return [
            OrderHit(order.id, order.id_contato, "title", by_id)
            for order, by_id in self._orders_named(reference.lstrip("0"))
            if order.id_contato is not None and order.id_contato in self.contacts
        ]

    def orders_named(self, number: str) -> list[Order]:
        """Return the orders of any contact that have this number or id."""
        return [order for order, _ in self._orders_named(number)]

    def _orders_named(self, number: str) -> list[tuple[Order, bool]]:
        """Return orders by number and by id; a number with too many digits is no id."""
        named = self._orders_by_name.get(number, ())
        return [(order, by_id) for order, by_id in named if not by_id or _ORDER_ID.fullmatch(number)]

    def owned(self, contact: int) -> list[OwnedDevice]:
        """Return the devices of a contact's orders."""
        return [
            OwnedDevice(device, order.opened, order.closed)
            for order in self.orders.get(contact, ())
            for device in order.devices
        ]

    def chat(self, number: int, row: TitleRow) -> ChatToLink:
        """Return the chat that a title describes."""
        title = parse_title(row.title, default_area_code=self._area_code)
        header = (
            parse_phone(row.header_phone, default_area_code=self._area_code) if row.header_phone else None
        )
        keys = (header.key,) if header is not None and header.key and header.kind not in _NO_HEADER else ()
        return ChatToLink(
            number,
            row.title,
            title.phone,
            title.name,
            title.order_reference,
            title.devices,
            header_keys=keys,
            first_day=row.day,
            last_day=row.day,
        )


def link_titles(
    tables: Tables,
    rows: Sequence[TitleRow],
    *,
    policy: Policy,
    model: NameModel | None = None,
    seed: int = 0,
    fit_orders_before: date | None = None,
) -> list[TitleDecision]:
    """Link titles, in order.

    Args:
        tables: The contacts, and the orders if titles shall be linked to orders.
        rows: Titles. One with a date is linked to an order like a chat of one session.
        policy: Thresholds of a link to a contact.
        model: The name model. Without it one is fitted on the contacts, if there are names to match.
        seed: Seed of the simulation that the name model is fitted on.
        fit_orders_before: The order model is fitted on the linked titles before this day, if there are
            enough; without a day, on all of them.
    """
    chats = [tables.chat(number, row) for number, row in enumerate(rows)]
    names = _names(tables, chats, model, seed)
    decisions = [decide_chat(chat, _evidence(tables, chat, names.get(chat.id)), policy) for chat in chats]
    if not tables.orders:
        return [TitleDecision(row.title, d) for row, d in zip(rows, decisions, strict=True)]
    orders = _orders(tables, chats, decisions, fit_orders_before)
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
    matches = NameIndex(contacts, model or fit_name_model(contacts, seed=seed)).match(titles)
    return {id_: as_evidence(match) for id_, match in zip(named, matches, strict=True)}


def _evidence(tables: Tables, chat: ChatToLink, name: NameEvidence | None) -> Evidence:
    phones = tables.phone_hits(chat.phone, "title")
    title_key = chat.phone.key if chat.phone is not None else None
    if chat.header_keys and chat.header_keys[0] != title_key:
        header = Phone("", chat.header_keys[0], PhoneKind.MOBILE, None, None)
        phones += tables.phone_hits(header, "header")
    found = Evidence(phones, tables.order_hits(chat.order_reference), name)
    named = found.contacts_named_directly() if chat.name else set()
    return replace(
        found,
        names={c: tables.contacts[c] for c in named if c in tables.contacts},
        devices={c: tables.owned(c) for c in found.contacts_to_compare_devices()},
    )


def _orders(
    tables: Tables, chats: Sequence[ChatToLink], decisions: Sequence[LinkDecision], fit_before: date | None
) -> dict[int, OrderDecision]:
    """Link each title that has a date, like a chat of one session; months do not influence each other."""
    sessions = {
        chat.id: _session(tables, chat, decision)
        for chat, decision in zip(chats, decisions, strict=True)
        if chat.first_day is not None
    }
    decided = {decision.id_chat_file: decision for decision in decisions}
    past = [s for s in sessions.values() if fit_before is None or s.first_day < fit_before]
    linked = [session for session in past if decided[session.id].status == "linked"]
    policy = OrderPolicy(model=_order_model(tables, linked, [session.first_day for session in past]))
    months: defaultdict[tuple[int, int], list[SessionToLink]] = defaultdict(list)
    for session in sessions.values():
        months[session.first_day.year, session.first_day.month].append(session)
    found = {}
    for month in months.values():
        for session in with_rates(month, tables.orders, policy.model):
            contact = decided[session.id]
            own = tables.orders.get(session.id_contato or -1, [])
            named = [order for number in session.numbers for order in tables.orders_named(number)]
            confidence = contact.confidence if contact.status == "proposed" else None
            found[session.id] = link_session(session, own, named, policy, confidence)
    return found


def _session(tables: Tables, chat: ChatToLink, decision: LinkDecision) -> SessionToLink:
    assert chat.first_day is not None  # the caller passes only such chats
    is_known = decision.candidates and decision.status in ("linked", "proposed")
    contact = decision.candidates[0].id_contato if is_known else None
    session = SessionToLink(
        chat.id,
        contact,
        chat.first_day,
        chat.first_day,
        title_number=(chat.order_reference or "").lstrip("0") or None,
        title_devices=chat.devices,
    )
    return with_title(session, tables.orders.get(contact or -1, []))


def _order_model(tables: Tables, linked: Sequence[SessionToLink], days: Sequence[date]) -> OrderModel:
    """Fit a model on the sessions of contacts that have orders; return the shipped one if they are few.

    `days` are those of all titles; they show in which period titles were collected. Two titles of one
    contact and day are two exports of one chat, as in sql/queries/links/order_history.sql.
    """
    orders: dict[int, list[Order]] = {}
    sessions: dict[tuple[int, date], SessionToLink] = {}
    for session in linked:
        contact = session.id_contato or -1
        if any(order.opened is not None for order in tables.orders.get(contact, ())):
            orders[contact] = tables.orders[contact]
            sessions.setdefault((contact, session.first_day), session)
    if len(sessions) < ENOUGH:
        return default_model()
    return fit_orders(list(sessions.values()), orders, span_of(days))
