"""Serving the console: the preparation before the first request, and the HTTP server.

What belongs here: preparing the database's logins and the first user, and running uvicorn. What does not:
routes (app.py).
"""

from __future__ import annotations

from collections.abc import Callable

from whatsapp_pipeline.console.access import new_token, token_hash
from whatsapp_pipeline.console.app import create_console_app
from whatsapp_pipeline.console.config import ConsoleConfig
from whatsapp_pipeline.console.pools import ConsolePools
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.operations import console_access as store
from whatsapp_pipeline.store.operations.console_logins import ensure_logins
from whatsapp_pipeline.store.operations.console_views import delete_views_older_than
from whatsapp_pipeline.store.operations.suppression import key_in_use

FIRST_USER = "admin"
LINK_HOURS = 24


def login_link(conn: Connection, id_user: int, base: str) -> str:
    """Store a link with which the user can log in once within 24 hours, and return it."""
    token = new_token()
    store.add_login_link(conn, id_user, token_hash(token), hours=LINK_HOURS)
    return f"{base}/login/once/{token}"


def awaits_first_login(conn: Connection) -> bool:
    """Return whether nobody has logged in yet and nobody has a password."""
    people = [user for user in store.users(conn) if store.is_person(user.name)]
    return not any(user.last_login_at or user.password_hash for user in people)


def first_login(conn: Connection, base: str) -> str | None:
    """Return a login link for the first user; None if anybody has logged in or has a password.

    If there are no users, the user `admin` is created.
    """
    if not awaits_first_login(conn):
        return None
    known = [user for user in store.users(conn) if store.is_person(user.name)]
    id_user = known[0].id if known else store.add_user(conn, FIRST_USER, "reviewer")
    return None if id_user is None else login_link(conn, id_user, base)


def prepare_logins(url: str) -> tuple[bytes, dict[str, str]]:
    """Create missing database logins of the console. Return the privacy key and the connection
    string of each login.

    Raises LoginsRefusedError if the role of `url` may not create them.
    """
    with connect(url) as conn:
        key = key_in_use(conn, make=True)
    return key, ensure_logins(url, key)


def _first_login_hint(conn: Connection, base: str, *, prints_link: bool) -> str | None:
    """Return how the first user can log in; None if somebody has logged in or has a password."""
    link = first_login(conn, base) if prints_link else None
    if link:
        return (
            f"nobody has logged in yet; use this link to log in, once and within {LINK_HOURS} hours: {link}"
        )
    if awaits_first_login(conn):
        return (
            "nobody has logged in yet; to get a login link, run `whatsapp-pipeline console user add NAME "
            "--level reviewer`"
        )
    return None


def serve_console(
    config: ConsoleConfig,
    url: str,
    *,
    audit_months: int,
    say: Callable[[str], None],
    prints_link: bool,
) -> None:
    """Serve until the process is interrupted.

    Args:
        config: The console's configuration.
        url: URL of the database, for a role that may create the console's logins. Requests never use this
            URL.
        audit_months: Number of months for which the record of views is kept.
        say: Prints a line for the person who started the console.
        prints_link: If true, a link for the first login is printed. It must be false if the output is kept
            in a log; then the command that creates a link is printed.

    Raises LoginsRefusedError if the database's role may not create the logins.
    """
    import uvicorn

    key, urls = prepare_logins(url)
    with connect(url) as conn:
        delete_views_older_than(conn, audit_months)
        if hint := _first_login_hint(conn, config.url, prints_link=prints_link):
            say(hint)
        store.add_link_users(conn, [key for key, _ in config.link_keys])
    say(f"console: {config.url}")
    pools = ConsolePools(urls, zone=config.zone, size=config.pool_size)
    uvicorn.run(
        create_console_app(config, pools, key),
        host=config.host,
        port=config.port,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # the guard reads these headers, of listed proxies only
        timeout_graceful_shutdown=5,
        limit_concurrency=256,
        ssl_certfile=config.tls_cert,
        ssl_keyfile=config.tls_key,
    )
