"""The API endpoints for dead letters of the webhook: listing them, and processing them again.

What belongs here: the endpoints. What does not: tenants and business numbers (managing.py), and processing a
delivery (steps/conversations/).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Query
from starlette.requests import Request
from starlette.responses import Response

from whatsapp_pipeline.console.api.answers import ApiDeadLetter, Listing, Replayed, ReplayWanted
from whatsapp_pipeline.console.api.api_server import ApiServer, answer, answer_page
from whatsapp_pipeline.console.api.reading import Limit
from whatsapp_pipeline.store.conversations.dead_letters import dead_deliveries, replay_dead_deliveries

LetterCursor = Annotated[
    str | None, Query(pattern="^[0-9]{1,18}$", description="value of `next` in the previous page")
]


class DeliveriesApi:
    """The endpoints for deliveries that failed too often."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server

    def dead_letters(self, request: Request, cursor: LetterCursor = None, limit: Limit = 50) -> Response:
        """List dead letters, newest first, each with the reason but without its content."""
        before = None if cursor is None else int(cursor)
        with self._server.page(request) as page:
            found = dead_deliveries(page.conn, before=before, limit=limit + 1)
        return answer_page(
            request,
            Listing[ApiDeadLetter],
            found,
            limit,
            item=lambda one: ApiDeadLetter(**one._asdict()),
            cursor=lambda one: str(one.id),
        )

    def replay(self, request: Request, wanted: Annotated[ReplayWanted, Body()]) -> Response:
        """Process dead letters again: those with the ids, or all. Stored messages are not stored twice."""
        with self._server.page(request) as page:
            count = replay_dead_deliveries(page.conn, page.visitor.session, wanted.ids)
        return answer(request, Replayed(replayed=count))
