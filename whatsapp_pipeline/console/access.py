"""Identifying the user of a request: cookies, sessions, logins.

What belongs here: finding the user of a request, and logging in. What does not: the statements
(store/operations/console_access.py), and the rights of a level, which the database enforces.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from whatsapp_pipeline.console.config import ConsoleConfig
from whatsapp_pipeline.console.passwords import hash_password, is_password
from whatsapp_pipeline.console.pools import ConsolePools
from whatsapp_pipeline.store.operations import console_access as store
from whatsapp_pipeline.store.operations.console_access import LEVELS, SESSION_HOURS, Level
from whatsapp_pipeline.store.operations.console_logins import ACCESS


@dataclass(frozen=True, slots=True)
class Visitor:
    """The user of a request, and the hash of the session's token."""

    id: int
    name: str
    level: Level
    has_password: bool
    session: bytes

    def may(self, level: Level) -> bool:
        """Return whether the user's level is at least `level`."""
        return LEVELS.index(self.level) >= LEVELS.index(level)


class WaitBeforeLoginError(Exception):
    """Too many logins failed for this account or address. `seconds` is the time to wait."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"wait {seconds} s")


def token_hash(token: str) -> bytes:
    """Return the hash under which a random token is stored."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def new_token() -> str:
    """Return a random token of 256 bits that can be used in a cookie and in an address."""
    return secrets.token_urlsafe(32)


class Access:
    """Logins and sessions of users. All statements use the pool of the login `access`."""

    def __init__(self, pools: ConsolePools, config: ConsoleConfig, key: bytes) -> None:
        self._pools = pools
        self._config = config
        self._key = key

    def visitor(self, request: Request) -> Visitor | None:
        """Return the user of a request's session; None if the request has no valid session."""
        token = request.cookies.get(_cookie_name(request))
        if not token or len(token) > 100:
            return None
        hashed = token_hash(token)
        with self._pools.connection(ACCESS) as conn:
            found = store.session_user(conn, hashed)
            if found is None:
                return None
            if found.is_stale:
                store.touch_session(conn, hashed)
        named = self.proxy_user(request)
        if named is not None and named != found.name:
            return None  # the proxy has authenticated another user since then
        return Visitor(found.id, found.name, found.level, found.has_password, hashed)

    def proxy_user(self, request: Request) -> str | None:
        """Return the user name in the header of a trusted proxy.

        None if the request does not come from a trusted proxy, or if it has no such header.
        """
        header = self._config.user_header
        peer = str(request.scope.get("state", {}).get("peer", ""))
        if header is None or not self._config.is_trusted_proxy(peer):
            return None
        return request.headers.get(header, "").strip().lower() or None

    def log_in_by_proxy(self, name: str) -> str | None:
        """Begin a session for a user whom the proxy has authenticated, and return its token.

        None if there is no such user, or if the user may not log in.
        """
        with self._pools.connection(ACCESS) as conn:
            user = store.user_named(conn, name)
            if user is None or user.disabled_at is not None or not store.is_person(name):
                return None
            token = new_token()
            store.begin_session(conn, user.id, token_hash(token))
        return token

    def log_in(self, request: Request, name: str, password: str) -> str | None:
        """Begin a session and return its token.

        None if the name or the password is wrong, or if the user is disabled. Raises WaitBeforeLoginError if
        too many logins failed, and TooManyLoginsError if too many passwords wait to be hashed.
        """
        account, keys = self._failure_keys(request, name)
        with self._pools.connection(ACCESS) as conn:
            if wait := store.seconds_to_wait(conn, keys):
                raise WaitBeforeLoginError(wait)
            user = store.user_named(conn, name[:100])
        # The password is hashed without holding a connection, because hashing takes long and other requests
        # need the pool.
        fits = is_password(password, user.password_hash if user and user.disabled_at is None else None)
        with self._pools.connection(ACCESS) as conn:
            if user is None or not fits:
                store.count_failure(conn, keys)
                return None
            # The wait is checked again, because attempts that were hashed at the same time have now counted
            # their failures.
            if wait := store.seconds_to_wait(conn, keys):
                raise WaitBeforeLoginError(wait)
            store.forget_failures(conn, account)
            token = new_token()
            store.begin_session(conn, user.id, token_hash(token))
        return token

    def log_in_once(self, request: Request, link: str) -> str | None:
        """Begin a session with a login link, and return its token.

        None if the link is invalid, was used or has expired, or if its user is disabled. Raises
        WaitBeforeLoginError if too many links failed.
        """
        _, keys = self._failure_keys(request, "login link")
        keys = keys[1:]  # failed links are counted only for the address, because they have no account
        with self._pools.connection(ACCESS) as conn:
            if wait := store.seconds_to_wait(conn, keys):
                raise WaitBeforeLoginError(wait)
            with conn.transaction():
                id_user = store.use_login_link(conn, token_hash(link))
                if id_user is None:
                    store.count_failure(conn, keys)
                    return None
                token = new_token()
                store.begin_session(conn, id_user, token_hash(token))
        return token

    def change_password(self, request: Request, visitor: Visitor, current: str, new: str) -> str | None:
        """Store a new password and return the token of a new session; None if `current` is wrong.

        If the user has no password yet, `current` is not used. The exceptions are those of `log_in`.
        """
        _, keys = self._failure_keys(request, visitor.name)
        with self._pools.connection(ACCESS) as conn:
            if wait := store.seconds_to_wait(conn, keys):
                raise WaitBeforeLoginError(wait)
            user = store.user_named(conn, visitor.name)
        if user is None or (user.password_hash is not None and not is_password(current, user.password_hash)):
            with self._pools.connection(ACCESS) as conn:
                store.count_failure(conn, keys)
            return None
        hashed = hash_password(new)
        with self._pools.connection(ACCESS) as conn, conn.transaction():
            store.set_password(conn, user.id, hashed)
            token = new_token()
            store.begin_session(conn, user.id, token_hash(token))
        return token

    def log_out(self, visitor: Visitor) -> None:
        """End the session."""
        with self._pools.connection(ACCESS) as conn:
            store.end_session(conn, visitor.session)

    def _failure_keys(self, request: Request, name: str) -> tuple[bytes, list[bytes]]:
        """Return the hash of an account, and the hashes of the account and of the client's address."""
        client = request.client.host if request.client else ""
        account, address = (
            hmac.digest(self._key, f"{kind}:{value}".encode("utf-8", "surrogatepass"), "sha256")
            for kind, value in (("console account", name.strip().lower()), ("console address", client))
        )
        return account, [account, address]


def _cookie_name(request: Request) -> str:
    # A browser accepts `__Host-` only over HTTPS, and then no other host can have set the cookie.
    return "__Host-console" if request.url.scheme == "https" else "console"


def set_session_cookie(request: Request, response: Response, token: str) -> None:
    """Set the cookie with the session's token."""
    response.set_cookie(
        _cookie_name(request),
        token,
        max_age=SESSION_HOURS * 3600,
        path="/",
        httponly=True,
        secure=request.url.scheme == "https",
        samesite="lax",
    )


def clear_session_cookie(request: Request, response: Response) -> None:
    """Delete the cookie with the session's token."""
    response.delete_cookie(
        _cookie_name(request), path="/", httponly=True, secure=request.url.scheme == "https", samesite="lax"
    )


def local_path(text: str) -> str:
    """Return `text` if it is an absolute path without a host, with or without a query; otherwise `/`."""
    return text if re.fullmatch(r"/(?![/\\])[!-\[\]-~]*", text) else "/"
