"""The customer's decisions: which of them are certain.

What belongs here: judging approvals, refusals and payments by what both sides wrote later. What does not:
sentences about them (decision_text.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from whatsapp_pipeline.domain.commitments.status import Commitment
from whatsapp_pipeline.domain.summaries.case import CASE_AGE, ONE_OFFER, ONE_TALK, Case

# Opposite decisions within this time are about different parts of an offer.
ONE_ANSWER = timedelta(hours=1)
DECISIONS = frozenset({"quote_approved", "quote_refused"})
# What takes back an order, or a visit.
TAKEN_BACK = frozenset({"cancel", "called_off"})
_STAFF_GOES_ON = frozenset({"deadline_promised", "price_quoted"})


def is_sure_decision(one: Commitment, case: Case) -> bool:
    """Return whether a decision is surely about a quote, and the customer has not changed it since."""
    reconsidered = case.followed.remarks.get("said_reconsiders")
    if reconsidered is not None and reconsidered.at > one.said.at:
        return False
    is_refusal = one.said.mention.kind == "quote_refused"
    return refusal_holds(one, case) if is_refusal else approval_is_sure(one, case)


def _staff_commitments(case: Case) -> list[Commitment]:
    return [one for one in case.followed.commitments if one.said.mention.side == "staff"]


def refusal_holds(refusal: Commitment, case: Case) -> bool:
    """Return whether no message after a refusal shows that the work continues."""
    at, done, brings = refusal.said.at, case.followed.done, case.followed.brings
    if done is not None and done.at <= at <= done.at + ONE_OFFER:
        return False  # of something else, when the work was ready
    if refusal.said.mention.sort == "weak":
        return False
    goes_on = any(
        it.said.at >= at + ONE_ANSWER
        and it.said.mention.kind in _STAFF_GOES_ON
        and it.said.mention.sort != "fee"
        for it in _staff_commitments(case)
    )
    return not goes_on and not (done and done.at > at) and not (brings and brings[0].at > at)


def approval_is_sure(approval: Commitment, case: Case) -> bool:
    """Return whether an approval is for a quote, and not for a visit, a payment or a day."""
    at, done, staff = approval.said.at, case.followed.done, _staff_commitments(case)
    quotes = [
        it
        for it in staff
        if it.said.mention.kind == "price_quoted"
        and it.said.mention.sort not in {"fee", "total"}
        and at - CASE_AGE <= it.said.at <= at
    ]
    ended = [
        it.said.at
        for it in case.followed.commitments
        if it.said.mention.kind == "payment_announced" and is_made(it) and it.said.at < at
    ]
    # The approval is of something else when the quote was paid. "Vou fazer agora": the payment of ready work.
    is_paid = bool(ended and quotes) and not any(it.said.at > ended[-1] for it in quotes)
    is_done = done is not None and done.at <= at and not any(it.said.at > done.at for it in quotes)
    if is_paid or is_done:
        return False
    if not quotes and not case.orders and approval.said.order is None:
        # "Façam isso" may be about anything, unless the shop has begun to work.
        if approval.said.mention.sort == "weak":
            return False
        begins = any(it.said.mention.kind == "deadline_promised" and it.said.at >= at for it in staff)
        return begins or (done is not None and done.at > at)
    return approval.said.mention.sort != "weak" or _agrees_to_price(approval, quotes, case)


def _agrees_to_price(approval: Commitment, quotes: Sequence[Commitment], case: Case) -> bool:
    """Return whether "fechado" or "combinado", which may agree to anything, follows a price, and no day."""
    at = approval.said.at
    near = [it for it in quotes if at - it.said.at <= ONE_TALK]
    if not near or _agrees_to_day(approval, quotes, case):
        return False
    if all(it.said.mention.sort != "rough" for it in near):
        return True
    return any(
        it.said.mention.kind == "deadline_promised" and it.said.at >= at for it in _staff_commitments(case)
    )


def _agrees_to_day(approval: Commitment, quotes: Sequence[Commitment], case: Case) -> bool:
    """Return whether "fechado" follows a day that the shop named after its price."""
    since = max((one.said.at for one in quotes), default=approval.said.at)
    return any(
        day.said.mention.side == "staff" and since < day.said.at <= approval.said.at
        for day in case.followed.days
    )


def is_made(payment: Commitment) -> bool:
    """Return whether a payment was made, not only announced."""
    return payment.outcome == "kept" or payment.said.mention.sort != "to_come"


def over_since(case: Case, first_at: datetime) -> datetime | None:
    """Return the time since which a customer who said goodbye expects nothing.

    Such a customer paid, refused, or only asked.
    """
    done, last = case.done, max(case.commitments, key=lambda one: one.said.at, default=None)
    if last is None:
        return first_at if done is None and case.followed.brings is None else None
    if last.said.mention.kind == "payment_announced":
        return last.said.at if done is not None and done.at <= last.said.at and is_made(last) else None
    return last.said.at if last.said.mention.kind == "quote_refused" and refusal_holds(last, case) else None
