"""Types of linking: a chat, the evidence about it, and the decision.

What belongs here: types, and the softmax that turns match weights into probabilities. What does not: rules.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from whatsapp_pipeline.domain.phones import Phone

Status = Literal["linked", "proposed", "ambiguous", "unmatched", "manual", "group"]
Source = Literal["title", "header"]
Area = Literal["written", "assumed", "unknown"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One reason for or against a candidate.

    Its match `weight` (log odds) is added to the candidate's score; `words` explain it to people.
    """

    name: str
    value: float
    weight: float
    words: str

    def as_dict(self) -> dict[str, str | float]:
        """Return the fields as the tables store them (ten times faster than `dataclasses.asdict`)."""
        return {"name": self.name, "value": self.value, "weight": self.weight, "words": self.words}


@dataclass(frozen=True, slots=True)
class ReliabilityBand:
    """Titles or sessions whose best posterior is in [low, high).

    `predicted` is the mean of their posteriors, `observed` the share of them whose best candidate is right.
    """

    low: float
    high: float
    count: int
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A contact that a chat may belong to. `confidence` is its posterior among all candidates and "none"."""

    id_contato: int
    confidence: float
    method: str
    evidence: tuple[Feature, ...]


@dataclass(frozen=True, slots=True)
class LinkDecision:
    """The decision on a chat.

    `id_contato` is set only for `linked` and `manual`. For every status, `candidates` begins with the best
    one, and `confidence` is that of the best candidate. `method` is None for `unmatched` and `group`.
    """

    id_chat_file: int
    status: Status
    method: str | None
    confidence: float | None
    id_contato: int | None
    candidates: tuple[Candidate, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds: the posterior from which a candidate is linked or proposed."""

    link: float = 0.95
    propose: float = 0.5
    runner_up: float = 1 / 3
    """A chat that is not linked is ambiguous if its second candidate has at least this share of the first
    one's posterior."""
    shortlist: int = 5
    phone_corrections: Mapping[str, float] = field(default_factory=dict)
    """Correction of each phone method's match weight, learned from verdicts."""


@dataclass(frozen=True, slots=True)
class ChatToLink:
    """A chat from its index row. `devices` are named in the title, `seen_devices` in the messages."""

    id: int
    title: str
    phone: Phone | None = None
    name: str | None = None
    order_reference: str | None = None
    devices: tuple[str, ...] = ()
    seen_devices: tuple[str, ...] = ()
    header_keys: tuple[str, ...] = ()
    """Keys of the phones in the file's message headers, the most frequent first."""
    is_group: bool = False
    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class PhoneHit:
    """A phone of a contact that equals a phone of the chat."""

    id_contato: int
    source: Source
    field: str  # celular | telefone
    area: Area
    same_digits: bool


@dataclass(frozen=True, slots=True)
class OrderHit:
    """An order that the chat names by its number, or by its id (`by_id`)."""

    id_ordem_servico: int
    id_contato: int
    source: Literal["title", "messages"]
    by_id: bool = False


@dataclass(frozen=True, slots=True)
class OwnedDevice:
    """A device that a contact brought, and the days on which its order was opened and closed."""

    device: str
    opened: date | None
    closed: date | None


@dataclass(frozen=True, slots=True)
class NameEvidence:
    """The name model's answer for a title: posteriors of the best contacts, and of none of them."""

    p_none: float
    candidates: tuple[tuple[int, float, tuple[Feature, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence about a chat. `names` has (nome, fantasia) of the contacts found by phone or order."""

    phones: Sequence[PhoneHit] = ()
    orders: Sequence[OrderHit] = ()
    name: NameEvidence | None = None
    names: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    devices: Mapping[int, Sequence[OwnedDevice]] = field(default_factory=dict)

    def contacts_named_directly(self) -> set[int]:
        """Return the contacts found by a phone or an order; the name in the title is compared with theirs."""
        return {hit.id_contato for hit in self.phones} | {hit.id_contato for hit in self.orders}

    def contacts_to_compare_devices(self) -> set[int]:
        """Return the contacts whose devices may decide: several, or one with an unsure area code."""
        listed = self.name.candidates if self.name is not None else ()
        contacts = self.contacts_named_directly() | {candidate[0] for candidate in listed}
        is_unsure = any(hit.area != "written" for hit in self.phones)
        return contacts if len(contacts) > 1 or is_unsure else set()


def softmax(scores: Mapping[int, float], none: float = 0.0) -> dict[int, float]:
    """Return posteriors for log odds; the option "none of these" has the log odds `none`."""
    if not scores:
        return {}
    top = max(none, *scores.values())
    parts = {key: math.exp(score - top) for key, score in scores.items()}
    total = sum(parts.values()) + math.exp(none - top)
    return {key: part / total for key, part in parts.items()}


def status_of(posteriors: Sequence[float], policy: Policy) -> Status:
    """Return the status that follows from posteriors, sorted best first."""
    if not posteriors:
        return "unmatched"
    best, second = posteriors[0], posteriors[1] if len(posteriors) > 1 else 0.0
    if best >= policy.link:
        return "linked"
    if second >= best * policy.runner_up and sum(posteriors[: policy.shortlist]) >= policy.propose:
        return "ambiguous"
    return "proposed" if best >= policy.propose else "unmatched"
