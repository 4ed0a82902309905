"""Pages that say why there is no page.

What belongs here: the kinds of refusal, their status and the page. What does not: deciding to refuse.
"""

from __future__ import annotations

from starlette.responses import HTMLResponse

from whatsapp_pipeline.console import words
from whatsapp_pipeline.console.static_files import static_address
from whatsapp_pipeline.templates.render import render

_STATUS = {
    "bad_request": 400,
    "forged": 403,
    "not_allowed": 403,
    "not_found": 404,
    "no_attachment": 404,
    "wrong_method": 405,
    "too_large": 413,
    "unknown_host": 421,
    "too_slow": 422,
    "failure": 500,
    "busy": 503,
    "no_database": 503,
}


class NoPageError(Exception):
    """There is no page for this request; `kind` is one of this module's kinds."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(kind)


def error_response(kind: str) -> HTMLResponse:
    """Return the page of a refusal. It shows nothing of the request."""
    title, text = words.REFUSALS[kind]
    page = render("console/refusal.html", t=words, static=static_address, title=title, text=text)
    headers = {"retry-after": "10"} if _STATUS[kind] == 503 else None
    return HTMLResponse(page, status_code=_STATUS[kind], headers=headers)
