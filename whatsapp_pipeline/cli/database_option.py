"""Checks for several commands: the database has the current schema and code, and a port is free."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from whatsapp_pipeline.databases import pipeline_url
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.store.connection import Connection, connect, describe
from whatsapp_pipeline.store.migrate import pending_migrations


def migrated_url(configured: Settings) -> str:
    """Return the URL of the settings' database.

    Raises PipelineError if its schema is not current, or if several hosts use it and its code is not that of
    this process.
    """
    from whatsapp_pipeline.steps.operations.current_code import refuse_other_code

    url = pipeline_url(configured)
    if pending_migrations(url):
        raise PipelineError(f"{describe(url)} is not migrated; run `whatsapp-pipeline migrate`")
    refuse_other_code(url, configured)
    return url


def current_url(configured: Settings) -> str:
    """Return the URL of the database. A database of the embedded server is migrated to the current schema.

    After a migration, people on the list of erased people in `.local` are erased from the database. Raises
    PipelineError if the schema of the user's own server is not current.
    """
    from whatsapp_pipeline.cli.backup import cli_log
    from whatsapp_pipeline.steps.operations.privacy import recall_erasures
    from whatsapp_pipeline.store.migrate import migrate

    if configured.database_url:
        return migrated_url(configured)
    url = pipeline_url(configured)
    if pending_migrations(url):
        migrate(url)
        recall_erasures(url, configured, log=cli_log())
    return url


@contextmanager
def open_database(configured: Settings) -> Iterator[Connection]:
    """Open the database of the settings; raises PipelineError if its schema is not current."""
    with connect(migrated_url(configured)) as conn:
        yield conn


def require_free(host: str, port: int, option: str) -> None:
    """Raise PipelineError if no program can listen on `host:port`; `option` names the option to change."""
    try:
        if not 0 <= port <= 65535:  # for such a port, create_server would leave its socket open
            raise OverflowError("a port is a number from 0 to 65535")
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.create_server((str(address[0]), port), family=family):
            pass
    except (OSError, OverflowError) as error:
        reason = str(getattr(error, "strerror", None) or error).partition(" (while")[0]
        raise PipelineError(
            f"cannot listen on {host}:{port} ({reason}); stop what runs there, or choose another {option}"
        ) from error
