"""A customer's figures, orders and conversations in Portuguese words, for the terminal and for the page."""

from __future__ import annotations

from typing import Any

from whatsapp_pipeline.domain.summaries.text import NOTHING_OPEN
from whatsapp_pipeline.domain.summaries.wording import (
    FREQUENCY_WORDS,
    ORDER_STATUS,
    SENTIMENT_WORDS,
    say_date,
    say_duration,
)

FEWEST_FOR_PERCENTILE = 5
"""With fewer replies than this, the 90th percentile is only the slowest reply, so it is omitted."""


def metrics(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the figures of a summary as (name, value) in Portuguese, without unknown response times."""
    facts = summary["facts"] or {}
    times = (
        ("Primeira resposta", "first_response", facts.get("first_responses") or 0),
        ("Respostas", "reply", (facts.get("replies") or {}).get("count") or 0),
    )
    rows = [
        ("Primeiro contato", say_date(summary["first_interaction_date"])),
        ("Último contato", say_date(summary["last_interaction_date"])),
        ("Frequência", FREQUENCY_WORDS[summary["communication_frequency"]]),
        ("Conversas", str(summary["conversation_count"])),
        ("Mensagens", f"{summary['customer_messages']} do cliente, {summary['staff_messages']} da equipe"),
        ("Assuntos", ", ".join(summary["common_topics"]) or "—"),
        ("Sentimento estimado", SENTIMENT_WORDS[summary["sentiment_analysis"]]),
    ]
    for name, column, count in times:
        median = summary[f"{column}_median_s"]
        if median is not None:
            value = f"mediana {say_duration(median)}"
            if count >= FEWEST_FOR_PERCENTILE:
                value += f", 9 de cada 10 em até {say_duration(summary[f'{column}_p90_s'])}"
            business = say_duration(summary[f"{column}_median_business_s"])
            rows.append((name, f"{value}, mediana em horário comercial {business}"))
    rows.append(("Em aberto", _open_words(summary)))
    return rows


def _open_words(summary: dict[str, Any]) -> str:
    """Return since when something is open, in Portuguese. An open quote or promise has no such date."""
    if opened := summary["open_since"]:
        return f"desde {say_date(opened)}"
    is_open = any(claim["kind"] == "open" and claim["text"] != NOTHING_OPEN for claim in summary["claims"])
    return "sim, veja o resumo" if is_open else "nada"


def order_line(order: dict[str, Any]) -> str:
    """Return an order as one line of text."""
    status = ORDER_STATUS.get(order["situacao"] or "", "situação não informada")
    opened = f", aberta em {say_date(order['data_emissao'])}" if order["data_emissao"] else ""
    closed = f", concluída em {say_date(order['data_conclusao'])}" if order["data_conclusao"] else ""
    equipment = f"{order['equipamento']}, " if order["equipamento"] else ""
    return f"OS {order['numero_ordem_servico'] or order['id']}: {equipment}{status}{opened}{closed}"


def conversation_line(conversation: dict[str, Any]) -> str:
    """Return a conversation as one line of text."""
    topics = ", ".join(conversation["topics"][:4]) or "sem assunto reconhecido"
    response = conversation["first_response_s"]
    count = conversation["message_count"]
    messages = f"{count} {'mensagem' if count == 1 else 'mensagens'}"
    answered = f", respondida em {say_duration(response)}" if response is not None else ""
    return (
        f"{conversation['started_at']:%d/%m/%Y %H:%M}: {messages}, {topics}, "
        f"{SENTIMENT_WORDS[conversation['sentiment']]}{answered}"
    )
