"""A customer's or an order's conversation for printing, or as a single file.

What belongs here: the heading (user, time, subject) and all messages of a period. What does not: reading page
by page (conversation.py).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.responses import Response

from whatsapp_pipeline.console import words
from whatsapp_pipeline.console.addresses import customer_address
from whatsapp_pipeline.console.error_pages import PageError
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.console.pages.conversation import by_day, seen_in
from whatsapp_pipeline.console.pages.order import shown_order
from whatsapp_pipeline.console.static_files import static_text
from whatsapp_pipeline.store.contacts.directory import order_by_id
from whatsapp_pipeline.store.conversations.message_stream import StreamMessage, StreamScope, messages_between
from whatsapp_pipeline.store.operations.console_views import ViewAction
from whatsapp_pipeline.store.summaries.customer_head import customer_head
from whatsapp_pipeline.templates.render import number

LONGEST = 5_000
"""Largest number of messages in one transcript. A longer conversation must be printed by period."""


@dataclass(frozen=True, slots=True)
class _TranscriptSubject:
    """The customer or order whose conversation a transcript has.

    `back` is the path of the subject's page.
    """

    scope: StreamScope
    id_contato: int | None
    title: str
    back: str
    file_name: str


def print_customer(page: Page) -> Response:
    """Show a customer's conversation for printing."""
    return _print_page(page, _customer(page))


def export_customer(page: Page) -> Response:
    """Send a customer's conversation as one HTML file."""
    return _export_file(page, _customer(page))


def print_order(page: Page) -> Response:
    """Show an order's conversation for printing."""
    return _print_page(page, _order(page))


def export_order(page: Page) -> Response:
    """Send an order's conversation as one HTML file."""
    return _export_file(page, _order(page))


def _customer(page: Page) -> _TranscriptSubject:
    number = page.number("id")
    head = customer_head(page.conn, number, with_phones=False)
    if head is None:
        raise PageError("not_found")
    title = f"{head['nome'] or words.NO_NAME} ({words.CUSTOMER_NUMBER.lower()} {number})"
    return _TranscriptSubject(
        StreamScope("customer", number), number, title, customer_address(number), f"cliente-{number}"
    )


def _order(page: Page) -> _TranscriptSubject:
    found = order_by_id(page.conn, page.number("id"), with_device=False)
    if found is None:
        raise PageError("not_found")
    shown = shown_order(found)
    title = f"{words.ORDER} {shown.number}" + (f", {shown.name}" if shown.name else "")
    return _TranscriptSubject(
        StreamScope("order", found.id), found.id_contato, title, shown.address, f"os-{found.id}"
    )


def _print_page(page: Page, subject: _TranscriptSubject) -> Response:
    values = _values(page, subject, "print")
    period = {name: value.isoformat() for name in ("since", "until") if (value := page.day(name))}
    path = f"{'customers' if subject.scope.kind == 'customer' else 'orders'}/{subject.scope.id}"
    return page.render(
        "print.html",
        **values,
        back=subject.back,
        here=f"/print/{path}",
        since=page.day("since"),
        until=page.day("until"),
        export=f"/export/{path}?{urlencode(period)}",
    )


def _export_file(page: Page, subject: _TranscriptSubject) -> Response:
    values = _values(page, subject, "export")
    response = page.render("export.html", **values, style=Markup(static_text("transcript.css")))  # noqa: S704  # our own file
    name = f"conversa-{subject.file_name}-{page.now:%Y%m%d-%H%M}.html"
    response.headers["content-disposition"] = f'attachment; filename="{name}"'
    return response


def _values(page: Page, subject: _TranscriptSubject, action: ViewAction) -> dict[str, Any]:
    """Read the messages, record the view, and return the values for the template."""
    since, until = page.day("since"), page.day("until")
    messages = messages_between(
        page.conn, subject.scope, _midnight(since), _midnight(until, days=1), limit=LONGEST + 1
    )
    is_cut = len(messages) > LONGEST
    del messages[LONGEST:]
    page.record(action, {(subject.id_contato, f"order:{subject.scope.id}"), *seen_in(messages)})
    return {
        "title": subject.title,
        "facts": _facts(page, messages, since, until),
        "days": by_day(messages),
        "is_cut": is_cut,
        "limit": LONGEST,
    }


def _midnight(day: date | None, *, days: int = 0) -> datetime | None:
    """Return the start of the day that is `days` days after `day`; None without a day."""
    if day is None:
        return None
    start = min(day, date.max - timedelta(days=2)) + timedelta(days=days)
    return datetime(start.year, start.month, start.day)


def _facts(
    page: Page, messages: list[StreamMessage], since: date | None, until: date | None
) -> list[tuple[str, str]]:
    """Return the lines of the heading: user, time, period, sources, and number of messages."""
    sides = Counter(message.side for message in messages)
    live = sum(message.origin != "archive" for message in messages)
    counts = [f"{number(sides[side])} {name}" for side, name in words.SIDES_COUNTED.items() if sides[side]]
    period = f"{since:%d/%m/%Y}" if since else words.FROM_THE_START
    period += f" {words.UNTIL.lower()} " + (f"{until:%d/%m/%Y}" if until else words.TO_THE_END)
    return [
        (words.MADE_BY, f"{page.visitor.name}, {page.now:%d/%m/%Y %H:%M}"),
        (words.PERIOD, period),
        (
            words.SOURCES,
            f"{number(len(messages) - live)} {words.FROM_ARCHIVE}, {number(live)} {words.FROM_WEBHOOK}",
        ),
        (words.MESSAGES, number(len(messages)) + (f" ({', '.join(counts)})" if counts else "")),
    ]
