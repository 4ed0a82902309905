"""The API's errors: their status, their text, and their JSON.

What belongs here: the kinds of errors for programs. What does not: the kind for an error of the database
(console/error_pages.py).
"""

from __future__ import annotations

from starlette.responses import JSONResponse

PREFIX = "/api/v1"

_ERRORS = {
    "bad_request": (400, "the request is malformed; the OpenAPI document describes its form"),
    "no_token": (401, "send `Authorization: Bearer TOKEN`; `console token add` creates a token"),
    "not_allowed": (403, "the token's level does not allow this"),
    "not_found": (404, "the object or the address does not exist"),
    "wrong_method": (405, "this address does not support that method"),
    "already_decided": (
        409,
        "somebody decided, or the link changed, after `state` was read; read the item again",
    ),
    "not_in_force": (409, "the decision was already undone"),
    "too_large": (413, "the body is larger than 16 KiB"),
    "unknown_host": (421, "the console does not answer to this host name (CONSOLE_HOSTS)"),
    "invalid": (422, "a value is missing or invalid; see `fields`"),
    "too_slow": (422, "the database took too long; narrow the request"),
    "too_common": (422, "too many messages contain these words; add a period, a customer or another word"),
    "failure": (500, "unexpected error; the console's log has the details"),
    "busy": (503, "every connection to the database is in use; try again"),
    "no_database": (503, "the database does not answer; try again"),
}
STATUSES = sorted({status for status, _ in _ERRORS.values()})


class ApiError(Exception):
    """The reason for which a request is refused. `kind` is a key of `_ERRORS`.

    `fields` has the invalid values, and `message` replaces the usual text of the kind.
    """

    def __init__(
        self, kind: str, fields: list[dict[str, str]] | None = None, *, message: str | None = None
    ) -> None:
        self.kind = kind
        self.fields = fields or []
        self.message = message
        super().__init__(kind)


def api_error(
    kind: str, fields: list[dict[str, str]] | None = None, *, message: str | None = None
) -> JSONResponse:
    """Return the answer for an error.

    The answer repeats no value of the request. `message` replaces the usual text of the kind.
    """
    status, usual = _ERRORS[kind]
    headers = {401: {"www-authenticate": "Bearer"}, 503: {"retry-after": "10"}}.get(status)
    content = {"error": kind, "message": message or usual, "fields": fields or []}
    return JSONResponse(content, status_code=status, headers=headers)


def message_of(status: int) -> str:
    """Return the meaning of an error status, for the OpenAPI document."""
    return "; or: ".join(message for known, message in _ERRORS.values() if known == status)
