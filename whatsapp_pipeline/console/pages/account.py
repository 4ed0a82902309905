"""The user's own page: level, password, logging out."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from whatsapp_pipeline.console import words
from whatsapp_pipeline.console.access import WaitBeforeLoginError, clear_session_cookie, set_session_cookie
from whatsapp_pipeline.console.error_pages import error_response
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.console.passwords import MAXIMUM_LENGTH, MINIMUM_LENGTH, TooManyLoginsError


def show_account(page: Page) -> Response:
    """Show the user's level and the form for a new password."""
    return _account_page(page, None, saved=page.text("saved") == "1")


def change_password(page: Page) -> Response:
    """Store a new password. All other sessions of the user end."""
    fields = page.form()
    new = fields.get("new", "")
    if problem := _problem_of(new, fields.get("again", ""), page.visitor.name):
        return _account_page(page, problem)
    try:
        token = page.access.change_password(page.request, page.visitor, fields.get("current", ""), new)
    except WaitBeforeLoginError:
        return _account_page(page, words.WAIT_BEFORE_LOGIN)
    except TooManyLoginsError:
        return error_response("busy")
    if token is None:
        return _account_page(page, words.PASSWORD_WRONG)
    response = page.redirect("/account?saved=1")
    set_session_cookie(page.request, response, token)
    return response


def _problem_of(new: str, again: str, name: str) -> str | None:
    """Return why a password is not accepted; None if it is."""
    if not MINIMUM_LENGTH <= len(new) <= MAXIMUM_LENGTH:
        return words.PASSWORD_LENGTH
    if new != again:
        return words.PASSWORDS_DIFFER
    return words.PASSWORD_HAS_NAME if name in new.lower() else None


def log_out(page: Page) -> Response:
    """End the session."""
    page.access.log_out(page.visitor)
    response = RedirectResponse("/login", status_code=303)
    clear_session_cookie(page.request, response)
    return response


def _account_page(page: Page, problem: str | None, *, saved: bool = False) -> Response:
    return page.render(
        "account.html",
        status=422 if problem else 200,
        problem=problem,
        saved=saved,
        shortest=MINIMUM_LENGTH,
        longest=MAXIMUM_LENGTH,
    )
