"""Logging in: with a password, or with a link that works once.

What belongs here: the pages that are open to everybody. What does not: sessions (access.py).
"""

from __future__ import annotations

from urllib.parse import quote

import psycopg
from psycopg_pool import PoolTimeout
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from whatsapp_pipeline.console import words
from whatsapp_pipeline.console.access import Access, WaitBeforeLoginError, local_path, set_session_cookie
from whatsapp_pipeline.console.error_pages import error_response
from whatsapp_pipeline.console.page import parse_form
from whatsapp_pipeline.console.passwords import TooManyLoginsError
from whatsapp_pipeline.console.static_files import static_address
from whatsapp_pipeline.templates.render import render


class LoginPages:
    """The login form and the login link."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def form(self, request: Request) -> Response:
        """Show the form."""
        return _login_page(local_path(request.query_params.get("next", "/")))

    async def log_in(self, request: Request) -> Response:
        """Log in with name and password."""
        fields = parse_form(await request.body())
        return await run_in_threadpool(self._log_in, request, fields)

    def _log_in(self, request: Request, fields: dict[str, str]) -> Response:
        back = local_path(fields.get("next", "/"))
        try:
            token = self._access.log_in(request, fields.get("name", "").strip(), fields.get("password", ""))
        except WaitBeforeLoginError as error:
            page = _login_page(back, words.WAIT_BEFORE_LOGIN, status=429)
            page.headers["retry-after"] = str(error.seconds)
            return page
        except (TooManyLoginsError, PoolTimeout):
            return error_response("busy")
        except psycopg.OperationalError:
            return error_response("no_database")
        if token is None:
            return _login_page(back, words.LOGIN_FAILED, status=401)
        return _begin(request, back, token)

    async def once_form(self, request: Request) -> Response:
        """Show a button that logs in.

        Opening the link does not log in, because a program that only follows links would use up the link.
        """
        page = render(
            "console/login_once.html",
            t=words,
            static=static_address,
            action=f"/login/once/{quote(request.path_params['link'], safe='')}",
        )
        return HTMLResponse(page)

    async def once(self, request: Request) -> Response:
        """Log in with a link, which then becomes invalid."""
        return await run_in_threadpool(self._once, request)

    def _once(self, request: Request) -> Response:
        try:
            token = self._access.log_in_once(request, request.path_params["link"][:200])
        except WaitBeforeLoginError:
            return _login_page("/", words.WAIT_BEFORE_LOGIN, status=429)
        except PoolTimeout:
            return error_response("busy")
        except psycopg.OperationalError:
            return error_response("no_database")
        if token is None:
            return _login_page("/", words.LINK_USED, status=401)
        return _begin(request, "/account", token)


def _begin(request: Request, path: str, token: str) -> Response:
    response = RedirectResponse(path, status_code=303)
    set_session_cookie(request, response, token)
    return response


def _login_page(back: str, problem: str | None = None, *, status: int = 200) -> Response:
    page = render("console/login.html", t=words, static=static_address, back=back, problem=problem)
    return HTMLResponse(page, status_code=status)
