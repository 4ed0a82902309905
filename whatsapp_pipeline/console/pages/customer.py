"""A customer's page: the data beside their conversation, and the pinned note."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.responses import Response

from whatsapp_pipeline.console.addresses import customer_address, message_address, order_address
from whatsapp_pipeline.console.error_pages import PageError
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.console.pages.conversation import read_conversation, seen_in
from whatsapp_pipeline.domain.summaries.wording import ORDER_STATUS
from whatsapp_pipeline.steps.summaries.customer_words import metrics
from whatsapp_pipeline.store.conversations.message_stream import StreamScope
from whatsapp_pipeline.store.summaries.customer_head import MOST_ORDERS, customer_head, set_note

_MONTHS_SHOWN = 36
# Number of orders that are shown at once. The other orders are shown after a click.
_ORDERS_SHOWN = 8
_DATES = ("first_interaction_date", "last_interaction_date", "open_since", "computed_at")


def show_customer(page: Page) -> Response:
    """Show a customer."""
    number = page.number("id")
    head = read_head(page, number)
    conversation = None
    if page.visitor.may("analyst"):
        conversation, messages = read_conversation(
            page, StreamScope("customer", number), f"/customers/{number}"
        )
        page.record("view", {(number, ""), *seen_in(messages)})
    return page.render(
        "customer.html",
        head=head,
        orders=head["orders"][:_ORDERS_SHOWN],
        older_orders=head["orders"][_ORDERS_SHOWN:],
        conversation=conversation,
        edit_note=page.text("note") == "edit",
        query="",
    )


def save_note(page: Page) -> Response:
    """Save, change or delete the customer's note."""
    number = page.number("id")
    note = page.form().get("note", "").replace("\r\n", "\n")
    if customer_head(page.conn, number, with_phones=False) is None:
        raise PageError("not_found")
    if len(note.strip()) > 2000:
        raise PageError("too_large")
    set_note(page.conn, number, note, page.visitor.name)
    page.record("note", {(number, "")})
    return page.redirect(customer_address(number))


def read_head(page: Page, number: int) -> dict[str, Any]:
    """Return the data beside the conversation, for the template.

    Raises PageError (not_found) if the customer does not exist.
    """
    found = customer_head(page.conn, number, with_phones=page.visitor.may("analyst"))
    if found is None:
        raise PageError("not_found")
    summary = found["summary"]
    if summary:
        summary |= {name: datetime.fromisoformat(summary[name]) for name in _DATES if summary[name]}
    return {
        **found,
        "summary": summary,
        "claims": _claims(number, summary["claims"]) if summary else [],
        "metrics": metrics(summary) if summary else [],
        "orders": [_order(*order) for order in found["orders"][:MOST_ORDERS]],
        "has_more_orders": len(found["orders"]) > MOST_ORDERS,
        "months": _every_month(found["months"]),
    }


def _claims(number: int, claims: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each sentence of a summary with the addresses of the first five messages that it cites."""
    return [
        {
            "text": claim["text"],
            "messages": [message_address(ref, customer=number) for ref in claim["messages"][:5]],
        }
        for claim in claims
    ]


def _order(
    id_order: int,
    number: str | None,
    status: str | None,
    device: str | None,
    opened: str | None,
    closed: str | None,
) -> dict[str, Any]:
    return {
        "id": id_order,
        "address": order_address(number, id_order),
        "number": number or id_order,
        "status": ORDER_STATUS.get(status or "", ""),
        "is_open": closed is None and status not in {"3", "7"},
        "device": device,
        "opened": datetime.fromisoformat(opened).date() if opened else None,
        "closed": datetime.fromisoformat(closed).date() if closed else None,
    }


def _every_month(counted: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """Return the counts of the newest 36 months, including months without messages in between."""
    if not counted:
        return {}
    first, last = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (min(counted), max(counted)))
    names = [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in range(first, last + 1)]
    return {f"{name[5:]}/{name[:4]}": counted.get(name, {}) for name in names[-_MONTHS_SHOWN:]}
