"""The API endpoint for the state of the pipeline: months, failing checks, and waiting items.

What belongs here: the endpoint with the data of the home page. What does not: files that could not be read
(unread_files.py) and deliveries that failed (deliveries.py).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from whatsapp_pipeline.console.api.answers import (
    ApiCheck,
    ApiMonth,
    ApiState,
)
from whatsapp_pipeline.console.api.api_server import ApiServer, answer
from whatsapp_pipeline.store.operations.home import coverage_and_checks

_MONTHS, _CHECKS = 24, 100


class PipelineStateApi:
    """The endpoint for the state of the pipeline."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server

    def state(self, request: Request) -> Response:
        """Return coverage by month, failing checks, and counts of items that wait or could not be read."""
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
