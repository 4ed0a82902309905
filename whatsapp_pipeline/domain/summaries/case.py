"""The current case of a customer: the commitments of the last matter that are still in force.

What belongs here: selecting them, and the reports and remarks of the same time. What does not: prices
(case_prices.py), decisions (decisions.py), what is open (open_items.py) and sentences (the modules `*_text`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from whatsapp_pipeline.domain.commitments.status import Commitment, Followed, Said

# Older commitments belong to another case.
CASE_AGE = timedelta(days=60)
ONE_OFFER = timedelta(days=14)
_READY_IS_NEWS = timedelta(days=3)
# Within this time after a message, only courtesies are expected.
SAID_LAST = timedelta(hours=1)
# The topics about which a sentence on a commitment has more details.
_TOLD = {
    "price_quoted": {"orçamento"},
    "quote_approved": {"orçamento"},
    "quote_refused": {"orçamento"},
    "deadline_promised": {"prazo"},
    "warranty_given": {"garantia"},
    "pickup_agreed": {"retirada/entrega", "agendamento"},
    "payment_announced": {"pagamento"},
}
ONE_TALK = timedelta(days=1)


class Case(NamedTuple):
    """The commitments of the current case, and the state of its work.

    `followed` has the older commitments, too.

    `orders` is the number of linked orders; `last_staff_at` and `last_customer_at` are the times of the last
    message of each side. `turned_down`: an order was not approved or cancelled.
    """

    commitments: list[Commitment]
    followed: Followed
    last_at: datetime
    orders: int = 0
    last_staff_at: datetime | None = None
    last_customer_at: datetime | None = None
    turned_down: bool = False

    @property
    def ready(self) -> Said | None:
        """The message that reports the work ready, unless the device was collected after it."""
        said = self.followed.ready
        return said if said is not None and said.at >= self.last_at - CASE_AGE else None

    @property
    def remarks(self) -> dict[str, Said]:
        """The latest remark of each kind, unless it belongs to an older case."""
        return {
            kind: said for kind, said in self.followed.remarks.items() if said.at >= self.last_at - CASE_AGE
        }

    @property
    def done(self) -> Said | None:
        """The message that reports the work ready, even if the device was collected after it."""
        said = self.followed.done
        return said if said is not None and said.at >= self.last_at - CASE_AGE else None

    @property
    def to_collect(self) -> Said | None:
        """The message that reports the work ready, if the customer's only later message is about when they
        come.

        Any other message may mean that the device was collected.
        """
        said = self.ready
        if said is None or self.last_at - said.at > _READY_IS_NEWS:
            return None
        if self.last_staff_at is not None and self.last_staff_at > said.at:
            return None
        if self.last_customer_at is None or self.last_customer_at <= said.at:
            return said
        comes = any(
            one.said.mention.kind == "pickup_agreed" and one.said.at >= self.last_customer_at
            for one in self.commitments
        )
        return said if comes else None

    @property
    def collected(self) -> Said | None:
        """The latest message that reports the device collected, unless the customer brings one after it."""
        said, brings = self.followed.collected, self.followed.brings
        if said is None or said.at < self.last_at - CASE_AGE:
            return None
        return None if brings is not None and brings[0].at > said.at else said

    @property
    def mentioned_topics(self) -> frozenset[str]:
        """The topics of the sentences about commitments."""
        found = frozenset[str]().union(*(_TOLD[one.said.mention.kind] for one in self.commitments))
        return found | _TOLD["pickup_agreed"] if self.brings or self.collected else found

    @property
    def brings(self) -> tuple[Said, date] | None:
        """The latest message about who brings the device, and on which day."""
        found = self.followed.brings
        return found if found is not None and self.last_at - found[0].at <= SAID_LAST else None


def case_of(
    followed: Followed,
    last_at: datetime,
    orders: int,
    *,
    last_staff_at: datetime | None,
    last_customer_at: datetime | None,
    turned_down: bool,
) -> Case:
    """Return the case: the commitments of the 60 days before the last message that are still in force."""
    fees = fee_amounts(followed)
    in_force = [
        one
        for one in followed.commitments
        if one.outcome != "superseded"
        and one.said.at >= last_at - CASE_AGE
        and not _is_waived(one, followed)
        and (one.said.mention.kind != "price_quoted" or not _is_named_fee(one, fees))
    ]
    windows = {one.said.ref for one in followed.days if one.said.mention.length == "window"}
    in_force = [replace(one, due_time=None) if one.said.ref in windows else one for one in in_force]
    return Case(in_force, followed, last_at, orders, last_staff_at, last_customer_at, turned_down)


def _is_waived(one: Commitment, followed: Followed) -> bool:
    """Return whether the shop said later that it does not charge a fee, or an amount that nobody has paid."""
    waived = followed.remarks.get("said_waives")
    if waived is None or one.said.mention.kind != "price_quoted" or waived.at < one.said.at:
        return False
    if one.said.mention.sort == "fee":
        return True
    if waived.mention.length is not None or waived.ref == one.said.ref:
        return False  # a fee is waived: what the work costs stays
    # "Não tem nada a pagar", soon after a price.
    return waived.at - one.said.at <= ONE_OFFER and one.outcome is None


def latest_of_kind(commitments: Sequence[Commitment], kind: str, side: str | None = None) -> list[Commitment]:
    """Return the commitments of a kind in the latest message that has one."""
    found = [
        one for one in commitments if one.said.mention.kind == kind and side in {None, one.said.mention.side}
    ]
    return [one for one in found if one.said.ref == found[-1].said.ref] if found else []


def _is_named_fee(one: Commitment, fees: set[Decimal | None]) -> bool:
    """Return whether a price is a fee that was named as one elsewhere: "quanto devo da avaliação?", "70"."""
    return one.said.mention.sort != "fee" and one.said.mention.amount in fees


def fee_amounts(followed: Followed) -> set[Decimal | None]:
    """Return the amounts of fees, which the shop may name again when it asks for them."""
    return {one.said.mention.amount for one in followed.commitments if one.said.mention.sort == "fee"}
