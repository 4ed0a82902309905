"""The sentences of a summary, in Portuguese. They contain only facts.

What belongs here: wording, and the messages that are the evidence for each sentence. What does not: computing
a fact. A summary contains no quotation, so people who may not read messages may read it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypedDict

from whatsapp_pipeline.domain.commitments.status import Commitment, Followed, Said
from whatsapp_pipeline.domain.summaries.case import Case, case_of
from whatsapp_pipeline.domain.summaries.case_prices import plain_prices
from whatsapp_pipeline.domain.summaries.deadline_text import say_promised
from whatsapp_pipeline.domain.summaries.decision_text import decision
from whatsapp_pipeline.domain.summaries.decisions import over_since
from whatsapp_pipeline.domain.summaries.matter_text import CaseTerm, matter, purpose, thing_of
from whatsapp_pipeline.domain.summaries.next_step import named_day, promised_return
from whatsapp_pipeline.domain.summaries.offer_text import offer, say_quotes
from whatsapp_pipeline.domain.summaries.open_items import awaited, unanswered_offer, undecided_offer
from whatsapp_pipeline.domain.summaries.symptoms import SEVERAL
from whatsapp_pipeline.domain.summaries.wording import (
    ORDER_STATUS,
    Claim,
    count_of,
    join_words,
    say_date,
    say_duration,
    unique_refs,
)

# Part of the input hash: a change of wording writes every summary again.
TEXT_VERSION = "20"
NOTHING_OPEN = "Nenhuma resposta pendente."

# An older remark does not show the current mood of the customer.
_MOOD_AGE = timedelta(days=90)
# Thanks so near to a refusal are courtesy.
_ONE_TALK = timedelta(days=1)
_SAME_TALK = timedelta(hours=1)
# A figure of fewer exchanges, or of a few conversations, says nothing.
_REPLIES_SHOWN, _PERCENTILE_SHOWN, _CONVERSATIONS_SHOWN = 5, 10, 5
# A topic of only one message is named only if nothing else is known.
_TOPIC_MESSAGES = 2
_FEWEST_SENTENCES, _MOST_SENTENCES = 3, 6
_ORDERS_SHOWN = 3
_TURNED_DOWN = frozenset({"4", "7"})
_ENDED = frozenset({"3"})


class OrderFact(TypedDict):
    """A linked order. Dates are in ISO format."""

    id: int
    number: str | None
    status: str | None
    equipment: str | None
    opened: str | None
    closed: str | None
    evidence: str | None
    open: bool


class Facts(NamedTuple):
    """Facts about a contact. Times are local and naive, and durations are in seconds."""

    messages: int
    customer: int
    staff: int
    conversations: int
    first_at: datetime
    last_at: datetime
    first_ref: str | None
    last_ref: str | None
    last_speaker: str | None
    frequency: str
    topics: Sequence[dict[str, Any]]
    terms: Sequence[dict[str, Any]]
    sentiment: str
    mood: float | None
    mood_change: float | None
    mood_ref: str | None
    reply_median: int | None
    reply_p90: int | None
    reply_median_business: int | None
    reply_refs: Sequence[str]
    orders: Sequence[OrderFact]
    waiting_since: datetime | None
    waiting_ref: str | None
    replies: int = 0
    case: Sequence[CaseTerm] = ()
    urgent_ref: str | None = None
    followed: Followed = Followed([])
    types: Mapping[str, int] | None = None
    last_staff_at: datetime | None = None
    last_customer_at: datetime | None = None


def _contact(facts: Facts) -> Claim:
    if not facts.conversations:
        text = f"Sem conversa registrada: {count_of(facts.messages, 'aviso', 'avisos')} do sistema."
        return Claim(
            kind="contact", text=text, messages=unique_refs(facts.first_ref, facts.last_ref), orders=[]
        )
    speaker = "do cliente" if facts.last_speaker == "customer" else "da equipe"
    if facts.messages == 1:
        text = f"Houve só uma mensagem, {speaker}, em {say_date(facts.first_at)}."
        return Claim(kind="contact", text=text, messages=unique_refs(facts.first_ref), orders=[])
    text = f"A última mensagem foi {speaker}, em {say_date(facts.last_at)}."
    return Claim(kind="contact", text=text, messages=unique_refs(facts.last_ref), orders=[])


def _refuses_politely(facts: Facts, praise: Said) -> bool:
    """Return whether praise comes with a refusal: "vou fazer em outro lugar, obrigado pela gentileza"."""
    return any(
        one.said.mention.kind == "quote_refused" and abs(one.said.at - praise.at) <= _ONE_TALK
        for one in facts.followed.commitments
    )


def _sentiment(facts: Facts) -> Claim | None:
    if facts.mood is None or facts.sentiment == "neutral":
        return None
    # A mood alone may come from a misread word, or be about something other than the shop.
    is_positive = facts.sentiment == "positive"
    praises, blames = (facts.followed.remarks.get(kind) for kind in ("said_praises", "said_blames"))
    said, opposite = (praises, blames) if is_positive else (blames, praises)
    if (
        said is None
        or said.at < facts.last_at - _MOOD_AGE
        or (opposite is not None and opposite.at > said.at)
        or (is_positive and _refuses_politely(facts, said))
    ):
        return None
    text = f"O cliente mostrou {'satisfação' if is_positive else 'insatisfação'} com a loja."
    return Claim(kind="sentiment", text=text, messages=[said.ref], orders=[])


def _replies(facts: Facts) -> Claim | None:
    if facts.reply_median is None or facts.reply_p90 is None or facts.replies < _REPLIES_SHOWN:
        return None
    if facts.conversations < _CONVERSATIONS_SHOWN:
        return None
    text = f"A equipe costuma responder em {say_duration(facts.reply_median)}"
    if facts.replies >= _PERCENTILE_SHOWN:
        text += f", e em 9 de cada 10 vezes em até {say_duration(facts.reply_p90)}"
    return Claim(kind="replies", text=text + ".", messages=unique_refs(*facts.reply_refs), orders=[])


def _order(order: OrderFact) -> str:
    status = ORDER_STATUS.get(order["status"] or "", "situação não informada")
    closed = f" em {say_date(order['closed'])}" if order["closed"] and order["status"] == "3" else ""
    equipment = f"{order['equipment'].strip()}, " if order["equipment"] and order["equipment"].strip() else ""
    return f"OS {order['number'] or order['id']} ({equipment}{status}{closed})"


def _orders(facts: Facts) -> Claim | None:
    if not facts.orders:
        return None
    shown = facts.orders[:_ORDERS_SHOWN]
    more = len(facts.orders) - len(shown)
    names = [_order(order) for order in shown] + ([f"mais {more}"] if more else [])
    word = "Ordem ligada" if len(facts.orders) == 1 else "Ordens ligadas"
    return Claim(
        kind="orders",
        text=f"{word}: {join_words(names)}.",
        messages=unique_refs(*(order["evidence"] for order in shown)),
        orders=[order["id"] for order in shown],
    )


def _say_pending(pending: Sequence[OrderFact]) -> str:
    oldest = min((order["opened"] for order in pending if order["opened"]), default=None)
    if len(pending) == 1:
        opened = f", aberta em {say_date(oldest)}" if oldest else ""
        return f"falta encerrar a OS {pending[0]['number'] or pending[0]['id']}{opened}"
    since = f", a mais antiga de {say_date(oldest)}" if oldest else ""
    return f"falta encerrar {len(pending)} ordens{since}"


def _was_brought(said: Said, orders: Sequence[OrderFact]) -> bool:
    """Return whether an order was opened on the day of a message that announces a device, or later."""
    day = said.at.date().isoformat()
    return any(order["opened"] is not None and order["opened"][:10] >= day for order in orders)


def _is_closed(facts: Facts, case: Case) -> bool:
    """Return whether evidence shows that the case is closed, and no later message announces anything."""
    pending, thanks = case.remarks.get("said_pending"), case.remarks.get("said_thanks")
    last = facts.last_customer_at
    says_goodbye = thanks is not None and last is not None and thanks.at >= last
    ends = [case.collected.at] if case.collected is not None else []
    over = over_since(case, facts.first_at) if says_goodbye else None
    ends += [over] if over is not None else []
    closed = [order["closed"] for order in facts.orders if order["status"] in _ENDED and order["closed"]]
    if closed and len(closed) == len(facts.orders):
        ends.append(datetime.fromisoformat(max(closed)[:10]) + timedelta(days=1))
    if not ends or any(one.said.at > max(ends) for one in case.commitments):
        return False
    if any(_is_to_pay(one) for one in case.commitments) or _wrote_last(facts, max(ends)):
        return False
    return pending is None or pending.at < max(ends)


def _is_to_pay(one: Commitment) -> bool:
    """Return whether the customer announced a payment that nothing shows to be made."""
    return (
        one.said.mention.kind == "payment_announced"
        and one.said.mention.sort == "to_come"
        and one.outcome is None
    )


def _wrote_last(facts: Facts, end: datetime) -> bool:
    """Return whether the shop wrote again after the case was over, and the customer did not answer."""
    staff, customer = facts.last_staff_at, facts.last_customer_at
    return staff is not None and staff > max(end, customer or end) + _SAME_TALK


def _say_awaited(deadlines: Sequence[Commitment], last_at: datetime, *, after_shop: bool) -> str:
    """Write that the news of ready work are missing; after its day they are late.

    `after_shop`: the shop is the subject of the words before.
    """
    many = len(deadlines) > 1
    what = f"{'os serviços prometidos' if many else 'o serviço prometido'}{say_promised(deadlines)}"
    if all(one.due_on is not None and one.due_on < last_at.date() for one in deadlines):
        shop = "" if after_shop else "a loja "
        return f"{shop}ainda não avisou se {what} {'ficaram prontos' if many else 'ficou pronto'}"
    return f"falta a loja avisar quando {what} {'ficarem prontos' if many else 'ficar pronto'}"


def _asked_since(facts: Facts) -> Said | None:
    """Return the first message since which the shop owes an answer, if it owes one."""
    asks = facts.followed.asks
    if facts.waiting_since is None or asks is None or asks.at < facts.waiting_since:
        return None
    # What was said before the first question may have closed the talk before it.
    return next((one for one in facts.followed.asked if one.at >= facts.waiting_since), asks)


def _steps(facts: Facts, case: Case, thing: str) -> list[tuple[str, list[str]]]:
    """Return what is open, each with its messages."""
    asked, quotes, deadlines = _asked_since(facts), unanswered_offer(case), awaited(case)
    found: list[tuple[str, list[str]]] = []
    if asked is not None:
        since = f"a loja deve uma resposta ao cliente desde {say_date(asked.at)}"
        found.append((since, unique_refs(facts.waiting_ref)))
    if quotes:
        what = f"ao {say_quotes(quotes)}" if plain_prices(case) else "aos valores informados"
        found.append((f"falta a resposta do cliente {what}", [one.said.ref for one in quotes]))
    if deadlines:
        text = _say_awaited(deadlines, facts.last_at, after_shop=asked is not None and not quotes)
        found.append((text, [one.said.ref for one in deadlines]))
    brings = case.brings[0] if case.brings and not _was_brought(case.brings[0], facts.orders) else None
    if brings is not None:
        found.append((f"falta o cliente levar {thing}", [brings.ref]))
    # A closed order means that the device left the shop.
    is_pending = any(order["open"] for order in facts.orders)
    ready = case.to_collect if is_pending or not facts.orders else None
    if ready is not None:
        found.append((f"falta o cliente buscar {thing}", [ready.ref]))
    announced, named = promised_return(case), named_day(case)
    if asked is None and announced is not None:
        found.append((announced[0], [announced[1].ref]))
    if named is not None and (announced is None or announced[1].ref != named[1].ref):
        found.append((named[0], [named[1].ref]))
    return found


def _open(facts: Facts, case: Case, thing: str) -> Claim | None:
    if not facts.conversations:
        return None
    pending = [order for order in facts.orders if order["open"]]
    found = _steps(facts, case, thing)
    if pending:
        found.append((_say_pending(pending), unique_refs(*(order["evidence"] for order in pending))))
    if not found and (
        undecided_offer(case) or facts.waiting_since is not None or not _is_closed(facts, case)
    ):
        return None  # somebody may still owe an answer, a visit, a payment or the device
    if not found:
        return Claim(kind="open", text=NOTHING_OPEN, messages=unique_refs(facts.last_ref), orders=[])
    said = join_words([text for text, _ in found])
    return Claim(
        kind="open",
        text=f"Em aberto: {said}.",
        messages=unique_refs(*(ref for _, refs in found for ref in refs)),
        orders=[order["id"] for order in pending],
    )


# The sentences that are left out first if there are more than six.
_DISPENSABLE = ("replies", "sentiment", "orders")


_ASKED_OF_SHOP = frozenset({"said_visits", "said_locates"})
_NOT_WRITTEN = frozenset({"audio", "media", "image", "video", "document"})


def _nothing(facts: Facts) -> Claim | None:
    """Say why nothing is known of the matter; where all is written, that would help nobody."""
    not_written = sum(number for name, number in (facts.types or {}).items() if name in _NOT_WRITTEN)
    if not not_written or not_written < facts.customer:
        return None  # the customer also wrote, in words that are not known
    text = "O assunto não foi identificado, porque parte da conversa está em áudios, fotos ou arquivos."
    return Claim(kind="nothing", text=text, messages=unique_refs(facts.last_ref), orders=[])


def compose(facts: Facts) -> list[Claim]:
    """Return the summary's sentences in a fixed order, six at most.

    If little is known, there are few sentences: a sentence without information is left out.
    """
    case = case_of(
        facts.followed,
        facts.last_at,
        len(facts.orders),
        last_staff_at=facts.last_staff_at,
        last_customer_at=facts.last_customer_at,
        turned_down=any(order["status"] in _TURNED_DOWN for order in facts.orders),
    )
    no_customer = purpose(case, facts.case)
    if no_customer is not None:
        return _shortened([no_customer], facts.last_at.year)
    devices = sum(term["kind"] == "device" for term in facts.case)
    several = devices > 1 or any(term["name"] == SEVERAL for term in facts.case)
    names_device = devices > 0 or bool(facts.orders) or "said_device" in case.remarks
    thing = thing_of(facts.case) if not several else None
    if not devices and not several and names_device:
        thing = "o aparelho"
    offered = offer(case, several=several, names_device=names_device, thing=thing)
    decided = decision(case, thing, several=several)
    others = [
        offered,
        decided,
        _orders(facts),
        _sentiment(facts),
        _contact(facts),
        _replies(facts),
        _open(facts, case, thing or ("os itens" if several else "o item")),
    ]
    kept = [claim for claim in others if claim is not None]
    # A topic of other sentences is repeated only if there would be too few sentences.
    nothing_said = offered is None and decided is None
    # What the shop has answered is no matter any more.
    asks = facts.followed.asks
    is_waiting = asks is not None and (facts.last_staff_at is None or facts.last_staff_at < asks.at)
    questions = facts.followed.questions if is_waiting else frozenset[str]()
    remarks = case.remarks
    if not nothing_said:
        # Beside an offer, the hours and the address are asked for a visit.
        remarks = {kind: said for kind, said in remarks.items() if kind not in _ASKED_OF_SHOP}
    about = matter(
        facts.case, case.mentioned_topics, fewest=_TOPIC_MESSAGES, questions=questions, remarks=remarks
    ) or (matter(facts.case, questions=questions, remarks={}) if nothing_said else None)
    if about is not None:
        kept.insert(0, about)
    if sum(claim["kind"] != "replies" for claim in kept) >= _FEWEST_SENTENCES:
        # How fast the shop answers is of interest only where little else is known.
        kept = [claim for claim in kept if claim["kind"] != "replies"]
    for kind in _DISPENSABLE:
        if len(kept) > _MOST_SENTENCES:
            kept = [claim for claim in kept if claim["kind"] != kind]
    unknown = _nothing(facts)
    if facts.conversations and len(kept) < _FEWEST_SENTENCES and about is None and unknown is not None:
        kept.insert(0, unknown)
    return _shortened(kept, facts.last_at.year)


def _shortened(claims: list[Claim], year: int) -> list[Claim]:
    """Remove the year from dates of the year that the sentence about the contact already has."""
    return [
        claim
        if claim["kind"] == "contact"
        else Claim(
            kind=claim["kind"],
            text=re.sub(rf"\b(\d\d/\d\d)/{year}\b", r"\1", claim["text"]),
            messages=claim["messages"],
            orders=claim["orders"],
        )
        for claim in claims
    ]
