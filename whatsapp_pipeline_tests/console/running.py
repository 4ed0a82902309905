"""The console on a real server and a real database, for the tests of its pages."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx
import psycopg
import uvicorn
from psycopg import sql

from whatsapp_pipeline.console.access import new_token, token_hash
from whatsapp_pipeline.console.app import create_console_app
from whatsapp_pipeline.console.config import ConsoleConfig
from whatsapp_pipeline.console.pools import ConsolePools
from whatsapp_pipeline.store import grants
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.operations import console_access
from whatsapp_pipeline.store.operations.console_access import Level
from whatsapp_pipeline.store.operations.console_logins import LOGIN_ROLES, ensure_logins, login_name
from whatsapp_pipeline_tests.processes import free_port

KEY = b"a key of the tests, and of nothing else"
LEVELS: tuple[Level, ...] = ("reader", "analyst", "reviewer")


@dataclass(frozen=True)
class RunningConsole:
    """A console that serves; `url` is its address and `database_url` the owner's way to its database."""

    url: str
    database_url: str
    login_urls: Mapping[str, str]

    def session(self, level: Level, *, name: str | None = None) -> str:
        """Make a user of a level, if need be, and return the token of a new session."""
        token = new_token()
        with connect(self.database_url) as conn:
            user = name or f"test-{level}"
            console_access.add_user(conn, user, level)
            found = console_access.user_named(conn, user)
            assert found is not None
            console_access.begin_session(conn, found.id, token_hash(token))
        return token

    def client(self, level: Level | None = None, *, name: str | None = None) -> httpx.Client:
        """Return a client that is logged in at a level, or not logged in; it follows no redirect."""
        client = httpx.Client(base_url=self.url, headers={"sec-fetch-site": "same-origin"}, timeout=30)
        if level is not None:
            client.cookies.set("console", self.session(level, name=name))
        return client


@contextlib.contextmanager
def running_console(
    database_url: str,
    config: ConsoleConfig | None = None,
    *,
    pool_size: int = 4,
    options: Mapping[str, Any] | None = None,
) -> Iterator[RunningConsole]:
    """Serve the console on a free port; afterwards no process, connection or role is left."""
    port = free_port()
    config = replace(config or ConsoleConfig(), port=port)
    urls = ensure_logins(database_url, KEY)
    pools = ConsolePools(urls, zone=config.zone, size=pool_size, options=options)
    server = uvicorn.Server(
        uvicorn.Config(
            create_console_app(config, pools, KEY),
            host="127.0.0.1",
            port=port,
            log_level="error",
            access_log=False,
            proxy_headers=False,
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        ready = httpx.Client(transport=httpx.HTTPTransport(retries=30))
        assert ready.get(f"http://127.0.0.1:{port}/health").text == "ok"
        yield RunningConsole(f"http://127.0.0.1:{port}", database_url, urls)
    finally:
        server.should_exit = True
        thread.join()
        drop_roles(database_url)


def drop_roles(database_url: str) -> None:
    """Drop the console's logins, and the roles where no other database of the server has them."""
    with connect(database_url) as conn:
        names = [*(login_name(conn.info.dbname, purpose) for purpose in LOGIN_ROLES), *grants.ROLES]
        for name in names:
            if conn.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).fetchone() is not None:
                conn.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
                with contextlib.suppress(psycopg.errors.DependentObjectsStillExist):
                    conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def text_of(html: str) -> str:
    """Return what a page says, without its tags."""
    from html import unescape

    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())
