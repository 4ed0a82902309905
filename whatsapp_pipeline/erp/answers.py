"""Parsing answers of the ERP: a JSON object, or the output of a proxy or a broken server.

What belongs here: reading a body once, naming its kind without quoting it, and the error codes of API v2.
What does not: the decision to ask again (`client`, `tokens`).
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import requests

# Error codes of API v2: too many requests in this minute, too many at once. Waiting is enough for both.
_V2_LIMITS: Final = frozenset({"6", "11"})
_V2_ADVICE: Final[dict[str, str]] = {
    "1": "it asks for a token of API v2: TINY_BASE_URL has to be the address of API v3",
    "2": "it asks for a token of API v2: TINY_BASE_URL has to be the address of API v3",
    "5": "the account's access to the API is blocked: ask the ERP's support, or look at the plan there",
    "8": "the company's account is blocked in the ERP: ask the ERP's support",
    "99": "the ERP is under maintenance: run again later, it resumes",
}
_LONGEST_INTEGER: Final = 4000  # digits; Python refuses to read more than 4300


@dataclass(frozen=True, slots=True)
class ErpAnswer:
    """One answer. `body` is None unless the answer is a JSON object; `kind` describes the answer in words."""

    status: int
    kind: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_html: bool = False

    @property
    def v2_error(self) -> str | None:
        """Error code of API v2; "?" for an error without a code, None for an answer that is no error."""
        retorno = self.body.get("retorno") if self.body else None
        if not isinstance(retorno, Mapping) or str(retorno.get("status", "")).lower() != "erro":
            return None
        code = str(retorno.get("codigo_erro") or "").strip()[:10]
        if not code and "bloquead" in json.dumps(retorno.get("erros", ""), ensure_ascii=False).lower():
            return "6"
        return code or "?"

    @property
    def is_limit(self) -> bool:
        """True when the ERP received too many requests: HTTP 429, or "API bloqueada" of API v2."""
        return self.status == 429 or self.v2_error in _V2_LIMITS

    @property
    def oauth_error(self) -> str | None:
        """The `error` field of a refusal by the token endpoint."""
        error = self.body.get("error") if self.body else None
        return error if isinstance(error, str) else None


def v2_advice(code: str) -> str:
    """Return what the user should do about an error code of API v2."""
    return _V2_ADVICE.get(code, "is TINY_BASE_URL the address of API v3?")


def read_answer(response: requests.Response) -> ErpAnswer:
    """Read a response. An example of a `kind`: `HTTP 200 with a web page instead of JSON`."""
    status = response.status_code
    body: object = None
    is_json = True
    try:
        body = json.loads(response.content, parse_int=_integer)
    except (ValueError, RecursionError):
        is_json = False
    start = response.content[:200].lstrip().lower()
    is_html = not is_json and (start.startswith(b"<") or "html" in response.headers.get("Content-Type", ""))
    if isinstance(body, Mapping):
        return ErpAnswer(status, f"HTTP {status}", body, response.headers)
    if not response.content.strip():
        kind = f"HTTP {status} with an empty body"
    elif is_html:
        kind = f"HTTP {status} with a web page instead of JSON"
    elif is_json:
        kind = f"HTTP {status} with JSON that is not an object"
    else:
        kind = f"HTTP {status} with a body that is not JSON"
    return ErpAnswer(status, kind, None, response.headers, is_html)


def respond_within(seconds: float, ask: Callable[[], requests.Response]) -> requests.Response:
    """Return the response to `ask` with its body read; raises requests.Timeout after `seconds` in total.

    The `timeout` of `requests` limits each read, not the whole request. A server that sends one byte at a
    time could block the caller forever. So a daemon thread sends the request; it ends when its connection
    ends.
    """
    responses: queue.SimpleQueue[requests.Response | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            responses.put(ask())
        except Exception as error:  # raised again in the caller's thread
            responses.put(error)

    threading.Thread(target=run, name="erp", daemon=True).start()
    try:
        response = responses.get(timeout=seconds)
    except queue.Empty:
        raise requests.Timeout(f"no whole answer within {seconds:g} s") from None
    if isinstance(response, Exception):
        raise response
    return response


def _integer(digits: str) -> int | str:
    """Return an integer, or its digits if there are too many digits for Python to convert.

    The digits make one item unreadable; an exception would make the whole page unreadable.
    """
    return int(digits) if len(digits) <= _LONGEST_INTEGER else digits
