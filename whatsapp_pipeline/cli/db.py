"""`db`: the address of the database, for programs such as DBeaver, a notebook or a BI tool."""

from __future__ import annotations

from urllib.parse import quote

import click
from psycopg.conninfo import conninfo_to_dict

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.output import say
from whatsapp_pipeline.cli.params import Group
from whatsapp_pipeline.databases import shared_url
from whatsapp_pipeline.embedded import is_shared


@click.group(cls=Group)
def db() -> None:
    """Print the address of the database for other programs."""


@db.command()
@click.option(
    "--level",
    type=click.Choice(["reader", "analyst", "reviewer"]),
    help="Level of the console whose rights the login has.  [default: the owner of the database]",
)
def url(level: str | None) -> None:
    """Print the database's URL with its password. The embedded server needs EMBEDDED_PORT.

    A reader sees no message text. The embedded server runs as long as `up`, `serve` or another command runs.
    """
    configured = settings.load_settings()
    found = shared_url(configured)
    if level is not None:
        from whatsapp_pipeline.console.server import prepare_logins

        _, logins = prepare_logins(found)
        found = logins[level]
    say(_as_url(found))
    if configured.database_url is None and not is_shared(configured.local_dir):
        say("the server stops when this command ends; it runs while `up` or `serve` runs", err=True)


def _as_url(conninfo: str) -> str:
    """Return the parameters of a connection as a URL, which every program accepts."""
    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items() if value is not None}
    host, port = parts.pop("host", ""), parts.pop("port", "")
    named = {name: quote(parts.pop(name, ""), safe="") for name in ("user", "password", "dbname")}
    login = f"{named['user']}:{named['password']}@" if named["password"] else f"{named['user']}@"
    place = quote(host, safe=":[]") + (f":{port}" if port else "")
    rest = "&".join(f"{name}={quote(value, safe='')}" for name, value in sorted(parts.items()))
    return f"postgresql://{login}{place}/{named['dbname']}" + (f"?{rest}" if rest else "")
