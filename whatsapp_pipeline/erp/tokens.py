"""The ERP's tokens: kept in one file, refreshed by one process at a time.

What belongs here: the token file, the refresh with its rotation, the code flow's exchange. What does not:
requests to the API (`client`). Each refresh gives a new refresh token and the old one may die at once, so
the new pair is on disk before anybody uses it. No message holds a token.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import requests

from whatsapp_pipeline import private_files
from whatsapp_pipeline.erp.clock import Clock, SystemClock
from whatsapp_pipeline.erp.waits import backoff, retry_after
from whatsapp_pipeline.errors import PipelineError

AUTHORIZE_AGAIN: Final = "authorise again: whatsapp-pipeline erp authorize"
_DEAD: Final = (
    "the ERP no longer accepts the saved refresh token (they end after a day without use); " + AUTHORIZE_AGAIN
)
_REFUSED: Final = (
    "the ERP refused the program's credentials ({}); check TINY_CLIENT_ID and TINY_CLIENT_SECRET"
)
_BROKEN: Final = "the ERP's token endpoint does not work ({}); the saved tokens are kept, try again later"
_EARLY_SECONDS: Final = 60.0
_ATTEMPTS: Final = 6
_TIMEOUT: Final = (10.0, 30.0)


class TokenError(PipelineError):
    """The ERP gave no token; the text says whether to authorise again, correct the credentials or wait."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pair of tokens; times in seconds since the epoch. No repr shows them."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float
    refresh_expires_at: float | None = None


class TokenStore:
    """The token file, readable by its owner alone, and the lock that lets one process refresh."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Tokens | None:
        """Read the pair; None when there is no file, or none that can be read as one."""
        try:
            return Tokens(**json.loads(self.path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, tokens: Tokens) -> None:
        """Replace the pair in one step: a reader sees the old one or the new one, whole."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        private_files.write(self.path, json.dumps(asdict(tokens)))

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the right to refresh, across threads and processes; waits; freed when the process dies."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the ERP knows the program by. `refresh_token` is one given by hand, for when the file has none."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)

    @property
    def authorize_url(self) -> str:
        """The page where a person allows the access, beside the token endpoint."""
        return self.token_url.removesuffix("/token") + "/auth"


class AccessTokens:
    """Gives access tokens that work, refreshing when they end or were refused."""

    def __init__(
        self,
        store: TokenStore,
        credentials: Credentials,
        *,
        session: requests.Session | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._store, self._credentials = store, credentials
        self._session = session or requests.Session()
        self._clock: Clock = clock or SystemClock()

    def get(self) -> str:
        """Return an access token that has not ended; raises TokenError."""
        tokens = self._store.load()
        if tokens is not None and self._fresh(tokens):
            return tokens.access_token
        return self._renewed(refused=None)

    def renew(self, refused: str) -> str:
        """Return another token than `refused`, which the API did not accept; raises TokenError."""
        return self._renewed(refused=refused)

    def exchange_code(self, code: str, redirect_uri: str) -> None:
        """Turn the code of the authorisation page into a pair and save it; raises TokenError."""
        with self._store.lock():
            answer = self._post(
                {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
            )
            if answer is None:
                raise TokenError(
                    "the ERP did not accept the code (they work once and for minutes only), or the redirect "
                    "address differs from the registered one; open the authorisation page again"
                )
            self._store.save(self._pair(answer))

    def authorize_page(self, redirect_uri: str, state: str) -> str:
        """URL of the page where a person allows the access; it leads to `redirect_uri` with `?code=…`."""
        query = {
            "client_id": self._credentials.client_id, "redirect_uri": redirect_uri, "scope": "openid",
            "response_type": "code", "state": state,
        }  # fmt: skip
        return f"{self._credentials.authorize_url}?{urlencode(query)}"

    def _fresh(self, tokens: Tokens) -> bool:
        return tokens.expires_at - _EARLY_SECONDS > self._clock.now()

    def _renewed(self, *, refused: str | None) -> str:
        with self._store.lock():
            # Another process may have refreshed while this one waited for the lock.
            tokens = self._store.load()
            if tokens is not None and tokens.access_token != refused and self._fresh(tokens):
                return tokens.access_token
            return self._refresh(tokens).access_token

    def _refresh(self, tokens: Tokens | None) -> Tokens:
        """Trade a refresh token for a new pair, saved before it is returned.

        Tried in turn: the file's, the file's again if somebody without our lock has changed it meanwhile, and
        the one given by hand.
        """
        tried: set[str] = set()
        stored = tokens
        while True:
            known = [stored.refresh_token] if stored else []
            candidates = [*known, *filter(None, [self._credentials.refresh_token])]
            candidate = next((token for token in candidates if token not in tried), None)
            if candidate is None:
                raise TokenError(_DEAD if tried else f"no ERP tokens yet; {AUTHORIZE_AGAIN}")
            tried.add(candidate)
            answer = self._post({"grant_type": "refresh_token", "refresh_token": candidate})
            if answer is not None:
                renewed = self._pair(answer)
                self._store.save(renewed)
                return renewed
            stored = self._store.load()

    def _pair(self, answer: Mapping[str, Any]) -> Tokens:
        try:
            now = self._clock.now()
            ends = answer.get("refresh_expires_in")
            return Tokens(
                access_token=str(answer["access_token"]),
                refresh_token=str(answer["refresh_token"]),
                expires_at=now + float(answer.get("expires_in", 300)),
                refresh_expires_at=now + float(ends) if ends else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TokenError("the ERP's token endpoint answered without tokens; try again later") from error

    def _post(self, form: Mapping[str, str]) -> Mapping[str, Any] | None:
        """Ask the token endpoint; None when it says that the grant is dead. Raises TokenError otherwise."""
        credentials = self._credentials
        body = {"client_id": credentials.client_id, "client_secret": credentials.client_secret, **form}
        failure = "no answer"
        for attempt in range(_ATTEMPTS):
            pause = backoff(attempt, random.random())  # noqa: S311  # spreads retries, guards nothing
            try:
                answer = self._session.post(credentials.token_url, data=body, timeout=_TIMEOUT)
            except requests.RequestException as error:
                failure = type(error).__name__
            else:
                failure = f"HTTP {answer.status_code}"
                if answer.status_code == 200:
                    return _json_object(answer) or {}
                if answer.status_code == 429:
                    pause = retry_after(answer.headers, self._clock.now())
                elif answer.status_code < 500:
                    if (_json_object(answer) or {}).get("error") == "invalid_grant":
                        return None
                    raise TokenError(_REFUSED.format(failure))
            if attempt < _ATTEMPTS - 1:
                self._clock.wait(pause)
        raise TokenError(_BROKEN.format(failure))


def _json_object(answer: requests.Response) -> Mapping[str, Any] | None:
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, Mapping) else None
