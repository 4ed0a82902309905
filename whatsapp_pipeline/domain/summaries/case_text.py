"""Sentences about the current case: the offer of the shop, the decision of the customer, and the open
commitments.

What belongs here: wording of typed facts. What does not: the fault (matter_text.py), figures (text.py) and
reading messages (domain/commitments).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from whatsapp_pipeline.domain.commitments.status import BILLED, Commitment, Followed, Said, same_order
from whatsapp_pipeline.domain.summaries.wording import (
    Claim,
    join_words,
    say_date,
    say_length,
    say_money,
    say_span,
    unique_refs,
)

# Older commitments belong to another case.
CASE_AGE = timedelta(days=60)
_ONE_OFFER = timedelta(days=14)
# Opposite decisions within this time are about different parts of an offer.
_ONE_ANSWER = timedelta(hours=1)
# A pick-up that was agreed longer than this before the last message is not mentioned.
_STALE_PICKUP = timedelta(days=14)
_READY_IS_NEWS = timedelta(days=3)
# Within this time after a message, only courtesies are expected.
_SAID_LAST = timedelta(hours=1)


# Kinds that occur only when the shop has the device.
_DEVICE_IS_THERE = frozenset({"quote_approved", "quote_refused", "deadline_promised"})
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
# The codes of deadlines that give the duration of the work instead of a day.
_SPANS = frozenset("bhdm")
# The codes for periods of which only the last day is known.
_ONLY_LAST_DAY = frozenset("WM")
# The codes of deadlines that count hours or minutes.
_COUNTED_TIMES = frozenset("hm")
_VALUES_SHOWN = 3
_ONE_TALK = timedelta(days=1)
_OUTCOME_VERBS = {"kept": "cumpriu o prazo de", "broken": "não cumpriu o prazo de"}


_FEES = {
    "visita": "a visita",
    "taxa": "a taxa",
    "avaliacao": "a avaliação",
    "diagnostico": "o diagnóstico",
    "deslocamento": "o deslocamento",
    "frete": "o frete",
    "coleta": "a coleta",
    "entrega": "a entrega",
}


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
    def told(self) -> frozenset[str]:
        """The topics of the sentences about commitments."""
        found = frozenset[str]().union(*(_TOLD[one.said.mention.kind] for one in self.commitments))
        return found | _TOLD["pickup_agreed"] if self.brings or self.collected else found

    @property
    def brings(self) -> tuple[Said, date] | None:
        """The latest message about who brings the device, and on which day."""
        found = self.followed.brings
        return found if found is not None and self.last_at - found[0].at <= _SAID_LAST else None


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
    fees = _fees(followed)
    in_force = [
        one
        for one in followed.commitments
        if one.outcome != "superseded"
        and one.said.at >= last_at - CASE_AGE
        and not _is_waived(one, followed)
        and (one.said.mention.kind != "price_quoted" or not _is_named_fee(one, fees))
    ]
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
    return waived.at - one.said.at <= _ONE_OFFER and one.outcome is None


def _waived_fee(case: Case) -> Said | None:
    """Return the message in which the shop waives a fee that it had named before."""
    waived = case.remarks.get("said_waives")
    if waived is None or waived.mention.length not in _FEES:
        return None
    named = any(
        one.said.mention.sort == "fee" and case.last_at - CASE_AGE <= one.said.at < waived.at
        for one in case.followed.commitments
    )
    later = any(
        one.said.mention.sort == "fee" and one.said.at > waived.at for one in case.followed.commitments
    )
    return waived if named and not later else None


def _latest(commitments: Sequence[Commitment], kind: str, side: str | None = None) -> list[Commitment]:
    """Return the commitments of a kind in the latest message that has one."""
    found = [
        one for one in commitments if one.said.mention.kind == kind and side in {None, one.said.mention.side}
    ]
    return [one for one in found if one.said.ref == found[-1].said.ref] if found else []


def _number(ref: str) -> tuple[str, int]:
    source, _, number = ref.partition(":")
    return source, int(number)


def _latest_offer(commitments: Sequence[Commitment]) -> list[Commitment]:
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


def _prices(case: Case, until: datetime | None = None) -> list[Commitment]:
    """Return the prices for work of the last matter, including those that later prices replaced."""
    staff = [
        one
        for one in case.followed.commitments
        if one.said.mention.side == "staff" and one.said.at >= case.last_at - CASE_AGE
    ]
    if not staff:
        return []
    matter = [one.said.at for one in _latest_offer(_last_matter(case.commitments))]
    since = min(max(one.said.at for one in staff) - _ONE_OFFER, *matter, staff[-1].said.at)
    prices = [
        one
        for one in staff
        if one.said.mention.kind == "price_quoted"
        and one.said.mention.sort != "fee"
        and one.said.mention.amount not in _fees(case.followed)
        and since <= one.said.at
        and (until is None or one.said.at <= until)
    ]
    # An estimate ends with the price after the device was looked at.
    firm = max((one.said.at for one in prices if one.said.mention.sort != "rough"), default=None)
    return [
        one
        for one in prices
        if one.said.mention.sort != "rough" or firm is None or firm < one.said.at + _ONE_TALK / 24
    ]


def _is_named_fee(one: Commitment, fees: set[Decimal | None]) -> bool:
    """Return whether a price is a fee that was named as one elsewhere: "quanto devo da avaliação?", "70"."""
    return one.said.mention.sort != "fee" and one.said.mention.amount in fees


def _fees(followed: Followed) -> set[Decimal | None]:
    """Return the amounts of fees, which the shop may name again when it asks for them."""
    return {one.said.mention.amount for one in followed.commitments if one.said.mention.sort == "fee"}


def _other_price(
    case: Case, prices: Sequence[Commitment], until: datetime | None = None, *, own: bool = False
) -> Decimal | None:
    """Return the bare number that the shop wrote within a day of a price, if it is another one.

    `own` leaves out the price of a new device, which the shop may not sell.
    """
    said = case.remarks.get("said_number")
    if said is None or not prices or (until is not None and said.at > until):
        return None
    if (own and said.mention.length == "new") or said.mention.amount in _fees(case.followed):
        return None
    is_near = any(abs(said.at - one.said.at) <= _ONE_TALK for one in prices)
    return said.mention.amount if is_near and said.mention.amount not in _amounts(prices) else None


def plain_prices(case: Case, until: datetime | None = None) -> bool:
    """Return whether the price is clear: there is one amount, or one of several was agreed."""
    prices = _prices(case, until)
    return not _is_mixed(case, prices, until) or bool(_settled_price(case, prices))


def _is_mixed(
    case: Case, prices: Sequence[Commitment], until: datetime | None = None, *, own: bool = False
) -> bool:
    """Return whether the shop named different amounts: alternatives, extras, another product."""
    amounts = _amounts(prices)
    is_range = len(amounts) == 2 and {one.said.mention.sort for one in prices} == {"rough"}
    is_range = is_range and len({one.said.ref for one in prices}) == 1
    return (len(amounts) > 1 and not is_range) or _other_price(case, prices, until, own=own) is not None


def _settled_price(case: Case, prices: Sequence[Commitment]) -> list[Commitment]:
    """Return the one of several prices that is clearly the bill, the lowered price or the agreed price."""
    agreed = case.remarks.get("said_agrees")
    if agreed is not None:
        named = [one for one in prices if one.said.mention.amount == agreed.mention.amount]
        if named and named[-1].said.at <= agreed.at and prices[-1].said.at <= agreed.at:
            return named[-1:]
    last = [one for one in prices if one.said.ref == prices[-1].said.ref]
    if len(_amounts(last)) != 1 or _other_price(case, prices) is not None:
        return []
    ready, amount, ref = case.done, last[-1].said.mention.amount, last[-1].said.ref
    lowers, consents = case.remarks.get("said_lowers"), case.remarks.get("said_consents")
    if consents is not None and consents.ref == ref:
        return last  # the shop agreed to the price that the customer named
    if ready is not None and timedelta() <= last[-1].said.at - ready.at <= BILLED:
        known = amount in _amounts(prices[: -len(last)])
        return last if ready.ref == ref or known else []
    before = prices[: -len(last)]
    dearest = max((one.said.mention.amount or Decimal() for one in before), default=Decimal())
    is_lower = amount is not None and amount < dearest
    return last if is_lower and lowers is not None and lowers.ref == ref else []


def _say_values(case: Case, prices: Sequence[Commitment], days: _Days) -> str:
    """Write different amounts without a word on which of them holds."""
    other = _other_price(case, prices, own=True)
    amounts = [one.said.mention.amount for one in prices] + [other]
    named = [say_money(amount) for amount in dict.fromkeys(amounts) if amount is not None]
    first, last = prices[0].said.at.date(), prices[-1].said.at.date()
    when = days.said(last) if first == last else f" entre {say_date(first)} e {say_date(last)}"
    return f"informou valores de {join_words(named[-_VALUES_SHOWN:])}{when}"


def say_quotes(quotes: Sequence[Commitment]) -> str:
    """Write the amounts of one offer: orçamento de R$ 350,00. A range is written as one approximate quote."""
    amounts = [one.said.mention.amount for one in quotes if one.said.mention.amount is not None]
    said = [say_money(amount) for amount in dict.fromkeys(amounts)]
    sorts = {one.said.mention.sort for one in quotes}
    if sorts == {"fee"}:
        return f"{'uma taxa' if len(said) == 1 else 'taxas'} de {join_words(said)}"
    if sorts == {"total"}:
        return f"o total de {join_words(said)}"
    if len(said) == 2 and sorts == {"rough"}:
        return f"orçamento aproximado de {said[0]} a {said[1]}"
    if len(said) == 1:
        each = " por unidade" if sorts == {"each"} else ""
        return f"orçamento {'aproximado ' if 'rough' in sorts else ''}de {said[0]}{each}"
    return f"orçamentos {'aproximados ' if 'rough' in sorts else ''}de {join_words(said)}"


class _Days:
    """Writes the days of one sentence. A day is left out if it equals the previous day of the sentence."""

    def __init__(self) -> None:
        self._last: date | None = None
        self._is_due = False

    def said(self, day: date | datetime) -> str:
        """Write the day on which something was said: " em 05/01/2025"."""
        on = day.date() if isinstance(day, datetime) else day
        if on == self._last:
            return " no mesmo dia" if self._is_due else ""
        self._last, self._is_due = on, False
        return f" em {say_date(on)}"

    def due(self, due: date | None, said: Said, at: time | None, preposition: str) -> str:
        """Write a due date: " para 06/01/2025 às 15:00"."""
        clock = f" às {at:%H:%M}" if at else ""
        if due is None:
            return ""
        if due == self._last:
            return f" {'para o' if preposition == 'para' else 'no'} mesmo dia{clock}"
        self._last, self._is_due = due, True
        return say_on(due, said, clock, preposition)


def _clock(one: Commitment) -> time | None:
    """Return the time of a due date, if it was written. "em 2 horas" has no time."""
    return None if (one.said.mention.due or "")[:1] in _COUNTED_TIMES else one.due_time


def say_due(one: Commitment) -> str:
    """Write a due date, with the time if it has one. Return an empty string if the day is not known."""
    if one.due_on is None:
        return ""
    at = _clock(one)
    return say_date(one.due_on) + (f" às {at:%H:%M}" if at else "")


def say_on(due: date | None, said: Said, at: str, preposition: str) -> str:
    """Write a day after a preposition. For "semana que vem" only the last day is known: "até 04/12/2026"."""
    if due is None:
        return ""
    vague = (said.mention.due or "")[:1] in _ONLY_LAST_DAY
    return f" {'até' if vague else preposition} {say_date(due)}{at}"


def say_promised(deadlines: Sequence[Commitment]) -> str:
    """Write the days of promised deadlines. Return an empty string if no day is known."""
    if len(deadlines) == 1:
        return _on(deadlines[0], "para")
    days = [say_due(one) for one in deadlines if one.due_on]
    return f" para {join_words(days)}" if days else ""


def _on(one: Commitment, preposition: str) -> str:
    at = _clock(one)
    return say_on(one.due_on, one.said, f" às {at:%H:%M}" if at else "", preposition)


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


def _last_matter(commitments: Sequence[Commitment]) -> list[Commitment]:
    """Return the commitments of the shop about the matter of its last answer.

    An answer more than two weeks earlier is about another matter, unless it belongs to a quote that the
    customer approved, because a repair may take longer.
    """
    staff = [one for one in commitments if one.said.mention.side == "staff"]
    if not staff:
        return []
    latest = max(staff, key=lambda one: one.said.at)
    since = latest.said.at - _ONE_OFFER
    quotes = _latest_offer(staff)
    if quotes and any(_same_work(quote, latest, staff) for quote in quotes):
        since = min(since, quotes[0].said.at)
    return [one for one in staff if one.said.at >= since]


def _runs(one: Commitment, case: Case) -> bool:
    """Return whether a deadline has started. "5 dias úteis" start with the approval of the quote."""
    if (one.said.mention.due or "d")[0] not in _SPANS:
        return True
    kinds = {it.said.mention.kind for it in case.commitments if it.said.at <= one.said.at}
    return "quote_approved" in kinds or ("price_quoted" not in kinds and case.orders > 0)


def _put_off(deadline: Commitment, case: Case) -> Commitment | None:
    """Return the deadline that was replaced by a later one in a message that reports a delay."""
    for one in reversed(case.followed.commitments):
        if (
            one.outcome == "superseded"
            and one.outcome_ref == deadline.said.ref
            and one.said.mention.kind == "deadline_promised"
            and deadline.said.ref in case.followed.late
            and _is_later(one, deadline)
        ):
            return one
    return None


def _is_later(before: Commitment, after: Commitment) -> bool:
    """Return whether a deadline moves the day of another one back."""
    return before.due_on is not None and after.due_on is not None and before.due_on < after.due_on


def _broken_before(deadline: Commitment, case: Case) -> date | None:
    """Return the day before a deadline that the shop said it missed, if no work was ready since."""
    for one in reversed(case.followed.commitments):
        is_other = one.said.mention.kind == "deadline_promised" and one.said.ref != deadline.said.ref
        if is_other and one.outcome == "broken" and one.said.at < deadline.said.at and one.due_on is not None:
            since = case.done is not None and case.done.at >= one.said.at
            in_time = deadline.due_on is not None and one.due_on < deadline.due_on
            is_recent = deadline.said.at - one.said.at <= _ONE_OFFER * 2
            return one.due_on if in_time and is_recent and not since else None
    return None


def _say_deadline(deadlines: Sequence[Commitment], case: Case, days: _Days) -> str:
    """Write the promise of the shop: a day, several days, or the duration of the work."""
    last = deadlines[-1]
    if len(deadlines) > 1 and all(one.due_on and one.outcome is None for one in deadlines):
        return f"prometeu os serviços{say_promised(deadlines)}"
    if last.due_on is None:
        return "prometeu o serviço sem dizer o dia"
    is_span = (last.said.mention.due or "d")[0] in _SPANS
    # "Uns 4 dias" may start later, so this deadline is not called broken.
    if last.outcome in _OUTCOME_VERBS and not (is_span and last.outcome == "broken"):
        # Evidence is compared by the day, so a kept deadline is named without its time.
        return f"{_OUTCOME_VERBS[last.outcome]} {say_date(last.due_on)}"
    if is_span and (last.outcome == "broken" or not _runs(last, case)):
        return f"deu prazo de {say_span(last.said.mention.due or '')}"
    before = _put_off(last, case)
    if before is not None and before.due_on is not None:
        return f"adiou o serviço de {say_date(before.due_on)}{_on(last, 'para')}"
    return f"prometeu o serviço{days.due(last.due_on, last.said, _clock(last), 'para')}"


def _of_work(deadlines: Sequence[Commitment], case: Case) -> list[Commitment]:
    """Return the deadlines of work.

    Deadlines that were promised when the work was ready are for a delivery.
    A deadline that was withdrawn without a new day is left out, and one of a morning hour that nothing shows
    to be kept, too.
    """
    moved = case.remarks.get("said_moves")
    if moved is not None and moved.mention.length == "moved":
        deadlines = [
            one
            for one in deadlines
            if one.said.at >= moved.at or one.said.ref == moved.ref or one.outcome == "broken"
        ]
    last = next(
        (one for one in reversed(case.followed.commitments) if one.said.mention.kind in _DECISIONS), None
    )
    if last is not None and last.said.mention.sort in _TAKEN_BACK:
        # After that, a day is one of a refund or of the return of the device.
        deadlines = [one for one in deadlines if one.said.at < last.said.at]
    deadlines = [one for one in deadlines if one.outcome is not None or not _may_be_visit(one)]
    ready = case.followed.done
    if ready is None:
        return list(deadlines)
    since = max(
        (
            one.said.at
            for one in case.commitments
            if one.said.mention.kind in {"price_quoted", "quote_approved"} and one.said.at > ready.at
        ),
        default=None,
    )
    return [
        one for one in deadlines if one.said.at <= ready.at or (since is not None and since <= one.said.at)
    ]


def _say_ready(
    ready: Said,
    deadlines: Sequence[Commitment],
    quotes: Sequence[Commitment],
    case: Case,
    days: _Days,
    *,
    several: bool,
) -> str:
    """Write that the work is ready, and whether that was in time; of several devices one may be ready."""
    many = several or case.orders > 1 or len(_amounts(quotes)) > 1 or _is_partly(ready, case)
    if ready.mention.length == "all":
        what, verb = ("os serviços", "ficaram prontos") if many else ("o serviço", "ficou pronto")
    elif several:
        what, verb = "um dos aparelhos", "ficou pronto"
    else:
        what, verb = ("um serviço" if many else "o serviço"), "ficou pronto"
    last = deadlines[-1] if deadlines else None
    first = None if many else _first_promise(ready, deadlines, case)
    in_time = ""
    if _is_partly(ready, case):
        pass  # another thing is late
    elif first is not None and ready.at.date() > first:
        in_time = f", depois do primeiro prazo, {say_date(first)},"
    elif last is not None and last.said.ref in case.followed.late:
        pass  # that day was not the first one
    elif last is not None and not several and last.due_on is not None and last.outcome_ref == ready.ref:
        is_span = (last.said.mention.due or "d")[0] in _SPANS
        if last.outcome == "kept":
            in_time = ", no prazo,"
        elif last.outcome == "broken" and not is_span:
            in_time = f", depois do prazo de {say_date(last.due_on)},"
    return f"avisou{days.said(ready.at)}{in_time} que {what} {verb}"


def _is_partly(ready: Said, case: Case) -> bool:
    """Return whether the message with the news also moves a day: "tablet pronto, o celular só segunda"."""
    moved = case.remarks.get("said_moves")
    return moved is not None and moved.ref == ready.ref and moved.mention.length == "moved"


def _first_promise(ready: Said, deadlines: Sequence[Commitment], case: Case) -> date | None:
    """Return the day that the shop promised first for work that is ready, if it named another one later."""
    if not deadlines or deadlines[-1].said.at > ready.at:
        return None
    since = max(
        (
            one.said.at
            for one in case.followed.commitments
            if one.said.mention.kind == "price_quoted" and one.said.at <= deadlines[-1].said.at
        ),
        default=None,
    )
    moved = [
        one.due_on
        for one in case.followed.commitments
        if one.said.mention.kind == "deadline_promised"
        and one.outcome == "superseded"
        and one.due_on is not None
        and (one.said.mention.due or "d")[0] not in _SPANS
        and ready.at - _ONE_OFFER * 4 <= one.said.at < deadlines[-1].said.at
        and (since is None or one.said.at >= since)
    ]
    return moved[0] if moved else None


def _hopeless(case: Case, quotes: Sequence[Commitment]) -> Said | None:
    """Return the last message in which the shop calls a repair impossible or too expensive."""
    said = case.remarks.get("said_hopeless")
    if said is None:
        return None
    later = [one.said.at for one in quotes if one.said.mention.sort != "fee"]
    later += [
        one.said.at
        for one in case.commitments
        if one.said.mention.kind == "quote_approved" and _is_sure(one, case)
    ]
    later += [case.done.at] if case.done is not None else []
    return None if any(at > said.at for at in later) else said


def _device_pickups(commitments: Sequence[Commitment], case: Case) -> list[Commitment]:
    """Return the pick-ups that the shop promised, without those of a tool that the shop forgot."""
    forgot = case.remarks.get("said_forgot")
    found = [one for one in _latest(commitments, "pickup_agreed", "staff") if one.due_on]
    return [one for one in found if forgot is None or one.said.at < forgot.at]


def offer(
    case: Case, *, several: bool = False, names_device: bool = True, thing: str | None = "o aparelho"
) -> Claim | None:
    """Return the answers of the shop: price, deadline, warranty, an appointment for the pick-up, ready.

    `several`: the case is about more than one device. `names_device`: it is about one at least. `thing` is
    that device with its article; None where no word fits.
    """
    commitments = _last_matter(case.commitments)
    quotes = _latest_offer(commitments)
    deadlines = _of_work(_latest(commitments, "deadline_promised"), case)
    warranties = _latest(commitments, "warranty_given")
    pickups = _device_pickups(commitments, case) if names_device else []
    ready = case.done
    days = _Days()
    prices = _prices(case)
    mixed = _is_mixed(case, prices, own=True)
    quotes = _settled_price(case, prices) if mixed else quotes
    parts = [_say_values(case, prices, days)] if mixed and not quotes else []
    # A price that comes with or after the report that the work is ready is the final cost.
    bill = (
        quotes
        if ready is not None and quotes and timedelta() <= quotes[-1].said.at - ready.at <= BILLED
        else []
    )
    if quotes and not bill:
        parts.append(f"{_say_asked(quotes, case)}{days.said(quotes[-1].said.at)}")
    # For work that is ready, the deadline is only mentioned to say whether it was kept.
    done = ready is not None and all(one.said.at <= ready.at for one in deadlines)
    if deadlines and not done:
        parts += _say_promises(deadlines, case, days, several=several)
    warranties = _own_warranties(warranties, quotes, mixed=mixed)
    if warranties:
        given = say_length(warranties[-1].said.mention.length or "")
        if quotes and not bill and not (deadlines and not done):
            parts[-1] += f", com {given} de garantia"
        else:
            parts.append(f"deu garantia de {given}")
    if pickups:
        last = pickups[-1]
        fetches = "fazer a retirada" if thing is None else f"buscar {thing}"
        parts.append(f"ficou de {fetches}{days.due(last.due_on, last.said, last.due_time, 'em')}")
    waived, hopeless = _waived_fee(case), _hopeless(case, quotes)
    parts += _say_verdicts(waived, hopeless, days, several=several)
    if ready is not None:
        parts.append(_say_ready(ready, deadlines, quotes, case, days, several=several))
    if bill:
        parts.append(f"informou {_say_bill(bill)}{days.said(bill[-1].said.at)}")
    if not parts:
        return None
    used = [*(quotes or (prices if mixed else [])), *deadlines, *warranties[-1:], *pickups[-1:]]
    refs = unique_refs(
        *(one.said.ref for one in used),
        *(one.outcome_ref for one in deadlines[-1:]),
        ready.ref if ready else None,
        hopeless.ref if hopeless else None,
        waived.ref if waived else None,
        case.remarks["said_number"].ref if _other_price(case, prices, own=True) is not None else None,
    )
    orders = [one.outcome_order for one in deadlines[-1:] if one.outcome_order is not None]
    said = join_words(parts).replace(" de garantia e ", " de garantia, e ")
    return Claim(kind="offer", text=f"A loja {said}.", messages=refs, orders=orders)


def _say_promises(deadlines: Sequence[Commitment], case: Case, days: _Days, *, several: bool) -> list[str]:
    """Write what the shop promised, after the day before it that the shop did not keep."""
    broken = _broken_before(deadlines[-1], case)
    parts = [f"não cumpriu o prazo de {say_date(broken)}"] if broken is not None else []
    said = _say_deadline(deadlines, case, days)
    return [*parts, said.replace("o serviço", "um serviço", 1) if several else said]


def _own_warranties(
    warranties: list[Commitment], quotes: Sequence[Commitment], *, mixed: bool
) -> list[Commitment]:
    """Return the warranties that surely belong to the offer, with their length."""
    # Another offer had another warranty, and each of two prices may have its own.
    many = mixed or len(_amounts(quotes)) > 1 or len(warranties) > 1
    if (quotes or mixed) and warranties and (many or warranties[-1].said.at < quotes[0].said.at):
        return []
    return warranties if warranties and warranties[-1].said.mention.length else []


def _say_verdicts(waived: Said | None, hopeless: Said | None, days: _Days, *, several: bool) -> list[str]:
    """Write that the shop does not charge a fee, and that a repair is impossible or does not pay."""
    parts = []
    if waived is not None:
        parts.append(f"disse{days.said(waived.at)} que não vai cobrar {_FEES[waived.mention.length or '']}")
    if hopeless is not None:
        what = "um dos consertos" if several else "o conserto"
        verdict = "não compensa" if hopeless.mention.length == "dear" else "não é possível"
        parts.append(f"disse{days.said(hopeless.at)} que {what} {verdict}")
    return parts


def _say_asked(quotes: Sequence[Commitment], case: Case) -> str:
    """Write the prices of the shop: a quote, a fee, a total, or the price of a product."""
    said = say_quotes(quotes)
    if not said.startswith("orçamento"):
        return f"informou {said}"
    if "said_shops" in case.remarks:
        return f"informou {_say_bill(quotes).replace('valor', 'preço')}"
    return f"passou {said}"


def _say_bill(quotes: Sequence[Commitment]) -> str:
    """Write the amounts that the shop named for work that is ready."""
    said = say_quotes(quotes)
    if not said.startswith("orçamento"):
        return said
    amounts = [one.said.mention.amount for one in quotes if one.said.mention.amount is not None]
    names = [say_money(amount) for amount in dict.fromkeys(amounts)]
    return f"{'o valor' if len(names) == 1 else 'os valores'} de {join_words(names)}"


_DECISIONS = frozenset({"quote_approved", "quote_refused"})
# What takes back an order, or a visit.
_TAKEN_BACK = frozenset({"cancel", "called_off"})
_STAFF_GOES_ON = frozenset({"deadline_promised", "price_quoted"})


def _is_sure(one: Commitment, case: Case) -> bool:
    """Return whether a decision is surely about a quote, and the customer has not changed it since."""
    reconsidered = case.followed.remarks.get("said_reconsiders")
    if reconsidered is not None and reconsidered.at > one.said.at:
        return False
    is_refusal = one.said.mention.kind == "quote_refused"
    return _refusal_holds(one, case) if is_refusal else _approval_is_sure(one, case)


def _staff_commitments(case: Case) -> list[Commitment]:
    return [one for one in case.followed.commitments if one.said.mention.side == "staff"]


def _refusal_holds(refusal: Commitment, case: Case) -> bool:
    """Return whether no message after a refusal shows that the work continues."""
    at, done, brings = refusal.said.at, case.followed.done, case.followed.brings
    if done is not None and done.at <= at <= done.at + _ONE_OFFER:
        return False  # of something else, when the work was ready
    if refusal.said.mention.sort == "weak":
        return False
    goes_on = any(
        it.said.at >= at + _ONE_ANSWER
        and it.said.mention.kind in _STAFF_GOES_ON
        and it.said.mention.sort != "fee"
        for it in _staff_commitments(case)
    )
    return not goes_on and not (done and done.at > at) and not (brings and brings[0].at > at)


def _approval_is_sure(approval: Commitment, case: Case) -> bool:
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
        if it.said.mention.kind == "payment_announced" and _is_made(it) and it.said.at < at
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
    if approval.said.mention.sort != "weak":
        return True
    # "Fechado" and "combinado" may agree to anything if there was no price just before.
    near = [it for it in quotes if at - it.said.at <= _ONE_TALK]
    if near and all(it.said.mention.sort != "rough" for it in near):
        return True
    return bool(near) and any(
        it.said.mention.kind == "deadline_promised" and it.said.at >= at for it in staff
    )


def _names_part(decided: Sequence[Commitment]) -> bool:
    """Return whether the last decision, or an opposite one just before it, is about a part of the offer."""
    last = decided[-1]
    return any(
        one.said.mention.sort == "part" for one in decided[-2:] if last.said.at - one.said.at <= _ONE_ANSWER
    )


def _say_decision(decided: Sequence[Commitment], case: Case, days: _Days) -> tuple[str, list[Commitment]]:
    """Return the text of the customer's last decision, with the decisions that it cites."""
    last = decided[-1]
    prices = [one for one in case.commitments if one.said.mention.kind == "price_quoted"]
    priced = [one.said.at for one in prices if one.said.mention.sort != "fee"]
    takes_back = last.said.mention.sort in _TAKEN_BACK
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


def _amounts(quotes: Sequence[Commitment]) -> set[Decimal | None]:
    return {one.said.mention.amount for one in quotes}


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
    is_near = any(timedelta() <= one.said.at - approval.said.at <= _ONE_TALK for one in [*prices, later[0]])
    if is_near or len(_amounts(approved)) != 1 or approved[0].said.mention.sort is not None:
        return ""
    if approved[0].said.mention.amount is None or approval.said.mention.sort is not None:
        return ""
    return f"o orçamento de {say_money(approved[0].said.mention.amount)}"


def _say_change(before: Commitment, last: Commitment, case: Case, days: _Days) -> str | None:
    """Write two opposite decisions.

    Return "" if one of them was misread, and None if the last one is enough.
    """
    if last.said.at - before.said.at <= _ONE_ANSWER:
        sorts = {before.said.mention.sort, last.said.mention.sort}
        part = "part" in sorts and len(_amounts(_latest_offer(case.commitments))) > 1
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


def _is_made(payment: Commitment) -> bool:
    """Return whether a payment was made, not only announced."""
    return payment.outcome == "kept" or payment.said.mention.sort != "to_come"


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


def _say_pickup(pickup: Commitment, case: Case, days: _Days, thing: str | None) -> str:
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


def decision(case: Case, thing: str | None = "o aparelho", *, several: bool = False) -> Claim | None:
    """Return the decisions and announcements of the customer: approval, payment, pick-up.

    `thing` is what the shop works on, with its article; None where no message names it, or several.
    """
    decided = sorted(
        (
            one
            for one in case.followed.commitments
            if one.said.mention.kind in {"quote_approved", "quote_refused"}
            and one.said.at >= case.last_at - CASE_AGE
        ),
        key=lambda one: one.said.at,
    )
    # A refusal that the customer withdrew is written together with the approval.
    decided = [one for one in decided if one.outcome == "superseded" or _is_sure(one, case)]
    owed = [
        one.said.at
        for one in case.commitments
        if one.said.mention.kind in {"price_quoted", "deadline_promised"} and one.said.mention.side == "staff"
    ] + [said.at for said in (case.done, case.collected) if said is not None]
    # "Paguei 90 nela" before any price of the shop is about something else.
    payments = [
        one
        for one in _latest([it for it in case.commitments if _is_made(it)], "payment_announced")
        if one.outcome == "kept" or one.said.mention.sort != "weak" or any(at <= one.said.at for at in owed)
    ]
    collected = case.collected
    pickups = [
        one
        for one in _latest(case.commitments, "pickup_agreed", "customer")[-1:]
        if one.outcome is None
        and one.said.at >= case.last_at - _STALE_PICKUP
        and (collected is None or collected.at < one.said.at)
    ]
    days = _Days()
    parts: list[str] = []
    used: list[Commitment] = []
    if decided and decided[-1].outcome != "superseded":
        text, used = _say_decision(decided, case, days)
        parts += [text] if text else []
    first_paid = bool(used and payments and payments[-1].said.at < used[-1].said.at)
    if first_paid:
        days, parts = _Days(), []
    for one in payments[-1:]:
        confirmed = ", confirmado pela loja" if one.outcome == "kept" else ""
        paid = _paid_amount(one, case)
        confirmed = f" de {say_money(paid)}{confirmed}" if paid is not None else confirmed
        if one.said.mention.sort == "to_come":
            parts.append(f"fez um pagamento{confirmed}")
        else:
            parts.append(f"informou{days.said(one.said.at)} que fez um pagamento{confirmed}")
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


def over_since(case: Case, first_at: datetime) -> datetime | None:
    """Return the time since which a customer who said goodbye expects nothing.

    Such a customer paid, refused, or only asked.
    """
    done, last = case.done, max(case.commitments, key=lambda one: one.said.at, default=None)
    if last is None:
        return first_at if done is None and case.followed.brings is None else None
    if last.said.mention.kind == "payment_announced":
        return last.said.at if done is not None and done.at <= last.said.at and _is_made(last) else None
    return last.said.at if last.said.mention.kind == "quote_refused" and _refusal_holds(last, case) else None


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
        and undecided.at >= max(last - _SAID_LAST, quotes[-1].said.at)
    )
    return quotes if is_silent or is_undecided else []


def _is_of_approved_work(quotes: Sequence[Commitment], case: Case) -> bool:
    """Return whether the customer approved work before an offer, which then may be a discount or a total."""
    since = quotes[0].said.at
    ended = [said.at for said in (case.followed.done, case.followed.collected) if said is not None]
    return any(
        one.said.mention.kind == "quote_approved"
        and case.last_at - CASE_AGE <= one.said.at < since
        and _approval_is_sure(one, case)
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
        for one in _latest_offer(case.commitments)
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
        for one in _of_work(_latest(case.commitments, "deadline_promised"), case)
        if one.outcome is None
        and _runs(one, case)
        and not _may_be_ready(one, case)
        and _is_agreed(one, case)
        and (not quotes or one.said.at < quotes[0].said.at)
    ]


# Until this hour a time on a day is more often that of a visit or a delivery.
_WORK_BEGINS = time(11)


def _may_be_visit(deadline: Commitment) -> bool:
    """Return whether a promised time is one at which people come: "segunda às 8h"."""
    at = _clock(deadline)
    return deadline.due_on is not None and at is not None and at < _WORK_BEGINS


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
    if last is None or deadline.due_on is None or last <= deadline.said.at + _SAID_LAST:
        return False
    return last.date() >= deadline.due_on
