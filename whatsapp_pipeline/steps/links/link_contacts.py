"""contact_links: each chat of a month to its contact, with method, confidence, rivals and why.

What belongs here: gathering evidence set-wise, deciding, writing what differs. What does not: the rules
(domain/matching) and the statements (store/links/contact_links.py).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from whatsapp_pipeline.domain.gc_disabled import uncollected
from whatsapp_pipeline.domain.matching.contacts import decide
from whatsapp_pipeline.domain.matching.link_types import (
    Area,
    ChatToLink,
    Evidence,
    LinkDecision,
    OrderHit,
    OwnedDevice,
    PhoneHit,
    Policy,
)
from whatsapp_pipeline.domain.matching.names import TITLES_PER_FIT
from whatsapp_pipeline.domain.matching.overrides import (
    PersonDecision,
    SettledOverrides,
    apply_overrides,
    phone_owners,
    settle_overrides,
    without_refused,
)
from whatsapp_pipeline.domain.phones import Phone, PhoneKind, parse_phone
from whatsapp_pipeline.domain.vocabulary import find_devices
from whatsapp_pipeline.logs import detail_log, fields
from whatsapp_pipeline.steps.links.link_counts import LinkReport, report
from whatsapp_pipeline.steps.links.link_rules import rules_hash
from whatsapp_pipeline.steps.links.name_evidence import TitleNames
from whatsapp_pipeline.steps.links.phone_evidence import phone_corrections, phone_corrections_are_due
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import contact_links as store
from whatsapp_pipeline.store.links import fingerprints as link_stamps
from whatsapp_pipeline.store.links import link_parts, link_report
from whatsapp_pipeline.store.links.decisions import CandidateRow, DecisionRow, to_json
from whatsapp_pipeline.store.locks import in_transaction, month_lock


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How sure a link must be. `default_area_code` is the one contacts were normalized with."""

    link_at: float = 0.95
    propose_at: float = 0.5
    default_area_code: str | None = None
    seed: int = 0
    name_fit_titles: int = TITLES_PER_FIT
    """How many simulated titles the name model is fitted on, when it has to be."""

    def policy(self) -> Policy:
        """Return the policy these thresholds make."""
        return Policy(link=self.link_at, propose=self.propose_at)


class ContactLinking:
    """Links the months of one run. What they share of the tables is read once, for the first of them."""

    def __init__(self, options: LinkOptions, *, log: logging.Logger, names: TitleNames | None = None) -> None:
        self._options, self._log = options, log
        self._names = names or TitleNames(seed=options.seed, fit_titles=options.name_fit_titles, log=log)
        self._corrections: dict[str, float] | None = None
        self._contact_names: str | None = None
        self._versions: str | None = None
        self._orders = ""

    def link(self, conn: Connection, month: str) -> LinkReport:
        """Link every chat of `month` (`YYYY-MM`), in one transaction.

        A second run changes nothing, and when nothing that the links rest on has changed it decides nothing.
        """
        with month_lock(conn, "contact_links", month), uncollected():
            return in_transaction(conn, lambda: self._link(conn, month))

    def _link(self, conn: Connection, month: str) -> LinkReport:
        if self._versions is None:
            # Before anything is read: what changes later makes the months stale.
            self._versions = link_stamps.versions(conn, "contact_links")
            self._orders = link_parts.orders_version(conn)
        self._phone_corrections(conn)  # new ones make what was decided with older ones stale
        contacts = self._contacts_part(conn, month)
        inputs = link_stamps.rests_on(
            conn, "contact_links", month, self._versions, rules_hash(), repr(self._options)
        )
        if link_stamps.stands(conn, "contact_links", month, inputs):
            changed = {"chats": 0, "candidates": 0}
        else:
            changed = self._decide_and_write(conn, month)
            link_stamps.keep(conn, "contact_links", month, inputs)
            same = link_parts.orders_version(conn) == self._orders
            orders = link_parts.orders_part(conn, month) if same else link_parts.CHANGED_MEANWHILE
            parts = {**self.parts(conn, month), "contacts": contacts, "orders": orders}
            link_parts.keep_parts(conn, "contact_links", month, parts)
        return report(month, "chats", store.tally(conn, month), changed)

    def parts(self, conn: Connection, month: str) -> dict[str, str]:
        """Return what the month's links depend on, by part, orders left out, for the planner to compare."""
        return {
            "rules": f"{rules_hash()} {self._options!r}",
            "contacts": self._contacts_part(conn, month),
            **link_parts.month_parts(conn, "contact_links", month),
        }

    def _contacts_part(self, conn: Connection, month: str) -> str:
        if self._contact_names is None:
            self._contact_names = link_parts.names_part(conn)
        return link_parts.contacts_part(conn, month, self._contact_names)

    def fits_before(self, conn: Connection, month: str) -> bool:
        """Return whether a run of the month would fit a new model first."""
        by_name = link_parts.asks_for_names(conn, month) and self._names.is_due(conn)
        return by_name or (link_parts.has_phones(conn, month) and phone_corrections_are_due(conn))

    def _phone_corrections(self, conn: Connection) -> dict[str, float]:
        if self._corrections is None:
            self._corrections = phone_corrections(conn, log=self._log)
        return self._corrections

    def _decide_and_write(self, conn: Connection, month: str) -> dict[str, int]:
        decisions = self.decide_staged(conn, store.stage_month(conn, month))
        before = link_report.statuses(conn, month)
        changed = store.write(conn, decision_rows(decisions), candidate_rows(decisions))
        _log_decisions(month, decisions)
        if changed["chats"]:
            link_report.record_run(conn, month, before, link_report.statuses(conn, month))
        return changed

    def decide_staged(self, conn: Connection, rows: Sequence[store.ChatRow]) -> list[LinkDecision]:
        """Decide the staged chats. Needs the transaction in which they were staged."""
        chats = to_chats(rows, self._options.default_area_code)
        evidence = _gather(conn, chats, self._names)
        settled = settled_by_people(conn, evidence)
        policy = replace(self._options.policy(), phone_corrections=self._phone_corrections(conn))
        decisions = []
        for chat in chats:
            people = settled.get(chat.id, SettledOverrides())
            found = without_refused(evidence[chat.id], people.refused)
            decisions.append(apply_overrides(people, decide(chat, found, policy)))
        return decisions


def _log_decisions(month: str, decisions: Iterable[LinkDecision]) -> None:
    """Log each chat's contact, method and confidence, at debug."""
    log = detail_log()
    if not log.isEnabledFor(logging.DEBUG):
        return
    for decision in decisions:
        log.debug(
            "chat decided",
            extra=fields(
                asset="contact_links", month=month, chat=decision.id_chat_file, status=decision.status,
                contact_id=decision.id_contato, method=decision.method, confidence=decision.confidence,
            ),
        )  # fmt: skip


def settled_by_people(conn: Connection, evidence: Mapping[int, Evidence]) -> dict[int, SettledOverrides]:
    """Settle the decisions of people about each staged chat that has any."""
    by_chat: defaultdict[int, list[PersonDecision]] = defaultdict(list)
    for row in store.overrides(conn):
        by_chat[row.id_chat_file].append(
            PersonDecision(
                row.id_override,
                row.target_kind,
                row.id_contato,
                row.reason,
                row.made_by,
                refuses=row.refuses,
                deleted=row.is_gone,
                of_chat=row.of_chat,
            )
        )
    return {
        chat: settle_overrides(decisions, phone_owners(evidence[chat])) for chat, decisions in by_chat.items()
    }


def to_chats(rows: Iterable[store.ChatRow], default_area_code: str | None) -> list[ChatToLink]:
    """Read staged chats as linking sees them."""
    return [_chat(row, default_area_code) for row in rows]


def _chat(row: store.ChatRow, default_area_code: str | None) -> ChatToLink:
    phone: Phone | None = None
    if row.phone_key is not None:
        # The index's key counts; the text only tells how the number was typed.
        typed = parse_phone(row.phone_number or "", default_area_code=default_area_code)
        phone = (
            typed
            if typed is not None and typed.key == row.phone_key
            else Phone(row.phone_number or "", row.phone_key, PhoneKind.MOBILE, None, None)
        )
    return ChatToLink(
        row.id, row.title, phone, row.name, row.order_reference, tuple(row.devices), tuple(row.seen_devices),
        tuple(row.header_keys), row.is_group, row.first_day, row.last_day,
    )  # fmt: skip


def _area(hit: store.PhoneHitRow, chat: ChatToLink) -> Area:
    """Return how both sides' area codes are known; a title's own may be the default one."""
    if hit.area == "unknown":
        return "unknown"
    assumed_in_title = (
        hit.source == "title" and chat.phone is not None and chat.phone.kind is PhoneKind.UNKNOWN_AREA
    )
    return "assumed" if hit.area == "assumed" or assumed_in_title else "written"


def _gather(conn: Connection, chats: Sequence[ChatToLink], title_names: TitleNames) -> dict[int, Evidence]:
    """Collect what the tables say of each chat: one statement a kind of evidence."""
    phones = phone_evidence(conn, chats)
    orders: defaultdict[int, list[OrderHit]] = defaultdict(list)
    for order in store.order_hits(conn):
        orders[order.id_chat_file].append(
            OrderHit(
                order.id_ordem_servico,
                order.id_contato,
                "title" if order.source == "title" else "messages",
                order.by_id,
            )
        )
    named = [chat for chat in chats if chat.name and not chat.is_group]
    names = title_names.evidence(conn, {chat.id: chat.title for chat in named})
    evidence = {chat.id: Evidence(phones[chat.id], orders[chat.id], names.get(chat.id)) for chat in chats}
    return _add_contacts(conn, named, evidence)


def phone_evidence(conn: Connection, chats: Sequence[ChatToLink]) -> defaultdict[int, list[PhoneHit]]:
    """Return the contacts' phones that equal a staged chat's, by chat."""
    by_id = {chat.id: chat for chat in chats}
    phones: defaultdict[int, list[PhoneHit]] = defaultdict(list)
    for hit in store.phone_hits(conn):
        chat = by_id[hit.id_chat_file]
        typed = chat.phone.had_ninth_digit if chat.phone is not None and hit.source == "title" else None
        phones[hit.id_chat_file].append(
            PhoneHit(
                hit.id_contato,
                "title" if hit.source == "title" else "header",
                hit.field,
                _area(hit, chat),
                typed == hit.had_ninth_digit,
            )
        )
    return phones


def _add_contacts(
    conn: Connection, named: Iterable[ChatToLink], evidence: dict[int, Evidence]
) -> dict[int, Evidence]:
    """Add the names of contacts that a named chat hit, and the devices of candidates in doubt."""
    has_name = {chat.id for chat in named}
    to_name = {chat: evidence[chat].contacts_named_directly() for chat in has_name}
    to_compare = {chat: found.contacts_to_compare_devices() for chat, found in evidence.items()}
    names = store.contact_names(conn, set().union(*to_name.values()))
    devices: defaultdict[int, list[OwnedDevice]] = defaultdict(list)
    for order in store.order_texts(conn, set().union(*to_compare.values())):
        for device in find_devices(order.equipment):
            devices[order.id_contato].append(OwnedDevice(device, order.opened, order.closed))
    return {
        chat: replace(
            found,
            names={c: names[c] for c in to_name.get(chat, ()) if c in names},
            devices={c: devices[c] for c in to_compare[chat] if c in devices},
        )
        for chat, found in evidence.items()
    }


def decision_rows(decisions: Iterable[LinkDecision]) -> Iterator[DecisionRow]:
    """Return decisions as the tables hold them."""
    for decision in decisions:
        yield DecisionRow(
            decision.id_chat_file, decision.status, decision.method, decision.confidence,
            decision.id_contato, list(decision.flags),
        )  # fmt: skip


def candidate_rows(decisions: Iterable[LinkDecision]) -> Iterator[CandidateRow]:
    """Return the candidates of decisions as the tables hold them."""
    for decision in decisions:
        for rank, candidate in enumerate(decision.candidates, 1):
            yield CandidateRow(
                decision.id_chat_file, rank, candidate.id_contato, candidate.confidence, candidate.method,
                to_json(candidate.evidence),
            )  # fmt: skip
