"""The API's errors: their status, their text, and their JSON.

What belongs here: the kinds of refusal for programs. What does not: which error of the database is which kind
(console/error_pages.py).
"""

from __future__ import annotations

from starlette.responses import JSONResponse

PREFIX = "/api/v1"

_ERRORS = {
    "bad_request": (400, "the request can't be read; see the OpenAPI document for its shape"),
    "no_token": (401, "send `Authorization: Bearer TOKEN`; `console token add` makes a token"),
    "not_allowed": (403, "the token's level does not allow this"),
    "not_found": (404, "there is no such thing, or no such address"),
    "wrong_method": (405, "this address does not take that method"),
    "already_decided": (409, "somebody decided, or the link changed, since `state` was read; read it again"),
    "not_in_force": (409, "the decision was undone before"),
    "too_large": (413, "the body is larger than 16 KiB"),
    "unknown_host": (421, "the console does not answer to this host name (CONSOLE_HOSTS)"),
    "invalid": (422, "a value is missing or unfit; `fields` says which"),
    "too_slow": (422, "the database took too long; narrow the request"),
    "too_common": (422, "too many messages hold these words; add a period, a customer or another word"),
    "failure": (500, "an error that nobody expected; it is in the console's log"),
    "busy": (503, "every connection to the database is in use; try again"),
    "no_database": (503, "the database does not answer; try again"),
}
STATUSES = sorted({status for status, _ in _ERRORS.values()})


class ApiError(Exception):
    """The request is refused; `kind` is one of this module's kinds."""

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
    """Return the answer of a refusal. It repeats nothing of the request. `message` replaces the usual one."""
    status, usual = _ERRORS[kind]
    headers = {401: {"www-authenticate": "Bearer"}, 503: {"retry-after": "10"}}.get(status)
    content = {"error": kind, "message": message or usual, "fields": fields or []}
    return JSONResponse(content, status_code=status, headers=headers)


def message_of(status: int) -> str:
    """Return what an error with this status means, for the OpenAPI document."""
    return "; or: ".join(message for known, message in _ERRORS.values() if known == status)
