"""Portuguese words for dates, amounts and states, and the type of a sentence.

What belongs here: writing one value. What does not: sentences (text.py and the modules `*_text`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import TypedDict

FREQUENCY_WORDS = {
    "frequent": "frequente",
    "regular": "regular",
    "occasional": "ocasional",
    "rare": "raro",
}
SENTIMENT_WORDS = {"positive": "positivo", "neutral": "neutro", "negative": "negativo"}
ORDER_STATUS = {
    "0": "em aberto",
    "1": "orçada",
    "2": "serviço concluído",
    "3": "finalizada",
    "4": "não aprovada",
    "5": "aprovada",
    "6": "em andamento",
    "7": "cancelada",
}


class Claim(TypedDict):
    """One sentence with the messages (`chat:1`, `webhook:2`) and orders that are its evidence."""

    kind: str
    text: str
    messages: list[str]
    orders: list[int]


def say_date(day: date | str) -> str:
    """Write a date as Brazilians do: 05/01/2025."""
    return (date.fromisoformat(day) if isinstance(day, str) else day).strftime("%d/%m/%Y")


def say_money(amount: Decimal) -> str:
    """Write an amount as Brazilians do: R$ 1.250,00."""
    return "R$ " + f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


_LENGTH_UNITS = {
    "d": ("dia", "dias"),
    "w": ("semana", "semanas"),
    "m": ("mês", "meses"),
    "y": ("ano", "anos"),
}


def say_length(length: str) -> str:
    """Write a length such as `90d` or `1y` in words: 90 dias, 1 ano."""
    return count_of(int(length[:-1]), *_LENGTH_UNITS[length[-1]])


_SPAN_UNITS = {
    "b": ("dia útil", "dias úteis"),
    "d": ("dia", "dias"),
    "h": ("hora", "horas"),
    "m": ("minuto", "minutos"),
}


def say_span(code: str) -> str:
    """Write the duration of work from a code such as `b5` or `h2@10:00`: 5 dias úteis, 2 horas."""
    return count_of(int(code.partition("@")[0][1:]), *_SPAN_UNITS[code[0]])


def say_duration(seconds: int) -> str:
    """Write a duration in the unit that a person would use: `12 min`, `3 h 20 min`, `2 dias e 4 h`."""
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


def count_of(number: int, one: str, many: str) -> str:
    """Write a number with its noun."""
    return f"{number} {one if number == 1 else many}"


def join_words(parts: Sequence[str]) -> str:
    """Join words: a, b e c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} e {parts[-1]}"


def unique_refs(*refs: str | None) -> list[str]:
    """Return the references that are not None, each once."""
    return list(dict.fromkeys(ref for ref in refs if ref))
