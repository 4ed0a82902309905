"""How the pipeline does, over the API: months, failing checks, what waits, and files that could not be read.

What belongs here: the endpoints with what the home page and the page of unread files show. What does not:
reading a file otherwise, which a person decides on the page.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from whatsapp_pipeline.console.api.answers import (
    ApiCheck,
    ApiMonth,
    ApiState,
    ApiUnreadFile,
    Listing,
)
from whatsapp_pipeline.console.api.api_server import ApiServer, answer, without_nul
from whatsapp_pipeline.console.api.reading import Limit
from whatsapp_pipeline.store.exceptions import unread_files
from whatsapp_pipeline.store.operations.home import coverage_and_checks

_MONTHS, _CHECKS = 24, 100
PathCursor = Annotated[str | None, Query(max_length=4000, description="`next` of the page before")]
MonthWanted = Annotated[
    str | None, Query(pattern="^[0-9]{4}-[0-9]{2}$", description="only files of this month")
]


class PipelineStateApi:
    """The endpoints about the pipeline itself."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server

    def state(self, request: Request) -> Response:
        """Return coverage by month, failing checks, and what waits or could not be read."""
        with self._server.page(request) as page:
            months, checks, health = coverage_and_checks(page.conn, months=_MONTHS, checks=_CHECKS)
        return answer(
            request,
            ApiState(
                months=[ApiMonth(**one._asdict()) for one in months],
                failing_checks=[
                    ApiCheck(
                        check=one.check_name,
                        month=one.month,
                        failing=one.failing,
                        examined=one.examined,
                        severity=one.severity,
                        run_id=one.run_id,
                    )
                    for one in checks
                ],
                unread_files=health.unread_files,
                unread_findings=health.unread_findings,
                deliveries_waiting=health.pending,
                oldest_waiting_seconds=health.oldest_pending_seconds,
                deliveries_parked=health.parked,
                deliveries_dead=health.dead,
            ),
        )

    def unread(
        self,
        request: Request,
        month: MonthWanted = None,
        cursor: PathCursor = None,
        limit: Limit = 50,
    ) -> Response:
        """List files that could not be read in whole or in part, by their path."""
        after = without_nul(cursor)
        with self._server.page(request) as page:
            found = unread_files(page.conn, month=month, after=after, limit=limit + 1)
        items = [
            ApiUnreadFile(
                file=one.file_path,
                month=one.month,
                findings=one.findings,
                lines=one.lines,
                severity=one.severity,
                kinds=one.kinds,
            )
            for one in found[:limit]
        ]
        following = items[-1].file if len(found) > limit else None
        return answer(request, Listing[ApiUnreadFile](items=items, next=following))
