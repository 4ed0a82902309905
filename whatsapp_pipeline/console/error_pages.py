"""Error pages of the console: their kinds and HTTP statuses, and the kind for an exception.

What belongs here: rendering an error page, and choosing its kind. What does not: the texts (words.py), and
the checks that reject a request (guard.py, access.py).
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


class PageError(Exception):
    """Stop answering a request and show an error page. `kind` is a key of `_STATUS`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(kind)


def error_response(kind: str, *, is_embedded: bool = False) -> HTMLResponse:
    """Return the error page of a kind. The page repeats no text from the request.

    With `is_embedded`, the page has no link to the console: the other pages forbid framing, so a browser
    would not show them in another program's frame.
    """
    title, text = words.REFUSALS[kind]
    values = {"title": title, "text": text, "is_embedded": is_embedded}
    page = render("console/refusal.html", t=words, static=static_address, **values)
    headers = {"retry-after": "10"} if _STATUS[kind] == 503 else None
    return HTMLResponse(page, status_code=_STATUS[kind], headers=headers)


# The first class that matches decides. OperationalError must be last: some classes above it are derived from
# it.
_REFUSED_BY: tuple[tuple[type[Exception], str], ...] = (
    (psycopg.errors.InsufficientPrivilege, "not_allowed"),
    (psycopg.errors.QueryCanceled, "too_slow"),
    (psycopg.errors.ProgramLimitExceeded, "bad_request"),
    (psycopg.DataError, "bad_request"),
    (PoolTimeout, "busy"),
    (psycopg.OperationalError, "no_database"),
)


def places_of(error: Exception) -> str:
    """Return the files and line numbers of the innermost eight calls, the innermost first.

    Logs have this instead of the error's text, because the text can contain a customer's message.
    """
    places = [f"{place.filename}:{place.lineno}" for place in extract_tb(error.__traceback__)]
    return " < ".join(reversed(places[-8:]))


def refusal_of(error: Exception) -> str:
    """Return the kind of error page for an exception.

    An exception that an operator has to act on is logged: a missing privilege, no database, an unknown error.
    """
    if isinstance(error, PageError):
        return error.kind
    kind = next((kind for known, kind in _REFUSED_BY if isinstance(error, known)), "failure")
    if kind in {"not_allowed", "no_database", "failure"}:
        at = places_of(error)
        _LOG.error(
            "request failed: %s at %s",
            type(error).__name__,
            at,
            extra=fields(error=type(error).__name__, at=at),
        )
    return kind
