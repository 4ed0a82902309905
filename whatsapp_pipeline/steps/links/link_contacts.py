"""contact_links: the contact of each chat of a month, with method, confidence, candidates and reasons.

What belongs here: collecting evidence with one statement per kind, deciding, and writing the differences.
What does not: the rules (domain/matching) and the statements (store/links/contact_links.py).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from whatsapp_pipeline.domain.matching.contacts import decide_chat
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
    SettledOverrides,
    apply_overrides,
    phone_owners,
    settle_overrides,
    without_refused,
)
from whatsapp_pipeline.domain.phones import Phone, PhoneKind, parse_phone
from whatsapp_pipeline.domain.vocabulary import find_devices
from whatsapp_pipeline.logs import detail_log, fields
from whatsapp_pipeline.steps.links.link_months import Fitted, MonthLinking
from whatsapp_pipeline.steps.links.link_rules import rules_hash
from whatsapp_pipeline.steps.links.name_evidence import TitleNames
from whatsapp_pipeline.steps.links.phone_evidence import phone_corrections, phone_corrections_are_due
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import contact_links as store
from whatsapp_pipeline.store.links import link_parts, link_report, overrides
from whatsapp_pipeline.store.links.decisions import CandidateRow, DecisionRow, Tally, to_json


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """Thresholds of a link, from 0 to 1. Contacts were normalized with the same `default_area_code`."""

    link_at: float = 0.95
    propose_at: float = 0.5
    default_area_code: str | None = None
    seed: int = 0
    name_fit_titles: int = TITLES_PER_FIT
    """Number of simulated titles for a fit of the name model."""

    def policy(self) -> Policy:
        """Return the policy with these thresholds."""
        return Policy(link=self.link_at, propose=self.propose_at)


class ContactLinking(MonthLinking):
    """Links the chats of the months of one run to contacts."""

    stage = "contact_links"
    unit = "chats"
    written = ("chats", "candidates")

    def __init__(self, options: LinkOptions, *, log: logging.Logger, names: TitleNames | None = None) -> None:
        super().__init__(log=log)
        self._options = options
        self._names = names or TitleNames(seed=options.seed, fit_titles=options.name_fit_titles, log=log)
        self._corrections: dict[str, float] | None = None
        self._contact_names: str | None = None

    def input_hashes(
        self, conn: Connection, month: str, before: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Return one hash per kind of input of the month's links. `MonthLinking` adds the hash of orders."""
        return {
            "rules": f"{rules_hash()} {self._options!r}",
            **(self._hashes_before_deciding(conn, month) if before is None else before),
            **link_parts.month_parts(conn, "contact_links", month),
        }

    def _contacts_part(self, conn: Connection, month: str) -> str:
        if self._contact_names is None:
            self._contact_names = link_parts.names_part(conn)
        return link_parts.contacts_part(conn, month, self._contact_names)

    def models_to_refit(self, conn: Connection, month: str) -> list[Fitted]:
        """Return the models that a run of the month would fit again before it links."""
        due: list[Fitted] = []
        if link_parts.asks_for_names(conn, month) and self._names.is_due(conn):
            due.append("model")
        if link_parts.has_phones(conn, month) and phone_corrections_are_due(conn):
            due.append("phone_weights")
        return due

    def _rules(self, conn: Connection) -> tuple[str, ...]:
        # This stores new corrections. They make links stale that were decided with older corrections.
        self._phone_corrections(conn)
        return (repr(self._options),)

    def _hashes_before_deciding(self, conn: Connection, month: str) -> dict[str, str]:
        return {"contacts": self._contacts_part(conn, month)}

    def _tally(self, conn: Connection, month: str) -> list[Tally]:
        return store.tally_chats(conn, month)

    def _phone_corrections(self, conn: Connection) -> dict[str, float]:
        if self._corrections is None:
            self._corrections = phone_corrections(conn, log=self._log)
        return self._corrections

    def _decide_and_write(self, conn: Connection, month: str) -> dict[str, int]:
        decisions = self.decide_staged(conn, store.stage_month_chats(conn, month))
        before = link_report.statuses(conn, month)
        changed = store.write_chat_links(conn, decision_rows(decisions), candidate_rows(decisions))
        _log_decisions(month, decisions)
        if changed["chats"]:
            link_report.record_run(conn, month, before, link_report.statuses(conn, month))
        return changed

    def decide_staged(self, conn: Connection, rows: Sequence[store.StagedChat]) -> list[LinkDecision]:
        """Choose a contact for each staged chat. Call this in the transaction that staged the chats."""
        chats = to_chats(rows, self._options.default_area_code)
        evidence = _collect_evidence(conn, chats, self._names)
        settled = settled_by_people(conn, evidence)
        policy = replace(self._options.policy(), phone_corrections=self._phone_corrections(conn))
        decisions = []
        for chat in chats:
            of_chat = settled.get(chat.id, SettledOverrides())
            found = without_refused(evidence[chat.id], of_chat.refused)
            decisions.append(apply_overrides(of_chat, decide_chat(chat, found, policy)))
        return decisions


def _log_decisions(month: str, decisions: Iterable[LinkDecision]) -> None:
    """Log each chat's contact, method and confidence at level debug."""
    log = detail_log()
    if not log.isEnabledFor(logging.DEBUG):
        return
    for decision in decisions:
        log.debug(
            "chat decided",
            extra=fields(
                asset="contact_links",
                month=month,
                chat=decision.id_chat_file,
                status=decision.status,
                contact_id=decision.id_contato,
                method=decision.method,
                confidence=decision.confidence,
            ),
        )


def settled_by_people(conn: Connection, evidence: Mapping[int, Evidence]) -> dict[int, SettledOverrides]:
    """Return the result of people's decisions for each staged chat with a decision, by chat."""
    return {
        chat: settle_overrides(decisions, phone_owners(evidence[chat]))
        for chat, decisions in overrides.about_staged(conn, "links/link_overrides_for").items()
    }


def to_chats(rows: Iterable[store.StagedChat], default_area_code: str | None) -> list[ChatToLink]:
    """Return staged chats as the domain's type."""
    return [_chat(row, default_area_code) for row in rows]


def _chat(row: store.StagedChat, default_area_code: str | None) -> ChatToLink:
    phone: Phone | None = None
    if row.phone_key is not None:
        # The key of the index identifies the phone. The text only shows how the number was typed.
        typed = parse_phone(row.phone_number or "", default_area_code=default_area_code)
        phone = (
            typed
            if typed is not None and typed.key == row.phone_key
            else Phone(row.phone_number or "", row.phone_key, PhoneKind.MOBILE, None, None)
        )
    return ChatToLink(
        row.id,
        row.title,
        phone,
        row.name,
        row.order_reference,
        tuple(row.devices),
        tuple(row.seen_devices),
        tuple(row.header_keys),
        row.is_group,
        row.first_day,
        row.last_day,
    )


def _area(hit: store.PhoneHitRow, chat: ChatToLink) -> Area:
    """Return whether the area codes of the contact and of the chat were written, assumed or unknown.

    The area code of a title may be the assumed default. The less certain of the two counts.
    """
    if hit.area == "unknown":
        return "unknown"
    assumed_in_title = (
        hit.source == "title" and chat.phone is not None and chat.phone.kind is PhoneKind.UNKNOWN_AREA
    )
    return "assumed" if hit.area == "assumed" or assumed_in_title else "written"


def _collect_evidence(
    conn: Connection, chats: Sequence[ChatToLink], title_names: TitleNames
) -> dict[int, Evidence]:
    """Return the evidence about each chat, with one statement per kind of evidence."""
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
    """Return, by chat, the phones of contacts that equal a phone of the staged chat."""
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
    """Add the names of contacts found for a named chat, and the devices of doubtful candidates."""
    has_name = {chat.id for chat in named}
    to_name = {chat: evidence[chat].contacts_named_directly() for chat in has_name}
    to_compare = {chat: found.contacts_to_compare_devices() for chat, found in evidence.items()}
    names = store.names_of_contacts(conn, set().union(*to_name.values()))
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
    """Yield decisions as rows of the tables."""
    for decision in decisions:
        yield DecisionRow(
            decision.id_chat_file,
            decision.status,
            decision.method,
            decision.confidence,
            decision.id_contato,
            list(decision.flags),
        )


def candidate_rows(decisions: Iterable[LinkDecision]) -> Iterator[CandidateRow]:
    """Yield the candidates of decisions as rows of the tables."""
    for decision in decisions:
        for rank, candidate in enumerate(decision.candidates, 1):
            yield CandidateRow(
                decision.id_chat_file,
                rank,
                candidate.id_contato,
                candidate.confidence,
                candidate.method,
                to_json(candidate.evidence),
            )
