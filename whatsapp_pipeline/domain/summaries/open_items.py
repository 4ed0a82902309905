"""What is open in the current case: offers without an answer and deadlines that are awaited.

What belongs here: selecting them. What does not: their sentences (text.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from whatsapp_pipeline.domain.commitments.status import BILLED, Commitment, same_order
from whatsapp_pipeline.domain.summaries.case import CASE_AGE, SAID_LAST, Case, latest_of_kind
from whatsapp_pipeline.domain.summaries.case_prices import latest_offer
from whatsapp_pipeline.domain.summaries.deadline_text import SPANS, deadlines_of_work
from whatsapp_pipeline.domain.summaries.decisions import approval_is_sure


def unanswered_offer(case: Case) -> list[Commitment]:
    """Return the quotes of the latest offer if the customer neither approved nor refused it.

    Only certain cases count: the customer wrote nothing after the quote, or wrote that they have not decided.
    """
    quotes, undecided = undecided_offer(case), case.followed.undecided
    if not quotes or _is_of_approved_work(quotes, case):
        return []
    last = case.last_customer_at
    is_silent = last is None or last < quotes[-1].said.at
    is_undecided = (
        undecided is not None
        and last is not None
        and undecided.at >= max(last - SAID_LAST, quotes[-1].said.at)
    )
    return quotes if is_silent or is_undecided else []


def _is_of_approved_work(quotes: Sequence[Commitment], case: Case) -> bool:
    """Return whether the customer approved work before an offer, which then may be a discount or a total."""
    since = quotes[0].said.at
    ended = [said.at for said in (case.followed.done, case.followed.collected) if said is not None]
    return any(
        one.said.mention.kind == "quote_approved"
        and case.last_at - CASE_AGE <= one.said.at < since
        and approval_is_sure(one, case)
        and same_order(one.said, quotes[0].said)
        and not any(one.said.at <= at <= since for at in ended)
        for one in case.followed.commitments
    )


def undecided_offer(case: Case) -> list[Commitment]:
    """Return the quotes of the latest offer for which no answer was understood.

    A fee or a total needs no decision. If the work was reported ready after the offer, somebody approved the
    offer elsewhere. A customer who brings the device after a first price decides after the shop has looked at
    it.
    """
    ready = case.followed.ready or case.followed.collected
    quotes = [
        one
        for one in latest_offer(case.commitments)
        if one.outcome is None and one.said.mention.sort in {None, "rough", "each"}
    ]
    if not quotes or case.brings is not None:
        return []
    since = quotes[-1].said.at
    # A price soon after the report that the work is ready may be the final cost.
    done = case.followed.ready
    if done is not None and since - done.at <= BILLED and same_order(done, quotes[-1].said):
        return []
    answered = (ready is not None and ready.at >= since) or any(
        one.said.mention.side == "customer" and one.said.at >= since for one in case.commitments
    )
    return [] if answered else quotes


def awaited(case: Case) -> list[Commitment]:
    """Return the promised deadlines that have started, and that no evidence shows to be kept or broken.

    The deadline does not run before the customer has decided on the work. If the shop wrote on the day of the
    deadline or later, it may have reported the work ready in words that the rules do not recognise.
    """
    quotes = undecided_offer(case)
    return [
        one
        for one in deadlines_of_work(latest_of_kind(case.commitments, "deadline_promised"), case)
        if one.outcome is None
        # The day on which a duration ends is not certain: it may begin later.
        and (one.said.mention.due or "d")[0] not in SPANS
        and not _may_be_ready(one, case)
        and _is_agreed(one, case)
        and (not quotes or one.said.at < quotes[0].said.at)
    ]


def _is_agreed(deadline: Commitment, case: Case) -> bool:
    """Return whether the shop surely works on what it promised.

    The customer approved it or paid, an order is linked, or the shop named no price before.
    """
    if case.orders:
        return True
    kinds = {one.said.mention.kind for one in case.commitments}
    if not kinds.isdisjoint({"quote_approved", "payment_announced"}):
        return True
    return not any(
        one.said.mention.kind == "price_quoted" and one.said.at <= deadline.said.at
        for one in case.commitments
    )


def _may_be_ready(deadline: Commitment, case: Case) -> bool:
    """Return whether the work may be ready: the shop reported so since, or wrote on the day or later."""
    if case.done is not None and case.done.at >= deadline.said.at:
        return True
    last = case.last_staff_at
    if last is None or deadline.due_on is None or last <= deadline.said.at + SAID_LAST:
        return False
    return last.date() >= deadline.due_on
