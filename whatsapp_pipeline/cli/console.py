"""`console`: serve the web console, manage its users and tokens, and list who looked at whose messages."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Literal

import click

from whatsapp_pipeline import clock, settings
from whatsapp_pipeline.cli.database_option import current_url, open_database, require_free
from whatsapp_pipeline.cli.output import say, say_json
from whatsapp_pipeline.cli.params import Group
from whatsapp_pipeline.cli.text_table import print_table
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import PipelineHandler
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations.api_tokens import ApiToken, TokenLevel
from whatsapp_pipeline.store.operations.console_access import ConsoleUser, Level

_LEVELS = click.Choice(["reader", "analyst", "reviewer"])


@click.group(cls=Group, invoke_without_command=True)
@click.option("--port", default=8090, show_default=True, help="Port to listen on.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--first-link/--no-first-link",
    default=True,
    help="Print a login link if nobody has logged in yet. `serve` does not print it, because its output is "
    "kept in a log.",
)
@click.pass_context
def console(context: click.Context, port: int, host: str, first_link: bool) -> None:
    """Serve the web console: customers, orders and conversations to read, search and print.

    The first start prints a link with which somebody can log in once. To be reached from other machines, the
    console needs TLS or a proxy.
    """
    if context.invoked_subcommand is None:
        _serve(host, port, prints_link=first_link)


def _serve(host: str, port: int, *, prints_link: bool) -> None:
    from whatsapp_pipeline.console.config import console_config
    from whatsapp_pipeline.console.server import serve_console
    from whatsapp_pipeline.store.operations.console_logins import LoginsRefusedError

    configured = settings.load_settings()
    config = console_config(configured, host=host, port=port)
    require_free(host, port, "--port")
    log = logging.getLogger("whatsapp_pipeline.console")
    log.handlers, log.propagate = [PipelineHandler()], False
    log.setLevel(logging.INFO)
    try:
        serve_console(
            config,
            current_url(configured),
            audit_months=configured.console_audit_months,
            say=lambda text: say(text, err=True),
            prints_link=prints_link,
        )
    except LoginsRefusedError as error:
        for statement in error.statements:
            say(f"{statement};")
        raise


def why_not_served(configured: Settings) -> str | None:
    """Return why the console can't be served here, or None if it can.

    Missing logins of the database are created.
    """
    from whatsapp_pipeline.console.server import prepare_logins
    from whatsapp_pipeline.store.operations.console_logins import LoginsRefusedError

    try:
        prepare_logins(current_url(configured))
    except LoginsRefusedError:
        return (
            "it needs database logins that this role may not create; `whatsapp-pipeline console` prints "
            "the SQL"
        )
    except PipelineError as error:
        return str(error)
    return None


@console.group(cls=Group)
def user() -> None:
    """Manage the users of the console and their levels."""


@user.command("add")
@click.argument("name")
@click.option(
    "--level",
    type=_LEVELS,
    default="reader",
    show_default=True,
    help="Level of the user: what the user may see and do.",
)
def user_add(name: str, level: Level) -> None:
    """Add a user and print a link with which the user can log in once, within 24 hours.

    A reader sees summaries but no messages. An analyst also reads messages. A reviewer also decides links.
    """
    import re

    from whatsapp_pipeline.console.server import login_link
    from whatsapp_pipeline.store.operations import console_access as store

    if not re.fullmatch(r"[a-z0-9][a-z0-9._@-]{0,62}", name.lower()):
        raise click.UsageError(
            "a name has letters without accents, digits, and after the first character also . _ @ -"
        )
    if not store.is_person(name):
        raise click.UsageError("names that begin with link. or client. are reserved for keys and programs")
    configured = settings.load_settings()
    with open_database(configured) as conn:
        id_user = store.add_user(conn, name, level)
        if id_user is None:
            raise PipelineError(f"there is a user {name.lower()} already; `console user list` shows all")
        say(f"{name.lower()}: {level}; to log in once: {login_link(conn, id_user, configured.console_url)}")


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per user.")
def user_list(as_json: bool) -> None:
    """List the users."""
    from whatsapp_pipeline.store.operations import console_access as store

    with open_database(settings.load_settings()) as conn:
        found = store.users(conn)
    rows = [
        {
            "name": one.name,
            "level": one.level,
            "state": "disabled" if one.disabled_at else "active",
            "password": "set" if one.password_hash else "none",
            "last_login": f"{one.last_login_at:%Y-%m-%d %H:%M}" if one.last_login_at else "never",
        }
        for one in found
    ]
    if as_json:
        for row in rows:
            say_json(row)
    elif rows:
        print_table([list(rows[0]), *(list(row.values()) for row in rows)], right=())
    else:
        say("no users; the first start of `whatsapp-pipeline console` creates one", err=True)


@user.command("disable")
@click.argument("name")
@click.option("--undo", is_flag=True, help="Let the user log in again.")
def user_disable(name: str, undo: bool) -> None:
    """End a user's sessions and prevent new logins. The records of the user stay."""
    from whatsapp_pipeline.store.operations import console_access as store

    with open_database(settings.load_settings()) as conn:
        found = _user(conn, name)
        store.set_disabled(conn, found.id, disabled=not undo)
    say(f"{found.name}: {'active' if undo else 'disabled'}")


@user.command("password")
@click.argument("name")
@click.option(
    "--link",
    is_flag=True,
    help="Print a link with which the user can log in once, instead of asking for a password.",
)
def user_password(name: str, link: bool) -> None:
    """Ask for a new password of a user and set it. The user's sessions end."""
    from whatsapp_pipeline.console.passwords import MAXIMUM_LENGTH, MINIMUM_LENGTH, hash_password
    from whatsapp_pipeline.console.server import login_link
    from whatsapp_pipeline.store.operations import console_access as store

    configured = settings.load_settings()
    if not store.is_person(name):
        raise click.UsageError(
            "this name belongs to a key of links or to a program with a token, which have no password"
        )
    with open_database(configured) as conn:
        found = _user(conn, name)
        if link:
            say(login_link(conn, found.id, configured.console_url))
            return
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        if not MINIMUM_LENGTH <= len(password) <= MAXIMUM_LENGTH:
            raise PipelineError(f"a password has {MINIMUM_LENGTH} to {MAXIMUM_LENGTH} characters")
        store.set_password(conn, found.id, hash_password(password))
    say(f"{found.name}: the password is set")


def _user(conn: Connection, name: str) -> ConsoleUser:
    from whatsapp_pipeline.store.operations import console_access as store

    found = store.user_named(conn, name)
    if found is None:
        raise PipelineError("there is no such user; `whatsapp-pipeline console user list` shows all")
    return found


@console.group(cls=Group)
def token() -> None:
    """Manage the tokens of programs that use the API (docs/api.md)."""


@token.command("add")
@click.argument("name")
@click.option(
    "--level",
    type=click.Choice(["reader", "analyst", "reviewer", "manager"]),
    required=True,
    help="Level of the program: what it may do. A manager manages tenants and business numbers, and can't "
    "read anything else.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    help="Days until the token expires.  [default: it does not expire]",
)
def token_add(name: str, level: TokenLevel, days: int | None) -> None:
    """Create a token for a program and print it. The token can't be shown again.

    When the program reads messages, the view is recorded under client.NAME (`console audit --user
    client.NAME`).
    """
    import re

    from whatsapp_pipeline.console.access import new_token, token_hash
    from whatsapp_pipeline.store.operations.api_tokens import add_token

    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name):
        raise click.UsageError(
            "a program's name has small letters without accents, digits, and after the first character "
            "also _ -"
        )
    made = new_token()
    with open_database(settings.load_settings()) as conn:
        if not add_token(conn, name, level, token_hash(made), days=days):
            raise PipelineError(
                f"{name} has a token already; revoke it first (`console token revoke {name}`) or choose a "
                "name for the new one"
            )
    say(made)


@token.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per token.")
def token_list(as_json: bool) -> None:
    """List the tokens, also the revoked ones."""
    from whatsapp_pipeline.store.operations.api_tokens import tokens

    with open_database(settings.load_settings()) as conn:
        found = tokens(conn)
    rows = [
        {
            "name": one.name,
            "level": one.level,
            "state": _token_state(one),
            "made": f"{one.created_at:%Y-%m-%d}",
            "expires": f"{one.expires_at:%Y-%m-%d}" if one.expires_at else "never",
            "last_used": f"{one.last_used_at:%Y-%m-%d %H:%M}" if one.last_used_at else "never",
        }
        for one in found
    ]
    if as_json:
        for row in rows:
            say_json(row)
    elif rows:
        print_table([list(rows[0]), *(list(row.values()) for row in rows)], right=())
    else:
        say("no program has a token; `console token add` creates one", err=True)


def _token_state(one: ApiToken) -> str:
    if one.revoked_at is not None:
        return "revoked"
    return "expired" if one.expires_at is not None and one.expires_at <= clock.now() else "active"


@token.command("revoke")
@click.argument("name")
def token_revoke(name: str) -> None:
    """Revoke the token of a program, with immediate effect."""
    from whatsapp_pipeline.store.operations.api_tokens import revoke_token

    with open_database(settings.load_settings()) as conn:
        if not revoke_token(conn, name):
            raise PipelineError("there is no valid token of that name; `console token list` shows all")
    say(f"{name}: revoked")


@console.command("link")
@click.option("--order", "number", required=True, help="The order's number.")
@click.option("--id", "id_order", type=int, help="The order's id, if several orders have the number.")
@click.option(
    "--minutes",
    type=click.IntRange(1, 1440),
    default=15,
    show_default=True,
    help="Number of minutes for which the link is valid.",
)
@click.option(
    "--level",
    type=click.Choice(["reader", "analyst"]),
    default="analyst",
    show_default=True,
    help="reader: the page shows the order's data; analyst: also the messages.",
)
@click.option(
    "--origin",
    "origins",
    multiple=True,
    help="Origin of the site that may show the page in a frame, such as https://erp.example.",
)
def order_link_command(
    number: str,
    id_order: int | None,
    minutes: int,
    level: Literal["reader", "analyst"],
    origins: tuple[str, ...],
) -> None:
    """Print a signed link to the page of one order. The link needs no login and is valid for some minutes.

    It is signed with the first key of CONSOLE_LINK_KEYS. docs/embed.md explains how other programs create
    such links.
    """
    from whatsapp_pipeline.console.signed_links import OrderLink, are_origins, link_path, parse_link_keys
    from whatsapp_pipeline.store.contacts.directory import orders_numbered

    configured = settings.load_settings()
    keys = parse_link_keys([key.get_secret_value() for key in configured.console_link_keys])
    if not keys:
        raise PipelineError(
            "CONSOLE_LINK_KEYS is not set; set it to the keys that sign links (docs/embed.md)"
        )
    if not are_origins(origins):
        raise click.UsageError("an origin is a scheme and a host, without a path: https://erp.example")
    with open_database(configured) as conn:
        found = [
            one for one in orders_numbered(conn, number, with_device=False) if id_order in (None, one.id)
        ]
    if len(found) != 1:
        ids = ", ".join(str(one.id) for one in found)
        raise PipelineError(
            f"several orders have the number; give --id with one of {ids}"
            if found
            else "there is no such order"
        )
    key, secret = next(iter(keys.items()))
    order = found[0]
    expires = int(clock.now().timestamp()) + 60 * minutes
    made = OrderLink(order.numero or str(order.id), order.id, level, expires, key, tuple(origins))
    say(configured.console_url + link_path(made, secret))


@console.command()
@click.option("--customer", type=int, metavar="ID", help="Only views of this customer: the id in contatos.")
@click.option("--user", "name", help="Only views by this user.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="First day.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="Largest number of records to show.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per record.")
def audit_command(
    customer: int | None, name: str | None, since: datetime | None, limit: int, as_json: bool
) -> None:
    """List who looked at whose messages: one line per user, customer and period of ten minutes.

    Customers are shown as keyed hashes, so that the record can stay after an erasure. --customer finds the
    lines of a customer by id.
    """
    from whatsapp_pipeline import privacy_key
    from whatsapp_pipeline.store.operations.console_views import view_subject, views

    configured = settings.load_settings()
    subject = None
    if customer is not None:
        key = privacy_key.find_key()
        if key is None:
            raise PipelineError("PRIVACY_KEY is missing: without it, customers can't be found in the record")
        subject = view_subject(key, customer, "")
    moment = since.replace(tzinfo=configured.tzinfo) if since else None
    with open_database(configured) as conn:
        if name is not None:
            _user(conn, name)
        records = views(conn, subject=subject, user=name, since=moment, limit=limit)
    for record in records:
        shown = {
            "from": f"{record.first_at:%Y-%m-%d %H:%M}",
            "to": f"{record.last_at:%H:%M}",
            "user": record.name,
            "action": record.action,
            "subject": record.subject.hex()[:16],
            "pages": record.pages,
        }
        if as_json:
            say_json(shown)
        else:
            say("  ".join(str(value) for value in shown.values()))
    if not records and not as_json:
        say("nobody looked at messages", err=True)
