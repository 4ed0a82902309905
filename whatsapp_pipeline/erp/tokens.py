"""The ERP's tokens: refreshed by one process at a time.

What belongs here: the refresh with its rotation, and the exchange of an authorisation code. What does not:
the stores of tokens (`token_store`, `shared_token_store`) and requests to the API (`client`). Each refresh
returns a new refresh token and may invalidate the old one at once. So the process reserves disk space for the
answer before it sends the old token, writes the answer to the disk as soon as it comes, and saves the pair
before it uses it. If it is killed in between, the next process finds the answer. No log line or error
contains a token.
"""

from __future__ import annotations

import contextlib
import json
import logging
import random
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import requests

from whatsapp_pipeline.erp.answers import ErpAnswer, call_with_deadline, read_answer
from whatsapp_pipeline.erp.budget import PassBudget
from whatsapp_pipeline.erp.token_store import KeptAnswer, TokenRoom, Tokens, TokenStorage
from whatsapp_pipeline.erp.wait_clock import SystemClock, WaitClock
from whatsapp_pipeline.erp.waits import backoff, retry_after
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import fields

AUTHORIZE_AGAIN: Final = "authorise again: whatsapp-pipeline erp authorize"
_REFUSED: Final = (
    "the ERP refused the program's credentials ({}); check TINY_CLIENT_ID and TINY_CLIENT_SECRET"
)
_BROKEN: Final = (
    "the ERP's token endpoint does not work ({}); the saved tokens are kept. Try again later; if that does "
    "not help, check TINY_TOKEN_URL"
)
_WALL: Final = (
    "the ERP's token endpoint gave no tokens ({}); the saved ones are kept. Is there a firewall, proxy or "
    "login page between this machine and the ERP, or is TINY_TOKEN_URL wrong?"
)
_NO_ROOM: Final = (
    "the ERP's tokens could not be saved in {} ({}); the saved tokens are still valid: {}, then run again"
)
_EARLY_SECONDS: Final = 60.0
_ATTEMPTS: Final = 6
_TIMEOUT: Final = (10.0, 30.0)
_ANSWER_SECONDS: Final = 60.0
_WAIT_SECONDS: Final = 300.0  # other processes wait for the lock meanwhile
_log: Final = logging.getLogger(__name__)
_T = TypeVar("_T")


class TokenError(PipelineError):
    """The ERP issued no token. The text says whether to authorise again, correct the credentials or wait."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The program's credentials. `refresh_token` is set by hand and used when the token file has none."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)

    @property
    def authorize_url(self) -> str:
        """Address of the page on which a person allows the access; it is beside the token endpoint."""
        return self.token_url.removesuffix("/token") + "/auth"


class AccessTokens:
    """Valid access tokens, refreshed when they expire or the API refuses them."""

    def __init__(
        self,
        store: TokenStorage,
        credentials: Credentials,
        *,
        session: requests.Session | None = None,
        clock: WaitClock | None = None,
        budget: PassBudget | None = None,
    ) -> None:
        self._store, self._credentials = store, credentials
        self._session = session or requests.Session()
        self._clock: WaitClock = clock or SystemClock()
        self._budget = budget or PassBudget(self._clock)
        # A pair that could not be saved, and the refresh token that was sent for it.
        self._unsaved: tuple[Tokens, str] | None = None

    def get(self) -> str:
        """Return an access token that has not expired; raises TokenError."""
        if self._unsaved is not None:
            self._save_again()
        tokens = self._current()
        if tokens is not None and self._fresh(tokens):
            return tokens.access_token
        return self._renewed(refused=None)

    def renew(self, refused: str) -> str:
        """Return a token other than `refused`, which the API did not accept; raises TokenError."""
        return self._renewed(refused=refused)

    def exchange_code(self, code: str, redirect_uri: str) -> None:
        """Exchange the code of the authorisation page for a pair and save it; raises TokenError."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        with self._locked(), self._room() as room:
            answer = self._post(form, room)
            if answer is None:
                raise TokenError(
                    "the ERP did not accept the code (a code works once and only for minutes), or the "
                    "redirect address differs from the registered one; open the authorisation page again"
                )
            self._keep(room, self._pair(answer, spent="", now=self._clock.now()), spent="")

    def authorize_page(self, redirect_uri: str, state: str) -> str:
        """Return the URL of the page where a person allows the access; it redirects with `?code=…`."""
        query = {
            "client_id": self._credentials.client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid",
            "response_type": "code",
            "state": state,
        }
        return f"{self._credentials.authorize_url}?{urlencode(query)}"

    def _fresh(self, tokens: Tokens) -> bool:
        return tokens.expires_at - _EARLY_SECONDS > self._clock.now()

    def _renewed(self, *, refused: str | None) -> str:
        with self._locked():
            # Another process may have refreshed while this one waited for the lock.
            tokens = self._current()
            if tokens is not None and tokens.access_token != refused and self._fresh(tokens):
                return tokens.access_token
            return self._refresh(tokens).access_token

    def _current(self) -> Tokens | None:
        """Return the pair of the file, or the one in memory that could not be saved.

        A pair that another process has saved since replaces the one in memory.
        """
        stored = self._store.load()
        if self._unsaved is None:
            return stored
        pair, spent = self._unsaved
        if stored is not None and stored.refresh_token != spent:
            self._unsaved = None  # another process has authorised or refreshed since
            return stored
        return pair

    def _refresh(self, tokens: Tokens | None) -> Tokens:
        """Exchange a refresh token for a new pair, and save the pair before returning it.

        The candidates are, in this order: the token of the file, the token of the file again if a process
        without the lock has changed it, and the token set by hand.
        """
        tried: set[str] = set()
        stored = tokens
        while True:
            known = [stored.refresh_token] if stored else []
            candidates = [*known, *filter(None, [self._credentials.refresh_token])]
            candidate = next((token for token in candidates if token not in tried), None)
            if candidate is None:
                raise TokenError(self._why_dead(tokens) if tried else self._why_none())
            tried.add(candidate)
            with self._room() as room:
                answer = self._post({"grant_type": "refresh_token", "refresh_token": candidate}, room)
                if answer is None and (late := room.kept()) is not None:
                    # The first answer came too late: this process has meanwhile repeated the request with
                    # the token that the first request had used.
                    answer = _object(late.body)
                if answer is not None:
                    renewed = self._pair(answer, spent=candidate, now=self._clock.now())
                    self._keep(room, renewed, spent=candidate)
                    return renewed
            stored = self._store.load()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock, and first save the answer that a killed process left; raises TokenError."""
        with contextlib.ExitStack() as stack:
            self._enter(stack, self._store.lock())
            answer = self._store.unsaved_answer()
            if answer is not None:
                self._recover(answer)
            yield

    @contextlib.contextmanager
    def _room(self) -> Iterator[TokenRoom]:
        """Reserve disk space for a pair before a token is sent for it; raises TokenError."""
        with contextlib.ExitStack() as stack:
            yield self._enter(stack, self._store.room())

    def _enter(self, stack: contextlib.ExitStack, manager: AbstractContextManager[_T]) -> _T:
        """Enter a context of the store; its OSError becomes a TokenError, as no pair could be saved."""
        try:
            return stack.enter_context(manager)
        except OSError as error:
            reason, remedy = error.strerror or type(error).__name__, self._store.remedy
            raise TokenError(_NO_ROOM.format(self._store.place, reason, remedy)) from error

    def _recover(self, answer: KeptAnswer) -> None:
        """Save the pair of an answer whose process was killed before it could save it."""
        stored = self._store.load()
        spent = (stored.refresh_token if stored else None) or self._credentials.refresh_token or ""
        try:
            pair = self._pair(_object(answer.body), spent=spent, now=answer.at)
        except TokenError:  # the answer is incomplete, or it is a refusal
            self._store.forget_answer()
            return
        with contextlib.suppress(OSError):  # the answer stays for the next attempt
            self._store.save(pair)
            _log.warning("ERP: saved the tokens of a run that was killed before it could save them")

    def _keep(self, room: TokenRoom, pair: Tokens, *, spent: str) -> None:
        """Save a pair. If the disk fails in spite of the reserved space, this process keeps it in memory."""
        try:
            room.save(pair)
        except OSError as error:
            self._unsaved = (pair, spent)
            _log.error(
                "the ERP's new tokens could not be saved in %s (%s): %s. This run uses them and tries again "
                "to save them. If it ends before that, %s",
                self._store.place,
                error.strerror,
                self._store.remedy,
                AUTHORIZE_AGAIN,
                extra=fields(reason=error.strerror),
            )
        else:
            self._unsaved = None

    def _save_again(self) -> None:
        """Try again to save the pair that is only in memory, unless another process has saved one."""
        with contextlib.suppress(PipelineError), self._locked():
            self._current()
            if self._unsaved is not None:
                with contextlib.suppress(OSError):
                    self._store.save(self._unsaved[0])
                    self._unsaved = None

    def _why_none(self) -> str:
        return f"{self._store.why_empty()}; {AUTHORIZE_AGAIN}"

    def _why_dead(self, tokens: Tokens | None) -> str:
        """Return why the ERP accepts no refresh token, as far as the saved times show it."""
        if (host := self._store.interrupted_on()) is not None:
            return (
                f"the host {host} was interrupted while it refreshed the ERP's tokens, and its disk may hold "
                f"the new pair: run `whatsapp-pipeline erp status` there, or {AUTHORIZE_AGAIN}"
            )
        ends = tokens.refresh_expires_at if tokens else None
        if ends is not None and ends <= self._clock.now():
            reason = "it expired: a refresh token is valid for a day, and no run renewed it in time"
        elif ends is not None:
            reason = "it has not expired: another copy of this program has used it, or the ERP revoked it"
        else:
            reason = "it expired, another copy of this program has used it, or the ERP revoked it"
        return f"the ERP no longer accepts the saved refresh token ({reason}); {AUTHORIZE_AGAIN}"

    def _pair(self, answer: Mapping[str, Any], *, spent: str, now: float) -> Tokens:
        """Read a pair that came at `now`. Without a new refresh token, the one that was sent stays valid."""
        try:
            ends = answer.get("refresh_expires_in")
            refresh = answer.get("refresh_token") or spent
            if not refresh:
                raise KeyError("refresh_token")
            return Tokens(
                access_token=str(answer["access_token"]),
                refresh_token=str(refresh),
                expires_at=now + float(answer.get("expires_in", 300)),
                refresh_expires_at=now + float(ends) if ends else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TokenError("the ERP's token endpoint answered without tokens; try again later") from error

    def _post(self, form: Mapping[str, str], room: TokenRoom) -> Mapping[str, Any] | None:
        """Ask the token endpoint and keep its answer in `room`; None when the ERP calls the grant invalid.

        Raises TokenError for any other refusal.
        """
        credentials = self._credentials
        body = {"client_id": credentials.client_id, "client_secret": credentials.client_secret, **form}
        answer = ErpAnswer(0, "no answer")
        waited = 0.0
        for attempt in range(_ATTEMPTS):
            pause = backoff(attempt, random.random())  # noqa: S311  # spreads retries, guards nothing
            try:
                response = call_with_deadline(
                    _ANSWER_SECONDS,
                    lambda: _kept(
                        room, self._session.post(credentials.token_url, data=body, timeout=_TIMEOUT)
                    ),
                )
            except requests.RequestException as error:
                answer = ErpAnswer(0, f"no answer, {type(error).__name__}")
            else:
                answer = read_answer(response)
                if answer.status == 200 and not answer.is_html:
                    return answer.body or {}
                if answer.status == 429:
                    pause = retry_after(answer.headers)
                elif 400 <= answer.status < 500:
                    if answer.oauth_error == "invalid_grant":
                        return None
                    raise TokenError((_WALL if answer.is_html else _REFUSED).format(answer.description))
            waited += pause
            # The time limit of the pass applies to pauses only: an answer may contain a new pair.
            if attempt == _ATTEMPTS - 1 or waited > _WAIT_SECONDS or pause >= self._budget.left():
                break
            _log.warning(
                "ERP: its token endpoint: %s, trying again in %.0f s",
                answer.description,
                pause,
                extra=fields(reason=answer.description, wait_seconds=round(pause, 1)),
            )
            self._clock.wait(pause)
        raise TokenError((_WALL if answer.is_html else _BROKEN).format(answer.description))


def _kept(room: TokenRoom, response: requests.Response) -> requests.Response:
    """Write an answer with tokens to the disk before anything else is done with it."""
    if response.status_code == 200 and b"access_token" in response.content:
        room.keep(response.content)
    return response


def _object(body: bytes) -> Mapping[str, Any]:
    """Read a JSON object; return an empty one for anything else."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
