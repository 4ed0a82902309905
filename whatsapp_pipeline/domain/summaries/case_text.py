"""Sentences about the current case: the fault, the offer of the shop, the decision of the customer.

What belongs here: wording of typed facts. What does not: figures (text.py), reading messages
(domain/commitments).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypedDict

from whatsapp_pipeline.domain.commitments.status import Commitment
from whatsapp_pipeline.domain.summaries.wording import (
    Claim,
    join_words,
    say_date,
    say_length,
    say_money,
    unique_refs,
)

# Older commitments belong to another case.
_CASE = timedelta(days=60)
_ONE_OFFER = timedelta(days=14)
_SYMPTOMS_SHOWN = 3
_TOPICS_SHOWN = 3
_FEMININE = ("a", "televisão")


# How a sentence names a topic. Praise and complaints have a sentence of their own.
_TOPIC_WORDS = {
    "orçamento": "o orçamento",
    "prazo": "o prazo",
    "pagamento": "o pagamento",
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
_MOODS = frozenset({"elogio", "reclamação"})
_WITH = "está com "


class CaseTerm(TypedDict):
    """A device, symptom or topic of the case, with the message that shows it."""

    kind: str
    name: str
    evidence: str


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


def matter(terms: Sequence[CaseTerm], urgent_ref: str | None) -> Claim | None:
    """Return the device and its fault as the customer described them, otherwise the topics."""
    devices, symptoms, topics = (
        [term for term in terms if term["kind"] == kind] for kind in ("device", "symptom", "topic")
    )
    devices, topics = devices[:2], [one for one in topics if one["name"] not in _MOODS][:_TOPICS_SHOWN]
    symptoms = symptoms[:_SYMPTOMS_SHOWN]
    named = join_words([_with_article(term["name"]) for term in devices]) if devices else ""
    used = [*devices]
    if symptoms and len(devices) < 2:
        what = named or "um aparelho"
        text = f"O cliente escreveu sobre {what} que {_say_symptoms(symptoms)}"
        used += symptoms
    elif symptoms:
        text = f"O cliente escreveu sobre {named} e descreveu um defeito"
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
    text += "; tem pressa" if urgent_ref else ""
    refs = unique_refs(*(term["evidence"] for term in used), urgent_ref)
    return Claim(kind="matter", text=f"{text}.", messages=refs, orders=[])


def of_the_case(commitments: Sequence[Commitment], last_at: datetime) -> list[Commitment]:
    """Return the commitments of the last 60 days before the last message that none took the place of."""
    return [one for one in commitments if one.outcome != "superseded" and one.said.at >= last_at - _CASE]


def _latest(commitments: Sequence[Commitment], kind: str, side: str | None = None) -> list[Commitment]:
    """Return the commitments of a kind in the latest message that has one."""
    found = [
        one for one in commitments if one.said.mention.kind == kind and side in {None, one.said.mention.side}
    ]
    return [one for one in found if one.said.ref == found[-1].said.ref] if found else []


def say_quotes(quotes: Sequence[Commitment]) -> str:
    """Write the amounts of one message: orçamento de R$ 350,00."""
    amounts = [say_money(one.said.mention.amount) for one in quotes if one.said.mention.amount is not None]
    return f"{'orçamento' if len(amounts) == 1 else 'orçamentos'} de {join_words(amounts)}"


def say_due(one: Commitment) -> str:
    """Write a due date, with the time if it has one, or an empty string where the day is not known."""
    if one.due_on is None:
        return ""
    return say_date(one.due_on) + (f" às {one.due_time:%H:%M}" if one.due_time else "")


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
    quotes = _latest(staff, "price_quoted")
    if quotes and any(_same_work(quote, latest, staff) for quote in quotes):
        since = min(since, quotes[0].said.at)
    return [one for one in staff if one.said.at >= since]


def offer(commitments: Sequence[Commitment]) -> Claim | None:
    """Return the answers of the shop: price, deadline, warranty, an appointment for the pick-up."""
    commitments = _last_matter(commitments)
    quotes = _latest(commitments, "price_quoted")
    deadlines = _latest(commitments, "deadline_promised")
    warranties = _latest(commitments, "warranty_given")
    pickups = [one for one in _latest(commitments, "pickup_agreed", "staff") if one.due_on]
    parts = []
    if quotes:
        parts.append(f"passou {say_quotes(quotes)} em {say_date(quotes[-1].said.at)}")
    if deadlines:
        verbs = {"kept": "cumpriu o prazo de", "broken": "não cumpriu o prazo de"}
        verb, due = verbs.get(deadlines[-1].outcome or ""), deadlines[-1].due_on
        if due is None:
            parts.append("prometeu o serviço sem dizer o dia")
        else:
            # Evidence is compared by the day, so a kept deadline is named without its time.
            parts.append(
                f"{verb} {say_date(due)}" if verb else f"prometeu o serviço para {say_due(deadlines[-1])}"
            )
    if warranties and warranties[-1].said.mention.length:
        parts.append(f"deu garantia de {say_length(warranties[-1].said.mention.length)}")
    if pickups:
        parts.append(f"ficou de buscar o aparelho em {say_due(pickups[-1])}")
    if not parts:
        return None
    used = [*quotes, *deadlines[-1:], *warranties[-1:], *pickups[-1:]]
    refs = unique_refs(*(one.said.ref for one in used), *(one.outcome_ref for one in deadlines[-1:]))
    orders = [one.outcome_order for one in deadlines[-1:] if one.outcome_order is not None]
    return Claim(kind="offer", text=f"A loja {join_words(parts)}.", messages=refs, orders=orders)


def _decided_on(one: Commitment, quoted: datetime | None) -> str:
    """Return what a decision was about; `quoted` is when the last price was named."""
    if quoted is not None and quoted <= one.said.at:
        return "o orçamento"
    # A price that comes after the decision is another one, or what the work cost in the end.
    if one.said.mention.kind == "quote_approved":
        return "o serviço"
    return "o orçamento" if quoted is None else "um orçamento anterior"


def decision(commitments: Sequence[Commitment]) -> Claim | None:
    """Return the decisions and announcements of the customer: approval, payment, pick-up."""
    decided = sorted(
        (one for one in commitments if one.said.mention.kind in {"quote_approved", "quote_refused"}),
        key=lambda one: one.said.at,
    )[-1:]
    payments = _latest(commitments, "payment_announced")
    pickups = _latest(commitments, "pickup_agreed", "customer")
    parts = []
    quoted = max(
        (one.said.at for one in commitments if one.said.mention.kind == "price_quoted"), default=None
    )
    for one in decided:
        verb = "aprovou" if one.said.mention.kind == "quote_approved" else "recusou"
        parts.append(f"{verb} {_decided_on(one, quoted)} em {say_date(one.said.at)}")
    if payments:
        confirmed = ", confirmado pela loja" if payments[-1].outcome == "kept" else ""
        parts.append(f"avisou sobre o pagamento em {say_date(payments[-1].said.at)}{confirmed}")
    if pickups:
        on = f" em {say_due(pickups[-1])}" if pickups[-1].due_on else ""
        # Before the customer decided and the shop promised a day, they may bring the device, or buy a cable.
        there = any(
            one.said.mention.kind in _DEVICE_IS_THERE and one.said.at <= pickups[-1].said.at
            for one in commitments
        )
        parts.append(f"ficou de {'buscar o aparelho' if there or not on else 'passar na loja'}{on}")
    if not parts:
        return None
    used = [*decided, *payments[-1:], *pickups[-1:]]
    refs = unique_refs(*(one.said.ref for one in used), *(one.outcome_ref for one in payments[-1:]))
    return Claim(kind="decision", text=f"O cliente {join_words(parts)}.", messages=refs, orders=[])


def unanswered_offer(commitments: Sequence[Commitment]) -> list[Commitment]:
    """Return the quotes of the latest offer if the customer neither approved nor refused it."""
    return [one for one in _latest(commitments, "price_quoted") if one.outcome is None]


def awaited(commitments: Sequence[Commitment]) -> list[Commitment]:
    """Return the promised deadline of which nothing shows that it was kept or broken."""
    return [one for one in _latest(commitments, "deadline_promised") if one.outcome is None][-1:]
