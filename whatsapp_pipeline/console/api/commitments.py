"""The API endpoint for commitments: what customers and staff promised each other.

What belongs here: the endpoint. What does not: finding commitments in messages
(steps/summaries/) and the lists (store/summaries/commitment_lists.py).
"""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from whatsapp_pipeline import clock
from whatsapp_pipeline.console.api.answers import BIGINT, ApiCommitment, Listing
from whatsapp_pipeline.console.api.api_server import ApiServer, answer_page
from whatsapp_pipeline.console.api.reading import Limit
from whatsapp_pipeline.console.list_cursors import (
    COMMITMENT_CURSOR,
    commitment_cursor,
    parse_commitment_cursor,
)
from whatsapp_pipeline.steps.summaries.commitment_words import commitment_line
from whatsapp_pipeline.store.summaries.commitment_lists import (
    CommitmentLine,
    CommitmentList,
    commitment_lines,
)

CommitmentCursor = Annotated[
    str | None,
    Query(
        pattern=COMMITMENT_CURSOR,
        description="value of `next` in the previous page",
    ),
]
ListWanted = Annotated[
    CommitmentList,
    Query(
        alias="list",
        description="the list: `due` today, `overdue`, `waiting` (both, due today first), `broken`, "
        "`quotes` without an answer, `open`, or `all`",
    ),
]
CustomerWanted = Annotated[
    int | None,
    Query(
        ge=1,
        le=BIGINT,
        description="only commitments of this customer, of any age; null: those of all "
        "customers in the last 90 days",
    ),
]
QuietDays = Annotated[
    int, Query(ge=0, le=36_500, description="with `quotes`: minimum number of days without an answer")
]


class CommitmentsApi:
    """The endpoint for commitments."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._zone = ZoneInfo(server.zone)

    def commitments(
        self,
        request: Request,
        which: ListWanted = "open",
        customer: CustomerWanted = None,
        quiet_days: QuietDays = 0,
        cursor: CommitmentCursor = None,
        limit: Limit = 50,
    ) -> Response:
        """List commitments, sorted by the day on which they are due or, without a due date, were made."""
        after = None if cursor is None else parse_commitment_cursor(cursor)
        with self._server.page(request) as page:
            found = commitment_lines(
                page.conn,
                which,
                today=clock.today(),
                contact=customer,
                quiet_days=quiet_days,
                limit=limit + 1,
                after=after,
            )
        return answer_page(
            request,
            Listing[ApiCommitment],
            found,
            limit,
            item=self._commitment,
            cursor=lambda line: commitment_cursor(line.place(which)),
        )

    def _commitment(self, line: CommitmentLine) -> ApiCommitment:
        chat = None
        if line.id_contato is None:
            chat = f"chat:{line.id_chat_file}" if line.id_chat_file else f"webhook:{line.conversation_id}"
        return ApiCommitment(
            customer_id=line.id_contato,
            customer_name=line.nome,
            chat=chat,
            kind=line.kind,
            side=line.side,
            status=line.status,
            said_at=line.said_at.replace(tzinfo=self._zone),
            amount=None if line.amount is None else str(line.amount),
            length=line.length,
            due_on=line.due_on,
            due_time=f"{line.due_time:%H:%M}" if line.due_time else None,
            order_id=line.id_ordem_servico,
            order_number=line.numero_ordem_servico,
            message=f"{line.source}:{line.message_id}",
            outcome=f"{line.outcome_source}:{line.outcome_id}" if line.outcome_source else None,
            text=commitment_line(line),
        )
