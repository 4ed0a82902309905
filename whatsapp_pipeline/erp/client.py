"""GET requests to the ERP's API, repeated after rate limits and failures.

A request ends with an answer, after the seventh failure, or when the time of the pass is used up.

What belongs here: timeouts, retries, rate limits, refused tokens, and the texts of errors. What does not:
the choice of pages (`source`) and the meaning of items (`items`). A failure is never read as an empty last
page. No log line or error contains a parameter, a token or a body.

urllib3's Retry only parses Retry-After here (`waits`) and does not replace the loop. The loop must renew
refused tokens, recognise API v2's limit in an answer with status 200, and stop at the time limit of the pass.
"""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Mapping
from typing import Any, Final

import requests

from whatsapp_pipeline.erp.answers import ErpAnswer, call_with_deadline, read_answer, v2_advice
from whatsapp_pipeline.erp.budget import PassBudget
from whatsapp_pipeline.erp.tokens import AUTHORIZE_AGAIN, AccessTokens
from whatsapp_pipeline.erp.wait_clock import SystemClock, WaitClock
from whatsapp_pipeline.erp.waits import DEFAULT_LIMIT_WAIT, backoff, retry_after, until_reset
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import fields

RESUMES: Final = "the pages read so far are kept, and the next run resumes"
_log: Final = logging.getLogger(__name__)
_TIMEOUT: Final = (10.0, 60.0)
_ANSWER_SECONDS: Final = 120.0
_ATTEMPTS: Final = 7
_BEHIND_A_WALL: Final = "Is there a firewall, proxy or login page between this machine and the ERP?"


class ErpError(PipelineError):
    """The ERP gave no usable answer. The text names the request, the answer, and what to do."""


class ErpAddressError(ErpError):
    """The ERP does not answer this address; it may answer others."""


class ErpClient:
    """GET requests to the API. One client per thread and pass."""

    def __init__(
        self,
        base_url: str,
        tokens: AccessTokens,
        *,
        session: requests.Session | None = None,
        clock: WaitClock | None = None,
        budget: PassBudget | None = None,
    ) -> None:
        """Prepare requests below `base_url`.

        Args:
            base_url: address of the API, without a trailing slash or with one.
            tokens: gives access tokens and renews them.
            session: connections to use; a new session when left out.
            clock: returns the time and waits; a test passes one that does not wait.
            budget: total time of this client, counted from its first request.
        """
        self._base_url, self._tokens = base_url.rstrip("/"), tokens
        self._session = session or requests.Session()
        self._clock: WaitClock = clock or SystemClock()
        self._budget = budget or PassBudget(self._clock)
        self._pause = 0.0  # seconds to wait before the next request, from the headers of the last answer

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
        """Return the JSON object at `path`; None if the ERP answers 404. Raises ErpError and TokenError."""
        failures = limits = 0
        refused = False
        self._budget.begin()
        token = self._tokens.get()
        while True:
            answer = self._ask(path, params, token)
            if answer.is_limit:
                # API v2 sends no header; its limit counts requests per minute.
                seconds = retry_after(answer.headers) if answer.status == 429 else DEFAULT_LIMIT_WAIT
                # A server may repeatedly give a time in the past. Pause anyway.
                self._wait(
                    max(seconds, backoff(limits, 0)), path, f"too many requests ({answer.description})"
                )
                limits += 1
            elif answer.v2_error is not None:
                code = answer.v2_error
                raise ErpError(f"the ERP answered {path} with error {code} of API v2; {v2_advice(code)}")
            elif answer.status == 200 and answer.body is not None:
                return answer.body
            elif answer.status == 404:
                return None
            elif answer.status == 401:
                # The ERP may revoke a token during a pass. If it refuses the new one too, stop.
                if refused:
                    raise ErpError(
                        f"the ERP refuses a token that it has just issued (HTTP 401); {AUTHORIZE_AGAIN}"
                    )
                refused, token = True, self._tokens.renew(token)
            elif 400 <= answer.status < 500:
                raise _refusal(path, answer)
            else:
                failures += 1
                if failures >= _ATTEMPTS:
                    wall = f". {_BEHIND_A_WALL}" if answer.is_html else ""
                    raise ErpAddressError(
                        f"the ERP failed {failures} times at {path} ({answer.description}); {RESUMES}{wall}"
                    )
                seconds = backoff(failures - 1, random.random())  # noqa: S311  # spreads retries
                asked = retry_after(answer.headers) if "Retry-After" in answer.headers else 0.0
                self._wait(max(seconds, asked, self._pause), path, answer.description)

    def _ask(self, path: str, params: Mapping[str, str | int], token: str) -> ErpAnswer:
        """Send one request, after the pause that the last answer requested. Status 0 means no answer."""
        if self._pause > 0:
            self._check_budget(self._pause, path, "its rate limit allows no request before then")
            if self._pause > 5:
                _log.info(
                    "ERP: waiting %.0f s, its rate limit allows no request before",
                    self._pause,
                    extra=fields(wait_seconds=round(self._pause, 1)),
                )
            self._clock.wait(self._pause)
            self._pause = 0.0
        self._check_budget(0.0, path, "its answers took all of that time")
        try:
            response = call_with_deadline(
                min(_ANSWER_SECONDS, self._budget.left()),
                lambda: self._session.get(
                    self._base_url + path,
                    params=dict(params),
                    headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
                    timeout=_TIMEOUT,
                ),
            )
        except requests.RequestException as error:
            return ErpAnswer(0, f"no answer, {type(error).__name__}")
        answer = read_answer(response)
        self._pause = 0.0 if answer.is_limit else until_reset(answer.headers) or 0.0
        return answer

    def _wait(self, seconds: float, path: str, reason: str) -> None:
        """Wait before the next attempt and log the reason.

        Raises ErpError if the pass has no time for the wait.
        """
        self._pause = 0.0
        self._check_budget(seconds, path, reason)
        _log.warning(
            "ERP: %s at %s, trying again in %.0f s",
            reason,
            path,
            seconds,
            extra=fields(path=path, reason=reason, wait_seconds=round(seconds, 1)),
        )
        self._clock.wait(seconds)

    def _check_budget(self, seconds: float, path: str, reason: str) -> None:
        """Raise ErpError when the pass has no time left, or not enough to wait `seconds`."""
        left = self._budget.left()
        if left <= 0 or seconds >= left:
            raise ErpError(
                f"this pass over the ERP would take longer than ERP_PASS_MINUTES="
                f"{self._budget.seconds / 60:.0f} allows; it stopped at {path}: {reason}; {RESUMES}"
            )


def _refusal(path: str, answer: ErpAnswer) -> ErpError:
    """Return the error for a refused request. It names fields only: the ERP's text may quote values."""
    if answer.is_html and answer.status in {403, 406, 407, 451}:
        return ErpError(f"reading {path} was refused: {answer.description}. {_BEHIND_A_WALL}")
    if answer.status == 403:
        return ErpError(
            f"the ERP does not allow reading {path} (HTTP 403); give the application that permission there"
        )
    details = (answer.body or {}).get("detalhes")
    fields = [
        re.sub(r"[^\w.\[\]]", "", str(detail["campo"]))[:40]
        for detail in (details if isinstance(details, list) else [])
        if isinstance(detail, Mapping) and detail.get("campo")
    ]
    named = f" about {', '.join(fields)}" if fields else ""
    return ErpAddressError(
        f"the ERP refused the request for {path} (HTTP {answer.status}){named}; if it happens again, send "
        "this message to the ERP's support"
    )
