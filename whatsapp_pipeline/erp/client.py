"""Asking the ERP's API, politely and until it answers.

What belongs here: timeouts, retries, rate limits, refused tokens, and errors in words. What does not: which
pages to ask for (`source`) and what items mean (`items`). Only an answer that says so is an answer: a failure
is never taken for the last page. No message holds a parameter, a token or a body.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from typing import Any, Final

import requests

from whatsapp_pipeline.erp.clock import Clock, SystemClock
from whatsapp_pipeline.erp.tokens import AUTHORIZE_AGAIN, AccessTokens
from whatsapp_pipeline.erp.waits import backoff, retry_after, until_reset
from whatsapp_pipeline.errors import PipelineError

_log: Final = logging.getLogger(__name__)
_TIMEOUT: Final = (10.0, 60.0)
_ATTEMPTS: Final = 7
_LIMIT_WAITS: Final = 30


class ErpError(PipelineError):
    """The ERP did not answer as it should; the text says what was asked, what came, and what to do."""


class ErpClient:
    """GET requests to the API. One client a thread."""

    def __init__(
        self,
        base_url: str,
        tokens: AccessTokens,
        *,
        session: requests.Session | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._base_url, self._tokens = base_url.rstrip("/"), tokens
        self._session = session or requests.Session()
        self._clock: Clock = clock or SystemClock()
        self._pause = 0.0

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, path: str, params: Mapping[str, str | int]) -> Mapping[str, Any]:
        """Return the JSON object at `path`; raises ErpError."""
        found = self.get_or_none(path, params)
        if found is None:
            raise ErpError(f"the ERP has no {path} (HTTP 404); check TINY_BASE_URL")
        return found

    def get_or_none(self, path: str, params: Mapping[str, str | int]) -> Mapping[str, Any] | None:
        """Return the JSON object at `path`, None when it answers 404; raises ErpError."""
        failures = limited = 0
        refused: str | None = None
        token = self._tokens.get()
        while True:
            answer, failure = self._ask(path, params, token)
            status = answer.status_code if answer is not None else 0
            body = _json_object(answer) if answer is not None and status == 200 else None
            if body is not None:
                return body
            if status == 404:
                return None
            if status == 401:
                # A token may be refused mid-pass; a fresh one that is refused as well will stay refused.
                if refused is not None:
                    raise ErpError(f"the ERP refuses a token it has just given (HTTP 401); {AUTHORIZE_AGAIN}")
                refused, token = token, self._tokens.renew(token)
                continue
            if answer is not None and status == 429:
                limited += 1
                if limited > _LIMIT_WAITS:
                    raise ErpError(
                        f"the ERP keeps saying too many requests for {path} (HTTP 429); run again later"
                    )
                self._pause = retry_after(answer.headers, self._clock.now())
                continue
            if answer is not None and 400 <= status < 500:
                raise ErpError(_refusal(path, answer))
            failures += 1
            if failures >= _ATTEMPTS:
                raise ErpError(
                    f"the ERP failed {failures} times at {path} ({failure}); run again later, it resumes"
                )
            self._pause = backoff(failures - 1, random.random())  # noqa: S311  # spreads retries
            _log.warning("ERP: %s at %s, trying again in %.0f s", failure, path, self._pause)

    def _ask(
        self, path: str, params: Mapping[str, str | int], token: str
    ) -> tuple[requests.Response | None, str]:
        """Ask once, after the pause that is due; return the answer (None for none) and its failure's name."""
        if self._pause > 0:
            if self._pause > 5:
                _log.info("ERP: waiting %.0f s, as its limits ask", self._pause)
            self._clock.wait(self._pause)
            self._pause = 0.0
        try:
            answer = self._session.get(
                self._base_url + path,
                params=dict(params),
                headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
                timeout=_TIMEOUT,
            )
        except requests.RequestException as error:
            return None, type(error).__name__
        self._pause = until_reset(answer.headers) or 0.0
        kind = "" if answer.status_code != 200 else ", not JSON"
        return answer, f"HTTP {answer.status_code}{kind}"


def _json_object(answer: requests.Response) -> Mapping[str, Any] | None:
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, Mapping) else None


def _refusal(path: str, answer: requests.Response) -> str:
    """Say why a request was refused, by the names of fields alone: the ERP's words may repeat values."""
    if answer.status_code == 403:
        return f"the ERP does not allow reading {path} (HTTP 403); give the application that permission there"
    details = (_json_object(answer) or {}).get("detalhes")
    fields = [
        str(detail["campo"])[:40]
        for detail in (details if isinstance(details, list) else [])
        if isinstance(detail, Mapping) and detail.get("campo")
    ]
    named = f" about {', '.join(fields)}" if fields else ""
    return f"the ERP refused the request for {path} (HTTP {answer.status_code}){named}"
