"""The prices of the current case: which belong to the last matter, and which of several holds.

What belongs here: selecting prices. What does not: sentences about them (offer_text.py) and reading amounts
(domain/commitments).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from whatsapp_pipeline.domain.commitments.status import BILLED, Commitment
from whatsapp_pipeline.domain.summaries.case import CASE_AGE, ONE_OFFER, ONE_TALK, Case, fee_amounts


def _number(ref: str) -> tuple[str, int]:
    source, _, number = ref.partition(":")
    return source, int(number)


def latest_offer(commitments: Sequence[Commitment]) -> list[Commitment]:
    """Return the quotes of the latest message that has one, and of the messages directly before it.

    A shop that quotes two devices often writes two messages. Between two prices for the same work the
    customer answers.
    """
    prices = [one for one in commitments if one.said.mention.kind == "price_quoted"]
    # A fee for looking at the device is left out beside the price of the work.
    quotes = [one for one in prices if one.said.mention.sort != "fee"] or prices
    offered: list[Commitment] = []
    for one in reversed(quotes):
        if offered and one.said.ref != offered[0].said.ref:
            (source, before), (other, after) = _number(one.said.ref), _number(offered[0].said.ref)
            if source != other or after != before + 1:
                break
        offered.insert(0, one)
    return offered


def work_prices(case: Case, until: datetime | None = None) -> list[Commitment]:
    """Return the prices for work of the last matter, including those that later prices replaced."""
    staff = [
        one
        for one in case.followed.commitments
        if one.said.mention.side == "staff" and one.said.at >= case.last_at - CASE_AGE
    ]
    if not staff:
        return []
    matter = [one.said.at for one in latest_offer(last_matter(case.commitments))]
    since = min(max(one.said.at for one in staff) - ONE_OFFER, *matter, staff[-1].said.at)
    prices = [
        one
        for one in staff
        if one.said.mention.kind == "price_quoted"
        and one.said.mention.sort != "fee"
        and one.said.mention.amount not in fee_amounts(case.followed)
        and since <= one.said.at
        and (until is None or one.said.at <= until)
    ]
    # An estimate ends with the price after the device was looked at.
    firm = max((one.said.at for one in prices if one.said.mention.sort != "rough"), default=None)
    return [
        one
        for one in prices
        if one.said.mention.sort != "rough" or firm is None or firm < one.said.at + ONE_TALK / 24
    ]


def other_price(
    case: Case, prices: Sequence[Commitment], until: datetime | None = None, *, own: bool = False
) -> Decimal | None:
    """Return the bare number that the shop wrote within a day of a price, if it is another one.

    `own` leaves out the price of a new device, which the shop may not sell.
    """
    said = case.remarks.get("said_number")
    if said is None or not prices or (until is not None and said.at > until):
        return None
    if (own and said.mention.length == "new") or said.mention.amount in fee_amounts(case.followed):
        return None
    is_near = any(abs(said.at - one.said.at) <= ONE_TALK for one in prices)
    return said.mention.amount if is_near and said.mention.amount not in amounts_of(prices) else None


def plain_prices(case: Case, until: datetime | None = None) -> bool:
    """Return whether the price is clear: there is one amount, or one of several was agreed."""
    prices = work_prices(case, until)
    return not has_several_prices(case, prices, until) or bool(settled_price(case, prices))


def has_several_prices(
    case: Case, prices: Sequence[Commitment], until: datetime | None = None, *, own: bool = False
) -> bool:
    """Return whether the shop named different amounts: alternatives, extras, another product."""
    amounts = amounts_of(prices)
    is_range = len(amounts) == 2 and {one.said.mention.sort for one in prices} == {"rough"}
    is_range = is_range and len({one.said.ref for one in prices}) == 1
    return (len(amounts) > 1 and not is_range) or other_price(case, prices, until, own=own) is not None


def settled_price(case: Case, prices: Sequence[Commitment]) -> list[Commitment]:
    """Return the one of several prices that is clearly the bill, the lowered price or the agreed price."""
    agreed = case.remarks.get("said_agrees")
    if agreed is not None:
        named = [one for one in prices if one.said.mention.amount == agreed.mention.amount]
        if named and named[-1].said.at <= agreed.at and prices[-1].said.at <= agreed.at:
            return named[-1:]
    last = [one for one in prices if one.said.ref == prices[-1].said.ref]
    if len(amounts_of(last)) != 1 or other_price(case, prices) is not None:
        return []
    ready, amount, ref = case.done, last[-1].said.mention.amount, last[-1].said.ref
    lowers, consents = case.remarks.get("said_lowers"), case.remarks.get("said_consents")
    if consents is not None and consents.ref == ref:
        return last  # the shop agreed to the price that the customer named
    if ready is not None and timedelta() <= last[-1].said.at - ready.at <= BILLED:
        known = amount in amounts_of(prices[: -len(last)])
        return last if ready.ref == ref or known else []
    before = prices[: -len(last)]
    dearest = max((one.said.mention.amount or Decimal() for one in before), default=Decimal())
    is_lower = amount is not None and amount < dearest
    return last if is_lower and lowers is not None and lowers.ref == ref else []


def _same_work(quote: Commitment, latest: Commitment, staff: Sequence[Commitment]) -> bool:
    """Return whether the last answer of the shop is about the work of an earlier, approved quote."""
    ordered, now = quote.said.order, latest.said.order
    if quote.outcome != "approved" or (None not in {ordered, now} and ordered != now):
        return False
    if ordered is not None and ordered == now:
        return True
    # An order that was closed, or a deadline that was kept, ended that work.
    return quote.outcome_ref is not None and not any(
        one.outcome == "kept" and one is not latest and one.said.at >= quote.said.at for one in staff
    )


def last_matter(commitments: Sequence[Commitment]) -> list[Commitment]:
    """Return the commitments of the shop about the matter of its last answer.

    An answer more than two weeks earlier is about another matter, unless it belongs to a quote that the
    customer approved, because a repair may take longer.
    """
    staff = [one for one in commitments if one.said.mention.side == "staff"]
    if not staff:
        return []
    latest = max(staff, key=lambda one: one.said.at)
    since = latest.said.at - ONE_OFFER
    quotes = latest_offer(staff)
    if quotes and any(_same_work(quote, latest, staff) for quote in quotes):
        since = min(since, quotes[0].said.at)
    return [one for one in staff if one.said.at >= since]


def amounts_of(quotes: Sequence[Commitment]) -> set[Decimal | None]:
    """Return the different amounts of quotes."""
    return {one.said.mention.amount for one in quotes}
