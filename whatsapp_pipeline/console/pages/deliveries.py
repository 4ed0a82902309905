"""Dead letters of the webhook: listing deliveries that failed too often, and processing them again.

What belongs here: the list and its buttons. What does not: processing a delivery (steps/conversations/),
which the next run of the inbox does.
"""

from __future__ import annotations

from starlette.responses import Response

from whatsapp_pipeline.console.error_pages import PageError
from whatsapp_pipeline.console.page import Page, number_or_none
from whatsapp_pipeline.store.conversations.dead_letters import (
    count_dead_deliveries,
    dead_deliveries,
    replay_dead_deliveries,
)

_LISTED = 50


def show_dead_letters(page: Page) -> Response:
    """List dead letters, newest first, each with the reason."""
    found = dead_deliveries(page.conn, before=number_or_none(page.text("before")), limit=_LISTED + 1)
    shown = found[:_LISTED]
    return page.render(
        "deliveries.html",
        letters=shown,
        total=count_dead_deliveries(page.conn),
        older=f"/deliveries?before={shown[-1].id}" if len(found) > _LISTED else None,
        may_replay=page.visitor.may("reviewer"),
        replayed=number_or_none(page.text("replayed")),
    )


def replay_deliveries(page: Page) -> Response:
    """Make one dead letter, or all dead letters, due again."""
    wanted = page.form().get("delivery", "")
    number = number_or_none(wanted)
    if wanted != "all" and number is None:
        raise PageError("bad_request")
    count = replay_dead_deliveries(page.conn, page.visitor.session, None if number is None else [number])
    return page.redirect(f"/deliveries?replayed={count}")
