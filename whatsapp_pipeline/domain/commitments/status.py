"""The state of a customer's commitments: superseded, answered, kept or broken, each with its evidence.

What belongs here: following one customer's mentions over time. What does not: reading messages (the modules
`*_rules`), and commitments that are due today, which the database computes for the day of the query.

Rules
- A quote is answered by the customer's next approval, refusal or payment. A quote of another day replaces it.
  A price that comes with the news that the work is ready, or after it for the same order, waits for no
  answer.
- An approval and a refusal within an hour, after an offer of several prices, are about different parts of it:
  which quote was approved is then unknown.
- A deadline or an agreed pick-up is superseded by the next one about the same order, and a deadline also by
  the customer's refusal: work that is not done has no deadline.
- Kept and broken need evidence: a message that says ready, late, paid or collected, or the order's closing
  date.
- An order that was finished after a quote shows that the quote was approved; one that was turned down or
  cancelled, that its quotes were refused and its deadlines no longer hold. Its pick-ups stay open, because
  the customer still has to collect the device.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from whatsapp_pipeline.domain.commitments import when
from whatsapp_pipeline.domain.commitments.mentions import EVIDENCE_KINDS, REMARK_KINDS, Mention
from whatsapp_pipeline.domain.summaries.metrics import holidays_of

Outcome: TypeAlias = Literal["superseded", "approved", "refused", "kept", "broken"]
# A message that comes later than this is about another matter.
_REACH = timedelta(days=60)
# A price that comes within this time after the report that the work is ready is the final cost of the work.
BILLED = timedelta(days=7)
# Two different decisions within this time are about different parts of an offer.
_ONE_ANSWER = timedelta(hours=1)
# The kinds of mentions that do not settle a commitment.
_REMARKS = REMARK_KINDS | {"said_undecided", "said_asks"}


class Said(NamedTuple):
    """A mention in a message.

    `ref` is `chat:1` or `webhook:2`, `at` is local time, `order` is the order of the message.
    """

    ref: str
    at: datetime
    mention: Mention
    order: int | None


@dataclass(frozen=True, slots=True)
class Commitment:
    """A commitment with its dates and its outcome.

    `outcome_ref` or `outcome_order` is the evidence for the outcome.
    """

    said: Said
    number: int
    due_on: date | None = None
    due_time: time | None = None
    outcome: Outcome | None = None
    outcome_ref: str | None = None
    outcome_order: int | None = None


class NamedDay(NamedTuple):
    """A day that a message of either side names, whatever it says of it; None if the day is not known."""

    said: Said
    on: date | None
    at: time | None


class Followed(NamedTuple):
    """A customer's commitments, and the messages that show the state of the work.

    `ready` and `collected` are the latest such messages; `late` holds the references of all messages that
    report a delay. `brings` is the latest message in which the customer brings the device, and its day;
    `undecided` is the latest one in which they have not decided, and `asks` the latest one that asks for an
    answer. `remarks` holds the latest message of each remark, and `questions` the references of all messages
    that ask with a question mark. `done` is `ready` where the device was collected since, too. `asked` holds
    all messages that ask for an answer. `days`, `sums` and `changes` hold every day and amount that either
    side named, and every message with a word of change.
    """

    commitments: list[Commitment]
    ready: Said | None = None
    collected: Said | None = None
    late: frozenset[str] = frozenset()
    brings: tuple[Said, date] | None = None
    undecided: Said | None = None
    asks: Said | None = None
    remarks: Mapping[str, Said] = MappingProxyType({})
    questions: frozenset[str] = frozenset()
    done: Said | None = None
    asked: tuple[Said, ...] = ()
    days: tuple[NamedDay, ...] = ()
    sums: tuple[Said, ...] = ()
    changes: tuple[Said, ...] = ()


@lru_cache(maxsize=8)
def national_holidays(state: str | None) -> Callable[[int], frozenset[date]]:
    """Return the holidays of a year: the national ones, and those of `state`."""
    return lambda year: holidays_of(year, state)


def settle(
    said: Iterable[Said],
    closed: Mapping[int, date],
    holidays: Callable[[int], frozenset[date]],
    turned_down: Collection[int] = frozenset(),
) -> list[Commitment]:
    """Return one customer's commitments in the order of the messages. The arguments are those of `follow`."""
    return follow(said, closed, holidays, turned_down).commitments


def follow(
    said: Iterable[Said],
    closed: Mapping[int, date],
    holidays: Callable[[int], frozenset[date]],
    turned_down: Collection[int] = frozenset(),
) -> Followed:
    """Return one customer's commitments in the order of the messages, and the state of the work.

    Args:
        said: The mentions of one customer's messages, oldest first, those of one message side by side.
        closed: The closing date of each order that has one.
        holidays: The holidays of a year.
        turned_down: The orders that were not approved, or cancelled.
    """
    ledger = _Ledger()
    numbers: dict[str, int] = {}
    late: set[str] = set()
    brings: tuple[Said, date] | None = None
    latest: dict[str, Said] = {}
    questions: set[str] = set()
    lists: dict[str, list[Said]] = {
        "said_asks": [],
        "said_moves": [],
        "said_when": [],
        "said_sum": [],
        "said_changes": [],
    }
    for one in said:
        if one.mention.kind in _REMARKS:
            latest[one.mention.kind] = one
            lists.get(one.mention.kind, []).append(one)
            if one.mention.sort == "question":
                questions.add(one.ref)
            if one.mention.kind == "said_consents" and (agreed := _agreed_price(latest, one)):
                ledger.add(Commitment(agreed, 1))
                numbers[one.ref] = 1
                del latest["said_bids"]
            if one.mention.kind == "said_puts_off":
                ledger.put_off(one)
                brings = brings if brings is not None and brings[0].ref == one.ref else None
            continue
        if one.mention.kind == "said_bringing":
            day, _ = when.resolve_day(one.mention.due or "t0", one.at, holidays)
            brings = (one, day) if day else brings
            continue
        if one.mention.kind in EVIDENCE_KINDS:
            ledger.show(one)
            if one.mention.kind == "said_late":
                late.add(one.ref)
            continue
        if one.mention.side == "staff":
            latest.pop("said_bids", None)  # the customer gave an answer that is no consent
            one = _as_asked(one, latest.pop("said_asks_fee", None))  # noqa: PLW2901  # the same price as a fee
        numbers[one.ref] = numbers.get(one.ref, 0) + 1
        due, at = when.resolve_day(one.mention.due, one.at, holidays) if one.mention.due else (None, None)
        ledger.add(Commitment(one, numbers[one.ref], due, at))
    made = [_by_order(commitment, closed, turned_down) for commitment in ledger.made]
    return Followed(
        made,
        ledger.ready,
        ledger.collected,
        frozenset(late).union(one.ref for one in lists["said_moves"]),
        brings,
        latest.get("said_undecided"),
        latest.get("said_asks"),
        latest,
        frozenset(questions),
        ledger.done,
        tuple(lists["said_asks"]),
        tuple(
            NamedDay(one, *when.resolve_day(one.mention.due or "t0", one.at, holidays))
            for one in lists["said_when"]
        ),
        tuple(lists["said_sum"]),
        tuple(lists["said_changes"]),
    )


_BY_ORDER = frozenset({"price_quoted", "deadline_promised", "pickup_agreed"})
# Pick-ups are left out, because the customer still has to collect the device of a refused order.
_TURNED_DOWN: Mapping[str, Outcome] = {"price_quoted": "refused", "deadline_promised": "superseded"}


def _by_order(commitment: Commitment, closed: Mapping[int, date], turned_down: Collection[int]) -> Commitment:
    """Settle a quote, deadline or pick-up by the outcome of its order, if no message has settled it."""
    order, kind = commitment.said.order, commitment.said.mention.kind
    if commitment.outcome is not None or order is None or kind not in _BY_ORDER:
        return commitment
    is_quote = kind == "price_quoted"
    if order in turned_down:
        settled = _TURNED_DOWN.get(kind)
        return replace(commitment, outcome=settled, outcome_order=order) if settled else commitment
    day, said_on = closed.get(order), commitment.said.at.date()
    if day is None or not said_on <= day <= said_on + _REACH:
        return commitment
    if is_quote:
        return replace(commitment, outcome="approved", outcome_order=order)
    if commitment.due_on is None:
        return commitment
    # "Em 40 minutos" counts from when the device is brought. A later date of the order does not show that
    # such a promise was broken.
    late: Outcome = "superseded" if (commitment.said.mention.due or "")[:1] in {"h", "m"} else "broken"
    return replace(commitment, outcome="kept" if day <= commitment.due_on else late, outcome_order=order)


def _agreed_price(latest: Mapping[str, Said], consent: Said) -> Said | None:
    """Return the price that the customer named, if the staff agree in their next message."""
    bid = latest.get("said_bids")
    if bid is None or consent.at - bid.at > _ONE_ANSWER:
        return None
    mention = Mention("price_quoted", "staff", consent.mention.start, consent.mention.end, bid.mention.amount)
    return consent._replace(mention=mention)


def _as_asked(one: Said, asked: Said | None) -> Said:
    """Return a price as a fee if it is the first answer to a question about one: "quanto é a visita?"."""
    mention = one.mention
    if asked is None or mention.kind != "price_quoted" or mention.sort is not None:
        return one
    return one._replace(mention=mention._replace(sort="fee")) if one.at - asked.at <= _ONE_ANSWER else one


class _Ledger:
    """The commitments so far, and those of them that can still be answered, kept or replaced."""

    def __init__(self) -> None:
        self.made: list[Commitment] = []
        self._quotes: list[int] = []  # of the latest offer
        self._pending: dict[str, list[int]] = {
            "deadline_promised": [],
            "pickup_agreed": [],
            "payment_announced": [],
        }
        self._decision: int | None = None
        self.ready: Said | None = None
        self.done: Said | None = None
        self.collected: Said | None = None

    def _set(self, number: int, outcome: Outcome, ref: str) -> None:
        self.made[number] = replace(self.made[number], outcome=outcome, outcome_ref=ref)

    def add(self, commitment: Commitment) -> None:
        """Add a commitment and settle those that it answers or replaces."""
        kind, one = commitment.said.mention.kind, commitment.said
        self.made.append(commitment)
        number = len(self.made) - 1
        if kind == "price_quoted":
            self._quote(number, one)
        elif kind in {"quote_approved", "quote_refused"}:
            self._decide(number, one, "approved" if kind == "quote_approved" else "refused")
        elif kind in self._pending:
            if kind == "payment_announced":
                self._answer(one, "approved")
            earlier = self._pending[kind]
            for before in [*earlier]:
                known = self.made[before].said
                if known.ref != one.ref and same_order(known, one):
                    earlier.remove(before)
                    if kind != "payment_announced":
                        self._set(before, "superseded", one.ref)
            earlier.append(number)

    def _quote(self, number: int, one: Said) -> None:
        # A fee for looking at the device does not replace a price for the work.
        is_fee = one.mention.sort == "fee" or self._was_fee(one)
        if self._quotes and not is_fee and self.made[self._quotes[0]].said.at < one.at - timedelta(days=1):
            for before in self._quotes:
                known = self.made[before]
                if known.outcome is None and same_order(known.said, one):
                    self._set(before, "superseded", one.ref)
            self._quotes = []
        self._quotes.append(number)
        ready = self.ready
        if ready is not None and one.at - ready.at <= BILLED and _is_bill(ready, one):
            self._set(number, "approved", ready.ref)

    def _was_fee(self, one: Said) -> bool:
        """Return whether a price is that of a fee before it, which the shop names again."""
        return any(
            it.said.mention.sort == "fee"
            and it.said.mention.amount == one.mention.amount
            and one.at - it.said.at <= _REACH
            for it in self.made
        )

    def _answer(self, one: Said, outcome: Outcome) -> None:
        """Settle the quotes of the latest offer that nobody has answered."""
        for quote in self._quotes:
            known = self.made[quote]
            if known.outcome is None and one.at - known.said.at <= _REACH and same_order(known.said, one):
                self._set(quote, outcome, one.ref)

    def _is_other_part(self, one: Said) -> bool:
        """Return whether a decision is about another part of the offer than the opposite one before it."""
        if self._decision is None or len(self._quotes) < 2:
            return False
        known = self.made[self._decision].said
        differs = known.mention.kind != one.mention.kind and known.ref != one.ref
        return differs and one.at - known.at <= _ONE_ANSWER

    def _forget_answers(self, one: Said) -> None:
        """Clear the outcome that the previous, opposite decision gave to quotes.

        It is not known which quote each decision is about.
        """
        if self._decision is None:
            return
        ref = self.made[self._decision].said.ref
        for quote in self._quotes:
            known = self.made[quote]
            if known.outcome_ref == ref and same_order(known.said, one):
                self.made[quote] = replace(known, outcome=None, outcome_ref=None)

    def _decide(self, number: int, one: Said, outcome: Outcome) -> None:
        if self._is_other_part(one):
            self._forget_answers(one)
            self._decision = number
            return
        for quote in self._quotes:
            if one.at - self.made[quote].said.at <= _REACH and same_order(self.made[quote].said, one):
                self._set(quote, outcome, one.ref)
        if outcome == "refused":
            self._drop_deadlines(one)
        before = self._decision
        if before is not None and self.made[before].said.mention.kind != one.mention.kind:
            known = self.made[before].said
            if one.at - known.at <= _REACH and same_order(known, one):
                self._set(before, "superseded", one.ref)
        self._decision = number

    def put_off(self, one: Said) -> None:
        """Settle the agreed pick-ups that the customer postpones."""
        pending = self._pending["pickup_agreed"]
        for number in [*pending]:
            known = self.made[number].said
            if known.mention.side == "customer" and known.ref != one.ref and same_order(known, one):
                self._set(number, "superseded", one.ref)
                pending.remove(number)

    def _is_ready(self, evidence: Said) -> bool:
        """Return whether a report is about finished work.

        "pode buscar" alone is only evidence if work was agreed before.
        """
        if self._is_refused():
            return False
        # After a clear report, "pode buscar" may be about a charger that was left behind.
        since = self.done.at if self.done is not None and self.done.mention.sort != "weak" else None
        return evidence.mention.sort != "weak" or any(
            one.said.mention.kind in {"quote_approved", "deadline_promised", "price_quoted"}
            and (since is None or one.said.at > since)
            and one.said.mention.sort != "fee"
            and evidence.at - one.said.at <= _REACH
            for one in self.made
        )

    def _is_refused(self) -> bool:
        """Return whether the customer's last decision was against the work.

        "pode buscar" then does not mean "pronto".
        """
        return self._decision is not None and (self.made[self._decision].said.mention.kind == "quote_refused")

    def _drop_deadlines(self, refusal: Said) -> None:
        """Settle the deadlines of work that the customer does not want."""
        pending = self._pending["deadline_promised"]
        for number in [*pending]:
            known = self.made[number].said
            if refusal.at - known.at <= _REACH and same_order(known, refusal):
                self._set(number, "superseded", refusal.ref)
                pending.remove(number)

    def show(self, evidence: Said) -> None:
        """Settle the commitments that a message shows to be kept or broken."""
        if evidence.mention.kind == "said_collected":
            self._keep_deadlines(evidence)
            self.collected, self.ready = evidence, None
        elif evidence.mention.kind == "said_ready" and self._is_ready(evidence):
            self._news(evidence)
            if self.collected is not None and same_order(self.collected, evidence):
                self.collected = None  # it belongs to the earlier repair
            for quote in self._quotes:
                if self.made[quote].said.ref == evidence.ref and self.made[quote].outcome is None:
                    self._set(quote, "approved", evidence.ref)
        kind = {
            "said_ready": "deadline_promised",
            "said_late": "deadline_promised",
            "said_paid": "payment_announced",
            "said_collected": "pickup_agreed",
        }[evidence.mention.kind]
        for number in [*self._pending[kind]]:
            commitment = self.made[number]
            if not same_order(commitment.said, evidence) or evidence.at - commitment.said.at > _REACH:
                continue
            in_time = commitment.due_on is None or evidence.at.date() <= commitment.due_on
            if evidence.mention.kind == "said_late":
                if in_time:
                    continue  # the commitment may still be kept
                self._set(number, "broken", evidence.ref)
            else:
                self._set(number, "kept" if in_time else "broken", evidence.ref)
            self._pending[kind].remove(number)

    def _news(self, evidence: Said) -> None:
        """Keep the latest news of ready work; of one message the clause that leaves no doubt."""
        before = self.ready
        if before is None or before.ref != evidence.ref or before.mention.sort == "weak":
            self.ready = self.done = evidence

    def _keep_deadlines(self, collected: Said) -> None:
        """Settle the deadlines that were kept, because the device was collected on their day or earlier.

        A later pick-up is no evidence.
        """
        pending = self._pending["deadline_promised"]
        for number in [*pending]:
            commitment = self.made[number]
            due = commitment.due_on
            if due and collected.at.date() <= due and same_order(commitment.said, collected):
                self._set(number, "kept", collected.ref)
                pending.remove(number)


def _is_bill(ready: Said, price: Said) -> bool:
    """Return whether a price surely belongs to the work that was reported ready.

    It does if the message or the order is the same.
    """
    return ready.ref == price.ref or (ready.order is not None and ready.order == price.order)


def same_order(a: Said, b: Said) -> bool:
    """Return whether two messages may be about the same order.

    A message without an order may be about any order.
    """
    return a.order is None or b.order is None or a.order == b.order


def quotes_without_answer(commitments: Sequence[Commitment]) -> list[Commitment]:
    """Return the quotes that the customer neither approved nor refused, and that no later quote replaced."""
    return [one for one in commitments if one.said.mention.kind == "price_quoted" and one.outcome is None]
