"""The sentence about the customer's decision: approval, refusal, payment, pick-up.

What belongs here: wording of typed facts. What does not: which decisions are certain (decisions.py) and the
shop's offer (offer_text.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from whatsapp_pipeline.domain.commitments.status import Commitment, Said
from whatsapp_pipeline.domain.summaries.case import CASE_AGE, ONE_TALK, SAID_LAST, Case, latest_of_kind
from whatsapp_pipeline.domain.summaries.case_days import day_holds
from whatsapp_pipeline.domain.summaries.case_prices import amounts_of, latest_offer, plain_prices
from whatsapp_pipeline.domain.summaries.deadline_text import DayWords
from whatsapp_pipeline.domain.summaries.decisions import ONE_ANSWER, TAKEN_BACK, is_made, is_sure_decision
from whatsapp_pipeline.domain.summaries.open_items import undecided_offer
from whatsapp_pipeline.domain.summaries.wording import Claim, join_words, say_date, say_money, unique_refs

# A pick-up that was agreed longer than this before the last message is not mentioned.
_STALE_PICKUP = timedelta(days=14)
# Kinds that occur only when the shop has the device.
_DEVICE_IS_THERE = frozenset({"quote_approved", "quote_refused", "deadline_promised"})


def _names_part(decided: Sequence[Commitment]) -> bool:
    """Return whether the last decision, or an opposite one just before it, is about a part of the offer."""
    last = decided[-1]
    return any(
        one.said.mention.sort == "part" for one in decided[-2:] if last.said.at - one.said.at <= ONE_ANSWER
    )


def _say_decision(decided: Sequence[Commitment], case: Case, days: DayWords) -> tuple[str, list[Commitment]]:
    """Return the text of the customer's last decision, with the decisions that it cites."""
    last = decided[-1]
    prices = [one for one in case.commitments if one.said.mention.kind == "price_quoted"]
    priced = [one.said.at for one in prices if one.said.mention.sort != "fee"]
    takes_back = last.said.mention.sort in TAKEN_BACK
    # What is refused before another price may be an extra.
    until = last.said.at if last.said.mention.kind == "quote_approved" else None
    is_vague = not _names_part(decided) and not plain_prices(case, until)
    if not takes_back and ((prices and not priced) or is_vague):
        # "Fechado, sábado 10h": the visit was agreed. Of several amounts, any may have been.
        return "", []
    before = decided[-2] if len(decided) > 1 else None
    if before is not None and before.said.mention.kind != last.said.mention.kind:
        text = _say_change(before, last, case, days)
        if text is not None:
            return text, [before, last] if text else []
    is_priced = bool(priced) and min(priced) <= last.said.at
    if last.said.mention.kind == "quote_approved":
        what = _say_approved(last) if is_priced else "o serviço"
        later = [one for one in undecided_offer(case) if one.said.at > last.said.at]
        if later:
            what = _say_earlier(last, later, case)
        return (f"aprovou {what}{days.said(last.said.at)}", [last]) if what else ("", [])
    if takes_back:
        on = days.said(last.said.at)
        # "Vou ter que cancelar" may be said of a visit.
        is_visit = last.said.mention.sort == "called_off"
        return (f"cancelou{on} o que estava combinado" if is_visit else f"desistiu do serviço{on}"), [last]
    if is_priced:
        part = "" if plain_prices(case, last.said.at) else "uma parte d"
        return f"recusou {part}o orçamento{days.said(last.said.at)}", [last]
    # Without a price, a refusal may be about something else: "já comprei outro carregador".
    return (f"desistiu do conserto{days.said(last.said.at)}", [last]) if case.turned_down else ("", [])


def _say_approved(approval: Commitment) -> str:
    """Write what was approved: the offer, or the part of it that the message names."""
    return "uma parte do orçamento" if approval.said.mention.sort == "part" else "o orçamento"


def _say_earlier(approval: Commitment, later: Sequence[Commitment], case: Case) -> str:
    """Write the one quote that was approved before another offer.

    Return an empty string if it is not certain: an offer of the same day may be the same one with an extra.
    """
    approved = [
        one
        for one in case.followed.commitments
        if one.said.mention.kind == "price_quoted" and one.outcome_ref == approval.said.ref
    ]
    prices = [one for one in case.followed.commitments if one.said.mention.kind == "price_quoted"]
    is_near = any(timedelta() <= one.said.at - approval.said.at <= ONE_TALK for one in [*prices, later[0]])
    if is_near or len(amounts_of(approved)) != 1 or approved[0].said.mention.sort is not None:
        return ""
    if approved[0].said.mention.amount is None or approval.said.mention.sort is not None:
        return ""
    return f"o orçamento de {say_money(approved[0].said.mention.amount)}"


def _say_change(before: Commitment, last: Commitment, case: Case, days: DayWords) -> str | None:
    """Write two opposite decisions.

    Return "" if one of them was misread, and None if the last one is enough.
    """
    if last.said.at - before.said.at <= ONE_ANSWER:
        sorts = {before.said.mention.sort, last.said.mention.sort}
        part = "part" in sorts and len(amounts_of(latest_offer(case.commitments))) > 1
        if before.outcome is None or part:
            return f"aprovou uma parte do orçamento e recusou outra{days.said(last.said.at)}"
        return ""  # the decisions are about one price, so one of them was misread
    prices = [
        one.said.at
        for one in case.commitments
        if one.said.mention.kind == "price_quoted" and one.said.mention.sort != "fee"
    ]
    approved = last.said.mention.kind == "quote_approved" and before.outcome_ref == last.said.ref
    if not approved or not prices or max(prices) > last.said.at:
        return None
    is_one_day = before.said.at.date() == last.said.at.date()
    refused = "antes tinha recusado" if is_one_day else f"tinha recusado em {say_date(before.said.at)}"
    return f"aprovou{days.said(last.said.at)} o orçamento que {refused}"


def _paid_amount(payment: Commitment, case: Case) -> Decimal | None:
    """Return the amount of a payment, if the words name it and the shop had asked for it."""
    said = case.remarks.get("said_amount")
    if said is None or said.ref != payment.said.ref or said.mention.amount is None:
        return None
    asked = {
        one.said.mention.amount or Decimal()
        for one in case.followed.commitments
        if one.said.mention.kind == "price_quoted" and one.said.at <= said.at
    }
    sums = {a + b for a in asked for b in asked if a != b} | {a / 2 for a in asked}
    return said.mention.amount if said.mention.amount in asked | sums else None


def _say_pickup(pickup: Commitment, case: Case, days: DayWords, thing: str | None) -> str:
    """Write an agreed pick-up; "a retirada" leaves open who comes."""
    # Before the customer decided and the shop promised a day, they may bring the device, or buy a cable.
    there = any(
        one.said.mention.kind in _DEVICE_IS_THERE and one.said.at <= pickup.said.at
        for one in case.commitments
    ) or (case.ready is not None and case.ready.at <= pickup.said.at)
    if pickup.said.mention.sort == "weak":
        there = case.ready is not None and case.ready.at <= pickup.said.at
    # Who buys a cable collects no device.
    if there and "said_shops" not in case.remarks:
        on = days.due(pickup.due_on, pickup.said, pickup.due_time, "para")
        return f"combinou a retirada{_of(thing)}{on}"
    return f"ficou de passar na loja{days.due(pickup.due_on, pickup.said, pickup.due_time, 'em')}"


def _of(thing: str | None) -> str:
    """Write "do aparelho", "da bicicleta"; nothing where it is not known what the shop has."""
    if thing is None:
        return ""
    return f" de {thing}" if thing.startswith("um") else f" d{thing}"


def _say_collected(collected: Said, case: Case, thing: str | None) -> str:
    """Write that the device left the shop."""
    is_handed = collected.mention.length == "handed"
    if "said_shops" in case.remarks:
        thing = "o que foi comprado"
    elif case.orders > 1:
        thing = "um aparelho"
    if thing is None:
        return f"a {'entrega' if is_handed else 'retirada'} já foi feita"
    ending = "a" if thing.startswith(("a ", "uma ")) else "o"
    return f"{thing} já foi {'entregue' if is_handed else f'retirad{ending}'}"


def _decisions_of(case: Case) -> list[Commitment]:
    """Return the certain approvals and refusals, the latest last.

    A refusal that the customer withdrew is among them: it is written together with the approval.
    """
    decided = [
        one
        for one in case.followed.commitments
        if one.said.mention.kind in {"quote_approved", "quote_refused"}
        and one.said.at >= case.last_at - CASE_AGE
    ]
    decided.sort(key=lambda one: one.said.at)
    found = [one for one in decided if one.outcome == "superseded" or is_sure_decision(one, case)]
    while len(found) > 1 and _only_repeats(found[-2], found[-1]):
        found.pop()
    return found


def _only_repeats(before: Commitment, last: Commitment) -> bool:
    """Return whether a refusal only repeats what was cancelled: "pode cancelar", "não quero mais"."""
    kinds = {before.said.mention.kind, last.said.mention.kind}
    is_near = last.said.at - before.said.at <= ONE_TALK
    return kinds == {"quote_refused"} and before.said.mention.sort in TAKEN_BACK and is_near


def _payments_of(case: Case) -> list[Commitment]:
    """Return the payments of the latest message that has one."""
    owed = [
        one.said.at
        for one in case.commitments
        if one.said.mention.kind in {"price_quoted", "deadline_promised"} and one.said.mention.side == "staff"
    ] + [said.at for said in (case.done, case.collected) if said is not None]
    # "Paguei 90 nela" before any price of the shop is about something else.
    return [
        one
        for one in latest_of_kind([it for it in case.commitments if is_made(it)], "payment_announced")
        if one.outcome == "kept" or one.said.mention.sort != "weak" or any(at <= one.said.at for at in owed)
    ]


def _pickups_of(case: Case) -> list[Commitment]:
    """Return the latest pick-up that the customer announced, if it is recent and still to come."""
    collected = case.collected
    return [
        one
        for one in latest_of_kind(case.commitments, "pickup_agreed", "customer")[-1:]
        if one.outcome is None
        and _is_to_come(one, case)
        and one.said.at >= case.last_at - _STALE_PICKUP
        and (collected is None or collected.at < one.said.at)
    ]


def _is_to_come(pickup: Commitment, case: Case) -> bool:
    """Return whether no later message contradicts a visit.

    A visit without a day counts for an hour after the message that agrees to it.
    """
    if pickup.due_on is None:
        return case.last_at - pickup.said.at <= SAID_LAST
    return day_holds(pickup, case)


def _say_payment(payment: Commitment, case: Case, days: DayWords) -> str:
    """Write that the customer paid, or says so, with the amount if it is certain."""
    paid = _paid_amount(payment, case)
    what = f" de {say_money(paid)}" if paid is not None else ""
    if payment.outcome == "kept":
        what += ", confirmado pela loja"
    if payment.said.mention.sort == "to_come":
        return f"fez um pagamento{what}"
    return f"informou{days.said(payment.said.at)} que fez um pagamento{what}"


def decision(case: Case, thing: str | None = "o aparelho", *, several: bool = False) -> Claim | None:
    """Return the decisions and announcements of the customer: approval, payment, pick-up.

    `thing` is what the shop works on, with its article; None where no message names it, or several.
    """
    decided, payments, pickups = _decisions_of(case), _payments_of(case), _pickups_of(case)
    collected = case.collected
    days = DayWords()
    parts: list[str] = []
    used: list[Commitment] = []
    if decided and decided[-1].outcome != "superseded":
        text, used = _say_decision(decided, case, days)
        parts += [text] if text else []
    first_paid = bool(used and payments and payments[-1].said.at < used[-1].said.at)
    if first_paid:
        days, parts = DayWords(), []
    parts += [_say_payment(one, case, days) for one in payments[-1:]]
    if first_paid:
        parts.append(_say_decision(decided, case, days)[0])
    parts += [_say_pickup(one, case, days, thing) for one in pickups]
    if case.brings is not None:
        said, day = case.brings
        what = thing or ("os itens" if several else "o item")
        parts.append(f"ficou de levar {what}{days.due(day, said, None, 'em')}")
    text = f"O cliente {join_words(parts)}" if parts else ""
    if collected is not None:
        said_so = _say_collected(collected, case, "um dos aparelhos" if several else thing)
        text += f"; {said_so}" if text else f"{said_so[:1].upper()}{said_so[1:]}"
    if not text:
        return None
    used += [*payments[-1:], *pickups]
    refs = unique_refs(
        *(one.said.ref for one in used),
        *(one.outcome_ref for one in payments[-1:]),
        collected.ref if collected else None,
        case.brings[0].ref if case.brings else None,
    )
    return Claim(kind="decision", text=f"{text}.", messages=refs, orders=[])
