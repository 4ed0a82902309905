"""`erp`: authorise the access to the ERP, and show whether the ERP answers.

What belongs here: the commands. What does not: reading the ERP (erp/), and synchronising
(assets/contacts.py).
"""

from __future__ import annotations

import secrets
import time
from urllib.parse import parse_qs, urlsplit

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.output import say
from whatsapp_pipeline.cli.params import Group
from whatsapp_pipeline.erp.source import open_erp_source, open_tokens, token_store


@click.group(cls=Group)
def erp() -> None:
    """Authorise the access to the ERP, and show whether the ERP answers."""


@erp.command()
@click.option(
    "--redirect-uri",
    default="http://localhost",
    show_default=True,
    help="The redirect address registered with the application in the ERP.",
)
@click.option(
    "--code",
    help="The code, or the redirect address that contains it, from the page that an earlier call printed.  "
    "[default: the command prints a page and asks for the address]",
)
def authorize(redirect_uri: str, code: str | None) -> None:
    """Allow this program to read the ERP.

    Run this once, and again after a day in which no run has read the ERP: the refresh token is then expired.

    Open the printed page, sign in and allow the access. The ERP then sends the browser to the redirect
    address, which need not exist. Paste that address, or the code in it, here.
    """
    configured = settings.load_settings()
    tokens = open_tokens(configured)
    if code is None:
        state = secrets.token_urlsafe(12)
        page = tokens.authorize_page(redirect_uri, state)
        say(f"Open this page, sign in and allow the access:\n\n  {page}\n")
        pasted = click.prompt("Paste the address that the browser shows now, or the code in it")
        text = _parse_code(str(pasted).strip(), state)
    else:
        # An earlier call printed the page. The state of that page is not stored, so it is not compared.
        text = _parse_code(code.strip(), None)
    tokens.exchange_code(text, redirect_uri)
    say(f"Authorised. The tokens are in {token_store(configured).place}; runs that read the ERP renew them.")


def _parse_code(text: str, state: str | None) -> str:
    """Return the code in a redirect address, or `text` itself if it has no code.

    Raises UsageError if `state` is given and the address has another one.
    """
    query = parse_qs(urlsplit(text).query)
    if "code" not in query:
        return text
    if state is not None and query.get("state", [state])[0] != state:
        raise click.UsageError("that address belongs to another authorisation; start again")
    return query["code"][0]


@erp.command("status")
@click.option(
    "--erp",
    "spec",
    help="`tiny`, an http(s) address or a folder of saved pages.  [default: the setting ERP, otherwise tiny]",
)
def erp_status_command(spec: str | None) -> None:
    """Show whether the ERP can be read: the state of the tokens, and the ERP's counts."""
    configured = settings.load_settings()
    chosen = spec or configured.erp or "tiny"
    if chosen == "tiny":
        tokens = token_store(configured).load()
        if tokens is None:
            say("tokens    none; run `whatsapp-pipeline erp authorize`")
        else:
            access, refresh = _validity(tokens.expires_at), _validity(tokens.refresh_expires_at)
            say(f"tokens    access token: {access}; refresh token: {refresh}")
    with open_erp_source(configured, chosen) as source:
        for scope in source.contact_scopes:
            page = source.contacts_page(scope, 0, None)
            say(f"contacts  {scope or 'all'}: {page.total}")
        say(f"orders    {source.orders_page(0, None).total}")


def _validity(expires_at: float | None) -> str:
    if expires_at is None:
        return "valid (the ERP gave no expiry time)"
    seconds = expires_at - time.time()
    if seconds <= 0:
        return "expired"
    return f"valid for {int(seconds // 60)} min" if seconds >= 60 else "valid for less than a minute"
