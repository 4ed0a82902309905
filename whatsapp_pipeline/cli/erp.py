"""`erp`: authorise the access to the ERP, and show whether it answers."""

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
    """Authorise the access to the ERP, and show whether it answers."""


@erp.command()
@click.option(
    "--redirect-uri",
    default="http://localhost",
    show_default=True,
    help="The redirect address registered with the application in the ERP.",
)
@click.option("--code", help="The code, or the whole address the ERP led to.  [default: asked for]")
def authorize(redirect_uri: str, code: str | None) -> None:
    """Allow this program to read the ERP: once, and again if no run has used the access for a day.

    Open the printed page, sign in and allow the access. The ERP then sends the browser to the redirect
    address, which need not exist. Paste that address, or the code in it, here.
    """
    configured = settings.load_settings()
    tokens = open_tokens(configured)
    state = secrets.token_urlsafe(12)
    if code is None:
        page = tokens.authorize_page(redirect_uri, state)
        say(f"Open this page, sign in and allow the access:\n\n  {page}\n")
        code = click.prompt("Paste the address you were led to, or the code in it")
    tokens.exchange_code(_code_in(str(code).strip(), state), redirect_uri)
    say(f"Authorised; the tokens are in {token_store(configured).place} and renew themselves.")


def _code_in(text: str, state: str) -> str:
    """Return the code in an address; another state belongs to another authorisation."""
    query = parse_qs(urlsplit(text).query)
    if "code" not in query:
        return text
    if query.get("state", [state])[0] != state:
        raise click.UsageError("that address belongs to another authorisation; start again")
    return query["code"][0]


@erp.command("status")
@click.option(
    "--erp", "spec", help="`tiny`, an http(s) address or a folder of saved pages.  [default: ERP or tiny]"
)
def erp_status_command(spec: str | None) -> None:
    """Show whether the ERP can be read: the state of the tokens, and the ERP's counts."""
    configured = settings.load_settings()
    chosen = spec or configured.erp or "tiny"
    if chosen == "tiny":
        tokens = token_store(configured).load()
        if tokens is None:
            say("tokens    none: whatsapp-pipeline erp authorize")
        else:
            say(f"tokens    access {_left(tokens.expires_at)}, renewal {_left(tokens.refresh_expires_at)}")
    with open_erp_source(configured, chosen) as source:
        for scope in source.contact_scopes:
            page = source.contacts_page(scope, 0, None)
            say(f"contacts  {scope or 'all'}: {page.total}")
        say(f"orders    {source.orders_page(0, None).total}")


def _left(at: float | None) -> str:
    if at is None:
        return "until a time that the ERP did not say"
    minutes = int((at - time.time()) // 60)
    return f"for {minutes} min more" if minutes > 0 else "ended"
