"""Pages that say why there is no page.

What belongs here: the kinds of refusal, their status and the page, and which kind an error is. What does not:
deciding to refuse.
"""

from __future__ import annotations

import logging
from traceback import extract_tb

import psycopg
from psycopg_pool import PoolTimeout
from starlette.responses import HTMLResponse

from whatsapp_pipeline.console import words
from whatsapp_pipeline.console.static_files import static_address
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.templates.render import render

_LOG = logging.getLogger(__name__)

_STATUS = {
    "bad_request": 400,
    "forged": 403,
    "not_allowed": 403,
    "bad_link": 403,
    "expired_link": 410,
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


def error_response(kind: str, *, is_embedded: bool = False) -> HTMLResponse:
    """Return the page of a refusal. It shows nothing of the request.

    A page in another program's frame has no link to the console, because a browser shows no other page there.
    """
    title, text = words.REFUSALS[kind]
    values = {"title": title, "text": text, "is_embedded": is_embedded}
    page = render("console/refusal.html", t=words, static=static_address, **values)
    headers = {"retry-after": "10"} if _STATUS[kind] == 503 else None
    return HTMLResponse(page, status_code=_STATUS[kind], headers=headers)


# The first that fits counts: QueryCanceled is an OperationalError too.
_REFUSED_BY: tuple[tuple[type[Exception], str], ...] = (
    (psycopg.errors.InsufficientPrivilege, "not_allowed"),
    (psycopg.errors.QueryCanceled, "too_slow"),
    (psycopg.errors.ProgramLimitExceeded, "bad_request"),
    (psycopg.DataError, "bad_request"),
    (PoolTimeout, "busy"),
    (psycopg.OperationalError, "no_database"),
)


def refusal_of(error: Exception) -> str:
    """Return the kind of page for an error, and log those that nobody expects."""
    if isinstance(error, NoPageError):
        return error.kind
    kind = next((kind for known, kind in _REFUSED_BY if isinstance(error, known)), "failure")
    if kind in {"not_allowed", "no_database", "failure"}:
        # The places only: the text of an error can quote what a customer wrote.
        places = [f"{place.filename}:{place.lineno}" for place in extract_tb(error.__traceback__)]
        at = " < ".join(reversed(places[-8:]))
        _LOG.error(
            "a page failed: %s at %s",
            type(error).__name__,
            at,
            extra=fields(error=type(error).__name__, at=at),
        )
    return kind
