"""Parsing answers of the ERP: a JSON object, or the output of a proxy or a broken server.

What belongs here: reading a body once, describing it without quoting it, and the error codes of API v2.
What does not: the decision to send a request again (`client`, `tokens`).
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import requests

# Error codes of API v2 that mean a rate limit: 6 is too many requests per minute, 11 is too many parallel
# requests. The client waits and sends the request again.
_V2_LIMITS: Final = frozenset({"6", "11"})
_V2_ADVICE: Final[dict[str, str]] = {
    "1": "it asks for a token of API v2: TINY_BASE_URL has to be the address of API v3",
    "2": "it asks for a token of API v2: TINY_BASE_URL has to be the address of API v3",
    "5": "the account's access to the API is blocked: check the account's subscription in the ERP, or ask "
    "the ERP's support",
    "8": "the company's account is blocked in the ERP: ask the ERP's support",
    "99": "the ERP is under maintenance: run the command again later; the next run resumes",
}
_LONGEST_INTEGER: Final = 4000  # digits; Python refuses to convert more than 4,300


@dataclass(frozen=True, slots=True)
class ErpAnswer:
    """One answer.

    `body` is None unless the answer is a JSON object. `description` names the answer in words.
    """

    status: int
    description: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_html: bool = False

    @property
    def v2_error(self) -> str | None:
        """The error code of API v2: "?" for an error without a code, None if the answer is no error."""
        retorno = self.body.get("retorno") if self.body else None
        if not isinstance(retorno, Mapping) or str(retorno.get("status", "")).lower() != "erro":
            return None
        # Error messages quote the code, so a long value is cut.
        code = str(retorno.get("codigo_erro") or "").strip()[:10]
        # "API Bloqueada" without a code means a rate limit.
        if not code and "bloquead" in json.dumps(retorno.get("erros", ""), ensure_ascii=False).lower():
            return "6"
        return code or "?"

    @property
    def is_limit(self) -> bool:
        """Whether the ERP received too many requests: HTTP 429, or a rate limit of API v2."""
        return self.status == 429 or self.v2_error in _V2_LIMITS

    @property
    def oauth_error(self) -> str | None:
        """The `error` field of a refusal by the token endpoint."""
        error = self.body.get("error") if self.body else None
        return error if isinstance(error, str) else None


def v2_advice(code: str) -> str:
    """Return what the user should do about an error code of API v2."""
    return _V2_ADVICE.get(code, "check that TINY_BASE_URL is the address of API v3")


def read_answer(response: requests.Response) -> ErpAnswer:
    """Read a response. A description is, for example, `HTTP 200 with a web page instead of JSON`."""
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
        description = f"HTTP {status} with an empty body"
    elif is_html:
        description = f"HTTP {status} with a web page instead of JSON"
    elif is_json:
        description = f"HTTP {status} with JSON that is not an object"
    else:
        description = f"HTTP {status} with a body that is not JSON"
    return ErpAnswer(status, description, None, response.headers, is_html)


def call_with_deadline(seconds: float, ask: Callable[[], requests.Response]) -> requests.Response:
    """Call `ask` in a thread and return its response.

    Raises requests.Timeout if `ask` takes longer than `seconds` in total. The `timeout` of `requests` limits
    each read, not the whole request. A server that sends one byte at a time could block the caller forever.
    So a daemon thread sends the request. After a timeout the thread continues until its connection ends, but
    its response is not used.
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

    As text, the number makes at most one item of the page invalid. An exception would make the whole page
    invalid.
    """
    return int(digits) if len(digits) <= _LONGEST_INTEGER else digits
