"""The pipeline's database as a Dagster resource.

What belongs here: connections for assets, and the shared connection of a dry run. What does not: statements
(store/) and the choice of the server (databases.py).
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

import dagster as dg
import psycopg
from pydantic import Field

from whatsapp_pipeline import settings
from whatsapp_pipeline.backups import backup_options
from whatsapp_pipeline.databases import pipeline_url
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.privacy_key import require_common_key
from whatsapp_pipeline.run_hosts import refuse_unshared_runs
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.steps.operations.backup import before_first_write
from whatsapp_pipeline.steps.operations.current_code import refuse_other_code
from whatsapp_pipeline.steps.operations.local_erasures import apply_erasures
from whatsapp_pipeline.steps.operations.privacy import recall_erasures
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.migrate import migrate, pending_migrations

# The connection of a dry run of the whole chain, if this process executes one.
_dry_run_connection: ContextVar[Connection | None] = ContextVar("dry_run_connection", default=None)


@cache
def _ready_url(url: str | None, configured: Settings) -> str:
    """Return the database's URL. Once per process, check its schema and apply the list of erased people."""
    refuse_unshared_runs(configured)  # Dagster's own storage, which the chart uses, does not check this
    resolved = url or pipeline_url(configured)
    require_common_key(configured)
    if missing := pending_migrations(resolved):
        if url or configured.database_url:
            raise PipelineError(
                f"the database lacks {len(missing)} migration(s), the first is {missing[0]}; "
                "run `whatsapp-pipeline migrate`"
            )
        migrate(resolved)  # no other program uses the embedded server
    refuse_other_code(resolved, configured)
    log = logging.getLogger("whatsapp_pipeline.privacy")
    recall_erasures(resolved, configured, log=log)
    if configured.several_hosts:
        _apply_erasures_of_other_hosts(resolved, configured, log)
    return resolved


def _apply_erasures_of_other_hosts(url: str, configured: Settings, log: logging.Logger) -> None:
    """Apply erasures to the files of this host, if it has copies of personal data.

    If this fails, the run continues and the erasure stays in the queue.
    """
    try:
        with connect(url, application_name="whatsapp-pipeline erasures") as conn:
            apply_erasures(conn, configured, register=False, log=log)
    except psycopg.errors.InsufficientPrivilege:
        log.debug("erasures are applied by a login that may write")
    except (psycopg.Error, PipelineError, OSError) as error:
        words = str(error) if isinstance(error, PipelineError) else type(error).__name__
        log.warning("erasures can't be applied on this host now (%s)", words, extra=fields(reason=words))


@cache
def _backed_up(url: str) -> None:
    """Back up a user's own database before the first write to it. This is checked once per process."""
    configured = settings.load_settings()
    # The embedded server and a URL in the configuration of a run have no tables of other programs.
    if configured.backup_before_write and configured.database_url and url == pipeline_url(configured):
        before_first_write(url, backup_options(configured), log=logging.getLogger("whatsapp_pipeline.backup"))


@contextmanager
def _errors_without_rows() -> Iterator[None]:
    """Raise errors of the database without rows and values, because Dagster stores the text of errors."""
    try:
        yield
    except psycopg.Error as error:
        raise PipelineError(_describe_error(error)) from None
    except PipelineError as error:
        if isinstance(error.__cause__, psycopg.Error):
            raise error from None
        raise


def _describe_error(error: psycopg.Error) -> str:
    ours = [f for f in traceback.extract_tb(error.__traceback__) if "/whatsapp_pipeline/" in f.filename]
    place = f" in {ours[-1].name}, line {ours[-1].lineno}" if ours else ""
    # The primary message names tables and constraints. For class 22 (data exceptions) it contains values, so
    # it is omitted.
    words = error.diag.message_primary if error.sqlstate and not error.sqlstate.startswith("22") else None
    return f"the database: {type(error).__name__} ({error.sqlstate or 'no answer'}){place}" + (
        f": {words}" if words else ""
    )


class Database(dg.ConfigurableResource):  # type: ignore[type-arg]  # no value type: assets get the resource
    """The PostgreSQL database with contacts, orders, chats and all results."""

    url: str | None = Field(
        default=None,
        description="PostgreSQL URL. Default: DATABASE_URL, otherwise the embedded server under .local/.",
    )

    def resolved_url(self) -> str:
        """Return the URL of the database after checking that its schema is current."""
        return _ready_url(self.url, settings.load_settings())

    @contextmanager
    def connect(
        self, *, application_name: str = "whatsapp-pipeline", dry_run: bool = False
    ) -> Iterator[Connection]:
        """Open a connection in autocommit mode; with `dry_run`, roll back all changes at the end.

        Raises PipelineError for every error of the database, because psycopg's errors may quote rows.
        """
        with _errors_without_rows():
            if shared := _dry_run_connection.get():
                yield shared
                return
            url = self.resolved_url()
            if not dry_run:
                _backed_up(url)
            with connect(url, application_name=application_name) as conn:
                if dry_run:
                    with conn.transaction(force_rollback=True):
                        yield conn
                else:
                    yield conn

    @contextmanager
    def dry_run_of_everything(self) -> Iterator[Connection]:
        """Make every `connect` of this block use one connection, and roll back its changes at the end."""
        with self.connect(application_name="whatsapp-pipeline dry run", dry_run=True) as conn:
            token = _dry_run_connection.set(conn)
            try:
                yield conn
            finally:
                _dry_run_connection.reset(token)
