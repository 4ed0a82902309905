"""API endpoints for files that could not be read.

They list the files, show the findings of one, and store other reading options for it.

What belongs here: the endpoints with the same data and actions as the console's pages of unread files
(pages/unread.py). What does not: reading a file again, which a run of its month does
(automation/rereading.py requests such a run).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Query
from starlette.requests import Request
from starlette.responses import Response

from whatsapp_pipeline.archive.raw_lines import lines_near
from whatsapp_pipeline.console import words
from whatsapp_pipeline.console.api.answers import (
    ApiFinding,
    ApiLine,
    ApiReread,
    ApiUnreadDetail,
    ApiUnreadFile,
    Listing,
    NewReread,
)
from whatsapp_pipeline.console.api.api_server import ApiServer, answer, answer_page, without_nul
from whatsapp_pipeline.console.api.errors import ApiError
from whatsapp_pipeline.console.api.reading import Limit
from whatsapp_pipeline.console.pages.unread import CONTEXT, reading_options
from whatsapp_pipeline.store.chats.rereads import (
    Reread,
    request_reread,
    reread_of_file,
    waiting_choices,
)
from whatsapp_pipeline.store.exceptions import findings_of_file, unread_files

_FINDINGS = 100
FileWanted = Annotated[
    str, Query(min_length=1, max_length=4000, description="path of the file in the archive")
]
PathCursor = Annotated[str | None, Query(max_length=4000, description="value of `next` in the previous page")]
MonthWanted = Annotated[
    str | None, Query(pattern="^[0-9]{4}-[0-9]{2}$", description="only files of this month")
]


class UnreadFilesApi:
    """The endpoints about files that could not be read."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server

    def unread(
        self,
        request: Request,
        month: MonthWanted = None,
        cursor: PathCursor = None,
        limit: Limit = 50,
    ) -> Response:
        """List the files that could not be read, completely or in part, sorted by path."""
        with self._server.page(request) as page:
            found = unread_files(page.conn, month=month, after=without_nul(cursor), limit=limit + 1)
        return answer_page(
            request,
            Listing[ApiUnreadFile],
            found,
            limit,
            item=lambda one: ApiUnreadFile(
                file=one.file_path,
                month=one.month,
                findings=one.findings,
                lines=one.lines,
                severity=one.severity,
                kinds=one.kinds,
            ),
            cursor=lambda one: one.file_path,
        )

    def unread_file(self, request: Request, file: FileWanted) -> Response:
        """Return a file's findings with the lines around each, and the last reading options for the file.

        The lines are messages, so the view is recorded, as in the page.
        """
        path = file.replace("\x00", "")
        with self._server.page(request) as page:
            found = findings_of_file(page.conn, path, limit=_FINDINGS + 1)
            reread = reread_of_file(page.conn, path)
            if not found and reread is None:
                raise ApiError("not_found")
            shown, root = found[:_FINDINGS], page.config.archive
            lines = {one.line for one in shown if one.line is not None}
            near = lines_near(root, path, lines, context=CONTEXT) if root else {}
            page.record("view", {(None, f"file:{path}")})
        return answer(
            request,
            ApiUnreadDetail(
                file=path,
                month=shown[0].month if shown else None,
                findings=[
                    ApiFinding(
                        kind=one.kind,
                        words=words.FINDINGS.get(one.kind, words.OTHER_FINDING),
                        severity=one.severity,
                        line=one.line,
                        detail=one.detail,
                        near=[
                            ApiLine(line=number, text=text) for number, text in near.get(one.line or 0, [])
                        ],
                    )
                    for one in shown
                ],
                has_more=len(found) > _FINDINGS,
                reread=None if reread is None else _reread(path, reread),
            ),
        )

    def rereads(self, request: Request, cursor: PathCursor = None, limit: Limit = 50) -> Response:
        """List the files whose chosen reading options no run has used yet, sorted by path."""
        with self._server.page(request) as page:
            found = waiting_choices(page.conn, after=without_nul(cursor), limit=limit + 1)
        return answer_page(
            request,
            Listing[ApiReread],
            found,
            limit,
            item=lambda one: _reread(*one),
            cursor=lambda one: one[0],
        )

    def request_reread(self, request: Request, wanted: Annotated[NewReread, Body()]) -> Response:
        """Store the reading options that a person chose for a file.

        The choice waits until a run of the file's month has read the file with these options.
        """
        with self._server.page(request) as page:
            options = reading_options(
                wanted.format or "", wanted.date_order or "", page.clean(wanted.owner or "")
            )
            if not options:
                fields = [{"where": "body", "message": "give format, date_order or owner"}]
                raise ApiError("invalid", fields)
            path = wanted.file.replace("\x00", "")
            if not request_reread(page.conn, path, options, requested_by=page.visitor.name):
                raise ApiError("not_found")
            stored = reread_of_file(page.conn, path)
        if stored is None:  # the file was deleted meanwhile
            raise ApiError("not_found")
        return answer(request, _reread(path, stored), status=201)


def _reread(path: str, choice: Reread) -> ApiReread:
    return ApiReread(file=path, **choice._asdict())
