"""The summary's sentences, in Portuguese, made of the facts and of nothing else.

What belongs here: wording, and which messages vouch for which sentence. What does not: computing a fact.
A summary quotes nobody, so it may be read by people who may not read messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypedDict

# Part of the input hash: a change of wording writes every summary again.
TEXT_VERSION = "1"

FREQUENCY_WORDS = {
    "frequent": "frequente", "regular": "regular", "occasional": "ocasional", "rare": "raro",
}  # fmt: skip
SENTIMENT_WORDS = {"positive": "positivo", "neutral": "neutro", "negative": "negativo"}
ORDER_STATUS = {
    "0": "em aberto", "1": "orçada", "2": "serviço concluído", "3": "finalizada", "4": "não aprovada",
    "5": "aprovada", "6": "em andamento", "7": "cancelada",
}  # fmt: skip
_CHANGE = 0.2
_TOPICS_SHOWN = 3
_ORDERS_SHOWN = 3


class OrderFact(TypedDict):
    """A linked order as the facts hold it; dates are ISO."""

    id: int
    number: str | None
    status: str | None
    equipment: str | None
    opened: str | None
    closed: str | None
    evidence: str | None
    open: bool


class Claim(TypedDict):
    """One sentence with the messages (`chat:1`, `webhook:2`) and orders that vouch for it."""

    kind: str
    text: str
    messages: list[str]
    orders: list[int]


class Facts(NamedTuple):
    """What is known of a contact; times are local and naive, durations seconds."""

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


def say_date(day: date | str) -> str:
    """Write a date as Brazilians do: 05/01/2025."""
    return (date.fromisoformat(day) if isinstance(day, str) else day).strftime("%d/%m/%Y")


def say_money(amount: Decimal) -> str:
    """Write an amount as Brazilians do: R$ 1.250,00."""
    return "R$ " + f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


_LENGTH_UNITS = {
    "d": ("dia", "dias"), "w": ("semana", "semanas"), "m": ("mês", "meses"), "y": ("ano", "anos"),
}  # fmt: skip


def say_length(length: str) -> str:
    """Write a length such as `90d` or `1y` in words: 90 dias, 1 ano."""
    return _count(int(length[:-1]), *_LENGTH_UNITS[length[-1]])


def say_duration(seconds: int) -> str:
    """Write a duration in the unit a person would use: `12 min`, `3 h 20 min`, `2 dias e 4 h`."""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 60:
        return "menos de 1 min"
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        rest = seconds % 3600 // 60
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    rest = seconds % 86400 // 3600
    word = "dia" if days == 1 else "dias"
    return f"{days} {word} e {rest} h" if rest else f"{days} {word}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _join(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} e {parts[-1]}"


def _decimal(score: float) -> str:
    return f"{round(score, 2) + 0.0:+.2f}".replace(".", ",").replace("-", "−")


def _refs(*refs: str | None) -> list[str]:
    return list(dict.fromkeys(ref for ref in refs if ref))


def _contact(facts: Facts) -> Claim:
    if not facts.conversations:
        text = f"Sem conversa registrada: {_count(facts.messages, 'aviso', 'avisos')} do sistema."
        return Claim(kind="contact", text=text, messages=_refs(facts.first_ref, facts.last_ref), orders=[])
    when = (
        f"em {say_date(facts.first_at)}"
        if facts.first_at.date() == facts.last_at.date()
        else f"de {say_date(facts.first_at)} a {say_date(facts.last_at)}"
    )
    speaker = "do cliente" if facts.last_speaker == "customer" else "da equipe"
    text = (
        f"Cliente de contato {FREQUENCY_WORDS[facts.frequency]}: "
        f"{_count(facts.conversations, 'conversa', 'conversas')} {when}, com "
        f"{_count(facts.customer, 'mensagem do cliente', 'mensagens do cliente')} e "
        f"{facts.staff} da equipe; a última foi {speaker}."
    )
    return Claim(kind="contact", text=text, messages=_refs(facts.first_ref, facts.last_ref), orders=[])


def _topics(facts: Facts) -> Claim | None:
    shown = facts.topics[:_TOPICS_SHOWN]
    terms = facts.terms[:3]
    if not shown and not terms:
        return None
    sentences = []
    if shown:
        names = _join([f"{topic['name']} ({round(100 * topic['share'])}%)" for topic in shown])
        sentences.append(f"Fala sobretudo de {names}" if len(shown) > 1 else f"Fala de {names}")
    if terms:
        named = _join([term["name"] for term in terms])
        sentences.append(f"cita {named}" if sentences else f"Cita {named}")
    evidence = [topic["evidence"] for topic in shown] + [term["evidence"] for term in terms]
    return Claim(kind="topics", text="; ".join(sentences) + ".", messages=_refs(*evidence), orders=[])


def _sentiment(facts: Facts) -> Claim | None:
    if facts.mood is None:
        return None
    text = f"Sentimento estimado {SENTIMENT_WORDS[facts.sentiment]} ({_decimal(facts.mood)})"
    if facts.mood_change is not None:
        change = facts.mood_change
        trend = (
            "melhor que"
            if change >= _CHANGE
            else "pior que"
            if change <= -_CHANGE
            else "estável em relação a"
        )
        before = "aos 90 dias anteriores" if trend.endswith(" a") else "nos 90 dias anteriores"
        text += f"; na última conversa, {trend.removesuffix(' a')} {before}"
    return Claim(kind="sentiment", text=text + ".", messages=_refs(facts.mood_ref), orders=[])


def _replies(facts: Facts) -> Claim | None:
    if facts.reply_median is None or facts.reply_p90 is None:
        return None
    text = (
        f"A equipe respondeu em {say_duration(facts.reply_median)} na mediana"
        f" e em até {say_duration(facts.reply_p90)} em 90% das vezes"
    )
    if facts.reply_median_business is not None and facts.reply_median_business != facts.reply_median:
        text += f" (mediana em horário comercial: {say_duration(facts.reply_median_business)})"
    return Claim(kind="replies", text=text + ".", messages=_refs(*facts.reply_refs), orders=[])


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
        kind="orders", text=f"{word}: {_join(names)}.",
        messages=_refs(*(order["evidence"] for order in shown)), orders=[order["id"] for order in shown],
    )  # fmt: skip


def _open(facts: Facts) -> Claim | None:
    if not facts.conversations:
        return None
    pending = [order for order in facts.orders if order["open"]]
    if facts.waiting_since is None and not pending:
        return Claim(kind="open", text="Nada em aberto.", messages=_refs(facts.last_ref), orders=[])
    parts = []
    if facts.waiting_since is not None:
        parts.append(f"o cliente aguarda resposta desde {say_date(facts.waiting_since)}")
    if pending:
        oldest = min((order["opened"] for order in pending if order["opened"]), default=None)
        since = f" desde {say_date(oldest)}" if oldest else ""
        parts.append(f"{_count(len(pending), 'ordem não encerrada', 'ordens não encerradas')}{since}")
    return Claim(
        kind="open", text=f"Em aberto: {_join(parts)}.",
        messages=_refs(facts.waiting_ref, *(order["evidence"] for order in pending)),
        orders=[order["id"] for order in pending],
    )  # fmt: skip


def compose(facts: Facts) -> list[Claim]:
    """Return the summary's sentences, three to six where there was a conversation, in a fixed order."""
    claims = [
        _contact(facts),
        _topics(facts),
        _sentiment(facts),
        _orders(facts),
        _replies(facts),
        _open(facts),
    ]
    kept = [claim for claim in claims if claim is not None]
    if facts.conversations and len(kept) < 3:
        nothing = Claim(
            kind="nothing", text="As mensagens não permitem dizer o assunto.",
            messages=_refs(facts.last_ref), orders=[],
        )  # fmt: skip
        kept.insert(1, nothing)
    return kept
