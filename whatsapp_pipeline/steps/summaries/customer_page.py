"""A customer's page: the data of a dossier that the template shows.

What belongs here: choosing and arranging the figures. What does not: reading them (customer.py), and markup
(templates/customer.html).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from whatsapp_pipeline.domain.summaries.wording import SENTIMENT_WORDS
from whatsapp_pipeline.steps.summaries.customer import Dossier
from whatsapp_pipeline.steps.summaries.customer_words import conversation_line, metrics, order_line
from whatsapp_pipeline.templates.render import render

_MAX_MONTHS = 60
_LATEST_CONVERSATIONS = 12
_QUOTES_PER_CLAIM = 3


def customer_page(known: Dossier) -> str:
    """Return the page of a customer as one HTML text, which loads no other file and can be printed."""
    summary = known.summary
    return render(
        "customer.html",
        contact=known.contact,
        summary=summary,
        claims=_claims(known, summary) if summary else [],
        metrics=metrics(summary) if summary else [],
        months=messages_by_month(known.conversations),
        sentiment_words=SENTIMENT_WORDS,
        conversations=[
            conversation_line(item) for item in reversed(known.conversations[-_LATEST_CONVERSATIONS:])
        ],
        orders=[order_line(order) for order in known.orders],
        messages=known.messages,
    )


def _claims(known: Dossier, summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each sentence of the summary with at most three of the messages that support it."""
    claims = []
    for claim in summary["claims"]:
        quotes = [known.quotes.get(ref) for ref in claim["messages"][:_QUOTES_PER_CLAIM]]
        claims.append(
            {"text": claim["text"], "quotes": [quote for quote in quotes if quote and quote["text"]]}
        )
    return claims


def messages_by_month(conversations: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Count messages by month (`01/2025`) and by the sentiment of their conversation.

    Every month from the first to the last is a key, also a month without a conversation. Only the last 60
    months are returned.
    """
    if not conversations:
        return {}
    first, last = (conversations[place]["started_at"] for place in (0, -1))
    months: dict[str, dict[str, int]] = {}
    for number in range(_month_number(first), _month_number(last) + 1):
        year, month = divmod(number, 12)
        months[f"{month + 1:02d}/{year}"] = {}
    for item in conversations:
        counts = months[f"{item['started_at']:%m/%Y}"]
        counts[item["sentiment"]] = counts.get(item["sentiment"], 0) + item["message_count"]
    return dict(list(months.items())[-_MAX_MONTHS:])


def _month_number(at: datetime) -> int:
    """Return the number of months from year 0 to a date."""
    return at.year * 12 + at.month - 1
