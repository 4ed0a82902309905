"""Deciding the contact of a chat, with confidence and reasons.

What belongs here: the order of the kinds of evidence, their match weights, and the flags. What does not:
comparing names (names/) and orders of sessions (orders.py). A decision is a pure function of the chat and its
evidence.

The kinds are tried in order: phones, orders, names. The first kind that finds a contact determines the
candidates, and later kinds change their weights. A contact that only the name fits is listed below them. So a
name never has more weight than a phone, but it decides between contacts that share a phone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from whatsapp_pipeline.domain.matching.few_names import word_agreement
from whatsapp_pipeline.domain.matching.link_types import (
    Candidate,
    ChatToLink,
    Evidence,
    Feature,
    LinkDecision,
    OwnedDevice,
    PhoneHit,
    Policy,
    softmax,
    status_of,
)
from whatsapp_pipeline.domain.phones import PhoneKind

# Match weights: log odds against "none of these". A weight of 7 means one error in a thousand.
_PHONE = {
    "exact_phone": (7.0, "the title's phone is this contact's mobile, digit by digit"),
    "normalized_phone": (6.0, "the title's phone is this contact's mobile once both are normalized"),
    "secondary_phone": (5.0, "the title's phone is this contact's telephone"),
    "phone_header": (4.5, "the phone inside the file is this contact's"),
}
_ASSUMED_AREA = Feature("assumed_area", 1, -3.3, "an area code is not written: the default one was assumed")
_UNKNOWN_AREA = Feature(
    "unknown_area", 1, -4.0, "an area code is unknown: only the last eight digits are compared"
)
_FOREIGN_HEADER = Feature("header_differs", 1, -3.0, "the title holds another phone, which no contact has")
_NAME_AGREES = ("name_agrees", 4.0, "the title's name fits this contact's")
_NAME_DIFFERS = ("name_differs", -1.0, "the title's name has nothing of this contact's")
_NAME_ELSEWHERE = ("name_elsewhere", -1.0, "the title's name fits another contact better")
_ORDER_IN_TITLE = ("order_in_title", 5.0, "the order in the title is this contact's")
_ORDER_ID_IN_TITLE = (
    "order_id_in_title",
    3.0,
    "the number in the title is the id of an order of this contact's",
)
_ORDER_IN_MESSAGES = ("order_in_messages", 4.0, "an order named in the messages is this contact's")
_ORDER_ELSEWHERE = ("order_elsewhere", -1.5, "the order in the title belongs to another contact")
_DEVICE_NEAR = ("equipment_near", 3.2, "the only candidate with an order for this device at that time")
_DEVICE_FITS = ("equipment_fits", 1.5, "has an order for this device at that time")
_DEVICE_EVER = ("equipment_ever", 1.5, "the only candidate with an order for this device")
_MESSAGE_ORDER_ALONE = -2.0  # an order number in the messages, without other evidence, is only a proposal
_NEAR_DAYS = 60

# The title's name fits a contact if at least this share of its words agrees, or if the name model's posterior
# is at least this.
_AGREES = 0.6
_MODEL_AGREES = 0.1

_Reasons = dict[int, list[Feature]]


def decide_chat(chat: ChatToLink, evidence: Evidence, policy: Policy) -> LinkDecision:
    """Link one chat. A group has no contact. People's decisions are applied elsewhere (overrides.py)."""
    if chat.is_group:
        return LinkDecision(chat.id, "group", None, None, None)
    flags: set[str] = set()
    reasons, method = _phone_tier(chat, evidence, policy.phone_corrections, flags)
    if not reasons:
        reasons, method = _order_tier(chat, evidence, flags)
    if reasons:
        return _conclude(chat, evidence, reasons, method, policy, flags)
    if evidence.name is not None and evidence.name.candidates:
        reasons = _name_tier(evidence)
        method = dict.fromkeys(reasons, "name_match")
    else:
        reasons = _message_order_tier(evidence)
        method = dict.fromkeys(reasons, "order_number")
    return _conclude(chat, evidence, reasons, method, policy, flags)


def _conclude(
    chat: ChatToLink,
    evidence: Evidence,
    reasons: _Reasons,
    method: dict[int, str],
    policy: Policy,
    flags: set[str],
) -> LinkDecision:
    """Add orders and devices if the first evidence is not sure enough, then apply the policy."""
    for contact in reasons:
        method.setdefault(contact, "name_match")  # a competing candidate that only the name found
    before = _posteriors(reasons)
    after_orders = before
    if status_of(_sorted(before), policy) != "linked":
        _add_orders_of_messages(evidence, reasons)
        after_orders = _posteriors(reasons)
        _add_devices(chat, evidence, reasons)
    posteriors = _posteriors(reasons)
    ranked = sorted(posteriors, key=lambda contact: (-posteriors[contact], contact))
    status = status_of([posteriors[contact] for contact in ranked], policy)
    for contact in ranked[:1]:
        # The method names the evidence that changed the status.
        if status_of(_sorted(after_orders), policy) != status and posteriors[contact] > after_orders[contact]:
            method[contact] = "equipment_match"
        elif status_of(_sorted(before), policy) != status and after_orders[contact] > before[contact]:
            method[contact] = "order_number"
    candidates = tuple(
        Candidate(contact, round(posteriors[contact], 6), method[contact], tuple(reasons[contact]))
        for contact in ranked[: policy.shortlist]
    )
    best = candidates[0] if candidates else None
    return LinkDecision(
        chat.id,
        status,
        best.method if best is not None and status != "unmatched" else None,
        best.confidence if best else None,
        best.id_contato if best is not None and status == "linked" else None,
        candidates,
        tuple(sorted(flags)),
    )


def _score(features: Iterable[Feature]) -> float:
    return math.fsum(feature.weight for feature in features)


def _posteriors(reasons: _Reasons) -> dict[int, float]:
    return softmax({contact: _score(features) for contact, features in reasons.items()})


def _sorted(posteriors: dict[int, float]) -> list[float]:
    return sorted(posteriors.values(), reverse=True)


# Phones.


def phone_method(hit: PhoneHit) -> str:
    """Return the method of a link by this phone."""
    if hit.source == "header":
        return "phone_header"
    if hit.field == "telefone":
        return "secondary_phone"
    return "exact_phone" if hit.same_digits and hit.area == "written" else "normalized_phone"


def phone_weights() -> dict[str, float]:
    """Return the shipped match weight of each phone method."""
    return {method: weight for method, (weight, _) in _PHONE.items()}


def _hit_features(hit: PhoneHit, corrections: Mapping[str, float]) -> list[Feature]:
    method = phone_method(hit)
    weight, words = _PHONE[method]
    features = [Feature(method, 1, weight, words)]
    if correction := corrections.get(method):
        features.append(Feature("verdicts", 1, correction, "what reviewers said of links by such a phone"))
    if hit.area != "written":
        features.append(_ASSUMED_AREA if hit.area == "assumed" else _UNKNOWN_AREA)
    return features


def _phone_tier(
    chat: ChatToLink, evidence: Evidence, corrections: Mapping[str, float], flags: set[str]
) -> tuple[_Reasons, dict[int, str]]:
    disagree = _title_header_disagree(chat)
    if disagree:
        flags.add("title_header_disagree")
    best: dict[int, tuple[float, PhoneHit]] = {}
    for hit in evidence.phones:
        score = _score(_hit_features(hit, corrections))
        if hit.id_contato not in best or score > best[hit.id_contato][0]:
            best[hit.id_contato] = (score, hit)
    reasons = {contact: _hit_features(hit, corrections) for contact, (_, hit) in best.items()}
    method = {contact: phone_method(hit) for contact, (_, hit) in best.items()}
    title_hit = any(hit.source == "title" for _, hit in best.values())
    if disagree and not title_hit:
        for features in reasons.values():
            features.append(_FOREIGN_HEADER)
    written = Counter(hit.source for _, hit in best.values() if hit.area == "written")
    if any(contacts > 1 for contacts in written.values()):
        flags.add("shared_phone")
    if reasons:
        _add_names(chat, evidence, reasons, flags, "phone_name_disagree")
        _add_title_order(chat, evidence, reasons, flags)
    return reasons, method


def _title_header_disagree(chat: ChatToLink) -> bool:
    """Return whether the title has a phone and no phone in the message headers equals it.

    An unknown area code equals any. Without phones in headers, nothing disagrees.
    """
    if (
        chat.phone is None
        or chat.phone.key is None
        or chat.phone.kind is PhoneKind.LID
        or not chat.header_keys
    ):
        return False
    key = chat.phone.key
    return not any(
        key == other or ("xx" in (key[:2], other[:2]) and key[-8:] == other[-8:])
        for other in chat.header_keys
    )


# Names, to choose among candidates and to check them.


def _fit(chat: ChatToLink, evidence: Evidence, contact: int) -> float:
    """Return how well the name in the title fits a contact's, from 0 to 1: by words, or by the name model."""
    words = max(
        (word_agreement(chat.title, name) for name in evidence.names.get(contact, ()) if name), default=0.0
    )
    listed = evidence.name.candidates if evidence.name is not None else ()
    modelled = max((posterior for other, posterior, _ in listed if other == contact), default=0.0)
    return max(words, 1.0 if modelled >= _MODEL_AGREES else 0.0)


def _add_names(
    chat: ChatToLink, evidence: Evidence, reasons: _Reasons, flags: set[str], disagreement: str
) -> None:
    """Add the name in the title to the candidates' reasons, and flag a name that fits none of them."""
    if not chat.name:
        return
    fits = {contact: _fit(chat, evidence, contact) for contact in reasons}
    for contact, fit in fits.items():
        if fit >= _AGREES:
            reasons[contact].append(_feature(_NAME_AGREES, fit))
        elif fit == 0 and any(evidence.names.get(contact, ())):
            reasons[contact].append(_feature(_NAME_DIFFERS))
    if max(fits.values()) == 0:
        flags.add(disagreement)
    named = evidence.name.candidates[:1] if evidence.name is not None else ()
    for other, posterior, features in named:
        if other in reasons or posterior < 0.5 or max(fits.values()) >= _AGREES:
            continue
        flags.add(disagreement)
        for contact in list(reasons):
            # A phone in a header is weaker evidence than one in the title, so the name counts twice.
            doubt = 2 if any(f.name == "phone_header" for f in reasons[contact]) else 1
            reasons[contact] += [_feature(_NAME_ELSEWHERE, posterior)] * doubt
        # The contact that fits better is listed for the reviewer, below those that a phone or order found.
        ceiling = max(_score(reasons[contact]) for contact in reasons) - 3.5
        closing = Feature("outranked", 1, ceiling - _score(features), "a phone or order outranks a name")
        reasons[other] = [*features, closing]


def _feature(kind: tuple[str, float, str], value: float = 1.0) -> Feature:
    name, weight, words = kind
    return Feature(name, round(value, 4), weight, words)


# Orders and devices.


def _add_title_order(chat: ChatToLink, evidence: Evidence, reasons: _Reasons, flags: set[str]) -> None:
    owners = {hit.id_contato for hit in evidence.orders if hit.source == "title" and not hit.by_id}
    if not owners or chat.order_reference is None:
        return
    if owners.isdisjoint(reasons):
        flags.add("order_contact_disagree")
    for contact, features in reasons.items():
        if contact in owners:
            features.append(_feature(_ORDER_IN_TITLE))
        elif owners.isdisjoint(reasons):
            features.append(_feature(_ORDER_ELSEWHERE))


def _order_tier(chat: ChatToLink, evidence: Evidence, flags: set[str]) -> tuple[_Reasons, dict[int, str]]:
    titled = [hit for hit in evidence.orders if hit.source == "title"]
    reasons: _Reasons = {}
    for hit in sorted(titled, key=lambda hit: (hit.by_id, hit.id_contato)):
        if hit.id_contato not in reasons:
            reasons[hit.id_contato] = [_feature(_ORDER_ID_IN_TITLE if hit.by_id else _ORDER_IN_TITLE)]
    if reasons:
        _add_names(chat, evidence, reasons, flags, "order_name_disagree")
    if "order_name_disagree" in flags:
        for features in reasons.values():  # both were typed by hand, so neither of them alone makes a link
            features.append(
                Feature("doubt", 1, -2.0, "an order and a name that disagree are for a person to decide")
            )
    return reasons, dict.fromkeys(reasons, "order_number")


def _message_order_tier(evidence: Evidence) -> _Reasons:
    """Return the contacts whose order number is in the messages, if no other evidence was found."""
    owners = {hit.id_contato for hit in evidence.orders if hit.source == "messages" and not hit.by_id}
    alone = Feature("alone", 1, _MESSAGE_ORDER_ALONE, "nothing else speaks for it")
    return {contact: [_feature(_ORDER_IN_MESSAGES), alone] for contact in sorted(owners)}


def _add_orders_of_messages(evidence: Evidence, reasons: _Reasons) -> None:
    for contact in {hit.id_contato for hit in evidence.orders if hit.source == "messages" and not hit.by_id}:
        features = reasons.get(contact)
        if features is not None and not any(feature.name.startswith("order_") for feature in features):
            features.append(_feature(_ORDER_IN_MESSAGES))


def _add_devices(chat: ChatToLink, evidence: Evidence, reasons: _Reasons) -> None:
    """Add a reason for the only candidate that has an order for a device."""
    for device in dict.fromkeys((*chat.devices, *chat.seen_devices)):
        owners = {
            contact: [owned for owned in evidence.devices.get(contact, ()) if owned.device == device]
            for contact in reasons
        }
        holders = [contact for contact, owned in owners.items() if owned]
        near = [contact for contact in holders if any(_near(chat, owned) for owned in owners[contact])]
        if len(near) == 1:
            reasons[near[0]].append(_feature(_DEVICE_NEAR if len(reasons) > 1 else _DEVICE_FITS))
            return  # several words for one device are one piece of evidence
        if len(holders) == 1 and not near and len(reasons) > 1:
            reasons[holders[0]].append(_feature(_DEVICE_EVER))
            return


def _near(chat: ChatToLink, owned: OwnedDevice) -> bool:
    if chat.first_day is None or chat.last_day is None or owned.opened is None:
        return False
    closed = owned.closed or owned.opened
    return (owned.opened - chat.last_day).days <= _NEAR_DAYS and (chat.first_day - closed).days <= _NEAR_DAYS


# Names alone.


def _name_tier(evidence: Evidence) -> _Reasons:
    """Return the name model's candidates with reasons that add up to the log odds of its posteriors."""
    assert evidence.name is not None  # the caller checked
    listed = evidence.name.candidates
    rest = max(1.0 - math.fsum(posterior for _, posterior, _ in listed), 1e-6)
    reasons: _Reasons = {}
    for contact, posterior, features in listed:
        odds = math.log(max(posterior, 1e-9) / rest)
        # The model's weights compare a candidate with the others. The last feature makes the sum equal
        # the log odds.
        closing = Feature(
            "other_candidates",
            1,
            odds - _score(features),
            "compared with the other candidates and with nobody",
        )
        reasons[contact] = [*features, closing]
    return reasons
