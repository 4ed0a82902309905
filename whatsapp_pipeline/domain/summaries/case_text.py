"""Sentences about the current case: the fault, the offer of the shop, the decision of the customer.

What belongs here: wording of typed facts. What does not: figures (text.py), reading messages
(domain/commitments).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple, TypedDict

from whatsapp_pipeline.domain.commitments.status import BILLED, Commitment, Followed, Said, same_order
from whatsapp_pipeline.domain.summaries.symptoms import SEVERAL
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
_CASE = timedelta(days=60)
_ONE_OFFER = timedelta(days=14)
# Opposite decisions that close to each other are about different parts of an offer.
_ONE_ANSWER = timedelta(hours=1)
# A pick-up that was agreed so long before the last message is no news.
_STALE_PICKUP = timedelta(days=14)
_READY_IS_NEWS = timedelta(days=3)
# Nothing but courtesies is expected so soon after a message.
_SAID_LAST = timedelta(hours=1)
_SYMPTOMS_SHOWN = 3
_TOPICS_SHOWN = 3
_FEMININE = ("a", "televisão")


# How a sentence names a topic. Praise and complaints have a sentence of their own.
_TOPIC_WORDS = {
    "orçamento": "o orçamento",
    "prazo": "o prazo",
    "pagamento": "pagamento ou nota fiscal",
    "garantia": "a garantia",
    "defeito": "um defeito ou conserto",
    "retirada/entrega": "a entrega ou retirada",
    "agendamento": "um horário marcado",
    "peças": "peças",
    "horário e endereço": "horário ou endereço",
    "dados": "os dados do aparelho",
}
# What is only said when the shop has the device.
_DEVICE_IS_THERE = frozenset({"quote_approved", "quote_refused", "deadline_promised"})
PRAISE, COMPLAINT = "elogio", "reclamação"
MOOD_TOPICS = frozenset({PRAISE, COMPLAINT})
# Topics that one message alone does not show.
_DOUBTFUL = frozenset({"prazo", "orçamento"})
_HAS_AN_OVEN = frozenset({"fogão", "micro-ondas"})
# The topic of who meant to write to somebody else.
WRONG_NUMBER = "engano"
# The topics of which a sentence about a commitment tells more.
_TOLD = {
    "price_quoted": {"orçamento"},
    "quote_approved": {"orçamento"},
    "quote_refused": {"orçamento"},
    "deadline_promised": {"prazo"},
    "warranty_given": {"garantia"},
    "pickup_agreed": {"retirada/entrega", "agendamento"},
    "payment_announced": {"pagamento"},
}
# The codes of deadlines that say how long the work takes instead of a day.
_SPANS = frozenset("bhdm")
# The codes of which only the last day is known.
_ONLY_LAST_DAY = frozenset("WM")
_OUTCOME_VERBS = {"kept": "cumpriu o prazo de", "broken": "não cumpriu o prazo de"}
_WITH = "está com "


class CaseTerm(TypedDict):
    """A device, symptom or topic of the case, with its number of messages and the latest of them."""

    kind: str
    name: str
    evidence: str
    messages: int


def _with_article(noun: str) -> str:
    first = noun.split(maxsplit=1)[0]
    return f"{'uma' if first.endswith(_FEMININE) else 'um'} {noun}"


def _say_topics(topics: Sequence[CaseTerm]) -> str:
    return join_words([_TOPIC_WORDS.get(topic["name"], topic["name"]) for topic in topics])


def _say_symptoms(symptoms: Sequence[CaseTerm]) -> str:
    """Join symptoms: "está com a bateria ruim e com a tela quebrada"."""
    names = [symptom["name"] for symptom in symptoms]
    names.sort(key=lambda name: not name.startswith(_WITH))
    return join_words(
        [
            name.removeprefix("está ") if at and name.startswith(_WITH) else name
            for at, name in enumerate(names)
        ]
    )


def matter(
    terms: Sequence[CaseTerm],
    told: Collection[str] = frozenset(),
    *,
    fewest: int = 1,
    is_customer: bool = False,
) -> Claim | None:
    """Return the device and its fault as the customer described them, otherwise the topics.

    `told` are topics that other sentences are about. A topic needs `fewest` messages, because one message
    alone is more easily misread. `is_customer`: there is an order or a commitment, so a mistake
    that the customer mentions is not that of writing to the wrong shop.
    """
    is_case = is_customer or any(term["kind"] == "symptom" for term in terms)
    if not is_case and any(_is_wrong_number(term) for term in terms):
        refs = [term["evidence"] for term in terms if term["name"] == WRONG_NUMBER]
        text = "O cliente escreveu por engano."
        return Claim(kind="matter", text=text, messages=unique_refs(*refs), orders=[])
    terms = [term for term in terms if not _is_wrong_number(term)]
    devices, symptoms, topics = (
        [term for term in terms if term["kind"] == kind] for kind in ("device", "symptom", "topic")
    )
    several = [one for one in symptoms if one["name"] == SEVERAL]
    names = {one["name"] for one in devices}
    devices = [one for one in devices if one["name"] != "forno" or names.isdisjoint(_HAS_AN_OVEN)][:2]
    topics = [
        one
        for one in topics
        if one["name"] not in MOOD_TOPICS | set(told)
        and one["messages"] >= (2 if one["name"] in _DOUBTFUL else fewest)
    ][:_TOPICS_SHOWN]
    symptoms = [one for one in symptoms if one["name"] != SEVERAL][:_SYMPTOMS_SHOWN]
    named = join_words([_with_article(term["name"]) for term in devices]) if devices else ""
    if several:
        named = "mais de um aparelho"
    used = [*devices, *several]
    complains = any(term["name"] == COMPLAINT for term in terms)
    if symptoms and not named and complains:
        # What leaks may be a tap that a technician broke.
        text = f"O cliente descreveu {_defects(symptoms)}"
        used += symptoms
    elif symptoms and len(devices) < 2 and not several:
        what = named or "um aparelho"
        text = f"O cliente escreveu sobre {what} que {_say_symptoms(symptoms)}"
        used += symptoms
    elif symptoms:
        text = f"O cliente escreveu sobre {named} e descreveu {_defects(symptoms)}"
        used += symptoms
    elif named and topics:
        text = f"O cliente escreveu sobre {named}; falou sobre {_say_topics(topics)}"
        used += topics
    elif topics:
        text = f"O cliente falou sobre {_say_topics(topics)}"
        used += topics
    elif named:
        text = f"O cliente escreveu sobre {named}"
    else:
        return None
    refs = unique_refs(*(term["evidence"] for term in used))
    return Claim(kind="matter", text=f"{text}.", messages=refs, orders=[])


def _is_wrong_number(term: CaseTerm) -> bool:
    return term["kind"] == "topic" and term["name"] == WRONG_NUMBER


def _defects(symptoms: Sequence[CaseTerm]) -> str:
    return "um defeito" if len(symptoms) == 1 else "defeitos"


class Case(NamedTuple):
    """The commitments of the current case and how its work stands; `followed` holds the older ones, too.

    `orders` is the number of linked orders; `last_staff_at` and `last_customer_at` say when
    each side wrote last. `turned_down`: an order was not approved or cancelled.
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
        return said if said is not None and said.at >= self.last_at - _CASE else None

    @property
    def to_collect(self) -> Said | None:
        """The message that reports the work ready, if the customer only said after it when they come.

        What else was written may say that the device was collected.
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
        if said is None or said.at < self.last_at - _CASE:
            return None
        return None if brings is not None and brings[0].at > said.at else said

    @property
    def told(self) -> frozenset[str]:
        """The topics that the sentences about the commitments are about."""
        found = frozenset[str]().union(*(_TOLD[one.said.mention.kind] for one in self.commitments))
        return found | _TOLD["pickup_agreed"] if self.brings or self.collected else found

    @property
    def brings(self) -> tuple[Said, date] | None:
        """Who brings the device on which day, where that was said last."""
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
    """Return the case: what was said in the 60 days before the last message and is still in force."""
    in_force = [
        one for one in followed.commitments if one.outcome != "superseded" and one.said.at >= last_at - _CASE
    ]
    return Case(in_force, followed, last_at, orders, last_staff_at, last_customer_at, turned_down)


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
    # A fee for looking at the device says little beside the price of the work.
    quotes = [one for one in prices if one.said.mention.sort != "fee"] or prices
    offered: list[Commitment] = []
    for one in reversed(quotes):
        if offered and one.said.ref != offered[0].said.ref:
            (source, before), (other, after) = _number(one.said.ref), _number(offered[0].said.ref)
            if source != other or after != before + 1:
                break
        offered.insert(0, one)
    return offered


def say_quotes(quotes: Sequence[Commitment]) -> str:
    """Write the amounts of one offer: orçamento de R$ 350,00; a range as one rough quote."""
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
        return f"orçamento {'aproximado ' if 'rough' in sorts else ''}de {said[0]}"
    return f"orçamentos {'aproximados ' if 'rough' in sorts else ''}de {join_words(said)}"


def say_due(one: Commitment) -> str:
    """Write a due date, with the time if it has one, or an empty string where the day is not known."""
    if one.due_on is None:
        return ""
    return say_date(one.due_on) + (f" às {one.due_time:%H:%M}" if one.due_time else "")


def say_on(due: date | None, said: Said, at: str, preposition: str) -> str:
    """Write a day after a preposition; of "semana que vem" only the last day is known: "até 04/12/2026"."""
    if due is None:
        return ""
    vague = (said.mention.due or "")[:1] in _ONLY_LAST_DAY
    return f" {'até' if vague else preposition} {say_date(due)}{at}"


def say_promised(deadlines: Sequence[Commitment]) -> str:
    """Write the days of promised deadlines, or an empty string where none is known."""
    if len(deadlines) == 1:
        return _on(deadlines[0], "para")
    days = [say_due(one) for one in deadlines if one.due_on]
    return f" para {join_words(days)}" if days else ""


def _on(one: Commitment, preposition: str) -> str:
    at = f" às {one.due_time:%H:%M}" if one.due_time else ""
    return say_on(one.due_on, one.said, at, preposition)


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
    """Return what the shop said about the matter of its last answer.

    An answer of more than two weeks before is about something else, unless it began with a quote that the
    customer approved: a repair may take longer.
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
    """Return whether a deadline has begun: "5 dias úteis" count from the approval of the quote."""
    if (one.said.mention.due or "d")[0] not in _SPANS:
        return True
    kinds = {it.said.mention.kind for it in case.commitments if it.said.at <= one.said.at}
    return "quote_approved" in kinds or ("price_quoted" not in kinds and case.orders > 0)


def _put_off(deadline: Commitment, case: Case) -> Commitment | None:
    """Return the deadline that a later one took the place of, in a message that reports a delay."""
    for one in reversed(case.followed.commitments):
        if (
            one.outcome == "superseded"
            and one.outcome_ref == deadline.said.ref
            and one.said.mention.kind == "deadline_promised"
            and deadline.said.ref in case.followed.late
            and None not in {one.due_on, deadline.due_on}
            and one.due_on != deadline.due_on
        ):
            return one
    return None


def _say_deadline(deadlines: Sequence[Commitment], case: Case) -> str:
    """Write what the shop promised: a day, several days, or how long the work takes."""
    last = deadlines[-1]
    if len(deadlines) > 1 and all(one.due_on and one.outcome is None for one in deadlines):
        return f"prometeu os serviços{say_promised(deadlines)}"
    if last.due_on is None:
        return "prometeu o serviço sem dizer o dia"
    is_span = (last.said.mention.due or "d")[0] in _SPANS
    # "Uns 4 dias" may count from something else, so it is not called broken.
    if last.outcome in _OUTCOME_VERBS and not (is_span and last.outcome == "broken"):
        # Evidence is compared by the day, so a kept deadline is named without its time.
        return f"{_OUTCOME_VERBS[last.outcome]} {say_date(last.due_on)}"
    if is_span and (last.outcome == "broken" or not _runs(last, case)):
        return f"deu prazo de {say_span(last.said.mention.due or '')}"
    before = _put_off(last, case)
    if before is not None and before.due_on is not None:
        return f"adiou o serviço de {say_date(before.due_on)}{_on(last, 'para')}"
    return f"prometeu o serviço{_on(last, 'para')}"


def offer(case: Case) -> Claim | None:
    """Return the answers of the shop: price, deadline, warranty, an appointment for the pick-up, ready."""
    commitments = _last_matter(case.commitments)
    quotes = _latest_offer(commitments)
    deadlines = _latest(commitments, "deadline_promised")
    warranties = _latest(commitments, "warranty_given")
    pickups = [one for one in _latest(commitments, "pickup_agreed", "staff") if one.due_on]
    parts = []
    if quotes:
        said = say_quotes(quotes)
        verb = "passou" if said.startswith("orçamento") else "informou"
        parts.append(f"{verb} {said} em {say_date(quotes[-1].said.at)}")
    if deadlines:
        parts.append(_say_deadline(deadlines, case))
    # Another offer had another warranty, and each of two prices may have its own.
    many = len({one.said.mention.amount for one in quotes}) > 1 or len(warranties) > 1
    if quotes and warranties and (many or warranties[-1].said.at < quotes[0].said.at):
        warranties = []
    if warranties and warranties[-1].said.mention.length:
        parts.append(f"deu garantia de {say_length(warranties[-1].said.mention.length)}")
    if pickups:
        parts.append(f"ficou de buscar o aparelho{_on(pickups[-1], 'em')}")
    ready = case.ready
    if ready is not None:
        what = "um serviço" if case.orders > 1 else "o serviço"
        parts.append(f"avisou em {say_date(ready.at)} que {what} ficou pronto")
    if not parts:
        return None
    used = [*quotes, *deadlines, *warranties[-1:], *pickups[-1:]]
    refs = unique_refs(
        *(one.said.ref for one in used),
        *(one.outcome_ref for one in deadlines[-1:]),
        ready.ref if ready else None,
    )
    orders = [one.outcome_order for one in deadlines[-1:] if one.outcome_order is not None]
    return Claim(kind="offer", text=f"A loja {join_words(parts)}.", messages=refs, orders=orders)


def _say_decision(decided: Sequence[Commitment], case: Case) -> tuple[str, list[Commitment]]:
    """Write what the customer decided last, and return it with the decisions that it cites."""
    last = decided[-1]
    on, approved = say_date(last.said.at), last.said.mention.kind == "quote_approved"
    prices = [one for one in case.commitments if one.said.mention.kind == "price_quoted"]
    priced = [one.said.at for one in prices if one.said.mention.sort != "fee"]
    quoted = max(priced, default=None)
    if prices and not priced:
        return "", []  # "fechado, sábado 10h": the visit was agreed
    before = decided[-2] if len(decided) > 1 else None
    if before is not None and before.said.mention.kind != last.said.mention.kind:
        if last.said.at - before.said.at <= _ONE_ANSWER:
            # Of one price, one of the two answers was misread.
            return (
                (f"aprovou uma parte do orçamento e recusou outra em {on}", [before, last])
                if before.outcome is None
                else ("", [])
            )
        if approved and before.outcome_ref == last.said.ref and quoted and quoted <= last.said.at:
            refused = say_date(before.said.at)
            return f"recusou o orçamento em {refused} e o aprovou em {on}", [before, last]
    is_priced = quoted is not None and min(priced) <= last.said.at
    if approved:
        # A price that comes after the approval is what the work cost in the end.
        offered = {
            one.said.mention.amount for one in _latest_offer(case.commitments) if one.said.at <= last.said.at
        }
        what = "ao menos um dos orçamentos" if len(offered) > 1 else "o orçamento"
        return f"aprovou {what if is_priced else 'o serviço'} em {on}", [last]
    if is_priced:
        return f"recusou o orçamento em {on}", [last]
    # Without a price, words of refusal may be about something else: "já comprei outro carregador".
    return (f"desistiu do conserto em {on}", [last]) if case.turned_down else ("", [])


def _say_pickup(pickup: Commitment, case: Case) -> str:
    """Write an agreed pick-up; "a retirada" leaves open who comes."""
    # Before the customer decided and the shop promised a day, they may bring the device, or buy a cable.
    there = any(
        one.said.mention.kind in _DEVICE_IS_THERE and one.said.at <= pickup.said.at
        for one in case.commitments
    ) or (case.ready is not None and case.ready.at <= pickup.said.at)
    if there or not pickup.due_on:
        return f"combinou a retirada do aparelho{_on(pickup, 'para')}"
    return f"combinou de ir à loja{_on(pickup, 'em')}"


def decision(case: Case) -> Claim | None:
    """Return the decisions and announcements of the customer: approval, payment, pick-up."""
    decided = sorted(
        (
            one
            for one in case.followed.commitments
            if one.said.mention.kind in {"quote_approved", "quote_refused"}
            and one.said.at >= case.last_at - _CASE
        ),
        key=lambda one: one.said.at,
    )
    payments = _latest(case.commitments, "payment_announced")
    pickups = [
        one
        for one in _latest(case.commitments, "pickup_agreed", "customer")[-1:]
        if one.outcome is None and one.said.at >= case.last_at - _STALE_PICKUP
    ]
    parts: list[str] = []
    used: list[Commitment] = []
    if decided:
        text, used = _say_decision(decided, case)
        parts += [text] if text else []
    for one in payments[-1:]:
        confirmed = ", confirmado pela loja" if one.outcome == "kept" else ""
        is_to_come = one.due_on is not None and one.due_on > one.said.at.date()
        when = f"ficou de pagar{_on(one, 'em')}" if is_to_come else ""
        parts.append(f"{when or f'avisou sobre o pagamento em {say_date(one.said.at)}'}{confirmed}")
    parts += [_say_pickup(one, case) for one in pickups]
    if case.brings is not None:
        said, day = case.brings
        parts.append(f"ficou de levar o aparelho{say_on(day, said, '', 'em')}")
    collected = case.collected
    text = f"O cliente {join_words(parts)}" if parts else ""
    if collected is not None:
        what = "um aparelho" if case.orders > 1 else "o aparelho"
        text += f"; {what} já foi retirado" if text else f"{what.capitalize()} já foi retirado"
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


def unanswered_offer(case: Case) -> list[Commitment]:
    """Return the quotes of the latest offer if the customer neither approved nor refused it.

    Only what is certain counts: the customer wrote nothing after the quote, or that they have not decided.
    """
    quotes, undecided = undecided_offer(case), case.followed.undecided
    if not quotes:
        return []
    last = case.last_customer_at
    is_silent = last is None or last < quotes[-1].said.at
    is_undecided = (
        undecided is not None
        and last is not None
        and undecided.at >= max(last - _SAID_LAST, quotes[-1].said.at)
    )
    return quotes if is_silent or is_undecided else []


def undecided_offer(case: Case) -> list[Commitment]:
    """Return the quotes of the latest offer for which no answer was understood.

    A fee or a total asks for no decision. Where the work was reported ready after the offer, somebody
    approved it elsewhere. Who brings the device after a first price decides when it was looked at.
    """
    ready = case.followed.ready or case.followed.collected
    quotes = [
        one
        for one in _latest_offer(case.commitments)
        if one.outcome is None and one.said.mention.sort in {None, "rough"}
    ]
    if not quotes or case.brings is not None:
        return []
    since = quotes[-1].said.at
    # A price soon after the news that the work is ready may be what it cost.
    done = case.followed.ready
    if done is not None and since - done.at <= BILLED and same_order(done, quotes[-1].said):
        return []
    answered = (ready is not None and ready.at >= since) or any(
        one.said.mention.side == "customer" and one.said.at >= since for one in case.commitments
    )
    return [] if answered else quotes


def awaited(case: Case) -> list[Commitment]:
    """Return the promised deadlines that nothing shows to be kept or broken, and that have begun.

    The deadline of work that the customer has not decided on does not run yet. What the shop wrote on its day
    or later may say that the work is ready in words that are not understood.
    """
    quotes = undecided_offer(case)
    return [
        one
        for one in _latest(case.commitments, "deadline_promised")
        if one.outcome is None
        and _runs(one, case)
        and not _may_be_ready(one, case)
        and (not quotes or one.said.at < quotes[0].said.at)
    ]


def _may_be_ready(deadline: Commitment, case: Case) -> bool:
    """Return whether the shop wrote on the day of a deadline or later, after it was promised."""
    last = case.last_staff_at
    if last is None or deadline.due_on is None or last <= deadline.said.at + _SAID_LAST:
        return False
    return last.date() >= deadline.due_on
